"""Tools that answer in the place of a server: respx in both modes and pytest-httpx."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

import httpx
import pytest
import respx
from attrs import frozen

from tests.support.canary import KEY
from tests.tools.calls import CALLS, QUERY_PATH, RESULTS, perform, replies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_httpx import HTTPXMock

    from tests.support.adapter import Maker
    from tests.tools.calls import Reply

#: Hosts that no resolver knows (RFC 2606): a request that gets past a mock fails.
GATEWAY = "https://gateway.test.invalid"
FILES = "https://files.test.invalid"


@frozen
class Mock:
    """A tool that answers requests."""

    #: Add responses, each for one request.
    prepare: Callable[[list[Reply]], None]
    #: Requests that were answered, in order.
    requests: Callable[[], list[httpx.Request]]


def url_of(reply: Reply) -> str:
    return str(httpx.URL(GATEWAY).join(reply.url))


def respx_mock(router: respx.MockRouter) -> Mock:
    """respx, which fails at its end if a route was never called."""

    def prepare(replies: list[Reply]) -> None:
        for url, group in groupby(replies, url_of):
            fields = [(each.status, {"Content-Type": each.content_type}, each.body) for each in group]
            answers = [httpx.Response(status, headers=headers, content=body) for status, headers, body in fields]
            router.get(url).mock(side_effect=answers)

    return Mock(prepare, lambda: [call.request for call in router.calls])


def pytest_httpx_mock(mock: HTTPXMock) -> Mock:
    """pytest-httpx, which fails at its end if a response was never requested."""

    def prepare(replies: list[Reply]) -> None:
        for each in replies:
            url = re.compile(re.escape(url_of(each)) + r"(\?.*)?")
            headers = {"Content-Type": each.content_type}
            mock.add_response(each.status, headers=headers, content=each.body, url=url, method="GET")

    return Mock(prepare, mock.get_requests)


@pytest.fixture(params=["respx-httpcore", "respx-httpx", "pytest-httpx"])
def mock(request: pytest.FixtureRequest) -> Iterator[Mock]:
    """One of the tools, in place for the duration of one test."""
    if request.param == "pytest-httpx":
        yield pytest_httpx_mock(request.getfixturevalue("httpx_mock"))
        return
    with respx.mock(using=request.param.removeprefix("respx-"), assert_all_called=True) as router:
        yield respx_mock(router)


@pytest.mark.parametrize("call", CALLS)
def test_mocks_answer_every_request_of_a_call(call: str, mock: Mock, make: Maker, tmp_path: Path) -> None:
    """Every request gets the prepared response and none reaches the network. The mock sees each as a server would:
    with the key at the gateway, and without it at the host of the file.
    """
    script = replies(call, FILES)
    mock.prepare(script)
    assert perform(call, make(GATEWAY), tmp_path) == RESULTS[call]
    seen = mock.requests()
    assert [(each.method, str(each.url.copy_with(query=None))) for each in seen] == [
        ("GET", url_of(reply)) for reply in script
    ]
    keys = [f"Bearer {KEY}" if reply.path == QUERY_PATH else None for reply in script]
    assert [each.headers.get("Authorization") for each in seen] == keys
