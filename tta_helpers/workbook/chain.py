"""A chain of notebooks in one folder: planned, executed where something changed, and kept whole."""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tta_helpers.workbook.data import file_sha256
from tta_helpers.workbook.digests import cells_digest, content_digest, digest, package_digest
from tta_helpers.workbook.environment import backend, versions
from tta_helpers.workbook.kernels import FINGERPRINT, USUAL, Limits, execute
from tta_helpers.workbook.parameters import checked_for, declared_parameters, inspected
from tta_helpers.workbook.place import RunError, write_whole


@dataclass(frozen=True)
class Step:
    """One notebook of a chain: which, the parameters that differ from its defaults, and a key.

    The key stands for everything that the result depends on: the data, the package, the versions
    of Python, Keras, its backend and the packages below them, the parameters but `run_dir`, the
    files in `cifar10c_dir`, those in `CELLS_DIR` where the notebook loads them, the notebook's
    text, its files in records/, and all that for the notebooks before it, whose key is `after`.
    """

    path: Path
    parameters: dict[str, Any]
    key: str
    after: str
    data: str  # fingerprint


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
        If `checked_for` refuses a parameter, or `run_dir` is given.
    """
    if "run_dir" in given:
        raise RunError(f"run_dir is {given['run_dir']!r}; the runner sets it, so give none.")
    depends = {"python": platform.python_version(), **versions()}
    key, steps = package_digest(fingerprint, json.dumps(depends)), []
    for path, parameters in checked_for(given, list(paths)).items():
        defaults = declared_parameters(path)
        changed = {name: v for name, v in parameters.items() if v != defaults[name]}
        sources = inspected(path).sources
        of_cells = any("load_cells(" in source for source in sources)
        records = sorted((path.parent / "records").glob(f"{path.stem[:2]}_*"))
        after = key if steps else ""
        key = digest(
            key,
            *sources,
            json.dumps(changed, sort_keys=True),
            content_digest(changed.get("cifar10c_dir", "")),
            cells_digest() if of_cells else "",
            *(record.read_text(encoding="utf-8") for record in records),
        )
        steps.append(Step(path, changed, key, after, fingerprint))
    return steps


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    *,
    quiet: bool = False,
    limits: Limits = USUAL,
) -> None:
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
    started = time.monotonic()
    for step in steps:
        if _up_to_date(step, folder):
            tell(f"{step.path.stem}: up to date")
            continue
        before = _stamps(folder)
        label = None if quiet else clock.label(step.path)
        execute(
            step.path,
            folder,
            step.parameters,
            label=label,
            limits=limits,
            started=started,
            more={FINGERPRINT: step.data, "KERAS_BACKEND": backend()},
        )
        tell(clock.done(step.path))
        written = [name for name, stamp in _stamps(folder).items() if before.get(name) != stamp]
        _note_finished(step, folder, written)


def _note_finished(step: Step, folder: Path, written: Sequence[str]) -> None:
    """Write into finished.json that a step ran, and which files it left."""
    if f"{step.path.stem}.json" not in written:
        raise RunError(
            f"{step.path.stem} ran to its end, but left no record {step.path.stem}.json in "
            f"{folder}. Its last section must save one there: take the notebook as it came, "
            "and run again."
        )
    finished = _read_finished(folder)
    for entry in finished.values():  # a file belongs to the notebook that wrote it last
        entry["files"] = {k: v for k, v in entry["files"].items() if k not in written}
    files = {name: file_sha256(folder / name) for name in written}
    finished[step.path.stem] = {"key": step.key, "after": step.after, "files": files}
    write_whole(folder / "finished.json", json.dumps(finished, indent=1))


def older(folder: Path) -> list[str]:
    """Return the notebooks in a folder whose results came before those of one that precedes them.

    A chain that failed after its first notebooks leaves such a mixture.
    """
    found, last, mixed = _read_finished(folder), "", []
    for name, entry in sorted(found.items()):
        if mixed or entry["after"] != last:
            mixed.append(name)
        last = entry["key"]
    return mixed


class _Clock:
    """Tells, a line a notebook, how long it took and how long the rest may take.

    The committed runs say how long the notebooks take in proportion; those that are done, how fast
    this run is.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._waiting = {path: inspected(path).seconds for path in paths}
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
        return f"{path.stem}: {span(took)}{self._left()}"

    def _left(self) -> str:
        if not (self._done and self._waiting):
            return ""
        pace = (self._last - self._started) / self._done
        return f", about {span(pace * sum(self._waiting.values()))} to go"


def span(seconds: float) -> str:
    """Return a time in words: 50 s, 12 min, 3 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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
    paths = {folder / name: left for name, left in entry["files"].items()}
    return (folder / f"{notebook}.ipynb").is_file() and all(
        path.is_file() and file_sha256(path) == left for path, left in paths.items()
    )


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file in a folder but the executed notebooks and our own."""
    return {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".ipynb" and path.name != "finished.json"
    }


def _read_finished(folder: Path) -> dict[str, dict[str, Any]]:
    """Return key and files of each notebook that finished; none if the file is not readable."""
    try:
        found = json.loads((folder / "finished.json").read_text(encoding="utf-8"))
        return {
            name: {"key": e["key"], "after": e["after"], "files": dict(e["files"])}
            for name, e in found.items()
        }
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
