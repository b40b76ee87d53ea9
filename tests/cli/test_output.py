"""Destinations of results, terminals, and the background thread."""

from __future__ import annotations

import io
import logging
import re
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import TaskNotFoundError, WaitResult
from kkiai_sdk.cli.main import main
from kkiai_sdk.cli.output import CommandName, EventHandler, Output, OutputOptions, destinations, in_background
from kkiai_sdk.cli.results import Saved, outcome_of
from tests.cli.test_results import DONE, FAILED, FAILURE, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk import VideoTask
    from kkiai_sdk.cli.results import Event

    Result = VideoTask | WaitResult | Saved

OK, SAVED = WaitResult("t", DONE), Saved("t", "v/cow.mp4", 5)
PLAIN, QUIET, JSON = OutputOptions(), OutputOptions(quiet=True), OutputOptions(json=True)


@pytest.mark.parametrize(
    ("event", "command", "options", "streams"),
    [
        # streams: whether stdout and stderr get it when both are pipes
        (RUNNING, "query", PLAIN, (True, False)),
        (FAILED, "query", PLAIN, (True, True)),
        (RUNNING, "watch", PLAIN, (True, False)),
        (FAILED, "watch", PLAIN, (True, True)),
        (OK, "wait", PLAIN, (True, True)),
        (FAILURE, "wait", PLAIN, (True, True)),
        (OK, "download", PLAIN, (False, True)),
        (OK, "download", JSON, (False, True)),
        (SAVED, "download", PLAIN, (True, True)),
        (FAILURE, "download", PLAIN, (False, True)),
        (FAILURE, "download", JSON, (True, True)),
        (OK, "wait", QUIET, (True, False)),
        (FAILURE, "wait", QUIET, (True, False)),
        (SAVED, "download", QUIET, (True, False)),
        (FAILURE, "download", QUIET, (False, True)),
    ],
)
def test_piped_streams_get_results_and_problems(
    event: Result, command: CommandName, options: OutputOptions, streams: tuple[bool, bool]
) -> None:
    """Stdout gets results and nothing else; stderr gets progress, and the problems that stdout does not show."""
    found = destinations(outcome_of(event), command, options, is_terminal=False, is_live=False)
    assert found == streams


@pytest.mark.parametrize(
    ("event", "command", "streams"),
    [
        (OK, "wait", (True, False)),
        (FAILURE, "wait", (True, False)),
        (RUNNING, "query", (True, False)),
        (SAVED, "download", (True, False)),
        (FAILURE, "download", (False, True)),
        (OK, "download", (False, False)),
    ],
)
def test_terminal_gets_every_result_once(event: Result, command: CommandName, streams: tuple[bool, bool]) -> None:
    """When both streams are the terminal a result is printed once; the live display shows the rest."""
    assert destinations(outcome_of(event), command, PLAIN, is_terminal=True, is_live=True) == streams


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Return True."""
        return True


def run_on_terminals(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[str, str]:
    """Run a command that succeeds, and return what it writes to stdout and stderr."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert main(words) == 0
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("no_color", ["", "1"])
@pytest.mark.parametrize("command", ["wait --poll-interval 0.02", "query"])
def test_no_color_variable_switches_colours_off(monkeypatch: pytest.MonkeyPatch, command: str, no_color: str) -> None:
    """With NO_COLOR a terminal gets no colour, and without it it does."""
    monkeypatch.setenv("NO_COLOR", no_color)
    shown = "".join(run_on_terminals(monkeypatch, *command.split(), f"grok:scenario-normal~colour{no_color}"))
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", shown)) != bool(no_color)


def test_dumb_terminal_gets_lines_without_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor gets one line per change instead of a display."""
    monkeypatch.setenv("TERM", "dumb")
    _, err = run_on_terminals(monkeypatch, "wait", "grok:scenario-normal~dumb", "--poll-interval", "0.02")
    assert "\x1b" not in err
    assert "grok:scenario-normal~dumb: pending\n" in err


def test_live_display_is_on_stderr_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live display is on stderr alone and shows the cursor again; the result stays on stdout."""
    out, err = run_on_terminals(monkeypatch, "wait", "grok:scenario-normal~live", "--poll-interval", "0.02")
    assert "no response yet" in err
    assert "\x1b[?25h" in err
    assert "succeeded" in out
    assert "\x1b[?25" not in out
    assert "no response yet" not in out


def test_error_in_the_log_has_the_meaning_of_its_class() -> None:
    """A warning about an error says what its class means, beside the number of its status."""
    events: list[Event] = []
    handler = EventHandler(events.append, "kkiai doctor")
    error = TaskNotFoundError("HTTP 400: no", status_code=400)
    handler.emit(logging.LogRecord("kkiai_sdk", logging.WARNING, "", 0, "task %s: %s", ("a", error), None))
    assert events == ["warning: task a: task not found error (HTTP 400): no"]


def test_background_events_arrive_once_in_order() -> None:
    """Emitted events arrive once and in order, and the iteration ends with the work."""

    def work(emit: Callable[[int], None]) -> None:
        for number in range(1000):
            emit(number)

    assert [event for event in in_background(work) if event is not None] == list(range(1000))


def test_error_of_background_work_follows_its_events() -> None:
    """An error of the work is raised in the main thread, after the events before it."""

    def work(emit: Callable[[int], None]) -> None:
        emit(7)
        raise LookupError

    events = (event for event in in_background(work) if event is not None)
    assert next(events) == 7
    with pytest.raises(LookupError):
        next(events)


def test_silent_wait_writes_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Piped, a minute in which nothing happens is a line with the state and the time since the start."""
    now = [1000.25]
    monkeypatch.setattr("kkiai_sdk.cli.output.time.monotonic", lambda: now[0])
    output = Output(["t"], "wait", PLAIN)
    for seconds in (59.0, 1.0, 59.0, 1.0):
        now[0] += seconds
        output.take(None)
    assert capsys.readouterr().err.splitlines() == [
        "t: no response yet, 0:01:00 elapsed",
        "t: no response yet, 0:02:00 elapsed",
    ]
