"""The pages that the site has beside those of the repository; what they tell is read, not typed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import nbformat

TEXTS = Path(__file__).resolve().parent / "pages"
Books = Mapping[Path, nbformat.NotebookNode]
Record = Mapping[str, Any]


def written(root: Path, books: Books) -> dict[str, str]:
    """Return each page's place on the site and its text in Markdown.

    Parameters
    ----------
    root
        The repository.
    books
        The committed notebooks.
    """
    readme, found = (root / "README.md").read_text("utf-8"), records(books)
    listed, results = section(readme, "The notebooks"), section(readme, "Results")
    parts = {
        "picture": first(r"(?m)^!\[.*$", readme),
        "what": first(r"(?ms)^# [^\n]*\n\n(.*?)\n\n", readme),
        "first_page": first(r"\((notebooks/\S+)\.ipynb\)", listed) + ".html",
        "lessons": lessons(listed),
        "minutes": listed.split("\n\n")[-1],
        "which": results.split("\n\n")[0].removesuffix(" Data and machine stand below the table."),
        "results": gains(found),
        "below": "\n\n".join(results.split("\n\n")[2:]),
        "course": "The course <course/README>" if (root / "course").is_dir() else "",
        "records": runs(found),
        "openings": openings(found),
    }
    return {
        path.name: Template(path.read_text("utf-8")).substitute(parts)
        for path in sorted(TEXTS.glob("*.md"))
    }


def lessons(section: str) -> str:
    """Return README's table of the lessons as a list, with question, minutes and what they need."""
    rows = re.findall(r"(?m)^\| (\[[^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*)\|$", section)
    lines = []
    for number, (name, question, minutes, needs) in enumerate(rows, 1):
        after = f", after {needs.strip()}" if needs.strip() else ""
        lines.append(f"{number}. **{name}**\n\n   {question}\n\n   *{minutes} minutes{after}*\n")
    return "\n".join(lines)


def gains(found: list[Record]) -> str:
    """Return a table of what TTA brings in each lesson, each gain drawn on one common scale."""
    far = max(record["headline"].get("high", 0) for record in found)
    rows = []
    for record in found:
        head = record["headline"]
        shares = percent(head.get("baseline")), percent(head.get("tta"))
        drawn = gain(head, far) if "gain" in head else "–"
        rows.append((link(record), record["about"], *shares, drawn))
    told = "gain in points, and its 95 % interval"
    return table(("lesson", "of what", "without TTA", "with TTA", told), rows)


def gain(head: Mapping[str, float], far: float) -> str:
    """Return a gain with its interval in words and as a bar from zero to the farthest end."""
    points = {name: round(100 * head[name], 2) + 0.0 for name in ("gain", "low", "high")}
    places = {name: max(0.0, 100 * head[name] / far) for name in points}
    style = "; ".join(f"--{name}: {place:.1f}" for name, place in places.items())
    told = "{gain:+.2f} [{low:+.2f}, {high:+.2f}]".format(**points)
    bar = f'<span class="site-gain" style="{style}" aria-hidden="true"><i></i><b></b></span>'
    return f"{told} {bar}"


def percent(share: float | None) -> str:
    """Return a share in per cent, or a dash where there is none."""
    return "–" if share is None else f"{100 * share:.2f}\N{NO-BREAK SPACE}%"


def first(pattern: str, text: str) -> str:
    """Return the first match of a pattern, or its first group.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not (found := re.search(pattern, text)):
        raise ValueError(f"README.md has nothing like {pattern!r}, which the landing page shows.")
    return found[found.re.groups]


def section(text: str, title: str) -> str:
    """Return what stands under a heading of the second level, up to the next."""
    body = first(rf"(?ms)^## {title}\n\n(.*?)(?=^## |\Z)", text)
    return re.sub(r"<!--.*?-->\n?", "", body).strip()


def records(books: Books) -> list[Record]:
    """Return the records that notebooks carry of the runs that their outputs come from."""
    found = (book.metadata.get("tta_result") for book in books.values())
    return [record for record in found if record]


def link(record: Record) -> str:
    """Return a link to the page of a record's notebook."""
    name = record["notebook"]
    return f"[{name[:2]} · {name[3:].replace('_', ' ')}](notebooks/{name}.ipynb)"


def runs(found: list[Record]) -> str:
    """Return a table of runs: when, for how long, on what."""
    rows = [
        (
            link(record),
            record["finished"][:16].replace("T", " "),
            f"{sum(record['seconds'].values()):.0f}",
            record["dataset"]["provenance"].split(":")[0],
            f"{record['machine']}; Python {record['python']}, Keras {record['versions']['keras']}",
            f"`{record['commit'][:8]}`",
        )
        for record in found
    ]
    return table(("lesson", "finished, UTC", "seconds", "data", "machine", "commit"), rows)


def openings(found: list[Record]) -> str:
    """Return a table of what each run opened the test set for."""
    rows = [
        (link(record), one["at"][:16].replace("T", " "), one["purpose"])
        for record in found
        for one in record.get("test_set_opened", [])
    ]
    return table(("lesson", "opened, UTC", "to"), rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
