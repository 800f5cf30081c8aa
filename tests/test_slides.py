"""The slides' sources: filled from the lessons, no number typed, predictions before results."""

import base64
import hashlib
import re
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course import guiding
from tta_helpers.workbook import place

sys.path.insert(0, str(place.ROOT / "docs" / "site"))
import decks

DECKS = {name: decks.SLIDES / f"{name[:2]}.md" for name in place.LESSONS}
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in DECKS.items()}
RESULT = re.compile(r"\{\{ (?:answer|table)|(?m:^!\[\])")


def slides(text):
    """Return a deck's slides, each with its heading."""
    return re.split(r"(?m)^(?=##? )", text)[1:]


def typed(text):
    """Return the numbers of a deck that come from no cell; minutes are estimates, and typed."""
    for taken in (
        decks.FILL,
        decks.FIGURE,
        re.compile(r"(?m)^> \d+ minutes?:"),
        re.compile("`.+?`"),
    ):
        text = taken.sub("", text)
    return NUMBER.findall(text)


def unannounced(text):
    """Return the results that no prediction goes before, by the headings of their slides."""
    found, ready = [], False
    for slide in slides(text)[1:]:
        if "{{ predict" in slide:
            ready = True
        elif not RESULT.search(slide):
            ready = False
        elif not ready:
            found.append(slide.splitlines()[0])
    return found


@pytest.mark.parametrize("lesson", DECKS)
def test_a_deck_has_its_slides_notes_minutes_and_predictions_first(lesson):
    text = TEXTS[lesson]
    assert 10 <= len(slides(text)) <= 15 and text.count("{{ predict") >= 5
    assert all(len(decks.NOTES.findall(slide)) == 1 for slide in slides(text))
    assert unannounced(text) == []
    minutes = sum(int(minutes) for minutes, _ in decks.NOTES.findall(text))
    assert 0.5 * guiding.taught_minutes(lesson) < minutes < 0.9 * guiding.taught_minutes(lesson)


@pytest.mark.parametrize("lesson", DECKS)
def test_notes_name_every_exercise_once_in_the_order_of_the_guide(lesson):
    named = re.findall(
        r"\{\{ exercise (\w+) \}\}",
        "\n".join(note for _, note in decks.NOTES.findall(TEXTS[lesson])),
    )
    assert named == [name for part in guiding.read(lesson)["teach"] for name in part["then"]]


@pytest.mark.parametrize("lesson", DECKS)
def test_no_number_is_typed_into_a_deck(lesson):
    assert typed(TEXTS[lesson]) == []


def test_typed_numbers_and_results_without_prediction_are_found():
    assert typed("a gain of 1.61 points\n> 3 minutes: five of 20\n") == ["1.61", "20"]
    assert typed("{{ answer c10 | 7 .+ }} `x[0]`\n\n![](c12)\n") == []
    text = "# T\n## A\n{{ predict c1 }}\n## B\n{{ answer c2 }}\n## C\n![](c3)\n## D\n"
    assert unannounced(text) == []
    text += "## E\n{{ table c }}\n"
    assert unannounced(text) == ["## E"]


@pytest.mark.parametrize("lesson", DECKS)
def test_a_deck_is_filled_whole_from_its_lesson(lesson):
    path = place.notebooks() / f"{lesson}.ipynb"
    assert decks.lesson_of(DECKS[lesson]) == path
    staged = decks.staged(DECKS[lesson], path)
    assert "{{" not in staged and "](" not in staged and "$" not in staged
    assert staged.count("```{revealjs-notes}") == len(slides(TEXTS[lesson]))
    known = set(NUMBER.findall(str(nbformat.read(path, as_version=4))))
    shown = re.sub(r"(?m)^\d+ min\. |<[^>]*>", "", staged)
    assert set(NUMBER.findall(shown)) <= known and len(NUMBER.findall(shown)) > 20


ALT = {"mystnb": {"image": {"alt": 'Bars of "a" & b.'}}}
FOLDED = (
    "<details><summary><b>Answer</b></summary>\n\nGain +1.5 points; [n](x.md) = 9.\n\n</details>"
)


