"""MP4 files that are complete by their boxes, and files that are known to be no video."""

from __future__ import annotations

import pytest

from kkiai_sdk import NotAVideoError
from kkiai_sdk._downloads.sniffing import BOX_HEAD, Boxes, check_video

URL = "https://cdn.example/a.mp4"


def box(kind: bytes, size: int, says: int | None = None) -> bytes:
    """A box of an MP4 file, ``size`` bytes long; ``says`` is its length if it is not to be the true one."""
    return (size if says is None else says).to_bytes(4, "big") + kind + bytes(size - 8)


def boxes_of(file: bytes) -> Boxes:
    """Go from box to box, as a download does."""
    boxes = Boxes(len(file), 0)
    while boxes.end < len(file):
        boxes = boxes.after(file[boxes.end : boxes.end + BOX_HEAD])
    return boxes


FTYP, MOOV, MDAT = box(b"ftyp", 24), box(b"moov", 50), box(b"mdat", 1000)
FRAGMENT = box(b"moof", 40) + MDAT


@pytest.mark.fault("D-32")
@pytest.mark.parametrize(
    ("file", "is_complete"),
    [
        (FTYP + MOOV + MDAT, True),
        (FTYP + MDAT + MOOV, True),
        (FTYP + MOOV + FRAGMENT + FRAGMENT + box(b"mfra", 20), True),
        (FTYP + MOOV + MDAT[:-1], False),
        (FTYP + MOOV, False),
        (FTYP + MDAT, False),
        (FTYP + MOOV + FRAGMENT, False),
        (FTYP + MOOV + box(b"mdat", 1000, says=0), False),
    ],
    ids=["index first", "index last", "fragments", "cut", "no data", "no index", "no end", "to the end, wherever"],
)
def test_mp4_is_complete_by_its_boxes_or_not(file: bytes, is_complete: bool) -> None:  # noqa: FBT001 (a column)
    """An MP4 is complete if its boxes end with it, and index and data are among them; in fragments also their end."""
    boxes = boxes_of(file)
    assert boxes.are_complete is is_complete
    assert boxes.fit is (boxes.end == len(file))


@pytest.mark.fault("D-34")
@pytest.mark.parametrize(
    ("content_type", "beginning", "name", "advice"),
    [
        ("image/gif", b"GIF89a\1\0", "image/gif", "ask for a video"),
        ("video/mp4", b"GIF87a\1\0", "image/gif", "ask for a video"),
        ("application/vnd.apple.mpegurl", b"#EXTM3U\n", "m3u8 (HLS)", "ffmpeg"),
        ("video/mp4", b"\xef\xbb\xbf#EXTM3U\n", "m3u8 (HLS)", "ffmpeg"),
        ("application/octet-stream", b"<?xml version='1.0'?>\n<!-- x --><MPD xmlns=''>", "mpd (DASH)", "ffmpeg"),
        ("application/dash+xml; charset=utf-8", b"\xff", "mpd (DASH)", "ffmpeg"),
        ("video/mp4", b"PK\x03\x04\x14\0", "a zip archive", "unpack it"),
        ("", b"v\n.mp4" + bytes(251) + b"ustar\0", "a tar archive", "unpack it"),
        ("application/octet-stream", b"\x1f\x8b\x08\0", "a gzip archive", "unpack it"),
        ("", b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
        ("", b"Rar!\x1a\x07\1\0", "a rar archive", "unpack it"),
    ],
)
def test_file_that_is_no_video_is_named_with_advice(
    content_type: str, beginning: bytes, name: str, advice: str
) -> None:
    """Pictures, playlists and archives are refused with a sentence that says which they are and what to do."""
    with pytest.raises(NotAVideoError) as caught:
        check_video(content_type, beginning, URL)
    assert str(caught.value).startswith(f"the server sent {name} instead of a video: ")
    assert advice in str(caught.value)


def test_video_under_the_type_of_an_archive_is_a_video() -> None:
    """The first bytes of a known format count more than the media type."""
    check_video("application/zip", FTYP, URL)
