"""Effects and the drivers that perform them.

A flow is a generator that yields effects and receives their results. Flows decide the order of steps and do no I/O;
drivers perform one effect at a time and decide nothing. Each driver has a synchronous and an asynchronous version.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from kkiai_sdk.errors import KkiaiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

    from kkiai_sdk.models import VideoTask, WaitResult

E = TypeVar("E")
T = TypeVar("T")


class RequestOptions(NamedTuple):
    """Limits and extra headers of one logical request, retries included."""

    #: Timeout of each attempt, in seconds.
    timeout: float
    max_retries: int
    headers: tuple[tuple[str, str], ...] = ()
    #: Monotonic time after which no attempt starts.
    deadline: float = math.inf
    #: Maximum bytes of the body of a success, compressed and decompressed. The default bounds memory use.
    max_body: int = 1 << 28


class QueryTask(NamedTuple):
    """Query a task. Result: a :class:`QueryResult`; raises the error of the query."""

    task_id: str
    options: RequestOptions


class QueryResult(NamedTuple):
    """A snapshot, and the response's ``Retry-After`` in seconds, or None."""

    task: VideoTask
    retry_after: float | None = None


class Emit(NamedTuple):
    """Pass a value to the caller: a snapshot of one task, or the result of one of many."""

    value: VideoTask | WaitResult


class Update(NamedTuple):
    """Pass a changed snapshot of one of many tasks to ``on_update``."""

    value: VideoTask


class Sleep(NamedTuple):
    """Sleep until this monotonic time."""

    until: float


class StartQuery(NamedTuple):
    """Start a query without waiting for its result; see :class:`CollectResults`."""

    query: QueryTask


class CollectResults(NamedTuple):
    """Wait for started queries, at most until this monotonic time. Result: pairs of id and outcome."""

    until: float


class Idle(NamedTuple):
    """Sleep until this monotonic time, which may be infinity, or until the driver has news. No query was started."""

    until: float


class Deliver(NamedTuple):
    """Pass a changed snapshot, or the result, to one of many waiters."""

    receiver: Any
    value: VideoTask | WaitResult


class RunBlocking(NamedTuple):
    """Run a function that may block on the file system. Result: its return value."""

    function: Callable[[], Any]


class AllowedURL(NamedTuple):
    """A URL that may be fetched."""

    url: str
    #: Whether to send the key: the URL has the gateway's origin.
    with_key: bool


class OpenDownload(NamedTuple):
    """Send a GET request for a file. Result: a RawResponse whose body stays open, or the APIError of the request."""

    target: AllowedURL
    headers: Mapping[str, str]


class WriteBody(NamedTuple):
    """Pass the open body, or ``source``, to ``write`` chunk by chunk. Result: None, or the error that cut it short."""

    write: Callable[[bytes], None]
    #: Called before the first write and after each; may be a coroutine function in the asynchronous client.
    report: Callable[[], object]
    #: The body of a file that is not received, or None.
    source: Iterable[bytes] | None = None
    #: Whether ``write`` may block on the file system; the asynchronous client then calls it in threads, in batches.
    may_block: bool = True


Effect: TypeAlias = (
    QueryTask
    | Sleep
    | Emit
    | Update
    | StartQuery
    | CollectResults
    | Idle
    | Deliver
    | RunBlocking
    | OpenDownload
    | WriteBody
)
Flow: TypeAlias = Generator[Effect, Any, T]
QueryOutcome: TypeAlias = QueryResult | KkiaiError


def _advance(flow: Generator[E, Any, T], result: Any, error: Exception | None) -> E:
    """Send the result of an effect, or throw its error; return the next effect. Raises StopIteration at the end."""
    return flow.send(result) if error is None else flow.throw(error)


def run(flow: Generator[E, Any, T], perform: Callable[[E], Any]) -> T:
    """Perform every effect; return the value that the flow returns, raise the error that it raises."""
    result, error = None, None
    with closing(flow):
        while True:
            try:
                effect = _advance(flow, result, error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                result, error = perform(effect), None
            except Exception as exception:  # handled by the flow
                error = exception


async def run_async(flow: Generator[E, Any, T], perform: Callable[[E], Awaitable[Any]]) -> T:
    """Run a flow whose effects are awaited; see :func:`run`."""
    result, error = None, None
    with closing(flow):
        while True:
            try:
                effect = _advance(flow, result, error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                result, error = await perform(effect), None
            except Exception as exception:  # handled by the flow
                error = exception


def iterate(flow: Generator[E, Any, object], perform: Callable[[E], Any]) -> Iterator[Any]:
    """Run a flow and yield the values that it emits."""
    result, error = None, None
    with closing(flow):
        while True:
            try:
                effect = _advance(flow, result, error)
            except StopIteration:
                return
            result, error = None, None
            if isinstance(effect, Emit):
                yield effect.value
                continue
            try:
                result = perform(effect)
            except Exception as exception:  # handled by the flow
                error = exception


async def iterate_async(flow: Generator[E, Any, object], perform: Callable[[E], Awaitable[Any]]) -> AsyncIterator[Any]:
    """Run a flow whose effects are awaited and yield the values that it emits."""
    result, error = None, None
    with closing(flow):
        while True:
            try:
                effect = _advance(flow, result, error)
            except StopIteration:
                return
            result, error = None, None
            if isinstance(effect, Emit):
                yield effect.value
                continue
            try:
                result = await perform(effect)
            except Exception as exception:  # handled by the flow
                error = exception