@pytest.fixture
def book():
    png = base64.b64encode(b"a picture").decode()
    table = "| a | b |\n| --- | --- |\n| one | 1 |\n| two | 2 |"
    cells = [
        new_markdown_cell("# 07 · A lesson\n\n- **count** [things](a.md);", id="c0"),
        new_markdown_cell("## 3. Why?\n\nText.\n\n**Predict:** how many, and why?", id="c1"),
        new_code_cell(
            "x = 1", id="c2", outputs=[new_output("display_data", {"text/markdown": FOLDED})]
        ),
        new_code_cell(
            "y", id="c3", outputs=[new_output("display_data", {"image/png": png})], metadata=ALT
        ),
        new_code_cell("z", id="c4", outputs=[new_output("display_data", {"text/markdown": table})]),
        new_markdown_cell(
            "## Key points\n\n- One. More.\n- Two!\n\n## Check yourself\n\n- No.", id="c5"
        ),
    ]
    return new_notebook(cells=cells)


def test_every_way_by_hand(book, tmp_path, monkeypatch):
    exercises = tmp_path / "course" / "exercises"
    exercises.mkdir(parents=True)
    monkeypatch.setattr(decks, "ROOT", tmp_path)
    task = new_notebook(cells=[new_markdown_cell("## 2. Do it\n\nSo.", id="given-task")])
    nbformat.write(task, exercises / "07_exercises.ipynb")
    name = hashlib.sha256(b"a picture").hexdigest()
    by_hand = {
        "{{ title }}": "07 · A lesson",
        "{{ objectives }}": "- **count** things;",
        "{{ section c2 }}": "3 (Why?)",
        "{{ predict c1 }}": "How many, and why?",
        "{{ predict c1 | how many }}": "How many",
        "{{ answer c2 }}": "Gain +1.5 points; n = 9.",
        r"{{ answer c2 | ([+-][\d.]+) points }}": "+1.5",
        "{{ table c4 | two }}": "| a | b |\n| --- | --- |\n| two | 2 |",
        "{{ points c5 }}": "- One.\n- Two!",
        "{{ points c5 | Two }}": "- Two!",
        "{{ code c2 }}": "```python\nx = 1\n```",
        "{{ exercise given }}": "exercise 2 (Do it)",
        "![](c3)": f'<img class="r-stretch" src="../../_images/{name}.png" '
        'alt="Bars of &quot;a&quot; &amp; b.">',
    }
    assert {text: decks.filled(text, book) for text in by_hand} == by_hand


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ answer c9 }}", "no cell c9"),
        ("{{ answer c2 | loss }}", "nothing like 'loss'"),
        ("{{ predict c2 }}", "nothing like"),
        ("{{ table c2 }}", "no table"),
        ("{{ table c4 | three }}", "a row like 'three'"),
        ("{{ points c1 }}", "no list"),
        ("{{ section c0 }}", "no numbered section"),
        ("{{ guess c1 }}", "the ways are title, objectives"),
        ("![](c2)", "no figure"),
    ],
)
def test_what_a_lesson_has_not_is_told(book, text, says):
    with pytest.raises(decks.DeckError, match=says):
        decks.filled(text, book)


def test_a_deck_without_a_lesson_and_a_figure_without_a_page_are_told(tmp_path, monkeypatch):
    with pytest.raises(decks.DeckError, match="no notebook begins with 77_"):
        decks.lesson_of(tmp_path / "77.md")
    deck = tmp_path / "02.md"
    deck.write_text("# {{ title }}\n\n{{ answer nowhere }}\n")
    with pytest.raises(decks.DeckError, match=r"02\.md: the lesson has no cell nowhere"):
        decks.staged(deck, place.notebooks() / "02_flip_tta.ipynb")
    monkeypatch.setattr(decks, "SLIDES", tmp_path)
    monkeypatch.setattr(decks, "BUILT", tmp_path / "built")
    page = tmp_path / "built" / "02" / "index.html"
    page.parent.mkdir(parents=True)
    (tmp_path / "built" / "_static").mkdir()
    (tmp_path / "built" / "_static" / "a.css").write_text("")
    page.write_text('<link href="../_static/a.css?v=1"><img src="../../_images/b.png">')
    with pytest.raises(decks.DeckError, match=r"02\.md shows a figure .* _images/b\.png"):
        decks.take(tmp_path / "site")
    (tmp_path / "site" / "_images").mkdir()
    (tmp_path / "site" / "_images" / "b.png").write_text("")
    decks.take(tmp_path / "site")
    there = {p.relative_to(tmp_path / "site").as_posix() for p in (tmp_path / "site").rglob("*.*")}
    assert there == {"_images/b.png", "slides/02/index.html", "slides/_static/a.css"}
