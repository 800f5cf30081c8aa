"""Lessons and exercises in JupyterLab: run from a fresh start, panel used, an answer corrected."""

import json
import re

import pytest
from conftest import SCREENSHOTS
from lab_copy import BIN, make, serving

from course.sources import exercises, opening

MINUTE = 60_000
# What scripts in the page begin with: the open notebook, and its cells of code.
BOOK = "const panel = jupyterapp.shell.currentWidget, book = panel.content;"
CODE = f"{BOOK} const code = [...book.model.cells].filter((cell) => cell.type === 'code');"
# Run to its end, or to an error, after which JupyterLab runs no more.
ENDED = f"""(last) => {{ {CODE}
  const outputs = code.flatMap((cell) => cell.sharedModel.outputs);
  return code.at(last).executionCount || outputs.some((one) => one.output_type === "error");
}}"""


@pytest.fixture(scope="module")
def workbook(browser, tmp_path_factory):
    """A copy of the workbook; the browser is asked for first, for it may not be there."""
    if not (BIN / "jupyter").exists():
        pytest.skip("there is no .venv here: `make .venv/ready` builds what serves JupyterLab")
    return make(tmp_path_factory.mktemp("lab") / "workbook")


@pytest.fixture(scope="module")
def server(workbook):
    with serving(workbook) as address:
        yield address


@pytest.fixture
def lab(browser, server):
    """Return a function that opens a notebook in JupyterLab, its kernel ready."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})

    def opened(path):
        page = context.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(server.format(path))
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=2 * MINUTE)
        # What is run before the kernel has told of itself is lost; "idle" alone does not do.
        page.evaluate(
            f"async () => {{ {BOOK} await panel.sessionContext.ready;"
            " await panel.sessionContext.session.kernel.info; }"
        )
        return page

    yield opened
    context.close()


def choose(page, *names):
    """Choose from JupyterLab's menus."""
    for name in names:
        page.get_by_role("menuitem", name=name, exact=True).click()


def outputs(page):
    """Return every code cell's outputs, as the notebook's model has them."""
    return page.evaluate(f"() => {{ {CODE} return code.map((cell) => cell.sharedModel.outputs); }}")


def faults(found):
    """Return what went wrong in cells: errors, and what was written to standard error."""
    listed = [(k, one) for k, cell in enumerate(found) for one in cell]
    return [
        (k, one.get("evalue") or one["text"])
        for k, one in listed
        if one["output_type"] == "error" or one.get("name") == "stderr"
    ]


def cell_of(page, text):
    """Scroll to the code cell that holds a text and select it; return its number among those."""
    return page.evaluate(
        f"""async (text) => {{ {CODE}
          const cell = code.find((one) => one.sharedModel.source.includes(text));
          book.activeCellIndex = [...book.model.cells].indexOf(cell);
          await book.scrollToItem(book.activeCellIndex);
          return code.indexOf(cell);
        }}""",
        text,
    )


def test_lesson_02_runs_from_a_fresh_start_to_its_last_cell(lab, workbook, server):
    page = lab("notebooks/02_flip_tta.ipynb")
    assert not any(outputs(page))
    choose(page, "Run", "Run All Cells")
    page.wait_for_function(ENDED, arg=-1, timeout=5 * MINUTE)
    assert faults(outputs(page)) == []
    counts = page.evaluate(f"() => {{ {CODE} return code.map((cell) => cell.executionCount); }}")
    assert counts == [*range(1, len(counts) + 1)]
    record = json.loads((workbook / "runs" / "lesson" / "02_flip_tta.json").read_text("utf-8"))
    assert record["dataset"]["provenance"].startswith("procedural sample")
    page.screenshot(path=SCREENSHOTS / "lab-lesson-02.png")
    own = server.partition("lab/tree")[0]
    assert [url for url in page.asked if not url.startswith((own, "data:", "blob:"))] == []


def test_the_panel_of_lesson_03_draws_what_its_sliders_ask_for(lab):
    page = lab("notebooks/03_tune_tta.ipynb")
    cell_of(page, "def said_with(")  # the cell below the panel
    choose(page, "Run", "Run All Above Selected Cell")
    drawn, panel = cell_of(page, "def redraw("), cell_of(page, "ipywidgets.VBox(")
    page.wait_for_function(ENDED, arg=panel, timeout=5 * MINUTE)
    assert faults(outputs(page)) == []
    page.wait_for_selector(".jupyter-widgets .noUi-handle")

    def picture():
        return next(d["image/png"] for d in (o["data"] for o in outputs(page)[drawn]) if len(d) > 1)

    def move(key, copies):
        page.locator(".noUi-handle").first.press(key)
        page.wait_for_selector(f".widget-readout:text-is('{copies}')")

    changed = f"""([cell, before]) => {{ {CODE}
      return !code[cell].sharedModel.outputs.some((o) => o.data["image/png"] === before); }}"""
    three = picture()
    move("ArrowRight", 4)
    page.wait_for_function(changed, arg=[drawn, three])
    four = picture()
    page.screenshot(path=SCREENSHOTS / "lab-panel-03.png")
    move("ArrowLeft", 3)
    page.wait_for_function(changed, arg=[drawn, four])
    assert picture() == three


def test_an_exercise_is_answered_wrongly_then_rightly(lab):
    page, asked = lab("course/exercises/02_exercises.ipynb"), exercises("02_flip_tta")
    cell_of(page, "from course import prepared")
    page.keyboard.press("Shift+Enter")
    flip = next(one for one in asked if one.name == "flip_tta")
    number = cell_of(page, "def flip_tta(")

    def said(answer):
        """Type an answer into the cell, if there is one, run it and return what the check says."""
        before = page.evaluate(f"(k) => {{ {CODE} return code[k].executionCount; }}", number)
        cell_of(page, "def flip_tta(")
        if answer:
            page.locator(".jp-Cell.jp-mod-active .cm-content").click()
            page.keyboard.press("ControlOrMeta+a")
            page.keyboard.insert_text(f"{answer}\n\n\ncheck('flip_tta', flip_tta)")
        page.keyboard.press("Shift+Enter")
        done = f"""([k, before]) => {{ {CODE}
          return code[k].executionCount !== before && code[k].executionCount
            && code[k].sharedModel.outputs.length; }}"""
        page.wait_for_function(done, arg=[number, before])
        return "".join(one["text"] for one in outputs(page)[number])

    assert said("") == "flip_tta: not answered yet.\n"
    for wrong in flip.wrong:
        told = said(wrong)
        assert told.startswith("flip_tta: not yet: ") and opening(wrong) in told
    page.screenshot(path=SCREENSHOTS / "lab-exercise-wrong.png")
    for right in flip.also_right:
        assert re.match(r"flip_tta: right\.", said(right))
    page.screenshot(path=SCREENSHOTS / "lab-exercise-right.png")
