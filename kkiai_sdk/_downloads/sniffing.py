"""Recognizes videos by first bytes and media type, and identifies other files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from kkiai_sdk import _redaction
from kkiai_sdk._downloads.text_body import read_text
from kkiai_sdk.errors import NotAVideoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Number of first bytes by which a file is recognized.
SNIFF_SIZE = 512
#: Bytes of an ``ftyp`` box: its head, a brand and a version, then further brands of four bytes each.
_FTYP_SIZES = range(16, 4097, 4)

_VIDEO = re.compile(
    rb"\x1a\x45\xdf\xa3"  # Matroska, WebM
    rb"|RIFF.{4}AVI |OggS|FLV\x01"
    rb"|\0\0\x01[\xb3\xba]"  # MPEG
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    re.DOTALL,
)
#: Boxes other than ``ftyp`` that an MP4 file or a segment of one may begin with.
_FIRST_BOXES = frozenset({b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"sidx"})
_BOXES = _FIRST_BOXES | {b"ftyp"}
#: Brands of files of ISO/IEC 14496-12. The first known one counts, the major brand before the others.
_VIDEO_BRAND = re.compile(rb"iso.|mp[47].|avc.|hvc.|hev1|qt  |3g..|M4V.|[fF]4[vV] |dash|cmf.|MSNV|mmp4", re.DOTALL)
_PICTURE_BRAND = re.compile(rb"hei[cxms]|hev[cxms]|mif[12]|msf1|avi[fs]|miaf|jp[2xm] |jxl |crx ")
_SOUND_BRAND = re.compile(rb"[MF]4[ABP] |aax[ c]")
#: Codecs in the first packets of an Ogg file; one that holds pictures as well is a video.
_OGG_VIDEO = re.compile(rb"\x80theora|BBCD|OVP80|\x01video")
_OGG_SOUND = re.compile(rb"\x01vorbis|OpusHead|\x7fFLAC|Speex   |PCM     ")

_AGAIN = "query the task again for the URL of the video"
_READ = f"{_AGAIN}, or open this one in a browser to read what it says"


def _compiled(formats: Mapping[str, bytes]) -> dict[str, re.Pattern[bytes]]:
    return {name: re.compile(pattern, re.DOTALL) for name, pattern in formats.items()}


@frozen
class _Kind:
    """A kind of file that is not a video, and what to do about one."""

    name: str
    advice: str
    #: A pattern.
    media_types: str
    #: First bytes by format.
    formats: Mapping[str, re.Pattern[bytes]] = field(converter=_compiled)

    def format_of(self, beginning: bytes) -> str | None:
        """Return the format of a file of this kind, or None."""
        return next((name for name, pattern in self.formats.items() if pattern.match(beginning)), None)

    def error(self, detail: str, url: str) -> NotAVideoError:
        """Return the error for a file of this kind."""
        shown = f" ({detail})" if detail else ""
        return NotAVideoError(f"the server sent {self.name}{shown} instead of a video: {self.advice}", url=url)


_PICTURE = _Kind(
    "an image",
    f"{_AGAIN}, or open this one in a browser",
    r"image/.*",
    {
        "PNG": rb"\x89PNG",
        "JPEG": rb"\xff\xd8\xff",
        "GIF": rb"GIF8",
        "WebP": rb"RIFF.{4}WEBP",
        "BMP": rb"BM.{4}\0{4}",
        "TIFF": rb"II[*+U]\0|MM\0[*+]",
        "ICO": rb"\0\0[\x01\x02]\0.\0",
        "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
        "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
        "PSD": rb"8BPS",
        "SVG": rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]",
    },
)
_SOUND = _Kind(
    "audio",
    f"{_AGAIN}, or save this one with another program, such as curl",
    r"audio/(?!(?:x-)?mpegurl).*",
    {
        "MP3": rb"ID3|\xff[\xf2\xf3\xfa\xfb]",
        "AAC": rb"\xff[\xf0\xf1\xf8\xf9]",
        "WAV": rb"(?:RIFF|RF64).{4}WAVE",
        "FLAC": rb"fLaC",
        "AIFF": rb"FORM.{4}AIF[FC]",
        "AMR": rb"#!AMR",
        "MIDI": rb"MThd",
        "CAF": rb"caff",
    },
)
_KINDS: Sequence[_Kind] = (
    _PICTURE,
    _SOUND,
    _Kind(
        "a playlist",
        "it only lists segments of a stream: pass its URL to a player or to ffmpeg (-i URL -c copy)",
        r"application/(?:vnd\.apple\.mpegurl|x-mpegurl|dash\+xml)|audio/(?:x-)?mpegurl",
        {
            "m3u8, HLS": rb"(?:\xef\xbb\xbf)?\s*#EXTM3U",
            "mpd, DASH": rb"(?:<\?[^>]*>|<!--.*?-->|\s|\xef\xbb\xbf)*+<MPD[\s>]",
        },
    ),
    _Kind(
        "an archive",
        "download it with another program, such as curl, and unpack it",
        r"application/(?:x-)?(?:zip|gzip|tar|bzip2?|xz|zstd|7z|rar|vnd\.rar)(?:-compressed)?",
        {
            "zip": rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
            "tar": rb".{257}ustar",
            "gzip": rb"\x1f\x8b",
            "bzip2": rb"BZh[1-9]",
            "xz": rb"\xfd7zXZ\0",
            "zstd": rb"\x28\xb5\x2f\xfd",
            "7z": rb"7z\xbc\xaf\x27\x1c",
            "rar": rb"Rar!\x1a\x07",
        },
    ),
    _Kind(
        "a document",
        _AGAIN,
        r"application/(?:pdf|msword|vnd\.(?:openxmlformats|ms)-.*)|font/.*",
        {
            "PDF": rb"%PDF",
            "Office": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "font": rb"wOF[F2]|OTTO\0|\0\x01\0\0\0[\x01-\x40]",
            "database": rb"SQLite format 3\0",
        },
    ),
    _Kind(
        "a program",
        f"{_AGAIN}, and do not run this file",
        r"application/(?:wasm|x-msdownload|x-executable)",
        {"Windows": rb"MZ.\0", "Linux": rb"\x7fELF", "macOS": rb"[\xce\xcf]\xfa\xed\xfe", "WebAssembly": rb"\0asm"},
    ),
)
_PLAIN = _Kind("text", _READ, r"text/.*", {"UTF-16": rb"\xff\xfe|\xfe\xff"})
#: Kinds of texts, by the first characters after white space.
_TEXTS: Sequence[_Kind] = (
    _Kind(
        "a web page",
        "open the URL in a browser to read it",
        r"text/html|application/xhtml\+xml",
        {"HTML": rb"(?i)(?:\xef\xbb\xbf|<!--.*?-->|\s)*+<(?:!doctype html|html|head|body|title|script|div|p|h\d)\b"},
    ),
    _Kind("text", _READ, r"application/(?:[\w.-]+\+)?json", {"JSON": rb"(?:\xef\xbb\xbf)?\s*[{\[]"}),
    _Kind("text", _READ, r"(?:text|application)/(?:[\w.-]+\+)?xml", {"XML": rb"(?:\xef\xbb\xbf)?\s*<"}),
    _PLAIN,
)
_DAMAGED = _Kind("a damaged MP4 file", f"{_AGAIN}, or download it again later", "", {})
_OTHER = _Kind("a file of an unknown type", _AGAIN, "", {})
_BINARY_TYPES = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/mp4", "application/x-mp4"}
)


def check_video(content_type: str, beginning: bytes, url: str) -> None:
    """Raise NotAVideoError, which says what it is, unless the first bytes and the media type are those of a video."""
    media_type = content_type.split(";", maxsplit=1)[0].strip().lower()
    if not beginning:
        raise NotAVideoError(f"the server sent an empty file instead of a video: {_AGAIN}", url=url)
    if not is_video(beginning) and (found := _other_file(beginning) or _by_media_type(media_type)):
        kind, detail = found
        # Crash reporters record the variables of every frame in a traceback; a gateway may repeat the key.
        del beginning
        raise kind.error(detail, url)


def is_video(beginning: bytes) -> bool:
    """Whether these are the first bytes of a known video format."""
    kind = beginning[4:8]
    is_file = bool(_VIDEO.match(beginning)) or kind == b"ftyp" or (kind in _FIRST_BOXES and _has_length(beginning))
    return is_file and _container_of_other(beginning) is None and not (kind in _BOXES and is_text(beginning))


def _has_length(beginning: bytes) -> bool:
    length = int.from_bytes(beginning[:4], "big")
    return length in {0, 1} or length >= 8


def _other_file(beginning: bytes) -> tuple[_Kind, str] | None:
    """Return the kind and the format of a file that is not a video according to its first bytes."""
    kinds = (*_KINDS, *_TEXTS) if is_text(beginning) else (*_KINDS, _PLAIN)
    found = next(((kind, name) for kind in kinds if (name := kind.format_of(beginning))), None)
    if found or is_text(beginning):
        return found or (_PLAIN, "")
    if beginning.find(b"ftyp", 5) > 0:
        return _DAMAGED, "its first box is not at its start"
    if len(beginning) > 1 and len(set(beginning)) == 1:
        return _OTHER, f"the byte {beginning[:1].hex()} repeated"
    return _container_of_other(beginning)


def _container_of_other(beginning: bytes) -> tuple[_Kind, str] | None:
    """Return the kind and the format of an Ogg file, or a relative of MP4, that holds pictures or sounds alone."""
    if beginning.startswith(b"OggS"):
        is_sound = _OGG_SOUND.search(beginning) and not _OGG_VIDEO.search(beginning)
        return (_SOUND, "Ogg") if is_sound else None
    if beginning[4:8] != b"ftyp":
        return None
    size, major = int.from_bytes(beginning[:4], "big"), beginning[8:12].decode("latin-1")
    if size not in _FTYP_SIZES or not (major.isascii() and major.isprintable()):
        return _DAMAGED, "its first box is not valid"
    places = (8, *range(16, min(size, len(beginning)), 4))
    for brand in (beginning[at : at + 4] for at in places):
        if _VIDEO_BRAND.fullmatch(brand):
            return None
        for kind, pattern in ((_PICTURE, _PICTURE_BRAND), (_SOUND, _SOUND_BRAND)):
            if pattern.fullmatch(brand):
                return kind, major.strip()
    return None


def _by_media_type(media_type: str) -> tuple[_Kind, str] | None:
    """Return the kind of a file in an unknown format, unless its media type is one for videos or for any file."""
    if media_type.startswith("video/") or media_type in _BINARY_TYPES:
        return None
    kind = next((kind for kind in (*_KINDS, *_TEXTS) if re.fullmatch(kind.media_types, media_type)), _OTHER)
    return kind, _redaction.message(media_type, 60)


def is_text(beginning: bytes) -> bool:
    """Whether this is a text, the last character possibly incomplete."""
    return read_text(beginning) is not None


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
        if not head.strip(b"\0"):
            # Padding after the last box.
            return evolve(self, end=self.size)
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
