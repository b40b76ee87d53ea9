"""Work in the background, told in the foreground.

The main thread only ever waits for what the work tells. So Ctrl-C ends a command at once, whatever a request is stuck
in, and only one thread draws. The threads are daemons: nobody waits for them when the program ends.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

#: Seconds after which the foreground gets its turn when nothing happened: spinners and clocks move ten times a second.
TICK = 0.1


@frozen
class _End:
    problem: BaseException | None


def stream(work: Callable[[Callable[[T], None]], object]) -> Iterator[list[T]]:
    """Run ``work(tell)`` in a thread; gives what it tells, in batches, an empty one every :data:`TICK` of silence.

    Raises what the work raises, after everything that it told before.
    """
    queue: SimpleQueue[T | _End] = SimpleQueue()
    _start(lambda: queue.put(_End(_outcome(lambda: work(queue.put)))))
    while True:
        batch = _drained(queue)
        yield [item for item in batch if not isinstance(item, _End)]
        if batch and isinstance(end := batch[-1], _End):
            if end.problem is not None:
                raise end.problem
            return


def spread(items: Iterable[T], work: Callable[[T], object], hands: int) -> None:
    """Do ``work(item)`` for each item in up to ``hands`` threads, as the items come. Raises the first thing raised."""
    jobs: SimpleQueue[T | _End] = SimpleQueue()
    done: SimpleQueue[BaseException | None] = SimpleQueue()

    def toil() -> None:
        while not isinstance(item := jobs.get(), _End):
            done.put(_outcome(lambda item=item: work(item)))  # type: ignore[misc]

    for _ in range(hands):
        _start(toil)
    count = 0
    try:
        for count, item in enumerate(items, 1):  # noqa: B007 (counted here, used below)
            jobs.put(item)
    finally:
        for _ in range(hands):
            jobs.put(_End(None))
    for _ in range(count):
        if (problem := done.get()) is not None:
            raise problem


def _start(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="kkiai-work", daemon=True).start()


def _outcome(work: Callable[[], object]) -> BaseException | None:
    try:
        work()
    except BaseException as problem:  # noqa: BLE001 (it is raised again where the work was asked for)
        return problem
    return None


def _drained(queue: SimpleQueue[T]) -> list[T]:
    batch: list[T] = []
    try:
        batch.append(queue.get(timeout=TICK))
        while True:
            batch.append(queue.get_nowait())
    except Empty:
        return batch


class Ordered(Generic[T]):
    """Passes results on in the order of their numbers, whichever order they come in, as soon as that is possible."""

    def __init__(self, tell: Callable[[T], object]) -> None:
        self._tell, self._next = tell, 0
        self._early: dict[int, T] = {}
        self._lock = threading.Lock()

    def put(self, number: int, result: T) -> None:
        """The result with this number, from 0 on, each once."""
        with self._lock:
            self._early[number] = result
            while self._next in self._early:
                self._tell(self._early.pop(self._next))
                self._next += 1
