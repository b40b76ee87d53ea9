"""Downloads that break off and go on, case by case: where the cut is, what proves the file, what the caller is told."""

from __future__ import annotations

import re
import signal
import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from tests.support.rawserver import Act, End
from tests.support.wire import CLOSE, FileHost, http, pattern, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.behaviour.conftest import VideoDownload
    from tests.support.clock import FakeTime
    from tests.support.rawserver import Received

#: Small enough to be on the other side before a reset overtakes it.
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
def test_a_cut_anywhere(video: VideoDownload, size: int, end: End) -> None:
    """Wherever the body is cut, the file is right; a cut after the last byte is none."""
    assert video.start(HOST.cut(size, end), HOST).download().read_bytes() == ONE
    again = {SIZE // 2, SIZE - 1}
    asked = [] if size == SIZE else [(f"bytes={size}-", '"one"') if size in again else (None, None)]
    assert video.ranges[1:] == asked


@pytest.mark.fault("D-13")
def test_one_byte_at_a_time(video: VideoDownload, clock: FakeTime) -> None:
    """Fifty cuts with a single byte between them do not end a download."""
    assert video.start(HOST.cut(600), *[HOST.cut(1)] * 50, HOST).download().read_bytes() == ONE
    assert [asked for asked, _ in video.ranges[1:]] == [f"bytes={size}-" for size in range(600, 651)]
    assert clock.naps == [0.5] * 51


@pytest.mark.fault("B-07")
def test_a_body_that_stalls(video: VideoDownload) -> None:
    """When nothing comes for as long as a request may take, the download goes on from what it has."""
    assert video.start(HOST.cut(5_000, End.HANG), HOST, timeout=0.5).download().read_bytes() == ONE
    assert video.ranges[1] == ("bytes=5000-", '"one"')


@pytest.mark.fault("B-13")
@pytest.mark.parametrize("length", [10**12, 10**18])
def test_a_length_beyond_all_disks(video: VideoDownload, length: int) -> None:
    """A length that never comes is a file that never becomes whole; nothing is reserved for it."""
    video.start(each=lambda _: Act(http(200, ONE, VIDEO, length=length).head, ONE, End.FIN))
    with pytest.raises(k.IncompleteDownloadError):
        video.download()
    assert video.part.stat().st_size == SIZE
    assert not video.target.exists()


@pytest.mark.fault("B-02")
@pytest.mark.parametrize("size", [700, SIZE])
def test_a_body_longer_than_its_length(video: VideoDownload, size: int) -> None:
    """Bytes beyond the length that was named belong to nothing: not to the file, and not to the next answer."""
    video.start(Act(http(200, ONE[:size], VIDEO, TAG).head, [ONE[:600], ONE[600:size] + b"HTTP/1.1 200 OK\r\n"]), HOST)
    assert video.download().read_bytes() == ONE[:size]
    assert video.download(overwrite=True).read_bytes() == ONE
    assert [each.connection for each in video.host.requests] == [0, 1]


@dataclass
class DatedHost:
    """Serves a file whose version only a date of change tells."""

    body: bytes
    changed: str = CHANGED
    now: str | None = NOW

    def __call__(self, request: Received) -> Act:
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


@pytest.mark.fault("D-01")
def test_a_date_that_proves_the_file(video: VideoDownload) -> None:
    """Without a tag, a date of change that was old when the file was sent is the condition for going on."""
    host = DatedHost(ONE)
    assert video.start(host.cut(5_000), host).download().read_bytes() == ONE
    assert video.ranges == [(None, None), ("bytes=5000-", CHANGED)]


@pytest.mark.fault("D-05")
def test_a_date_that_has_changed(video: VideoDownload) -> None:
    """When the date is another, all of the new version is taken; also when the server ignores the condition."""
    ignorant = http(206, TWO[5_000:], VIDEO, ("Last-Modified", LATER), ("Content-Range", "bytes 5000-19999/20000"))
    for rest in ([DatedHost(TWO, LATER)], [ignorant, DatedHost(TWO, LATER)]):
        assert video.start(DatedHost(ONE).cut(5_000), *rest).download(overwrite=True).read_bytes() == TWO
        assert video.ranges[1] == ("bytes=5000-", CHANGED)


@pytest.mark.fault("D-09")
@pytest.mark.parametrize("now", [None, CHANGED, "Sun, 10 May 2026 11:00:59 GMT"])
def test_a_date_that_proves_nothing(video: VideoDownload, now: str | None) -> None:
    """A date of less than a minute before the answer could stand for two versions: no range is asked for."""
    host = DatedHost(ONE, now=now)
    assert video.start(host.cut(5_000), host).download().read_bytes() == ONE
    assert video.ranges == [(None, None)] * 2


@pytest.mark.fault("D-06", "D-07")
@pytest.mark.parametrize("says", [f"bytes */{SIZE}", "bytes */5000", "bytes */99", "bytes */*", "cows", None])
def test_out_of_range(video: VideoDownload, says: str | None) -> None:
    """A server that refuses the rest of a part, whatever total it names, is asked once for the whole."""
    fields = [("Content-Range", says)] if says else []
    assert video.start(HOST.cut(5_000), http(416, b"", *fields), HOST).download().read_bytes() == ONE
    assert [asked for asked, _ in video.ranges] == [None, "bytes=5000-", None]


@pytest.mark.fault("D-02", "D-03", "D-07")
@pytest.mark.parametrize("wrong", [http(416), http(206, ONE[9:], VIDEO, ("Content-Range", "bytes 9-19999/20000"))])
def test_starting_over_happens_once(video: VideoDownload, wrong: Act) -> None:
    """A server that never answers for what it was asked is not asked for ever, and nothing of it is kept."""
    video.start(HOST.cut(5_000), *[wrong] * 9)
    with pytest.raises(k.DownloadError):
        video.download()
    assert len(video.host.requests) == 3
    assert list(video.target.parent.iterdir()) == []


LAST = ("Content-Range", f"bytes 5000-{SIZE - 1}/{SIZE}")
MORE = ONE[5_000:] + b"surplus"
TOO_MUCH = {
    "by its length": http(206, MORE, VIDEO, TAG, LAST),
    "in chunks": Act(
        http(206, b"", VIDEO, TAG, LAST).head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(MORE), MORE),
    ),
}


