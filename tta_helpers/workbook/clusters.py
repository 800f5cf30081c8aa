"""Where a sweep runs: workers of this machine, of a Dask scheduler, or in Slurm jobs."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, LocalCluster
from distributed.comm import connect

from tta_helpers.workbook.chain import span
from tta_helpers.workbook.parameters import read_yaml
from tta_helpers.workbook.place import RunError

CONNECT_SECONDS = 10
DASK = {
    # A worker holds the one run that it executes: when it dies, no other is blamed for it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 5,
}


@dataclass(frozen=True)
class Cluster:
    """Where a sweep runs: an existing Dask scheduler, Slurm, or else this machine.

    Attributes
    ----------
    scheduler
        Address of a scheduler, such as tcp://host:8786.
    slurm
        A YAML file: `jobs`, and the settings that dask-jobqueue's SLURMCluster takes.
    workers
        Runs at a time on this machine; 0 takes one a core.
    wait
        Seconds to wait for a worker, at the start and whenever none is left.
    shared
        Whether the workers of this machine share its cores. If each takes as many threads as a
        process alone would, its sums come out the same to the last bit.
    """

    scheduler: str = ""
    slurm: str = ""
    workers: int = 0
    wait: float = 600
    shared: bool = True

    @contextmanager
    def client(self, n_runs: int) -> Iterator[Client]:
        """Connect, starting what `n_runs` runs can use, and end that afterwards.

        Raises
        ------
        RunError
            If no scheduler or no worker answers in time, or the Slurm settings are refused.
        """
        for name in ("client", "comm.tcp", "scheduler"):  # we tell of it
            logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL)
        if self.scheduler:
            with self._connected() as client:
                self._wait_for_workers(client)
                yield client
        else:
            dask.config.set(DASK)
            with self._started(n_runs) as cluster, Client(cluster) as client:
                self._wait_for_workers(client)
                yield client

    def _connected(self) -> Client:
        try:
            asyncio.run(asyncio.wait_for(_greet(self.scheduler), CONNECT_SECONDS))
            return Client(self.scheduler, timeout=CONNECT_SECONDS)
        except Exception as error:  # each way to speak with it has errors of its own
            raise RunError(
                f"No Dask scheduler answers at {self.scheduler!r} within {CONNECT_SECONDS} s "
                f"({str(error) or type(error).__name__}): start one with `dask scheduler`, and "
                "workers with `dask worker`; both take the address that it prints."
            ) from error

    def _wait_for_workers(self, client: Client) -> None:
        if client.nthreads():
            return
        print(f"Waiting for a worker, for {span(self.wait)} at most ...", flush=True)
        try:
            client.wait_for_workers(1, timeout=self.wait)
        except TimeoutError as error:
            raise RunError(no_worker(self.wait)) from error

    def _started(self, n_runs: int) -> Any:
        if self.slurm:
            return slurm_cluster(self.slurm)
        if self.workers < 0:
            raise RunError(f"workers is {self.workers}; give 1 or more, or 0 for one a core.")
        cores = os.cpu_count() or 1
        workers = min(self.workers or cores, n_runs)
        # The runs share the cores, so that they do not get in each other's way.
        share = max(1, cores // workers)
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        threads = dict.fromkeys(names, share) if self.shared else {}  # Dask's own say one thread
        dask.config.set({"distributed.nanny.pre-spawn-environ": threads})
        # Ctrl-C reaches the whole terminal; workers inherit that it is ignored, and we end them.
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # the memory is in the kernels, where Dask does not see it
                dashboard_address="127.0.0.1:0",  # any free port
                silence_logs=logging.CRITICAL,  # failures are told of by `_write_failures`
            )
        finally:
            signal.signal(signal.SIGINT, ours)


def slurm_cluster(path: str | Path) -> Any:
    """Return dask-jobqueue's cluster for a file of settings, with its jobs asked for.

    Raises
    ------
    RunError
        If dask-jobqueue is not installed, or the file or a setting is refused.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise RunError(
            "Sweeps on Slurm need dask-jobqueue: pip install 'tta-workbook[slurm]'."
        ) from error
    try:
        settings = read_yaml(Path(path))
        jobs = settings.pop("jobs")
        if type(jobs) is not int or jobs < 1:
            raise ValueError(f"jobs is {jobs!r}, and not a whole number above 0")
        # One run at a time in a job, in a kernel process of its own.
        cluster = SLURMCluster(**{"cores": 1, "processes": 1, **settings})
    except (OSError, AttributeError, KeyError, TypeError, ValueError, RunError) as error:
        raise RunError(
            f"The Slurm settings {path} are refused ({type(error).__name__}: {error}). They take "
            "`jobs`, `memory`, and whatever dask_jobqueue.SLURMCluster takes."
        ) from error
    cluster.scale(jobs=jobs)
    return cluster


async def _greet(address: str) -> None:
    """Say hello as Dask does: a client would wait for ever for a port that speaks otherwise."""
    comm = await connect(address, timeout=CONNECT_SECONDS)
    await comm.write({"op": "identity", "reply": True})
    answer = await comm.read()
    await comm.close()
    if answer.get("type") != "Scheduler":
        raise ValueError(f"{answer.get('type')} at {address}")


def connection_lost(watch: "WorkerWatch", wait: float) -> RunError:
    """Return what to raise when futures are gone: for want of workers, or with the scheduler."""
    if watch.struck:
        return RunError(no_worker(wait))
    return RunError(
        "The connection to Dask's scheduler was lost. What is finished is kept; the same command "
        "goes on, with a scheduler that runs."
    )


def no_worker(wait: float) -> str:
    """Return the message that says that no worker came in time."""
    return (
        f"No worker was there for {span(wait)} (--wait-minutes): start some, such as with "
        "`dask worker ADDRESS`. What is finished is kept; the same command goes on."
    )


class WorkerWatch(threading.Thread):
    """Cancels the runs of a sweep if there has been no worker for too long."""

    def __init__(self, client: Client, futures: Sequence[Future], wait: float) -> None:
        super().__init__(daemon=True)
        self._client, self._futures, self._wait = client, futures, wait
        self._done = threading.Event()
        self.struck = False

    def __enter__(self) -> "WorkerWatch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def run(self) -> None:
        """Look every few seconds, until all runs have ended."""
        seen = time.monotonic()
        while not self._done.wait(min(5, self._wait / 4)):
            try:
                if self._client.nthreads():
                    seen = time.monotonic()
            except OSError:  # the scheduler is gone, of which the sweep itself tells
                return
            if time.monotonic() - seen > self._wait:
                self.struck = True
                self._client.cancel(self._futures, force=True)
                return
