"""Sweep files: which runs they ask for, every value checked, and the folder of each run."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any

from tta_helpers.workbook import place
from tta_helpers.workbook.chain import Step, plan
from tta_helpers.workbook.command import settled
from tta_helpers.workbook.data import Dataset, load_dataset, some
from tta_helpers.workbook.parameters import checked_for, inspected, load_tier, read_yaml
from tta_helpers.workbook.place import RunError, lesson_paths
from tta_helpers.workbook.preflight import check_data

REPORT = "90_sweep_report"
SECTIONS = ("notebooks", "tier", "fixed", "cross", "zip", "report")
MOST_RUNS = 100_000
CHECKED = (
    *("dataset", "image_size", "n_train", "n_test", "batch_size", "cifar10c_dir"),
    *("seen_corruptions", "held_out_corruptions"),
)
"""What `check_data` is called for once a combination; seeds change which images, not how many."""


@dataclass(frozen=True)
class Sweep:
    """A sweep file, read and checked.

    Attributes
    ----------
    name
        The file's name without its extension; results go to runs/<name>/.
    notebooks
        The notebooks of each run, executed in this order in one folder.
    combinations
        The parameters of each run: the tier's, then the fixed ones, then those that vary.
    varied
        Names of the parameters that vary, in the order of the file.
    report
        Parameters for the report notebook.
    """

    name: str
    notebooks: tuple[Path, ...]
    combinations: tuple[dict[str, Any], ...]
    varied: tuple[str, ...]
    report: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of a sweep: its folder, its steps, and the values of the varied parameters."""

    folder: Path
    steps: tuple[Step, ...]
    values: dict[str, Any]

    @property
    def label(self) -> str:
        """The varied parameters in one line."""
        return ", ".join(f"{name}={value}" for name, value in self.values.items()) or "the one run"


