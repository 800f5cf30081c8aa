"""Every page of the built site: as files, and in a browser, light and dark, wide and narrow."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import PAGES, ROOT, SCREENSHOTS, SITE, SLIDES, STANDARDS, told, visit

MEGABYTE = 1_000_000
CODE = "docs/contributing.html"  # the page whose code is looked at, every kind of word in it
SETTINGS = (("desktop", "light"), ("telephone", "dark"))
SHOWN = [(name, *setting) for name in PAGES for setting in SETTINGS]
LESSONS = [name for name in PAGES if name.startswith("notebooks/0")]


class Page(HTMLParser):
    """What a page refers to, and what others may refer to in it."""

    def __init__(self, name):
        super().__init__()
        self.links, self.loads, self.anchors, self.pictures = [], [], set(), []
        self.feed((SITE / name).read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)
        if tag in {"script", "img", "source", "iframe"} and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and {"stylesheet", "preload", "icon"} & {*found.get("rel", "").split()}:
            self.loads.append(found["href"])


READ = {name: Page(name) for name in [*PAGES, *SLIDES]}


def faults(name, targets):
    """Return the targets of a page that lead to no file of the site, or to no place in it."""
    found = []
    for target in targets:
        where, anchor = urldefrag(target)
        if urlsplit(where).scheme or where.startswith(("//", "data:")):
            continue
        path = (SITE / name).parent / unquote(urlsplit(where).path) if where else SITE / name
        page = str(path.resolve().relative_to(SITE)) if path.resolve().is_relative_to(SITE) else ""
        if not path.is_file() or (anchor and page in READ and anchor not in READ[page].anchors):
            found.append(target)
    return found


def test_the_pages_are_there():
    committed = {
        f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")
    }
    pages = {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    assert {*PAGES} >= committed | pages | {
        "index.html",
        "try-it.html",
        "status.html",
        "search.html",
    }


@pytest.mark.parametrize("name", READ)
def test_every_link_leads_somewhere(name):
    assert faults(name, READ[name].links) == []


@pytest.mark.parametrize("name", READ)
def test_nothing_is_loaded_from_elsewhere_or_missing(name):
    loads = READ[name].loads
    assert [
        one for one in loads if urlsplit(one).scheme in {"http", "https"} or one[:2] == "//"
    ] == []
    assert faults(name, [re.sub(r"\?.*", "", one) for one in loads]) == []


def test_a_link_that_leads_nowhere_is_found():
    assert faults(
        "index.html", ["nowhere.html", "docs/glossary.html#no-such-term", "#nor-this"]
    ) == [
        "nowhere.html",
        "docs/glossary.html#no-such-term",
        "#nor-this",
    ]
    assert faults("index.html", ["docs/glossary.html#view", "https://example.org/x"]) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_has_words_of_its_own_and_waits_in_its_place(name):
    pictures = READ[name].pictures
    words = [one.get("alt", "") for one in pictures]
    assert all(len(text) >= 15 and not re.search(r"\.(png|svg|webp)$", text) for text in words)
    assert len({*words}) == len(words)
    assert all(one.get("loading") == "lazy" for one in pictures)
    assert all(int(one["width"]) > 99 and int(one["height"]) > 99 for one in pictures)


def test_a_wrong_address_is_told_before_anything_is_built():
    before = (SITE / "index.html").stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "site" / "build.py"],
        env={**os.environ, "SITE_REPOSITORY": "nowhere"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.startswith("error: SITE_REPOSITORY is 'nowhere'")
    assert (SITE / "index.html").stat().st_mtime_ns == before


def test_the_site_is_small():
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) < 25 * MEGABYTE


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_its_answers_folded_its_download_and_its_neighbours(name):
    text = (SITE / name).read_text("utf-8")
    assert "<details>" in text or name.startswith("notebooks/05")
    assert not re.search(r"<details[^>]* open", text)
    stem = name.removeprefix("notebooks/").removesuffix(".html")
    copy = SITE / "downloads" / f"{stem}.ipynb"
    assert copy.read_bytes() == (ROOT / "notebooks" / f"{stem}.ipynb").read_bytes()
    assert f"../downloads/{stem}.ipynb" in READ[name].links
    assert 'rel="next"' in text and 'rel="prev"' in text
    assert "widget-view" not in text and "Failed to display" not in text


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module", params=SHOWN, ids=" ".join)
def shown(request, browser, address):
    """A page, wide and light or narrow and dark, opened once for the tests that only look."""
    name, width, theme = request.param
    with visit(browser, address + name, width, theme) as page:
        yield page, *request.param


def test_a_page_opens_alone_and_fits(shown, address):
    """Nothing is missing, nothing from elsewhere, nothing sticks out."""
    page, name, width, theme = shown
    page.evaluate("for (const one of document.images) one.loading = 'eager'")
    page.wait_for_function("[...document.images].every((one) => one.complete)")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    broken = "[...document.images].filter((one) => !one.naturalWidth).map((one) => one.src)"
    assert page.evaluate(broken) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    cut = "(one) => one.scrollWidth > one.clientWidth + 1"  # by what lies around it
    titles = f"[...document.querySelectorAll('article :is(h1, h2, h3)')].filter({cut})"
    assert page.evaluate(f"{titles}.map((one) => one.textContent)") == []
    page.screenshot(path=SCREENSHOTS / f"{name.replace('/', '_')}-{width}-{theme}.png")
    page.wait_for_load_state("networkidle")  # half a second, most of which has passed by now
    assert [url for url in page.asked if not url.startswith((address, "data:"))] == []
    assert page.failed == [] and page.errors == []


def test_a_page_breaks_no_rule_of_wcag(shown):
    """The colours of code, the same everywhere, are looked at on one page."""
    page, name, _, _ = shown
    context = None if name == CODE else {"exclude": [[".highlight"]]}
    assert told(Axe().run(page, context=context, options=STANDARDS)) == []


def test_the_landing_page_is_light(look):
    page = look("index.html")
    page.wait_for_load_state("networkidle")
    entries = (
        "performance.getEntries().filter((e) => e.encodedBodySize && e.initiatorType !== 'img')"
    )
    assert (
        50_000
        < page.evaluate(f"{entries}.reduce((sum, e) => sum + e.encodedBodySize, 0)")
        < 300_000
    )


@pytest.mark.parametrize(
    "term", ["paired comparison", "geometric mean", "predict_views", "stale", "Slurm"]
)
def test_search_finds(look, term):
    page = look("search.html?q=" + term.replace(" ", "+"))
    page.wait_for_selector("#search-results ul.search li a")
    assert page.locator("#search-results ul.search li").count() >= 1


def test_the_theme_can_be_changed_and_answers_unfold_by_keyboard(look):
    page = look(LESSONS[1])
    page.locator(".theme-switch-button").first.click()
    page.get_by_role("button", name="Dark").or_(
        page.locator("[data-theme-value=dark]")
    ).first.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    answer = page.locator("details").first
    answer.locator("summary").focus()
    page.keyboard.press("Enter")
    assert answer.get_attribute("open") is not None
    assert answer.locator("p").first.is_visible()


def test_a_lesson_prints_light_and_without_what_is_only_for_screens(look):
    page = look(LESSONS[0], "desktop", "dark")
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(shade)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(shade) == "rgb(255, 255, 255)"
    for gone in (".bd-sidebar-primary", ".bd-header", ".prev-next-footer"):
        assert not page.locator(gone).first.is_visible()
    assert page.locator("article h1").is_visible()
    lines = "[...document.querySelectorAll('pre')]"
    wide = f"{lines}.filter((one) => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(f"{wide}.length") == 0
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(shade) == dark


def test_search_starts_from_any_page_by_keyboard(look):
    page = look("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("despeckle")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results ul.search li a")
    assert "search.html" in page.url and page.errors == []
