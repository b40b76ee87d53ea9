"""Resumed downloads case by case: place of the cut, proof of the version, progress."""

from __future__ import annotations

import re
import signal
import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from tests.support.rawserver import End, RawReply
from tests.support.systems import needs_posix
from tests.support.wire import CLOSE, FileHost, error_reply, http, pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.behaviour.conftest import VideoDownload
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawRequest

#: Small enough to be delivered before a reset discards it.
SIZE = 20_000
ONE, TWO = pattern(1, 0, SIZE), pattern(2, 0, SIZE)
HOST = FileHost(ONE)
VIDEO = ("Content-Type", "video/mp4")
TAG = ("ETag", '"one"')
CHANGED, LATER = "Sun, 10 May 2026 11:00:00 GMT", "Sun, 10 May 2026 11:30:00 GMT"
NOW = "Sun, 10 May 2026 12:00:00 GMT"


@pytest.mark.fault("D-11", "D-12", "B-14")
@pytest.mark.parametrize("end", [End.FIN, End.RST])
@pytest.mark.parametrize("size", [0, 1, SIZE // 2, SIZE - 1, SIZE])
def test_cut_at_any_byte_gives_the_whole_file(video: VideoDownload, size: int, end: End) -> None:
    """Wherever the body is cut, the file is right; a cut after the last byte is none."""
    assert video.start(HOST.cut(size, end), HOST).download().read_bytes() == ONE
    again = {SIZE // 2, SIZE - 1}
    asked = [] if size == SIZE else [(f"bytes={size}-", '"one"') if size in again else (None, None)]
    assert video.ranges[1:] == asked


@pytest.mark.fault("D-13")
def test_fifty_cuts_with_one_byte_each_do_not_end_the_download(video: VideoDownload, clock: FakeTime) -> None:
    """Fifty cuts with a single byte between them do not end a download."""
    assert video.start(HOST.cut(600), *[HOST.cut(1)] * 50, HOST).download().read_bytes() == ONE
    assert [asked for asked, _ in video.ranges[1:]] == [f"bytes={size}-" for size in range(600, 651)]
    assert clock.sleeps == [0.5] * 51


@pytest.mark.fault("B-07")
def test_stalled_body_is_resumed_after_the_timeout(video: VideoDownload) -> None:
    """If no byte arrives within the timeout, the download resumes its part."""
    assert video.start(HOST.cut(5_000, End.HANG), HOST, timeout=0.5).download().read_bytes() == ONE
    assert video.ranges[1] == ("bytes=5000-", '"one"')


@pytest.mark.fault("B-13")
@pytest.mark.parametrize("length", [10**12, 10**18])
def test_enormous_declared_length_is_an_incomplete_download(video: VideoDownload, length: int) -> None:
    """A body that is shorter than an enormous length is incomplete; no space is reserved for it."""
    video.start(each=lambda _: RawReply(http(200, ONE, VIDEO, length=length).head, ONE, End.FIN))
    with pytest.raises(k.IncompleteDownloadError):
        video.download()
    assert video.part.stat().st_size == SIZE
    assert not video.target.exists()


@pytest.mark.fault("B-02")
@pytest.mark.parametrize("size", [700, SIZE])
def test_bytes_beyond_the_declared_length_are_discarded(video: VideoDownload, size: int) -> None:
    """Bytes beyond the declared length are part of neither the file nor the next response."""
    video.start(
        RawReply(http(200, ONE[:size], VIDEO, TAG).head, [ONE[:600], ONE[600:size] + b"HTTP/1.1 200 OK\r\n"]), HOST
    )
    assert video.download().read_bytes() == ONE[:size]
    assert video.download(overwrite=True).read_bytes() == ONE
    assert [each.connection for each in video.host.requests] == [0, 1]


@dataclass
class DatedHost:
    """Serves a file whose version is identified by Last-Modified only."""

    body: bytes
    changed: str = CHANGED
    now: str | None = NOW

    def __call__(self, request: RawRequest) -> RawReply:
        """Answer one request."""
        fields = [VIDEO, ("Last-Modified", self.changed), *([("Date", self.now)] if self.now else [])]
        found = re.fullmatch(r"bytes=(\d+)-", request.header("range") or "")
        if not found or request.header("if-range") != self.changed:
            return http(200, self.body, *fields)
        start, size = int(found[1]), len(self.body)
        return http(206, self.body[start:], *fields, ("Content-Range", f"bytes {start}-{size - 1}/{size}"))

    def cut(self, size: int) -> Any:
        """A handler that breaks off after ``size`` bytes."""
        return lambda request: self(request).cut(size)


@pytest.mark.parametrize(
    ("now", "condition"),
    [
        pytest.param(NOW, ("bytes=5000-", CHANGED), marks=pytest.mark.fault("D-01")),
        pytest.param(None, (None, None), marks=pytest.mark.fault("D-09")),
        pytest.param(CHANGED, (None, None), marks=pytest.mark.fault("D-09")),
        pytest.param("Sun, 10 May 2026 11:00:59 GMT", (None, None), marks=pytest.mark.fault("D-09")),
    ],
)
def test_last_modified_is_the_condition_for_resuming_if_a_minute_old(
    video: VideoDownload, now: str | None, condition: tuple[str | None, str | None]
) -> None:
    """Without a tag, Last-Modified is the condition; less than a minute old, it could stand for two versions."""
    host = DatedHost(ONE, now=now)
    assert video.start(host.cut(5_000), host).download().read_bytes() == ONE
    assert video.ranges == [(None, None), condition]


@pytest.mark.fault("D-05")
def test_changed_last_modified_date_restarts_the_download(video: VideoDownload) -> None:
    """If the date differs, all of the new version is taken; also if the server ignores the condition."""
    ignorant = http(206, TWO[5_000:], VIDEO, ("Last-Modified", LATER), ("Content-Range", "bytes 5000-19999/20000"))
    for rest in ([DatedHost(TWO, LATER)], [ignorant, DatedHost(TWO, LATER)]):
        assert video.start(DatedHost(ONE).cut(5_000), *rest).download(overwrite=True).read_bytes() == TWO
        assert video.ranges[1] == ("bytes=5000-", CHANGED)


@pytest.mark.fault("D-06", "D-07")
@pytest.mark.parametrize("says", [f"bytes */{SIZE}", "bytes */5000", "bytes */99", "bytes */*", "cows", None])
def test_416_with_any_total_restarts_the_download(video: VideoDownload, says: str | None) -> None:
    """A server that refuses the rest of a part, whatever total it names, is asked once for the whole."""
    fields = [("Content-Range", says)] if says else []
    assert video.start(HOST.cut(5_000), http(416, b"", *fields), HOST).download().read_bytes() == ONE
    assert [asked for asked, _ in video.ranges] == [None, "bytes=5000-", None]


@pytest.mark.fault("D-02", "D-03", "D-07")
@pytest.mark.parametrize("wrong", [http(416), http(206, ONE[9:], VIDEO, ("Content-Range", "bytes 9-19999/20000"))])
def test_second_wrong_response_to_a_download_ends_it(video: VideoDownload, wrong: RawReply) -> None:
    """After a second wrong response the download ends, and keeps nothing of it."""
    video.start(HOST.cut(5_000), *[wrong] * 9)
    with pytest.raises(k.DownloadError):
        video.download()
    assert len(video.host.requests) == 3
    assert list(video.target.parent.iterdir()) == []


LAST = ("Content-Range", f"bytes 5000-{SIZE - 1}/{SIZE}")
MORE = ONE[5_000:] + b"surplus"
TOO_MUCH = {
    "by its length": http(206, MORE, VIDEO, TAG, LAST),
    "in chunks": RawReply(
        http(206, b"", VIDEO, TAG, LAST).head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(MORE), MORE),
    ),
}


@pytest.mark.fault("B-02", "D-03")
@pytest.mark.parametrize("body", TOO_MUCH)
def test_rest_longer_than_the_missing_bytes_is_refused(video: VideoDownload, body: str) -> None:
    """A rest that is longer than the missing bytes is refused: an old file stays, nothing is kept."""
    video.target.write_bytes(TWO)
    video.start(HOST.cut(5_000), TOO_MUCH[body])
    with pytest.raises(k.DownloadError, match="more bytes than it declared"):
        video.download(overwrite=True)
    assert video.target.read_bytes() == TWO
    assert list(video.target.parent.iterdir()) == [video.target]


@pytest.mark.fault("D-15")
def test_fresh_url_of_another_version_restarts_the_download(video: VideoDownload) -> None:
    """If the fresh URL leads to another version, no byte of the old one is in the file."""
    video.start(HOST.cut(5_000), error_reply(403), FileHost(TWO, '"two"'), named=("/fresh",))
    assert video.download(path="/old").read_bytes() == TWO
    assert video.ranges[2] == ("bytes=5000-", '"one"')


@pytest.mark.fault("D-15")
def test_refused_fresh_url_keeps_the_part(video: VideoDownload) -> None:
    """If the fresh URL is refused too, the part is kept for a later call."""
    video.start(HOST.cut(5_000), error_reply(403), error_reply(410), named=("/fresh",))
    with pytest.raises(k.DownloadError, match="fresh URL"):
        video.download(path="/old")
    assert video.part.read_bytes() == ONE[:5_000]


@pytest.mark.fault("D-24")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ([HOST], [0, SIZE]),
        ([HOST.cut(5_000), HOST], [0, 5_000, 5_000, SIZE]),
        ([HOST.cut(5_000), CLOSE, HOST], [0, 5_000, 5_000, SIZE]),
        ([HOST.cut(5_000), FileHost(TWO, '"two"')], [0, 5_000, 0, SIZE]),
        ([HOST.cut(5_000), http(416), HOST], [0, 5_000, 0, SIZE]),
    ],
    ids=["whole", "cut", "cut twice", "changed", "started over"],
)
def test_progress_grows_and_falls_to_0_only_on_a_restart(
    video: VideoDownload, script: list[Any], told: list[int]
) -> None:
    """Progress grows; it falls, to 0, only if the part has to be discarded."""
    heard: list[int] = []
    video.start(*script).download(progress=lambda size, _: heard.append(size))
    turning = [size for at, size in enumerate(heard) if at in {0, len(heard) - 1} or size in told]
    assert turning == told
    assert all(later >= sooner or later == 0 for sooner, later in pairwise(heard))


