"""Tables, and gains as text."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tta_helpers.metrics import PairedComparison
from tta_helpers.plots.text import encodable


class Table:
    """A table as Markdown, in `data`; a notebook sets it, a terminal shows the text."""

    def __init__(self, data: str):
        self.data = data

    def __repr__(self) -> str:
        return self.data

    def _repr_markdown_(self) -> str:
        return self.data


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table to display: floats with four digits after the point, thousands with commas.

    Text may hold **bold**, *italic* and `code`; other signs that Markdown, HTML or MathJax would
    act on are shown as they are.
    """

    def cell(value: object) -> str:
        if isinstance(value, float | np.floating):
            return f"{value:.4f}"
        if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return f"{value:,}"
        parts = re.split(r"(`[^`]+`)", encodable(value))  # every second one is code
        parts[::2] = map(_escaped, parts[::2])
        parts[1::2] = [part.replace("|", r"\|") for part in parts[1::2]]
        text = "".join(parts).replace("&", "&amp;").replace("<", "&lt;")
        return " ".join(text.split())

    lines = [header, ["---"] * len(header), *rows]
    return Table("\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines))


def _escaped(text: str) -> str:
    """Escape what Markdown or MathJax would act on outside of code."""
    return re.sub(r"[\\|$]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def compared(
    changes: Mapping[str, PairedComparison],
    ends: tuple[str, str] = ("without TTA", "with TTA"),
    p_name: str = "McNemar p",
) -> Table:
    """Return a table of comparisons: both accuracies, gain and interval, fixed, broken and p.

    `p_name` heads the last column: say there if the p-values are adjusted for their number.
    """
    header = ["", *ends, "gain in points [95 % interval]", "fixed", "broken", p_name]
    rows = [
        [
            name,
            f"{100 * c.before:.2f} %",
            f"{100 * c.after:.2f} %",
            points(c),
            f"{c.fixed:,}",
            f"{c.broken:,}",
            f"{c.p_value:.2g}",
        ]
        for name, c in changes.items()
    ]
    return table(header, rows)


def answer(text: str, title: str = "Answer") -> Table:
    """Return a text that is folded away until the reader opens it, in Markdown."""
    return Table(f"<details><summary><b>{title}</b></summary>\n\n{text}\n\n</details>")


def points(change: PairedComparison | tuple[float, float, float]) -> str:
    """Return a gain in percentage points with its interval, such as `+1.20 [+0.85, +1.55]`.

    `change` is a comparison, or a gain and the ends of its interval, as shares.
    """
    if isinstance(change, PairedComparison):
        change = (change.gain, change.low, change.high)
    gain, low, high = (f"{round(100 * value, 2) + 0.0:+.2f}" for value in change)  # no "-0.00"
    return f"{gain} [{low}, {high}]"
