"""Taking a run's outputs into the committed notebooks and README.md."""

import base64
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tta_helpers.workbook import place
from tta_helpers.workbook.chain import older
from tta_helpers.workbook.place import RunError, lesson_paths, named_folder, write_whole
from tta_helpers.workbook.records import records_in, summary_table, total_seconds

if TYPE_CHECKING:
    from nbformat import NotebookNode


def publish(name: str) -> None:
    """Put the outputs of runs/<name>/ into the committed notebooks, and its summary into README.md.

    Only outputs of notebooks whose code is the committed one are taken, from a run with the
    notebooks' own defaults (the lesson tier). A figure from a cell tagged `readme` is saved for
    README.md to show.
    """
    import nbformat

    folder = named_folder(name)
    if mixed := older(folder):
        raise RunError(
            f"In {folder.name}, {', '.join(mixed)} ran before a notebook above it ran again: run "
            "all to the end first."
        )
    executed = {path: executed_copy(path, folder) for path in lesson_paths()}
    records = records_in(folder)
    readme = place.ROOT / "README.md"
    text = with_results(readme, list(records.values()))
    figures = [_readme_figure(path, run) for path, run in executed.items()]
    # Whatever can be refused has been: now all is written.
    for figure in filter(None, figures):
        write_whole(place.notebooks() / "tta.png", figure)
    for path, run in executed.items():
        run.metadata["tta_result"] = records[path.stem]
        write_whole(path, nbformat.writes(run) + "\n")
    write_whole(readme, text)


def executed_copy(path: Path, folder: Path) -> "NotebookNode":
    """Return a committed notebook with the outputs that its code left in a folder.

    Text between the cells may have changed since; code may not.

    Raises
    ------
    RunError
        If it did not run there, or its code or parameters were not the committed ones.
    """
    import nbformat

    committed = nbformat.read(path, as_version=4)
    try:
        run = nbformat.read(folder / path.name, as_version=4)
    except FileNotFoundError as error:
        raise RunError(f"{path.name} has not run in {folder.name}; run it first.") from error
    here, there = (
        [cell for cell in book.cells if cell.cell_type == "code"] for book in (committed, run)
    )
    if [cell.source for cell in here] != [cell.source for cell in there]:
        raise RunError(
            f"{path.name} differs from what ran in {folder.name}, or ran with other parameters "
            "than its defaults; run it again with the lesson tier."
        )
    for cell, executed in zip(here, there, strict=True):
        cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
    return committed


def pictures(cell: "NotebookNode") -> list[bytes]:
    """Return the figures that a cell shows, as PNG."""
    shown = [output.get("data", {}).get("image/png") for output in cell.outputs]
    return [base64.b64decode(figure) for figure in shown if figure]


def _readme_figure(path: Path, run: "NotebookNode") -> bytes | None:
    """Return the figure that a notebook has for README.md; None if no cell is tagged for it.

    Raises
    ------
    RunError
        If the tagged cell shows none.
    """
    for cell in run.cells:
        if "readme" in cell.metadata.get("tags", []):
            if shown := pictures(cell):
                return shown[0]
            raise RunError(f"{path.name}: a cell tagged `readme` shows no figure; run it again.")
    return None


def with_results(readme: Path, records: list[dict[str, Any]]) -> str:
    """Return README.md's text with the results in their place, and the notebooks' minutes."""
    text = with_section(readme, "results", summary_table(records))
    for record in records:
        row = rf"(\(notebooks/{record['notebook']}\.ipynb\) \|[^|\n]*\|)[^|\n]*\|"
        minutes = math.ceil(total_seconds(record) / 60)
        text = re.sub(row, rf"\1 {minutes} |", text)
    return text


def with_section(page: Path, name: str, section: str) -> str:
    """Return a page's text with a section between the two comments that bear its name.

    Raises
    ------
    RunError
        If the comments are not there.
    """
    marks = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)"
    text = page.read_text(encoding="utf-8")
    text, found = re.subn(marks, lambda pair: pair[1] + section + pair[2], text, flags=re.S)
    if not found:
        raise RunError(
            f"{page.name} lacks the comments <!-- {name}: … --> and <!-- end of {name} -->, "
            "between which this command writes; put them back."
        )
    return text
