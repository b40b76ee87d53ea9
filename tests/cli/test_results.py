"""The output formats of results."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from kkiai_sdk import (
    APIConnectionError,
    APIError,
    APIStatusError,
    ConfigurationError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TaskFailedError,
    TaskFailure,
    TaskNotFoundError,
    TaskState,
    TaskTimeoutError,
    UnsafeURLError,
    VideoTask,
    WaitResult,
)
from kkiai_sdk.cli.results import Saved, clock, error_message, outcome_of, status_of, visible
from tests.cli.conftest import HOSTILE

ID = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
RUNNING = VideoTask(id=ID, status="processing", state=TaskState.RUNNING, progress=0.43)
DONE = VideoTask(id=ID, status="completed", state=TaskState.SUCCEEDED, video_url="https://cdn.example/v.mp4?sig=1")
FAILED = VideoTask(id=ID, status="failed", state=TaskState.FAILED, failure=TaskFailure("no worker was free"))
FAILURE = WaitResult(ID, FAILED, TaskFailedError("task failed", task_id=ID, task=FAILED))
TIMEOUT = WaitResult(ID, RUNNING, TaskTimeoutError("too late", task_id=ID, task=RUNNING))
TRANSIENT = WaitResult(ID, None, APIConnectionError("connection reset", transient=True))


def printed(event: VideoTask | WaitResult | Saved, encoding: str = "utf-8") -> list[str]:
    """Return the lines of an event on a terminal of 80 columns, 83 seconds after the start."""
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    console = Console(file=file, width=80, force_terminal=True, no_color=True, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(outcome_of(event).as_text(83.0, console), crop=False)
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()]


def test_option_named_by_an_error_is_that_of_the_command_line() -> None:
    """An error that names an option of the clients names that of the command line instead."""
    error = UnsafeURLError("http://minio.lan/v.mp4: a local name; pass allow_file_hosts=['minio.lan'] to allow it")
    assert error_message(error) == "http://minio.lan/v.mp4: a local name; pass --allow-file-host minio.lan to allow it"


@pytest.mark.parametrize(
    ("event", "tabs", "line"),
    [
        (RUNNING, f"{ID}\trunning\tprocessing 43%", f"{ID}: processing 43% after 0:01:23"),
        (DONE, f"{ID}\tsucceeded\t{DONE.video_url}", f"{ID}: succeeded after 0:01:23"),
        (FAILURE, f"{ID}\tfailed\tno worker was free", f"{ID}: failed after 0:01:23: no worker was free"),
        (Saved(ID, "v/cow.mp4", 145_486), "v/cow.mp4", f"{ID}: saved 145.5 kB after 0:01:23: v/cow.mp4"),
        (
            TIMEOUT,
            f"{ID}\ttimeout\tlast status: processing 43%; the task was not cancelled: wait for it again",
            f"{ID}: timeout after 0:01:23: last status: processing 43%; the task was not cancelled: wait for it again",
        ),
        (
            TRANSIENT,
            f"{ID}\terror\tconnection reset; the task may still be running: wait for it again",
            f"{ID}: error after 0:01:23: connection reset; the task may still be running: wait for it again",
        ),
    ],
)
def test_event_is_one_row_and_one_line(event: VideoTask | WaitResult | Saved, tabs: str, line: str) -> None:
    """A result is one row for programs and one line of a log for people."""
    assert outcome_of(event).as_tabs() == tabs
    assert outcome_of(event).as_line(83.0) == line


def test_text_of_ended_task_has_detail_below() -> None:
    """On a terminal the URL, the path or the reason is below the line of the task."""
    head = f"{ID}  {{}}  0:01:23"
    assert printed(RUNNING) == [f"• {head.format('processing 43%')}"]
    assert printed(DONE) == [f"✓ {head.format('succeeded')}", f"  {DONE.video_url}"]
    assert printed(FAILURE) == [f"✗ {head.format('failed')}", "  no worker was free"]
    assert printed(Saved(ID, "v/cow.mp4", 5)) == [f"✓ {head.format('saved 5 bytes')}", "  v/cow.mp4"]


def test_long_reason_wraps_and_url_does_not() -> None:
    """A long reason is broken between words; a URL stays in one piece, so that it can be copied."""
    failed = VideoTask(id=ID, state=TaskState.FAILED, failure=TaskFailure("word " * 40))
    done = VideoTask(id=ID, state=TaskState.SUCCEEDED, video_url="https://cdn.example/" + "x" * 200)
    assert max(map(len, printed(failed))) <= 80
    assert all(line.startswith("  word") for line in printed(failed)[1:])
    assert printed(done)[1] == f"  {done.video_url}"


def test_text_for_ascii_terminal_is_ascii() -> None:
    """Symbols are replaced where the terminal may lack them."""
    assert "".join(printed(DONE, "ascii") + printed(FAILURE, "ascii") + printed(RUNNING, "ascii")).isascii()


@pytest.mark.parametrize(
    "event",
    [
        VideoTask(id=ID, status=HOSTILE),
        VideoTask(id=HOSTILE, status="completed", state=TaskState.SUCCEEDED, video_url=f"https://x/{HOSTILE}"),
        VideoTask(id=ID, status="failed", state=TaskState.FAILED, failure=TaskFailure(HOSTILE, HOSTILE)),
        WaitResult(HOSTILE, None, TaskFailedError(HOSTILE, task_id=HOSTILE)),
    ],
    ids=["status", "URL", "failure", "error"],
)
@pytest.mark.fault("S-10", "S-11", "S-12")
def test_hostile_text_is_shown_as_escapes(event: VideoTask | WaitResult) -> None:
    """Text from a server is printed without control characters, marks of direction or markup taking effect."""
    outcome = outcome_of(event)
    shown = [outcome.as_line(0.0), *outcome.as_tabs().split("\t"), *printed(event)]
    assert all(visible(part) == part for part in shown)
    assert any("\\x1b" in part for part in shown)


@pytest.mark.fault("S-12")
def test_text_like_markup_is_printed_unchanged() -> None:
    """Text that looks like the markup of rich is not interpreted."""
    task = VideoTask(id="a:[bold]x[/oops]", status="[red]y[/]", state=TaskState.RUNNING)
    assert printed(task) == ["• a:[bold]x[/oops]  [red]y[/]  0:01:23"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Kuh mit Flügeln 牛", "Kuh mit Flügeln 牛"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b\u202e\u200b\u2028\ud800\U000e0041", "\\x9b\\u202e\\u200b\\u2028\\ud800\\U000e0041"),
    ],
)
@pytest.mark.fault("S-10", "S-11")
def test_only_characters_that_terminals_obey_are_escaped(text: str, shown: str) -> None:
    """Exactly the characters that a terminal might interpret or hide are escaped."""
    assert visible(text) == shown


@pytest.mark.parametrize(("seconds", "text"), [(7.9, "0:00:07"), (754, "0:12:34"), (3723, "1:02:03")])
def test_elapsed_seconds_are_shown_as_clock(seconds: float, text: str) -> None:
    """Durations are hours, minutes and whole seconds."""
    assert clock(seconds) == text


@pytest.mark.parametrize(("fraction", "text"), [(0, "0%"), (0.29, "29%"), (0.999, "99%"), (1, "100%")])
def test_progress_is_rounded_down_to_percent(fraction: float, text: str) -> None:
    """Only a complete task is at 100%."""
    assert (
        status_of(VideoTask(id=ID, status="running", progress=fraction, state=TaskState.RUNNING)) == f"running {text}"
    )


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("dest: the folder '/a' does not exist", "-o: the folder '/a' does not exist"),
        (
            "base_url must be https://: the key is readable (see allow_http)",
            "--base-url must be https://: the key is readable",
        ),
        ("base_url is not a valid URL", "--base-url is not a valid URL"),
        ("allow_file_hosts[12] must be a host name", "--allow-file-host must be a host name"),
        ("character 2 of api_key is not allowed", "character 2 of the key is not allowed"),
        ("the file is larger than max_bytes", "the file is larger than --max-bytes"),
        ("timeout must be a number", "--timeout must be a number"),
        ("max_requests_per_second must be a number", "--rate must be a number"),
        ("speed must be a number above 0", "--speed must be a number above 0"),
        ("name is required: choose one", "--name is required: choose one"),
        ("--timeout must be a duration", "--timeout must be a duration"),
    ],
)
def test_message_has_the_names_of_the_command_line(message: str, said: str) -> None:
    """Options in a message have their names of the command line, not those of Python."""
    assert error_message(ConfigurationError(message)) == said


def test_names_of_python_in_the_text_of_a_server_stay() -> None:
    """The message of a gateway is shown as it is, after the meaning of its status."""
    text = "timeout must be set; base_url and api_key are wrong (see allow_http)"
    assert error_message(APIStatusError(f"HTTP 400: {text}", status_code=400)) == f"bad request (HTTP 400): {text}"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (TaskNotFoundError, 400, "task not found (HTTP 400): no"),
        (QuotaExceededError, 429, "quota exceeded (HTTP 429): no"),
        (RateLimitError, 429, "rate limit (HTTP 429): no"),
        (ServerError, 524, "server error (HTTP 524): no"),
        (APIStatusError, 410, "gone (HTTP 410): no"),
    ],
)
def test_message_says_what_the_status_of_an_error_means(error: type[APIStatusError], status: int, said: str) -> None:
    """Beside the number of a status stands its meaning: that of the error's class, or else that of the status."""
    assert error_message(error(f"HTTP {status}: no", status_code=status)) == said


