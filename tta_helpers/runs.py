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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import yaml
from filelock import FileLock, Timeout
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec

from tta_helpers.data import DataError, Dataset, load_dataset

# nbformat and papermill take two seconds to import, and every lesson imports this module, for its
# record alone: so they are imported where notebooks are executed or published.
if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} cells, {elapsed}"


class RunError(Exception):
    """A run cannot start or has failed; the message says what to do."""


# ---------------------------------------------------------------- result records, for notebooks


def run_folder(run_dir: str | Path) -> Path:
    """Return the folder for a run's files, made if need be; a relative one lies in the workbook.

    Raises
    ------
    RunError
        If it cannot be made.
    """
    folder = ROOT / run_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"The folder {folder} cannot be made ({error}): move what is in its place, make the "
            "disk writable, or choose another name."
        ) from error
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
    except ValueError as error:
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
    """Return the workbook's lessons in order; notebooks from 90 on report on other runs."""
    return sorted(NOTEBOOKS.glob("[0-8][0-9]_*.ipynb"))


def declared_parameters(path: Path) -> dict[str, Any]:
    """Return a notebook's parameters with their defaults, from its cell tagged `parameters`.

    Raises
    ------
    RunError
        If it has no such cell, or a default is no plain value.
    """
    return dict(_inspected(path, path.stat().st_mtime_ns)[0])


def _sources(path: Path) -> tuple[str, ...]:
    """Return the text of each cell of a notebook."""
    return _inspected(path, path.stat().st_mtime_ns)[1]


def _committed_seconds(path: Path) -> float:
    """Return how long the committed run of a notebook took; a minute where none is recorded."""
    return _inspected(path, path.stat().st_mtime_ns)[2]


