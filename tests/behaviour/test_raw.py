"""The generated client over the SDK's session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

import kkiai_sdk as k
from kkiai_api.models import VideoTask as GeneratedVideoTask
from tests.support.adapter import SyncAdapter, raw_query
from tests.support.canary import KEY
from tests.support.wire import error_reply, http, task

if TYPE_CHECKING:
    from kkiai_api.client import AuthenticatedClient
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime


def test_raw_query_returns_the_generated_model_with_the_key_sent(make: Maker, serve: Serve) -> None:
    """A raw call gives the generated model, with the key sent by the session."""
    server = serve(task("queued", progress=5))
    response = raw_query(make(server.url), "grok:1")
    assert isinstance(response.parsed, GeneratedVideoTask)
    assert (response.status_code, response.parsed.status) == (200, "queued")
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


def test_accept_of_the_caller_replaces_the_generated_one(make: Maker, serve: Serve) -> None:
    """Requests accept the documented media types unless default_headers differ; extra_headers win over both."""
    server = serve(*[task()] * 5)
    client = make(server.url)
    choosy = client.with_options(default_headers={"accept": "text/plain"})
    for each in (client, choosy):
        each.query("t")
        raw_query(each, "t")
    choosy.query("t", extra_headers={"ACCEPT": "*/*"})
    sent = [[value for name, value in each.headers if name.lower() == "accept"] for each in server.requests]
    assert sent == [["application/json"], ["application/json"], ["text/plain"], ["text/plain"], ["*/*"]]


@pytest.mark.parametrize("status", [499, 520, 599])
def test_raw_status_unknown_to_python_is_a_typed_error(make: Maker, serve: Serve, status: int) -> None:
    """A status that Python has no name for is a typed error, not a ValueError."""
    with pytest.raises(k.APIStatusError) as caught:
        raw_query(make(serve(error_reply(status)).url, max_retries=0), "t")
    assert not isinstance(caught.value, ValueError)
    assert caught.value.status_code == status


def test_raw_call_is_retried_and_raises_for_undocumented_statuses(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """Raw calls are retried like queries, and an undocumented status raises instead of giving None."""
    server = serve(http(503), task("queued"), http(418))
    client = make(server.url)
    assert raw_query(client, "t").parsed == GeneratedVideoTask(id="t", status="queued")
    assert clock.sleeps == [0.5]
    with pytest.raises(k.APIStatusError, match="418"):
        raw_query(client, "t")


def test_raw_429_with_html_is_a_typed_error(make: Maker, serve: Serve) -> None:
    """An error page never reaches the generated parser."""
    server = serve(http(429, b"<html>slow down</html>", ("Content-Type", "text/html")))
    with pytest.raises(k.RateLimitError):
        raw_query(make(server.url, max_retries=0), "t")


def test_with_headers_of_a_raw_client_affects_no_other(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """with_headers gives a raw client with the same key and retries; no other client sends its headers."""
    server = serve(http(503), *[task()] * 4)
    client = make(server.url)
    raw = client.raw
    raw_query(client, "t", raw.with_headers({"X-Mine": "1"}).with_headers({"X-Too": "2"}))
    raw_query(client, "t", raw)
    raw_query(client, "t")
    client.query("t")
    assert [each.header("x-mine") for each in server.requests] == ["1", "1", None, None, None]
    assert [each.header("x-too") for each in server.requests] == ["2", "2", None, None, None]
    assert {each.header("authorization") for each in server.requests} == {f"Bearer {KEY}"}
    assert clock.sleeps == [0.5]


def test_raw_client_refuses_changes_without_effect(make: Maker, serve: Serve) -> None:
    """Changes that the session would ignore are refused with an error that names the alternative."""
    raw = make(serve().url).raw
    with pytest.raises(k.ConfigurationError, match="with_options"):
        raw.with_timeout(httpx.Timeout(5))
    with pytest.raises(k.ConfigurationError, match="cookies"):
        raw.with_cookies({"a": "b"})
    with pytest.raises(k.ConfigurationError, match="Authorization"):
        raw.with_headers({"Authorization": "Bearer x"})


async def _enter_and_leave(raw: AuthenticatedClient) -> None:
    async with raw:
        pass


def test_closing_a_raw_client_leaves_its_client_open(make: Maker, serve: Serve) -> None:
    """A raw client in a with statement does not close its client."""
    client = make(serve(task("queued")).url)
    raw = client.raw.with_headers({"X-A": "1"})
    if isinstance(client, SyncAdapter):
        client.run(_enter_and_leave(raw))
    else:
        with raw:
            pass
    assert client.query("t").status == "queued"


def test_token_placeholder_of_the_raw_client_is_never_sent(make: Maker, serve: Serve) -> None:
    """The placeholder that the generated client holds for a key is never sent."""
    server = serve(task())
    client = make(server.url)
    raw_query(client, "t")
    assert client.raw.token not in repr(server.requests)


def test_raw_client_of_a_closed_client_is_closed(make: Maker, serve: Serve) -> None:
    """A raw client of a closed client is closed too."""
    client = make(serve().url)
    raw = client.raw
    client.close()
    with pytest.raises(k.ConfigurationError, match="closed"):
        raw_query(client, "t", raw)
