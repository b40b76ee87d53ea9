"""Decisions of a download: what to ask for, what to make of the answer, what the file is called.

The rule. Bytes are appended to a part only when the server proves, by a strong validator, that they continue the same
file. Which URL may be fetched at all is decided in :mod:`kkiai_sdk._downloads.urls`, and what passes for a video in
:mod:`kkiai_sdk._downloads.sniffing`.
"""

from __future__ import annotations

import hashlib
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urljoin

from attrs import frozen

from kkiai_sdk._downloads.urls import REDIRECTS
from kkiai_sdk._http.retry import parse_retry_after
from kkiai_sdk._responses.strict_json import read_loosely
from kkiai_sdk.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Failures in a row, without a byte of progress between them, after which a download gives up.
MAX_FAILURES = 5
MAX_NAME = 120
#: Seconds by which a Last-Modified must be older than the answer's Date to prove that bytes are the same. A file that
#: changes twice within the second would keep its date: RFC 9110, section 8.8.2.2, asks for one second and for clocks
#: that agree; the 60 of its forerunner, RFC 7232, section 2.2.2, need no such trust.
DATE_AGE = 60
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
    return note if _is_validator(note.validator) and note.total > 0 else None


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
    if match is None:
        return Restart()
    first, last, total = map(int, match.groups())
    if note is None and (first, last) == (0, total - 1):
        # No range was asked for, and this one is the whole file: some caches answer so, and a client goes by what
        # Content-Range says is enclosed (RFC 9110, section 15.3.7).
        return Save(0, total, _validator(head))
    if note is None or first != size or last != total - 1 or total != note.total or _contradicts(head, note.validator):
        return Restart()
    return Save(size, total, note.validator)


def _contradicts(head: Head, validator: str) -> bool:
    """Whether an answer names another version of the file than ``validator``; a 206 may name none at all."""
    tag, date = head.get("etag"), head.get("last-modified")
    if is_strong(validator):
        return bool(tag) and tag.removeprefix("W/") != validator
    return bool(tag) or date not in {"", validator}


def _validator(head: Head) -> str | None:
    """What proves that the bytes are the same later: a strong entity tag, or a date that is as good as one.

    A date counts only where there is no entity tag at all, as RFC 9110, section 13.1.5, has it for If-Range.
    """
    if tag := head.get("etag"):
        return tag if is_strong(tag) else None
    changed, now = (_date(head.get(name)) for name in ("last-modified", "date"))
    return head.get("last-modified") if changed and now and now - changed >= DATE_AGE else None


def _is_validator(text: str) -> bool:
    return is_strong(text) or _date(text) is not None


def is_strong(tag: str) -> bool:
    """Whether an entity tag is a strong one."""
    return re.fullmatch(r'"[\x21\x23-\x7e]{1,512}"', tag) is not None


# The one form that servers may still send.
_IMF_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", re.ASCII)


def _date(text: str) -> float | None:
    """An HTTP date as seconds of the epoch; None for anything else."""
    try:
        return parsedate_to_datetime(text).timestamp() if _IMF_DATE.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def check_size(expected: int | None, max_bytes: int | None, url: str | None = None) -> None:
    """Raises DownloadError for a file that is larger than the caller allows."""
    if max_bytes is not None and expected is not None and expected > max_bytes:
        raise DownloadError(f"the video has {expected} bytes, more than max_bytes={max_bytes}", url=url)