@lru_cache(maxsize=64)
def _inspected(path: Path, changed: int) -> tuple[dict[str, Any], tuple[str, ...], float]:
    """Return a notebook's parameters, its cells' text and the seconds of its committed run.

    A sweep asks for them run by run.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = notebook["cells"]
    sources = tuple("".join(cell["source"]) for cell in cells)  # one text, or its lines
    tags = [cell["metadata"].get("tags", []) for cell in cells]
    if not any("parameters" in some for some in tags):
        raise RunError(f"{path.name} has no cell tagged `parameters`: tag the one that sets them.")
    first = next(k for k, some in enumerate(tags) if "parameters" in some)
    try:
        lines = [node for node in ast.parse(sources[first]).body if isinstance(node, ast.Assign)]
        defaults = {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    except (AttributeError, ValueError, SyntaxError) as error:
        raise RunError(
            f"{path.name}: a parameter's default is no plain value ({error}): its cell tagged "
            "`parameters` may hold numbers, texts, True and False alone."
        ) from error
    result = notebook["metadata"].get("tta_result")
    return defaults, sources, _seconds(result) if result else 60.0


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


@dataclass(frozen=True)
class Step:
    """One notebook of a chain: which, the parameters that differ from its defaults, and a key.

    The key stands for everything that the result depends on: the data, the package, the backend,
    the parameters but `run_dir`, the notebook's text, its files in records/, and all that for the
    notebooks before it.
    """

    path: Path
    parameters: dict[str, Any]
    key: str


def plan(paths: Sequence[Path], given: Mapping[str, Any], fingerprint: str) -> list[Step]:
    """Return the steps that execute these notebooks in order.

    Parameters
    ----------
    paths
        The notebooks.
    given
        Parameters for whichever of them declare them; `run_dir` is set by `run_steps`.
    fingerprint
        Fingerprint of the data.

    Raises
    ------
    RunError
        If `parameters_for` refuses a parameter, or `run_dir` is given.
    """
    if "run_dir" in given:
        raise RunError(f"run_dir is {given['run_dir']!r}; the runner sets it, so give none.")
    key = package_digest(fingerprint, keras.backend.backend())
    steps = []
    for path, parameters in parameters_for(given, list(paths)).items():
        defaults = declared_parameters(path)
        changed = {name: v for name, v in parameters.items() if v != defaults[name]}
        records = sorted((path.parent / "records").glob(f"{path.stem[:2]}_*"))
        key = _digest(
            key,
            *_sources(path),
            json.dumps(changed, sort_keys=True),
            *(record.read_text(encoding="utf-8") for record in records),
        )
        steps.append(Step(path, changed, key))
    return steps


def run_workbook(given: Mapping[str, Any], name: str) -> None:
    """Execute the notebooks in order into runs/<name>/, skipping those that are up to date.

    Parameters
    ----------
    given
        Parameters for whichever notebooks declare them, such as a tier's.
    name
        Name of the folder in runs/.

    Raises
    ------
    RunError
        If a parameter is refused, another run is at work in the folder, or a notebook fails.
    """
    folder = named_folder(name)
    paths = notebook_paths()
    parameters_for(given, paths)  # before the data are decoded, which can take a while
    with locked(folder):
        data = load_dataset(given["dataset"], image_size=given.get("image_size") or None)
        print(f"Data: {data.provenance}", flush=True)
        data.take(given.get("n_train", 0), given.get("n_test", 0))  # refused here, not in a kernel
        run_steps(plan(paths, given, data.fingerprint), folder)
        summary = summary_table(list(_records(folder).values()))
        write_whole(folder / "summary.md", summary)
    print(f"\n{summary}\nEverything is in {folder.relative_to(ROOT)}/.")


def run_steps(steps: Sequence[Step], folder: Path, *, quiet: bool = False) -> None:
    """Execute steps in order into a folder, skipping those that are up to date.

    A step is up to date when its key is that of its last run in this folder and the files that it
    left are still there, unchanged.

    Raises
    ------
    RunError
        If a notebook fails; earlier results are untouched. The cell's traceback is a note of it.
    """

    def tell(line: str) -> None:
        if not quiet:
            print(line, flush=True)

    clock = _Clock([step.path for step in steps if not _up_to_date(step, folder)])
    for step in steps:
        if _up_to_date(step, folder):
            tell(f"{step.path.stem}: up to date")
            continue
        before = _stamps(folder)
        execute(step.path, folder, step.parameters, label=None if quiet else clock.label(step.path))
        tell(clock.done(step.path))
        written = [name for name, stamp in _stamps(folder).items() if before.get(name) != stamp]
        if f"{step.path.stem}.json" not in written:
            raise RunError(
                f"{step.path.stem} ran to its end, but left no record {step.path.stem}.json in "
                f"{folder}. Its last section must save one there: take the notebook as it came, "
                "and run again."
            )
        finished = _read_finished(folder)
        for entry in finished.values():  # a file belongs to the notebook that wrote it last
            entry["files"] = {k: v for k, v in entry["files"].items() if k not in written}
        files = {name: _file_digest(folder / name) for name in written}
        finished[step.path.stem] = {"key": step.key, "files": files}
        write_whole(folder / "finished.json", json.dumps(finished, indent=1))


class _Clock:
    """Tells, a line a notebook, how long it took and how long the rest may take.

    The committed runs say how long the notebooks take in proportion; those that are done, how fast
    this run is.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._waiting = {path: _committed_seconds(path) for path in paths}
        self._started = self._last = time.perf_counter()
        self._done = 0.0

    def label(self, path: Path) -> str:
        """Return what stands before a notebook's progress bar."""
        return f"{path.stem}{self._left()}"

    def done(self, path: Path) -> str:
        """Return the line for a notebook that is done."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        self._done += self._waiting.pop(path, 0.0)
        return f"{path.stem}: {_duration(took)}{self._left()}"

    def _left(self) -> str:
        if not (self._done and self._waiting):
            return ""
        pace = (self._last - self._started) / self._done
        return f", about {_duration(pace * sum(self._waiting.values()))} to go"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def all_up_to_date(steps: Sequence[Step], folder: Path) -> bool:
    """Return whether every step has finished in this folder and left its files unchanged."""
    return all(_up_to_date(step, folder) for step in steps)


def intact(folder: Path, notebooks: Sequence[str]) -> bool:
    """Return whether these notebooks, by name, finished in this folder and left their files."""
    finished = _read_finished(folder)
    return all(name in finished and _kept(folder, name, finished[name]) for name in notebooks)


def _up_to_date(step: Step, folder: Path) -> bool:
    entry = _read_finished(folder).get(step.path.stem)
    return entry is not None and entry["key"] == step.key and _kept(folder, step.path.stem, entry)


def _kept(folder: Path, notebook: str, entry: Mapping[str, Any]) -> bool:
    """Return whether a notebook's executed copy is there, and its files are as it left them."""
    paths = {folder / name: digest for name, digest in entry["files"].items()}
    return (folder / f"{notebook}.ipynb").is_file() and all(
        path.is_file() and _file_digest(path) == digest for path, digest in paths.items()
    )


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file in a folder but the executed notebooks and our own."""
    return {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".ipynb" and path.name != "finished.json"
    }


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class OwnKernel(AsyncKernelManager):
    """Starts kernels of this interpreter and of this package.

    A kernelspec "python3" that is found elsewhere may be another environment's, and a copied
    checkout's environment still points at the original's package: both would write into other
    folders than the ones that this run holds.
    """

    @property
    def kernel_spec(self) -> KernelSpec:
        """The specification of this interpreter, with this package first among what it imports."""
        spec = KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())
        places = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        spec.env = {**spec.env, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        return spec


def execute(
    path: Path, folder: Path, parameters: Mapping[str, Any], *, label: str | None = None
) -> None:
    """Execute one notebook with papermill into a folder of the workbook.

    The executed notebook replaces the last one only if it succeeds; one that fails is kept beside
    it as <name>.failed.ipynb. With a label, a terminal shows a bar that is gone at the end.

    Raises
    ------
    RunError
        If a cell fails, the kernel dies or the disk is full. A failed cell's traceback is a note.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    output = folder / path.name
    partial = output.with_name(f".{output.name}")
    failed = output.with_suffix(".failed.ipynb")
    workbook = path.parents[1]
    bar = {"desc": label, "leave": False, "ncols": 100, "bar_format": BAR}
    run_dir = folder.relative_to(workbook).as_posix()
    if run_dir != declared_parameters(path).get("run_dir", run_dir):
        parameters = {**parameters, "run_dir": run_dir}
    try:
        papermill.execute_notebook(
            path,
            partial,
            parameters,
            kernel_name="python3",
            kernel_manager_class=OwnKernel,
            cwd=path.parent,
            progress_bar=bar if label and sys.stderr.isatty() else False,
            extra_arguments=["--log-level=ERROR"],  # the kernel's, which go to the terminal
        )
        os.replace(partial, output)
    except PapermillExecutionError as error:
        os.replace(partial, failed)
        failure = RunError(
            f"{path.stem} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"{failed.relative_to(workbook)} shows the notebook so far; earlier results are "
            "untouched."
        )
        failure.add_note(re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error.traceback)))
        raise failure from error
    except DeadKernelError as error:
        raise RunError(
            f"{path.stem}: the kernel died in cell {_cells_begun(partial)}. Often memory ran out, "
            "or somebody ended it. Earlier results are untouched; the same command runs this "
            "notebook again."
        ) from error
    except RuntimeError as error:
        raise RunError(
            f"{path.stem}: its kernel did not start ({error}). Is the machine short of memory or "
            "of ports? The same command tries again."
        ) from error
    except OSError as error:
        raise RunError(
            f"{path.stem}: {output} cannot be written ({error}). Free the disk or make the folder "
            "writable; earlier results are untouched."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    failed.unlink(missing_ok=True)


def _cells_begun(partial: Path) -> int:
    """Return the number of code cells that a notebook's run has begun, from papermill's file."""
    cells = json.loads(partial.read_text(encoding="utf-8"))["cells"]
    code = [cell["metadata"] for cell in cells if cell["cell_type"] == "code"]
    return sum(metadata["papermill"]["start_time"] is not None for metadata in code)


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock that keeps two runs off one folder; it falls when the process ends.

    Raises
    ------
    RunError
        If another run holds it and this one should not wait.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        lock = FileLock(path, timeout=-1 if wait else 0)
        with lock:
            yield
    except Timeout as error:
        raise RunError(
            f"Another run is at work in {folder}: wait until it is done, or choose another name."
        ) from error


def named_folder(name: str) -> Path:
    """Return the folder in runs/ of this name, made if need be.

    Raises
    ------
    RunError
        If it is not one plain name, or the folder cannot be made.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise RunError(f"NAME is {name!r}; give one plain folder name, it is made in runs/.")
    return run_folder(Path("runs") / name)


def package_digest(*texts: str) -> str:
    """Return a digest of the package's code and of more texts, to tell results apart by.

    sweeps.py is left out: it only starts notebooks.
    """
    files = sorted(Path(__file__).parent.glob("*.py"))
    return _digest(*(p.read_text("utf-8") for p in files if p.stem != "sweeps"), *texts)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _read_finished(folder: Path) -> dict[str, dict[str, Any]]:
    """Return key and files of each notebook that finished; none if the file is not readable."""
    try:
        found = json.loads((folder / "finished.json").read_text(encoding="utf-8"))
        return {name: {"key": e["key"], "files": dict(e["files"])} for name, e in found.items()}
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
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


# ---------------------------------------------------------------- publishing


def publish(name: str) -> None:
    """Put the outputs of runs/<name>/ into the committed notebooks, and its summary into README.md.

    Only outputs of notebooks whose text is the committed one are taken, from a run with the
    notebooks' own defaults (the lesson tier). A figure from a cell tagged `readme` is saved for
    README.md to show.
    """
    import nbformat

    folder = named_folder(name)
    executed = [executed_copy(path, folder) for path in notebook_paths()]
    records = _records(folder)
    for path, run in zip(notebook_paths(), executed, strict=True):
        for cell in run.cells:
            if "readme" in cell.metadata.get("tags", []):
                (NOTEBOOKS / "tta.png").write_bytes(_picture(cell))
        run.metadata["tta_result"] = records[path.stem]
        write_whole(path, nbformat.writes(run) + "\n")
    readme = ROOT / "README.md"
    write_whole(readme, with_results(readme.read_text(encoding="utf-8"), list(records.values())))


def executed_copy(path: Path, folder: Path) -> "NotebookNode":
    """Return a committed notebook as executed in a folder, without papermill's notes.

    Raises
    ------
    RunError
        If it did not run there, or its text or parameters were not the committed ones.
    """
    import nbformat

    try:
        run = nbformat.read(folder / path.name, as_version=4)
    except FileNotFoundError as error:
        raise RunError(f"{path.name} has not run in {folder.name}; run it first.") from error
    if tuple(cell.source for cell in run.cells) != _sources(path):
        raise RunError(
            f"{path.name} differs from what ran in {folder.name}, or ran with other parameters "
            "than its defaults; run it again with the lesson tier."
        )
    run.metadata.pop("papermill", None)
    for cell in run.cells:
        for key in ("papermill", "execution", "exception"):
            cell.metadata.pop(key, None)
    return run


def _picture(cell: "NotebookNode") -> bytes:
    return base64.b64decode(next(o.data["image/png"] for o in cell.outputs if "data" in o))


def with_results(text: str, records: list[dict[str, Any]]) -> str:
    """Return README text with the results in their place, and the notebooks' minutes."""
    text = with_section(text, "results", summary_table(records))
    for record in records:
        row = rf"(\(notebooks/{record['notebook']}\.ipynb\) \|[^|\n]*\|)[^|\n]*\|"
        minutes = math.ceil(_seconds(record) / 60)
        text = re.sub(row, rf"\1 {minutes} |", text)
    return text


def with_section(text: str, name: str, section: str) -> str:
    """Return README text with a section between the two comments that bear its name.

    Raises
    ------
    RunError
        If the comments are not there.
    """
    place = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)"
    text, found = re.subn(place, lambda marks: marks[1] + section + marks[2], text, flags=re.S)
    if not found:
        raise RunError(
            f"README.md lacks the comments <!-- {name}: … --> and <!-- end of {name} -->, between "
            "which the numbers belong; put them back."
        )
    return text