@pytest.mark.fault("B-02", "D-03")
@pytest.mark.parametrize("body", TOO_MUCH)
def test_more_than_was_missing(video: VideoDownload, body: str) -> None:
    """The rest of a file that is longer than what is missing is no part of it: an old file stays, nothing is kept."""
    video.target.write_bytes(TWO)
    video.start(HOST.cut(5_000), TOO_MUCH[body])
    with pytest.raises(k.DownloadError, match="more bytes than its declared length"):
        video.download(overwrite=True)
    assert video.target.read_bytes() == TWO
    assert list(video.target.parent.iterdir()) == [video.target]


@pytest.mark.fault("D-15")
def test_a_fresh_url_for_a_changed_file(video: VideoDownload) -> None:
    """When the fresh URL leads to another version, nothing of the old one is in the file."""
    video.start(HOST.cut(5_000), refusal(403), FileHost(TWO, '"two"'), named=("/fresh",))
    assert video.download(path="/old").read_bytes() == TWO
    assert video.ranges[2] == ("bytes=5000-", '"one"')


@pytest.mark.fault("D-15")
def test_a_url_that_is_refused_costs_no_byte(video: VideoDownload) -> None:
    """When no URL is good any more, the part is kept for a later call."""
    video.start(HOST.cut(5_000), refusal(403), refusal(410), named=("/fresh",))
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
def test_progress_tells_where_it_starts(video: VideoDownload, script: list[Any], told: list[int]) -> None:
    """Progress grows; only when what was there has to be thrown away it falls, and then to 0."""
    heard: list[int] = []
    video.start(*script).download(progress=lambda size, _: heard.append(size))
    turning = [size for at, size in enumerate(heard) if at in {0, len(heard) - 1} or size in told]
    assert turning == told
    assert all(later >= sooner or later == 0 for sooner, later in pairwise(heard))


@pytest.mark.fault("D-17")
@pytest.mark.parametrize(("missing", "warns"), [(0, False), (1, True), (900, True)])
def test_a_video_that_was_cut_before_it_was_served(
    video: VideoDownload, caplog: pytest.LogCaptureFixture, missing: int, *, warns: bool
) -> None:
    """An MP4 that is shorter than its own parts say is saved as the server has it, with a warning in the log."""
    ftyp = ONE[:24]
    body = ftyp + (1000).to_bytes(4, "big") + b"mdat" + pattern(3, 500, 992)
    path = video.start(FileHost(body[: len(body) - missing])).download()
    assert path.read_bytes() == body[: len(body) - missing]
    said = [each.getMessage() for each in caplog.records if each.name == "kkiai_sdk" and each.levelname == "WARNING"]
    assert bool(said) is warns
    assert all("cut short" in text for text in said)


@pytest.mark.fault("C-01")
def test_an_interrupt_while_waiting_for_bytes(video: VideoDownload) -> None:
    """Ctrl-C while the server is silent passes at once; the part stays, no lock is held, and the client works on."""
    main = threading.main_thread().ident

    def pieces() -> Iterator[bytes]:
        yield ONE[:5_000]
        signal.pthread_kill(main or 0, signal.SIGINT)

    video.start(Act(http(200, ONE, VIDEO, TAG).head, pieces(), End.FIN), HOST)
    with pytest.raises(KeyboardInterrupt):
        video.download()
    assert not video.target.exists()
    assert video.download().read_bytes() == ONE
    assert list(video.target.parent.iterdir()) == [video.target]
