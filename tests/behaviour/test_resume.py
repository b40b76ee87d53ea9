"""Interrupted downloads that are resumed, within a call and in the next one, never with wrong bytes."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import kkiai_sdk as k
from tests.support.disk import write_limited_to
from tests.support.rawserver import End
from tests.support.systems import needs_posix
from tests.support.wire import CLOSE, RESET, FileHost, error_reply, http, pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import VideoDownload
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest

SIZE = 300_000
#: Small enough to be delivered before a reset discards it.
CUT = 20_000
ONE, TWO = pattern(1, 0, SIZE), pattern(2, 0, SIZE)
HOST = FileHost(ONE)


@pytest.fixture
def left_over(video: VideoDownload) -> Path:
    """The part of an earlier call: the first bytes of the first version."""
    video.start(HOST.cut(CUT), *[CLOSE] * 5)
    with pytest.raises(k.IncompleteDownloadError) as caught:
        video.download(path="/v?sig=s3cret")
    assert (caught.value.received, caught.value.expected) == (CUT, SIZE)
    assert video.part.read_bytes() == ONE[:CUT]
    return video.part


@pytest.mark.fault("B-14", "D-11", "D-12")
@pytest.mark.parametrize("cut", [(size, end) for size in (1, 511, 512, CUT) for end in (End.FIN, End.RST)])
def test_cut_within_a_call_is_resumed_from_the_last_kept_byte(
    video: VideoDownload, clock: FakeTime, cut: tuple[int, End]
) -> None:
    """After a cut, clean or not, the same call resumes from the last kept byte."""
    assert video.start(HOST.cut(*cut), HOST).download().read_bytes() == ONE
    size = cut[0]
    # A part too short to be recognized as a video is not kept.
    again = (f"bytes={size}-", '"one"') if size >= 512 else (None, None)
    assert video.ranges == [(None, None), again]
    assert clock.sleeps == [0.5]
    assert list(video.target.parent.iterdir()) == [video.target]


@pytest.mark.fault("D-13")
def test_fifty_cuts_with_progress_are_resumed(video: VideoDownload, clock: FakeTime) -> None:
    """Each byte of progress resets the count of failures."""
    assert video.start(*[HOST.cut(6_000)] * 50).download().read_bytes() == ONE
    assert clock.sleeps == [0.5] * 49
    assert video.ranges[-1] == ("bytes=294000-", '"one"')


@pytest.mark.fault("D-14")
@pytest.mark.parametrize("fault", [CLOSE, RESET, http(503), http(429)])
def test_five_failures_without_progress_end_the_download_and_keep_the_part(
    video: VideoDownload, clock: FakeTime, fault: RawReply
) -> None:
    """Five failures in a row, with growing delays, end the call; the part is kept."""
    video.start(HOST.cut(CUT), *[fault] * 9)
    with pytest.raises(k.IncompleteDownloadError, match=f"{CUT} of {SIZE} bytes"):
        video.download()
    assert clock.sleeps == [0.5, 1.0, 2.0, 4.0]
    assert video.part.read_bytes() == ONE[:CUT]


@pytest.mark.fault("D-01")
def test_next_call_resumes_the_part_under_a_condition(video: VideoDownload, left_over: Path) -> None:
    """A later call requests the rest, on condition that the file is the same."""
    assert video.start(HOST).download(path="/v?sig=another").read_bytes() == ONE
    assert video.ranges == [(f"bytes={CUT}-", '"one"')]
    assert list(video.target.parent.iterdir()) == [video.target]


@pytest.mark.fault("F-10", "K-13")
def test_metadata_holds_task_tag_and_length_and_no_url(left_over: Path) -> None:
    """The metadata next to the part holds task, tag and length, is private to its owner, and holds no signed URL."""
    note = left_over.with_name("v.mp4.part.json")
    assert json.loads(note.read_text()) == {"task_id": "t", "validator": '"one"', "total": SIZE}
    assert note.stat().st_mode & 0o077 == 0


def test_resume_false_discards_the_part(video: VideoDownload, left_over: Path) -> None:
    """With resume=False the part of an earlier call is discarded."""
    assert video.start(HOST).download(resume=False).read_bytes() == ONE
    assert video.ranges == [(None, None)]


def rest_of(body: bytes, start: int, *fields: tuple[str, str], total: int = SIZE) -> RawReply:
    """Return a 206 from ``start`` on."""
    return http(206, body[start:], ("Content-Range", f"bytes {start}-{total - 1}/{total}"), *fields)


@pytest.mark.fault("D-02", "D-03", "D-04", "D-05", "D-07")
@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(([http(200, ONE)], ONE), id="the range is ignored"),
        pytest.param(([FileHost(TWO, '"two"')], TWO), id="the file changed"),
        pytest.param(([rest_of(TWO, CUT, ("ETag", '"two"')), FileHost(TWO, '"two"')], TWO), id="If-Range is ignored"),
        pytest.param(([rest_of(ONE, CUT + 1), HOST], ONE), id="another start"),
        pytest.param(([rest_of(ONE, 0), HOST], ONE), id="from the start"),
        pytest.param(([rest_of(ONE, CUT, total=SIZE + 1), HOST], ONE), id="another total"),
        pytest.param(([http(206, ONE[CUT:]), HOST], ONE), id="no Content-Range"),
        pytest.param(([http(206, ONE, ("Content-Type", "multipart/byteranges")), HOST], ONE), id="multipart"),
        pytest.param(([http(416, b"", ("Content-Range", f"bytes */{CUT}")), HOST], ONE), id="416"),
        pytest.param(([rest_of(ONE, CUT)], ONE), id="no tag in the 206"),
        pytest.param(([rest_of(ONE, CUT, ("ETag", '"one"')).cut(9_000), HOST], ONE), id="cut again"),
        pytest.param(([http(503), HOST], ONE), id="503 first"),
    ],
)  # fmt: skip
def test_any_response_to_a_range_gives_one_whole_version(
    video: VideoDownload, left_over: Path, plan: tuple[list[Any], bytes]
) -> None:
    """However the server answers the range request, the result is one whole version of the file."""
    script, result = plan
    assert video.start(*script).download().read_bytes() == result
    assert video.ranges[0] == (f"bytes={CUT}-", '"one"')
    assert len(video.host.requests) == len(script)
    assert list(video.target.parent.iterdir()) == [video.target]


@pytest.mark.fault("D-16")
def test_web_page_instead_of_the_rest_keeps_the_part(video: VideoDownload, left_over: Path) -> None:
    """If something other than the rest is served, the part is kept."""
    video.start(http(200, b"<html>", ("Content-Type", "text/html")), HOST)
    with pytest.raises(k.NotAVideoError):
        video.download()
    assert video.download().read_bytes() == ONE
    assert video.ranges[1] == (f"bytes={CUT}-", '"one"')


@pytest.mark.fault("D-08", "D-10")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda part, note: note.unlink(), id="no note"),
        pytest.param(lambda part, note: note.write_bytes(b"\xff{"), id="damaged"),
        pytest.param(lambda part, note: note.write_text("[1]"), id="not an object"),
        pytest.param(lambda part, note: note.write_text(note.read_text().replace('"t"', '"u"')), id="another task"),
        pytest.param(lambda part, note: note.write_text(note.read_text().replace('"\\"one\\""', '"W/1"')), id="weak"),
        pytest.param(lambda part, note: part.write_bytes(bytes(SIZE + 1)), id="longer than the file"),
        pytest.param(lambda part, note: part.write_bytes(b""), id="empty"),
    ],
)
def test_part_without_valid_metadata_is_discarded(
    video: VideoDownload, left_over: Path, spoil: Callable[[Path, Path], object]
) -> None:
    """A part that cannot be proved to belong to the file is not resumed, and does no harm."""
    spoil(left_over, left_over.with_name("v.mp4.part.json"))
    assert video.start(HOST).download().read_bytes() == ONE
    assert video.ranges == [(None, None)]


@pytest.mark.fault("D-08")
def test_part_longer_than_the_file_counts_as_no_bytes_received(video: VideoDownload, left_over: Path) -> None:
    """A part that is longer than the file is not counted as received."""
    left_over.write_bytes(bytes(SIZE + 1))
    video.start(*[CLOSE] * 5)
    with pytest.raises(k.IncompleteDownloadError) as caught:
        video.download()
    assert caught.value.received == 0


@pytest.mark.fault("D-09")
@pytest.mark.parametrize("tag", [None, 'W/"one"', "one", '""'])
def test_file_without_a_strong_tag_is_requested_whole(video: VideoDownload, tag: str | None) -> None:
    """If nothing proves that the file is the same, the whole of it is requested again."""
    weak = FileHost(ONE, tag)
    assert video.start(weak.cut(CUT), weak).download().read_bytes() == ONE
    assert video.ranges == [(None, None)] * 2


@pytest.mark.fault("D-06", "D-23")
def test_complete_part_is_renamed_without_a_request(video: VideoDownload, left_over: Path) -> None:
    """A part that is complete, because the program was killed just then, is only renamed."""
    left_over.write_bytes(ONE)
    assert video.start().download().read_bytes() == ONE
    assert video.host.requests == []


@pytest.mark.fault("D-15")
@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_expired_url_is_queried_again_and_the_part_resumed(video: VideoDownload, status: int) -> None:
    """A URL that is refused is queried again, and the part is resumed from the fresh one."""
    video.start(HOST.cut(CUT), error_reply(status), HOST, named=("/fresh",))
    assert video.download(path="/old").read_bytes() == ONE
    assert video.host.targets == ["/old", "/old", "/fresh"]
    assert video.ranges[2] == (f"bytes={CUT}-", '"one"')
    assert len(video.gateway.requests) == 1


@pytest.mark.fault("D-15")
def test_second_expired_url_ends_the_download(video: VideoDownload) -> None:
    """If the fresh URL is refused too, the download ends with an error that says so."""
    video.start(each=lambda _: error_reply(410), named=("/fresh", "/fresher"))
    with pytest.raises(k.DownloadError, match="fresh URL"):
        video.download(path="/old")
    assert (len(video.gateway.requests), len(video.host.requests)) == (1, 2)


@pytest.mark.fault("C-01")
def test_interrupted_download_is_resumed_by_the_next_call(video: VideoDownload) -> None:
    """Ctrl-C during a download is raised, and the next call resumes the part."""
    video.start(each=HOST)

    def interrupt(size: int, _: object) -> None:
        if size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.download(progress=interrupt)
    size = video.part.stat().st_size
    assert size > 0
    assert video.download().read_bytes() == ONE
    # The asynchronous client writes in batches: this file fits into one.
    assert video.ranges[1:] == ([(f"bytes={size}-", '"one"')] if size < SIZE else [])


def test_no_byte_is_fetched_twice_over_several_cuts(video: VideoDownload) -> None:
    """No byte of the file is fetched twice, whatever the cuts."""
    served: list[int] = []

    def handler(request: RawRequest) -> RawReply:
        reply = HOST(request).cut(70_000)
        served.append(len(bytes(reply.body)))  # type: ignore[arg-type]
        return reply

    assert video.start(each=handler).download().read_bytes() == ONE
    assert sum(served) == SIZE


def test_metadata_unreadable_for_want_of_descriptors_keeps_the_part(
    video: VideoDownload, left_over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no descriptor is left to read the metadata, the part is kept until one is."""
    real = os.open

    def exhausted(path: Any, *args: Any, **options: Any) -> int:
        if str(path).endswith(".json"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *args, **options)

    video.start(each=HOST)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", exhausted)
        with pytest.raises(k.DownloadError, match="Too many open files"):
            video.download()
    assert left_over.read_bytes() == ONE[:CUT]
    assert video.download().read_bytes() == ONE
    assert video.ranges == [(f"bytes={CUT}-", '"one"')]


@needs_posix
def test_valid_metadata_is_not_rewritten_when_resuming(
    video: VideoDownload, left_over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming does not rewrite valid metadata: on a full disk that could lose the part."""
    video.start(HOST.cut(CUT), *[CLOSE] * 5, HOST)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_limited_to(0, ".json"))
        with pytest.raises(k.IncompleteDownloadError):
            video.download()
    assert left_over.stat().st_size == 2 * CUT
    assert video.download().read_bytes() == ONE


def test_expired_url_is_queried_again_over_the_only_connection(video: VideoDownload, kind: str) -> None:
    """With one connection allowed, an expired URL is queried again over it: its response is discarded before."""
    transport = {"sync": httpx.HTTPTransport, "async": httpx.AsyncHTTPTransport}[kind]
    one = {"transport": transport(limits=httpx.Limits(max_connections=1))}
    video.start(error_reply(403, "expired"), HOST, named=("/fresh",), timeout=2, max_retries=0, httpx_args=one)
    assert video.download().read_bytes() == ONE
