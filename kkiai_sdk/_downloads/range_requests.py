"""Range requests: the headers of a request for a file, and the next step after its response.

Bytes are appended to a part only if the server proves, by a strong validator, that they continue the same file. URLs
are checked in :mod:`kkiai_sdk._downloads.urls`, contents in :mod:`kkiai_sdk._downloads.sniffing`.
"""

from __future__ import annotations

import hashlib
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urljoin

from attrs import frozen

from kkiai_sdk._responses.raw_response import REDIRECTS, parse_retry_after
from kkiai_sdk._responses.strict_json import parse_leniently
from kkiai_sdk.errors import DownloadError

if TYPE_CHECKING:
    from kkiai_sdk._responses.raw_response import RawResponse

#: Failures in a row, without a byte of progress between them, after which a download gives up.
MAX_FAILURES = 5
#: Characters of a file name that is made from an id.
MAX_NAME = 120
#: Seconds by which a Last-Modified must be older than the response's Date to prove that bytes are the same. A file that
#: changes twice within the second would keep its date: RFC 9110, section 8.8.2.2, asks for one second and for clocks
#: that agree; the 60 of its forerunner, RFC 7232, section 2.2.2, need no such trust.
DATE_AGE = 60
#: No name at all, and names that are devices on Windows, whatever their ending.
_NO_NAME = re.compile(r"(?:|con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


@frozen
class ResumeMetadata:
    """Facts kept beside a part: enough to prove that more bytes belong to it, and no URL, because URLs are signed."""

    task_id: str
    validator: str
    total: int


def parse_metadata(text: str) -> ResumeMetadata | None:
    """Return the metadata in a sidecar, or None for anything else."""
    try:
        metadata = ResumeMetadata(**parse_leniently(text))
        types = {type(metadata.task_id), type(metadata.validator)}, type(metadata.total)
    except TypeError:
        return None
    if types != ({str}, int):
        return None
    return metadata if _is_validator(metadata.validator) and metadata.total > 0 else None


@frozen
class SaveBody:
    """Write the body at this offset, which is 0 or the size of the part."""

    offset: int
    #: Bytes of the whole file, or None if the server does not say.
    total: int | None
    #: Proves later that the file is the same; None if nothing does.
    validator: str | None


@frozen
class FollowRedirect:
    """Send the request to this URL instead."""

    location: str


@frozen
class Restart:
    """Discard the part, which does not fit the server's file, and request the whole file."""


@frozen
class RefreshURL:
    """Query the task for a fresh URL: this one has expired."""


@frozen
class Failed:
    """The request failed; ``transient`` says whether another try may succeed."""

    reason: str
    transient: bool
    #: Seconds that the server asks to wait.
    retry_after: float = 0.0


NextStep: TypeAlias = SaveBody | FollowRedirect | Restart | RefreshURL | Failed


def file_name(task_id: str) -> str:
    """Return a safe file name for a task's video; the server never chooses names.

    ASCII letters, digits, ``._-``; when that is not the id itself, a piece of the id's hash keeps two tasks apart, also
    on file systems that ignore case.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", task_id).lstrip(".-")[: MAX_NAME - 20]
    if _NO_NAME.match(safe):
        safe = f"video-{safe}".rstrip("-")
    if safe != task_id or task_id != task_id.lower():
        safe = f"{safe}-{hashlib.sha256(task_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{safe}.mp4"


def request_headers(size: int, metadata: ResumeMetadata | None) -> dict[str, str]:
    """Return the headers of a request, given a part of ``size`` bytes."""
    # An encoded body would falsify lengths and ranges.
    headers = {"Accept": "video/*, application/octet-stream;q=0.9, */*;q=0.1", "Accept-Encoding": "identity"}
    if size and metadata is not None and size < metadata.total:
        headers |= {"Range": f"bytes={size}-", "If-Range": metadata.validator}
    return headers


def next_step(
    response: RawResponse, *, size: int, metadata: ResumeMetadata | None, url: str, wall_clock: float = 0.0
) -> NextStep:
    """Return the step after a response, given a part of ``size`` bytes; ``wall_clock`` is in epoch seconds."""
    status = response.status
    if status in REDIRECTS:
        location = _get(response, "location")
        missing = Failed("redirect without a Location header", transient=False)
        return FollowRedirect(_joined(url, location)) if location else missing
    if status in {401, 403, 404, 410}:
        return RefreshURL()
    if status == 416:
        return Restart() if size else Failed("HTTP 416 for the whole file", transient=False)
    if status not in {200, 206}:
        wait = parse_retry_after(response.headers, wall_clock) or 0.0
        return Failed(f"HTTP {status}", transient=status >= 500 or status in {408, 425, 429}, retry_after=wait)
    if _get(response, "content-encoding") not in {"", "identity"}:
        return Failed("the server compressed the file although it was asked not to", transient=False)
    return _check_range(response, size, metadata) if status == 206 else _whole_file(response)


def has_framing(response: RawResponse) -> bool:
    """Whether the end of the body can be told from a broken connection."""
    framed = _get(response, "content-length") or "chunked" in _get(response, "transfer-encoding").lower()
    return bool(framed) or not response.http_version.startswith("HTTP/1")


def _get(response: RawResponse, name: str) -> str:
    return response.header(name) or ""


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        # The check of the next URL refuses it and says why.
        return location


def _whole_file(response: RawResponse) -> SaveBody:
    return SaveBody(0, _integer(_get(response, "content-length")), _validator(response))


_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def _check_range(response: RawResponse, size: int, metadata: ResumeMetadata | None) -> NextStep:
    match = _CONTENT_RANGE.fullmatch(_get(response, "content-range"))
    if match is None:
        return Restart()
    first, last, total = map(int, match.groups())
    if metadata is None and (first, last) == (0, total - 1):
        # No range was asked for, and this one is the whole file: some caches answer so, and a client goes by what
        # Content-Range says is enclosed (RFC 9110, section 15.3.7).
        return SaveBody(0, total, _validator(response))
    if metadata is None or (first, last, total) != (size, metadata.total - 1, metadata.total):
        return Restart()
    is_other = _contradicts(response, metadata.validator)
    return Restart() if is_other else SaveBody(size, total, metadata.validator)


def _contradicts(response: RawResponse, validator: str) -> bool:
    """Whether a response names another version of the file than ``validator``; a 206 may name none at all."""
    tag, date = _get(response, "etag"), _get(response, "last-modified")
    if is_strong(validator):
        return bool(tag) and tag.removeprefix("W/") != validator
    return bool(tag) or date not in {"", validator}


def _validator(response: RawResponse) -> str | None:
    """Return the validator of the file: a strong entity tag, or a date that is as good as one.

    A date counts only where there is no entity tag at all, as RFC 9110, section 13.1.5, has it for If-Range.
    """
    if tag := _get(response, "etag"):
        return tag if is_strong(tag) else None
    changed, now = (_date(_get(response, name)) for name in ("last-modified", "date"))
    return _get(response, "last-modified") if changed and now and now - changed >= DATE_AGE else None


def _is_validator(text: str) -> bool:
    return is_strong(text) or _date(text) is not None


def is_strong(tag: str) -> bool:
    """Whether an entity tag is a strong one."""
    return re.fullmatch(r'"[\x21\x23-\x7e]{1,512}"', tag) is not None


# The one form that servers may still send.
_IMF_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", re.ASCII)


def _date(text: str) -> float | None:
    """Return an HTTP date as epoch seconds; None for anything else."""
    try:
        return parsedate_to_datetime(text).timestamp() if _IMF_DATE.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def check_size(expected: int | None, max_bytes: int | None, url: str | None = None) -> None:
    """Raise DownloadError for a file that is larger than the caller permits."""
    if max_bytes is not None and expected is not None and expected > max_bytes:
        raise DownloadError(f"the video has {expected} bytes, more than max_bytes={max_bytes}", url=url)
