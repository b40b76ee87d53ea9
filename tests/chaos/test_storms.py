"""Cancellation at random moments of real time, thousands of times."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import AsyncKkiai, PollPolicy
from tests.support.canary import KEY
from tests.support.wire import json_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawReply, RawRequest

CALLS: dict[str, Callable[[AsyncKkiai, str], Awaitable[object]]] = {
    "query": lambda client, name: client.query(name),
    "wait": lambda client, name: client.wait(name, timeout=None),
    "wait_many": lambda client, name: client.wait_many([name, f"{name}-b", f"{name}-c"], timeout=None),
}


def echo(request: RawRequest) -> RawReply:
    """Return a pending task with the id that was asked about."""
    return json_reply({"id": request.task_id, "status": "queued"})


@pytest.mark.parametrize("use", CALLS)
@pytest.mark.fault("C-02")
def test_thousand_calls_cancelled_at_random_leave_a_working_client(play: Play, use: str) -> None:
    """Each of 1,000 calls, ten at a time, is cancelled at a random moment; then 20 requests get their responses."""
    server = play(echo)
    moments = random.Random(f"storm of {use}")
    cancelled = 0

    async def stopped(client: AsyncKkiai, number: int) -> None:
        nonlocal cancelled
        call = asyncio.ensure_future(CALLS[use](client, f"t{number}"))
        # Most requests take a millisecond or two.
        await asyncio.sleep(moments.random() * 0.006)
        call.cancel()
        try:
            await call
        except asyncio.CancelledError:
            cancelled += 1

    async def storm(client: AsyncKkiai, start: int) -> None:
        for number in range(start, 1000, 10):
            await stopped(client, number)

    async def main() -> None:
        poll = PollPolicy(min_interval=0.01, max_interval=0.01)
        async with AsyncKkiai(KEY, base_url=server.url, poll=poll) as client:
            await asyncio.gather(*[storm(client, start) for start in range(10)])
            assert cancelled > 100
            answers = await asyncio.gather(*[client.query(f"after-{number}") for number in range(20)])
            assert [each.answered_id for each in answers] == [f"after-{number}" for number in range(20)]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
