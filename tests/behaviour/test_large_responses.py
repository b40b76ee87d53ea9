"""Responses of megabytes: read if they are whole and within the limit, else one final error."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from tests.support.wire import http, task

if TYPE_CHECKING:
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

GZIP = ("Content-Encoding", "gzip")
MEBIBYTE = 1 << 20


def body_of(size: int) -> bytes:
    """A task with a picture of so many bytes."""
    picture = f"data:image/png;base64,{'A' * size}"
    return json.dumps(
        {"id": "t", "status": "finished", "preview": picture, "output": ["https://a.example/v.mp4"]}
    ).encode()


@pytest.mark.fault("J-26")
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_response_of_megabytes_is_read(make: Maker, serve: Serve, *, packed: bool) -> None:
    """A response of 31 MiB is read like any other, packed or not."""
    body = body_of(31 * MEBIBYTE)
    reply = http(200, gzip.compress(body, 1), GZIP) if packed else http(200, body)
    task = make(serve(reply).url).query("t")
    assert (task.is_succeeded, task.video_url) == (True, "https://a.example/v.mp4")


@pytest.mark.fault("B-12")
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_response_over_the_limit_is_one_final_error(
    make: Maker, serve: Serve, clock: FakeTime, *, packed: bool
) -> None:
    """A response of 33 MiB is one error that names the limit; it is not requested again, by a wait neither."""
    body = body_of(33 * MEBIBYTE)
    server = serve(http(200, gzip.compress(body, 1), GZIP) if packed else http(200, body))
    with pytest.raises(k.APIResponseError, match="a body of more than 33,554,432 bytes") as caught:
        make(server.url).wait("t")
    assert (caught.value.transient, len(server.requests), clock.sleeps) == (False, 1, [])


@pytest.mark.fault("B-12")
@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_response_over_the_limit_ends_a_wait_for_a_task_that_was_seen(
    make: Maker, serve: Serve, clock: FakeTime, *, many: bool
) -> None:
    """After a good response, too, a body of 33 MiB is read once and then the error: it is no refusal to wait out."""
    server = serve(task(), http(200, body_of(33 * MEBIBYTE)))
    client = make(server.url)
    if many:
        (result,) = client.wait_many(["t"])
        error: object = result.error
    else:
        with pytest.raises(k.APIResponseError) as caught:
            client.wait("t")
        error = caught.value
    assert isinstance(error, k.APIResponseError)
    assert (error.is_too_large, error.transient, len(server.requests)) == (True, False, 2)
    assert "a body of more than 33,554,432 bytes" in str(error)
