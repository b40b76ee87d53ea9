"""The documentation of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kkiai_sdk.cli.codes import MEANINGS, SERIOUSNESS, Code
from tools.make_cli_docs import TARGET, commands, document, help_of
from tools.make_terminal_picture import TARGET as PICTURE
from tools.make_terminal_picture import picture


def test_the_reference_is_up_to_date() -> None:
    """docs/cli.md is what `python tools/make_cli_docs.py` writes."""
    assert TARGET.read_text(encoding="utf-8") == document(), "run: python tools/make_cli_docs.py"


def test_the_picture_is_up_to_date() -> None:
    """docs/kkiai-wait.svg is what `python tools/make_terminal_picture.py` draws, and fetches nothing."""
    drawn = picture()
    assert PICTURE.read_text(encoding="utf-8") == drawn, "run: python tools/make_terminal_picture.py"
    assert "url(http" not in drawn
    assert "@import" not in drawn


def test_every_exit_code_is_documented() -> None:
    """Help and reference give every exit code its meaning."""
    assert set(MEANINGS) == set(Code)
    assert {*SERIOUSNESS, Code.PIPE_CLOSED} == set(Code)
    assert all(f"{code.value:<4} {meaning}" in help_of() for code, meaning in MEANINGS.items())


@pytest.mark.parametrize("command", ["query", "wait", "watch", "download", "mock", "demo", "doctor", "contract"])
def test_every_command_has_examples(command: str) -> None:
    """The help of each command shows how it is used."""
    assert f"  kkiai {command}" in help_of(command).partition("Examples:")[2]


def test_the_commands_are_the_documented_ones() -> None:
    """No command is left out of the help."""
    assert commands() == ["query", "wait", "watch", "download", "mock", "demo", "doctor", "contract"]


def test_no_host_is_contacted_by_the_picture() -> None:
    """The picture holds no address but that of the mock gateway and that of the format."""
    text = Path(PICTURE).read_text(encoding="utf-8")
    assert {part.split("/")[0] for part in text.split("http://")[1:]} == {"www.w3.org", "127.0.0.1:8000"}
    assert "https://" not in text
