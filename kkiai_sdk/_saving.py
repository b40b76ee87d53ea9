"""Decisions of a download: what to ask for, what to make of the answer, what the file is called.

The rule. Bytes are appended to a part only when the server proves, by a strong validator, that they continue the same
file. Which URL may be fetched at all is decided in :mod:`kkiai_sdk._vetting`.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urljoin

from attrs import frozen

from kkiai_sdk import _text
from kkiai_sdk._json import read_loosely
from kkiai_sdk._retry import parse_retry_after
from kkiai_sdk.errors import DownloadError, NotAVideoError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Redirects that are followed, here and by queries.
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Failures in a row, without a byte of progress between them, after which a download gives up.
MAX_FAILURES = 5
MAX_NAME = 120
#: Bytes from the start of a file by which it is recognised.
SNIFF = 512

#: How the files of video formats begin: offset and bytes.
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
#: How what is served in the place of a video begins: pictures, archives, documents.
_OTHERS: Sequence[tuple[int, bytes]] = (
    (0, b"\x89PNG"),
    (0, b"\xff\xd8\xff"),
    (0, b"GIF8"),
    (8, b"WEBP"),
    (0, b"PK\x03\x04"),
    (0, b"\x1f\x8b"),
    (0, b"%PDF"),
)
_BINARY_TYPES = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/mp4", "application/x-mp4"}
)

#: Nothing at all, and what Windows takes for a device whatever its ending.
_NO_NAME = re.compile(r"(?:|con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


@frozen
class Note:
    """What is remembered beside a part: enough to prove that more bytes belong to it, and no URL (they are signed)."""

    task_id: str
    validator: str
    total: int


def read_note(text: str) -> Note | None:
    """The note in a sidecar, or None for anything else; damage never raises."""
    try:
        note = Note(**read_loosely(text))
        types = {type(note.task_id), type(note.validator)}, type(note.total)
    except TypeError:
        return None
    if types != ({str}, int):
        return None
    return note if is_strong(note.validator) and note.total > 0 else None


@frozen
class Head:
    """The head of an answer to a download request."""

    status: int
    headers: Sequence[tuple[str, str]]
    version: str = "HTTP/1.1"

    @property
    def is_framed(self) -> bool:
        """Whether the end of the body can be told from a broken connection."""
        framed = self.get("content-length") or "chunked" in self.get("transfer-encoding").lower()
        return bool(framed) or not self.version.startswith("HTTP/1")

    def get(self, name: str) -> str:
        """The first value of a field, or the empty text."""
        return next((value for field, value in self.headers if field == name), "")


@frozen
class Save:
    """Write the body at this offset, which is 0 or the size of the part."""

    offset: int
    #: Bytes of the whole file.
    total: int | None
    #: What proves later that the file is the same, or None.
    validator: str | None


@frozen
class Redirected:
    """Ask there instead."""

    location: str


@frozen
class Restart:
    """The part does not fit what the server has: throw it away and ask for the whole."""


@frozen
class Expired:
    """The URL is no longer good: ask the gateway for a fresh one."""


@frozen
class Failed:
    """Not now; whether later is worth a try is in ``transient``."""

    reason: str
    transient: bool
    #: Seconds that the server asks to wait.
    retry_after: float = 0.0


Verdict: TypeAlias = Save | Redirected | Restart | Expired | Failed


def file_name(task_id: str) -> str:
    """A safe file name for a task's video: the server never chooses names.

    ASCII letters, digits, ``._-``; when that is not the id itself, a piece of the id's hash keeps two tasks apart, also
    on file systems that ignore case.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", task_id).lstrip(".-")[: MAX_NAME - 20]
    if _NO_NAME.match(safe):
        safe = f"video-{safe}".rstrip("-")
    if safe != task_id or task_id != task_id.lower():
        safe = f"{safe}-{hashlib.sha256(task_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{safe}.mp4"


def request_headers(size: int, note: Note | None) -> dict[str, str]:
    """What to ask for, given a part of ``size`` bytes."""
    # An encoded body would make lengths and ranges lie.
    headers = {"Accept": "video/*, application/octet-stream;q=0.9, */*;q=0.1", "Accept-Encoding": "identity"}
    if size and note is not None and size < note.total:
        headers |= {"Range": f"bytes={size}-", "If-Range": note.validator}
    return headers


def judge(head: Head, *, size: int, note: Note | None, url: str, wall_clock: float = 0.0) -> Verdict:
    """What to do with an answer, given a part of ``size`` bytes with its ``note``, at epoch second ``wall_clock``."""
    status = head.status
    if status in REDIRECTS:
        location = head.get("location")
        return Redirected(_joined(url, location)) if location else Failed("a redirect to nowhere", transient=False)
    if status in {401, 403, 404, 410}:
        return Expired()
    if status == 416:
        return Restart() if size else Failed("HTTP 416 for the whole file", transient=False)
    if status not in {200, 206}:
        wait = parse_retry_after(head.headers, wall_clock) or 0.0
        return Failed(f"HTTP {status}", transient=status >= 500 or status in {408, 425, 429}, retry_after=wait)
    if head.get("content-encoding") not in {"", "identity"}:
        return Failed("the server compressed the file although it was asked not to", transient=False)
    return _judge_range(head, size, note) if status == 206 else _whole(head)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        # The vetting of the next URL refuses it and says why.
        return location


def _whole(head: Head) -> Save:
    total = _integer(head.get("content-length"))
    return Save(0, total, _validator(head))


_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def _judge_range(head: Head, size: int, note: Note | None) -> Verdict:
    match = _CONTENT_RANGE.fullmatch(head.get("content-range"))
    if note is None or match is None:
        return Restart()
    first, last, total = map(int, match.groups())
    validator = _validator(head)
    if first != size or last != total - 1 or total != note.total or validator not in {None, note.validator}:
        return Restart()
    return Save(size, total, note.validator)


def _validator(head: Head) -> str | None:
    """A strong entity tag; a weak one, or a date, does not prove that bytes are the same."""
    return tag if is_strong(tag := head.get("etag")) else None


def is_strong(tag: str) -> bool:
    """Whether an entity tag is a strong one."""
    return re.fullmatch(r'"[\x21\x23-\x7e]{1,512}"', tag) is not None


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def check_video(content_type: str, beginning: bytes, url: str) -> None:
    """Raises NotAVideoError when the type and the first bytes say that this is something else."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if not beginning:
        raise NotAVideoError("the server sent an empty file instead of a video", url=url)
    if _begins(beginning, _VIDEOS):
        return
    plausible = kind.startswith("video/") or kind in _BINARY_TYPES
    if not plausible or _begins(beginning, _OTHERS) or _is_text(beginning):
        what = _text.message(kind, 60) or "something else"
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


def check_size(expected: int | None, max_bytes: int | None, url: str) -> None:
    """Raises DownloadError for a file that is larger than the caller allows."""
    if max_bytes is not None and expected is not None and expected > max_bytes:
        raise DownloadError(f"the video has {expected} bytes, more than max_bytes={max_bytes}", url=url)
