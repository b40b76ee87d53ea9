"""The running gateway, over sockets of this machine."""

from __future__ import annotations

import asyncio
import socket
import struct
from importlib import resources
from typing import TYPE_CHECKING

import httpx
import pytest

from kkiai_sdk import ConfigurationError, QuotaExceededError
from kkiai_sdk.mock import MockGateway, script_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kkiai_sdk.mock import Reply, TaskQuery
    from tests.support.clock import FakeTime

    Ask = Callable[[str], httpx.Response]

KEY = {"authorization": "Bearer sk-good"}


@pytest.fixture
def client(gateway: MockGateway) -> Iterator[httpx.Client]:
    """A client of the gateway that sends the key."""
    with httpx.Client(base_url=gateway.base_url, headers={"authorization": "Bearer sk-good"}) as opened:
        yield opened


@pytest.fixture
def ask(client: httpx.Client) -> Ask:
    """Query one task over HTTP."""
    return lambda task_id: client.get("/v1/video/query", params={"id": task_id})


def sample() -> bytes:
    """The bytes of the sample video."""
    return resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()


def video_url(ask: Ask, clock: FakeTime, task_id: str) -> str:
    """Let a task live to its end and give its URL."""
    ask(task_id)
    clock.advance(30)
    return str(ask(task_id).json()["video_url"])


def test_task_time_is_clock_times_speed(ask: Ask, clock: FakeTime) -> None:
    """At double speed a task runs after one second of the clock and is completed after five."""
    answers = []
    for seconds in (0.0, 0.9, 0.2, 3.8, 0.2):
        clock.advance(seconds)
        answers.append(ask("grok:scenario-normal").json()["status"])
    assert answers == ["pending", "pending", "processing", "processing", "completed"]


def test_client_of_a_gateway_waits_for_milliseconds() -> None:
    """The gateway's own client has its address and key, and polls again after hundredths of a second."""
    with MockGateway(speed=10_000) as waits, waits.client(max_retries=0) as own:
        assert own.wait("grok:scenario-normal").is_succeeded
        assert waits.requests[0].header("authorization") == f"Bearer {waits.api_key}"


async def _wait(gateway: MockGateway) -> bool:
    async with gateway.async_client() as own:
        return (await own.wait("grok:scenario-normal")).is_succeeded


def test_asynchronous_client_of_a_gateway_waits_for_milliseconds() -> None:
    """The gateway's own asynchronous client has its address and key, too."""
    with MockGateway(speed=10_000) as waits:
        assert asyncio.run(_wait(waits))


def test_client_of_a_gateway_that_was_not_started_is_refused() -> None:
    """Before its start, a gateway has no addresses, and no client."""
    with pytest.raises(ConfigurationError, match="not started"):
        MockGateway().client()


def test_gateway_calendar_starts_with_2026(ask: Ask, clock: FakeTime) -> None:
    """The gateway's calendar starts with 2026 when it is started, so that times are the same in every run."""
    clock.advance(3)
    assert ask("grok:scenario-normal").json()["status_update_time"] == 1_767_225_600_000 + 6_000


def test_answer_has_type_length_and_request_id(ask: Ask) -> None:
    """An answer is JSON with a length and a request id."""
    response = ask("grok:scenario-normal")
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["x-oneapi-request-id"] == "mock-00000001"


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "TRACE"])
def test_other_method_over_network_is_refused(client: httpx.Client, method: str) -> None:
    """Other methods than GET are refused over the network too."""
    response = client.request(method, "/v1/video/query")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


def test_wrong_key_over_network_is_challenged(gateway: MockGateway) -> None:
    """A wrong key gets a 401 that names the scheme."""
    response = httpx.get(f"{gateway.base_url}/v1/video/query?id=cow", headers={"authorization": "Bearer sk-bad"})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("status", [401, 429, 500, 520, 529])
