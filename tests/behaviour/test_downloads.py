"""download and wait_and_download: the whole file under its name, or no file."""

from __future__ import annotations

import tracemalloc
from importlib import resources
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError
from tests.support.rawserver import End, RawReply
from tests.support.wire import CLOSE, FileHost, error_reply, http, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    from kkiai_sdk.mock import MockGateway
    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

BODY = pattern(1, 0, 300_000)
OLD = b"an older file"
PAGE = http(200, b"<html>sign in</html>", ("Content-Type", "text/html"))
VIDEO = ("Content-Type", "video/mp4")

XML = b"<?xml version='1.0'?><Error/>"
UNFRAMED = RawReply(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n", BODY, End.FIN)
CHUNKS = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nTransfer-Encoding: chunked\r\n\r\n"
ALL_OF_IT = ("Content-Range", "bytes 0-299999/300000")
LESS_THAN_ALL = ("Content-Range", "bytes 0-299999/300001")


def chunked(body: bytes) -> RawReply:
    """Return a response without a length, its body in one chunk."""
    return RawReply(CHUNKS, [b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"])


#: Faults of a file host, and the error of each.
FAILURES: dict[str, tuple[list[Any], type[k.KkiaiError]]] = {
    "a web page": ([PAGE], k.NotAVideoError),
    "JSON": ([http(200, b'{"error": "no"}', VIDEO)], k.NotAVideoError),
    "XML": ([http(200, XML, VIDEO)], k.NotAVideoError),
    "text": ([http(200, b"no such file", ("Content-Type", "text/plain"))], k.NotAVideoError),
    "nothing": ([http(200, b"", VIDEO)] * 30, k.NotAVideoError),
    "br": ([http(200, b"\x8b" + BODY[1000:], VIDEO, ("Content-Encoding", "br"))], k.DownloadError),
    "too large": ([http(200, BODY + b"x", VIDEO)], k.DownloadError),
    "too large, no length": ([chunked(BODY + b"x")], k.DownloadError),
    "no length": ([UNFRAMED], k.IncompleteDownloadError),
    "cut": ([FileHost(BODY, None).cut(70_000)] * 9, k.IncompleteDownloadError),
    "reset": ([FileHost(BODY, None).cut(70_000, End.RST)] * 9, k.IncompleteDownloadError),
    "closed": ([CLOSE] * 9, k.IncompleteDownloadError),
    "503": ([http(503)] * 30, k.DownloadError),
    "503 after a part": ([FileHost(BODY).cut(70_000), *[http(503)] * 9], k.IncompleteDownloadError),
    "400": ([http(400)], k.DownloadError),
    "416": ([http(416)], k.DownloadError),
    "a piece for no range": ([http(206, BODY, LESS_THAN_ALL)] * 2, k.IncompleteDownloadError),
    "a piece without a range for no range": ([http(206, BODY, VIDEO)] * 2, k.IncompleteDownloadError),
    "less than it says for no range": ([http(206, BODY[:-1], ALL_OF_IT)] * 9, k.IncompleteDownloadError),
    "a redirect to nowhere": ([http(302)], k.DownloadError),
    "redirects for ever": ([http(302, b"", ("Location", "/again"))] * 9, k.DownloadError),
    "a redirect to a file": ([http(302, b"", ("Location", "file:///etc/passwd"))], k.UnsafeURLError),
    "a redirect inwards": ([http(302, b"", ("Location", "http://169.254.169.254/meta"))], k.UnsafeURLError),
}


@pytest.mark.fault("B-05", "D-14", "D-16", "D-18", "D-19", "D-20", "F-02")
@pytest.mark.parametrize("before", [None, OLD])
@pytest.mark.parametrize("failure", FAILURES)
def test_failed_download_leaves_the_target_unchanged(
    video: VideoDownload, tmp_path: Path, failure: str, before: bytes | None
) -> None:
    """After any failure the target is absent or the unchanged old file; only a part may lie alongside it."""
    script, error = FAILURES[failure]
    video.start(*script, foreign=True)
    if before is not None:
        video.target.write_bytes(before)
    with pytest.raises(k.DownloadError) as caught:
        video.download(path="/v?sig=s3cret", overwrite=True, max_bytes=len(BODY))
    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)
    assert (video.target.read_bytes() if video.target.exists() else None) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"v.mp4", "v.mp4.part", "v.mp4.part.json"}


@pytest.mark.fault("D-25")
def test_unrequested_206_of_the_whole_file_is_accepted_and_resumed(video: VideoDownload, tmp_path: Path) -> None:
    """A 206 without a requested range is accepted if its range is the whole file; if cut, it is resumed."""
    whole = http(206, BODY, VIDEO, ALL_OF_IT, ("ETag", '"one"'))
    video.start(whole.cut(70_000), FileHost(BODY), whole, foreign=True)
    assert video.download(tmp_path / "cut.mp4").read_bytes() == BODY
    assert [each.header("range") for each in video.host.requests] == [None, "bytes=70000-"]
    assert video.download(tmp_path / "whole.mp4").read_bytes() == BODY
    assert video.host.requests[2].header("range") is None


def test_wait_and_download_saves_the_sample_and_nothing_else(make: Maker, gateway: MockGateway, tmp_path: Path) -> None:
    """wait_and_download saves the sample byte for byte, and leaves no other file."""
    path = make(gateway.base_url).wait_and_download("grok:scenario-normal", tmp_path / "v.mp4")
    assert path == tmp_path / "v.mp4"
    assert path.read_bytes() == resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_download_of_an_id_queries_the_task_first(video: VideoDownload) -> None:
    """Given an id, download queries the task for its URL."""
    video.start(FileHost(BODY), named=("/v",))
    assert video.client.download("t", video.target).read_bytes() == BODY
    assert video.gateway.targets == ["/v1/video/query?id=t"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (task("failed", error="no"), k.TaskFailedError),
        (task("running"), k.VideoMissingError),
        (task("completed", video_url=None), k.VideoMissingError),
        (error_reply(401), k.AuthenticationError),
        (error_reply(404, message="task not found"), k.TaskNotFoundError),
    ],
)
def test_task_without_a_video_is_a_typed_error_and_no_file(
    make: Maker, serve: Serve, tmp_path: Path, answer: RawReply, error: type[k.KkiaiError]
) -> None:
    """Without a URL there is a typed error and no file."""
    with pytest.raises(error):
        make(serve(answer).url).download("t", tmp_path / "v.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"max_bytes": 1.5}, {"max_bytes": True}, {"progress": 5}])
def test_invalid_download_option_is_refused_by_name(
    make: Maker, serve: Serve, tmp_path: Path, options: dict[str, Any]
) -> None:
    """Options out of their range are refused by name before any request."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        make(serve().url).download("t", tmp_path / "v.mp4", **options)


def test_path_with_a_separator_at_its_end_is_a_folder(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A folder that does not exist is refused before any request, and does not become the name of the file."""
    server = serve()
    with pytest.raises(ConfigurationError, match="does not exist"):
        make(server.url).download("t", f"{tmp_path}/missing/")
    assert server.requests == []


@pytest.mark.fault("D-24")
def test_progress_receives_growing_sizes_up_to_the_total(video: VideoDownload) -> None:
    """The callback gets a growing number of bytes and the total, and at last all bytes."""
    told: list[tuple[int, int | None]] = []
    video.start(FileHost(BODY)).download(progress=lambda size, total: told.append((size, total)))
    sizes = [size for size, _ in told]
    assert sizes == sorted(sizes)
    assert {total for _, total in told} == {len(BODY)}
    assert sizes[-1] == len(BODY)


def test_exception_of_progress_ends_the_download_unchanged(video: VideoDownload, clock: FakeTime) -> None:
    """An exception of progress is raised unchanged, and the client works afterwards."""
    video.start(each=FileHost(BODY))
    with pytest.raises(ZeroDivisionError):
        video.download(progress=lambda *_: 1 // 0)
    assert video.download().read_bytes() == BODY
    assert clock.sleeps == []


def test_chunked_file_of_unknown_length_is_saved(video: VideoDownload) -> None:
    """The end of a chunked body is known without a length."""
    video.start(chunked(BODY))
    told: list[int | None] = []
    path = video.download(progress=lambda _, total: told.append(total))
    assert path.read_bytes() == BODY
    assert set(told) == {None}


def test_download_of_50_mb_takes_less_than_8_mib_of_memory(video: VideoDownload) -> None:
    """A download of 50 MB takes less than 8 MiB of memory."""
    block = pattern(1, 0, 1 << 20)
    video.start(RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (50 << 20), repeat(block, 50)))
    tracemalloc.start()
    try:
        path = video.download()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == 50 << 20
    assert peak < 8 << 20
