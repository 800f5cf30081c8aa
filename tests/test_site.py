"""What the site is made of, as far as it needs no browser; tests/site/ looks at the built pages."""

import importlib
import inspect
import json
import re
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import tta_helpers
from tta_helpers.workbook import place

FOLDER = place.ROOT / "docs" / "site"
sys.path.insert(0, str(FOLDER))
import pages  # noqa: E402
import quizzes  # noqa: E402
import reference  # noqa: E402
import stage  # noqa: E402
import tryit_data  # noqa: E402

BOOKS = {path: nbformat.read(path, as_version=4) for path in place.lesson_paths()}
README = (place.ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def without_code(text):
    """Return a page's text without its front matter, markup, contents and names of files."""
    text = re.sub(r"(?s)\A---.*?---\n|```\{toctree\}.*?```|<[^>]*>", "", text)
    return re.sub(r"\]\([^)]*\)|`[^`\n]*`", "", text)


@pytest.mark.parametrize("path", sorted(pages.TEXTS.glob("*.md")), ids=lambda path: path.stem)
def test_no_number_is_typed_into_a_page_of_the_site(path):
    assert NUMBER.findall(without_code(path.read_text(encoding="utf-8"))) == []


def test_typed_numbers_are_found():
    assert NUMBER.findall(without_code("a gain of 1.61 points")) == ["1.61"]
    assert NUMBER.findall(without_code("`x = 1` [a](b1.md) <p id='h2'>")) == []


def numbers_of(value):
    """Return every number of a record, as a page may round it."""
    if isinstance(value, dict):
        return {n for one in value.values() for n in numbers_of(one)}
    if isinstance(value, list):
        return {n for one in value for n in numbers_of(one)}
    if isinstance(value, float | int):
        return {f"{abs(value):.0f}", f"{abs(100 * value):.2f}"}
    return set(NUMBER.findall(str(value)))


def test_every_number_of_the_landing_page_is_in_the_readme_or_a_record():
    written = pages.written(place.ROOT, BOOKS)["index.md"]
    known = set(NUMBER.findall(README)) | numbers_of(pages.records(BOOKS))
    lines = [re.sub(r"^\d\. ", "", line) for line in without_code(written).splitlines()]
    assert {n for line in lines for n in NUMBER.findall(line)} <= known
    assert len(NUMBER.findall(written)) > 40


def test_the_landing_page_has_the_lessons_and_the_results_of_the_readme():
    written = pages.written(place.ROOT, BOOKS)["index.md"]
    for path, book in BOOKS.items():
        (row,) = re.findall(rf"(?m)^\| \[.*\(notebooks/{path.name}\).*$", README)
        name, question, minutes, _ = (cell.strip() for cell in row.strip("|").split("|"))
        assert f"**{name}**\n\n   {question}\n\n   *{minutes} minutes" in written
        if "tta_result" not in book.metadata:
            continue  # changed since, and not published again
        (result,) = re.findall(rf"(?m)^\| {path.stem} \|.*$", README)
        _, what, before, after, gain, _ = (cell.strip() for cell in result.strip("|").split("|"))
        (row,) = re.findall(rf"(?m)^\| \[[^|]*{path.name}\).*$", written)
        row = row.replace("\N{NO-BREAK SPACE}", " ")
        assert what in row and before in row and after.replace("-", "–") in row
        assert gain == "-" or gain in row


def test_a_gain_is_drawn_where_it_lies():
    head = {"gain": 0.01, "low": -0.005, "high": 0.02}
    drawn = pages.gain(head, 0.04)
    assert drawn.startswith("+1.00 [-0.50, +2.00]")
    assert 'style="--gain: 25.0; --low: 0.0; --high: 50.0"' in drawn


def test_a_readme_without_its_section_is_told():
    with pytest.raises(ValueError, match="nothing like"):
        pages.section("# Title\n\nText.\n", "Results")


def test_panels_leave_the_copies_and_everything_else_stays():
    panel = new_output("execute_result", {stage.WIDGET: {"model_id": "1"}, "text/plain": "VBox()"})
    picture = new_output("display_data", {"image/png": "abc"})
    left = new_output("display_data", {"text/plain": "   "})  # by a progress bar
    cells = [new_code_cell("x", outputs=[panel, left, picture]), new_markdown_cell("text")]
    book = new_notebook(cells=cells, metadata={"widgets": {"state": {}}, "tta_result": {"a": 1}})
    copy = stage.shown(book)
    assert "widgets" not in copy.metadata and copy.metadata["tta_result"] == {"a": 1}
    assert copy.cells[0].outputs == [stage.panel(), picture]
    assert copy.cells[1] == book.cells[1]
    assert book.cells[0].outputs[0] == panel and "widgets" in book.metadata


def test_a_diagram_becomes_a_table_of_its_arrows_and_a_folder_its_words(tmp_path):
    (tmp_path / "folder").mkdir()
    text = 'a\n```mermaid\nflowchart TB\n  m_a["a"]\n  m_b["b"]\n  m_a --> m_b\n```\n'
    page = tmp_path / "page.md"
    page.write_text(text + "[the folder](folder) [a page](page.md#b) [the start](README.md#x)\n")
    shown = stage.page(page, tmp_path)
    assert "| `a` | `b` |" in shown and "mermaid" not in shown
    assert shown.startswith("a\n") and shown.endswith(
        "\nthe folder [a page](page.md#b) [the start](/index.md)\n"
    )


def test_a_link_to_a_deck_leads_to_its_slides(tmp_path):
    page = tmp_path / "course" / "guide" / "02_guide.md"
    page.parent.mkdir(parents=True)
    page.write_text("[slides](../slides/02.md) [quiz](../quizzes/02_quiz.md)\n")
    shown = stage.page(page, tmp_path)
    assert shown == (
        '<a href="../../slides/02/index.html">slides</a> [quiz](../quizzes/02_quiz.md)\n'
    )


def test_in_tables_numbers_keep_their_signs_and_intervals_their_ends():
    row = "| 77.68 % of 9 | +1.08 [+0.78, +1.39] * | < 0.001 | 1.2 (1.1 to 2) | 2026 10:36, 7 |"
    kept = stage.unbroken(f"5 % [1, 2]\n{row}\n")
    expected = row.replace("68 %", "68\xa0%").replace(", +", ",\xa0+").replace("< ", "<\xa0")
    expected = expected.replace("] *", "]\xa0*").replace("1.1 to 2", "1.1\xa0to\xa02")
    assert kept == f"5 % [1, 2]\n{expected}\n"
    shown = new_output("display_data", {"text/markdown": row, "text/plain": row})
    book = stage.shown(new_notebook(cells=[new_code_cell("x", outputs=[shown])]))
    assert book.cells[0].outputs[0].data == {"text/markdown": expected, "text/plain": row}


def test_the_page_of_the_course_lists_its_pages(tmp_path):
    stage.stage(tmp_path)
    text = (tmp_path / "course" / "README.md").read_text(encoding="utf-8")
    assert text.index("## All pages") < text.index("```{toctree}") < text.index("## How it is made")


def test_files_beside_the_pages_are_found_and_missing_ones_told(tmp_path):
    (tmp_path / "there.png").write_bytes(b"")
    page = tmp_path / "page.md"
    text = "![a](there.png) [b](other.md) [c](https://x.example/y.png) `[d](no.png)` [e](#here)"
    assert stage.linked([(page, text)], tmp_path) == [tmp_path / "there.png"]
    for target in ("gone.png", "../outside.png"):
        with pytest.raises(FileNotFoundError, match=f"page.md links to {re.escape(target)}"):
            stage.linked([(page, f"[x]({target})")], tmp_path)


QUIZ = """# Quiz

Text.

## 1. So?

- **A** yes
- **B** `no`

<details><summary>A</summary>

Right. It is.

</details>

<details><summary>B</summary>

Not this one. See A.

</details>
"""


def test_a_quiz_becomes_forms_and_keeps_what_is_folded():
    folded = QUIZ[QUIZ.index("<details>") :].strip()
    shown = quizzes.form(QUIZ + "\n" + QUIZ.partition("Text.\n\n")[2].replace("1.", "2."))
    assert shown.startswith("# Quiz\n\nText.\n\n## 1. So?\n\n<form")
    assert shown.count("<form ") == shown.count("</form>") == shown.count(folded) == 2
    for number in (1, 2):
        for letter, text in (("A", "yes"), ("B", "`no`")):
            start = f'- <label><input type="radio" name="q{number}" value="{letter}" '
            assert f"{start}required hidden> **{letter}** {text}</label>\n" in shown


def test_a_quiz_whose_options_and_texts_differ_in_number_is_told():
    for text in (QUIZ.replace("- **B** `no`\n", ""), QUIZ.replace("- **", "* **")):
        with pytest.raises(ValueError, match=r"options and 2 folded texts under '## 1. So\?'"):
            quizzes.form(text)


# ---------------------------------------------------------------- the reference


def test_the_reference_has_every_public_name_with_its_docstring():
    written, listed = reference.written(place.ROOT), 0
    public = {name: vars(tta_helpers)["_FUNCTIONS"].get(name, name) for name in tta_helpers.__all__}
    for name, module in public.items():
        imported = importlib.import_module(f"tta_helpers.{module}")
        for one in imported.__all__ if name == module else [name]:
            text = written[f"reference/{module}.md"]
            (entry,) = re.findall(rf"(?ms)^## {one}\n\n(.*?)(?=^## |\Z)", text)
            value, listed = getattr(imported, one), listed + 1
            if inspect.isclass(value) or inspect.isfunction(value):
                assert reference.prose(inspect.getdoc(value).split("\n\n")[0]) in entry
    assert listed > 100 and "reference/metrics" in written["reference.md"]


def test_a_docstring_becomes_markdown_by_hand():
    source = '''
@register
def mix(images: list, *, share: float = 0.5) -> float:
    """Mix `images` in [0, 1] (*Nature* 2019), *args.

    Parameters
    ----------
    images
        Shape (n,),
        floats.
    share : float
        Above 0.

    Returns
    -------
    the mean
    """
'''
    assert reference.entry("mix", *reference.definitions(source)["mix"]) == (
        """\
## mix

```python
mix(images: list, *, share: float = 0.5) -> float
```

Mix `images` in \\[0, 1] (*Nature* 2019), \\*args.

**Parameters**

- `images`: Shape (n,),
  floats.
- `share` (float): Above 0.

**Returns**

the mean"""
    )


# ---------------------------------------------------------------- the data of "Try it"


@pytest.fixture(scope="module")
def data():
    return json.loads(tryit_data.DATA.read_text(encoding="utf-8"))


def test_probabilities_survive_their_storage():
    probs = np.random.default_rng(0).dirichlet(np.full(5, 0.1), size=(2, 7))
    probs[1, 3] = [0, 1, 0, 0, 0]
    found = tryit_data.decoded(tryit_data.encoded(probs), probs.shape)
    likely = probs > 1e-12  # the rest is as good as none
    np.testing.assert_allclose(found[likely], probs[likely], rtol=1e-3)
    np.testing.assert_allclose(found.sum(axis=-1), 1)
    np.testing.assert_array_equal(found.argmax(axis=-1), probs.argmax(axis=-1))


def test_the_committed_data_are_whole_small_and_of_the_sample(data):
    assert tryit_data.DATA.stat().st_size < 1_500_000
    assert data["provenance"].startswith("procedural sample")
    assert data["views"] == list(tryit_data.VIEWS) and len(data["views"]) == 12
    shape = (12, len(data["labels"]), len(data["classes"]))
    for name in tryit_data.NETWORKS:
        probs = tryit_data.decoded(data["probs"][name], shape)
        assert 0.5 < (probs[0].argmax(axis=-1) == data["labels"]).mean() < 0.95
    settled = tryit_data.decoded(data["probs"]["settled"], shape)
    assert data["shown"] == tryit_data.shown(settled).tolist()


def test_the_answers_that_its_script_is_tested_by_are_the_packages(data):
    committed = json.loads(tryit_data.EXPECTED.read_text(encoding="utf-8"))
    now = tryit_data.expected(data)
    np.testing.assert_allclose(committed["intervals"], now["intervals"], atol=1e-9)
    for old, new in zip(committed["settings"], now["settings"], strict=True):
        np.testing.assert_allclose(old.pop("averages"), new.pop("averages"), atol=1e-9)
        assert old.pop("counted") == pytest.approx(new.pop("counted"))
        assert old == new


def test_only_the_sample_may_be_published(tmp_path):
    record = {"dataset": {"name": "cifar10"}}
    (tmp_path / "01_baseline_cnn.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="holds fits on cifar10; make them on the procedural"):
        tryit_data.content(tmp_path)
