"""What is known of every task of a command, kept up to date by events. Reads no clock: times come in, in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from kkiai_sdk import VideoTask, WaitResult
from kkiai_sdk.cli.events import Received, Saved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk.cli.events import Event


@define
class Entry:
    """One task."""

    task_id: str
    task: VideoTask | None = None
    #: When ``task`` last told something new.
    changed: float = 0.0
    received: Received | None = None
    #: When the first bytes of this run came, and how many were there by then.
    began: tuple[float, int] | None = None
    ended: bool = False

    @property
    def fraction(self) -> float | None:
        """How much is done, of the download once there is one, else of the task; None when nobody says."""
        if self.received is not None:
            return self.received.count / self.received.total if self.received.total else None
        return self.task.progress if self.task else None

    def speed(self, now: float) -> float | None:
        """Bytes per second of this run, or None when there is too little to go by."""
        if self.received is None or self.began is None or now <= self.began[0]:
            return None
        return (self.received.count - self.began[1]) / (now - self.began[0])


@define
class Board:
    """All tasks of a command."""

    entries: dict[str, Entry]
    started: float
    #: Whether a task is over when its wait has succeeded, and no download follows.
    ends_with_wait: bool = True
    failed: int = 0
    _done: int = field(default=0, init=False)

    @classmethod
    def of(cls, ids: Iterable[str], now: float, *, ends_with_wait: bool = True) -> Board:
        """A board on which nothing has happened yet."""
        return cls({task_id: Entry(task_id) for task_id in ids}, now, ends_with_wait)

    @property
    def done(self) -> int:
        """How many tasks are over, well or not."""
        return self._done

    @property
    def open(self) -> list[Entry]:
        """The tasks that go on; those that are being fetched first, then in the order of the ids."""
        return sorted(
            (entry for entry in self.entries.values() if not entry.ended), key=lambda entry: not entry.received
        )

    def apply(self, event: Event, now: float) -> None:
        """Take note of what happened ``now``."""
        match event:
            case VideoTask():
                entry = self._entry(event.id)
                entry.task, entry.changed = event, now
            case Received():
                entry = self._entry(event.task_id)
                entry.received = event
                # A download that has to start over counts anew: else its speed would be negative.
                if entry.began is None or event.count < entry.began[1]:
                    entry.began = now, event.count
            case Saved():
                self._end(event.task_id)
            case WaitResult():
                self._waited(event, now)

    def _waited(self, result: WaitResult, now: float) -> None:
        entry = self._entry(result.task_id)
        if result.task is not None and entry.task != result.task:
            entry.task, entry.changed = result.task, now
        if result.error is not None:
            self.failed += 1
        if result.error is not None or self.ends_with_wait:
            self._end(result.task_id)

    def _entry(self, task_id: str) -> Entry:
        return self.entries.setdefault(task_id, Entry(task_id))

    def _end(self, task_id: str) -> None:
        entry = self._entry(task_id)
        self._done += not entry.ended
        entry.ended = True
