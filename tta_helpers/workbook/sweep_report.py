"""What a sweep found: its finished runs, gathered into a table and a report notebook."""

import importlib.util
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tta_helpers.workbook import place
from tta_helpers.workbook.chain import intact
from tta_helpers.workbook.kernels import execute
from tta_helpers.workbook.place import RunError, locked, write_csv, write_whole
from tta_helpers.workbook.publishing import executed_copy, pictures, with_section
from tta_helpers.workbook.records import read_record
from tta_helpers.workbook.sweep_files import REPORT

if TYPE_CHECKING:  # it takes two seconds to import
    from nbformat import NotebookNode


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return what a sweep's folder says of its runs.

    Raises
    ------
    RunError
        If no sweep ran there.
    """
    path = place.ROOT / folder / "sweep.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is not a sweep's ({error}): run the sweep first.") from error


def gather(folder: str | Path) -> list[dict[str, Any]]:
    """Return the finished runs of a sweep: their key, varied `values`, and `records` by notebook.

    A run whose files were changed or cut off since it finished is left out; running the sweep
    again makes it anew.
    """
    folder = place.ROOT / folder
    manifest = read_manifest(folder)
    names = manifest["notebooks"]
    return [
        {
            "key": key,
            "values": values,
            "records": {name: read_record(folder / key, name) for name in names},
        }
        for key, values in manifest["runs"].items()
        if intact(folder / key, names)
    ]


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, int, float]]:
    """Yield every number in nested results as (dotted name, position, number).

    The position is that in a list, from 0, and 0 for a number that stands alone; lists in lists
    are counted through.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        found = [triple for inner in value for triple in numbers(inner, name)]
        seen: dict[str, int] = {}
        for dotted, _, number in found:
            seen[dotted] = seen.get(dotted, -1) + 1
            yield dotted, seen[dotted], number
    elif isinstance(value, int | float):
        yield name, 0, float(value)


def tidy(gathered: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each number of each record: run, varied parameters, where, and value."""
    return [
        {"run": one["key"], **one["values"], "notebook": notebook, "part": part}
        | {"name": name, "position": position, "value": value}
        for one in gathered
        for notebook, record in one["records"].items()
        for part in ("headline", "metrics", "seconds")
        for name, position, value in numbers(record.get(part, {}))
    ]


def write_report(name: str) -> None:
    """Write a sweep's table and its executed report notebook into its folder.

    Raises
    ------
    RunError
        If there is no such sweep, none of its runs is finished, or the report fails.
    """
    folder = place.ROOT / "runs" / name
    manifest = read_manifest(folder)
    with locked(folder):
        gathered = gather(folder)
        if not gathered:
            raise RunError(f"No run of {name} is finished; see runs/{name}/failures.txt.")
        rows = tidy(gathered)
        write_csv(folder / "table.csv", rows)
        _write_parquet(folder / "table.parquet", rows)
        print(f"{len(gathered)} of {len(manifest['runs'])} runs, {len(rows):,} numbers.")
        execute(place.notebooks() / f"{REPORT}.ipynb", folder, manifest["report"])
    print(f"runs/{name}/table.csv and runs/{name}/{REPORT}.ipynb")


def publish(name: str) -> None:
    """Put the outputs of a sweep's report into the committed one, and its gist into docs/sweeps.md.

    The gist is what the cells tagged `readme` show.

    Raises
    ------
    RunError
        If the sweep has no report, or one made with other parameters than the notebook's defaults.
    """
    import nbformat

    path, page = place.notebooks() / f"{REPORT}.ipynb", place.ROOT / "docs" / "sweeps.md"
    run = executed_copy(path, place.ROOT / "runs" / name)
    tagged = [cell for cell in run.cells if "readme" in cell.metadata.get("tags", [])]
    told = [_told(output) for cell in tagged for output in cell.outputs]
    text = with_section(page, "sweep", "\n\n".join(told) + "\n")
    # Whatever can be refused has been: now all is written.
    for figure in (figure for cell in tagged for figure in pictures(cell)):
        write_whole(place.notebooks() / "sweep.png", figure)
    write_whole(path, nbformat.writes(run) + "\n")
    write_whole(page, text)


def _told(output: "NotebookNode") -> str:
    """Return an output as Markdown in docs/; a figure lies beside the committed notebooks."""
    if output.output_type == "stream":
        return "\n\n".join(output.text.splitlines())
    if "image/png" in output.data:
        return "![What the sweep found](../notebooks/sweep.png)"
    return output.data["text/markdown"]


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as Parquet where pyarrow is installed; it is no dependency of the workbook."""
    if importlib.util.find_spec("pyarrow"):
        import pyarrow
        from pyarrow import parquet

        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
        write_whole(path, buffer.getvalue())
