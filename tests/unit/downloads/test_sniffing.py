"""Recognition of video files by their first bytes, and the check that an MP4 file is complete."""

from __future__ import annotations

import re

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
    "Ogg of unknown contents": ("text/plain", b"OggS\0\x02" + bytes(22) + b"fishead\0"),
    "flv": ("text/plain", b"FLV\x01\x05"),
    "program stream": ("text/plain", b"\0\0\x01\xbaD"),
    "elementary stream": ("text/plain", b"\0\0\x01\xb3\x16"),
    "Windows Media": ("text/plain", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6"),
    "fragment": ("text/plain", b"\0\0\0\x18moof"),
    "wide box": ("text/plain", b"\0\0\0\x01mdat\0\0"),
    "box to the end": ("text/plain", b"\0\0\0\0mdat\0\0"),
    "QuickTime": ("text/plain", b"\0\0\0\x14ftypqt  \0\0\0\0qt  "),
    "movie with pictures": ("text/plain", b"\0\0\0\x18ftypisom\0\0\0\0mif1heic"),
    "unknown brand": ("text/plain", b"\0\0\0\x18ftypnew1\0\0\0\0new2new3"),
    "unknown brand of a movie": ("text/plain", b"\0\0\0\x18ftypnew1\0\0\0\0mp42heic"),
    "Ogg with pictures and sounds": ("text/plain", b"OggS\0\x02" + bytes(22) + b"\x80theora" + b"\x01vorbis"),
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


def ftyp(*brands: bytes, size: int | None = None) -> bytes:
    """The first box of a relative of MP4, with a major brand and others."""
    length = 12 + 4 * len(brands) if size is None else size
    return length.to_bytes(4, "big") + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])


