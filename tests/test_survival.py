"""Faults that a night of runs may meet: each leaves a plain message and loses nothing."""

import json
import os
import resource
import signal
import subprocess
import sys
import zipfile

import keras
import nbformat
import pytest
import small_workbook as tiny

from tta_helpers.workbook import networks, runs
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.sweeping import run_sweep

GIVEN = {"dataset": "auto"}


def results(folder):
    """Return name and content of every file of a run but the list of what finished."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "finished.json"}


def test_a_kernel_killed_in_a_cell(small, fault):
    fault("kernel killed in a cell")
    runs.run_workbook({**GIVEN, "copies": 3}, "a")
    before = results(small / "runs" / "a")
    (small / "faults" / "0").write_text("kernel")
    # The fourth: parameters, those put in, the log, then the one that dies.
    with pytest.raises(RunError, match="01_one: the kernel died in cell 4"):
        runs.run_workbook({**GIVEN, "copies": 4}, "a")
    assert results(small / "runs" / "a") == before
    runs.run_workbook({**GIVEN, "copies": 4}, "a")
    assert tiny.started(small) == ["0 3 ", "0 4 kernel", "0 4 "]


def test_a_dead_kernel_ends_make_run_with_one_message(small, fault):
    fault("kernel killed under the command line")
    (small / "faults" / "0").write_text("kernel")
    status, _, errors = tiny.call(small, "make", "run")
    assert status == 1
    assert "error: 01_one: the kernel died in cell" in errors
    assert "Traceback" not in errors


def test_kernels_and_workers_killed_in_a_sweep(small, scheduler, fault):
    fault("kernel killed in a sweep")
    fault("worker killed in a sweep")
    (small / "faults" / "1").write_text("kernel")
    (small / "faults" / "2").write_text("worker")
    path = tiny.sweep_file(small, cross={"seed": [0, 1, 2, 3]})
    assert run_sweep(path, Cluster(scheduler=scheduler)) == 0
    assert tiny.results(small) == [(0, 7), (1, 7), (2, 7), (3, 7)]


def test_a_kernel_that_dies_twice_is_told_of(small, scheduler, fault, capsys):
    fault("kernel killed twice in a sweep", 2)
    (small / "faults" / "1").write_text("kernel kernel")
    path = tiny.sweep_file(small, cross={"seed": [0, 1]})
    assert run_sweep(path, Cluster(scheduler=scheduler)) == 1
    assert "seed=1 failed twice:\n01_one: the kernel died in cell 4" in capsys.readouterr().out
    assert tiny.results(small) == [(0, 7)]


def test_values_out_of_range_are_told_of(small, scheduler, fault, capsys):
    fault("parameter out of range")
    path = tiny.sweep_file(small, cross={"copies": [0, 5]})
    assert run_sweep(path, Cluster(scheduler=scheduler)) == 1
    assert "copies=0 failed twice" in capsys.readouterr().out
    assert "copies is 0; give 1 or more." in (small / "runs/many/failures.txt").read_text()
    assert tiny.results(small) == [(0, 5)]


def test_a_runner_killed_and_started_again(small, fault):
    fault("runner killed")
    (small / "notebooks" / "tiers" / "lesson.yml").write_text("dataset: auto\npause: 600.0\n")
    runner = subprocess.Popen(tiny.command(small, "make", "run", "--name", "a"))
    tiny.wait_for(lambda: tiny.started(small))
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert not list((small / "runs" / "a").glob("01_one.*"))  # nothing half done has a final name
    runs.run_workbook(GIVEN, "a")  # the lock fell with its owner
    assert {"01_one.ipynb", "01_one.json"} <= set(os.listdir(small / "runs" / "a"))


def test_a_full_disk(small, fault):
    fault("disk full while the notebook is saved")
    runs.run_workbook({**GIVEN, "copies": 3}, "a")
    before = results(small / "runs" / "a")
    path = small / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source += "\nprint('x' * 400_000)"
    nbformat.write(notebook, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))  # no file may grow beyond that
    try:
        with pytest.raises(RunError, match=r"01_one\.ipynb cannot be written .*File too large"):
            runs.run_workbook({**GIVEN, "copies": 3}, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert results(small / "runs" / "a") == before


def test_a_full_disk_in_a_cell(small, fault):
    fault("disk full in a cell")
    (small / "faults" / "0").write_text("disk")
    with pytest.raises(RunError, match=r"cell 4: OSError: \[Errno 28\] No space left on device"):
        runs.run_workbook(GIVEN, "a")


@pytest.mark.parametrize("place", ["runs", "runs/a"])
def test_a_folder_that_cannot_be_made(small, place, fault):
    fault("unwritable folder")
    (small / place).parent.mkdir(exist_ok=True)
    (small / place).write_text("in the way")  # stops even root
    with pytest.raises(RunError, match=r"a cannot be made .*choose another name"):
        runs.run_workbook(GIVEN, "a")
    with pytest.raises(RunError, match="cannot be made"):
        run_sweep(tiny.sweep_file(small, "a"), Cluster(scheduler="tcp://nobody:1"))
    assert (small / place).read_text() == "in the way"


def test_two_runners_on_one_folder(small, fault):
    fault("two runners on one folder", 2)
    (small / "runs").mkdir()
    hold = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1])"
    hold += "; lock.acquire(); print(1); sys.stdout.flush(); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(small / "runs" / ".a.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        holder.stdout.readline()
        with pytest.raises(RunError, match=r"Another run is at work in .*a: wait until"):
            runs.run_workbook(GIVEN, "a")
        with pytest.raises(RunError, match="Another run is at work"):
            run_sweep(tiny.sweep_file(small, "a"), Cluster(scheduler="tcp://nobody:1"))
        holder.kill()
    assert not tiny.started(small)
    runs.run_workbook(GIVEN, "a")


@pytest.mark.parametrize("name", ["01_one.keras", "01_one.json", "finished.json"])
@pytest.mark.parametrize("left", [0, 50])
def test_a_truncated_file_is_made_again(small, name, left, fault):
    fault(f"{name.replace('01_one.', 'a truncated ')} in a run's folder")
    runs.run_workbook(GIVEN, "a")
    path = small / "runs" / "a" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    runs.run_workbook(GIVEN, "a")
    assert len(tiny.started(small)) == 2
    assert path.read_bytes() == whole
    runs.run_workbook(GIVEN, "a")
    assert len(tiny.started(small)) == 2


@pytest.mark.parametrize("content", ["[]", '{"01_one": 3}', "\xff", '{"01_one": {"key": "k"}}'])
def test_a_list_of_finished_notebooks_of_another_kind(small, content, fault):
    fault("finished.json of another kind")
    runs.run_workbook(GIVEN, "a")
    (small / "runs" / "a" / "finished.json").write_bytes(content.encode("latin-1"))
    runs.run_workbook(GIVEN, "a")
    assert len(tiny.started(small)) == 2


def test_a_truncated_record_is_named(small, fault):
    fault("result record truncated")
    runs.run_workbook(GIVEN, "a")
    path = small / "runs" / "a" / "01_one.json"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(RunError, match=r"01_one\.json is not a result record.*run 01_one again"):
        runs.read_record("runs/a", "01_one")


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_model_is_named(tmp_path, kept, fault):
    fault("model file truncated")
    path = tmp_path / "baseline_0.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match=r"baseline_0\.keras cannot be loaded.*run that"):
        networks.load_model(path)


def test_a_model_without_its_weights_is_named(tmp_path, fault):
    fault("model file without weights")
    path = tmp_path / "baseline_0.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(path)
    with zipfile.ZipFile(path) as file:
        parts = {n: file.read(n) for n in file.namelist() if "weights" not in n}
    with zipfile.ZipFile(path, "w") as file:
        for name, part in parts.items():
            file.writestr(name, part)
    with pytest.raises(ValueError, match=r"baseline_0\.keras cannot be loaded"):
        networks.load_model(path)


def test_a_notebook_without_parameters(small, fault):
    fault("notebook without a parameters cell")
    path = small / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["tags"] = []
    nbformat.write(notebook, path)
    with pytest.raises(RunError, match=r"01_one\.ipynb has no cell tagged `parameters`"):
        runs.run_workbook(GIVEN, "a")


def test_a_default_that_is_computed(small, fault):
    fault("computed parameter default")
    path = small / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "later = seed + 1\n"
    nbformat.write(notebook, path)
    with pytest.raises(RunError, match="a parameter's default is no plain value"):
        runs.run_workbook(GIVEN, "a")


def test_a_changed_record_of_a_longer_run_makes_its_notebook_run_again(small):
    records = small / "notebooks" / "records"
    records.mkdir()
    (records / "02_other.json").write_text("{}")
    runs.run_workbook(GIVEN, "a")
    (records / "02_other.json").write_text("[]")  # another notebook's
    runs.run_workbook(GIVEN, "a")
    assert len(tiny.started(small)) == 1
    (records / "01_longer.json").write_text(json.dumps({"gain": 1}))
    runs.run_workbook(GIVEN, "a")
    assert len(tiny.started(small)) == 2
