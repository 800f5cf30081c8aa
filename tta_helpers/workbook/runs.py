"""Running the lessons; `make run` and `make publish` call it.

`python -m tta_helpers.workbook.runs --help` lists what it can do.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tta_helpers.workbook import place
from tta_helpers.workbook.chain import older, plan, run_steps
from tta_helpers.workbook.command import (
    add_common,
    add_limits,
    exit_status,
    limits_of,
    settled,
    tell_set_aside,
)
from tta_helpers.workbook.data import load_dataset
from tta_helpers.workbook.digests import package_digest
from tta_helpers.workbook.environment import backend, begin, environment_line
from tta_helpers.workbook.kernels import USUAL, Limits
from tta_helpers.workbook.parameters import checked_for, load_tier, parse_yaml
from tta_helpers.workbook.place import (
    RunError,
    lesson_paths,
    locked,
    named_folder,
    run_folder,
    write_whole,
)
from tta_helpers.workbook.preflight import check_cells, check_data, check_disk
from tta_helpers.workbook.records import (
    Record,
    announce,
    committed_path,
    committed_records,
    keep,
    kept,
    median_and_range,
    read_record,
    records_in,
    require,
    save_arrays,
    summary_table,
)

__all__ = [  # what the lessons use
    "Record",
    "announce",
    "begin",
    "committed_path",
    "committed_records",
    "environment_line",
    "keep",
    "kept",
    "median_and_range",
    "package_digest",
    "read_record",
    "require",
    "run_folder",
    "save_arrays",
]


def run_workbook(given: Mapping[str, Any], name: str, limits: Limits = USUAL) -> None:
    """Execute the notebooks in order into runs/<name>/, skipping those that are up to date.

    Parameters
    ----------
    given
        Parameters for whichever notebooks declare them, such as a tier's.
    name
        Name of the folder in runs/.
    limits
        How long to wait.

    Raises
    ------
    RunError
        If a parameter is refused, another run is at work in the folder, or a notebook fails.
    """
    backend()
    paths = lesson_paths()
    checked_for(given, paths)  # before the data are decoded, which can take a while
    folder = named_folder(name)
    check_disk(folder)
    check_cells()
    tell_set_aside()
    with locked(folder):
        data = load_dataset(given["dataset"], image_size=given.get("image_size") or None)
        print(f"Data: {data.provenance}", flush=True)
        check_data(data, given)
        try:
            run_steps(plan(paths, given, data.fingerprint), folder, limits=limits)
        except BaseException:  # Ctrl-C too
            with suppress(RunError, OSError):  # what stopped the run is what is told
                _write_summary(folder)
            raise
        summary = _write_summary(folder)
    print(f"\n{summary}\nEverything is in {folder.relative_to(place.ROOT)}/.")


def _write_summary(folder: Path) -> str:
    """Write what the notebooks in a folder left, saying which results are older than others."""
    summary = summary_table(records_in(folder).values(), older(folder))
    write_whole(folder / "summary.md", summary)
    return summary


# ---------------------------------------------------------------- command line


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tta_helpers.workbook.runs", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute the notebooks in order, resuming where it can")
    publish = commands.add_parser(
        "publish", help="take a lesson run's outputs into the committed notebooks and README.md"
    )
    for command in (run, publish):
        command.add_argument("--tier", default="lesson", help="smoke, lesson (default) or full")
        command.add_argument("--name", help="folder in runs/ (default: the tier's name)")
        add_common(command)
    run.add_argument("--dataset", help="a name, or a folder of class folders")
    run.add_argument("--require-gpu", action="store_true", help="fail unless Keras sees a GPU")
    run.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="parameters",
        help="a notebook parameter, over the tier's; may be repeated",
    )
    add_limits(run)
    options = parser.parse_args(arguments)
    return exit_status(lambda: _command(options), traceback=options.traceback)


def _command(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    name, given = options.name or options.tier, load_tier(options.tier)
    if options.command == "run":
        given |= _from_options(options)
        if options.require_gpu:
            require_gpu()
        run_workbook(given, name, limits_of(options))
    else:
        from tta_helpers.workbook.publishing import publish

        publish(name)
    return 0


def require_gpu() -> None:
    """Check that Keras sees a GPU.

    Raises
    ------
    RunError
        If it sees none; the message names what it sees.
    """
    from tta_helpers.quiet import keras
    from tta_helpers.workbook.devices import devices, on_processor

    if on_processor():
        raise RunError(
            f"A GPU is required, and Keras on {keras.backend.backend()} sees only "
            f"{', '.join(devices())}. Check the driver (nvidia-smi) and that the backend's GPU "
            "packages are installed, such as tensorflow[and-cuda] or jax[cuda12]."
        )


def _from_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that the command line sets, values read as YAML."""
    given = {}
    for name, value in options.parameters:
        if name in given:
            raise RunError(f"-p {name} is given twice; give it once.")
        given[name] = parse_yaml(value, f"-p {name} {value[:40]}")
    if options.dataset:
        if "dataset" in given:
            raise RunError(
                f"The data set is given twice, as {options.dataset!r} and as {given['dataset']!r}; "
                "give one."
            )
        given["dataset"] = options.dataset
    return settled(given)


if __name__ == "__main__":
    sys.exit(main())