PICTURE, SOUND, TEXT, PAGE, OTHER = "an image", "audio", "text", "a web page", "a file of an unknown type"
ARCHIVE, DOCUMENT, PROGRAM, PLAYLIST = "an archive", "a document", "a program", "a playlist"
DAMAGED = "a damaged MP4 file (its first box is not valid)"
#: Files that are no videos under a media type, and how the error calls them.
NO_VIDEOS: dict[str, tuple[str, bytes, str]] = {
    "page": ("text/html; charset=utf-8", HTML, f"{PAGE} (HTML)"),
    "page as a video": ("video/mp4", HTML, f"{PAGE} (HTML)"),
    "page after a mark": ("video/mp4", b"\xef\xbb\xbf\r\n <html>", f"{PAGE} (HTML)"),
    "JSON": ("application/json", b'{"error": "expired"}', f"{TEXT} (JSON)"),
    "JSON as a video": ("video/mp4", b' {"error": "expired"}', f"{TEXT} (JSON)"),
    "list as a video": ("video/mp4", b'["expired"]', f"{TEXT} (JSON)"),
    "XML": ("application/xml", b"<?xml version='1.0'?><Error>", f"{TEXT} (XML)"),
    "words as a video": ("video/mp4", b"the link has expired", TEXT),
    "words without a type": ("", b"the link has expired", TEXT),
    "words like a box": ("video/mp4", b"The free trial has ended", TEXT),
    "words like a file": ("video/mp4", b"The ftyp is not known", TEXT),
    "words like a RIFF file": ("video/mp4", b"About: AVI files", TEXT),
    "words in Chinese": ("video/mp4", "任务不存在".encode()[:-1], TEXT),
    "UTF-16 as a video": ("video/mp4", b"\xff\xfe<\0h\0t\0m\0l\0>\0", f"{TEXT} (UTF-16)"),
    "UTF-16 the other way": ("video/mp4", b"\xfe\xff\0<\0h\0t\0m\0l\0>", f"{TEXT} (UTF-16)"),
    "nothing": ("video/mp4", b"", "an empty file"),
    "PNG": ("image/png", b"\x89PNG\r\n\x1a\n", f"{PICTURE} (PNG)"),
    "PNG as a video": ("video/mp4", b"\x89PNG\r\n\x1a\n\0", f"{PICTURE} (PNG)"),
    "JPEG": ("application/octet-stream", b"\xff\xd8\xff\xe0\0", f"{PICTURE} (JPEG)"),
    "GIF": ("video/mp4", b"GIF87a\1\0", f"{PICTURE} (GIF)"),
    "WebP": ("video/mp4", b"RIFF\x10\0\0\0WEBPVP8 ", f"{PICTURE} (WebP)"),
    "BMP": ("video/mp4", b"BM\x36\x10\0\0\0\0\0\0", f"{PICTURE} (BMP)"),
    "TIFF": ("video/mp4", b"II*\0\x08\0\0\0", f"{PICTURE} (TIFF)"),
    "TIFF the other way": ("video/mp4", b"MM\0*\0\0\0\x08", f"{PICTURE} (TIFF)"),
    "ICO": ("video/mp4", b"\0\0\1\0\1\0\x20\x20", f"{PICTURE} (ICO)"),
    "JPEG XL": ("video/mp4", b"\xff\x0a\xff\x07", f"{PICTURE} (JPEG XL)"),
    "JPEG 2000": ("video/mp4", b"\0\0\0\x0cjP  \r\n\x87\n", f"{PICTURE} (JPEG 2000)"),
    "PSD": ("", b"8BPS\0\1", f"{PICTURE} (PSD)"),
    "SVG": ("image/svg+xml", b"<?xml version='1.0'?>\n<svg xmlns=''/>", f"{PICTURE} (SVG)"),
    "picture of an unknown format": ("image/x-new", b"\x99\0\xff", f"{PICTURE} (image/x-new)"),
    **{
        name: ("video/mp4", ftyp(brand, b"mif1", brand), f"{PICTURE} ({name})")
        for name, brand in {"heic": b"heic", "avif": b"avif", "mif1": b"mif1", "crx": b"crx "}.items()
    },
    "picture of an unknown brand": ("video/mp4", ftyp(b"new1", b"mif1", b"mp42"), f"{PICTURE} (new1)"),
    "M4A": ("video/mp4", ftyp(b"M4A ", b"isom", b"mp42"), f"{SOUND} (M4A)"),
    "M4B": ("application/octet-stream", ftyp(b"M4B ", b"M4A "), f"{SOUND} (M4B)"),
    "Opus": ("video/ogg", b"OggS\0\x02" + bytes(22) + b"OpusHead\1", f"{SOUND} (Ogg)"),
    "Vorbis": ("application/ogg", b"OggS\0\x02" + bytes(22) + b"\x01vorbis", f"{SOUND} (Ogg)"),
    "WAV": ("video/mp4", b"RIFF\x10\0\0\0WAVEfmt ", f"{SOUND} (WAV)"),
    "MP3 with tags": ("video/mp4", b"ID3\x04\0\0", f"{SOUND} (MP3)"),
    "MP3": ("video/mp4", b"\xff\xfb\x90\x64", f"{SOUND} (MP3)"),
    "AAC": ("video/mp4", b"\xff\xf1\x50\x80", f"{SOUND} (AAC)"),
    "FLAC": ("video/mp4", b"fLaC\0\0\0\x22", f"{SOUND} (FLAC)"),
    "sound of an unknown format": ("audio/x-new; a=1", b"\x99\0\xff", f"{SOUND} (audio/x-new)"),
    "no room for a brand": ("video/mp4", ftyp(b"mp42", size=12), DAMAGED),
    "no length": ("video/mp4", ftyp(b"mp42", size=0), DAMAGED),
    "no whole brands": ("video/mp4", ftyp(b"mp42", size=25), DAMAGED),
    "too long": ("video/mp4", ftyp(b"mp42", size=1 << 20), DAMAGED),
    "no letters": ("video/mp4", ftyp(b"\0\1\2\3", b"mp42"), DAMAGED),
    "no ASCII": ("video/mp4", ftyp(b"mp4\xe9", b"mp42"), DAMAGED),
    "newlines before a video": (
        "video/mp4",
        b"\r\n" + MP4,
        "a damaged MP4 file (its first box is not at its start)",
    ),
    "words before a video": ("", b"Warning\n" + MP4, "a damaged MP4 file (its first box is not at its start)"),
    "NULs": ("video/mp4", bytes(512), f"{OTHER} (the byte 00 repeated)"),
    "playlist": ("application/vnd.apple.mpegurl", b"#EXTM3U\n", f"{PLAYLIST} (m3u8, HLS)"),
    "playlist after a mark": ("video/mp4", b"\xef\xbb\xbf#EXTM3U\n", f"{PLAYLIST} (m3u8, HLS)"),
    "playlist of sounds": ("audio/x-mpegurl", b"\x99\0", f"{PLAYLIST} (audio/x-mpegurl)"),
    "DASH": ("video/mp4", b"<?xml version='1.0'?>\n<!-- x --><MPD xmlns=''>", f"{PLAYLIST} (mpd, DASH)"),
    "DASH by its type": ("application/dash+xml; charset=utf-8", b"\xff", f"{PLAYLIST} (application/dash+xml)"),
    "zip": ("video/mp4", b"PK\x03\x04\x14\0", f"{ARCHIVE} (zip)"),
    "tar": ("", b"v\n.mp4" + bytes(251) + b"ustar\0", f"{ARCHIVE} (tar)"),
    "gzip": ("application/octet-stream", b"\x1f\x8b\x08\0\xff", f"{ARCHIVE} (gzip)"),
    "bzip2": ("video/mp4", b"BZh91AY", f"{ARCHIVE} (bzip2)"),
    "xz": ("video/mp4", b"\xfd7zXZ\0", f"{ARCHIVE} (xz)"),
    "zstd": ("video/mp4", b"\x28\xb5\x2f\xfd\x04", f"{ARCHIVE} (zstd)"),
    "7z": ("", b"7z\xbc\xaf\x27\x1c", f"{ARCHIVE} (7z)"),
    "rar": ("", b"Rar!\x1a\x07\1\0", f"{ARCHIVE} (rar)"),
    "archive by its type": ("application/x-zip-compressed", b"\x99\0", f"{ARCHIVE} (application/x-zip-compressed)"),
    "PDF": ("video/mp4", b"%PDF-1.7", f"{DOCUMENT} (PDF)"),
    "font": ("video/mp4", b"\0\1\0\0\0\x0d\0\x80", f"{DOCUMENT} (font)"),
    "program": ("application/octet-stream", b"\x7fELF\2\1", f"{PROGRAM} (Linux)"),
    "unknown type": ("model/new", b"\x99\0\xff", f"{OTHER} (model/new)"),
    "hostile type": ("model/\x1b[2J", b"\x99\0", f"{OTHER} (model/\\x1b[2j)"),
    "long type": (f"model/{'x' * 60}", b"\x99\0", f"{OTHER} (model/{'x' * 53}…)"),
}


@pytest.mark.fault("D-16", "D-34")
@pytest.mark.parametrize("case", NO_VIDEOS)
def test_file_that_is_no_video_is_named_with_advice_under_any_media_type(case: str) -> None:
    """A file that is no video is refused with its kind, judged by its contents first, and with advice."""
    content_type, beginning, name = NO_VIDEOS[case]
    with pytest.raises(NotAVideoError) as caught:
        check_video(content_type, beginning, URL)
    said, _, advice = str(caught.value).partition(": ")
    assert said == f"the server sent {name} instead of a video"
    assert re.match(r"query the task again|download it|open the URL|it only lists segments", advice)
    assert caught.value.url == URL


@given(st.text(max_size=30), st.binary(max_size=40))
@FIXED
def test_any_first_bytes_are_accepted_or_rejected_as_not_a_video(content_type: str, beginning: bytes) -> None:
    """Any type and any bytes either pass or are refused with NotAVideoError."""
    try:
        check_video(content_type, beginning, URL)
    except NotAVideoError:
        assert not beginning.startswith(b"\0\0\0\x18ftypmp42")
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
