"""The quizzes as forms: answered wrongly, then rightly, by mouse, by keyboard, without a script.

What is right, and what is said of each option, is read from the pages in course/quizzes.
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import PAGES, ROOT, SCREENSHOTS, SITE, STANDARDS, told

QUIZZES = [name for name in PAGES if name.startswith("course/quizzes/")]
NAME = "course/quizzes/02_quiz.html"
FOLDED = re.compile(r"<details><summary>([A-E])</summary>\n\n(.*?)\n\n</details>", re.S)


def said(name):
    """Return what is said of each option, letter by letter, a dictionary a question."""
    path = (ROOT / name).with_suffix(".md")
    return [dict(FOLDED.findall(part)) for part in path.read_text("utf-8").split("\n## ")[1:]]


def letters(options):
    """Return the letters of a question: the right one, then the others."""
    return sorted(options, key=lambda letter: not options[letter].startswith("Right."))


def words(text):
    """Return a text without marks, in the plain signs that both sides share."""
    return re.sub(r"\W+", " ", re.sub(r"[`*]", "", text)).strip()


@pytest.mark.parametrize("name", QUIZZES)
def test_every_question_is_a_form_with_every_option(name):
    forms = (SITE / name).read_text("utf-8").split('<form class="quiz">')[1:]
    expected = said(name)
    assert len(forms) == len(expected) >= 8
    for text, options in zip(forms, expected, strict=True):
        assert re.findall(r'type="radio" name="q\d+" value="(.)"', text) == sorted(options)


def answer(form, letter):
    """Choose an option of a question and have it checked; return what is then said."""
    form.locator(f"label:has(input[value={letter}])").click()
    assert form.get_by_role("status").inner_text() == ""  # what was said of another is gone
    form.get_by_role("button", name="Check").click()
    return form.get_by_role("status").inner_text()


def test_every_question_is_answered_wrongly_then_rightly(look):
    page = look(NAME)
    for number, options in enumerate(said(NAME)):
        form = page.locator("form.quiz").nth(number)
        right, *wrong = letters(options)
        for letter in (*wrong, right):
            assert words(answer(form, letter)) == words(options[letter])
            assert form.get_attribute("data-answer") == ("right" if letter == right else "wrong")
    assert page.errors == [] and page.url.endswith(NAME)


@pytest.mark.parametrize(("width", "theme"), [("desktop", "light"), ("telephone", "dark")])
def test_an_answered_page_fits_and_breaks_no_rule_of_wcag(look, width, theme):
    page = look(NAME, width, theme)
    for number, options in enumerate(said(NAME)[:2]):
        answer(page.locator("form.quiz").nth(number), letters(options)[number])
    page.screenshot(path=SCREENSHOTS / f"quiz-answered-{width}-{theme}.png")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert told(Axe().run(page, options=STANDARDS)) == []


def test_by_keyboard(look):
    page, options = look(NAME), said(NAME)[0]
    page.locator("input[name=q1]").first.focus()
    page.keyboard.press("Space")
    for letter in sorted(options):
        assert page.locator("input[name=q1]:checked").get_attribute("value") == letter
        page.keyboard.press("Enter")
        status = page.locator("form.quiz").first.get_by_role("status")
        assert words(status.inner_text()) == words(options[letter])
        page.keyboard.press("ArrowDown")


def test_nothing_chosen_is_told_by_the_browser(look):
    page = look(NAME)
    page.get_by_role("button", name="Check").first.click()
    assert page.locator("form.quiz").first.get_attribute("data-answer") is None
    assert page.evaluate("document.querySelector('.quiz input').validity.valueMissing")


def test_without_a_script_the_answers_unfold(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + NAME)
    assert page.locator(".quiz input:visible, .quiz button:visible").count() == 0
    form, options = page.locator("form.quiz").first, said(NAME)[0]
    assert form.locator("li").count() == len(options)
    form.locator("summary", has_text="B").click()
    assert words(form.locator("details").nth(1).locator("p").inner_text()) == words(options["B"])
    context.close()
