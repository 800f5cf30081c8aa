"""The results as JSON, as a figure and as the table in docs/benchmarks.md."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.timing import Entry
from tta_helpers.workbook.environment import environment_line
from tta_helpers.workbook.place import ROOT, write_whole
from tta_helpers.workbook.publishing import with_section

RESULTS = ROOT / "benchmarks" / "results"


def number(value: float) -> str:
    """Return a value with three digits, more before the point where it has more."""
    if value == 0 or not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}" if value else "0"
    return f"{value:,.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"


def spread(entry: Entry) -> str:
    """Return median, unit and range, such as "1.02 × [1.01, 1.05]"."""
    text = f"{number(entry.median)} {entry.unit}".strip()
    if len(entry.values) > 1:
        text += f" [{number(min(entry.values))}, {number(max(entry.values))}]"
    return text


def goal(entry: Entry) -> str:
    """Return the goal and whether the median reaches it."""
    if entry.goal is None:
        return ""
    word, limit = entry.goal
    return f"{word} {limit:g}: {'reached' if entry.reached else '**not reached**'}"


def network(entry: Entry) -> str:
    """Return the network, and the backend where it is not TensorFlow."""
    other = f" on {entry.backend}" if entry.backend != "tensorflow" else ""
    return entry.network + other


def line(entry: Entry) -> str:
    """Return an entry for the terminal."""
    parts = (f"{entry.group}.", network(entry), entry.text, spread(entry), goal(entry))
    return "  ".join(part for part in parts if part)


def table(entries: Sequence[Entry]) -> str:
    """Return the Markdown table of the entries that are no details."""
    lines = [
        "| | what | network | median [range] | to reach | images | batch | GFLOP/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for e in (entry for entry in entries if not entry.detail):
        rate = "" if e.gflops is None else f"{e.gflops:.0f}"
        sizes = ("" if n is None else f"{n:,}" for n in (e.images, e.batch))
        cells = (e.group, e.text, network(e), spread(e), goal(e), *sizes, rate)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def machine_line(about: Mapping[str, Any]) -> str:
    """Return the machine in one line: processor, threads, versions, and its matrix-product rate."""
    return (
        f"{about['processor']}, {about['threads']} threads; its float32 matrix product runs at "
        f"{about['matrix_product_gflops']:.0f} GFLOP/s. {environment_line(about)}."
    )


def slug(about: Mapping[str, Any]) -> str:
    """Return a file name for the machine."""
    text = f"{about['processor']} {about['threads']} threads".lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", text)).strip("-")


def write(about: Mapping[str, Any], entries: Sequence[Entry], folder: Path) -> None:
    """Write JSON, figure and Markdown into a folder, named after the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        asdict(e) | {"median": e.median, "low": min(e.values), "high": max(e.values)}
        for e in entries
    ]
    path = folder / slug(about)
    body = json.dumps({**about, "entries": rows}, indent=1) + "\n"
    write_whole(path.with_name(f"{path.name}.json"), body)
    write_whole(path.with_name(f"{path.name}.md"), summary(about, entries))
    partial = path.with_name(f".{path.name}.png")
    picture = figure(about, entries)
    picture.savefig(partial, dpi=110)
    plt.close(picture)
    partial.replace(path.with_name(f"{path.name}.png"))


def summary(about: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    """Return the table with what it depends on."""
    took = f"Measured in {about['minutes']:.0f} minutes. {about['dataset']}"
    notes = "\n".join(f"- {note}" for note in about["notes"])
    return "\n\n".join([machine_line(about), took, table(entries), notes]).strip() + "\n"


def publish(about: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Put figure and table into docs/benchmarks.md."""
    page, path = ROOT / "docs" / "benchmarks.md", f"../benchmarks/results/{slug(about)}.png"
    picture = f"![Ratios with their ranges, and time and memory against images and views]({path})"
    section = f"{picture}\n\n{summary(about, entries)}"
    write_whole(page, with_section(page, "benchmarks", section))


def figure(about: Mapping[str, Any], entries: Sequence[Entry]) -> Figure:
    """Return the figure: ratios with their ranges, each view's cost, and growth."""
    drawn = plt.figure(figsize=(12, 10), layout="constrained")
    top, bottom = drawn.subfigures(2, height_ratios=(5, 2))
    left, right = top.subplots(1, 2)
    ratios = [e for e in entries if e.unit == "×" and not e.detail]
    _ranges(left, ratios, [f"{e.group}. {e.text}, {network(e)}" for e in ratios])
    left.set(xscale="log", xlabel="ratio; a cross marks what is to be reached")
    views = [e for e in entries if e.group == 3 and e.detail]
    _ranges(right, views, [f"{e.text}, {network(e)}" for e in views])
    right.set(xlabel="one view / bare pass", xlim=(0, None))
    _growth(bottom.subplots(1, 4).reshape(2, 2), [e for e in entries if e.group == 6 and e.detail])
    text = f"{about['processor']}, {about['threads']} threads; {about['dataset']}"
    bottom.supxlabel(text, fontsize=8, color="#666666", x=0.01, ha="left")
    return drawn


def _growth(axes: Sequence[Sequence[Axes]], entries: Sequence[Entry]) -> None:
    """Draw time, then memory, against images on the left axes and against views on the right."""
    for (left, right), unit, label in zip(axes, ("s", "MB"), ("seconds", "peak MB"), strict=True):
        rows = [e for e in entries if e.unit == unit]
        first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        for axis, half, name, text in (
            (left, first, "images", f"images, {first[0].views} views of each"),
            (right, second, "views", f"views of {second[0].images:,} images"),
        ):
            axis.plot([getattr(e, name) for e in half], [e.median for e in half], "o-")
            axis.set(xlabel=text, ylabel=label, xlim=(0, None))
            axis.set_ylim(0, 1.1 * max(e.median for e in half))
            axis.locator_params(axis="x", nbins=4)


def _ranges(axis: Axes, entries: Sequence[Entry], labels: Sequence[str]) -> None:
    """Draw each entry as its median with its range, from the top down."""
    for row, entry in enumerate(entries):
        axis.plot([min(entry.values), max(entry.values)], [row, row], color="C0")
        axis.plot(entry.median, row, "o", color="C0", markersize=4)
        if entry.goal:
            axis.plot(entry.goal[1], row, "x", color="C1")
    axis.axvline(1, color="#999999", linewidth=0.8)
    axis.set_yticks(range(len(labels)), labels, fontsize=6)
    axis.invert_yaxis()
