"""The documentation site as `make docs` built it: its links, its reference, and how it looks and works in a browser."""

from __future__ import annotations

import pkgutil
import re
import threading
import zlib
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

import kkiai_sdk
from tests.support import browser as driver
from tests.support.documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser import Browser

SITE = ROOT / "build" / "site"
#: Pages without a place in the navigation.
OTHERS = {"index.html", "search.html", "genindex.html", "py-modindex.html"}
#: The questions of a newcomer, as words to search for, and the page that answers each.
QUESTIONS = {
    "proxy": "docs/cookbook/connection.html",
    "CA": "docs/cookbook/connection.html",
    "poll interval": "docs/waiting.html",
    "tqdm": "docs/cookbook/progress.html",
    "raw JSON": "docs/cookbook/raw.html",
    "retries off": "docs/cookbook/connection.html",
    "logging": "docs/cookbook/monitoring.html",
    "async": "docs/start.html",
    "offline tests": "docs/testing.html",
    "GitLab CI": "docs/cookbook/deployment.html",
    "overwrite": "docs/downloads.html",
    "rate limit": "docs/many.html",
    "self-signed certificate": "docs/cookbook/connection.html",
    "disable retries": "docs/cookbook/connection.html",
    "api key": "docs/start.html",
    "environment variables": "docs/cli.html",
    "completion": "docs/cli.html",
    "trio": "docs/start.html",
}


