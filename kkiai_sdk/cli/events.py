"""What happens while a command runs, as values: the work tells, the screen shows, the report is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import frozen

from kkiai_sdk import KkiaiError, TaskError, VideoTask, WaitResult


@frozen
class Received:
    """Some of a video has arrived."""

    task_id: str
    #: Bytes on disk.
    count: int
    #: Bytes of the whole file, or None when the server does not say.
    total: int | None
    #: Whether this is the first news of its download.
    is_first: bool = False


@frozen
class Saved:
    """A video is on disk, whole."""

    task_id: str
    path: str
    #: Bytes.
    size: int


@frozen
class Note:
    """A line for people that is about no task's result, such as a line of the log."""

    text: str


#: A VideoTask is a snapshot; a WaitResult is the end of the work on one id, or what prevented it.
Event: TypeAlias = VideoTask | WaitResult | Received | Saved | Note
Tell: TypeAlias = Callable[[Event], object]


def failure(task_id: str, error: KkiaiError) -> WaitResult:
    """The end that an error is for one id."""
    return WaitResult(task_id, error.task if isinstance(error, TaskError) else None, error)
