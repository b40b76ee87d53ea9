"""Recognizes videos by media type and first bytes."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from attrs import field, frozen

from kkiai_sdk import _redaction
from kkiai_sdk.errors import NotAVideoError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Number of first bytes by which a file is recognized.
SNIFF_SIZE = 512

#: Signatures of video formats: offset and bytes.
_VIDEO_SIGNATURES: Sequence[tuple[int, bytes]] = (
    (4, b"ftyp"),
    (4, b"styp"),
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"free"),
    (4, b"wide"),
    (0, b"\x1a\x45\xdf\xa3"),
    (8, b"AVI "),
    (0, b"OggS"),
    (0, b"FLV\x01"),
    (0, b"\x00\x00\x01\xba"),
)
_ARCHIVE = "download it with another program, such as curl, and unpack it there"
_PLAYLIST = "a playlist, which only names pieces of a stream: give its URL to a player or to ffmpeg (-i URL -c copy)"


@frozen
class _KnownFile:
    """A kind of file that is no video, but may be meant as one."""

    name: str
    advice: str
    beginning: re.Pattern[bytes]
    media_types: frozenset[str]


def _known(name: str, advice: str, beginning: bytes, media_types: str) -> _KnownFile:
    return _KnownFile(name, advice, re.compile(beginning, re.DOTALL), frozenset(media_types.split()))


_KNOWN_FILES = (
    _known("image/gif", "an animated picture; ask for a video, or open the URL as a picture", b"GIF8", "image/gif"),
    _known(
        "m3u8 (HLS)",
        _PLAYLIST,
        rb"(?:\xef\xbb\xbf)?\s*#EXTM3U",
        "application/vnd.apple.mpegurl application/x-mpegurl audio/mpegurl audio/x-mpegurl",
    ),
    _known("mpd (DASH)", _PLAYLIST, rb"(?:<\?[^>]*>|<!--.*?-->|\s|\xef\xbb\xbf)*+<MPD[\s>]", "application/dash+xml"),
    _known("a zip archive", _ARCHIVE, rb"PK(?:\x03\x04|\x05\x06)", "application/zip application/x-zip-compressed"),
    _known("a tar archive", _ARCHIVE, rb".{257}ustar", "application/x-tar"),
    _known("a gzip archive", _ARCHIVE, rb"\x1f\x8b", "application/gzip application/x-gzip"),
    _known("a 7z archive", _ARCHIVE, rb"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    _known("a rar archive", _ARCHIVE, rb"Rar!\x1a\x07", "application/vnd.rar"),
)
#: Signatures of other files that servers send instead of a video: images, documents.
_OTHER_SIGNATURES: Sequence[tuple[int, bytes]] = (
    (0, b"\x89PNG"),
    (0, b"\xff\xd8\xff"),
    (8, b"WEBP"),
    (8, b"WAVE"),
    (0, b"ID3"),
    (0, b"BZh"),
    (0, b"%PDF"),
    # Byte order marks of UTF-16.
    (0, b"\xff\xfe"),
    (0, b"\xfe\xff"),
)
_BINARY_TYPES = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/mp4", "application/x-mp4"}
)


def check_video(content_type: str, beginning: bytes, url: str) -> None:
    """Raise NotAVideoError if the media type and the first bytes are not those of a video."""
    media_type = content_type.split(";", maxsplit=1)[0].strip().lower()
    if not beginning:
        raise NotAVideoError("the server sent an empty file instead of a video", url=url)
    if is_video(beginning):
        return
    for kind in _KNOWN_FILES:
        if kind.beginning.match(beginning) or media_type in kind.media_types:
            raise NotAVideoError(f"the server sent {kind.name} instead of a video: {kind.advice}", url=url)
    plausible = media_type.startswith("video/") or media_type in _BINARY_TYPES
    if not plausible or _matches(beginning, _OTHER_SIGNATURES) or is_text(beginning):
        content = _redaction.message(media_type, 60) or "something else"
        raise NotAVideoError(f"the server sent {content} instead of a video", url=url)


def is_video(beginning: bytes) -> bool:
    """Whether these are the first bytes of a known video format."""
    return _matches(beginning, _VIDEO_SIGNATURES)


def _matches(beginning: bytes, signatures: Sequence[tuple[int, bytes]]) -> bool:
    return any(beginning.startswith(magic, offset) for offset, magic in signatures)


def is_text(beginning: bytes) -> bool:
    """Whether this is UTF-8 text without NUL, the last character possibly incomplete."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return b"\0" not in beginning


#: Maximum bytes of the header of a box in an MP4 file.
BOX_HEAD = 16


def is_mp4(beginning: bytes) -> bool:
    """Whether a file is an MP4 file, whose boxes can be walked by :func:`next_box`."""
    return beginning.startswith(b"ftyp", 4)


def next_box(head: bytes, at: int, size: int) -> int:
    """Return the end of the box at offset ``at`` of an MP4 file of ``size`` bytes, from ``head``, its first bytes.

    The last box of a complete file ends at ``size``. An invalid box, or one that extends beyond the file, ends after
    ``size``. Lengths are defined in ISO/IEC 14496-12, section 4.2.
    """
    length = int.from_bytes(head[:4], "big")
    if length == 0 and len(head) >= 8:
        return size
    if length == 1:
        length = int.from_bytes(head[8:16], "big") if len(head) == BOX_HEAD else 0
    return at + length if length >= 8 else size + 1


@frozen
class Boxes:
    """The top-level boxes of an MP4 file."""

    #: Bytes of the file, and the end of its last box.
    size: int
    end: int
    #: Their types; of a box that extends to the end of the file, whatever its length, none.
    types: frozenset[bytes] = field(factory=frozenset)

    def after(self, head: bytes) -> Boxes:
        """Return these boxes and the next one, whose first bytes are ``head``."""
        is_sized = head[:4] != bytes(4)
        return Boxes(self.size, next_box(head, self.end, self.size), self.types | ({head[4:8]} if is_sized else set()))

    @property
    def fit(self) -> bool:
        """Whether the last box ends within the file."""
        return self.end <= self.size

    @property
    def are_complete(self) -> bool:
        """Whether the file is complete by its boxes: an index and the data, and of a file in fragments also its end."""
        needed = {b"moov", b"mdat"} | ({b"mfra"} if b"moof" in self.types else set())
        return self.end == self.size and self.types >= needed
