"""Running the notebooks: tiers, strict parameters, resuming, result records and the summary.

`python -m tta_helpers.runs --help` lists what it can do; the Makefile calls it.
"""

import argparse
import ast
import base64
import hashlib
import io
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import nbformat
import numpy as np
import numpy.typing as npt
import papermill
import yaml
from papermill.exceptions import PapermillExecutionError

from tta_helpers.data import DataError, Dataset, load_dataset

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
README_MARKS = ("<!-- results: written by `make publish` -->", "<!-- end of results -->")


class RunError(Exception):
    """A run cannot start or has failed; the message says what to do."""


# ---------------------------------------------------------------- result records, for notebooks


def run_folder(run_dir: str | Path) -> Path:
    """Return the folder for a run's files, made if need be; a relative one lies in the workbook."""
    folder = ROOT / run_dir
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environment() -> dict[str, Any]:
    """Return the versions, the backend and the devices that results depend on."""
    backend = keras.backend.backend()
    packages = ["keras", backend, "numpy", "scipy", "scikit-learn", "pillow"]
    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "backend": backend,
        "devices": keras.distribution.list_devices(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def environment_line(found: Mapping[str, Any] | None = None) -> str:
    """Return versions and devices in one line: of a record, or without one of this process."""
    found = found or environment()
    versions, backend = found["versions"], found["backend"]
    return (
        f"Python {found['python']}, Keras {versions['keras']} on {backend} {versions[backend]}, "
        f"{', '.join(found['devices'])}; {found['machine']}"
    )


class Record:
    """The one JSON file that a notebook leaves: what ran, on what, for how long, and the results.

    Parameters
    ----------
    notebook
        The notebook's name without its extension, such as "01_baseline_cnn".
    run_dir
        Folder for the run's files, as `run_folder` takes it.
    values
        Where the parameters' values are: `globals()` of the notebook.
    dataset
        The data that the results come from.
    """

    def __init__(
        self, notebook: str, run_dir: str | Path, values: Mapping[str, Any], dataset: Dataset
    ) -> None:
        self.path = run_folder(run_dir) / f"{notebook}.json"
        names = declared_parameters(NOTEBOOKS / f"{notebook}.ipynb")
        self._head = {
            "notebook": notebook,
            "parameters": {name: values[name] for name in names if name != "run_dir"},
            "dataset": {
                "name": dataset.name,
                "provenance": dataset.provenance,
                "fingerprint": dataset.fingerprint,
            },
            **environment(),
            "commit": _commit(),
        }
        self._clock: list[tuple[str, float]] = [("set-up", time.perf_counter())]

    def section(self, name: str) -> None:
        """Start timing a section; the one before it ends here."""
        self._clock.append((name, time.perf_counter()))

    def save(self, headline: Mapping[str, float], metrics: Mapping[str, Any]) -> None:
        """Write the record.

        Parameters
        ----------
        headline
            The numbers for the summary table: baseline, tta, gain, low, high; those that there are.
        metrics
            Every other result, as plain numbers, strings, lists and dictionaries.
        """
        ends = [start for _, start in self._clock[1:]] + [time.perf_counter()]
        timed = zip(self._clock, ends, strict=True)
        seconds = {name: round(end - start, 2) for (name, start), end in timed}
        body = {
            **self._head,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "headline": dict(headline),
            "metrics": dict(metrics),
        }
        write_whole(self.path, json.dumps(body, indent=1, default=_plain) + "\n")


def save_arrays(path: Path, **arrays: npt.ArrayLike) -> None:
    """Write arrays into one `.npz` file, whole or not at all; `np.load` reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: under a temporary name first, then renamed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_record(run_dir: str | Path, notebook: str) -> dict[str, Any]:
    """Return the record that a notebook left in a run, or say which notebook to run first."""
    path = ROOT / run_dir / f"{notebook}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{path.name} is not in {path.parent.name}/: run notebook {notebook} first, "
            "with the same run_dir."
        ) from None
    except json.JSONDecodeError as error:
        raise RunError(f"{path} is not a result record ({error}); run {notebook} again.") from error


def require(run_dir: str | Path, notebook: str, dataset: Dataset) -> None:
    """Check that an earlier notebook ran there on the same images.

    Raises
    ------
    RunError
        If it left no record, or one of other images: models of one data set would be judged on
        another.
    """
    before = read_record(run_dir, notebook)["dataset"]
    if before["fingerprint"] != dataset.fingerprint:
        raise RunError(
            f"In {run_dir}, notebook {notebook} ran on other images.\n"
            f"Then: {before['provenance']}\nNow: {dataset.provenance}\n"
            "Set dataset, n_train, n_test, seed and CIFAR10_DIR as they were, or run it again."
        )


def _plain(value: Any) -> Any:
    """Turn NumPy numbers and arrays into what JSON knows."""
    return value.tolist()


def _commit() -> str | None:
    """Return the commit that is checked out, with "+" if files differ from it; None without git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


# ---------------------------------------------------------------- parameters


def notebook_paths() -> list[Path]:
    """Return the workbook's numbered notebooks, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def declared_parameters(path: Path) -> dict[str, Any]:
    """Return a notebook's parameters with their defaults, from its cell tagged `parameters`."""
    declared = papermill.inspect_notebook(str(path))
    return {name: ast.literal_eval(entry["default"]) for name, entry in declared.items()}


def load_tier(tier: str) -> dict[str, Any]:
    """Return the parameters of a tier, from notebooks/tiers/<tier>.yml."""
    path = NOTEBOOKS / "tiers" / f"{tier}.yml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yml")))
        raise RunError(f"There is no tier {tier!r}; choose one of: {known}.")
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def parameters_for(given: Mapping[str, Any], paths: list[Path]) -> dict[Path, dict[str, Any]]:
    """Return, for each notebook, those of the given parameters that it declares.

    Raises
    ------
    RunError
        If no notebook declares a name, or a value has another type than the default has. A whole
        number passes for a float; nothing else is converted.
    """
    declared = {path: declared_parameters(path) for path in paths}
    known = sorted(set().union(*declared.values()))
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise RunError(f"Unknown parameter {', '.join(unknown)}. Known: {', '.join(known)}.")
    chosen = {}
    for path, defaults in declared.items():
        chosen[path] = {name: value for name, value in given.items() if name in defaults}
        for name, value in chosen[path].items():
            _check_type(path.stem, name, value, defaults[name])
    return chosen


