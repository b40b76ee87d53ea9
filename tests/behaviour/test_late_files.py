"""Files that are not there yet just after the end of their task."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import PollPolicy
from tests.support.wire import FileHost, completed, completed_task, error_reply, http, json_reply, pattern, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest, RawServer

BODY = pattern(4, 0, 100_000)
HOST = FileHost(BODY)
VIDEO = ("Content-Type", "video/mp4")
GRACE = 120.0
#: What servers say of a file that is not there yet, and the error if it stays so.
LATE: dict[str, tuple[RawReply, type[k.DownloadError]]] = {
    "404": (error_reply(404), k.DownloadError),
    "403": (http(403, b"<Error>AccessDenied</Error>"), k.DownloadError),
    "409": (error_reply(409), k.DownloadError),
    **{str(status): (http(status), k.DownloadError) for status in (408, 412, 423, 425, 429, 500, 503)},
    "202": (http(202), k.DownloadError),
    "204": (http(204, length=None), k.DownloadError),
    "400 that says so": (error_reply(400, message="task is not completed yet"), k.DownloadError),
    "418 that says so": (http(418, b"<html><h1>Processing\xe2\x80\xa6</h1></html>"), k.DownloadError),
    "422 that is busy": (json_reply({"code": 50001, "message": "system busy"}, 422), k.DownloadError),
    "an empty file": (http(200, b"", VIDEO), k.NotAVideoError),
    "JSON as a video": (http(200, b'{"status": "processing"}', VIDEO), k.NotAVideoError),
    "JSON": (json_reply({"error": {"code": "not_ready", "message": "the video is not ready"}}), k.NotAVideoError),
    "JSON of a rate limit": (json_reply({"code": "rate_limit_exceeded", "message": "slow down"}), k.NotAVideoError),
    "JSON of a busy server": (http(200, b'{"code": 1, "message": "system busy"}', VIDEO), k.NotAVideoError),
    "a page": (http(200, b"<html><title>Processing</title></html>", ("Content-Type", "text/html")), k.NotAVideoError),
    "text": (http(200, b"Video is still being generated", ("Content-Type", "text/plain")), k.NotAVideoError),
}


def gateway_of(serve: Serve, host: RawServer, path: str = "/v") -> RawServer:
    """A gateway that names the file at each query."""
    return serve(each=lambda _: completed(f"{host.url}{path}"))


@pytest.mark.fault("D-26")
@pytest.mark.parametrize("how", LATE)
def test_late_file_arrives_in_the_same_call(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, how: str
) -> None:
    """A file that is not there at first is requested again with growing gaps, and saved once it is there."""
    host = serve(*[LATE[how][0]] * 6, HOST, foreign=True)
    client = make(gateway_of(serve, host).url)
    path = client.download(completed_task(f"{host.url}/v?sig=s3cret"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [path]
    # The URL of a file that is refused may have expired: it is refreshed first, without a pause.
    assert clock.sleeps == ([1.0, 2.0, 4.0, 8.0, 10.0] if how in {"404", "403"} else [1.0, 2.0, 4.0, 8.0, 10.0, 10.0])


@pytest.mark.fault("D-26")
@pytest.mark.parametrize("how", LATE)
def test_file_that_never_appears_is_an_error_when_the_grace_is_over(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, how: str
) -> None:
    """120 s after the first request the error is raised; nothing is on disk, and the URL was refreshed once."""
    answer, error = LATE[how]
    host = serve(each=lambda _: answer)
    server = gateway_of(serve, host)
    with pytest.raises(k.DownloadError) as caught:
        make(server.url).download(completed_task(f"{host.url}/v?sig=s3cret"), tmp_path / "v.mp4")
    assert type(caught.value) is error
    assert (clock.elapsed, len(server.requests), list(tmp_path.iterdir())) == (GRACE, 1, [])
    assert "s3cret" not in str(caught.value)
    assert 12 < len(host.requests) < 20


@pytest.mark.fault("D-26")
@pytest.mark.parametrize("how", LATE)
def test_file_grace_of_zero_waits_for_no_file(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, how: str
) -> None:
    """With ``file_grace=0`` a file that is not there is an error at once, after a fresh URL for one that is refused."""
    answer, error = LATE[how]
    host = serve(each=lambda _: answer)
    client = make(gateway_of(serve, host).url, poll=PollPolicy(file_grace=0))
    with pytest.raises(k.DownloadError) as caught:
        client.download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert (type(caught.value), clock.sleeps) == (error, [])
    assert len(host.requests) == (2 if how in {"404", "403"} else 1)


@pytest.mark.fault("D-26")
def test_grace_of_a_wait_is_that_of_its_policy(make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path) -> None:
    """wait_and_download heeds the policy that it is given, and with_options that of the copy."""
    host = serve(each=lambda _: http(202))
    client = make(gateway_of(serve, host).url)
    calls: list[tuple[k.Kkiai, dict[str, Any]]] = [
        (client, {"poll": PollPolicy(file_grace=7)}),
        (client.with_options(poll=PollPolicy(file_grace=7)), {}),
    ]
    for one, options in calls:
        before = clock.now
        with pytest.raises(k.DownloadError, match="HTTP 202; gave up after 7 s"):
            one.wait_and_download("t", tmp_path / "v.mp4", **options)
        assert clock.now - before == 7.0
    with pytest.raises(k.ConfigurationError, match="poll must be"):
        client.wait_and_download("t", tmp_path / "v.mp4", poll={"file_grace": 7})  # type: ignore[arg-type]


@pytest.mark.fault("D-27")
@pytest.mark.parametrize("status", [202, 404, 409, 200])
def test_retry_after_of_a_late_file_is_heeded(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, status: int
) -> None:
    """A server that says when to come back is asked no earlier."""
    later = http(status, b"not ready", ("Retry-After", "45"))
    host = serve(*[later] * 3, HOST)
    path = make(gateway_of(serve, host).url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert clock.sleeps == [45.0] * (2 if status == 404 else 3)


@pytest.mark.fault("D-27")
def test_retry_after_beyond_the_grace_ends_the_download(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path
) -> None:
    """A server that asks for more time than there is is not asked again: the error says what it asked for."""
    host = serve(http(202, b"", ("Retry-After", "3600")))
    with pytest.raises(k.DownloadError, match="asks to wait 3600 s"):
        make(serve().url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert clock.sleeps == []


@pytest.mark.fault("D-26")
def test_url_is_refreshed_once_while_a_file_is_late(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """After three responses that the file is not there, its task is queried once, and the new URL is requested."""

    def answer(request: RawRequest) -> RawReply:
        return HOST(request) if request.target == "/new" and len(host.requests) > 5 else http(202)

    host = serve(each=answer)
    server = gateway_of(serve, host, "/new")
    make(server.url).download(completed_task(f"{host.url}/old"), tmp_path / "v.mp4")
    assert host.targets == ["/old"] * 3 + ["/new"] * 3
    assert len(server.requests) == 1


@pytest.mark.fault("D-26")
@pytest.mark.parametrize("trouble", [error_reply(500), task(), error_reply(404, message="task not found")])
def test_old_url_stays_if_the_gateway_has_no_other(
    make: Maker, serve: Serve, tmp_path: Path, trouble: RawReply
) -> None:
    """A query that fails while a file is late does not end the download: the old URL is requested again."""
    host, server = serve(*[http(202)] * 5, HOST), serve(each=lambda _: trouble)
    path = make(server.url, max_retries=0).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert len(server.requests) == 1


@pytest.mark.fault("D-26")
def test_task_that_failed_meanwhile_ends_the_download(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """If the query for another URL says that the task failed, that is the error."""
    host, server = serve(each=lambda _: http(202)), serve(task("failed", error="no"))
    with pytest.raises(k.TaskFailedError):
        make(server.url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")


@pytest.mark.fault("D-15", "D-26")
@pytest.mark.parametrize("status", [403, 404, 409, 202])
def test_file_of_which_part_arrived_is_not_waited_for(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, status: int
) -> None:
    """A file that was there before is not late: its URL is refreshed if it is refused, then the error is raised."""
    host = serve(HOST.cut(20_000), each=lambda _: http(status))
    client = make(gateway_of(serve, host).url)
    with pytest.raises(k.DownloadError):
        client.download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert clock.elapsed < 1
    assert (tmp_path / "v.mp4.part").stat().st_size == 20_000


@pytest.mark.fault("D-15")
@pytest.mark.parametrize("status", [401, 410])
def test_url_that_is_gone_is_refreshed_once_and_not_waited_for(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, status: int
) -> None:
    """401 and 410 are no signs of a late file: one fresh URL, then the error."""
    host = serve(each=lambda _: http(status))
    server = gateway_of(serve, host)
    with pytest.raises(k.DownloadError, match="fresh URL"):
        make(server.url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert (len(host.requests), len(server.requests), clock.sleeps) == (2, 1, [])


@pytest.mark.parametrize(
    "body", [b"the prompt was bad", b"<html>%s</html>" % (b"processing " * 90), b"processing " * 200_000]
)
def test_refusal_for_another_reason_is_an_error_at_once(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, body: bytes
) -> None:
    """A refusal that does not say "not yet" in a short text is no sign of a late file."""
    host = serve(http(422, body))
    with pytest.raises(k.DownloadError, match="HTTP 422"):
        make(serve().url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert clock.sleeps == []


@pytest.mark.fault("D-26")
def test_busy_server_in_the_middle_of_a_file_is_asked_again(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A text that says "busy" in answer to a range is a passing failure: the part is kept and resumed."""
    host = serve(HOST.cut(20_000), json_reply({"code": 500, "message": "system busy"}), HOST)
    path = make(gateway_of(serve, host).url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert [each.header("range") for each in host.requests] == [None, "bytes=20000-", "bytes=20000-"]


def test_long_text_in_place_of_a_file_is_refused_before_its_end(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A text without an end is refused once there is more of it than is read."""
    host = serve(http(200, b"moo " * 600_000, VIDEO, length=1 << 40))
    with pytest.raises(k.NotAVideoError):
        make(serve().url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("D-26")
@pytest.mark.parametrize("piece", [b"moo", b"moo" * 30_000], ids=["slow", "long"])
def test_refusal_without_an_end_is_read_for_some_seconds_alone(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path, piece: bytes
) -> None:
    """The text of a refusal that goes on and on is read no further than five seconds or 64 KiB."""
    sent: list[float] = []

    def drip() -> Iterator[bytes]:
        for _ in range(500):
            clock.advance(2.0 if len(piece) < 100 else 0.0)
            sent.append(clock.now)
            yield piece
            gone.wait(0.002)

    gone = threading.Event()
    host = serve(replace(http(404, length=1 << 40), body=drip()), HOST)
    path = make(gateway_of(serve, host).url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")
    gone.set()
    assert path.read_bytes() == BODY
    assert len(sent) < 400


@pytest.mark.fault("D-26")
def test_reason_of_a_file_that_never_appears_is_part_of_the_error(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """The error contains the message that the host sends with its status."""
    host = serve(each=lambda _: json_reply({"error": {"message": "the task failed"}}, 409))
    with pytest.raises(k.DownloadError, match=r"HTTP 409: the task failed; gave up after 120 s"):
        make(gateway_of(serve, host).url).download(completed_task(f"{host.url}/v"), tmp_path / "v.mp4")


@pytest.mark.fault("D-26")
def test_late_file_is_logged_once_with_the_time_that_is_left(
    make: Maker, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says at the first response what it was and for how long the file is requested again."""
    host = serve(*[http(202)] * 3, HOST)
    with caplog.at_level("INFO", "kkiai_sdk"):
        make(gateway_of(serve, host).url).download(completed_task(f"{host.url}/v?sig=s3cret"), tmp_path / "v.mp4")
    said = [each.getMessage() for each in caplog.records if each.name == "kkiai_sdk"]
    assert said == [
        f"{host.url}/v: HTTP 202: the file may not be available yet; trying again in 1.0 s, for up to 120 s"
    ]
