"""The slides in a browser: everything fits, nothing is fetched from elsewhere, keys turn pages."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, SLIDES
from test_pages import SCREENSHOTS, STANDARDS, told

READY = "globalThis.Reveal && Reveal.isReady()"
WHERE = "Reveal.getIndices().h"
OUTSIDE = """() => {
  const parts = [...Reveal.getCurrentSlide().querySelectorAll(':not(aside)')];
  const places = parts.map((one) => [one, one.getBoundingClientRect()]);
  const off = ([, r]) => r.width && (r.left < 0 || r.top < 0 || r.right > 1280 || r.bottom > 720);
  const small = ([one, r]) => one.tagName === 'IMG' && r.height < 200;
  return places.filter((one) => off(one) || small(one)).map(([one]) => one.outerHTML.slice(0, 80));
}"""


@pytest.fixture
def show(look):
    def shown(name):
        page = look(name)
        page.set_viewport_size({"width": 1280, "height": 720})
        page.wait_for_load_state("networkidle")
        page.wait_for_function(READY)
        return page

    return shown


def test_every_deck_is_there():
    decks = sorted((ROOT / "course" / "slides").glob("*.md"))
    assert [f"slides/{path.stem}/index.html" for path in decks] == SLIDES and len(SLIDES) == 6


@pytest.mark.parametrize("name", SLIDES)
def test_every_slide_fits_and_loads_nothing_from_elsewhere(show, address, name):
    page = show(name)
    for k in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(f"Reveal.slide({k})")
        assert page.evaluate(OUTSIDE) == [], k
        assert page.locator("section.present:not(.stack) > aside.notes").count() == 1
        page.screenshot(path=SCREENSHOTS / f"{name.replace('/', '_')}-{k:02}.png")
    assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    assert [url for url in page.asked if not url.startswith(address)] == []
    assert page.failed == [] and page.errors == []


def test_what_does_not_fit_is_found(show):
    page = show(SLIDES[0])
    page.evaluate("Reveal.getCurrentSlide().querySelector('h1').style.paddingTop = '800px'")
    assert page.evaluate(OUTSIDE)


def test_keys_turn_pages_and_open_the_notes(show):
    page = show(SLIDES[0])
    for key, place in (("ArrowRight", 1), ("Space", 2), ("ArrowLeft", 1), ("End", 14), ("Home", 0)):
        page.keyboard.press(key)
        assert page.evaluate(WHERE) == place, key
    with page.context.expect_page() as speaker:
        page.keyboard.press("s")
    speaker.value.wait_for_selector(".speaker-controls-notes:not(.hidden)")
    assert "min." in speaker.value.locator(".speaker-controls-notes").inner_text()


def test_a_slide_breaks_no_rule_of_wcag(show):
    assert told(Axe().run(show(SLIDES[1]), options=STANDARDS)) == []
