"""A browser on the built site, which is served compressed, as hosts do."""

import gzip
import shutil
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FOUND = sorted(
    str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_static" not in path.parts
)
SLIDES = [name for name in FOUND if name.startswith("slides/")]
PAGES = [name for name in FOUND if name not in SLIDES]
STANDARDS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],  # the rest would only cost time
}
WIDTHS = {"desktop": {"width": 1280, "height": 900}, "telephone": {"width": 390, "height": 844}}


class Compressed(SimpleHTTPRequestHandler):
    """Serves files with gzip, and writes no log."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path = path / "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        text = path.suffix in {".html", ".css", ".js", ".json", ".svg"}
        body = gzip.compress(body) if text else body
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        if text:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="session")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressed, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no Chromium here: install the package chromium to look at the site")
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def visit(browser, address, width="desktop", theme="light"):
    """Yield a page of the browser that keeps what it asks for and what fails."""
    context = browser.new_context(viewport=WIDTHS[width], color_scheme=theme)
    page = context.new_page()
    page.asked, page.failed, page.errors = [], [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("requestfailed", lambda request: page.failed.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("response", lambda r: page.failed.append(r.url) if r.status >= 400 else None)
    page.goto(address)
    yield page
    context.close()


@pytest.fixture
def look(browser, address):
    """Return a function that opens a page and returns it, with all that it asked for."""
    with ExitStack() as opened:
        yield lambda name, *how: opened.enter_context(visit(browser, address + name, *how))


def told(result):
    """Return axe's violations, a line each with the first element."""
    return [
        f"{one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html'][:200]}"
        for one in result.response["violations"]
    ]