def test_query_that_failed_is_no_wait() -> None:
    """The reason of a query that failed says nothing of waiting again."""
    assert outcome_of(TRANSIENT, is_wait=False).detail == "connection reset"


#: The advice after the reason of a timeout.
AGAIN = "; the task was not cancelled: wait for it again"


@pytest.mark.parametrize(
    ("task", "last_error", "said"),
    [
        (None, TaskNotFoundError("no", status_code=404), "the gateway does not know this task (yet); check the id"),
        (None, APIConnectionError("connection reset"), f"connection reset{AGAIN}"),
        (RUNNING, APIConnectionError("connection reset"), f"last status: processing 43%, connection reset{AGAIN}"),
        (None, None, f"no response{AGAIN}"),
        (None, RateLimitError("HTTP 429: no", status_code=429), f"rate limit (HTTP 429): no{AGAIN}"),
    ],
)
def test_timeout_names_the_last_reason(task: VideoTask | None, last_error: APIError | None, said: str) -> None:
    """The reason of a timeout is the last status, the last error, or both."""
    error = TaskTimeoutError(f"too late ({last_error})", task_id=ID, task=task, last_error=last_error)
    assert outcome_of(WaitResult(ID, task, error)).detail == said


def test_timeout_names_no_error_from_which_the_wait_recovered() -> None:
    """An error that the message of the timeout does not name was followed by an answer, and is not named."""
    error = TaskTimeoutError("too late", task_id=ID, task=RUNNING, last_error=APIConnectionError("connection reset"))
    said = f"last status: processing 43%{AGAIN}"
    assert outcome_of(WaitResult(ID, RUNNING, error)).detail == said
