"""Where sweeps run: every wait for a scheduler or a worker has an end, and is told of."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
import small_workbook as tiny
from distributed import Client, LocalCluster

from tta_helpers.workbook import clusters
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.digests import package_digest
from tta_helpers.workbook.kernels import USUAL
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.sweep_files import read_sweep, runs_of
from tta_helpers.workbook.sweeping import execute_run, run_sweep


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def speaking_http():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@contextmanager
def silent():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def nobody():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    yield port


@pytest.mark.parametrize("scheme", ["tcp", "tls", "ws"])
@pytest.mark.parametrize("who", [speaking_http, silent, nobody], ids=lambda who: who.__name__)
def test_a_port_that_is_no_schedulers(small, monkeypatch, scheme, who, fault):
    fault(f"scheduler's port: {who.__name__.replace('_', ' ')}")
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 2)
    path = tiny.sweep_file(small)
    with (
        who() as port,
        pytest.raises(RunError, match=r"No Dask scheduler answers at .* within 2 s"),
    ):
        run_sweep(path, Cluster(scheduler=f"{scheme}://127.0.0.1:{port}"))
    assert not tiny.started(small)


@pytest.fixture
def empty():
    """A scheduler without workers."""
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", protocol="tcp") as cluster:
        yield cluster


def test_a_worker_is_no_scheduler(small, scheduler, monkeypatch, fault):
    fault("a worker's address in place of the scheduler's")
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 5)
    with Client(scheduler) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
    with pytest.raises(RunError, match="No Dask scheduler answers"):
        run_sweep(tiny.sweep_file(small), Cluster(scheduler=worker))


def test_a_scheduler_without_workers_is_told_of(small, empty, capsys, fault):
    fault("scheduler without workers")
    path = tiny.sweep_file(small)
    with pytest.raises(RunError, match=r"No worker was there for 2 s \(--wait-minutes\)"):
        run_sweep(path, Cluster(scheduler=empty.scheduler_address, wait=2))
    assert "Waiting for a worker, for 2 s at most" in capsys.readouterr().out


def test_workers_that_leave_and_do_not_come_back_are_told_of(small, empty, fault):
    fault("all workers gone in the middle of a sweep")
    path = tiny.sweep_file(small, cross={"seed": [0, 1]}, fixed={"pause": 60.0})
    line = [sys.executable, "-m", "distributed.cli.dask_worker", empty.scheduler_address]
    worker = subprocess.Popen(
        [*line, "--nthreads", "1", "--no-dashboard", "--no-nanny"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=small,
    )

    def leave():
        tiny.wait_for(lambda: tiny.started(small))
        worker.kill()

    leaving = threading.Thread(target=leave)
    leaving.start()
    try:
        with pytest.raises(RunError, match="No worker was there for 4 s"):
            run_sweep(path, Cluster(scheduler=empty.scheduler_address, wait=4))
    finally:
        leaving.join()
        worker.kill()
        worker.wait()


def test_a_worker_of_another_version_refuses(small, fault):
    fault("worker with another version of the package")
    (run,) = runs_of(read_sweep(tiny.sweep_file(small)))
    with pytest.raises(RunError, match="another version of tta_helpers than the sweep"):
        execute_run(run, {}, USUAL, code="older")
    assert not tiny.started(small)
    execute_run(run, {}, USUAL, code=package_digest())
    assert tiny.started(small) == ["0 7 "]


def test_malformed_settings_of_dask_are_named(small, tmp_path, fault):
    fault("malformed settings of Dask")
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask" / "mine.yaml").write_text("distributed: [")
    environment = {**os.environ, "DASK_CONFIG": str(tmp_path / "dask")}
    done = subprocess.run(
        [sys.executable, "-m", "tta_helpers.workbook.sweeps", "run", str(tiny.sweep_file(small))],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: Dask does not start") and "DASK_CONFIG" in done.stderr
