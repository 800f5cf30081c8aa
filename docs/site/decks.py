"""The slides: course/slides/NN.md, one deck a lesson, filled from the committed notebooks.

A deck is Markdown, a heading a slide. `{{ way cell | pattern }}` stands for what a cell of the
lesson holds, `WAYS` below; `![](cell)` for its figure, which the site has already with the lesson;
and a quotation that begins with minutes for the speaker's notes.
"""

import base64
import hashlib
import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SLIDES = ROOT / "course" / "slides"
SOURCE, BUILT = (ROOT / "build" / name for name in ("slides-source", "slides-built"))
FILL = re.compile(r"\{\{ (\w+)(?: (\w+))?(?: \| (.+?))? \}\}")
FIGURE = re.compile(r"(?m)^!\[\]\((\w+)\)$")
NOTES = re.compile(r"(?m)^> (\d+) minutes?: (.+)$")
LOADED = re.compile(r'(?:src|href)="(\.\./_static/[^"?]+)')
Book = nbformat.NotebookNode


class DeckError(ValueError):
    """A deck asks for what its lesson does not hold; the message says for what."""


def stage() -> None:
    """Write into an empty folder what Sphinx makes slides of."""
    SOURCE.mkdir(parents=True)
    names = []
    for path in sorted(SLIDES.glob("*.md")):
        (SOURCE / path.name).write_text(staged(path, lesson_of(path)), encoding="utf-8")
        names.append(path.stem)
    listed = "\n".join(names)
    (SOURCE / "index.md").write_text(f"# Slides\n\n```{{toctree}}\n{listed}\n```\n", "utf-8")


def lesson_of(deck: Path) -> Path:
    """Return the notebook that a deck is of: it has the same number.

    Raises
    ------
    DeckError
        If there is none.
    """
    found = sorted((ROOT / "notebooks").glob(f"{deck.stem}_*.ipynb"))
    if not found:
        raise DeckError(f"{deck.name}: no notebook begins with {deck.stem}_.")
    return found[0]


def staged(deck: Path, lesson: Path) -> str:
    """Return a deck as sphinx-revealjs reads it.

    Raises
    ------
    DeckError
        If it asks for a cell or for something in a cell that its lesson has not.
    """
    book = nbformat.read(lesson, as_version=4)
    try:
        text = filled(deck.read_text("utf-8"), book)
    except DeckError as error:
        raise DeckError(f"{deck.name}: {error}") from None
    page = f"../../notebooks/{lesson.stem}.html"
    text = text.replace("\n", f'\n\n<a href="{page}">The lesson</a>\n', 1)  # under the title
    return NOTES.sub(r"```{revealjs-notes}\n\1 min. \2\n```", text)


def filled(text: str, book: Book) -> str:
    """Return a deck's text with everything that it takes from a lesson put in."""

    def put(found: re.Match) -> str:
        way, name, pattern = found.groups()
        if way not in WAYS:
            raise DeckError(f"{found[0]}: the ways are {', '.join(WAYS)}.")
        return WAYS[way](book, name, pattern)

    return FIGURE.sub(lambda found: figure(book, found[1]), FILL.sub(put, text))


