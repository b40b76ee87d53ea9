"""What a flow asks its driver to do. A flow is a generator that yields these and is sent the outcome.

Flows hold the order of things and no I/O; drivers perform one effect at a time and hold no judgement. There are two
drivers, with and without ``await``, and one of everything else.

Here are those that every client has a use for; those of downloads and of fleets stand beside them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import frozen

from kkiai_sdk.errors import KkiaiError

if TYPE_CHECKING:
    from kkiai_sdk._effects_files import Copy, Local, Open
    from kkiai_sdk._effects_fleet import Gather, Launch
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
class Sleep:
    """Do nothing until this time."""

    until: float


Effect: TypeAlias = "Fetch | Sleep | Emit | Launch | Gather | Local | Open | Copy"
Flow: TypeAlias = Generator["Effect", Any, T]
Outcome: TypeAlias = Reply | KkiaiError