def read_sweep(path: str | Path) -> Sweep:
    """Read a sweep file and check every parameter of every run against the notebooks.

    Raises
    ------
    RunError
        If the file cannot be read, has a section, notebook, tier or parameter that there is not,
        a value of another type than the notebook's default, an empty list, lists to zip of unequal
        length, or the same run twice.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise RunError(f"{path} is no mapping of sections.")
    if odd := [name for name in content if name not in SECTIONS]:
        raise RunError(f"{path} has the unknown section {some(map(str, odd))}.")
    sections = {name: _mapping(content, name, path) for name in ("fixed", "cross", "zip", "report")}
    varied = (*sections["cross"], *sections["zip"])
    twice = set(sections["cross"]) & set(sections["zip"]) | set(sections["fixed"]) & set(varied)
    for name in sorted(twice):
        raise RunError(f"{path}: {name} stands in more than one of fixed, cross and zip.")
    notebooks = _notebooks(content.get("notebooks", "all"), path)
    fixed = {n: _checked(path, notebooks, n, [v])[0] for n, v in sections["fixed"].items()}
    cross, zipped = (
        {n: _checked(path, notebooks, n, _listed(path, n, v)) for n, v in sections[part].items()}
        for part in ("cross", "zip")
    )
    together = _rows(path, cross, zipped)
    base = settled({**load_tier(_word(content, "tier", "lesson", path)), **fixed})
    checked_for(base, [*lesson_paths()])
    combinations = tuple(
        {**base, **dict(zip(varied, (*crossed, *row), strict=True))}
        for crossed in itertools.product(*cross.values())
        for row in together
    )
    report = sections["report"]
    if report:
        (report,) = checked_for(report, [place.notebooks() / f"{REPORT}.ipynb"]).values()
    return Sweep(path.stem, notebooks, combinations, varied, report)


def _rows(
    path: Path, cross: Mapping[str, list], zipped: Mapping[str, list]
) -> list[tuple[Any, ...]]:
    """Return the rows of the lists under zip, having checked that no run comes twice."""
    for name, values in cross.items():
        if twice := [value for k, value in enumerate(values) if value in values[:k]]:
            raise RunError(f"{path}: {name} lists {short(twice[0])} twice.")
    lengths = {name: len(values) for name, values in zipped.items()}
    if len(set(lengths.values())) > 1:
        raise RunError(f"{path}: the lists under zip have unequal lengths: {lengths}.")
    together = list(zip(*zipped.values(), strict=True)) or [()]
    if len(together) != len(set(together)):
        raise RunError(f"{path}: the lists under zip give the same run twice.")
    n_runs = math.prod(map(len, cross.values())) * len(together)
    if n_runs > MOST_RUNS:
        raise RunError(f"{path} asks for {n_runs:,} runs; {MOST_RUNS:,} is the most for one sweep.")
    return together


def _mapping(content: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = content.get(name) or {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise RunError(f"{path}: {name} is {short(found)}; give names with their values.")
    return found


def _word(content: Mapping[str, Any], name: str, usual: str, path: Path) -> str:
    word = content.get(name, usual)
    if not isinstance(word, str):
        raise RunError(f"{path}: {name} is {short(word)}; give one name.")
    return word


def _listed(path: Path, name: str, values: Any) -> list:
    if not isinstance(values, list) or not values:
        raise RunError(f"{path}: {name} is {short(values)}; give a list of one value or more.")
    return values


def _notebooks(named: Any, path: Path) -> tuple[Path, ...]:
    """Return the notebooks that a file names: one, a list in order, or "all" lessons."""
    if named == "all":
        return tuple(lesson_paths())
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not names:
        raise RunError(
            f"{path}: notebooks is {short(named)}; name one, list several, or write all."
        )
    known = {p.stem: p for p in lesson_paths()}
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise RunError(f"{path}: the notebook {short(name)} is none of {', '.join(known)}.")
        if names.count(name) > 1:
            raise RunError(f"{path}: the notebook {name!r} is listed twice.")
    return tuple(known[name] for name in names)


def _checked(path: Path, notebooks: Sequence[Path], name: str, values: list) -> list:
    """Return a parameter's values as the notebooks of the chain take them.

    What the file names must be a parameter of the chain: it would else change nothing.
    """
    if name == "run_dir":
        raise RunError(f"{path}: run_dir is set for each run; leave it out.")
    declared = {notebook: inspected(notebook).parameters for notebook in notebooks}
    if not any(name in parameters for parameters in declared.values()):
        known = ", ".join(sorted(set().union(*declared.values()) - {"run_dir"}))
        raise RunError(f"{path}: none of its notebooks has a parameter {name}. Known: {known}.")
    for notebook, parameters in declared.items():
        if name in parameters:
            values = [parameters[name].checked(value, notebook.stem) for value in values]
    return [settled({name: value})[name] for value in values]


def runs_of(sweep: Sweep) -> list[Run]:
    """Return the runs of a sweep, each with the key that names its folder.

    The key stands for parameters, code and data; the data sets are loaded to know the latter.
    """
    folder = place.ROOT / "runs" / sweep.name
    declared = set().union(*(inspected(p).parameters for p in sweep.notebooks))
    sources: dict[tuple, Dataset] = {}
    seen, planned = set(), []
    for given in sweep.combinations:
        source = (given["dataset"], given.get("image_size") or None)
        if source not in sources:
            sources[source] = load_dataset(source[0], image_size=source[1])
            print(f"Data: {sources[source].provenance}")
        checked = tuple(given.get(name) for name in CHECKED)
        if checked not in seen:
            check_data(sources[source], given)
            seen.add(checked)
        known = {name: value for name, value in given.items() if name in declared}
        steps = tuple(plan(sweep.notebooks, known, sources[source].fingerprint))
        values = {name: given[name] for name in sweep.varied}
        planned.append(Run(folder / steps[-1].key[:16], steps, values))
    return planned
