"""Servers that send a little at a time without end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import APITimeoutError
from tests.support.adapter import KINDS, Maker
from tests.support.rawserver import End, RawReply
from tests.support.wire import task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawRequest

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def drip(piece: bytes, start: bytes = b"") -> Iterator[bytes]:
    """Send one piece every 50 ms, for thirty seconds."""
    yield start
    for _ in range(600):
        time.sleep(0.05)
        yield piece


WAYS = {
    "a head, byte by byte": lambda: drip(b"x", HEAD + b"x-long: "),
    "fields without end": lambda: drip(b"x-one: more\r\n", HEAD),
    "early hints": lambda: drip(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a body, byte by byte": lambda: drip(b" ", HEAD + b"content-length: 100000\r\n\r\n"),
    "chunks without end": lambda: drip(b"1\r\n \r\n", HEAD + b"transfer-encoding: chunked\r\n\r\n"),
    "a body until the end of the connection": lambda: drip(b" ", HEAD + b"\r\n"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.fault("N-10", "N-11", "B-06")
def test_endless_slow_response_is_a_timeout_and_the_next_request_succeeds(play: Play, kind: str, way: str) -> None:
    """A response that never ends is a timeout, and the next request has a connection that works."""

    def answer(request: RawRequest) -> RawReply:
        return RawReply(b"", WAYS[way](), End.FIN) if request.task_id == "slow" else task("queued")

    server = play(answer)
    make = Maker(kind)
    client = make(server.url, timeout=0.6, max_retries=0)
    # The response takes thirty seconds: either the client ends it, or the test fails.
    started = time.monotonic()
    with pytest.raises(APITimeoutError):
        client.query("slow")
    assert time.monotonic() - started < 15
    assert client.with_options(timeout=20).query("after").status == "queued"
    make.close()