def test_scripted_status_arrives_as_it_is(ask: Ask, status: int) -> None:
    """Scripted statuses arrive as they are, non-standard ones too."""
    assert ask(f"grok:scenario-http-{status}").status_code == status


def test_finished_video_is_served_by_cdn(ask: Ask, clock: FakeTime, gateway: MockGateway) -> None:
    """The URL of a finished task leads to the CDN, which gives the whole video to anyone."""
    url = video_url(ask, clock, "grok:scenario-normal")
    assert url.startswith(f"{gateway.cdn_url}/files/")
    response = httpx.get(url)
    assert (response.status_code, response.headers["content-type"]) == (200, "video/mp4")
    assert response.content == sample()


def test_range_over_network_gets_its_part(gateway: MockGateway) -> None:
    """A part of the video arrives with its place and length."""
    response = httpx.get(f"{gateway.base_url}/files/a.mp4", headers={"range": "bytes=100-299"})
    assert (response.status_code, response.headers["content-length"]) == (206, "200")
    assert response.headers["content-range"] == f"bytes 100-299/{len(sample())}"
    assert response.content == sample()[100:300]


def test_head_of_file_sends_length_and_no_body(gateway: MockGateway) -> None:
    """HEAD sends the length of the video and none of it."""
    response = httpx.head(f"{gateway.cdn_url}/files/a.mp4")
    assert (response.headers["content-length"], response.content) == (str(len(sample())), b"")


def test_key_sent_to_cdn_is_refused_and_recorded(gateway: MockGateway) -> None:
    """A key that leaks to the CDN is refused, and the test can see it."""
    response = httpx.get(f"{gateway.cdn_url}/files/a.mp4", headers=KEY)
    assert response.status_code == 400
    assert [(each.server, each.header("Authorization")) for each in gateway.requests] == [("cdn", "Bearer sk-good")]


def test_query_sent_to_cdn_is_not_found(gateway: MockGateway) -> None:
    """The CDN serves files only."""
    assert httpx.get(f"{gateway.cdn_url}/v1/video/query?id=cow").status_code == 404


