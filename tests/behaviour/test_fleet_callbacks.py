"""fleet: functions of the caller that raise, block, cannot be called, or close the fleet that calls them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError, FleetClosedError
from tests.support.canary import KEY
from tests.support.interleaving import steps
from tests.support.waits import PATIENCE, fleet_of, wait_until
from tests.support.wire import HANG, completed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.rawserver import RawReply, RawRequest

pytestmark = pytest.mark.fault("C-15")


def answer(request: RawRequest) -> RawReply:
    """Answer that a task has ended, unless its id says that the answer hangs."""
    return HANG if request.task_id.startswith("hang") else completed()


@pytest.mark.parametrize("error", [SystemExit("mine"), KeyboardInterrupt("mine")])
def test_callback_of_a_future_that_raises_stops_no_other(
    serve: Serve, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """The other futures end all the same; the exception is logged."""

    def fail(_: object) -> None:
        raise error

    server = serve(each=answer)
    with k.Kkiai(KEY, base_url=server.url) as client, client.fleet() as fleet:
        first = fleet.submit("a")
        first.add_done_callback(fail)
        assert first.result(PATIENCE).is_succeeded
        assert fleet.submit("b").result(PATIENCE).is_succeeded
    assert f"a callback of a future raised {type(error).__name__}" in caplog.messages


def test_closing_ends_the_future_that_a_callback_waits_for(serve: Serve) -> None:
    """The callback returns, so that closing does not hang."""
    entered, heard = threading.Event(), list[BaseException | None]()
    with k.Kkiai(KEY, base_url=serve(each=answer).url) as client:
        with client.fleet() as fleet:
            other = fleet.submit("hang")

            def wait_for_other(_: object) -> None:
                entered.set()
                heard.append(other.exception(PATIENCE))

            future = fleet.submit("a", on_update=wait_for_other)
            assert entered.wait(PATIENCE)
        assert isinstance(other.exception(0), FleetClosedError)
        assert future.done()
    assert heard == [other.exception()]


@pytest.mark.parametrize("name", ["submit", "_post"])
def test_future_that_begins_while_another_thread_closes_the_fleet_ends(serve: Serve, name: str) -> None:
    """It raises FleetClosedError, or the call does, at whichever step of the call the fleet is closed."""
    with k.Kkiai(KEY, base_url=serve(each=answer).url) as client:
        for during in steps(getattr(k.Fleet, name)):
            fleet, futures = client.fleet(), list[Future[k.VideoTask]]()

            def submit(fleet: k.Fleet = fleet, futures: list[Future[k.VideoTask]] = futures) -> None:
                with suppress(FleetClosedError):
                    futures.append(fleet.submit("hang"))

            def close(fleet: k.Fleet = fleet) -> None:
                thread = threading.Thread(target=fleet.__exit__, args=(None, None, None))
                thread.start()
                thread.join()

            with fleet:
                during(submit, close)
            assert all(isinstance(future.exception(PATIENCE), FleetClosedError) for future in futures)


@pytest.mark.parametrize("way", ["gate", "on_update", "callbacks"])
def test_sync_fleet_may_be_closed_from_a_function_that_it_calls(serve: Serve, way: str) -> None:
    """The waits end and nothing hangs, also if each of many callbacks closes the fleet."""
    server = serve(each=answer)

    def close(_: object = None) -> None:
        fleet.__exit__(None, None, None)

    with k.Kkiai(KEY, base_url=server.url) as client:
        with client.fleet(gate=close if way == "gate" else None) as fleet:
            futures = [
                fleet.submit(task_id, on_update=close if way == "on_update" else None)
                for task_id in ("a", "hang-1", "hang-2")
            ]
            if way == "callbacks":
                for future in futures:
                    future.add_done_callback(close)
            errors = [future.exception(PATIENCE) for future in futures]
        with pytest.raises(FleetClosedError):
            fleet.submit("b")
    assert [type(error) for error in errors[1:]] == [FleetClosedError] * 2


@pytest.mark.parametrize("way", ["gate", "task of the gate", "on_update"])
def test_async_fleet_may_be_closed_from_a_function_that_it_calls(serve: Serve, way: str) -> None:
    """The waits end and nothing hangs, also if the gate waits for another task that closes the fleet."""
    server = serve(each=answer)

    async def close(_: object = None) -> None:
        leaving = fleets[0].__aexit__(None, None, None)
        await (asyncio.create_task(leaving) if way == "task of the gate" else leaving)

    fleets: list[k.AsyncFleet] = []

    async def main() -> tuple[Any, Any]:
        async with (
            k.AsyncKkiai(KEY, base_url=server.url) as client,
            client.fleet(gate=None if way == "on_update" else close) as fleet,
            asyncio.timeout(PATIENCE),
        ):
            fleets.append(fleet)
            hearing = fleet.wait("a", on_update=close if way == "on_update" else None)
            return await asyncio.gather(hearing, fleet.wait("hang"), return_exceptions=True)

    first, second = asyncio.run(main())
    assert isinstance(second, FleetClosedError)
    assert isinstance(first, k.VideoTask if way == "on_update" else FleetClosedError)


def test_closing_from_another_event_loop_ends_the_waits(serve: Serve) -> None:
    """It does not wait for the end of the fleet, whose event loop may have ended."""
    server = serve(each=answer)

    async def main() -> None:
        async with k.AsyncKkiai(KEY, base_url=server.url) as client, client.fleet() as fleet:
            waiting = asyncio.create_task(fleet.wait("hang"))
            await asyncio.to_thread(lambda: asyncio.run(fleet.__aexit__(None, None, None)))
            with pytest.raises(FleetClosedError):
                await asyncio.wait_for(waiting, PATIENCE)

    asyncio.run(main())


def test_closing_that_is_cancelled_leaves_no_task(serve: Serve) -> None:
    """It waits for the queries in flight to be cancelled, and then raises CancelledError."""
    server = serve(each=answer)

    async def main() -> None:
        async with k.AsyncKkiai(KEY, base_url=server.url) as client:
            fleet = await client.fleet().__aenter__()
            waiting = [asyncio.create_task(fleet.wait(f"hang-{number}")) for number in range(3)]
            await asyncio.to_thread(wait_until, lambda: len(server.requests) == 3)
            leaving = asyncio.create_task(fleet.__aexit__(None, None, None))
            for _ in range(3):
                await asyncio.sleep(0)
                leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert asyncio.all_tasks() - {*waiting} == {asyncio.current_task()}
            ends = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(each) for each in ends] == [FleetClosedError] * 3

    asyncio.run(main())


def test_fleet_can_be_left_after_its_event_loop_has_ended(serve: Serve) -> None:
    """Nothing is left to do."""
    client = k.AsyncKkiai(KEY, base_url=serve().url)
    fleet = client.fleet()
    asyncio.run(fleet.__aenter__())
    asyncio.run(fleet.__aexit__(None, None, None))
    asyncio.run(client.close())


@pytest.mark.parametrize("way", ["gate", "api_key"])
def test_cancelled_error_of_the_caller_ends_the_waits_for_one_task(serve: Serve, way: str) -> None:
    """It is not a cancellation of the fleet: others go on."""
    server, failures = serve(each=answer), [1]

    def fail() -> str:
        if failures and failures.pop():
            raise asyncio.CancelledError
        return KEY

    async def main() -> None:
        async with k.AsyncKkiai(fail if way == "api_key" else KEY, base_url=server.url) as client:
            async with client.fleet(gate=fail if way == "gate" else None) as fleet:
                with pytest.raises(ConfigurationError, match="CancelledError") as caught:
                    await fleet.wait("a")
                assert isinstance(caught.value.__cause__, asyncio.CancelledError)
                assert (await fleet.wait("b")).is_succeeded
            failures.append(way == "api_key")
            results = await client.wait_many(["a", "b"], max_concurrency=1)
            assert [each.is_succeeded for each in results] == [way == "gate", True]

    asyncio.run(main())


def test_exit_in_a_gate_is_a_crash_of_the_fleet(make: Maker, serve: Serve) -> None:
    """SystemExit reaches all waits as the cause of their errors, in either client."""

    def leave() -> None:
        raise SystemExit(5)

    with fleet_of(make(serve().url), gate=leave) as fleet:
        for _ in range(2):
            with pytest.raises(FleetClosedError, match="crashed with SystemExit") as caught:
                fleet.wait("a")
            assert isinstance(caught.value.__cause__, SystemExit)


class AwaitedCall:
    """An object whose call must be awaited."""

    async def __call__(self, *_: object) -> None:
        """Do nothing."""


async def awaited(*_: object) -> None:
    """Do nothing."""


@pytest.mark.parametrize("function", [awaited, AwaitedCall(), AwaitedCall().__call__])
def test_function_that_must_be_awaited_is_refused_by_the_synchronous_client(
    serve: Serve, tmp_path: Path, function: Any
) -> None:
    """It would never run, so that a gate, for instance, would limit nothing."""
    server = serve()
    with k.Kkiai(KEY, base_url=server.url) as client, client.fleet() as fleet:
        with pytest.raises(ConfigurationError, match="gate must be a plain function"):
            client.fleet(gate=function)
        with pytest.raises(ConfigurationError, match="on_update must be a plain function"):
            fleet.wait("t", on_update=function)
        with pytest.raises(ConfigurationError, match="on_update must be a plain function"):
            client.wait("t", on_update=function)
        with pytest.raises(ConfigurationError, match="on_update must be a plain function"):
            client.as_completed(["t"], on_update=function)
        with pytest.raises(ConfigurationError, match="progress must be a plain function"):
            client.download("t", tmp_path / "v.mp4", progress=function)
    assert server.requests == []
