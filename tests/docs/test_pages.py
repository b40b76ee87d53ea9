"""The pages of the documentation do what they say: blocks and commands run, classes and links are those that exist."""

from __future__ import annotations

import io
import logging
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk
from kkiai_sdk import KkiaiError
from kkiai_sdk.cli.main import main
from tests.docs import test_recipes
from tests.support.documents import PAGES, README, ROOT, anchors, blocks, commands, links, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


DOCUMENTS = {
    **PAGES,
    **{name: ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")},
}
#: The check of a gateway takes seconds.
#: Its blocks are tests, which tests/testing/test_guide.py runs.
GUIDE = "testing.md"
WITH_PYTHON = [
    pytest.param(page, marks=pytest.mark.deep if page == "contract.md" else ())
    for page, path in PAGES.items()
    if page != GUIDE and any(block.language == "python" for block in blocks(path))
]
#: The languages of blocks: those that tests run or read, and those of settings, output and commands for elsewhere.
LANGUAGES = {"python", "sh", "yaml", "dockerfile", "text", "toml", "ini", "json", "toctree", "include"}
#: All but those for a live gateway; the check of a gateway takes seconds.
COMMANDS = [
    pytest.param(line, marks=pytest.mark.deep if line.startswith("kkiai contract") else ())
    for line in sorted({line for path in PAGES.values() for line in commands(path)})
    if "gateway.example.com" not in line
]


@pytest.fixture
def _logging() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("kkiai_sdk")
    handlers, level = root.handlers[:], own.level
    yield
    root.handlers[:] = handlers
    own.setLevel(level)


@pytest.mark.parametrize("page", WITH_PYTHON)
@pytest.mark.usefixtures("gateway", "_logging")
def test_python_blocks_of_a_page_run_in_order_and_once_more(page: str) -> None:
    """Every Python block runs as it stands, after the others of its page, and again when all have run. Those that
    need a server or a framework around them are run by :mod:`tests.docs.test_recipes`.
    """
    plain = [block for block in blocks(PAGES[page]) if block.language == "python"]
    for block in [each for each in plain if each.heading not in test_recipes.HEADINGS] * 2:
        run(block.code, f"{page}:{block.line}")


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.usefixtures("gateway")
def test_commands_of_the_pages_exit_with_zero(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kkiai command line ends with exit code 0."""
    words = shlex.split(line)
    if "<" in words:
        monkeypatch.setattr(sys, "stdin", io.StringIO("grok:scenario-normal\nveo3:scenario-normal\n"))
        del words[words.index("<") :]
    assert main(words[1:]) == 0, capsys.readouterr().err


def test_blocks_of_the_pages_have_a_known_language() -> None:
    """Every block names its language, so that none is left out by a slip."""
    named = {(page, block.line, block.language) for page, path in PAGES.items() for block in blocks(path)}
    assert {block for block in named if block[2] not in LANGUAGES} == set()


@pytest.mark.parametrize("name", PAGES)
def test_code_fits_the_width_of_a_page(name: str) -> None:
    """No line of code has more than 98 characters, so that none is cut off on a wide screen of the site."""
    lines = [(block.line, line) for block in blocks(PAGES[name]) for line in block.code.splitlines()]
    assert [(number, line) for number, line in lines if len(line) > 98] == []


def test_every_recipe_of_the_cookbook_is_run() -> None:
    """Every heading of the cookbook has a block that a test runs, and is in the list of recipes."""
    index = PAGES["cookbook/index.md"].read_text("utf-8")
    for page in PAGES:
        if page.startswith("cookbook/") and page != "cookbook/index.md":
            headings = re.findall(r"^## (.*)$", PAGES[page].read_text("utf-8"), re.MULTILINE)
            assert set(headings) <= {block.heading for block in blocks(PAGES[page])}
            assert [heading for heading in headings if f"[{heading}]" not in index] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_of_a_document_lead_somewhere(name: str) -> None:
    """Every relative link is a file of the repository, and a fragment is a heading of it."""
    path, dead = DOCUMENTS[name], []
    for link in links(path):
        if re.match(r"\w+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (fragment and fragment not in anchors(file)):
            dead.append(link)
    assert dead == []


def test_extras_that_the_documents_name_exist() -> None:
    """Every extra in an installation command is one of the package."""
    known = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE))
    named = {extra for path in DOCUMENTS.values() for extra in _extras(path)}
    assert {"cli", "contract", "aiohttp"} <= named <= known


def _extras(path: Path) -> list[str]:
    found = re.findall(r"kkiai-sdk\[([\w,]+)\]", path.read_text("utf-8"))
    return [extra for each in found for extra in each.split(",")]


def _tree(cls: type[Any]) -> dict[str, Any]:
    return {below.__name__: _tree(below) for below in cls.__subclasses__() if below.__name__ in kkiai_sdk.__all__}


def _drawn(lines: list[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        found = re.search(r"\w", line)
        if found:
            yield found.start() // 3, line[found.start() :].split()[0]


def test_error_tree_of_the_page_is_that_of_the_package() -> None:
    """The drawn tree has every class in its place."""
    (drawing,) = [block.code for block in blocks(PAGES["errors.md"]) if block.language == "text"]
    root: dict[str, Any] = {}
    above = [root]
    for depth, name in _drawn(drawing.splitlines()):
        del above[depth + 1 :]
        above[depth][name] = {}
        above.append(above[depth][name])
    assert root == {"KkiaiError": _tree(KkiaiError)}


def test_every_error_has_a_row_that_says_when_and_what_to_do() -> None:
    """Each class of the tree has one row on the page, with a text in both columns unless it is a base class."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) ?\|$", PAGES["errors.md"].read_text("utf-8"), re.MULTILINE)
    errors = {
        name for name in kkiai_sdk.__all__ if isinstance(each := getattr(kkiai_sdk, name), type) and _is_error(each)
    }
    assert sorted(name for name, _, _ in rows) == sorted(errors)
    assert [name for name, when, do in rows if not (when and (do or "base class" in when))] == []


def _is_error(cls: type[Any]) -> bool:
    return issubclass(cls, KkiaiError)


def test_readme_and_first_page_name_the_same_pages() -> None:
    """Every page of the documentation that the README links is a page of the site."""
    linked = {link.partition("#")[0].removeprefix("docs/") for link in links(README) if link.startswith("docs/")}
    assert {page for page in linked if page.endswith(".md")} <= PAGES.keys()


def test_recipes_with_a_stand_in_exist() -> None:
    """Every recipe that a test of its own runs is on a page, and has that test."""
    headings = {block.heading for path in PAGES.values() for block in blocks(path)}
    assert headings >= test_recipes.HEADINGS
    names = [name for name in vars(test_recipes) if name.startswith("test_")]
    slugs = {re.sub(r"\W+", "_", heading.lower()) for heading in test_recipes.HEADINGS}
    assert [slug for slug in slugs if not any(name.startswith(f"test_{slug}_recipe") for name in names)] == []
