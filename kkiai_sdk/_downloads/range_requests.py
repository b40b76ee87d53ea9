"""Range requests: the headers of a request for a file, and the next step after its response.

Bytes are appended to a part only if the server proves by a strong validator that they belong to the same file. URLs are
checked in :mod:`kkiai_sdk._downloads.urls`, contents in :mod:`kkiai_sdk._downloads.sniffing`.
"""

from __future__ import annotations

import hashlib
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urljoin

from attrs import field, frozen

from kkiai_sdk._downloads.content_coding import content_codings
from kkiai_sdk._downloads.text_body import is_expired, is_unready, named_url
from kkiai_sdk._downloads.windows_names import DEVICE
from kkiai_sdk._http.retry import backoff
from kkiai_sdk._responses.raw_response import REDIRECTS, parse_retry_after
from kkiai_sdk._responses.strict_json import parse_leniently
from kkiai_sdk.errors import DownloadError
from kkiai_sdk.policies import RetryPolicy

if TYPE_CHECKING:
    from kkiai_sdk._responses.raw_response import RawResponse
    from kkiai_sdk.errors import NotAVideoError

#: Failures in a row, without progress in between, after which a download gives up.
MAX_FAILURES = 5
#: Gaps between requests for a file that is not available yet: 1, 2, 4, 8, 10, 10 … seconds, with jitter.
UNREADY_GAPS = RetryPolicy(initial_delay=1.0, max_delay=10.0)
#: Responses in a row without the file, after which the task is queried for another URL.
REFRESH_AFTER = 3
#: Maximum characters of a file name that is made from an id.
MAX_NAME = 120
#: Minimum seconds from Last-Modified to Date for a date to be a strong validator. A file that changes twice in one
#: second keeps its date: RFC 9110, section 8.8.2.2, requires one second and synchronized clocks; the 60 seconds of its
#: predecessor, RFC 7232, section 2.2.2, do not depend on clocks.
DATE_AGE = 60


@frozen
class ResumeMetadata:
    """Metadata stored next to a part, with which it can be resumed. Without the URL, because URLs are signed."""

    task_id: str
    #: A strong ETag or a Last-Modified.
    validator: str
    #: Bytes of the whole file.
    total: int


def parse_metadata(text: str) -> ResumeMetadata | None:
    """Return the resume metadata in a text, or None if there is none."""
    try:
        metadata = ResumeMetadata(**parse_leniently(text))
        types = {type(metadata.task_id), type(metadata.validator)}, type(metadata.total)
    except TypeError:
        return None
    if types != ({str}, int):
        return None
    is_validator = is_strong(metadata.validator) or _date(metadata.validator) is not None
    return metadata if is_validator and metadata.total > 0 else None


@frozen
class SaveBody:
    """Write the body at this offset, which is 0 or the size of the part."""

    offset: int
    #: Bytes of the whole file, or None if the server does not say.
    total: int | None
    #: The strong validator of the file, or None without one.
    validator: str | None
    #: Content codings that the server names, although none was requested; it may not have applied them.
    codings: tuple[str, ...] = ()


@frozen
class FollowRedirect:
    """Send the request to this URL instead."""

    location: str
    #: Whether the URL comes from JSON sent instead of the file, not from a redirect.
    is_named: bool = False


@frozen
class Restart:
    """Discard the part, which does not match the server's file, and request the whole file."""


@frozen
class NotReady:
    """The file is not available, perhaps not yet: just after the end of a task, stores and caches may lag behind."""

    reason: str
    #: The server's Retry-After in seconds.
    retry_after: float = 0.0
    #: Whether the URL may have expired.
    is_expired: bool = False
    #: The error for a body that is not a video, or None.
    error: DownloadError | None = field(default=None, eq=False)


@frozen
class RefreshURL:
    """Query the task for a new URL: this one has expired for good."""

    #: The error if the new URL is refused as well, or None for one about both URLs.
    error: DownloadError | None = field(default=None, eq=False)


