"""The two drivers of flows: they perform one effect after another and know nothing about any of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kkiai_sdk._effects import Emit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator

E = TypeVar("E")
T = TypeVar("T")


class _Steps(Generic[E, T]):
    """A flow, one effect at a time; ``outcome`` or ``error`` is set between two."""

    def __init__(self, flow: Generator[E, Any, T]) -> None:
        self._flow = flow
        self.outcome: Any = None
        self.error: Exception | None = None
        self.result: T

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        outcome, self.outcome = self.outcome, None
        error, self.error = self.error, None
        try:
            return self._flow.send(outcome) if error is None else self._flow.throw(error)
        except StopIteration as stop:
            self.result = stop.value
            raise


def run(flow: Generator[E, Any, T], perform: Callable[[E], Any]) -> T:
    """Perform every effect; returns what the flow returns and raises what it raises."""
    steps = _Steps(flow)
    with closing(flow):
        for step in steps:
            try:
                steps.outcome = perform(step)
            except Exception as error:  # the flow decides what an error means
                steps.error = error
    return steps.result


async def run_async(flow: Generator[E, Any, T], perform: Callable[[E], Awaitable[Any]]) -> T:
    """:func:`run` with awaited effects."""
    steps = _Steps(flow)
    with closing(flow):
        for step in steps:
            try:
                steps.outcome = await perform(step)
            except Exception as error:  # the flow decides what an error means
                steps.error = error
    return steps.result


def iterate(flow: Generator[E, Any, T], perform: Callable[[E], Any]) -> Generator[Any, None, T]:
    """:func:`run` that yields what the flow emits."""
    steps = _Steps(flow)
    with closing(flow):
        for step in steps:
            if isinstance(step, Emit):
                yield step.value
                continue
            try:
                steps.outcome = perform(step)
            except Exception as error:
                steps.error = error
    return steps.result


class AsyncIteration(Generic[E, T]):
    """:func:`iterate` with awaited effects. An asynchronous generator cannot return: ``result`` stands here instead."""

    def __init__(self, flow: Generator[E, Any, T], perform: Callable[[E], Awaitable[Any]]) -> None:
        self._flow, self._perform = flow, perform
        self.result: T

    async def __aiter__(self) -> AsyncIterator[Any]:
        steps = _Steps(self._flow)
        with closing(self._flow):
            for step in steps:
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    steps.outcome = await self._perform(step)
                except Exception as error:
                    steps.error = error
        self.result = steps.result
