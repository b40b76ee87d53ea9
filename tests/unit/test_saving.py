"""Decisions of a download: names, what to ask for, what to make of the answer, what passes for a video."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import DownloadError, NotAVideoError
from kkiai_sdk._saving import MAX_NAME, check_size, check_video, file_name, is_strong
from tests.unit.support import FIXED, brief

URL = "https://cdn.example/a.mp4"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.mp4")

NAMES: dict[str, str] = {
    "7f3c-11": "7f3c-11.mp4",
    "task_01k6x.b": "task_01k6x.b.mp4",
    "v.mp4": "v.mp4.mp4",
    "grok:7f3c": r"grok-7f3c-[0-9a-f]{8}\.mp4",
    "Grok": r"Grok-[0-9a-f]{8}\.mp4",
    "../../etc/passwd": r"etc-passwd-[0-9a-f]{8}\.mp4",
    "..%2f..%2fx": r"2f\.\.-2fx-[0-9a-f]{8}\.mp4",
    "%252e%252e": r"252e-252e-[0-9a-f]{8}\.mp4",
    "a/b": r"a-b-[0-9a-f]{8}\.mp4",
    "a\\b": r"a-b-[0-9a-f]{8}\.mp4",
    "C:x": r"C-x-[0-9a-f]{8}\.mp4",
    "-rf": r"rf-[0-9a-f]{8}\.mp4",
    ".bashrc": r"bashrc-[0-9a-f]{8}\.mp4",
    "...": r"video-[0-9a-f]{8}\.mp4",
    "牛": r"video-[0-9a-f]{8}\.mp4",
    "a\u202eb": r"a-b-[0-9a-f]{8}\.mp4",
    "a\0b\n": r"a-b--[0-9a-f]{8}\.mp4",
    "\ud800": r"video-[0-9a-f]{8}\.mp4",
    "CON": r"video-CON-[0-9a-f]{8}\.mp4",
    "nul": r"video-nul-[0-9a-f]{8}\.mp4",
    "com1.tar": r"video-com1\.tar-[0-9a-f]{8}\.mp4",
    "console": r"console\.mp4",
    "": r"video-[0-9a-f]{8}\.mp4",
    "x" * 300: r"x{100}-[0-9a-f]{8}\.mp4",
}


@pytest.mark.parametrize("task_id", NAMES, ids=brief)
def test_file_names(task_id: str) -> None:
    """A file is called after its task: the id itself where that is harmless, else a harmless form and some hash."""
    assert re.fullmatch(NAMES[task_id], file_name(task_id))


IDS = st.text(st.characters(), max_size=40) | st.from_regex(r"[A-Za-z0-9:./%\\ -]{0,20}", fullmatch=True)


@given(IDS | st.text(st.characters(), min_size=100, max_size=400))
@FIXED
def test_file_names_are_safe(task_id: str) -> None:
    """Whatever the id: one component of harmless ASCII, not hidden, not an option, no device, not too long."""
    name = file_name(task_id)
    assert NAME.fullmatch(name)
    assert len(name) <= MAX_NAME
    assert name.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


@given(IDS, IDS)
@FIXED
def test_two_tasks_have_two_files(one: str, other: str) -> None:
    """Two ids have two names, also where the file system does not tell case."""
    assert (file_name(one).lower() == file_name(other).lower()) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [("Grok", "grok"), ("GROK", "Grok"), ("a/b", "a-b"), ("a/b", "a\\b"), ("é", "e\u0301")]
)
def test_names_that_would_collide(one: str, other: str) -> None:
    """Ids that differ in case, in what is replaced, or in how an accent is written have different names."""
    assert file_name(one).lower() != file_name(other).lower()


@pytest.mark.parametrize("tag", ['"abc"', '"a-b:c/d"', '"!"', '"W/"'])
def test_strong_tags(tag: str) -> None:
    """A quoted entity tag is a strong one."""
    assert is_strong(tag)


@pytest.mark.parametrize(
    "tag", ["", "abc", 'W/"abc"', '""', '"a"b"', '"a b"', '"a\n"', '"é"', '"abc', f'"{"x" * 513}"', '"a"\n']
)
def test_weak_tags(tag: str) -> None:
    """A weak, empty, unquoted or damaged tag proves nothing."""
    assert not is_strong(tag)


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
    "unknown binary as mp4": ("application/mp4", b"\x89\xff\xfe\0"),
    "unknown binary without a type": ("", b"\x89\xff\xfe\0"),
}


@pytest.mark.parametrize("case", VIDEOS)
def test_what_passes_for_a_video(case: str) -> None:
    """The first bytes of a known format pass under any type; unknown binary ones pass under a type that fits."""
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
    "JPEG as anything": ("application/octet-stream", b"\xff\xd8\xff\xe0\0", "application/octet-stream"),
    "WebP as a video": ("video/mp4", b"RIFF\x10\0\0\0WEBPVP8 ", "video/mp4"),
    "ZIP without a type": ("", b"PK\x03\x04\x14\0", "something else"),
    "gzip as anything": ("application/octet-stream", b"\x1f\x8b\x08\0\xff", "application/octet-stream"),
}


@pytest.mark.parametrize("case", NO_VIDEOS)
def test_what_is_no_video(case: str) -> None:
    """A page, an error document, words or nothing at all are refused under any type, and the error says what came."""
    content_type, beginning, says = NO_VIDEOS[case]
    with pytest.raises(NotAVideoError) as caught:
        check_video(content_type, beginning, URL)
    assert says in str(caught.value)
    assert caught.value.url == URL


@given(st.text(max_size=30), st.binary(max_size=40))
@FIXED
def test_any_beginning(content_type: str, beginning: bytes) -> None:
    """Any type and any bytes either pass or are refused with NotAVideoError."""
    try:
        check_video(content_type, beginning, URL)
    except NotAVideoError:
        assert not beginning.startswith(b"ftyp", 4)
    else:
        assert beginning


@pytest.mark.parametrize(("expected", "max_bytes"), [(None, 5), (5, None), (5, 5), (0, 5), (None, None)])
def test_sizes_that_fit(expected: int | None, max_bytes: int | None) -> None:
    """A file that is not larger than allowed, or of unknown size, may come."""
    check_size(expected, max_bytes, URL)


def test_a_file_that_is_too_large() -> None:
    """A file that is larger than the caller allows is refused, with both sizes."""
    with pytest.raises(DownloadError, match="the video has 6 bytes, more than max_bytes=5"):
        check_size(6, 5, URL)