@frozen
class ReadRefusal:
    """Read the body of the refusal, which may say that the file is not available yet."""

    reason: str
    status: int


@frozen
class Failed:
    """The request failed; if ``transient``, a retry may succeed."""

    reason: str
    transient: bool
    #: The server's Retry-After in seconds.
    retry_after: float = 0.0


NextStep: TypeAlias = SaveBody | FollowRedirect | Restart | NotReady | RefreshURL | ReadRefusal | Failed


def file_name(task_id: str, limit: int = MAX_NAME) -> str:
    """Return a safe file name for a task's video, made from the id alone, of at most ``limit`` characters, at least 40.

    Consists of ASCII letters, digits and ``._-``. If it differs from the id, or if the id has capitals, a part of the
    id's hash keeps names distinct, also on file systems that ignore case.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", task_id).lstrip(".-")[: max(limit, 40) - 20]
    if not safe or DEVICE.match(safe):
        safe = f"video-{safe}".rstrip("-")
    if safe != task_id or task_id != task_id.lower():
        safe = f"{safe}-{hashlib.sha256(task_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{safe}.mp4"


def request_headers(size: int, metadata: ResumeMetadata | None) -> dict[str, str]:
    """Return the headers of a request, given a part of ``size`` bytes."""
    # Lengths and ranges of an encoded body would not be those of the file.
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
        location = _header(response, "location")
        missing = Failed("redirect without a Location header", transient=False)
        return FollowRedirect(_join(url, location)) if location else missing
    if status not in {200, 203, 206}:
        return _refusal(status, retry_after(response, wall_clock), size)
    if codings := content_codings(_header(response, "content-encoding")):
        return _packed_file(status, tuple(codings), size)
    if status == 206:
        return _check_range(response, size, metadata)
    return SaveBody(0, _integer(_header(response, "content-length")), _validator(response))


#: Statuses of a file that is not available yet: 404 and 403 (object stores send both), also for an expired URL.
#: No condition is sent for a whole file, so 412 is about the state of the task.
_UNREADY = frozenset({202, 204, 403, 404, 409, 412, 423, 425})


def _refusal(status: int, wait: float, size: int) -> NextStep:
    reason, transient = f"HTTP {status}", status >= 500 or status in {408, 423, 425, 429}
    # A file of which a part has arrived is not late.
    if not size and (transient or status in _UNREADY):
        return NotReady(reason, wait, is_expired=status in {403, 404})
    if status in {401, 403, 404, 410}:
        return RefreshURL()
    if size and status in {412, 416}:
        return Restart()
    if transient or status < 400:
        return Failed(reason, transient=transient, retry_after=wait)
    return ReadRefusal(reason, status)


def after_refusal(refusal: ReadRefusal, text: str, *, wait: float, size: int) -> NextStep:
    """Return the step after a refusal with this text; ``wait`` is the Retry-After in seconds."""
    if is_unready(text, refusal.status):
        return Failed(refusal.reason, transient=True, retry_after=wait) if size else NotReady(refusal.reason, wait)
    return RefreshURL() if is_expired(text) else Failed(refusal.reason, transient=False)


def after_text(problem: NotAVideoError, text: str, *, wait: float, size: int, url: str, may_follow: bool) -> NextStep:
    """Return the step after a body that is text and not a video. Raises ``problem``, the error for it.

    ``may_follow`` is False for a body to which JSON has led; ``wait`` is the Retry-After in seconds.
    """
    if not text.strip() or is_unready(text):
        late = NotReady(str(problem), wait, error=problem)
        return Failed(str(problem), transient=True, retry_after=wait) if size else late
    if is_expired(text):
        return RefreshURL(problem)
    if may_follow and (location := named_url(text, url)):
        return FollowRedirect(_join(url, location), is_named=True)
    # Crash reporters record the variables of every frame in a traceback; a gateway may repeat the key.
    del text
    raise problem


def retry_after(response: RawResponse, wall_clock: float) -> float:
    """Return the Retry-After of a response in seconds, 0 without one."""
    return parse_retry_after(response.headers, wall_clock) or 0.0


def next_try(
    step: NotReady, *, tries: int, now: float, end: float, max_retry_after: float, random: float
) -> float | None:
    """Return the time of the next request for a file that is not available yet, or None to give up.

    ``tries`` is the number of responses in a row without it; ``end`` is the time of the last request, except that a
    Retry-After is never shortened.
    """
    if now >= end or step.retry_after > max(max_retry_after, end - now):
        return None
    return max(min(now + backoff(tries - 1, UNREADY_GAPS, random), end), now + step.retry_after)


def _packed_file(status: int, codings: tuple[str, ...], size: int) -> NextStep:
    if status == 206:
        return Restart() if size else Failed("the server sent a range of a compressed file", transient=False)
    # Lengths and validators are those of the packed file.
    return SaveBody(0, None, None, codings)


def has_framing(response: RawResponse) -> bool:
    """Whether the end of the body can be distinguished from a closed connection."""
    framed = _header(response, "content-length") or "chunked" in _header(response, "transfer-encoding").lower()
    return bool(framed) or not response.http_version.startswith("HTTP/1")


def _header(response: RawResponse, name: str) -> str:
    return response.header(name) or ""


def _join(url: str, location: str) -> str:
    try:
        # As browsers do: a Location may hold spaces.
        return urljoin(url, location.strip().replace(" ", "%20"))
    except ValueError:
        # Rejected with a reason by the check of the next URL.
        return location


_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def _check_range(response: RawResponse, size: int, metadata: ResumeMetadata | None) -> NextStep:
    match = _CONTENT_RANGE.fullmatch(_header(response, "content-range"))
    if match is None:
        return Restart()
    first, last, total = map(int, match.groups())
    if metadata is None and (first, last) == (0, total - 1):
        # A range of the whole file, although none was requested, as some caches send it; Content-Range determines what
        # is enclosed (RFC 9110, section 15.3.7).
        return SaveBody(0, total, _validator(response))
    # Some servers limit the length of a range: the rest is requested after this piece.
    is_piece = first <= last < total - 1 and _integer(_header(response, "content-length")) == last - first + 1
    if metadata is None or (first, total) != (size, metadata.total) or not (last == total - 1 or is_piece):
        return Restart()
    is_other = _contradicts(response, metadata.validator)
    return Restart() if is_other else SaveBody(size, total, metadata.validator)


def _contradicts(response: RawResponse, validator: str) -> bool:
    """Whether a response names another version of the file than ``validator``; a 206 may name none."""
    tag, date = _header(response, "etag"), _header(response, "last-modified")
    if is_strong(validator):
        return bool(tag) and tag.removeprefix("W/") != validator
    return bool(tag) or date not in {"", validator}


def _validator(response: RawResponse) -> str | None:
    """Return the strong validator of the file: an entity tag, or a date that is old enough.

    A date is used only without any entity tag, as RFC 9110, section 13.1.5, requires for If-Range.
    """
    if tag := _header(response, "etag"):
        return tag if is_strong(tag) else None
    changed, now = (_date(_header(response, name)) for name in ("last-modified", "date"))
    return _header(response, "last-modified") if changed and now and now - changed >= DATE_AGE else None


def is_strong(tag: str) -> bool:
    """Whether an entity tag is strong."""
    return re.fullmatch(r'"[\x21\x23-\x7e]{1,512}"', tag) is not None


# The only format of dates that servers may generate (RFC 9110, section 5.6.7).
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
    """Raise DownloadError for a file of more than ``max_bytes``."""
    if max_bytes is not None and expected is not None and expected > max_bytes:
        raise DownloadError(f"the video has {expected} bytes, more than max_bytes={max_bytes}", url=url)