def figure(book: Book, name: str) -> str:
    """Return a cell's figure as HTML, under the name that the lesson's page has it by."""
    cell = cell_of(book, name)
    pictures = [
        o.data["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})
    ]
    words = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
    if not pictures or not words:
        raise DeckError(
            f"cell {name} shows no figure, or one without words for those who cannot see."
        )
    file = hashlib.sha256(base64.b64decode(pictures[0])).hexdigest()  # as MyST-NB names it
    return f'<img class="r-stretch" src="../../_images/{file}.png" alt="{html.escape(words)}">'


def cell_of(book: Book, name: str | None) -> Book:
    """Return the cell of this name."""
    for cell in book.cells:
        if cell.id == name:
            return cell
    raise DeckError(f"the lesson has no cell {name}.")


def said(book: Book, name: str | None) -> str:
    """Return what a cell says, unfolded: its Markdown, or its outputs as text."""
    cell = cell_of(book, name)
    if cell.cell_type == "markdown":
        text = cell.source
    else:
        shown = [output.get("data", {}) for output in cell.outputs]
        texts = [one.get("text/markdown", one.get("text/plain", "")) for one in shown]
        texts += [output.text for output in cell.outputs if "text" in output]
        text = "\n".join(filter(None, texts))
    if folded := re.match(r"(?s)<details><summary>.*?</summary>(.*?)</details>", text):
        text = folded[1]
    return without_links(text).strip()


def without_links(text: str) -> str:
    """Return Markdown with the words of its links alone: a slide leads nowhere."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def found(book: Book, name: str | None, pattern: str | None) -> str:
    """Return the first match of a pattern in what a cell says, or its first group."""
    match = re.search(pattern or "(?s).+", said(book, name))
    if not match:
        raise DeckError(f"cell {name} says nothing like {pattern!r}.")
    return match[match.re.groups and 1]


def predict(book: Book, name: str | None, pattern: str | None) -> str:
    """Return what the class is to guess in a cell: all of it, or as much as a pattern takes."""
    text = found(book, name, rf"\*\*Predict:\*\* ({pattern or '.+'})")
    return text[0].upper() + text[1:]


def rows(book: Book, name: str | None, pattern: str | None) -> str:
    """Return a cell's table with its header, and those rows in which a pattern is found."""
    lines = [line for line in said(book, name).splitlines() if line.startswith("|")]
    kept = [line for line in lines[2:] if re.search(pattern or "", line)]
    if not kept:
        raise DeckError(f"cell {name} has no table, or none with a row like {pattern!r}.")
    return "\n".join([*lines[:2], *kept])


def points(book: Book, name: str | None, pattern: str | None) -> str:
    """Return the first sentence of each item of a list, or of those in which a pattern is found."""
    listed = said(book, name).partition("## Check yourself")[0]
    items = re.findall(r"(?m)^- (.+?[.!?])(?:\s|$)", listed)
    kept = [item for item in items if re.search(pattern or "", item)]
    if not kept:
        raise DeckError(f"cell {name} has no list, or none with an item like {pattern!r}.")
    return "\n".join(f"- {item}" for item in kept)


def section(book: Book, name: str | None, _: str | None) -> str:
    """Return the number and title of the section that a cell is in."""
    place = book.cells.index(cell_of(book, name)) + 1
    above = [cell.source for cell in book.cells[:place] if cell.cell_type == "markdown"]
    titles = re.findall(r"(?m)^## (\d+)\. (.+)$", "\n".join(above))
    if not titles:
        raise DeckError(f"cell {name} is in no numbered section.")
    return "{} ({})".format(*titles[-1])


def title(book: Book, *_: str | None) -> str:
    """Return the lesson's title."""
    return re.search(r"(?m)^# (.+)$", book.cells[0].source)[1]


def objectives(book: Book, *_: str | None) -> str:
    """Return what the lesson says that one can do after it, as a list."""
    return without_links("\n".join(re.findall(r"(?m)^- \*\*.+$", book.cells[0].source)))


def code(book: Book, name: str | None, _: str | None) -> str:
    """Return a cell's code as a block."""
    return f"```python\n{cell_of(book, name).source}\n```"


def exercise(book: Book, name: str | None, _: str | None) -> str:
    """Return the number and title of one of the lesson's exercises, by its name in the course."""
    path = ROOT / "course" / "exercises" / f"{title(book)[:2]}_exercises.ipynb"
    heading = cell_of(nbformat.read(path, as_version=4), f"{name}-task").source.splitlines()[0]
    return "exercise {} ({})".format(*heading.lstrip("# ").split(". ", 1))


WAYS: dict[str, Callable[[Book, str | None, str | None], str]] = {
    "title": title,
    "objectives": objectives,
    "section": section,
    "predict": predict,
    "answer": found,
    "table": rows,
    "points": points,
    "code": code,
    "exercise": exercise,
}


def take(site: Path) -> None:
    """Put the slides that Sphinx has built into the site, with those files alone that they load.

    Raises
    ------
    DeckError
        If they show a figure that the site has not.
    """
    for deck in sorted(SLIDES.glob("*.md")):
        page = BUILT / deck.stem / "index.html"
        to = site / "slides" / deck.stem / "index.html"
        text = page.read_text("utf-8")
        for target in LOADED.findall(text):
            copy(page.parent / target, to.parent / target)
        for name in re.findall(r'src="\.\./\.\./(_images/[^"]+)"', text):
            if not (site / name).is_file():
                raise DeckError(
                    f"{deck.name} shows a figure that the lesson's page has not: {name}."
                )
        copy(page, to)


def copy(path: Path, to: Path) -> None:
    """Copy a file, and make the folder that it lies in."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)
