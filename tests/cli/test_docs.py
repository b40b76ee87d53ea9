"""The documents of the command line."""

from __future__ import annotations

import pytest

from kkiai_sdk.cli.app import COMMANDS
from kkiai_sdk.cli.exit_codes import SEVERITY_ORDER, ExitCode
from tools.make_cli_docs import TARGET, document, help_of
from tools.make_terminal_picture import TARGET as PICTURE
from tools.make_terminal_picture import picture


def test_reference_is_what_its_tool_writes() -> None:
    """docs/cli.md is up to date."""
    assert TARGET.read_text(encoding="utf-8") == document(), "run: python tools/make_cli_docs.py"


def test_picture_is_what_its_tool_draws() -> None:
    """docs/kkiai-wait.svg is up to date."""
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run: python tools/make_terminal_picture.py"


def test_picture_contacts_no_host_when_shown() -> None:
    """The picture loads nothing; its addresses are that of the mock gateway and that of the format."""
    text = PICTURE.read_text(encoding="utf-8")
    assert {part.split("/")[0] for part in text.split("http://")[1:]} == {"www.w3.org", "127.0.0.1:8000"}
    assert not any(word in text for word in ("https://", "url(http", "@import"))


def test_every_exit_code_is_in_the_help() -> None:
    """The help lists each exit code with its meaning, and the order of severity leaves none out."""
    assert {*SEVERITY_ORDER, ExitCode.PIPE_CLOSED} == set(ExitCode)
    assert all(f"{code.value:<4} {code.meaning}" in help_of() for code in ExitCode)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_command_has_summary_and_examples(name: str) -> None:
    """The help of a command begins with the summary that the list of commands shows, and ends with examples."""
    text = help_of(name)
    assert f"\n\n  {COMMANDS[name][1]}\n" in text
    assert f"  kkiai {name}" in text.partition("Examples:")[2]


def test_list_of_commands_is_in_documented_order() -> None:
    """The help lists all commands, the most used ones first."""
    listed = help_of().partition("Commands:\n")[2].partition("\n\n")[0]
    names = ["query", "wait", "watch", "download", "fleet", "mock", "demo", "doctor", "contract"]
    assert [line.split()[0] for line in listed.splitlines()] == names == list(COMMANDS)
