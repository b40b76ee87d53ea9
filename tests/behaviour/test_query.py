"""query: the request and its result."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk import ConfigurationError, TaskState, __version__
from tests.support.canary import KEY
from tests.support.rawserver import RawReply
from tests.support.wire import http, json_reply, task

if TYPE_CHECKING:
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

OWN_AGENT = f"kkiai-sdk/{__version__} python/{platform.python_version()}"


def test_query_sends_one_get_with_exactly_these_headers(make: Maker, serve: Serve) -> None:
    """A query sends one GET with the documented headers, a user agent, and no other."""
    server = serve(task())
    make(server.url).query("grok:1")
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/video/query?id=grok%3A1", b"")
    assert {name.lower(): value for name, value in request.headers} == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": OWN_AGENT,
        "authorization": f"Bearer {KEY}",
    }
    assert len(request.headers) == 7


@pytest.mark.parametrize(
    "task_id",
    ["a/b?x=1#y", "a&b=c", "%2e%2e", "../../admin", "任务-ü", "a+b", "grok:eee6", "x" * 256, "-rf", "'\"`$(x)"],
)
@pytest.mark.fault("S-01")
def test_odd_id_stays_inside_the_query_parameter(make: Maker, serve: Serve, task_id: str) -> None:
    """Whatever the id, the path stays the same and the parameter decodes to the id."""
    server = serve(task())
    answer = make(server.url).query(task_id)
    (request,) = server.requests
    assert request.target.partition("?")[0] == "/v1/video/query"
    assert request.task_id == task_id
    assert request.target.count("&") == 0
    assert answer.id == task_id


@pytest.mark.parametrize("task_id", ["", " ", "a b", "a\nb", "a\x00b", ".", "..", "x" * 257, None, 5, "\ud800"])
@pytest.mark.fault("S-01", "S-02")
def test_invalid_id_is_refused_before_any_request(make: Maker, serve: Serve, task_id: str) -> None:
    """An id that cannot be sent is a ConfigurationError, and no request is sent."""
    server = serve()
    client = make(server.url)
    for call in (client.query, client.wait, client.watch, lambda each: client.download(each, "x.mp4")):
        with pytest.raises(ConfigurationError, match="task id"):
            call(task_id)
    assert server.requests == []


def test_extra_headers_of_a_call_override_default_headers(make: Maker, serve: Serve) -> None:
    """default_headers go with every request, extra_headers with one; extra_headers win."""
    server = serve(task(), task())
    client = make(server.url, default_headers={"X-Team": "cows", "X-Forwarded-Host": "a:1"}, user_agent_suffix="app/1")
    client.query("t", extra_headers={"x-forwarded-host": "localhost:5173"})
    client.query("t")
    first, second = server.requests
    assert [each.header("x-team") for each in server.requests] == ["cows", "cows"]
    assert [each.header("X-Forwarded-Host") for each in server.requests] == ["localhost:5173", "a:1"]
    assert first.header("user-agent") == second.header("user-agent") == f"{OWN_AGENT} app/1"
    assert sum(name.lower() == "x-forwarded-host" for name, _ in first.headers) == 1


def test_cookie_of_the_gateway_is_never_sent_back(make: Maker, serve: Serve) -> None:
    """A cookie that the gateway sets is never sent back."""
    server = serve(json_reply({"status": "queued"}, Set_Cookie="session=1; Path=/"), task())
    client = make(server.url)
    client.query("t")
    client.query("t")
    assert [each.header("cookie") for each in server.requests] == [None, None]


@pytest.mark.parametrize("value", ["\x80", "n\u00e4me=k\u00fc; Path=/", "\u00ff"])
def test_response_headers_beyond_ascii_do_no_harm(make: Maker, serve: Serve, value: str) -> None:
    """Bytes beyond ASCII in the headers of a response or of a redirect do no harm."""
    odd = [("Set-Cookie", value), ("X-Request-Id", value)]
    server = serve(http(302, b"", ("Location", "/again"), *odd), http(200, b'{"status": "queued"}', *odd))
    assert make(server.url).query("t").status == "queued"


def test_key_function_is_called_for_every_attempt(make: Maker, serve: Serve) -> None:
    """A key that changes between two attempts of one query is sent as it is at each."""
    server = serve(http(503), task())
    keys = iter(["first-key", " second-key\n"])
    make(server.url, api_key=lambda: next(keys)).query("t")
    assert [each.header("authorization") for each in server.requests] == ["Bearer first-key", "Bearer second-key"]


@pytest.mark.parametrize("answer", ["", "two words", "ü", 5, None])
def test_key_function_with_an_invalid_key_is_a_configuration_error(make: Maker, serve: Serve, answer: object) -> None:
    """A key function that returns an invalid key is a ConfigurationError, and nothing is sent."""
    server = serve()
    with pytest.raises(ConfigurationError, match="api_key"):
        make(server.url, api_key=lambda: answer).query("t")
    assert server.requests == []


def test_exception_of_a_key_function_is_raised_unchanged(make: Maker, serve: Serve) -> None:
    """The caller's own exception is raised unchanged."""
    client = make(serve().url, api_key=lambda: dict[str, str]()["vault"])
    with pytest.raises(KeyError, match="vault"):
        client.query("t")