def _check_type(notebook: str, name: str, value: Any, default: Any) -> None:
    wanted = type(default)
    if type(value) is wanted or (wanted is float and type(value) is int):
        return
    raise RunError(
        f"{notebook}: {name} is {value!r} ({type(value).__name__}); "
        f"it takes {wanted.__name__}, such as {default!r}."
    )


# ---------------------------------------------------------------- running


def run_workbook(given: Mapping[str, Any], name: str) -> None:
    """Execute the notebooks in order into runs/<name>/, skipping those that are up to date.

    A notebook is up to date when its text, the package, its parameters, the data and the notebooks
    before it are what they were when it last finished there, and its record is the one it wrote.

    Parameters
    ----------
    given
        Parameters for whichever notebooks declare them, such as a tier's.
    name
        Name of the folder in runs/.
    """
    folder = _named_folder(name)
    paths = notebook_paths()
    parameters = parameters_for({**given, "run_dir": str(folder.relative_to(ROOT))}, paths)
    data = load_dataset(given["dataset"], image_size=given.get("image_size") or None)
    print(f"Data: {data.provenance}")
    finished = _read_keys(folder)
    key = package_digest(data.fingerprint)
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        defaults = declared_parameters(path)
        changed = {k: v for k, v in parameters[path].items() if v != defaults[k]}
        key = _digest(key, *(cell.source for cell in notebook.cells), json.dumps(changed))
        if (folder / path.name).is_file() and finished.get(path.stem) == _state(folder, path, key):
            print(f"{path.stem}: up to date")
            continue
        print(f"{path.stem}:")
        _execute(path, folder / path.name, changed)
        finished[path.stem] = _state(folder, path, key)
        write_whole(folder / "finished.json", json.dumps(finished, indent=1))
    summary = summary_table(list(_records(folder).values()))
    write_whole(folder / "summary.md", summary)
    print(f"\n{summary}\nEverything is in {folder.relative_to(ROOT)}/.")


