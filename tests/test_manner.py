"""The manner of the lessons: the locked test set, answers, links, alt text, nothing typed."""

import re

import cell_lengths
import nbformat
import pytest
from cell_lengths import REBUILT
from nbformat.v4 import new_code_cell, new_markdown_cell

from tta_helpers.workbook import place

OTHERS = tuple(path.stem for path in place.lesson_paths() if path.stem not in REBUILT)
GLOSSARY = (place.ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
LOCKED, PRIVATE = ".test.open(", re.compile(r"\._images\b|\._labels\b")
SECTION = re.compile(r"(?m)^## \d+\.")
RESULT = re.compile(r"\d\.\d+ ?(%|points)|\b0\.\d{4}\b")
NAME, ANCHOR = (
    re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)"),
    re.compile(r"glossary\.md#([\w-]+)"),
)


def cells_of(name):
    return nbformat.read(place.notebooks() / f"{name}.ipynb", as_version=4).cells


def tags(cell):
    return cell.metadata.get("tags", [])


def openings(cells):
    """Return how often cells open the test set, and whether all of it is in the last section."""
    last = max((k for k, c in enumerate(cells) if SECTION.search(text_of(c))), default=0)
    where = [k for k, c in enumerate(cells) for _ in range(code_of(c).count(LOCKED))]
    return len(where), all(k > last for k in where)


def code_of(cell):
    return cell.source if cell.cell_type == "code" else ""


def text_of(cell):
    return cell.source if cell.cell_type == "markdown" else ""


def unanswered(cells):
    """Return the predictions that nothing answers before the next one or the next section."""
    waiting, found = None, []
    for cell in cells:
        if waiting and ("plots.answer(" in code_of(cell) or "<details>" in text_of(cell)):
            waiting = None
        if waiting and ("**Predict" in text_of(cell) or SECTION.search(text_of(cell))):
            found.append(waiting)
            waiting = None
        if "**Predict" in text_of(cell):
            waiting = text_of(cell).split("**Predict", 1)[1][:60]
            if "<details>" in text_of(cell).split("**Predict", 1)[1]:
                waiting = None
    return found + [waiting] * bool(waiting)


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and JupyterLab make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("name", REBUILT)
def test_the_test_set_is_opened_once_in_the_last_section(name):
    cells = cells_of(name)
    assert openings(cells) == (1, True)
    assert not any(PRIVATE.search(code_of(cell)) for cell in cells)


@pytest.mark.parametrize("name", OTHERS)
def test_no_lesson_goes_round_the_lock(name):
    cells = cells_of(name)
    assert openings(cells)[0] >= 1
    assert not any(PRIVATE.search(code_of(cell)) for cell in cells)


@pytest.mark.parametrize("name", REBUILT)
def test_every_prediction_has_its_answer(name):
    cells = cells_of(name)
    assert unanswered(cells) == []
    assert sum("**Predict" in text_of(cell) for cell in cells) >= 5


@pytest.mark.parametrize("name", REBUILT)
def test_terms_are_linked_to_the_glossary(name):
    text = "\n".join(map(text_of, cells_of(name)))
    linked = ANCHOR.findall(text)
    assert len(set(linked)) >= 5
    assert set(linked) <= anchors(GLOSSARY)


@pytest.mark.parametrize("name", [*REBUILT, *OTHERS])
def test_every_link_of_a_lesson_leads_to_a_file(name):
    for target in filter(None, NAME.findall("\n".join(map(text_of, cells_of(name))))):
        assert (place.notebooks() / target).exists(), target


@pytest.mark.parametrize("name", REBUILT)
def test_every_figure_has_an_alternative_text_of_its_own(name):
    texts = []
    for cell in cells_of(name):
        shown = [output.get("data", {}) for output in cell.get("outputs", [])]
        if any("image/png" in data for data in shown):
            texts.append(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
    assert all(20 <= len(text) <= 300 for text in texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", REBUILT)
def test_no_result_is_typed(name):
    typed = [c.source for c in cells_of(name) if "published" not in tags(c)]
    text = [c.source for c in cells_of(name) if c.cell_type == "markdown" and c.source in typed]
    assert not [match[0] for part in text for match in RESULT.finditer(part)]


def test_entries_of_the_glossary_are_in_order_and_its_links_lead_to_entries():
    entries = re.findall(r"(?m)^## (.+)$", GLOSSARY)
    assert entries == sorted(entries, key=str.lower) and len(set(entries)) == len(entries)
    assert set(re.findall(r"\]\(#([\w-]+)\)", GLOSSARY)) <= anchors(GLOSSARY)


# ---------------------------------------------------------------- the checks can fail


def lesson(*cells):
    return [(new_code_cell if kind == "code" else new_markdown_cell)(text) for kind, text in cells]


SECTIONS = ("text", "## 1. Look"), ("code", "x = 1"), ("text", "## 2. Confirm")
OPEN = ("code", 'x, y = data.test.open("confirm")')


def test_openings_are_counted_and_placed():
    assert openings(lesson(*SECTIONS, OPEN)) == (1, True)
    assert openings(lesson(OPEN, *SECTIONS)) == (1, False)
    assert openings(lesson(*SECTIONS, OPEN, OPEN)) == (2, True)
    assert openings(lesson(*SECTIONS)) == (0, True)


def test_predictions_without_an_answer_are_found():
    asked, told = ("text", "**Predict:** how many?"), ("code", 'plots.answer("Six.")')
    folded = ("text", "<details><summary>Answer</summary>Six.</details>")
    assert unanswered(lesson(asked, told)) == unanswered(lesson(asked, folded)) == []
    assert len(unanswered(lesson(asked, ("code", "x"), asked, told))) == 1
    assert len(unanswered(lesson(asked, SECTIONS[0], told))) == 1
    assert len(unanswered(lesson(told, asked))) == 1


def test_typed_results_are_found():
    for text in ("a gain of 1.58 points", "about 72.5 %", "it reaches 0.6123"):
        assert RESULT.search(text)
    for text in ("seven of 7", "a rate of 0.001", "95 % of all", "section 1.5"):
        assert not RESULT.search(text)


def test_lengths_of_cells_are_counted_and_limited():
    assert cell_lengths.length("# why\n\nx = 1\n  # more\ny = '''\ntext'''\n") == 3
    assert [cell_lengths.quantile([1, 9, 2, 3, 20], share) for share in (0.5, 0.9)] == [3, 20]
    line = "x = 1\n"
    assert cell_lengths.faults_of("a", [line * 5] * 9 + [line * 15]) == []
    (long,) = cell_lengths.faults_of("a", [line] * 19 + [line * 16])
    assert "16 lines" in long
    assert len(cell_lengths.faults_of("a", [line * 6] * 8 + [line * 11] * 2)) == 2
