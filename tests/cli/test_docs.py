"""The documents of the command line."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.cli.app import COMMANDS
from kkiai_sdk.cli.exit_codes import SEVERITY_ORDER, ExitCode
from kkiai_sdk.cli.fleet import fleet
from tools.make_cli_docs import TARGET, document, help_of
from tools.make_diagrams import CHARTS, OWN, pictures
from tools.make_terminal_picture import FOLDER, SCENES, picture

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_reference_is_what_its_tool_writes() -> None:
    """docs/cli.md is up to date."""
    assert TARGET.read_text(encoding="utf-8") == document(), "run: python tools/make_cli_docs.py"


@pytest.mark.parametrize("name", SCENES)
def test_picture_is_what_its_tool_draws(name: str) -> None:
    """Each picture of a terminal is up to date."""
    assert (FOLDER / name).read_text("utf-8") == picture(SCENES[name]), "run: python tools/make_terminal_picture.py"


@pytest.mark.parametrize("name", pictures())
def test_diagram_is_what_its_tool_draws(name: str) -> None:
    """Each diagram is up to date with its text or with the results."""
    assert (FOLDER / name).read_text("utf-8") == pictures()[name], "run: python tools/make_diagrams.py"


@pytest.mark.parametrize("name", SCENES)
def test_picture_contacts_no_host_when_shown(name: str) -> None:
    """A picture loads nothing; its addresses are that of the mock gateway and that of the format."""
    text = (FOLDER / name).read_text("utf-8")
    assert {part.split("/")[0] for part in text.split("http://")[1:]} == {"www.w3.org", "127.0.0.1:8000"}
    assert not any(word in text for word in ("https://", "url(http", "@import"))


@pytest.mark.parametrize("name", SCENES)
def test_picture_shows_the_end_where_nothing_is_animated(name: str) -> None:
    """Without animations, and without style sheets, the last frame alone is visible, with every task ended."""
    frames = re.findall(r'<g class="frame"(.*?)>(.*?)</g>\n(?=<g class="frame"|</g>)', _drawn(name), re.DOTALL)
    shown = [shapes for attributes, shapes in frames if "visibility" not in attributes]
    assert len(frames) > 10
    assert shown == [frames[-1][1]]
    text = html.unescape(re.sub(r"<[^>]+>", "", shown[0])).replace("\xa0", " ")
    assert [task_id for task_id in SCENES[name].starts if not re.search(rf"[✓✗] {task_id}", text)] == []


def _drawn(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


@pytest.mark.parametrize("name", CHARTS)
def test_chart_says_what_is_better_and_marks_this_project(name: str) -> None:
    """A chart of results says in words which bars are good, and draws this project's own in another colour."""
    assert re.search("(shorter|longer) is better; blue is this SDK", _drawn(name))
    assert OWN in _drawn(name)


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


@pytest.mark.parametrize("name", ["", *COMMANDS, *(f"fleet {each}" for each in fleet.commands)])
def test_help_fits_a_terminal_of_80_columns(kkiai: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No line of the help wraps at 80 columns, and no option is broken at its hyphen."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = kkiai(*name.split(), "--help").out.splitlines()
    assert [line for line in lines if len(line) > 79 or re.search(r"[a-z]-$", line)] == []


def test_list_of_commands_is_in_documented_order() -> None:
    """The help lists all commands, the most used ones first."""
    listed = help_of().partition("Commands:\n")[2].partition("\n\n")[0]
    names = ["query", "wait", "watch", "download", "fleet", "mock", "demo", "doctor", "contract"]
    assert [line.split()[0] for line in listed.splitlines()] == names == list(COMMANDS)
