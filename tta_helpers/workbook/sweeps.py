"""Sweeps: many runs of notebooks with other parameters, on one machine or a cluster.

`python -m tta_helpers.workbook.sweeps --help` lists what it can do; `make sweep` calls it.
Dask.distributed places, retries and moves the runs.
"""

import argparse
import sys

from tta_helpers.workbook.command import (
    add_common,
    add_limits,
    add_where,
    cluster_of,
    exit_status,
    limits_of,
)
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
    add_where(run)
    report = commands.add_parser("report", help="gather a sweep's results into table and notebook")
    published = commands.add_parser("publish", help="commit a report's outputs to its notebook")
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
        cluster = cluster_of(options)
        from tta_helpers.workbook.sweeping import run_sweep  # it needs Dask

        return min(1, run_sweep(options.file, cluster, limits_of(options)))
    {"report": write_report, "publish": publish}[options.command](options.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
