"""The long survival tests, `make soak`: runners and workers die at random, and nothing is lost."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager

import small_workbook as tiny

N_RUNS = 200


def processes_of(folder):
    """Return the ids of live processes that work on a workbook: runner, workers and kernels."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                ours = str(folder).encode() in file.read()
            ours |= os.readlink(f"/proc/{pid}/cwd") == str(folder / "notebooks")
        except OSError:
            continue
        if ours:
            found.append(int(pid))
    return found


def test_two_hundred_runs_with_one_in_ten_killed(small, fault):
    """Twenty runs, drawn by lot, die by kernel or worker; two of them twice, so one call fails."""
    lot = random.Random(0)
    unlucky = lot.sample(range(N_RUNS), N_RUNS // 10)
    for k, seed in enumerate(unlucky):
        times = 2 if k < 2 else 1
        kind = "worker" if k > 2 and k % 2 else "kernel"
        fault(f"{kind} killed among {N_RUNS} runs", times)
        (small / "faults" / str(seed)).write_text(" ".join([kind] * times))
    path = tiny.sweep_file(small, cross={"seed": list(range(N_RUNS))})
    status, output, _ = tiny.call(small, "run", path)
    assert status == 1 and f"{N_RUNS - 2} of {N_RUNS} runs are finished" in output
    done = tiny.results(small)
    status, output, errors = tiny.call(small, "run", path)
    assert status == 0, output + errors
    assert f"{N_RUNS} runs, {N_RUNS - 2} of them finished already" in output
    assert tiny.results(small) == [(seed, 7) for seed in range(N_RUNS)]  # none lost, none doubled
    assert set(done) < set(tiny.results(small))


def test_a_sweep_killed_and_started_again(small, fault):
    fault("sweep's runner killed", 3)
    path = tiny.sweep_file(small, cross={"seed": list(range(12))}, fixed={"pause": 1.0})
    finished = {}
    for wanted in (2, 5, 8):
        runner = subprocess.Popen(tiny.command(small, "run", path))
        tiny.wait_for(lambda wanted=wanted: len(tiny.results(small)) >= wanted)
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        for record in (small / "runs" / "many").glob("*/finished.json"):
            finished.setdefault(record, record.stat().st_mtime_ns)
    tiny.wait_for(lambda: not processes_of(small))  # workers and kernels follow their runner
    status, output, errors = tiny.call(small, "run", path)
    assert status == 0, output + errors
    assert tiny.results(small) == [(seed, 7) for seed in range(12)]
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())  # not run again
    assert not list((small / "runs" / "many").glob("*/.*.ipynb"))


def test_ctrl_c_ends_a_sweep_and_its_processes(small, fault):
    fault("Ctrl-C")
    path = tiny.sweep_file(small, cross={"seed": list(range(8))}, fixed={"pause": 2.0})
    status, errors = tiny.interrupt(small, "run", path, when=lambda: tiny.results(small))
    assert status == 130
    assert "The same command goes on where this one stopped." in errors
    assert "Traceback" not in errors
    tiny.wait_for(lambda: not processes_of(small))
    status, _, _ = tiny.call(small, "run", path)
    assert status == 0 and len(tiny.results(small)) == 8


def test_two_sweeps_at_once(small, fault):
    fault("second sweep on a folder")
    path = tiny.sweep_file(small, cross={"seed": [0, 1]}, fixed={"pause": 30.0})
    first = subprocess.Popen(tiny.command(small, "run", path))
    tiny.wait_for(lambda: tiny.started(small))
    status, _, errors = tiny.call(small, "run", path)
    assert status == 1 and "Another run is at work" in errors
    assert first.wait(timeout=300) == 0
    assert tiny.results(small) == [(0, 7), (1, 7)]


@contextmanager
def dask_processes(folder):
    """Start a scheduler and a worker by Dask's own commands; yield its address and its process."""
    folder.mkdir()
    note, dask = folder / "scheduler.json", [sys.executable, "-m", "dask"]
    shared = ["--host", "127.0.0.1", "--scheduler-file", str(note), "--no-dashboard"]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", *shared], **options)
    worker = subprocess.Popen([*dask, "worker", "--nthreads", "1", *shared], **options)
    try:
        tiny.wait_for(note.exists)
        yield json.loads(note.read_text())["address"], scheduler
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait()


def test_a_scheduler_killed_and_another_one_started(small, tmp_path, fault):
    fault("scheduler killed")
    path = tiny.sweep_file(small, cross={"seed": list(range(4))}, fixed={"pause": 2.0})
    with dask_processes(tmp_path / "first") as (address, scheduler):
        runner = subprocess.Popen(
            tiny.command(small, "run", path, "--scheduler", address),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        tiny.wait_for(lambda: tiny.results(small))
        scheduler.kill()
        output, errors = runner.communicate(timeout=300)
    assert runner.returncode == 1 and "Traceback" not in errors
    assert "The connection to Dask's scheduler was lost" in errors
    with dask_processes(tmp_path / "second") as (address, _):
        status, output, errors = tiny.call(small, "run", path, "--scheduler", address)
    assert status == 0, output + errors
    assert tiny.results(small) == [(seed, 7) for seed in range(4)]


def test_the_report_of_a_sweep_counts_each_run_once(small):
    path = tiny.sweep_file(small, cross={"seed": [0, 1, 2]})
    assert tiny.call(small, "run", path)[0] == 0
    tiny.call(small, "report", "many")  # its notebook is not in this workbook; the table is
    with (small / "runs/many/table.csv").open(encoding="utf-8", newline="") as file:
        gains = [row["seed"] for row in csv.DictReader(file) if row["name"] == "gain"]
    assert sorted(gains) == ["0", "1", "2"]
