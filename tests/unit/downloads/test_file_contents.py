"""Packed files, files inside of URLs, MP4 files without a length, and files that are no video."""

from __future__ import annotations

import base64
import gzip
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import DownloadError, NotAVideoError
from kkiai_sdk._downloads import content_coding, data_url
from kkiai_sdk._downloads.content_coding import MAX_RATIO, PIECE_SIZE, Unpacker
from kkiai_sdk._downloads.data_url import is_data_url, parse_data_url
from kkiai_sdk._downloads.sniffing import BOX_HEAD, Boxes, check_video
from kkiai_sdk._redaction import display_url, message
from tests.unit.support import FIXED

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://cdn.example/a.mp4"
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zlib": zlib.compress}


def unpacked(packed: bytes, step: int = 7) -> bytes:
    """The contents of a body that comes in pieces of so many bytes."""
    unpacker = Unpacker(URL)
    body = b"".join(piece for at in range(0, len(packed), step) for piece in unpacker.unpack(packed[at : at + step]))
    unpacker.check_end()
    return body


@pytest.mark.fault("D-31")
@given(st.binary(max_size=300), st.integers(1, 400), st.sampled_from(sorted(PACKERS)))
@FIXED
def test_packed_body_comes_out_whole(body: bytes, step: int, packer: str) -> None:
    """A body is unpacked to what was packed, however it is cut into pieces."""
    assert unpacked(PACKERS[packer](body), step) == body


@pytest.mark.fault("D-31")
def test_members_of_gzip_are_unpacked_one_after_the_other() -> None:
    """A gzip body of several members is the sum of them; hundreds of them are refused."""
    assert unpacked(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    with pytest.raises(DownloadError, match="more than 16 members"):
        unpacked(gzip.compress(b"x") * 17)


@pytest.mark.fault("D-31")
@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (gzip.compress(b"moo" * 99)[:-9], "cut short"),
        (b"\x1f\x8b\x08\0\xff damaged", "cannot be unpacked"),
        (b"moo", "cannot be unpacked"),
        (b"", "cut short"),
    ],
    ids=["cut", "damaged", "not packed", "empty"],
)
def test_damaged_packed_body_is_an_error(packed: bytes, problem: str) -> None:
    """What is damaged or cut raises DownloadError, which names the URL and the problem."""
    with pytest.raises(DownloadError, match=problem) as caught:
        unpacked(packed)
    assert caught.value.url == URL


@pytest.mark.fault("D-31")
def test_bomb_is_refused_early_and_in_small_pieces() -> None:
    """A body that grows to a thousand times its size is refused within the bound; no piece is larger than 1 MiB."""
    packed, sizes = gzip.compress(bytes(100 * PIECE_SIZE)), [0]
    with pytest.raises(DownloadError, match=f"more than {MAX_RATIO} times"):
        sizes.extend(map(len, Unpacker(URL).unpack(packed)))
    assert len(sizes) > 2
    assert max(sizes) <= PIECE_SIZE
    assert sum(sizes) <= PIECE_SIZE + MAX_RATIO * len(packed)


def test_codings_are_read_in_any_case() -> None:
    """Codings come in lower case, without what is none."""
    assert content_coding.content_codings(" GZip , Binary,, video/mp4") == ["gzip"]
    assert content_coding.can_unpack(["gzip"])
    assert not content_coding.can_unpack(["gzip", "br"])


FILE = bytes(range(256)) * 5


@pytest.mark.fault("D-33")
@pytest.mark.parametrize(
    "url",
    [
        f"data:video/mp4;base64,{base64.b64encode(FILE).decode()}",
        f"DATA:video/mp4; Base64 ,{base64.b64encode(FILE).decode().rstrip('=')}",
        f"data:video/mp4;base64,{base64.urlsafe_b64encode(FILE).decode()}",
        f"data:video/mp4;base64,{quote(base64.b64encode(FILE).decode(), safe='')}",
        f"data:video/mp4;base64,{base64.encodebytes(FILE).decode()}",
    ],
    ids=["plain", "no padding", "URL alphabet", "escaped", "lines"],
)
def test_data_url_is_decoded_in_any_spelling(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in a data URL comes out in pieces, of the size that was announced, whatever the spelling of base64."""
    monkeypatch.setattr(data_url, "PIECE_SIZE", 8)
    data = parse_data_url(url)
    pieces = list(data.chunks())
    assert (b"".join(pieces), data.size, max(map(len, pieces))) == (FILE, len(FILE), 6)
    assert data.content_type == "video/mp4"
    assert is_data_url(url)


@pytest.mark.fault("D-33")
@pytest.mark.parametrize(
    "url", ["data:video/mp4,moo", "data:", "data:video/mp4;base64", f"data:{'x' * 300};base64,AAAA"]
)
def test_data_url_without_base64_is_refused(url: str) -> None:
    """A data URL in another form is refused."""
    with pytest.raises(DownloadError, match="holds no base64"):
        parse_data_url(url)


@pytest.mark.fault("D-33")
@pytest.mark.parametrize("body", ["AAAAA", "AA\u00e9A", "A!AA", "AA=A"])
def test_data_url_with_damaged_base64_is_refused_without_its_body(body: str) -> None:
    """Damaged base64 raises DownloadError, whose text has nothing of the body in it."""
    with pytest.raises(DownloadError, match="not valid base64") as caught:
        list(parse_data_url(f"data:video/mp4;base64,{body}").chunks())
    assert body not in str(caught.value)


@pytest.mark.fault("D-33")
def test_body_of_data_url_is_in_no_message() -> None:
    """A data URL is shown by its head alone, by itself and inside of a text."""
    url = f"data:video/mp4;base64,{base64.b64encode(FILE).decode()}"
    assert display_url(url) == "data:video/mp4;base64,…"
    assert message(f'no such file: "{url}", sorry') == 'no such file: "data:video/mp4;base64,…", sorry'
    assert "AAEC" not in repr(parse_data_url(url))


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
    assert boxes_of(file).are_complete is is_complete


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
        ("", b"v.mp4" + bytes(252) + b"ustar\0", "a tar archive", "unpack it"),
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