def test_client_without_arguments_reads_the_environment(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments the client takes KKIAI_API_KEY and KKIAI_BASE_URL."""
    server = serve(task())
    monkeypatch.setenv("KKIAI_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("KKIAI_BASE_URL", server.url)
    make(api_key=None).query("t")
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


def test_client_without_a_key_is_a_configuration_error(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is a ConfigurationError that says where one is looked for."""
    monkeypatch.setenv("KKIAI_API_KEY", "")
    with pytest.raises(ConfigurationError, match="KKIAI_API_KEY"):
        make("http://127.0.0.1:9", api_key=None)


@pytest.mark.parametrize(
    ("ending", "path"),
    [
        ("", "/v1/video/query"),
        ("/", "/v1/video/query"),
        ("/v1", "/v1/video/query"),
        ("/v1/", "/v1/video/query"),
        ("/proxy/kkiai", "/proxy/kkiai/v1/video/query"),
        ("/proxy/v1/", "/proxy/v1/video/query"),
    ],
)
def test_base_url_with_slash_or_v1_or_path_is_normalized(make: Maker, serve: Serve, ending: str, path: str) -> None:
    """A trailing slash or /v1 makes no difference, and a path in front is kept."""
    server = serve(task())
    make(server.url + ending).query("t")
    assert server.targets == [f"{path}?id=t"]


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1", "http://gateway.example", "https://u:p@h", "https://h?x=1", "h"]
)
def test_invalid_base_url_is_refused_when_the_client_is_made(make: Maker, url: str) -> None:
    """An invalid base URL is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="base_url"):
        make(url)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_201_or_202_with_a_task_is_a_result(make: Maker, serve: Serve, status: int) -> None:
    """Gateways that answer 201 or 202 for a pending task are supported."""
    server = serve(
        json_reply({"id": "other", "status": "queued", "progress": "12%"}, status, X_Oneapi_Request_Id="r-1")
    )
    answer = make(server.url).query("t")
    assert (answer.state, answer.answered_id, answer.progress) == (TaskState.PENDING, "other", 0.12)
    assert answer.request_id == "r-1"


def test_query_of_a_failed_task_returns_it_with_its_reason(make: Maker, serve: Serve) -> None:
    """A query returns a failed task with its reason; only a wait raises."""
    server = serve(task("FAILURE", error={"message": "refused by the filter", "code": "c1"}))
    answer = make(server.url).query("t")
    assert answer.is_failed
    assert str(answer.failure) == "refused by the filter (c1)"


def test_chunked_response_in_single_bytes_is_read(make: Maker, serve: Serve) -> None:
    """A response is read in whatever pieces it arrives."""
    pieces = [b"1\r\n%c\r\n" % byte for byte in b'{"status":"done","url":"http://127.0.0.1/v"}']
    server = serve(RawReply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", [*pieces, b"0\r\n\r\n"]))
    assert make(server.url).query("t").video_url == "http://127.0.0.1/v"


def test_consecutive_queries_and_copies_share_a_connection(make: Maker, serve: Serve) -> None:
    """Consecutive queries share a connection, also those of a copy with other options."""
    server = serve(task(), task(), task())
    client = make(server.url)
    client.query("t")
    client.with_options(timeout=5, user_agent_suffix="copy").query("t")
    client.query("t")
    assert [each.connection for each in server.requests] == [0, 0, 0]
    assert [str(each.header("user-agent")).endswith("copy") for each in server.requests] == [False, True, False]


def test_with_options_changes_the_copy_alone(make: Maker, serve: Serve) -> None:
    """with_options changes the copy alone, and refuses unknown options."""
    server = serve(task(), task())
    client = make(server.url)
    client.with_options(api_key="another", default_headers={"X-A": "1"}).query("t")
    client.query("t")
    assert [each.header("authorization") for each in server.requests] == ["Bearer another", f"Bearer {KEY}"]
    assert [each.header("x-a") for each in server.requests] == ["1", None]
    with pytest.raises(ConfigurationError, match="unknown option 'base_url'"):
        client.with_options(base_url="http://127.0.0.1:9")  # type: ignore[call-arg]


def test_repr_of_a_client_shows_the_gateway_and_no_key(make: Maker) -> None:
    """A client's repr names the gateway; the key is in neither repr nor attributes."""
    client = make("http://127.0.0.1:9")
    assert repr(client).endswith("Kkiai(base_url='http://127.0.0.1:9')")
    target = getattr(client, "target", client)
    session: Any = target._session
    shown = [vars(target), target._context, client.raw, vars(session)]
    assert KEY not in repr(shown)
