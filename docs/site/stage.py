"""Lay out what the site is built from: the pages and notebooks of this repository, in its folders.

Files keep their places, so links between them lead on as they stand. What a site needs otherwise
is changed in the copies alone.
"""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pages
import quizzes
import reference

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE = ROOT / "build" / "site-source"
EXTRA = "_extra"  # a folder whose content goes to the site as it is
MARKDOWN = "text/markdown"
WIDGET = "application/vnd.jupyter.widget-view+json"
PANEL = (
    "*Here the notebook has a panel with controls, which needs a running kernel. "
    "[Try it](/try-it.md) has one that does not.*"
)
COURSE = """
## All pages of the course

```{toctree}
:glob:
:titlesonly:

exercises/*
quizzes/*
guide/*
capstone/*
```
"""
# What a narrow column must not part: a number from its sign, an interval's ends.
TOGETHER = re.compile(
    r"(?<=\d) (?=%|to \d)|(?<=\d to) (?=\d)|(?<=<) (?=\d)"
    r"|(?<=[\d∞],) (?=[-+−∞\d.]+\])|(?<=\]) (?=\*)"
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
DIAGRAM = re.compile(r"(?ms)^```mermaid\n(.*?)^```\n")
ARROW, BOX = re.compile(r"^\s*(\w+) --> (\w+)$", re.M), re.compile(r'^\s*(m_\w+)\["(\w+)"\]$', re.M)


def stage(folder: Path, root: Path = ROOT) -> None:
    """Write into an empty folder all that Sphinx reads."""
    texts = {path: page(path, root) for path in documents(root)}
    if (course := root / "course" / "README.md") in texts:
        above, rest = texts[course].split("\n## ", 1)
        texts[course] = f"{above}{COURSE}\n## {rest}"  # a repository lists its folders itself
    for path in sorted((root / "course" / "quizzes").glob("*.md")):
        texts[path] = quizzes.form(texts[path])
    books = {path: nbformat.read(path, as_version=4) for path in notebooks(root)}
    written = pages.written(root, books) | reference.written(root)
    for path, text in texts.items():
        put(folder / path.relative_to(root), text)
    for path, book in books.items():
        put(folder / path.relative_to(root), nbformat.writes(shown(book)))
        copy(path, folder / EXTRA / "downloads" / path.name)
    for name, text in written.items():
        put(folder / name, text)
    put(
        folder / EXTRA / "_static" / "tryit-data.js",
        script_of((HERE / "tryit.json").read_text("utf-8")),
    )
    sources = [*texts.items(), *((root / name, text) for name, text in written.items())]
    for path in linked(sources, root):
        copy(path, folder / path.relative_to(root))


def documents(root: Path) -> list[Path]:
    """Return the pages in Markdown, but for the README, of which the landing page is made."""
    found = sorted((root / "course").rglob("*.md"))
    course = [path for path in found if path.parent.name != "slides"]  # decks.py takes those
    return [*sorted((root / "docs").glob("*.md")), root / "data" / "README.md", *course]


def notebooks(root: Path) -> list[Path]:
    """Return the lessons and reports, and the exercises and the project of the course."""
    course = sorted((root / "course").glob("*/*.ipynb"))
    return [*sorted((root / "notebooks").glob("[0-9]*.ipynb")), *course]


def page(path: Path, root: Path = ROOT) -> str:
    """Return a page's text with its diagrams as tables, which can be read out.

    Links to folders, which the site has none of, become their words; links to the README lead to
    the landing page, which is made of it; and links to a deck to its slides.
    """

    def on_the_site(found: re.Match) -> str:
        target = (path.parent / found[2]).resolve()
        if target == root / "README.md":
            return f"[{found[1]}](/index.md)"
        if target.parent == root / "course" / "slides":
            to = os.path.relpath(root / "slides" / target.stem / "index.html", path.parent)
            return f'<a href="{to}">{found[1]}</a>'
        return found[1] if target.is_dir() else found[0]

    text = DIAGRAM.sub(lambda found: arrows(found[1]), unbroken(path.read_text("utf-8")))
    return re.sub(r"\[([^\]]*)\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", on_the_site, text)


def unbroken(text: str) -> str:
    """Return Markdown with what belongs together in its tables kept on one line."""
    rows = re.compile(r"(?m)^\|.*\|$")
    return rows.sub(lambda row: TOGETHER.sub("\N{NO-BREAK SPACE}", row[0]), text)


def arrows(diagram: str) -> str:
    """Return a diagram of imports as a table: each module with those that it imports."""
    names = dict(BOX.findall(diagram))
    lines: dict[str, list[str]] = {}
    for start, end in ARROW.findall(diagram):
        lines.setdefault(start, []).append(f"`{names[end]}`")
    rows = (f"| `{names[start]}` | {', '.join(ends)} |" for start, ends in lines.items())
    head = "*Here the diagram is a table, arrow by arrow.*\n"
    return "\n".join([head, "| module | imports |", "|---|---|", *rows, ""])


def shown(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of a notebook without the state of its panels, each of them named instead.

    What a progress bar leaves behind, a line without letters, goes too.
    """
    book = nbformat.from_dict(book)
    book.metadata.pop("widgets", None)
    for number, cell in enumerate(book.cells, 1):
        if number > 1 and cell.source.startswith("# ") and cell.cell_type == "markdown":
            cell.source = f"#{cell.source}"  # a page has one title
        if cell.cell_type == "code":
            kept = [one for one in cell.outputs if not blank(one)]
            cell.outputs = [panel() if WIDGET in one.get("data", {}) else one for one in kept]
            for data in (one["data"] for one in cell.outputs if MARKDOWN in one.get("data", {})):
                data[MARKDOWN] = unbroken(data[MARKDOWN])
            words = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
            words.setdefault("alt", f"The figure of cell {number}; the text around it tells of it.")
    return book


def blank(output: nbformat.NotebookNode) -> bool:
    """Whether an output shows nothing but white space."""
    return {*output.get("data", {})} == {"text/plain"} and not output.data["text/plain"].strip()


def panel() -> nbformat.NotebookNode:
    """Return what stands where a panel was."""
    return nbformat.v4.new_output("display_data", {MARKDOWN: PANEL})


def script_of(data: str) -> str:
    """Return JSON as a script: a browser reads one also where the site lies in a folder."""
    return f"globalThis.tryItData = {data.strip()};\n"


def linked(texts: list[tuple[Path, str]], root: Path) -> list[Path]:
    """Return the files that pages show or offer beside other pages, as they lie in the repository.

    Raises
    ------
    FileNotFoundError
        If a link leads to no file, or out of the repository.
    """
    found = set()
    for path, text in texts:
        for target in LINK.findall(re.sub(r"(?ms)^```.*?^```|`[^`\n]+`", "", text)):
            file = (path.parent / target).resolve()
            if file.suffix in {".md", ".ipynb"}:
                continue  # Sphinx finds out whether these lead somewhere
            if not file.is_file() or not file.is_relative_to(root):
                raise FileNotFoundError(
                    f"{path.name} links to {target}, and there is no such file."
                )
            found.add(file)
    return sorted(found)


def put(path: Path, text: str) -> None:
    """Write a text, and the folder that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def copy(path: Path, to: Path) -> None:
    """Copy a file, and make the folder that it lies in."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)
