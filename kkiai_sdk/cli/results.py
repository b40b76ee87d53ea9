"""Events of a command, and their output formats: JSON, tab-separated fields, log lines, text for a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeAlias

from attrs import frozen
from rich.console import Console, Group
from rich.filesize import decimal
from rich.padding import Padding
from rich.text import Text

import kkiai_sdk as sdk
from kkiai_sdk import KkiaiError, TaskState, VideoTask, WaitResult
from kkiai_sdk.cli.exit_codes import ExitCode, exit_code_of

#: Unicode categories that control a terminal or hide text: controls, formats (bidi marks, zero widths), surrogates,
#: private use, line and paragraph separators.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
#: Characters shown of a gateway's status; the longest known one, ``video_generation_completed``, has 26.
MAX_STATUS = 30
#: Attributes of an error that its JSON object includes.
ERROR_FIELDS = ("status_code", "code", "request_id", "retry_after", "transient")
#: Patterns for parts of messages that are about Python, and their replacements on the command line.
OPTION_NAMES = {
    r"allow_file_hosts=\['(.*?)'\]": r"--allow-file-host \1",
    r"(?<![\w-])max_bytes\b": "--max-bytes",
}
#: The same in messages about the configuration, which hold no text of a server.
CONFIGURATION_NAMES = {
    r"^dest\b": "-o",
    r"^base_url\b": "--base-url",
    r"^timeout\b": "--timeout",
    r"^allow_file_hosts\[\d+\]": "--allow-file-host",
    r"^max_requests_per_second\b": "--rate",
    r"^(name is|speed)\b": r"--\1",
    r" \(see allow_http\)": "",
    r"pass api_key=… or set (.*)": r"set \1, or pass a file with --api-key-file",
    r"\bapi_key\b": "the key",
}
#: The standard phrases of HTTP, by status.
PHRASES = {str(each.value): each.phrase.lower() for each in HTTPStatus}
#: Symbol, its ASCII replacement and its style, for the states that end a task.
GOOD, BAD, OPEN = ("✓", "+", "bold green"), ("✗", "x", "bold red"), ("•", "-", "cyan")
SYMBOLS = {"succeeded": GOOD, "saved": GOOD, "failed": BAD, "timeout": BAD, "error": BAD}


@frozen
class Received:
    """Progress of a download: bytes on disk, and bytes of the whole file or None."""

    task_id: str
    count: int
    total: int | None


@frozen
class Saved:
    """A complete video on disk."""

    task_id: str
    path: str
    #: Bytes.
    size: int
    #: Whether it was there before.
    is_kept: bool = False


#: A VideoTask is a change of a task, a WaitResult the end of a query or wait, a str a line of the log.
Event: TypeAlias = VideoTask | WaitResult | Received | Saved | str
Emit: TypeAlias = Callable[[Event], object]


@frozen
class Outcome:
    """The report about a task."""

    task_id: str
    #: A TaskState, or timeout, error or saved.
    state: str
    #: The state with details that fit on its line.
    title: str
    #: URL, path or reason; of an unfinished task its status.
    detail: str
    exit_code: ExitCode
    #: The JSON object.
    data: dict[str, Any]

    @property
    def is_failed(self) -> bool:
        """Whether the command fails because of it."""
        return self.exit_code is not ExitCode.SUCCESS

    def as_tabs(self) -> str:
        """Return ``ID STATE DETAIL`` separated by tabs, or the path of a saved file."""
        return self.detail if self.state == "saved" else f"{visible(self.task_id)}\t{self.state}\t{self.detail}"

    def as_line(self, elapsed: float) -> str:
        """Return a line of a log."""
        detail = f": {visible(self.detail)}" if self.is_failed or self.state == "saved" else ""
        return f"{visible(self.task_id)}: {self.title} after {clock(elapsed)}{detail}"

    def as_text(self, elapsed: float, console: Console) -> Group:
        """Return text for a terminal: a line, and below it the URL, the path or the reason."""
        symbol, ascii_symbol, style = SYMBOLS.get(self.state, OPEN)
        # Ids, URLs and paths are not wrapped, so that they are copied in one piece.
        line = Text(no_wrap=True, overflow="ignore")
        line.append(ascii_symbol if console.options.ascii_only else symbol, style).append(
            f" {visible(self.task_id)}", "bold"
        )
        line.append(f"  {self.title}").append(f"  {clock(elapsed)}", "dim")
        if self.is_failed:
            return Group(line, Padding.indent(Text(self.detail), 2))
        return Group(line.append(f"\n  {visible(self.detail)}" if self.state in SYMBOLS else ""))


def failure(task_id: str, error: KkiaiError) -> WaitResult:
    """Return the result of a task for which an SDK error was raised."""
    return WaitResult(task_id, error.task if isinstance(error, sdk.TaskError) else None, error)


def outcome_of(event: VideoTask | WaitResult | Saved, *, is_wait: bool = True) -> Outcome:
    """Return the report about an event; ``is_wait`` if the command waits, and can be run again to continue."""
    match event:
        case Saved(task_id=task_id, path=path, size=size):
            data = {"task_id": task_id, "path": path, "bytes": size}
            title = f"{'kept' if event.is_kept else 'saved'} {decimal(size)}"
            return Outcome(task_id, "saved", title, path, ExitCode.SUCCESS, data)
        case WaitResult(task_id=task_id, error=KkiaiError() as error):
            state, reason = _state_and_reason(error, is_wait=is_wait)
            return Outcome(task_id, state, state, reason, exit_code_of(error), error_data(error, task_id, event.task))
        case WaitResult(task=VideoTask() as task) | (VideoTask() as task):
            title, detail = (str(task.state) if task.is_done else status_of(task)), status_of(task)
            if task.is_done:
                detail = str(task.failure or "no reason given") if task.is_failed else _shown_url(task.video_url)
            code = ExitCode.TASK_FAILED if task.is_failed else ExitCode.SUCCESS
            return Outcome(task.id, str(task.state), title, visible(detail), code, task.to_dict())
    raise TypeError(event)


def _shown_url(url: str | None) -> str:
    """Return a URL for people; the body of a data URL is a whole file."""
    head, comma, _ = url.partition(",") if url and url[:5].lower() == "data:" else (url or "no URL yet", "", "")
    return head + (comma and ",…")


def error_data(error: KkiaiError, task_id: str | None = None, task: VideoTask | None = None) -> dict[str, Any]:
    """Return the JSON object of an error."""
    head = {"task_id": task_id, "error": type(error).__name__, "message": error_message(error)}
    known = {name: getattr(error, name) for name in ERROR_FIELDS if hasattr(error, name)}
    return {**head, "exit_code": exit_code_of(error), **known, "task": task.to_dict() if task else None}


def error_message(error: KkiaiError) -> str:
    """Return the message of an error, in terms of the command line."""
    if isinstance(error, sdk.TargetExistsError) and error.path:
        return f"{error.path} exists; --overwrite replaces it, --skip-existing keeps it"
    text, names = error.message, OPTION_NAMES
    if isinstance(error, sdk.APIStatusError) and type(error) is not sdk.APIStatusError:
        # The class says more than the status: a 400 may be an unknown task, a 429 an exhausted quota.
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
        if words.count(" ") > 1:
            words = words.removesuffix(" error")
        text = text.replace(f"HTTP {error.status_code}", f"{words} (HTTP {error.status_code})", 1)
    text = with_meanings(text)
    if isinstance(error, sdk.ConfigurationError):
        names = names | CONFIGURATION_NAMES
    for pattern, name in names.items():
        text = re.sub(pattern, name, text)
    return text


def _state_and_reason(error: KkiaiError, *, is_wait: bool) -> tuple[str, str]:
    state, reason = "error", error_message(error)
    match error:
        case sdk.TaskFailedError():
            state, reason = str(TaskState.FAILED), str(error.failure or reason)
        case sdk.TaskTimeoutError():
            state, reason = "timeout", _timeout_reason(error)
        case sdk.APIError(transient=True) if is_wait:
            reason += "; the task may still be running: wait for it again"
    return state, visible(reason)


def _timeout_reason(error: sdk.TaskTimeoutError) -> str:
    """Return the last known status of a task, and the reason why no newer one is known."""
    task, last_error = error.task, error.last_error
    if task is None and isinstance(last_error, sdk.TaskNotFoundError):
        return "the gateway does not know this task (yet); check the id"
    # With a snapshot, the message names the error only if no poll has succeeded since.
    is_last = last_error is not None and (task is None or str(last_error) in error.message)
    reason = [error_message(last_error)] if last_error is not None and is_last else []
    known = [f"last status: {status_of(task)}"] if task is not None else []
    return f"{', '.join(known + reason) or 'no response'}; the task was not cancelled: wait for it again"


def with_meanings(text: str) -> str:
    """Return a message with the standard phrase of each HTTP error status, as in ``bad gateway (HTTP 502)``."""
    return re.sub(
        r"\b(?<!\()HTTP ([45]\d\d)\b", lambda found: f"{PHRASES.get(found[1], 'gateway error')} ({found[0]})", text
    )


def status_of(task: VideoTask) -> str:
    """Return the gateway's status and the progress of a task; the state of an ended one, or without a status."""
    status = "" if task.is_done else visible((task.status or "").strip())[:MAX_STATUS]
    if status and task.state is TaskState.UNKNOWN:
        status += " (unknown status)"
    # Rounded down: 100% means complete. The addition undoes 0.29 * 100 == 28.999….
    progress = "" if task.progress is None else f" {int(task.progress * 100 + 1e-9)}%"
    return (status or str(task.state)) + progress


def visible(text: str) -> str:
    """Return ``text`` on one line, with characters escaped that a terminal might interpret or hide."""
    if text.isascii() and text.isprintable():
        return text
    is_hidden = {char: unicodedata.category(char) in UNPRINTABLE for char in text}
    return "".join(char.encode("unicode_escape").decode() if is_hidden[char] else char for char in text)


def clock(seconds: float) -> str:
    """Return a duration as ``0:01:23``."""
    return str(timedelta(seconds=int(seconds)))
