"""Markdown documents: their code blocks, their links, and running their Python."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
#: Pages written by hand or by a tool, as files and by their name below docs/.
PAGES = {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
_FENCE = re.compile(r"^(?P<mark>```|:::)\{?(?P<language>\w*)\}?.*\n(?P<code>(?:.*\n)*?)(?P=mark)$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)


@frozen
class Block:
    """A code block of a document."""

    #: The heading above it.
    heading: str
    language: str
    code: str
    #: The number of its first line.
    line: int


def blocks(path: Path) -> Iterator[Block]:
    """Yield every code block of a document, in order."""
    text = path.read_text("utf-8")
    for found in _FENCE.finditer(text):
        headings = _HEADING.findall(prose(text[: found.start()]))
        line = text.count("\n", 0, found.start()) + 2
        yield Block(headings[-1] if headings else "", found["language"], found["code"], line)


def prose(text: str) -> str:
    """Return a document without its code blocks."""
    return _FENCE.sub("", text)


def commands(path: Path) -> list[str]:
    """Return every command line of `kkiai` in the shell blocks of a document, without comments."""
    lines = [line for block in blocks(path) if block.language == "sh" for line in block.code.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("kkiai ")]


def links(path: Path) -> list[str]:
    """Return the target of every link and picture of a document."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text("utf-8")))


def anchors(path: Path) -> set[str]:
    """Return the fragments that the headings of a document have where Markdown is rendered."""
    headings = _HEADING.findall(prose(path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def run(code: str, name: str) -> dict[str, Any]:
    """Run Python as a program, or as a cell of a notebook if it awaits at its top level; its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    program = FunctionType(compiled, names)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(program())
    else:
        program()
    return names
