"""Executing a sweep: its runs on a cluster, those that failed, and what is finished already."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client, Future, as_completed
from distributed.comm import CommClosedError
from tqdm import tqdm

from tta_helpers.progress import progress
from tta_helpers.workbook import place
from tta_helpers.workbook.chain import all_up_to_date, run_steps, span
from tta_helpers.workbook.clusters import Cluster, WorkerWatch, connection_lost
from tta_helpers.workbook.command import FOLDERS, tell_set_aside
from tta_helpers.workbook.digests import check_code, package_digest
from tta_helpers.workbook.environment import backend
from tta_helpers.workbook.kernels import USUAL, Limits
from tta_helpers.workbook.place import RunError, locked, named_folder, write_whole
from tta_helpers.workbook.preflight import check_disk
from tta_helpers.workbook.sweep_files import Run, Sweep, read_sweep, runs_of

RETRIES = 1


def run_sweep(path: str | Path, cluster: Cluster, limits: Limits = USUAL) -> int:
    """Execute the runs of a sweep file that are not finished yet; return how many failed.

    Parameters
    ----------
    path
        The sweep file.
    cluster
        Where to run.
    limits
        How long to wait for each run.

    Raises
    ------
    RunError
        If the file is refused, another sweep is at work in the folder, or no worker is to be had.
    """
    backend()
    sweep = read_sweep(path)
    folder = named_folder(sweep.name)
    if (folder / "finished.json").exists():
        raise RunError(
            f"runs/{sweep.name}/ holds the results of `make run`: give the sweep file another name."
        )
    check_disk(folder)
    tell_set_aside()
    with locked(folder):
        planned = runs_of(sweep)
        _write_manifest(folder, sweep, planned)
        waiting = [run for run in planned if not all_up_to_date(run.steps, run.folder)]
        done = len(planned) - len(waiting)
        print(f"{sweep.name}: {len(planned)} runs, {done} of them finished already.", flush=True)
        failures = _execute(waiting, cluster, limits) if waiting else {}
        _write_failures(folder, failures)
    ended = len(planned) - len(failures)
    print(f"{ended} of {len(planned)} runs are finished, in runs/{sweep.name}/.")
    return len(failures)


def execute_run(run: Run, environment: Mapping[str, str], limits: Limits, code: str) -> float:
    """Execute one run on a worker and return its seconds; a notebook that is finished is skipped.

    The lock of its folder keeps a run that lost its runner apart from the one that goes on with it.
    `code` is the digest of the package that planned it.
    """
    check_code(code, "sweep")
    os.environ.update(environment)
    start = time.perf_counter()
    run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run.folder, wait=limits.run):
        run_steps(run.steps, run.folder, quiet=True, limits=limits)
    return time.perf_counter() - start


def _execute(waiting: Sequence[Run], cluster: Cluster, limits: Limits) -> dict[str, str]:
    """Execute runs on a cluster; return the failures by label."""
    environment = {name: os.environ[name] for name in FOLDERS if name in os.environ}
    environment["KERAS_BACKEND"] = backend()
    work = partial(execute_run, environment=environment, limits=limits, code=package_digest())
    return execute_all(work, {run.folder.name: run for run in waiting}, cluster, "sweep")


def execute_all(
    work: Callable[[Any], float], jobs: Mapping[str, Any], cluster: Cluster, what: str
) -> dict[str, str]:
    """Have jobs done on a cluster, telling of each as it ends; return the failures by label.

    Parameters
    ----------
    work
        Does one job and returns its seconds. One that fails is tried once more.
    jobs
        By a key of each; every job has a `label`.
    cluster
        Where to work.
    what
        What all that is, before the progress bar.

    Raises
    ------
    RunError
        If no worker is to be had, or the scheduler is gone.
    """
    with cluster.client(len(jobs)) as client, progress(total=len(jobs), desc=what) as bar:
        # By the word before its key's hyphen Dask knows many of a kind, which it hands out one by
        # one; it would deal out all others at once, and blame each for the death of its worker.
        keys = [f"run-{key}" for key in jobs]
        futures = client.map(work, list(jobs.values()), key=keys, retries=RETRIES)
        with WorkerWatch(client, futures, cluster.wait) as watch:
            try:
                return _watch(client, dict(zip(futures, jobs.values(), strict=True)), bar)
            except (CancelledError, OSError) as error:
                raise connection_lost(watch, cluster.wait) from error


def _watch(client: Client, futures: dict[Future, Any], bar: tqdm) -> dict[str, str]:
    """Wait for jobs, telling of each as it ends; return the failures by label."""
    failures, seconds, n = {}, [], len(futures)
    for k, future in enumerate(as_completed(list(futures)), 1):
        run = futures.pop(future)
        try:
            seconds.append(future.result())  # waits, if its worker died and it is run again
            how = f"finished in {span(seconds[-1])}"
        except (CancelledError, CommClosedError):
            raise
        except Exception as error:  # whatever went wrong in it, on whichever machine
            failures[run.label] = _problem(error)
            how = "FAILED"
        future.release()  # or Dask would run it again if the worker that did it dies later
        at_a_time = max(1, sum(client.nthreads().values()))
        left = (n - k) / at_a_time * sum(seconds) / max(1, len(seconds))
        rest = f"; about {span(left)} left" if left else ""
        tqdm.write(f"[{k}/{n}] {run.label}: {how}{rest}")
        sys.stdout.flush()
        bar.update()
    return failures


def _problem(error: Exception) -> str:
    """Return why a run failed, with the traceback of its cell."""
    text = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", [])])


def _write_manifest(folder: Path, sweep: Sweep, planned: Sequence[Run]) -> None:
    """Write which runs the sweep has; `report` gathers these and no others."""
    manifest = {
        "notebooks": [path.stem for path in sweep.notebooks],
        "varied": sweep.varied,
        "report": sweep.report,
        "runs": {run.folder.name: run.values for run in planned},
    }
    write_whole(folder / "sweep.json", json.dumps(manifest, indent=1) + "\n")


def _write_failures(folder: Path, failures: Mapping[str, str]) -> None:
    """Tell of each failure, here and in failures.txt, which is there only if there are some."""
    path = folder / "failures.txt"
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = "\n\n".join(f"{label} failed twice:\n{problem}" for label, problem in failures.items())
    print(f"\n{text}\n")  # first, for the disk may be full
    write_whole(path, text + "\n")
    print(f"This stands in {path.relative_to(place.ROOT)} too.")