@pytest.mark.fault("D-17")
@pytest.mark.parametrize(("missing", "warns"), [(0, False), (1, True), (900, True)])
def test_mp4_with_incomplete_boxes_is_saved_with_a_warning(
    video: VideoDownload, caplog: pytest.LogCaptureFixture, missing: int, *, warns: bool
) -> None:
    """An MP4 that is shorter than its boxes say is saved as served, with a warning in the log."""
    ftyp = ONE[:24]
    body = ftyp + (1000).to_bytes(4, "big") + b"mdat" + pattern(3, 500, 992)
    path = video.start(FileHost(body[: len(body) - missing])).download()
    assert path.read_bytes() == body[: len(body) - missing]
    said = [each.getMessage() for each in caplog.records if each.name == "kkiai_sdk" and each.levelname == "WARNING"]
    assert bool(said) is warns
    assert all("truncated" in text for text in said)


@needs_posix
@pytest.mark.fault("C-01")
def test_interrupt_while_the_server_is_silent_keeps_the_part_and_the_client(video: VideoDownload) -> None:
    """Ctrl-C while the server is silent is raised at once; the part stays, no lock is held, and the client works."""
    main = threading.main_thread().ident

    def pieces() -> Iterator[bytes]:
        yield ONE[:5_000]
        signal.pthread_kill(main or 0, signal.SIGINT)

    video.start(RawReply(http(200, ONE, VIDEO, TAG).head, pieces(), End.FIN), HOST)
    with pytest.raises(KeyboardInterrupt):
        video.download()
    assert not video.target.exists()
    assert video.download().read_bytes() == ONE
    assert list(video.target.parent.iterdir()) == [video.target]
