"""Replies that carry the video file: byte ranges, signed URLs, and folders whose files fail."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from email.utils import formatdate
from functools import cache

from kkiai_sdk.mock.messages import Headers, ReceivedRequest, Reply, nested_error
from kkiai_sdk.mock.wire_faults import FAULTS

#: 2026-01-01T00:00:00Z, the time at which every gateway starts, so that its times are the same in every run.
EPOCH = 1_767_225_600
LAST_MODIFIED = formatdate(EPOCH, usegmt=True)

# 18 digits hold every offset; the bound keeps absurd numbers away from int().
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII | re.IGNORECASE)
_EXPIRES = f"Expires={EPOCH + 86_400}"
_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in to see this file.</body></html>"


@cache
def etag(video: bytes) -> str:
    """Make a strong entity tag from the bytes alone."""
    return f'"{hashlib.sha256(video).hexdigest()[:32]}"'


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Parse a ``Range`` header to a half-open span of ``size`` bytes, or to None for the whole file.

    Several ranges and malformed ones count as none, which RFC 9110 section 14.2 allows. A span that begins at or
    after ``size`` cannot be satisfied.
    """
    found = _RANGE.fullmatch((header or "").strip())
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    if not first:
        return (max(0, size - int(last)), size) if int(last) else (size, size)
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


def send_file(video: bytes, request: ReceivedRequest) -> Reply:
    """Reply with the file or the requested part of it: 200, 206 or 416."""
    size = len(video)
    headers: Headers = (("accept-ranges", "bytes"), ("etag", etag(video)), ("last-modified", LAST_MODIFIED))
    is_fresh = request.header("if-range") in {None, etag(video), LAST_MODIFIED}
    span = byte_range(request.header("range"), size) if is_fresh and request.method == "GET" else None
    if span is None:
        return Reply(200, video, "video/mp4", headers)
    start, end = span
    if start >= size:
        return Reply(416, b"", "text/plain", (*headers, ("content-range", f"bytes */{size}")))
    place = ("content-range", f"bytes {start}-{end - 1}/{size}")
    return Reply(206, video[start:end], "video/mp4", (*headers, place))


def signed_query(path: str) -> str:
    """Make the query string of a signed URL whose path is ``path``, exactly as written."""
    signature = hashlib.sha256(f"{path}?{_EXPIRES}".encode()).hexdigest()[:32]
    return f"{_EXPIRES}&Signature={signature}"


def send_from_folder(folder: str, video: bytes, request: ReceivedRequest, number: int, request_id: str) -> Reply:
    """Reply to the ``number``-th GET (from 1) of a file; ``folder`` is "", expired, signed, html or a fault."""
    if folder == "expired" or (folder == "signed" and request.query != signed_query(request.path)):
        text = "this URL has expired" if folder == "expired" else "the signature does not fit this URL"
        return nested_error(403, text, request_id, kind="access_denied")
    if folder == "html":
        return Reply(200, _PAGE, "text/html; charset=utf-8")
    reply = send_file(video, request)
    return replace(reply, fault=folder) if folder in FAULTS and number == 1 else reply
