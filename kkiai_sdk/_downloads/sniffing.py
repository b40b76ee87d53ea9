"""Recognizes videos by media type and first bytes."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

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
#: Signatures of files that servers send instead of a video: images, archives, documents.
_OTHER_SIGNATURES: Sequence[tuple[int, bytes]] = (
    (0, b"\x89PNG"),
    (0, b"\xff\xd8\xff"),
    (0, b"GIF8"),
    (8, b"WEBP"),
    (0, b"PK\x03\x04"),
    (0, b"\x1f\x8b"),
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
    if _matches(beginning, _VIDEO_SIGNATURES):
        return
    plausible = media_type.startswith("video/") or media_type in _BINARY_TYPES
    if not plausible or _matches(beginning, _OTHER_SIGNATURES) or _is_text(beginning):
        content = _redaction.message(media_type, 60) or "something else"
        raise NotAVideoError(f"the server sent {content} instead of a video", url=url)


def _matches(beginning: bytes, signatures: Sequence[tuple[int, bytes]]) -> bool:
    return any(beginning.startswith(magic, offset) for offset, magic in signatures)


def _is_text(beginning: bytes) -> bool:
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
