"""Repeated cancellation at every step of a connection."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from kkiai_sdk import AsyncKkiai
from tests.support.canary import KEY
from tests.support.wire import http, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.behaviour.conftest import Serve
    from tests.support.rawserver import RawReply, RawRequest

MOMENTS = 60


def keep(request: RawRequest) -> RawReply:
    """Answer, and keep the connection."""
    return json_reply({"id": request.task_id, "status": "queued"})


def close(_: RawRequest) -> RawReply:
    """Answer, and close the connection: every query opens one."""
    return http(200, b'{"id": "t", "status": "queued"}', ("Connection", "close"))


@pytest.mark.fault("C-02")
@pytest.mark.parametrize("answer", [keep, pytest.param(close, marks=pytest.mark.deep)])
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_queries_cancelled_at_every_turn_leave_a_working_client(
    serve: Serve, answer: Callable[[RawRequest], RawReply], *, is_secure: bool
) -> None:
    """After cancellations at every turn of a query, later queries succeed, and no socket or task is left."""
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    server = serve(each=answer, tls=server_side if is_secure else None)

    async def cancelled(client: AsyncKkiai, turns: int) -> int:
        calls = [asyncio.ensure_future(client.query("t", max_retries=0)) for _ in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        others = [one for one in outcomes if isinstance(one, BaseException) and type(one) is not asyncio.CancelledError]
        assert others == []
        return sum(isinstance(one, asyncio.CancelledError) for one in outcomes)

    async def main() -> None:
        async with AsyncKkiai(KEY, base_url=server.url, httpx_args={"verify": client_side}) as client:
            stopped = [await cancelled(client, turns) for turns in range(MOMENTS)]
            # Over aiohttp a query takes few turns.
            assert sum(stopped) > MOMENTS // 4
            answers = await asyncio.gather(*[client.query("t") for _ in range(20)])
            assert [each.status for each in answers] == ["queued"] * 20
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
