"""Recognition of video files by their first bytes, and the check that an MP4 file is complete."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import NotAVideoError
from kkiai_sdk._downloads.sniffing import BOX_HEAD, check_video, is_mp4, next_box
from tests.unit.support import FIXED

URL = "https://cdn.example/a.mp4"

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0"
WEBM = b"\x1a\x45\xdf\xa3\x9fB\x86\x81"
TRANSPORT_STREAM = b"G@\0\x10\0\0\xb0\r\0\x01" + b"\xff" * 178
HTML = b"<!doctype html><html>"

VIDEOS = {
    "mp4": ("video/mp4", MP4),
    "mp4 without a type": ("", MP4),
    "mp4 as anything": ("application/octet-stream", MP4),
    "mp4 as a page": ("text/html", MP4),
    "segment": ("text/plain", b"\0\0\0\x18stypmsdh"),
    "moov first": ("text/plain", b"\0\0\0\x18moov"),
    "mdat first": ("text/plain", b"\0\0\0\x18mdat"),
    "webm": ("text/plain", WEBM),
    "avi": ("text/plain", b"RIFF\0\0\0\0AVI "),
    "ogg": ("text/plain", b"OggS\0\x02"),
    "flv": ("text/plain", b"FLV\x01\x05"),
    "program stream": ("text/plain", b"\0\0\x01\xbaD"),
    "transport stream": ("video/mp2t", TRANSPORT_STREAM),
    "type with a parameter": ("Video/MP2T; charset=binary", TRANSPORT_STREAM),
    "unknown binary": ("application/octet-stream", b"\x89\xff\xfe\0"),
    "type with parameters": ("application/octet-stream; a=1; b=2", b"\x89\xff\xfe\0"),
    "unknown binary like words": ("application/octet-stream", b"moo\0moo"),
    "unknown binary as mp4": ("application/mp4", b"\x89\xff\xfe\0"),
    "unknown binary without a type": ("", b"\x89\xff\xfe\0"),
}


@pytest.mark.parametrize("case", VIDEOS)
def test_video_is_recognised_by_format_or_media_type(case: str) -> None:
    """A known format is accepted under any media type; unknown binary data only under a fitting one."""
    check_video(*VIDEOS[case], URL)


NO_VIDEOS: dict[str, tuple[str, bytes, str]] = {
    "page": ("text/html; charset=utf-8", HTML, "text/html"),
    "page as a video": ("video/mp4", HTML, "video/mp4"),
    "page after a mark": ("video/mp4", b"\xef\xbb\xbf\r\n <html>", "video/mp4"),
    "JSON": ("application/json", b'{"error": "expired"}', "application/json"),
    "JSON as a video": ("video/mp4", b' {"error": "expired"}', "video/mp4"),
    "list as a video": ("video/mp4", b'["expired"]', "video/mp4"),
    "XML": ("application/xml", b"<?xml version='1.0'?><Error>", "application/xml"),
    "words as a video": ("video/mp4", b"the link has expired", "video/mp4"),
    "words without a type": ("", b"the link has expired", "something else"),
    "words as anything": ("application/octet-stream", b"no", "application/octet-stream"),
    "binary picture": ("image/png", b"\x89PNG\r\n\x1a\n", "image/png"),
    "hostile type": ("text/\x1b[2J", b"x", "text/\\x1b[2j"),
    "nothing": ("video/mp4", b"", "an empty file"),
    "words in Chinese": ("video/mp4", "任务不存在".encode()[:-1], "video/mp4"),
    "PNG as a video": ("video/mp4", b"\x89PNG\r\n\x1a\n\0", "video/mp4"),
    "UTF-16 as a video": ("video/mp4", b"\xff\xfe<\0h\0t\0m\0l\0>\0", "video/mp4"),
    "UTF-16 the other way": ("video/mp4", b"\xfe\xff\0<\0h\0t\0m\0l\0>", "video/mp4"),
    "JPEG as anything": ("application/octet-stream", b"\xff\xd8\xff\xe0\0", "application/octet-stream"),
    "WebP as a video": ("video/mp4", b"RIFF\x10\0\0\0WEBPVP8 ", "video/mp4"),
    "WAVE as a video": ("video/mp4", b"RIFF\x10\0\0\0WAVEfmt ", "video/mp4"),
    "MP3 as a video": ("video/mp4", b"ID3\x04\0\0", "video/mp4"),
    "bzip2 as a video": ("video/mp4", b"BZh91AY", "video/mp4"),
    "ZIP without a type": ("", b"PK\x03\x04\x14\0", "a zip archive"),
    "gzip as anything": ("application/octet-stream", b"\x1f\x8b\x08\0\xff", "a gzip archive"),
}


@pytest.mark.fault("D-16")
@pytest.mark.parametrize("case", NO_VIDEOS)
def test_non_video_is_rejected_under_any_media_type(case: str) -> None:
    """A page, an error document, text or an empty body is rejected under any type; the error describes it."""
    content_type, beginning, says = NO_VIDEOS[case]
    with pytest.raises(NotAVideoError) as caught:
        check_video(content_type, beginning, URL)
    assert says in str(caught.value)
    assert caught.value.url == URL


@pytest.mark.parametrize(
    ("content_type", "beginning", "says"),
    [
        ("video/mp4", b"", "an empty file"),
        ("", b"no", "something else"),
        ("text/html", HTML, "text/html"),
        (f"text/{'x' * 56}", HTML, f"text/{'x' * 54}…"),
    ],
    ids=["nothing", "no type", "page", "long type"],
)
def test_error_describes_the_body_in_one_sentence(content_type: str, beginning: bytes, says: str) -> None:
    """The error is a sentence that quotes the body; long text of the server is truncated."""
    with pytest.raises(NotAVideoError, match=f"^the server sent {says} instead of a video$"):
        check_video(content_type, beginning, URL)


@given(st.text(max_size=30), st.binary(max_size=40))
@FIXED
def test_any_first_bytes_are_accepted_or_rejected_as_not_a_video(content_type: str, beginning: bytes) -> None:
    """Any type and any bytes either pass or are refused with NotAVideoError."""
    try:
        check_video(content_type, beginning, URL)
    except NotAVideoError:
        assert not beginning.startswith(b"ftyp", 4)
    else:
        assert beginning


def box(kind: bytes, size: int, *, wide: bool = False, says: int | None = None) -> bytes:
    """An MP4 box of ``size`` bytes in total; ``says`` replaces the true length in its head."""
    length = size if says is None else says
    head = (1).to_bytes(4, "big") + kind + length.to_bytes(8, "big") if wide else length.to_bytes(4, "big") + kind
    return head + bytes(size - len(head))


def has_complete_boxes(file: bytes) -> bool:
    """Walk from box to box, as a download does."""
    at = 0
    while at < len(file):
        at = next_box(file[at : at + BOX_HEAD], at, len(file))
    return at == len(file)


FTYP = box(b"ftyp", 24)
FILES: dict[str, tuple[bytes, bool]] = {
    "one box": (FTYP, True),
    "several": (FTYP + box(b"free", 8) + box(b"mdat", 1000) + box(b"moov", 50), True),
    "a wide one": (FTYP + box(b"mdat", 1000, wide=True) + box(b"moov", 50), True),
    "the last to the end": (FTYP + box(b"mdat", 1000, says=0), True),
    "cut": ((FTYP + box(b"mdat", 1000))[:-1], False),
    "cut in a wide one": ((FTYP + box(b"mdat", 1000, wide=True))[:-1], False),
    "cut in a head": (FTYP + box(b"mdat", 1000)[:7], False),
    "cut in a wide head": (FTYP + box(b"mdat", 1000, wide=True)[:15], False),
    "cut in a length": (FTYP + b"\0\0", False),
    "a box of nothing": (FTYP + box(b"mdat", 1000, says=7), False),
    "longer than any disk": (FTYP + box(b"mdat", 1000, wide=True, says=2**64 - 1), False),
}


@pytest.mark.fault("D-17")
@pytest.mark.parametrize("case", FILES)
def test_boxes_end_at_the_end_of_a_complete_file(case: str) -> None:
    """The boxes of a complete file end at its end; the last box of a truncated one goes beyond it."""
    file, whole = FILES[case]
    assert (is_mp4(file), has_complete_boxes(file)) == (True, whole)


@given(st.binary(max_size=200))
@FIXED
def test_any_boxes_are_walked_to_an_end(file: bytes) -> None:
    """For any bytes each step moves forward, and the walk ends."""
    for at in range(len(file)):
        assert next_box(file[at : at + BOX_HEAD], at, len(file)) >= min(at + 8, len(file))


@pytest.mark.parametrize(
    ("head", "end"),
    [
        (b"\0\0\0\0mdat", 1000),
        (b"\0\0\0\0mda", 1001),
        (b"\0\0\0\1mdat\0\0\1\0", 1001),
        (b"\0\0\0\1mdat\1\0\0\0\0\0\0\0", 100 + 2**56),
    ],
    ids=["to the end", "to the end, cut", "wide, cut", "wide"],
)
def test_box_end_is_computed_from_its_head(head: bytes, end: int) -> None:
    """A head of 8 bytes is complete unless it announces 16; all 8 bytes of a wide length count."""
    assert next_box(head, 100, 1000) == end


def test_other_formats_have_no_boxes() -> None:
    """Other formats than MP4 are not walked."""
    assert not is_mp4(WEBM)
