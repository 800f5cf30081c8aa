"""What to expect of the lessons: headline numbers of many runs, and the ranges that they lie in.

`make expected NAME=a-sweep` takes the finished runs of a sweep over `seed` into the record, one
number a row; ranges of other tiers and other data stay in it.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median

import nbformat
from ruamel.yaml import YAML

from tta_helpers.workbook.parameters import load_tier
from tta_helpers.workbook.place import ROOT, RunError, notebooks, read_csv, write_csv
from tta_helpers.workbook.sweep_report import gather, numbers

FILE = notebooks() / "records" / "expected.csv"
SOURCE = Path(__file__).parent / "guide" / "src" / "expected.yml"
TIERS = ("smoke", "lesson", "full")
READ = {
    "share": lambda value: f"{100 * value:.1f} %",
    "gain": lambda value: f"{100 * value:+.2f}",
    "points": lambda value: f"{value:+.2f}",
    "plain": lambda value: f"{value:.3f}",
}
Row = Mapping[str, str]


def headlines(lesson: str) -> list[dict[str, str]]:
    """Return the headline numbers of a lesson: name in its record, words, and how it is read."""
    return YAML(typ="safe").load(SOURCE.read_text(encoding="utf-8")).get(lesson, [])


def found_in(record: Mapping, lesson: str) -> dict[str, float]:
    """Return the headline numbers of a lesson's record by their name; of a list its first.

    Raises
    ------
    RunError
        If the record lacks one.
    """
    parts = {part: record.get(part, {}) for part in ("headline", "metrics")}
    known = {name: value for name, place, value in numbers(parts) if place == 0}
    wanted = [one["number"] for one in headlines(lesson)]
    if missing := [name for name in wanted if name not in known]:
        raise RunError(
            f"A run of {lesson} has no number {missing[0]!r}; {SOURCE.name} asks for it."
        )
    return {name: known[name] for name in wanted}


def tier_of(parameters: Mapping) -> str:
    """Return the tier whose values a run has, whatever its seed and its data.

    Raises
    ------
    RunError
        If it has those of none.
    """
    free = {"seed", "dataset"}
    for tier in TIERS:
        values = load_tier(tier)
        if all(values[k] == parameters[k] for k in (values.keys() & parameters.keys()) - free):
            return tier
    raise RunError("A run has the values of no tier; a range is of one, so vary the seed alone.")


def taken(folder: str) -> list[Row]:
    """Return the rows of a sweep's finished runs.

    Raises
    ------
    RunError
        If there is no such sweep, none of its runs is finished, or it varies more than the seed.
    """
    rows = []
    for run in gather(Path("runs") / folder):
        if set(run["values"]) != {"seed"}:
            raise RunError(f"{folder} varies {', '.join(run['values'])}; it must be seed alone.")
        for lesson, record in run["records"].items():
            about = {"tier": tier_of(record["parameters"]), "data": record["dataset"]["name"]}
            for name, value in found_in(record, lesson).items():
                row = {"lesson": lesson, "number": name, **about}
                rows.append({**row, "seed": str(run["values"]["seed"]), "value": f"{value:.6g}"})
    if not rows:
        raise RunError(f"No run of {folder} is finished: `make sweep SWEEP=sweeps/{folder}.yml`.")
    return rows


def committed() -> list[Row]:
    """Return the rows of the record; none where there is no record."""
    return read_csv(FILE)


def merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Return old rows with new ones in the place of those of the same lesson, tier and data."""
    new = list(new)
    replaced = {(row["lesson"], row["tier"], row["data"]) for row in new}
    kept = [row for row in old if (row["lesson"], row["tier"], row["data"]) not in replaced]
    return sorted([*kept, *new], key=lambda row: (row["lesson"], row["tier"], row["data"]))


def columns(lesson: str, rows: Iterable[Row]) -> dict[str, dict[str, list[float]]]:
    """Return the values of a lesson's numbers, by tier and data in words, then by number."""
    found: dict = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["lesson"] == lesson:
            found[f"{row['tier']}, {row['data']}"][row["number"]].append(float(row["value"]))
    return found


def section(lesson: str) -> list[str]:
    """Return what the guide says of a lesson's numbers, as lines of Markdown."""
    groups, asked = columns(lesson, committed()), headlines(lesson)
    runs = {name: len(next(iter(values.values()))) for name, values in groups.items()}
    book = nbformat.read(notebooks() / f"{lesson}.ipynb", as_version=4)
    record = book.metadata.get("tta_result")
    shown = found_in(record, lesson) if record else {}
    heads = [f"{name}: lowest to highest of {runs[name]} (middle)" for name in groups]
    lines = [f"| {' | '.join(['number', 'committed run', *heads])} |"]
    lines.append("|---" * (2 + len(heads)) + "|")
    for one in asked:
        name, read = one["number"], READ[one["as"]]
        cells = [one["words"], read(shown[name]) if shown else "-"]
        cells += [told(values[name], read) if name in values else "-" for values in groups.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *explained(record, runs)]


def told(values: list[float], read: Callable[[float], str]) -> str:
    """Return a range and the median in words."""
    return f"{read(min(values))} to {read(max(values))} ({read(median(values))})"


def explained(record: Mapping | None, runs: Mapping[str, int]) -> list[str]:
    """Return the paragraphs under the table."""
    of = f" The committed run is of {record['dataset']['provenance']}" if record else ""
    first = (
        f"Gains are in points.{of} It is one fit; the lesson prints an interval beside each gain."
    )
    if not runs:
        return [
            first,
            "",
            "No seeds are swept for this lesson: hold a result against that interval.",
        ]
    out = max(2 / (n + 1) for n in runs.values())
    return [
        first,
        "",
        "A range is of runs with another seed each, so with other fits and other splits, of the "
        "tier and the data that its column names. One more such run lies outside by chance in at "
        f"most {out:.0%} of cases. Another tier and other data have another range: the line under "
        "section 1 of a lesson says which data it had. Look there before you look for a mistake.",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Take a sweep into the record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="folder in runs/ of a sweep over seed")
    try:
        rows = merged(committed(), new := taken(parser.parse_args(arguments).name))
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_csv(FILE, rows)
    print(f"{FILE.relative_to(ROOT)}: {len(new)} numbers taken, {len(rows)} in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
