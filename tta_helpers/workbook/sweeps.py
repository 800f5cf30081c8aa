"""Sweeps: many runs of notebooks with other parameters, on one machine or a cluster.

`python -m tta_helpers.workbook.sweeps --help` lists what it can do; `make sweep` calls it.
Dask.distributed places, retries and moves the runs.
"""

import argparse
import sys
from collections.abc import Callable

from tta_helpers.workbook.command import add_common, add_limits, exit_status, limits_of, positive
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.sweep_report import gather, numbers, publish, read_manifest, write_report

__all__ = ["gather", "numbers", "read_manifest"]  # what the report uses


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 if every run is finished."""
    parser = argparse.ArgumentParser(
        prog="python -m tta_helpers.workbook.sweeps", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute a sweep file's runs, resuming where it can")
    run.add_argument("file", help="a YAML file, such as sweeps/flip_seeds.yml")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--scheduler", default="", help="a Dask scheduler, such as tcp://host:8786")
    where.add_argument("--slurm", default="", help="a YAML file of settings for Slurm jobs")
    where.add_argument("--workers", type=int, default=0, help="runs at a time (default: the cores)")
    report = commands.add_parser("report", help="gather a sweep's results into table and notebook")
    published = commands.add_parser("publish", help="commit a report's outputs to its notebook")
    run.add_argument(
        "--wait-minutes", type=positive, help="how long to wait for a worker (10, on Slurm 1440)"
    )
    add_limits(run)
    for command in (report, published):
        command.add_argument("name", help="the sweep's folder in runs/")
    for command in (run, report, published):
        add_common(command)
    options = parser.parse_args(arguments)
    return exit_status(lambda: _command(options), traceback=options.traceback)


def _command(options: argparse.Namespace) -> int:
    """Do what the command line asks for; return 1 if a run failed."""
    if options.command == "run":
        Cluster, run_sweep = _dask()
        wait = 60 * (options.wait_minutes or (1440 if options.slurm else 10))
        cluster = Cluster(options.scheduler, options.slurm, options.workers, wait)
        return min(1, run_sweep(options.file, cluster, limits_of(options)))
    {"report": write_report, "publish": publish}[options.command](options.name)
    return 0


def _dask() -> tuple[type, Callable]:
    """Import what runs on Dask, which reads its own settings and stops at malformed ones."""
    try:
        from tta_helpers.workbook.clusters import Cluster
        from tta_helpers.workbook.sweeping import run_sweep
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"Dask does not start ({error}): correct its settings, in ~/.config/dask or where "
            "DASK_CONFIG says."
        ) from error
    return Cluster, run_sweep


if __name__ == "__main__":
    sys.exit(main())
