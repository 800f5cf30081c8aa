"""How long the lessons' code cells are, printed; every lesson is held to a limit.

`python tests/cell_lengths.py` prints one line a lesson and fails where a limit is passed.
"""

import sys
from math import ceil
from pathlib import Path

import nbformat

from tta_helpers.workbook import place

MEDIAN, NINE_IN_TEN, MOST = 5, 10, 15


def code_cells(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells, without the list of its parameters."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    return [c.source for c in cells if "parameters" not in c.metadata.get("tags", [])]


def length(source: str) -> int:
    """Count a cell's lines that are neither blank nor a comment alone."""
    lines = (line.strip() for line in source.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def quantile(lengths: list[int], share: float) -> int:
    """Return the smallest length that at least this share of the cells does not pass."""
    return sorted(lengths)[ceil(share * len(lengths)) - 1]


def faults_of(name: str, cells: list[str]) -> list[str]:
    """Return which limits a lesson's cells pass."""
    lengths = [length(source) for source in cells]
    found = []
    for words, share, limit in (("median", 0.5, MEDIAN), ("nine in ten", 0.9, NINE_IN_TEN)):
        if quantile(lengths, share) > limit:
            found.append(f"{name}: {words} {quantile(lengths, share)} lines, more than {limit}")
    for source, lines in zip(cells, lengths, strict=True):
        if lines > MOST:
            first = source.splitlines()[0]
            found.append(f"{name}: {lines} lines, more than {MOST}, in the cell {first!r}")
    return found


def main() -> int:
    """Print the counts and the faults; return the exit status."""
    faults = []
    for path in place.lesson_paths():
        cells = code_cells(path)
        lengths = [length(source) for source in cells]
        middle, most = quantile(lengths, 0.5), quantile(lengths, 0.9)
        print(
            f"{path.stem}: {len(cells)} code cells; lines: median {middle}, nine in ten at most "
            f"{most}, longest {max(lengths)}"
        )
        if path.stem in place.LESSONS:
            faults += faults_of(path.stem, cells)
    print(*faults, sep="\n", end="\n" if faults else "")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
