"""The drivers of flows: results, errors and emitted values, in order; the same in both versions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk import VideoTask
from kkiai_sdk._effects import Emit, Sleep, iterate, iterate_async, run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

TASK = VideoTask(id="grok:1")


def _run(flow: Generator[Any, Any, Any], perform: Callable[[Any], Any]) -> Any:
    return run(flow, perform)


def _run_async(flow: Generator[Any, Any, Any], perform: Callable[[Any], Any]) -> Any:
    async def awaited(effect: Any) -> Any:
        return perform(effect)

    return asyncio.run(run_async(flow, awaited))


def _iterate(flow: Generator[Any, Any, Any], perform: Callable[[Any], Any]) -> list[Any]:
    return list(iterate(flow, perform))


def _iterate_async(flow: Generator[Any, Any, Any], perform: Callable[[Any], Any]) -> list[Any]:
    async def awaited(effect: Any) -> Any:
        return perform(effect)

    async def collect() -> list[Any]:
        return [value async for value in iterate_async(flow, awaited)]

    return asyncio.run(collect())


RUN = pytest.mark.parametrize("run_flow", [_run, _run_async], ids=["sync", "async"])
ITERATE = pytest.mark.parametrize("iterate_flow", [_iterate, _iterate_async], ids=["sync", "async"])


@RUN
def test_run_sends_each_result_and_returns_the_value(run_flow: Callable[..., Any]) -> None:
    """The result of each effect is sent to the flow, and the value of the flow is returned."""

    def flow() -> Generator[Sleep, Any, list[Any]]:
        first = yield Sleep(1.0)
        second = yield Sleep(2.0)
        return [first, second]

    assert run_flow(flow(), lambda effect: effect.until * 10) == [10.0, 20.0]


@RUN
def test_run_throws_an_error_into_the_flow(run_flow: Callable[..., Any]) -> None:
    """The error of an effect is thrown into the flow, which may handle it; the next effect is unaffected."""

    def flow() -> Generator[Sleep, Any, tuple[str, Any]]:
        with pytest.raises(ZeroDivisionError):
            yield Sleep(0.0)
        result = yield Sleep(2.0)
        return "handled", result

    assert run_flow(flow(), lambda effect: 1 / effect.until) == ("handled", 0.5)


@RUN
def test_run_raises_an_unhandled_error(run_flow: Callable[..., Any]) -> None:
    """An error that the flow does not handle is raised."""

    def flow() -> Generator[Sleep, Any, None]:
        yield Sleep(0.0)

    with pytest.raises(ZeroDivisionError):
        run_flow(flow(), lambda effect: 1 / effect.until)


@RUN
def test_run_closes_the_flow_on_an_interrupt(run_flow: Callable[..., Any]) -> None:
    """An interrupt is not thrown into the flow: the flow is closed, and the interrupt raised."""
    closed: list[str] = []

    def flow() -> Generator[Sleep, Any, None]:
        try:
            yield Sleep(0.0)
        except GeneratorExit:
            closed.append("closed")
            raise

    def interrupt(_effect: Sleep) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_flow(flow(), interrupt)
    assert closed == ["closed"]


@ITERATE
def test_iterate_yields_emitted_values_and_performs_the_rest(iterate_flow: Callable[..., Any]) -> None:
    """Emitted values are yielded in order; other effects are performed, and their results sent to the flow."""
    performed: list[Any] = []

    def flow() -> Generator[Any, Any, None]:
        yield Emit(TASK)
        result = yield Sleep(1.0)
        performed.append(result)
        assert (yield Emit(TASK)) is None
        with pytest.raises(ZeroDivisionError):
            yield Sleep(0.0)

    assert iterate_flow(flow(), lambda effect: 1 / effect.until) == [TASK, TASK]
    assert performed == [1.0]


def test_iterate_closes_the_flow_when_closed_early() -> None:
    """A caller that stops early closes the flow."""
    closed: list[str] = []

    def flow() -> Generator[Any, Any, None]:
        try:
            yield Emit(TASK)
            yield Emit(TASK)
        finally:
            closed.append("closed")

    values = iterate(flow(), lambda _: None)
    assert next(values) is TASK
    values.close()  # type: ignore[attr-defined]
    assert closed == ["closed"]
