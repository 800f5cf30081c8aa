"""The manner of the lessons: the locked test set, answers, links, alt text, nothing typed."""

import re

import cell_lengths
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tta_helpers.workbook import place
from tta_helpers.workbook.corruptions import HELD_OUT

EVERY = tuple(path.stem for path in place.lesson_paths())
GLOSSARY = (place.ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
LOCKED, PRIVATE = ".test.open(", re.compile(r"\._(images|labels|names)\b")
OPENED = {"06_boxes_and_masks": 2}  # nuclei and blood cells; elsewhere there is one set
HOLDING = [path.stem for path in place.lesson_paths() if path.stem[:2] == "04"]
HEADING, SECTION = re.compile(r"(?m)^## "), re.compile(r"(?m)^## \d+\.")
RESULT = re.compile(r"\d\.\d+\s?(%|points)|\b0\.\d{4}\b")
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
    headings = [k for k, c in enumerate(cells) if HEADING.search(text_of(c))]
    first = max((k for k in headings if SECTION.search(text_of(cells[k]))), default=len(cells))
    end = min((k for k in headings if k > first), default=len(cells))  # "## Key points"
    where = [k for k, c in enumerate(cells) for _ in range(code_of(c).count(LOCKED))]
    return len(where), all(first < k < end for k in where)


def held_out_faults(cells):
    """Return what goes round the lock of the held-out corruptions, one line a fault.

    They are opened once, where the test set is; before that no code names them, but for the
    parameter and the lock itself.
    """
    code = ["" if "parameters" in tags(c) else code_of(c) for c in cells]
    opened = [k for k, text in enumerate(code) for _ in range(text.count("held_out.open("))]
    found = [] if len(opened) == 1 else [f"opened {len(opened)} times"]
    if opened and not any(LOCKED in text for text in code[: opened[-1] + 1]):
        found.append("opened before the test set")
    first = min(opened, default=len(code))
    for k, text in enumerate(code[:first]):
        rest = text.replace("HeldOut(named(held_out_corruptions))", "")
        if re.search(rf"held_out_corruptions|HELD_OUT|{'|'.join(HELD_OUT)}", rest):
            found.append(f"named in cell {k}, before they are opened")
    return found


def code_of(cell):
    return cell.source if cell.cell_type == "code" else ""


def text_of(cell):
    return cell.source if cell.cell_type == "markdown" else ""


def unanswered(cells):
    """Return the predictions that nothing answers before the next one or the next section."""
    waiting, found = [], []
    for cell in cells:
        before, *asked = text_of(cell).split("**Predict")
        above, *new_section = HEADING.split(before)
        if "plots.answer(" in code_of(cell) or "<details>" in above:
            waiting = []
        if new_section:
            found, waiting = found + waiting, []
        for prompt in asked:
            found, waiting = found + waiting, [prompt[:60]] * ("<details>" not in prompt)
    return found + waiting


def without_a_file(text):
    """Return the relative links of a lesson's text that lead to no file."""
    return [t for t in NAME.findall(text) if t and not (place.notebooks() / t).exists()]


def alternatives(cells):
    """Return the alternative text of every cell that shows a figure, "" where it has none."""
    return [
        cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for cell in cells
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    ]


def alternatives_are_good(texts):
    return all(20 <= len(t.strip()) <= 300 for t in texts) and len(set(texts)) == len(texts)


def typed(cells):
    """Return the results that stand in text as typed, but for what is published elsewhere."""
    own = [text_of(cell) for cell in cells if "published" not in tags(cell)]
    return [match[0] for text in own for match in RESULT.finditer(text)]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and JupyterLab make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("name", EVERY)
def test_the_test_set_is_opened_once_in_the_last_section(name):
    cells = cells_of(name)
    assert openings(cells) == (OPENED.get(name, 1), True)
    assert not any(PRIVATE.search(code_of(cell)) for cell in cells)


@pytest.mark.parametrize("name", HOLDING)
def test_the_held_out_corruptions_are_opened_once_with_the_test_set(name):
    cells = cells_of(name)
    assert held_out_faults(cells) == []
    assert openings(cells)[1]


@pytest.mark.parametrize("name", EVERY)
def test_no_lesson_goes_round_the_lock(name):
    cells = cells_of(name)
    assert openings(cells)[0] >= 1
    assert not any(PRIVATE.search(code_of(cell)) for cell in cells)


@pytest.mark.parametrize("name", EVERY)
def test_every_prediction_has_its_answer(name):
    cells = cells_of(name)
    assert unanswered(cells) == []
    assert sum("**Predict" in text_of(cell) for cell in cells) >= 5


@pytest.mark.parametrize("name", EVERY)
def test_terms_are_linked_to_the_glossary(name):
    assert len(set(ANCHOR.findall("\n".join(map(text_of, cells_of(name)))))) >= 5


@pytest.mark.parametrize("name", EVERY)
def test_every_link_of_a_lesson_leads_to_a_file_and_to_an_entry(name):
    text = "\n".join(map(text_of, cells_of(name)))
    assert without_a_file(text) == []
    assert set(ANCHOR.findall(text)) <= anchors(GLOSSARY)


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_has_an_alternative_text_of_its_own(name):
    assert alternatives_are_good(alternatives(cells_of(name)))


@pytest.mark.parametrize("name", EVERY)
def test_no_result_is_typed(name):
    assert typed(cells_of(name)) == []


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
    assert openings(lesson(*SECTIONS, OPEN, ("text", "## Key points"))) == (1, True)
    assert openings(lesson(*SECTIONS, ("text", "## Key points"), OPEN)) == (1, False)
    assert openings(lesson(OPEN)) == (1, False)


def test_a_way_round_the_lock_of_the_held_out_corruptions_is_found():
    lock = ("code", "held_out = HeldOut(named(held_out_corruptions))")
    look = ("code", 'unseen = held_out.open("judge")')
    good = (*SECTIONS, lock, OPEN, look)
    assert held_out_faults(lesson(*good)) == []
    both = ("code", OPEN[1] + "\n" + look[1])
    assert held_out_faults(lesson(*SECTIONS, lock, both)) == []
    assert held_out_faults(lesson(*SECTIONS, lock, OPEN)) == ["opened 0 times"]
    assert held_out_faults(lesson(*good, look)) == ["opened 2 times"]
    assert held_out_faults(lesson(lock, look, OPEN)) == ["opened before the test set"]
    for text in ("others = named(held_out_corruptions)", "HELD_OUT", 'corrupt(x, "saturate", 1)'):
        (fault,) = held_out_faults(lesson(("code", text), *good))
        assert fault == "named in cell 0, before they are opened"
        assert held_out_faults(lesson(*good, ("code", text))) == []
    told = lesson(("code", 'held_out_corruptions = "saturate"'), *good)
    assert len(held_out_faults(told)) == 1
    told[0].metadata["tags"] = ["parameters"]
    assert held_out_faults(told) == []


def test_predictions_without_an_answer_are_found():
    asked, told = ("text", "**Predict:** how many?"), ("code", 'plots.answer("Six.")')
    folded = ("text", "<details><summary>Answer</summary>Six.</details>")
    assert unanswered(lesson(asked, told)) == unanswered(lesson(asked, folded)) == []
    assert len(unanswered(lesson(asked, ("code", "x"), asked, told))) == 1
    assert len(unanswered(lesson(asked, SECTIONS[0], told))) == 1
    assert len(unanswered(lesson(told, asked))) == 1
    both = ("text", asked[1] + folded[1])
    assert unanswered(lesson(both)) == []
    assert len(unanswered(lesson(asked, both))) == 1  # the second's answer is not the first's
    assert len(unanswered(lesson(("text", asked[1] * 2), told))) == 1
    for heading in ("## 2. Next", "## Check yourself"):
        assert len(unanswered(lesson(asked, ("text", heading), folded))) == 1
        assert len(unanswered(lesson(asked, ("text", heading + "\n\n" + folded[1])))) == 1
        assert unanswered(lesson(asked, ("text", folded[1] + "\n\n" + heading))) == []


def test_typed_results_are_found():
    for text in ("a gain of 1.58 points", "72.5 %", "72.5\N{NO-BREAK SPACE}%", "it reaches 0.6123"):
        assert len(typed(lesson(("text", text)))) == 1
        assert typed([new_markdown_cell(text, metadata={"tags": ["published"]})]) == []
        assert typed(lesson(("code", text))) == []
    for text in ("seven of 7", "a rate of 0.001", "95 % of all", "section 1.5"):
        assert typed(lesson(("text", text))) == []


def test_links_that_lead_nowhere_are_found():
    there = "[a](../docs/glossary.md#view) [b](https://nowhere.example/x) [c](#here) ![d](tta.png)"
    assert without_a_file(there) == []
    assert without_a_file(there + " [e](../docs/no.md#view) [f](06.ipynb)") == [
        "../docs/no.md",
        "06.ipynb",
    ]
    page = "# Glossary\n\n## p-value\n\n## Student's *t* interval\n\n### one-hot\n"
    assert anchors(page) == {"glossary", "p-value", "students-t-interval", "one-hot"}
    assert ANCHOR.findall(there + " [g](../docs/glossary.md#none)") == ["view", "none"]


def test_figures_without_a_text_of_their_own_are_found():
    png = new_output("display_data", {"image/png": "", "text/plain": "<Figure>"})
    said = [new_output("stream", text="no figure")]

    def figure(**metadata):
        return new_code_cell("plots.lines()", metadata=metadata, outputs=[png])

    words = "Accuracy against the number of views."
    good = figure(mystnb={"image": {"alt": words}})
    silent = new_code_cell("print()", outputs=said)
    assert alternatives([good, silent, new_markdown_cell("x"), figure()]) == [words, ""]
    assert alternatives_are_good([words, words + " Again."])
    for texts in ([""], ["Too short."], [words, words], ["x" * 301], [" " * 30]):
        assert not alternatives_are_good(texts)


def test_lengths_of_cells_are_counted_and_limited():
    assert cell_lengths.length("# why\n\nx = 1\n  # more\ny = '''\ntext'''\n") == 3
    assert [cell_lengths.quantile([1, 9, 2, 3, 20], share) for share in (0.5, 0.9)] == [3, 20]
    line = "x = 1\n"
    assert cell_lengths.faults_of("a", [line * 5] * 9 + [line * 15]) == []
    (long,) = cell_lengths.faults_of("a", [line] * 19 + [line * 16])
    assert "16 lines" in long
    assert len(cell_lengths.faults_of("a", [line * 6] * 8 + [line * 11] * 2)) == 2


def test_a_lesson_past_a_limit_fails_by_name_and_others_are_only_printed(
    tmp_path, monkeypatch, capsys
):
    long = "import numpy as np\n" + "x = 1\n" * 15
    cells = lesson(("text", long * 2), *[("code", "x = 1")] * 19, ("code", long))
    paths = [tmp_path / f"{name}.ipynb" for name in (EVERY[0], "05_other")]
    for path in paths:
        nbformat.write(new_notebook(cells=cells), path)
    monkeypatch.setattr(place, "lesson_paths", lambda: paths)
    assert cell_lengths.main() == 1
    *lines, fault = capsys.readouterr().out.splitlines()
    counted = "20 code cells; lines: median 1, nine in ten at most 1, longest 16"
    assert lines == [f"{path.stem}: {counted}" for path in paths]
    assert fault.startswith(f"{EVERY[0]}: 16 lines") and "'import numpy as np'" in fault
    monkeypatch.setattr(place, "lesson_paths", lambda: paths[1:])
    assert cell_lengths.main() == 0
