"""Responses that are harmful by intent or by defect."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from tests.support.rawserver import End, RawReply
from tests.support.wire import HANG, FileHost, completed, completed_task, error_reply, http, pattern, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

GZIP = ("Content-Encoding", "gzip")


@pytest.mark.fault("B-10")
def test_gzip_bomb_is_refused_before_it_fills_the_memory(make: Maker, serve: Serve) -> None:
    """A small body that decompresses to 100 MB is an error, and takes little more memory than the limit of 32 MiB."""
    client = make(serve(http(200, gzip.compress(b" " * 100_000_000), GZIP)).url, max_retries=0)
    tracemalloc.start()
    try:
        with pytest.raises(k.APIResponseError, match="more than"):
            client.query("t")
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.fault("B-08")
def test_unrequested_gzip_response_is_read(make: Maker, serve: Serve) -> None:
    """A compressed response is read although none was requested."""
    client = make(serve(http(200, gzip.compress(b'{"id": "t", "status": "queued"}'), GZIP)).url)
    assert client.query("t").status == "queued"


@pytest.mark.fault("J-02")
@pytest.mark.parametrize("status", [201, 202, 299])
def test_task_under_any_2xx_status_is_a_task(make: Maker, serve: Serve, status: int) -> None:
    """A task under any 2xx status is a task."""
    client = make(serve(http(status, b'{"id": "t", "status": "queued"}')).url)
    assert client.query("t").status == "queued"


def test_retry_after_of_years_ends_its_own_wait_only(make: Maker, serve: Serve) -> None:
    """A Retry-After of years ends the wait that received it, and the others go on."""
    server = serve(error_reply(429, Retry_After="99999999"), task(), completed())
    results = make(server.url).wait_many(["bad", "good"], max_concurrency=1, timeout=60)
    assert isinstance(results[0].error, k.RateLimitError)
    assert results[1].is_succeeded


@pytest.mark.parametrize("host", ["xn--", "a..b", "a" * 70 + ".example"])
def test_url_with_an_invalid_host_name_is_refused(make: Maker, serve: Serve, tmp_path: Path, host: str) -> None:
    """A URL with a host name that no resolver takes is refused with an error of the SDK."""
    client = make(serve(HANG).url)
    with pytest.raises(k.KkiaiError):
        client.download(completed_task(f"https://{host}/v.mp4"), tmp_path / "v.mp4")


def test_url_of_a_running_task_is_not_downloaded(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A running task may name a URL; download does not take it for the result."""
    server = serve(task("processing", detail={"draft_info": {"downloadable_url": "http://127.0.0.1:9/draft.mp4"}}))
    with pytest.raises(k.VideoMissingError, match="wait for it first"):
        make(server.url).download("t", tmp_path / "v.mp4")


def test_restarted_download_with_fewer_bytes_counts_as_no_progress(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A file that restarts each time and gets less far is given up like one without progress."""
    body = pattern(1, 0, 300_000)
    host = FileHost(body, None)
    server = serve(*[host.cut(size) for size in (90_000, 80_000) * 10])
    with pytest.raises(k.IncompleteDownloadError):
        make(server.url).download(completed_task(f"{server.url}/v.mp4"), tmp_path / "v.mp4")
    assert len(server.requests) <= 8


def test_retry_after_of_a_file_host_delays_the_download(
    make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path
) -> None:
    """Retry-After counts for downloads, too."""
    body = pattern(1, 0, 3_000)
    server = serve(http(503, b"", ("Retry-After", "30")), FileHost(body))
    make(server.url).download(completed_task(f"{server.url}/v.mp4"), tmp_path / "v.mp4")
    assert clock.sleeps == [30.0]
    assert (tmp_path / "v.mp4").read_bytes() == body


def test_copy_with_another_retry_policy_has_its_budget(make: Maker, serve: Serve) -> None:
    """A copy with another RetryPolicy has that policy's budget."""
    server = serve(http(503), task())
    with pytest.raises(k.ServerError):
        make(server.url).with_options(retry=k.RetryPolicy(budget=0)).query("t")
    assert len(server.requests) == 1


def test_raw_client_of_the_other_kind_is_refused(make: Maker, serve: Serve) -> None:
    """The raw client of one kind does not fall back to a bare httpx client of the other kind."""
    raw = make(serve(HANG).url).raw
    wrong = raw.get_async_httpx_client if raw._client is not None else raw.get_httpx_client
    with pytest.raises(k.ConfigurationError, match="raw"):
        wrong()


def drip(head: bytes, piece: bytes) -> RawReply:
    """Return a response that is sent a little at a time for three seconds."""
    pause = threading.Event()
    return RawReply(head, (piece for _ in range(300) if not pause.wait(0.01)), End.FIN)


DRIPS = {
    "headers": lambda: drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "hints": lambda: drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": lambda: drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b" "),
}


@pytest.mark.fault("N-10", "N-11", "B-06")
@pytest.mark.parametrize("kind", DRIPS)
def test_dripping_response_ends_with_the_request_timeout(make: Maker, serve: Serve, kind: str) -> None:
    """The timeout covers the whole request: a server cannot extend it by sending a little now and then."""
    client = make(serve(DRIPS[kind]()).url, max_retries=0, timeout=0.2)
    with pytest.raises(k.APITimeoutError):
        client.query("t")


HINTS = {
    "bare": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "with fields": b"HTTP/1.1 103 Early Hints\r\nLink: </v>; rel=preload\r\nX: 1\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 102 Processing\n\n",
}
#: Bytes per piece.
PIECES = [1, 9, 10, 11, 28, 4096, 1 << 20]


def in_pieces(whole: bytes, size: int) -> RawReply:
    """Return a response in pieces of ``size`` bytes."""
    return RawReply(body=(whole[n : n + size] for n in range(0, len(whole), size)))


@pytest.mark.fault("N-11")
@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize("hint", HINTS)
def test_interim_responses_are_skipped_in_any_pieces(make: Maker, serve: Serve, hint: str, size: int) -> None:
    """Twenty interim responses before each response are skipped, in whatever pieces they arrive."""
    server = serve(each=lambda _: in_pieces(HINTS[hint] * 20 + b"".join(task("queued").pieces), size))
    client = make(server.url)
    assert [client.query("t").status for _ in range(2)] == ["queued", "queued"]
    assert [each.connection for each in server.requests] == [0, 0]


@pytest.mark.fault("B-06")
def test_file_may_take_longer_than_the_timeout_while_bytes_arrive(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """The timeout limits each silence of a download, not the whole."""
    body, pause = pattern(3, 0, 4000), threading.Event()

    def pieces() -> Iterator[bytes]:
        for start in range(0, 4000, 100):
            pause.wait(0.02)
            yield body[start : start + 100]

    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 4000\r\n\r\n"
    server = serve(RawReply(head, pieces()))
    path = make(server.url, timeout=0.5).download(completed_task(f"{server.url}/v"), tmp_path / "v.mp4")
    assert path.read_bytes() == body
    assert len(server.requests) == 1
