"""What a notebook leaves: one JSON record of what ran, on what, for how long, and the results."""

import io
import json
import math
import os
import statistics
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tta_helpers.workbook import place
from tta_helpers.workbook.data import AnnotatedSplits, Dataset
from tta_helpers.workbook.environment import begun, environment, environment_line
from tta_helpers.workbook.kernels import FINGERPRINT
from tta_helpers.workbook.parameters import declared_parameters
from tta_helpers.workbook.place import RunError, lesson_paths, run_folder, write_whole

# ---------------------------------------------------------------- the record


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
        The data that the results come from; several sets of pictures with boxes or masks as a
        tuple.

    Raises
    ------
    RunError
        If the data are others than those that the run has found, or the folder cannot be made.
    """

    def __init__(
        self,
        notebook: str,
        run_dir: str | Path,
        values: Mapping[str, Any],
        dataset: Dataset | tuple[AnnotatedSplits, ...],
    ) -> None:
        if isinstance(dataset, Dataset):
            _check_data(dataset)
        sets = dataset if isinstance(dataset, tuple) else (dataset,)
        told = [
            {"name": some.name, "provenance": some.provenance, "fingerprint": some.fingerprint}
            for some in sets
        ]
        self.path = run_folder(run_dir) / f"{notebook}.json"
        names = declared_parameters(place.notebooks() / f"{notebook}.ipynb")
        self._head = {
            "notebook": notebook,
            "parameters": {name: values[name] for name in names if name != "run_dir"},
            "dataset": told[0],
            **({"more_datasets": told[1:]} if told[1:] else {}),
            **environment(),
            "commit": _commit(),
        }
        self._sets = sets
        self._clock: list[tuple[str, float]] = [("set-up", begun())]

    def section(self, name: str) -> None:
        """Start timing a section; the one before it ends here."""
        self._clock.append((name, time.perf_counter()))

    def save(
        self, headline: Mapping[str, float], metrics: Mapping[str, Any], about: str = ""
    ) -> None:
        """Write the record.

        Parameters
        ----------
        headline
            The numbers for the summary table: baseline, tta, gain, low, high; those that there are.
        about
            What the headline belongs to, in a few words: network, images, policy.
        metrics
            Every other result, as plain numbers, strings, lists and dictionaries.
        """
        ends = [start for _, start in self._clock[1:]] + [time.perf_counter()]
        timed = zip(self._clock, ends, strict=True)
        seconds = {name: round(end - start, 2) for (name, start), end in timed}
        if len(seconds) == 1:
            seconds = {"all": seconds["set-up"]}
        body = {
            **self._head,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "test_set_opened": [opening for some in self._sets for opening in some.test.openings],
            "about": about,
            "headline": dict(headline),
            "metrics": dict(metrics),
        }
        write_whole(self.path, json.dumps(body, indent=1, default=_plain) + "\n")


def save_arrays(path: Path, **arrays: npt.ArrayLike) -> None:
    """Write arrays into one `.npz` file, whole or not at all; `np.load` reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def _check_data(dataset: Dataset) -> None:
    """Check, in a kernel that a run started, that the data are those that the run has found."""
    found = dataset.whole_fingerprint or dataset.fingerprint
    if os.environ.get(FINGERPRINT, found) != found:
        raise RunError(
            f"The data here are not those that the run began with. Here: {dataset.provenance} "
            "Were files changed or a download finished meanwhile, or has this machine other data? "
            "Run again, with the same data everywhere."
        )


def read_record(run_dir: str | Path, notebook: str) -> dict[str, Any]:
    """Return the record that a notebook left in a run, or say which notebook to run first."""
    path = place.ROOT / run_dir / f"{notebook}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if missing := {"dataset", "seconds", "headline"} - set(record):
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
    except FileNotFoundError:
        raise RunError(
            f"{path.name} is not in {path.parent.name}/: run notebook {notebook} first, "
            "with the same run_dir."
        ) from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} is not a result record ({error}); run {notebook} again.") from error
    return record


def committed_records(beginning: str) -> list[dict[str, Any]]:
    """Return the records of longer runs that lie in notebooks/records, by the start of a name."""
    found = sorted((place.notebooks() / "records").glob(f"{beginning}*.json"))
    return [read_record(path.parent, path.stem) for path in found]


