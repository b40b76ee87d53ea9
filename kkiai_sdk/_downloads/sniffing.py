"""Recognizes videos by the media type that the server names and by their first bytes."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from kkiai_sdk import _redaction
from kkiai_sdk.errors import NotAVideoError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes from the start of a file by which it is recognised.
SNIFF = 512

#: Signatures of video formats: offset and bytes.
_VIDEOS: Sequence[tuple[int, bytes]] = (
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
#: Signatures of files that are served in place of a video: pictures, archives, documents.
_OTHERS: Sequence[tuple[int, bytes]] = (
    (0, b"\x89PNG"),
    (0, b"\xff\xd8\xff"),
    (0, b"GIF8"),
    (8, b"WEBP"),
    (0, b"PK\x03\x04"),
    (0, b"\x1f\x8b"),
    (0, b"%PDF"),
    # Text in UTF-16, by its byte order mark.
    (0, b"\xff\xfe"),
    (0, b"\xfe\xff"),
)
_BINARY_TYPES = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/mp4", "application/x-mp4"}
)


def check_video(content_type: str, beginning: bytes, url: str) -> None:
    """Raise NotAVideoError if the media type and the first bytes are not those of a video."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if not beginning:
        raise NotAVideoError("the server sent an empty file instead of a video", url=url)
    if _begins(beginning, _VIDEOS):
        return
    plausible = kind.startswith("video/") or kind in _BINARY_TYPES
    if not plausible or _begins(beginning, _OTHERS) or _is_text(beginning):
        what = _redaction.message(kind, 60) or "something else"
        raise NotAVideoError(f"the server sent {what} instead of a video", url=url)


def _begins(beginning: bytes, formats: Sequence[tuple[int, bytes]]) -> bool:
    return any(beginning.startswith(magic, offset) for offset, magic in formats)


def _is_text(beginning: bytes) -> bool:
    """Whether this reads as text in UTF-8; a character cut off at the end counts as read."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return b"\0" not in beginning


#: Bytes of the longest head of a box of an MP4 file.
BOX_HEAD = 16


def is_mp4(beginning: bytes) -> bool:
    """Whether a file is an MP4 whose boxes can be added up."""
    return beginning.startswith(b"ftyp", 4)


def next_box(head: bytes, at: int, size: int) -> int:
    """Return the end of the box at offset ``at`` of an MP4 file of ``size`` bytes; ``head`` is its beginning.

    The last box of a whole file ends with it. An invalid box, or one that extends beyond the file, ends behind it. The
    lengths are those of ISO/IEC 14496-12, section 4.2.
    """
    length = int.from_bytes(head[:4], "big")
    if length == 0 and len(head) >= 8:
        return size
    if length == 1:
        length = int.from_bytes(head[8:16], "big") if len(head) == BOX_HEAD else 0
    return at + length if length >= 8 else size + 1
