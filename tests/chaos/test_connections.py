"""Connections in real time: servers that close early, and cancelled calls."""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import AsyncKkiai
from tests.support.adapter import KINDS, Maker, default_tls
from tests.support.canary import KEY
from tests.support.rawserver import End
from tests.support.wire import json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawReply, RawRequest

#: Seconds after which the server closes a kept connection.
CLOSE_DELAY = 0.02


@pytest.mark.fault("N-09")
@pytest.mark.parametrize("kind", KINDS)
def test_queries_at_the_moment_of_a_server_s_close_do_not_fail(play: Play, kind: str) -> None:
    """150 queries, sent about when the server closes the connection 20 ms after its response: none fails."""

    def answer(_: RawRequest) -> RawReply:
        def pieces() -> Iterator[bytes]:
            yield b'{"id": "t", "status": "queued"}'
            time.sleep(CLOSE_DELAY)

        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n"
        return replace(json_reply({}), head=head, body=pieces(), end=End.FIN)

    make, chance = Maker(kind), random.Random(150)
    try:
        client = make(play(answer).url, max_retries=0)
        for _ in range(150):
            assert client.query("t").status == "queued"
            time.sleep(CLOSE_DELAY + chance.uniform(-0.001, 0.001))
    finally:
        make.close()


@pytest.mark.fault("C-02")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousand_queries_with_short_timeouts_leave_a_working_client(play: Play, seed: int) -> None:
    """A thousand calls, ten at a time, time out at random moments; then twenty are answered at once."""
    chance = random.Random(seed)
    server = play(lambda request: json_reply({"id": request.task_id, "status": "queued"}))

    async def give_up(client: AsyncKkiai, number: int) -> bool:
        try:
            async with asyncio.timeout(chance.uniform(0, 0.01)):
                await client.query(f"t{number}", max_retries=0)
        except TimeoutError:
            return True
        return False

    async def main() -> None:
        async with AsyncKkiai(KEY, base_url=server.url, httpx_args={"verify": default_tls()}) as client:
            given_up = 0
            for start in range(0, 1000, 10):
                given_up += sum(await asyncio.gather(*[give_up(client, start + more) for more in range(10)]))
            assert given_up > 100
            async with asyncio.timeout(20):
                answers = await asyncio.gather(*[client.query(f"a{number}") for number in range(20)])
            assert [each.answered_id for each in answers] == [f"a{number}" for number in range(20)]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_threads_get_their_own_responses_while_the_server_closes_connections(play: Play) -> None:
    """Sixteen threads share one client while the server closes connections: each gets its own responses."""

    def answer(request: RawRequest) -> RawReply:
        reply = json_reply({"id": request.task_id, "status": "queued"})
        return replace(reply, end=End.FIN) if int(request.task_id) % 3 == 0 else reply

    make = Maker("sync")
    try:
        client = make(play(answer).url, max_retries=0)
        with ThreadPoolExecutor(16) as pool:
            ids = [str(number) for number in range(1000)]
            assert [each.answered_id for each in pool.map(client.query, ids)] == ids
    finally:
        make.close()
