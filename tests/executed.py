"""Looks through an executed workbook: `python tests/executed.py FOLDER [--committed]`.

Nothing may have been written to standard error, no cell may have failed, nothing said may be "nan",
and no number in a record NaN or infinite. With `--committed`, the cells tagged `nbval-check-output`
must have said the same as in the committed notebooks, whose data have as many classes and pixels.
"""

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from tta_helpers.workbook import place

NAN = re.compile(r"(?<![\w.])[+-]?nan(?!\w)")


def faults_of(folder: Path, *, committed: bool = False) -> list[str]:
    """Return what is wrong with a run, one line a fault."""
    found = []
    for path in place.lesson_paths():
        notebook = nbformat.read(folder / path.name, as_version=4)
        found += [f"{path.stem}, cell {k}: {fault}" for k, fault in _in_cells(notebook)]
        record = json.loads((folder / f"{path.stem}.json").read_text(encoding="utf-8"))
        found += [f"{path.stem}.json: {name} is {value}" for name, value in _not_finite(record)]
        if committed:
            found += _differing(path, notebook)
    return found


def _in_cells(notebook: nbformat.NotebookNode) -> Iterator[tuple[int, str]]:
    for k, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield k, f"{output.ename}: {output.evalue}"
            elif output.get("name") == "stderr":
                yield k, f"standard error: {output.text}"
            elif NAN.search(_text(output)):
                yield k, f"nan in {_text(output)[:200]!r}"


def _text(output: nbformat.NotebookNode) -> str:
    data = output.get("data", {})
    return output.get("text") or data.get("text/markdown") or data.get("text/plain") or ""


def _not_finite(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield each NaN and infinity in a record under its dotted name."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _not_finite(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        yield name, value


def _differing(path: Path, ran: nbformat.NotebookNode) -> Iterator[str]:
    now = {cell.id: cell for cell in ran.cells}
    for cell in nbformat.read(path, as_version=4).cells:
        if "nbval-check-output" in cell.metadata.get("tags", []):
            then, here = ([_text(o) for o in c.outputs] for c in (cell, now[cell.id]))
            if then != here:
                yield f"{path.stem}, {cell.id}: committed {then}, now {here}"


if __name__ == "__main__":
    faults = faults_of(Path(sys.argv[1]), committed="--committed" in sys.argv)
    print(*faults or [f"{sys.argv[1]}: nothing on standard error, no NaN"], sep="\n")
    sys.exit(bool(faults))
