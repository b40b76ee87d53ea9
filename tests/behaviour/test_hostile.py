"""Answers that are meant, or broken enough, to do harm."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from tests.support.rawserver import Act, End
from tests.support.wire import HANG, FileHost, done, finished, http, pattern, refusal, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

GZIP = ("Content-Encoding", "gzip")


@pytest.mark.fault("B-10")
def test_a_bomb_does_not_fill_the_memory(make: Maker, serve: Serve) -> None:
    """A small body that unpacks to 100 MB is no answer, and is never unpacked whole."""
    client = make(serve(http(200, gzip.compress(b" " * 100_000_000), GZIP)).url, max_retries=0)
    tracemalloc.start()
    try:
        with pytest.raises(k.APIResponseError, match="more than"):
            client.query("t")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.fault("B-08")
def test_a_packed_answer_is_read(make: Maker, serve: Serve) -> None:
    """A gateway that packs its answers although it was asked not to is understood."""
    client = make(serve(http(200, gzip.compress(b'{"id": "t", "status": "queued"}'), GZIP)).url)
    assert client.query("t").status == "queued"


@pytest.mark.fault("J-02")
@pytest.mark.parametrize("status", [201, 202, 299])
def test_another_success_is_a_success(make: Maker, serve: Serve, status: int) -> None:
    """Whatever 2xx a gateway answers with a task, it is the task."""
    client = make(serve(http(status, b'{"id": "t", "status": "queued"}')).url)
    assert client.query("t").status == "queued"


def test_an_absurd_pause_is_not_everybodys(make: Maker, serve: Serve) -> None:
    """A Retry-After of years ends the wait that got it, and the others go on."""
    server = serve(refusal(429, Retry_After="99999999"), task(), done())
    results = make(server.url).wait_many(["bad", "good"], max_concurrency=1, timeout=60)
    assert isinstance(results[0].error, k.RateLimitError)
    assert results[1].is_succeeded


@pytest.mark.parametrize("host", ["xn--", "a..b", "a" * 70 + ".example"])
def test_hosts_that_cannot_be(make: Maker, serve: Serve, tmp_path: Path, host: str) -> None:
    """A URL with a host name that no resolver takes is one of ours to refuse."""
    client = make(serve(HANG).url)
    with pytest.raises(k.KkiaiError):
        client.download(finished(f"https://{host}/v.mp4"), tmp_path / "v.mp4")


def test_a_draft_is_not_the_video(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A task that still works may name a URL; download does not take it for the result."""
    server = serve(task("processing", detail={"draft_info": {"downloadable_url": "http://127.0.0.1:9/draft.mp4"}}))
    with pytest.raises(k.VideoMissingError, match="wait first"):
        make(server.url).download("t", tmp_path / "v.mp4")


def test_shrinking_is_no_progress(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A file that has to start over each time and gets less far is given up like one that never moves."""
    body = pattern(1, 0, 300_000)
    host = FileHost(body, None)
    server = serve(*[host.cut(size) for size in (90_000, 80_000) * 10])
    with pytest.raises(k.IncompleteDownloadError):
        make(server.url).download(finished(f"{server.url}/v.mp4"), tmp_path / "v.mp4")
    assert len(server.requests) <= 8


def test_a_file_host_may_ask_for_patience(make: Maker, serve: Serve, clock: FakeTime, tmp_path: Path) -> None:
    """Retry-After counts for downloads, too."""
    body = pattern(1, 0, 3_000)
    server = serve(http(503, b"", ("Retry-After", "30")), FileHost(body))
    make(server.url).download(finished(f"{server.url}/v.mp4"), tmp_path / "v.mp4")
    assert clock.naps == [30.0]
    assert (tmp_path / "v.mp4").read_bytes() == body


def test_a_copy_with_its_own_retry_budget(make: Maker, serve: Serve) -> None:
    """A copy with another RetryPolicy has that policy's budget."""
    server = serve(http(503), task())
    with pytest.raises(k.ServerError):
        make(server.url).with_options(retry=k.RetryPolicy(budget=0)).query("t")
    assert len(server.requests) == 1


def test_the_other_kind_of_raw_is_refused(make: Maker, serve: Serve) -> None:
    """The raw client of one kind does not fall back to a bare httpx client of the other kind."""
    raw = make(serve(HANG).url).raw
    wrong = raw.get_async_httpx_client if raw._client is not None else raw.get_httpx_client
    with pytest.raises(k.ConfigurationError, match="raw"):
        wrong()


def drip(head: bytes, piece: bytes) -> Act:
    """An answer that keeps coming, a little at a time, for some seconds."""
    pause = threading.Event()
    return Act(head, (piece for _ in range(300) if not pause.wait(0.01)), End.FIN)


DRIPS = {
    "headers": lambda: drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "hints": lambda: drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": lambda: drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b" "),
}


@pytest.mark.fault("N-10", "N-11", "B-06")
@pytest.mark.parametrize("kind", DRIPS)
def test_a_dripping_answer_ends_in_time(make: Maker, serve: Serve, kind: str) -> None:
    """The timeout is for all of a request: no server keeps it going by sending a little now and then."""
    client = make(serve(DRIPS[kind]()).url, max_retries=0, timeout=0.2)
    with pytest.raises(k.APITimeoutError):
        client.query("t")


HINTS = {
    "bare": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "with fields": b"HTTP/1.1 103 Early Hints\r\nLink: </v>; rel=preload\r\nX: 1\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 102 Processing\n\n",
}
#: How many bytes go out at once.
PIECES = [1, 9, 10, 11, 28, 4096, 1 << 20]


def in_pieces(whole: bytes, size: int) -> Act:
    """An answer, so many bytes at a time."""
    return Act(body=(whole[n : n + size] for n in range(0, len(whole), size)))


@pytest.mark.fault("N-11")
@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize("hint", HINTS)
def test_interim_answers_are_passed_over(make: Maker, serve: Serve, hint: str, size: int) -> None:
    """A hundred interim answers before the answer do no harm, with every answer, however the bytes come."""
    server = serve(each=lambda _: in_pieces(HINTS[hint] * 100 + b"".join(task("queued").pieces), size))
    client = make(server.url)
    assert [client.query("t").status for _ in range(2)] == ["queued", "queued"]
    assert [each.connection for each in server.requests] == [0, 0]


@pytest.mark.fault("B-06")
def test_a_dripping_file_is_waited_for(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A file may take longer than the timeout, which is for each silence of a download and not for the whole."""
    body, pause = pattern(3, 0, 4000), threading.Event()

    def pieces() -> Iterator[bytes]:
        for start in range(0, 4000, 100):
            pause.wait(0.02)
            yield body[start : start + 100]

    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 4000\r\n\r\n"
    server = serve(Act(head, pieces()))
    path = make(server.url, timeout=0.5).download(finished(f"{server.url}/v"), tmp_path / "v.mp4")
    assert path.read_bytes() == body
    assert len(server.requests) == 1
