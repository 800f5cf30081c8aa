"""What the command lines share: settings made absolute, and every error a message."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tta_helpers.workbook.data import DataError
from tta_helpers.workbook.environment import changed_settings
from tta_helpers.workbook.kernels import USUAL, Limits, set_aside
from tta_helpers.workbook.place import RunError

FOLDERS = ("CIFAR10_DIR", "CELLS_DIR", "TTA_CACHE", "KERAS_HOME")
"""Environment variables that name folders; a sweep's workers elsewhere get them from here."""


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has."""
    parser.add_argument("--traceback", action="store_true", help="show where in the code it failed")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how long to wait."""
    parser.add_argument(
        "--cell-hours", type=positive, default=USUAL.cell / 3600, help="the most a cell may take"
    )
    parser.add_argument(
        "--run-hours", type=positive, default=USUAL.run / 3600, help="the most a run may take"
    )


def limits_of(options: argparse.Namespace) -> Limits:
    """Return the limits that the options set."""
    return Limits(cell=3600 * options.cell_hours, run=3600 * options.run_hours)


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add the options that say on which workers to run."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", default="", help="a Dask scheduler, such as tcp://host:8786")
    where.add_argument("--slurm", default="", help="a YAML file of settings for Slurm jobs")
    where.add_argument("--workers", type=int, default=0, help="at a time (default: the cores)")
    parser.add_argument(
        "--wait-minutes", type=positive, help="how long to wait for a worker (10, on Slurm 1440)"
    )


def cluster_of(options: argparse.Namespace, *, shared: bool = True) -> Any:
    """Return the cluster that the options name, its workers on this machine `shared` or not.

    Dask is imported here, for it reads its own settings and stops at malformed ones.
    """
    try:
        from tta_helpers.workbook.clusters import Cluster
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"Dask does not start ({error}): correct its settings, in ~/.config/dask or where "
            "DASK_CONFIG says."
        ) from error
    wait = 60 * (options.wait_minutes or (1440 if options.slurm else 10))
    return Cluster(options.scheduler, options.slurm, options.workers, wait, shared)


def positive(text: str) -> float:
    """Return a number above 0 and below 10,000, for argparse."""
    number = float(text)
    if not 0 < number < 10_000:
        raise ValueError
    return number


def exit_status(work: Callable[[], int], *, traceback: bool = False) -> int:
    """Do a command's work and return its exit status; errors become one plain message."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a test's, or a notebook's
            stream.reconfigure(errors="backslashreplace")
    try:
        settle_folders()
        status = work()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this one stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _forget_output()
        return 141  # as a shell says of a process that a closed pipe ended
    except Exception as error:
        if traceback:
            raise
        _forget_full_output()
        print(f"error: {told(error)}", file=sys.stderr)
        return 1


def told(error: Exception) -> str:
    """Return what an error says, in words."""
    if isinstance(error, RunError | DataError):
        return str(error)
    if isinstance(error, OSError):
        what = f"{error.filename}: " if error.filename else ""
        return f"{what}{error.strerror or error}. Is the disk full, or the file another user's?"
    return (
        f"{type(error).__name__}: {error}\nThis was not foreseen; --traceback shows where it comes "
        "from."
    )


def _forget_output() -> None:
    """Send what is left of the output nowhere, so that Python's end does not fail at it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _forget_full_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()


def tell_set_aside() -> None:
    """Print which of the user's settings a run does without."""
    if found := [*set_aside(), *changed_settings()]:
        print(f"Set aside for this run: {', '.join(found)}.", flush=True)


def settle_folders() -> None:
    """Make the folders in environment variables absolute: the kernels start in another folder."""
    for name in FOLDERS:
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with folders made absolute, for the same reason."""
    absolute = {}
    for name in ("dataset", "cifar10c_dir"):
        value = given.get(name)
        if isinstance(value, str) and value and "\0" not in value:
            folder = os.path.expanduser(value)
            if os.path.isdir(folder):
                absolute[name] = os.path.realpath(folder)
    return {**given, **absolute}
