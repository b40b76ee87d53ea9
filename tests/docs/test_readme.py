"""The README does what it says: its code blocks run against the mock gateway, its commands and targets exist."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.cli.main import main
from tests.support.documents import README, ROOT, blocks, commands, links, run

if TYPE_CHECKING:
    from kkiai_sdk.mock import MockGateway

PYTHON = [block for block in blocks(README) if block.language == "python"]


@pytest.mark.usefixtures("gateway")
def test_python_blocks_of_the_readme_run_in_order_and_once_more() -> None:
    """Every Python block runs as it stands, after the others, and again when all have run."""
    for _ in range(2):
        for block in PYTHON:
            run(block.code, f"README.md:{block.line}")


@pytest.mark.parametrize("line", commands(README))
def test_commands_of_the_readme_exit_with_zero(
    line: str, gateway: MockGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kkiai command line ends with exit code 0, also when it is run again."""
    for _ in range(2):
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err


def test_make_targets_of_the_readme_exist() -> None:
    """Every make target that the README names is in the Makefile."""
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", README.read_text("utf-8")))
    assert {"demo", "test"} <= targets
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_readme_has_code_commands_and_a_picture() -> None:
    """The README has code, commands and a picture."""
    assert len(PYTHON) >= 2
    assert len(commands(README)) >= 3
    assert [link for link in links(README) if link.endswith(".svg")]


def test_readme_is_read_in_two_minutes() -> None:
    """The README has at most 500 words, code included; the rest is in the documentation."""
    assert len(README.read_text("utf-8").split()) <= 500