# ---------------------------------------------------------------- command line


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tta_helpers.runs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("run", "execute the notebooks in order, resuming where it can"),
        ("publish", "take a lesson run's outputs into the committed notebooks and README.md"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument("--tier", default="lesson", help="smoke, lesson (default) or full")
        sub.add_argument("--name", help="folder in runs/ (default: the tier's name)")
        if command == "run":
            sub.add_argument("--dataset", help="a name, or a folder of class folders")
            sub.add_argument(
                "--require-gpu", action="store_true", help="fail unless Keras sees a GPU"
            )
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
    return exit_status(lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    name, given = options.name or options.tier, load_tier(options.tier)
    if options.command == "run":
        if options.require_gpu:
            require_gpu()
        run_workbook({**given, **_from_options(options)}, name)
    else:
        publish(name)
    return 0


def exit_status(work: Callable[[], int]) -> int:
    """Do a command's work and return its exit status; errors become one plain message."""
    settle_data_folder()
    try:
        return work()
    except (RunError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this one stopped.", file=sys.stderr)
        return 130


def settle_data_folder() -> None:
    """Make the folder in CIFAR10_DIR absolute: the kernels start in another folder."""
    if os.environ.get("CIFAR10_DIR"):
        os.environ["CIFAR10_DIR"] = os.path.abspath(os.environ["CIFAR10_DIR"])


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with a data set that is a folder made absolute, for the same reason."""
    name = given.get("dataset")
    if isinstance(name, str) and name and Path(name).expanduser().is_dir():
        return {**given, "dataset": str(Path(name).expanduser().resolve())}
    return dict(given)


def require_gpu() -> None:
    """Check that Keras sees a GPU.

    Raises
    ------
    RunError
        If it sees none; the message names what it sees.
    """
    devices = keras.distribution.list_devices()
    if not any(device.lower().startswith(("gpu", "cuda")) for device in devices):
        raise RunError(
            f"A GPU is required, and Keras on {keras.backend.backend()} sees only "
            f"{', '.join(devices)}. Check the driver (nvidia-smi) and that the backend's GPU "
            "packages are installed, such as tensorflow[and-cuda] or jax[cuda12]."
        )


def _from_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that the command line sets, values read as YAML."""
    given = {name: yaml.safe_load(value) for name, value in options.parameters}
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
