"""Events as text: one JSON object, one line with tabs, or what a person likes to read."""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING

from attrs import frozen
from rich.text import Text

from kkiai_sdk import (
    APIError,
    KkiaiError,
    TaskFailedError,
    TaskFailure,
    TaskState,
    TaskTimeoutError,
    VideoTask,
    WaitResult,
)
from kkiai_sdk.cli.codes import Code, code_of, explain
from kkiai_sdk.cli.events import Note, Received, Saved
from kkiai_sdk.cli.text import clock, percent, size, status_of, visible

if TYPE_CHECKING:
    from typing import Any

    from kkiai_sdk.cli.events import Event

#: Facts that an error may hold beside its message, as far as scripts want them.
_FACTS = ("status_code", "code", "request_id", "retry_after", "transient")


@frozen
class Mark:
    """How a line begins."""

    rich: str
    plain: str
    style: str


GOOD, BAD, OPEN = Mark("✓", "+", "bold green"), Mark("✗", "x", "bold red"), Mark("•", "-", "cyan")


@frozen
class Report:
    """Which events are a command's results."""

    #: Snapshots are (query, watch), or the ends of waits are.
    snapshots: bool = False
    #: Files are; the end of a wait is only a step on the way.
    files: bool = False
    #: Whether the time since the start is worth telling.
    timed: bool = True

    def has(self, event: Event) -> bool:
        """Whether this is a result."""
        match event:
            case VideoTask():
                return self.snapshots
            case WaitResult():
                return event.error is not None or not self.files
        return isinstance(event, Saved)


def code(event: Event) -> Code:
    """The exit code that an event alone would lead to."""
    match event:
        case VideoTask(is_failed=True):
            return Code.FAILED
        case WaitResult():
            return code_of(event.error)
    return Code.DONE


def error_json(error: KkiaiError, task_id: str | None = None, task: VideoTask | None = None) -> str:
    """An error as one line of ASCII JSON."""
    facts: dict[str, Any] = {name: getattr(error, name) for name in _FACTS if hasattr(error, name)}
    head = {"task_id": task_id, "error": type(error).__name__, "message": explain(error), "exit_code": code_of(error)}
    return json.dumps(head | facts | {"task": task.to_dict() if task else None}, allow_nan=False)


def as_json(event: Event) -> str | None:
    """A result as one line of ASCII JSON; None for what has no such form."""
    match event:
        case VideoTask():
            return event.to_json()
        case WaitResult(error=None, task=VideoTask() as task):
            return task.to_json()
        case WaitResult(error=KkiaiError() as error):
            return error_json(error, event.task_id, event.task)
        case Saved():
            return json.dumps({"task_id": event.task_id, "path": event.path, "bytes": event.size})
    return None


def as_tabs(event: Event) -> str | None:
    """``ID STATE DETAIL`` with tabs between them, or the path of a file; None for what has no such form."""
    match event:
        case Saved():
            return event.path
        case VideoTask():
            return "\t".join((visible(event.id), str(event.state), detail(event)))
        case WaitResult(error=None, task=VideoTask() as task):
            return as_tabs(task)
        case WaitResult(error=KkiaiError() as error):
            return "\t".join((visible(event.task_id), word(error), reason(error)))
    return None


def amount(received: Received) -> str:
    """What has arrived, and of how much."""
    return size(received.count) if received.total is None else f"{size(received.count)} of {size(received.total)}"


def word(error: KkiaiError) -> str:
    """The STATE of an id that did not come to a video."""
    if isinstance(error, TaskFailedError):
        return str(TaskState.FAILED)
    return "timeout" if isinstance(error, TaskTimeoutError) else "error"


def reason(error: KkiaiError) -> str:
    """Why, in one line; of a failed task the gateway's own reason."""
    match error:
        case TaskFailedError(failure=TaskFailure() as failure):
            return visible(str(failure))
        case TaskTimeoutError():
            seen = f"last seen {status_of(error.task)}" if error.task else "it never answered"
            return f"{seen}; it was not cancelled, wait for it again"
        case APIError(transient=True):
            return visible(f"{explain(error)}; the task may still be running, wait for it again")
    return visible(explain(error))


def detail(task: VideoTask) -> str:
    """The URL, the reason of a failure, or how far it is."""
    if task.is_failed:
        return visible(str(task.failure or "no reason given"))
    if task.is_succeeded:
        return visible(task.video_url or "no URL yet")
    return doing(task)


def doing(task: VideoTask) -> str:
    """The status, and the progress if it is known."""
    return status_of(task) if task.progress is None else f"{status_of(task)} {percent(task.progress)}"


@frozen
class Terminal:
    """What a text for people must fit into."""

    width: int
    #: Whether it may not know characters beyond ASCII.
    plain: bool

    @property
    def gap(self) -> str:
        """What stands for text that was left out."""
        return "..." if self.plain else "…"


def as_text(event: Event, elapsed: float | None, terminal: Terminal) -> Text | None:
    """A result for people: a line, and below it the URL, the path or the reason."""
    match event:
        case Saved():
            head = _head(GOOD, event.task_id, f"saved, {size(event.size)}", elapsed, terminal)
            return head.append(f"\n  {visible(event.path)}")
        case WaitResult(error=None, task=VideoTask() as task):
            return as_text(task, elapsed, terminal)
        case WaitResult(error=KkiaiError() as error):
            return _head(BAD, event.task_id, word(error), elapsed, terminal).append(_wrapped(reason(error), terminal))
        case VideoTask():
            mark = {TaskState.SUCCEEDED: GOOD, TaskState.FAILED: BAD}.get(event.state, OPEN)
            below = _wrapped(detail(event), terminal) if event.is_failed else f"\n  {detail(event)}"
            return _head(mark, event.id, doing(event), elapsed, terminal).append(below if event.is_done else "")
    return None


def _head(mark: Mark, task_id: str, what: str, elapsed: float | None, terminal: Terminal) -> Text:
    text = Text.assemble((mark.plain if terminal.plain else mark.rich, mark.style), " ", (visible(task_id), "bold"))
    return text.append(f"  {what}").append(f"  {clock(elapsed)}" if elapsed is not None else "", "dim")


def as_note(note: Note, terminal: Terminal) -> Text:
    """A note for people."""
    return Text(_wrapped(visible(note.text), terminal).removeprefix("\n  "), "dim")


def _wrapped(text: str, terminal: Terminal) -> str:
    # URLs and paths are left to the terminal, which puts them together again when they are copied; sentences are not.
    lines = wrap(text, max(terminal.width - 3, 20), break_long_words=False, break_on_hyphens=False)
    return "".join(f"\n  {line}" for line in lines)


def as_line(event: Event, elapsed: float) -> str | None:
    """An event as one line of a log for people; None for the many small steps of a download."""
    match event:
        case Note():
            return visible(event.text)
        case Received():
            return f"{visible(event.task_id)}: downloading {amount(event)}" if event.is_first else None
        case Saved():
            return f"{visible(event.task_id)}: saved {visible(event.path)} ({size(event.size)})"
        case VideoTask():
            return f"{visible(event.id)}: {doing(event)}"
        case WaitResult(error=KkiaiError() as error):
            return f"{visible(event.task_id)}: {word(error)} after {clock(elapsed)}: {reason(error)}"
        case WaitResult():
            return f"{visible(event.task_id)}: succeeded after {clock(elapsed)}"