class Page(HTMLParser):
    """The targets and the identifiers of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.ids: set[str] = {"", "top"}
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes of a tag."""
        for name, value in attrs:
            if value and name in {"href", "src"}:
                self.targets.add(value)
            elif value and name == "id":
                self.ids.add(value)


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    """Every page of the site."""
    assert SITE.is_dir(), "the site is not built: run make docs"
    return {file: Page(file) for file in sorted(SITE.rglob("*.html"))}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the site on a server of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser."""
    program = driver.program()
    if program is None:
        pytest.skip("no Chromium on this machine: nothing can be looked at (apt-get install chromium)")
    with driver.Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        browser.look(width=1400, theme="light")
        yield browser


def in_navigation(pages: dict[Path, Page]) -> list[str]:
    """The paths of the pages of the guide and of the reference."""
    names = [file.relative_to(SITE).as_posix() for file in pages]
    return [name for name in names if name not in OTHERS and not name.startswith("_")]


def test_no_link_of_the_site_is_dead(pages: dict[Path, Page]) -> None:
    """Every link, picture, script and style sheet within the site exists, and every fragment is on its page."""
    dead = []
    for file, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            wanted = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            ids = pages[wanted].ids if wanted in pages else {""}
            if not wanted.is_file() or (wanted in pages and unquote(parts.fragment) not in ids):
                dead.append(f"{file.relative_to(SITE)}: {target}")
    assert dead == []


def test_site_loads_nothing_from_elsewhere(pages: dict[Path, Page]) -> None:
    """Scripts, style sheets, fonts and pictures are parts of the site."""
    loaded = re.compile(r'<(?:script|img|link)[^>]*(?:src|href)="(\w+:)?//')
    assert [file.name for file in pages if loaded.search(file.read_text("utf-8"))] == []


def test_every_public_name_is_in_the_reference() -> None:
    """Each name that a caller can import is documented, and so is each operation of the generated client."""
    head, _, packed = (SITE / "objects.inv").read_bytes().partition(b"zlib.\n")
    documented = {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}
    modules = [import_module(f"kkiai_sdk.{each.name}") for each in pkgutil.iter_modules(kkiai_sdk.__path__)]
    modules = [kkiai_sdk, *(each for each in modules if "._" not in each.__name__ and hasattr(each, "__all__"))]
    public = {f"{module.__name__}.{name}" for module in modules for name in module.__all__}
    operations = {path.stem for path in (ROOT / "generated" / "kkiai_api" / "api").glob("*/[!_]*.py")}
    assert head.startswith(b"# Sphinx inventory")
    assert {"kkiai_sdk.mock.MockGateway", "kkiai_sdk.contract.check"} <= public
    assert public - documented == {"kkiai_sdk.__version__"}
    assert [
        name for name in operations if not any(each.endswith(f".{name}.sync_detailed") for each in documented)
    ] == []
    assert {
        f"kkiai_sdk.{client}.{call}" for client in ("Kkiai", "AsyncKkiai") for call in ("wait", "with_options")
    } <= (documented)


def test_first_page_of_the_site_leads_to_the_guide(browser: Browser, address: str) -> None:
    """The root of the site sends its reader to the first page."""
    browser.open(f"{address}/index.html")
    browser.loaded()
    assert browser.run("location.pathname") == "/docs/index.html"
    assert browser.run("document.querySelector('h1').innerText").startswith("kkiai-sdk")


def test_every_page_is_reached_by_the_navigation(browser: Browser, address: str, pages: dict[Path, Page]) -> None:
    """A reader who follows the links of the navigation, page after page, comes to every page."""
    waiting, seen = ["docs/index.html"], {"docs/index.html"}
    with quiet(browser):
        while waiting:
            browser.open(f"{address}/{waiting.pop()}")
            links = "[...document.querySelectorAll('.sidebar-tree a, .toctree-wrapper a')].map(a => a.href)"
            found = {urlsplit(link).path.lstrip("/") for link in browser.run(links)} - seen
            waiting += found
            seen |= found
    assert set(in_navigation(pages)) - seen == set()


def test_reader_goes_to_another_page_by_a_click(browser: Browser, address: str) -> None:
    """A click on an entry of the navigation opens its page, whose entry is then marked."""
    browser.open(f"{address}/docs/index.html")
    click = "[...document.querySelectorAll('.sidebar-tree a')].find(a => a.innerText == 'Waiting').click()"
    browser.follow(click)
    assert browser.run("location.pathname") == "/docs/waiting.html"
    assert browser.run("document.querySelector('.sidebar-tree .current-page').innerText").strip() == "Waiting"


@pytest.mark.parametrize(("words", "answer"), QUESTIONS.items())
def test_newcomer_finds_the_answer_by_searching(browser: Browser, address: str, words: str, answer: str) -> None:
    """Typed into the search field of the first page, the words lead to the page among the first two."""
    browser.open(f"{address}/docs/index.html")
    browser.run(f"document.querySelector('.sidebar-search').value = '{words}'")
    browser.follow("document.querySelector('.sidebar-search-container').submit()")
    browser.wait_for(
        "/finished|did not match/.test(document.querySelector('#search-results .search-summary')?.innerText)"
    )
    links = browser.run("[...document.querySelectorAll('#search-results .search li > a')].map(a => a.href)")
    found = [urlsplit(link).path.lstrip("/") for link in links]
    assert answer in list(dict.fromkeys(found))[:2]


def test_reader_switches_between_light_and_dark(browser: Browser, address: str) -> None:
    """The button changes the theme, and the background with it."""
    browser.open(f"{address}/docs/index.html")
    seen = set()
    for _ in range(3):
        browser.run("document.querySelector('.content-icon-container .theme-toggle').click()")
        seen.add((browser.run("document.body.dataset.theme"), browser.run(BACKGROUND) > 128))
    browser.run("localStorage.clear()")
    assert {("light", True), ("dark", False)} <= seen


CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")
BACKGROUND = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_every_page_fits_the_window(
    browser: Browser, address: str, pages: dict[Path, Page], width: int, theme: str
) -> None:
    """No page is wider than the window, all pictures are there, every text stands out from its background, and no
    script fails; wide tables and code scroll by themselves.
    """
    browser.look(width=width, theme=theme)
    bad = []
    with quiet(browser):
        for name in in_navigation(pages):
            browser.open(f"{address}/{name}")
            is_fit = browser.run("document.documentElement.scrollWidth <= innerWidth")
            has_pictures = browser.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
            is_light = browser.run(BACKGROUND) > 128
            faint = browser.run(CONTRAST)
            if not (is_fit and has_pictures and is_light == (theme == "light")) or faint:
                bad.append((name, is_fit, has_pictures, is_light, faint))
    assert bad == []


def test_reasons_of_surviving_mutants_stand_beside_their_lines(browser: Browser, address: str) -> None:
    """In a wide window the table of survivors does not scroll, so that its last column, the reason, is seen."""
    browser.look(width=1400, theme="light")
    browser.open(f"{address}/tests/survivors.html")
    table = "document.querySelector('table.docutils')"
    assert browser.run(f"{table}.offsetWidth <= {table}.parentElement.clientWidth")


@contextmanager
def quiet(browser: Browser) -> Iterator[None]:
    """Fail if a script of a page fails or a part of it cannot be loaded."""
    browser.errors.clear()
    yield
    assert browser.errors == []