def committed_path(name: str) -> Path:
    """Return the path of a file in notebooks/records."""
    return place.notebooks() / "records" / name


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


def announce(dataset: Dataset, run_dir: str | Path = "", notebook: str = "") -> None:
    """Print which data were found, once they are those of the run and of an earlier notebook.

    Raises
    ------
    RunError
        If they are others, or the earlier notebook has not run.
    """
    _check_data(dataset)
    if notebook:
        require(run_dir, notebook, dataset)
    print(dataset.provenance)


def keep(path: Path, key: str, content: Any) -> None:
    """Write what took long to find, together with the key that it depends on."""
    write_whole(path, json.dumps({"key": key, "content": content}))


def kept(path: Path, key: str) -> Any:
    """Return what `keep` wrote under this key; None for another key, no file or a damaged one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["content"] if found["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    """Turn NumPy numbers and arrays into what JSON knows."""
    return value.tolist()


def _commit() -> str | None:
    """Return the commit that is checked out, with "+" if files differ from it; None without git.

    A repository around the workbook is another one's: an unpacked archive has no commit.
    """
    if not (place.ROOT / ".git").exists():
        return None
    described = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(
            described, cwd=place.ROOT, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


# ---------------------------------------------------------------- the summary


def records_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of a run by lesson, in order, of those lessons that left one."""
    present = [path.stem for path in lesson_paths() if (folder / f"{path.stem}.json").is_file()]
    return {stem: read_record(folder, stem) for stem in present}


def summary_table(records: Iterable[Mapping[str, Any]], older: Collection[str] = ()) -> str:
    """Return a Markdown table of records: what of, baseline, TTA gain with interval, seconds.

    Notebooks in `older` are marked: their results do not belong to those before them.
    """
    records = list(records)
    header = "notebook", "of what", "without TTA", "with TTA", "gain in points [95 % interval]"
    lines = [f"| {' | '.join(header)} | seconds |", "|---" * 6 + "|"]
    for record in records:
        headline = record["headline"]
        cells = [_percent(headline.get("baseline")), _percent(headline.get("tta")), "-"]
        if "gain" in headline:
            gain, low, high = (100 * headline[key] for key in ("gain", "low", "high"))
            cells[2] = f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]"
        name, seconds = record["notebook"], math.ceil(total_seconds(record))
        mark = " (older)" if name in older else ""
        about = record.get("about", "") or "-"
        lines.append(f"| {name}{mark} | {about} | {' | '.join(cells)} | {seconds} |")
    # Each only once, in the order of the notebooks.
    sets = (found for r in records for found in (r["dataset"], *r.get("more_datasets", ())))
    provenance = dict.fromkeys(found["provenance"] for found in sets)
    machines = dict.fromkeys(environment_line(record) for record in records)
    told = "Older: from before a notebook above ran again. The same run makes them anew."
    notes = [told] if older else []
    prices = [price_table(r) for r in records if "cost_in_passes" in r.get("metrics", {})]
    return "\n\n".join(["\n".join(lines), *notes, *prices, *provenance, *machines, ""])


def price_table(record: Mapping[str, Any]) -> str:
    """Return a Markdown table of what policies cost in passes: median of the rounds and range.

    The largest batches and the cheapest policies come first.
    """
    found = record["metrics"]["cost_in_passes"]
    sizes = sorted(next(iter(found.values())), key=int, reverse=True)
    header = [f"passes, {record['notebook']}", *(f"batch {int(size):,}" for size in sizes)]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for name in sorted(found, key=lambda name: statistics.median(found[name][sizes[0]])):
        texts = (median_and_range(found[name][size]) for size in sizes)
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def median_and_range(rounds: Collection[float], digits: int = 2) -> str:
    """Return what repeated timings tell, such as `1.06 (0.90 to 1.10)`."""
    told = statistics.median(rounds), min(rounds), max(rounds)
    middle, low, high = (f"{value:.{digits}f}" for value in told)
    return f"{middle} ({low} to {high})"


def total_seconds(record: Mapping[str, Any]) -> float:
    """Return how long a notebook took, all its sections together."""
    return sum(record["seconds"].values())


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