def _execute(path: Path, output: Path, parameters: Mapping[str, Any]) -> None:
    """Execute one notebook with papermill; its output replaces the last one only if it succeeds."""
    partial = output.with_name(f".{output.name}")
    try:
        papermill.execute_notebook(
            path,
            partial,
            parameters,
            kernel_name="python3",
            cwd=NOTEBOOKS,
            extra_arguments=["--log-level=ERROR"],  # the kernel's, which go to the terminal
        )
        os.replace(partial, output)
    except PapermillExecutionError as error:
        failed = output.with_suffix(".failed.ipynb")
        os.replace(partial, failed)
        raise RunError(
            f"{path.stem} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"{failed.relative_to(ROOT)} shows the notebook so far; earlier results are untouched."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    output.with_suffix(".failed.ipynb").unlink(missing_ok=True)


def _named_folder(name: str) -> Path:
    if not name or Path(name).name != name or name.startswith("."):
        raise RunError(f"NAME is {name!r}; give one plain folder name, it is made in runs/.")
    return run_folder(Path("runs") / name)


def package_digest(*texts: str) -> str:
    """Return a digest of the package's code and of more texts, to tell results apart by."""
    return _digest(
        *(p.read_text("utf-8") for p in sorted(Path(__file__).parent.glob("*.py"))), *texts
    )


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _state(folder: Path, notebook: Path, key: str) -> str:
    """Return a digest of what a run depends on and of the record that it left, if any."""
    record = folder / f"{notebook.stem}.json"
    return _digest(key, record.read_text(encoding="utf-8") if record.is_file() else "")


def _read_keys(folder: Path) -> dict[str, str]:
    """Return the state in which each notebook last finished; none if the file is not readable."""
    try:
        return json.loads((folder / "finished.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    present = [path.stem for path in notebook_paths() if (folder / f"{path.stem}.json").is_file()]
    return {stem: read_record(folder, stem) for stem in present}


def summary_table(records: list[dict[str, Any]]) -> str:
    """Return a Markdown table of records: data, baseline, TTA gain with interval, seconds."""
    lines = [
        "| notebook | without TTA | with TTA | gain in points [95 % interval] | seconds |",
        "|---|---|---|---|---|",
    ]
    for record in records:
        headline = record["headline"]
        cells = [_percent(headline.get("baseline")), _percent(headline.get("tta")), "-"]
        if "gain" in headline:
            gain, low, high = (100 * headline[key] for key in ("gain", "low", "high"))
            cells[2] = f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]"
        lines.append(
            f"| {record['notebook']} | {' | '.join(cells)} | {math.ceil(_seconds(record))} |"
        )
    # Each only once, in the order of the notebooks.
    provenance = dict.fromkeys(record["dataset"]["provenance"] for record in records)
    machines = dict.fromkeys(environment_line(record) for record in records)
    return "\n\n".join(["\n".join(lines), *provenance, *machines, ""])


def _seconds(record: Mapping[str, Any]) -> float:
    return sum(record["seconds"].values())


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


# ---------------------------------------------------------------- checking and publishing


def prepare(given: Mapping[str, Any], name: str) -> None:
    """Write the committed notebooks with parameters put in, not executed, into runs/<name>/."""
    folder = _named_folder(name)
    paths = notebook_paths()
    given = {**given, "run_dir": str(folder.relative_to(ROOT))}
    for path, parameters in parameters_for(given, paths).items():
        papermill.execute_notebook(path, folder / path.name, parameters, prepare_only=True)


def publish(name: str) -> None:
    """Put the outputs of runs/<name>/ into the committed notebooks, and its summary into README.md.

    Only outputs of notebooks whose text is the committed one are taken, from a run with the
    notebooks' own defaults (the lesson tier). A figure from a cell tagged `readme` is saved for
    README.md to show.
    """
    folder = _named_folder(name)
    executed = [nbformat.read(folder / path.name, as_version=4) for path in notebook_paths()]
    for path, run in zip(notebook_paths(), executed, strict=True):
        source = nbformat.read(path, as_version=4)
        if [cell.source for cell in run.cells] != [cell.source for cell in source.cells]:
            raise RunError(
                f"{path.name} differs from what ran in {name}, or ran with other parameters than "
                "its defaults; run it again with the lesson tier."
            )
    records = _records(folder)
    for path, run in zip(notebook_paths(), executed, strict=True):
        run.metadata.pop("papermill", None)
        for cell in run.cells:
            for key in ("papermill", "execution", "exception"):
                cell.metadata.pop(key, None)
            if "readme" in cell.metadata.get("tags", []):
                (NOTEBOOKS / "tta.png").write_bytes(_picture(cell))
        run.metadata["tta_result"] = records[path.stem]
        write_whole(path, nbformat.writes(run) + "\n")
    readme = ROOT / "README.md"
    write_whole(readme, with_results(readme.read_text(encoding="utf-8"), list(records.values())))


def _picture(cell: nbformat.NotebookNode) -> bytes:
    return base64.b64decode(next(o.data["image/png"] for o in cell.outputs if "data" in o))


def with_results(text: str, records: list[dict[str, Any]]) -> str:
    """Return README text with the results between its two marks, and the notebooks' minutes."""
    start, end = README_MARKS
    head, _, rest = text.partition(start)
    _, found, tail = rest.partition(end)
    if not found:
        raise RunError(f"README.md lacks the marks {start!r} and {end!r}; put them back.")
    text = f"{head}{start}\n{summary_table(records)}{end}{tail}"
    for record in records:
        row = rf"(\(notebooks/{record['notebook']}\.ipynb\) \|[^|\n]*\|)[^|\n]*\|"
        minutes = math.ceil(_seconds(record) / 60)
        text = re.sub(row, rf"\1 {minutes} |", text)
    return text


# ---------------------------------------------------------------- command line


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tta_helpers.runs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("run", "execute the notebooks in order, resuming where it can"),
        ("prepare", "write the notebooks with a tier's parameters, not executed"),
        ("publish", "take a lesson run's outputs into the committed notebooks and README.md"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument("--tier", default="lesson", help="smoke, lesson (default) or full")
        sub.add_argument("--name", help="folder in runs/ (default: the tier's name)")
        if command == "run":
            sub.add_argument("--dataset", help="a name, or a folder of class folders")
            sub.add_argument(
                "-p",
                nargs=2,
                action="append",
                default=[],
                metavar=("NAME", "VALUE"),
                dest="parameters",
                help="a notebook parameter, over the tier's; may be repeated",
            )
    options = parser.parse_args(arguments)
    name = options.name or options.tier
    if os.environ.get("CIFAR10_DIR"):  # the kernels start in another folder
        os.environ["CIFAR10_DIR"] = os.path.abspath(os.environ["CIFAR10_DIR"])
    try:
        given = load_tier(options.tier)
        if options.command == "run":
            run_workbook({**given, **_from_options(options)}, name)
        elif options.command == "prepare":
            prepare(given, name)
        else:
            publish(name)
    except (RunError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this one stopped.", file=sys.stderr)
        return 130
    return 0


def _from_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that the command line sets, values read as YAML."""
    given = {name: yaml.safe_load(value) for name, value in options.parameters}
    if options.dataset:  # the kernels start in another folder, so a path is made absolute
        folder = Path(options.dataset).expanduser()
        given["dataset"] = str(folder.resolve()) if folder.is_dir() else options.dataset
    return given


if __name__ == "__main__":
    sys.exit(main())
