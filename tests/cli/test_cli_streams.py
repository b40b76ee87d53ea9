"""Which stream tells what, to pipes and to terminals."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import TaskFailedError, TaskFailure, TaskState, VideoTask, WaitResult
from kkiai_sdk.cli.events import Note, Received, Saved
from kkiai_sdk.cli.main import main
from kkiai_sdk.cli.report import Report, Terminal
from kkiai_sdk.cli.routes import Manner, Setting, on_stderr, on_stdout

if TYPE_CHECKING:
    from kkiai_sdk.cli.events import Event

ID = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
RUNNING = VideoTask(id=ID, status="processing", state=TaskState.RUNNING, progress=0.43)
DONE = VideoTask(id=ID, status="completed", state=TaskState.SUCCEEDED, video_url="https://cdn.example/v.mp4?sig=1")
FAILED = VideoTask(id=ID, status="failed", state=TaskState.FAILED, failure=TaskFailure("no worker was free"))
FAILURE = WaitResult(ID, FAILED, TaskFailedError("task failed", task_id=ID, task=FAILED))
WIDE = Terminal(80, plain=False)
WAIT, QUERY, FETCH = Report(), Report(snapshots=True), Report(files=True)
OK, STEP = WaitResult(ID, DONE), Received(ID, 1, 2)
SAVED = Saved(ID, "v/cow.mp4", 5)


@pytest.mark.parametrize(
    ("event", "report", "out", "err"),
    [
        # event, command, whether a piped stdout has it, whether a piped stderr has it
        (RUNNING, WAIT, False, True),
        (DONE, WAIT, False, False),
        (OK, WAIT, True, True),
        (FAILURE, WAIT, True, True),
        (RUNNING, QUERY, True, False),
        (FAILED, QUERY, True, True),
        (RUNNING, FETCH, False, True),
        (OK, FETCH, False, True),
        (STEP, FETCH, False, False),
        (Received(ID, 1, 2, is_first=True), FETCH, False, True),
        (SAVED, FETCH, True, True),
        (FAILURE, FETCH, False, True),
        (Note("x"), WAIT, False, True),
    ],
)
def test_which_stream_tells(event: Event, report: Report, *, out: bool, err: bool) -> None:
    """Results and nothing else are on stdout; stderr tells progress and problems once."""
    setting = Setting(report, Manner())
    result = on_stdout(event, 5.0, setting)
    assert (result is not None) == out
    assert (on_stderr(event, 5.0, setting, told=out) is not None) == err


@pytest.mark.parametrize(
    ("event", "report", "lines"),
    [
        (OK, WAIT, 1),
        (FAILURE, WAIT, 1),
        (RUNNING, QUERY, 1),
        (SAVED, FETCH, 1),
        (FAILURE, FETCH, 1),
        (RUNNING, WAIT, 0),
    ],
)
def test_a_terminal_is_told_once(event: Event, report: Report, lines: int) -> None:
    """When both streams are the terminal, a result is printed once, on either; the display shows the rest."""
    setting = Setting(report, Manner(), WIDE, WIDE)
    result = on_stdout(event, 5.0, setting)
    aside = on_stderr(event, 5.0, setting, told=result is not None)
    assert (result is not None) + (aside is not None) == lines


def test_a_problem_is_told_even_when_quiet() -> None:
    """What --quiet would hide altogether is told on stderr: a download that failed."""
    quiet = Setting(FETCH, Manner(quiet=True))
    assert on_stdout(FAILURE, 5.0, quiet) is None
    assert on_stderr(FAILURE, 5.0, quiet, told=False) == f"{ID}: failed after 0:05: no worker was free"
    assert on_stderr(SAVED, 5.0, quiet, told=True) is None


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """True."""
        return True


@pytest.mark.parametrize("command", ["wait", "query"])
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """With NO_COLOR a terminal gets no colour, and without it it does."""
    colours = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    shown = {}
    for no_color in ("", "1"):
        out, err = Tty(), Tty()
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stderr", err)
        monkeypatch.setenv("NO_COLOR", no_color)
        options = ["--poll-interval", "0.02"] if command == "wait" else []
        assert main([command, f"grok:scenario-normal~colour{no_color}", *options]) == 0
        shown[no_color] = out.getvalue() + err.getvalue()
    assert colours.search(shown[""])
    assert not colours.search(shown["1"])


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor gets one line per change instead of a display."""
    out, err = Tty(), Tty()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setenv("TERM", "dumb")
    assert main(["wait", "grok:scenario-normal~dumb", "--poll-interval", "0.02"]) == 0
    assert "\x1b" not in err.getvalue()
    assert "grok:scenario-normal~dumb: pending\n" in err.getvalue()


def test_the_display_is_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live display is on stderr alone, and the result stays on stdout after it."""
    out, err = Tty(), Tty()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert main(["wait", "grok:scenario-normal~live", "--poll-interval", "0.02"]) == 0
    assert "pending" in err.getvalue()
    assert "\x1b[?25h" in err.getvalue()
    assert "succeeded" in out.getvalue()
    assert "\x1b[?25" not in out.getvalue()
    assert "pending" not in out.getvalue()
