"""What a flow asks its driver to do. A flow is a generator that yields these and is sent the outcome.

Flows hold the order of things and no I/O; drivers perform one effect at a time and hold no judgement. There are two
drivers, with and without ``await``, and one of everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import frozen

from kkiai_sdk._waiting import Sleep
from kkiai_sdk.errors import KkiaiError

if TYPE_CHECKING:
    from kkiai_sdk._vetting import Source
    from kkiai_sdk.models import VideoTask, WaitResult

T = TypeVar("T")


@frozen
class Call:
    """How one query is to be made."""

    #: Seconds for each try.
    timeout: float
    max_retries: int
    headers: tuple[tuple[str, str], ...] = ()
    #: Monotonic time after which nothing is tried again.
    deadline: float = float("inf")


@frozen
class Fetch:
    """Query a task. Outcome: a :class:`Reply`; raises what the query raises."""

    task_id: str
    call: Call


@frozen
class Reply:
    """A task, and for how many seconds the server asks to be left alone."""

    task: VideoTask
    hint: float | None = None


@frozen
class Emit:
    """Hand something to the caller: a snapshot of one task, or the end of one of many."""

    value: VideoTask | WaitResult


@frozen
class Launch:
    """Start a Fetch and go on at once."""

    fetch: Fetch


@frozen
class Gather:
    """Wait for launched fetches, at most until this time. Outcome: a list of pairs, id and Reply or error."""

    until: float


@frozen
class Local:
    """Do something with the file system that may take a while."""

    do: Callable[[], Any]


@frozen
class Open:
    """Send a GET for a file. Outcome: its Head, or an APIError when there was no answer. The body stays open."""

    source: Source
    headers: dict[str, str]


@frozen
class Copy:
    """Write the open body to ``write`` as it comes. Outcome: None when it ended well, else the APIError that cut it."""

    write: Callable[[bytes], None]
    #: Called before the first write, and after each.
    tell: Callable[[], object]


Effect: TypeAlias = Fetch | Sleep | Emit | Launch | Gather | Local | Open | Copy
Flow: TypeAlias = Generator[Effect, Any, T]
Outcome: TypeAlias = Reply | KkiaiError
