"""Fake time: waits that end at once, in the order of real time, for threads and asyncio tasks alike."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, assert_type

import pytest

from kkiai_sdk import APITimeoutError, AsyncKkiai, Kkiai, TaskTimeoutError, VideoTask
from kkiai_sdk.testing import Gateway, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

HALF_AN_HOUR: list[Step | str | int] = [{"state": "processing", "seconds": 1800}, "completed"]
#: Tasks that end 100 s after each other.
STAIRS = {f"grok:{n}": [Step(state="processing", seconds=100 * n), Step(state="completed")] for n in range(1, 6)}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway whose task ends after half an hour."""
    with Gateway(tasks={"grok:a": HALF_AN_HOUR, **STAIRS}) as gateway:
        yield gateway


async def first_request(gateway: Gateway) -> None:
    """Wait until a request has arrived."""
    while not gateway.requests:  # noqa: ASYNC110 (it arrives in another thread)
        await asyncio.sleep(0)


def test_wait_lasts_as_long_as_the_task_in_fake_time(gateway: Gateway) -> None:
    """A wait for half an hour follows the schedule of production: some 150 polls, and an end within 15 s."""
    with gateway.client() as client:
        assert_type(client, Kkiai)
        assert client.wait("grok:a", timeout=3600).is_succeeded
    assert 1800 <= gateway.elapsed <= 1815
    assert 100 < len(gateway.requests) < 250


def test_wait_of_asynchronous_client_lasts_as_long(gateway: Gateway) -> None:
    """The asynchronous client polls at the same times."""

    async def wait() -> VideoTask:
        async with gateway.async_client() as client:
            assert_type(client, AsyncKkiai)
            return await client.wait("grok:a", timeout=3600)

    assert asyncio.run(wait()).is_succeeded
    assert 1800 <= gateway.elapsed <= 1815


def test_timeout_of_a_wait_ends_in_fake_time(gateway: Gateway) -> None:
    """A wait is over when its time is up, to the second."""
    with gateway.client() as client, pytest.raises(TaskTimeoutError):
        client.wait("grok:a", timeout=900)
    assert gateway.elapsed == 900


def test_two_runs_poll_at_the_same_times() -> None:
    """The random part of every delay is fixed, so every run has the same polls."""
    counts = set()
    for _ in range(2):
        with Gateway(tasks={"grok:a": HALF_AN_HOUR}) as gateway, gateway.client() as client:
            client.wait("grok:a", timeout=3600)
            counts.add((len(gateway.requests), gateway.elapsed))
    assert len(counts) == 1


def test_waits_of_many_threads_share_the_time(gateway: Gateway) -> None:
    """Threads that wait for different tasks are done when the last task is, and not after the sum of them."""
    with gateway.client() as client, ThreadPoolExecutor(5) as threads:
        assert all(task.is_succeeded for task in threads.map(client.wait, STAIRS))
    assert 500 <= gateway.elapsed <= 600


def test_waits_of_many_asyncio_tasks_share_the_time(gateway: Gateway) -> None:
    """So are asyncio tasks."""

    async def wait() -> list[VideoTask]:
        async with gateway.async_client() as client:
            return await asyncio.gather(*map(client.wait, STAIRS))

    assert all(task.is_succeeded for task in asyncio.run(wait()))
    assert 500 <= gateway.elapsed <= 600


def test_many_tasks_in_one_wait_end_in_their_order(gateway: Gateway) -> None:
    """`as_completed` returns the tasks in the order of their ends."""
    with gateway.client() as client:
        assert [result.task_id for result in client.as_completed(reversed(STAIRS))] == [*STAIRS]


def test_cancelled_sleeper_does_not_stop_the_time(gateway: Gateway) -> None:
    """A wait that is cancelled while it sleeps is forgotten: others go on."""

    async def wait() -> VideoTask:
        async with gateway.async_client() as client:
            cancelled = asyncio.create_task(client.wait("grok:a"))
            await first_request(gateway)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            return await client.wait("grok:5")

    assert asyncio.run(wait()).is_succeeded


def test_sleeper_in_a_blocked_loop_does_not_stop_the_time(gateway: Gateway) -> None:
    """A synchronous wait that blocks the event loop ends, although asyncio tasks sleep and cannot wake."""

    async def wait() -> VideoTask:
        async with gateway.async_client() as client:
            blocked = asyncio.create_task(client.wait("grok:a", timeout=3600))
            await first_request(gateway)
            with gateway.client() as blocking:
                done = blocking.wait("grok:5")
            assert (await blocked).is_succeeded
            return done

    assert asyncio.run(wait()).is_succeeded


def test_advance_lets_the_time_of_tasks_pass(gateway: Gateway) -> None:
    """`advance` ages the tasks without a sleep."""
    with gateway.client() as client:
        assert not client.query("grok:a").is_done
        gateway.advance(1799)
        assert not client.query("grok:a").is_done
        gateway.advance(1)
        assert client.query("grok:a").is_done
    assert gateway.elapsed == 1800


def test_requests_take_real_time(gateway: Gateway) -> None:
    """A gateway that never answers is given up after the real timeout of the request."""
    gateway.script("grok:stalls", "fault-stall")
    with gateway.client(timeout=0.1, max_retries=0) as client, pytest.raises(APITimeoutError):
        client.query("grok:stalls")
    assert gateway.elapsed == 0


def test_clients_have_real_time_after_the_gateway_closed() -> None:
    """Only clients that are made while the gateway runs have its time; closing twice is harmless."""
    with Gateway(tasks={"grok:a": HALF_AN_HOUR}) as outer:
        with Gateway() as inner:
            inner.close()
        with outer.client() as client:
            assert client.wait("grok:a", timeout=3600).is_succeeded
        assert (inner.elapsed, outer.elapsed > 1799) == (0, True)


def test_waits_of_a_fleet_last_as_long(gateway: Gateway) -> None:
    """The waits of a fleet pass in fake time, too, in both clients."""

    async def wait() -> bool:
        async with gateway.async_client() as client, client.fleet() as fleet:
            return (await fleet.wait("grok:b")).is_succeeded

    for task_id in ("grok:a", "grok:b"):
        gateway.script(task_id, [{"state": "processing", "seconds": 1500}, "completed"])
    with gateway.client() as client, client.fleet() as fleet:
        assert fleet.wait("grok:a").is_succeeded
    middle = gateway.elapsed
    assert middle >= 1500
    assert asyncio.run(wait())
    assert gateway.elapsed >= middle + 1500