def test_truncated_video_is_cut_on_first_download_only(
    ask: Ask, clock: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    """The first download breaks off in the middle, the rest can be fetched from there, and no server complains."""
    url, half = video_url(ask, clock, "grok:scenario-truncated-video"), len(sample()) // 2
    with httpx.stream("GET", url) as response, pytest.raises(httpx.RemoteProtocolError, match=f"received {half} bytes"):
        response.read()
    headers = {"range": f"bytes={half}-", "if-range": response.headers["etag"]}
    assert httpx.get(url, headers=headers).content == sample()[half:]
    assert httpx.get(url).content == sample()
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


def test_signed_url_left_unchanged_gets_video(ask: Ask, clock: FakeTime) -> None:
    """A signed URL that the client leaves unchanged gets the video."""
    assert httpx.get(video_url(ask, clock, "grok:scenario-signed-url")).content == sample()


def test_redirecting_url_needs_key_and_leads_to_cdn(
    ask: Ask, clock: FakeTime, client: httpx.Client, gateway: MockGateway
) -> None:
    """The redirecting URL needs the key and leads to the CDN."""
    url = video_url(ask, clock, "grok:scenario-redirect-url")
    assert httpx.get(url).status_code == 401
    assert client.get(url).headers["location"] == f"{gateway.cdn_url}/files/grok-scenario-redirect-url.mp4"


def test_received_requests_are_recorded_as_sent(client: httpx.Client, gateway: MockGateway) -> None:
    """Requests are recorded with method, raw path, query and headers, and the key is not in their repr."""
    client.get("/a%2Fb?id=x%20y&z", headers={"X-Cow": "moo"})
    (received,) = gateway.requests
    assert (received.method, received.path, received.query, received.server) == (
        "GET",
        "/a%2Fb",
        "id=x%20y&z",
        "gateway",
    )
    assert (received.header("x-cow"), received.parameter("id"), received.parameter("cow")) == ("moo", "x y", None)
    assert "sk-good" not in repr(received)


def test_oldest_requests_beyond_limit_are_dropped(
    client: httpx.Client, gateway: MockGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that runs for long keeps the latest requests only."""
    monkeypatch.setattr("kkiai_sdk.mock.gateway.KEPT_REQUESTS", 2)
    seen = []
    for number in range(6):
        client.get(f"/{number}")
        seen.append([request.path for request in gateway.requests])
    assert seen[3:] == [["/0", "/1", "/2", "/3"], ["/2", "/3", "/4"], ["/2", "/3", "/4", "/5"]]


def test_gateway_without_cdn_serves_the_files(clock: FakeTime) -> None:
    """Without a CDN there is no second address, and the URL of a task leads to the gateway."""
    with MockGateway(clock=clock.monotonic) as gateway:
        assert gateway.cdn_url is None
        headers = {"authorization": f"Bearer {gateway.api_key}"}
        task = f"{gateway.base_url}/v1/video/query?id=grok:scenario-expired-url"
        url = httpx.get(task, headers=headers).json()["video_url"]
        assert url.startswith(gateway.base_url)
        assert httpx.get(url).status_code == 403
        assert httpx.get(httpx.get(task, headers=headers).json()["video_url"]).content == sample()


@pytest.mark.parametrize("rubbish", [b"moo\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n"])
def test_malformed_request_is_answered_in_json(gateway: MockGateway, rubbish: bytes) -> None:
    """A request that is not HTTP, or has too long a header, gets a 400 in JSON with a request id."""
    address = httpx.URL(gateway.base_url)
    answer = b""
    with socket.create_connection((address.host, address.port or 0)) as connection:
        connection.sendall(rubbish)
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-oneapi-request-id: " in head
    assert body.startswith(b'{"error":{"message":')


def boxes(data: bytes) -> list[tuple[str, int]]:
    """The top-level boxes of an MP4 file and their lengths in bytes."""
    found, place = [], 0
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        found.append((name.decode("ascii"), length))
        place += max(length, 8)
    return found


def test_sample_video_is_small_and_complete() -> None:
    """The sample is an H.264 MP4 of at most 300 KB whose index comes before its pictures."""
    data = sample()
    found = boxes(data)
    assert sum(length for _, length in found) == len(data) <= 300_000
    names = [name for name, _ in found]
    assert names[0] == "ftyp"
    assert names.index("moov") < names.index("mdat")
    assert b"avc1" in data[: sum(length for name, length in found if name in {"ftyp", "moov"})]


def test_scripts_of_ones_own_come_before_the_catalog() -> None:
    """A script by task id answers the queries for it, also one that is added later; other ids have the catalog's."""
    scripts: dict[str, Callable[[TaskQuery], Reply]] = {"grok:a": lambda query: query.reply(status=f"n{query.number}")}
    with MockGateway(scripts=scripts) as waits, waits.client() as own:
        assert [own.query("grok:a").status for _ in range(2)] == ["n1", "n2"]
        assert own.query("grok:scenario-normal").status == "pending"
        scripts["grok:scenario-normal"] = script_of("grok:scenario-http-402")
        with pytest.raises(QuotaExceededError):
            own.query("grok:scenario-normal")


def test_every_reply_is_shown_before_it_is_sent() -> None:
    """`on_reply` is called with each request and the reply to it, with the fault that the reply will have."""
    seen: list[tuple[str, int, str | None]] = []
    waits = MockGateway(
        faults=["close"], on_reply=lambda asked, reply: seen.append((asked.path, reply.status, reply.fault))
    )
    with waits, waits.client() as own:
        own.query("grok:scenario-normal")
    assert seen == [("/v1/video/query", 200, "close"), ("/v1/video/query", 200, None)]
    assert waits.video == sample()
