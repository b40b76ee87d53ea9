"""Replies with the video file: byte ranges, signed URLs, and folders whose files fail."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from typing import TYPE_CHECKING

from kkiai_sdk.mock.messages import Headers, ReceivedRequest, Reply, json_reply, nested_error
from kkiai_sdk.mock.wire_faults import FAULTS, gzipped, packed

#: 2026-01-01T00:00:00Z, the time at which every gateway starts, so that timestamps are the same in every run.
EPOCH = 1_767_225_600
LAST_MODIFIED = formatdate(EPOCH, usegmt=True)

if TYPE_CHECKING:
    from collections.abc import Callable

# 18 digits are enough for every offset; the bound keeps absurd numbers away from int().
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII | re.IGNORECASE)
_EXPIRES = f"Expires={EPOCH + 86_400}"
_PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\npiece-1.ts\n#EXT-X-ENDLIST\n"
_GIF = b"GIF89a\x01\0\x01\0\0\0\0;"
_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in to see this file.</body></html>"
_COOKIE = "visit=2f81"
#: The number of GETs of a late file that are not answered with the file.
LATE_GETS = 4
_UNREADY = json_reply(200, {"status": "processing", "message": "the video is not completed yet"})
#: The responses for a late file, by its folder.
_LATE: dict[str, Reply] = {
    "late": json_reply(404, {"message": "no such file"}),
    "late-403": json_reply(403, {"message": "access denied"}),
    "late-409": json_reply(409, {"message": "the upload has not finished"}),
    "late-202": Reply(202, b"", "text/plain", (("retry-after", "2"),)),
    "late-400": json_reply(400, {"error": {"message": "the task is not completed yet, current status: running"}}),
    "late-empty": Reply(200, b"", "video/mp4"),
    "late-json": replace(_UNREADY, content_type="video/mp4"),
}


def _by_json(_: Reply, request: ReceivedRequest) -> Reply:
    return json_reply(200, {"code": 0, "data": {"url": request.path.replace("/by-json/", "/")}})


#: Files behind a detour, or replaced by something else: a summary, and the response instead of the file.
DETOURS: dict[str, tuple[str, Callable[[Reply, ReceivedRequest], Reply]]] = {
    "by-json": ("serves JSON that contains the URL of the file", _by_json),
    "cookie": ("needs a cookie that is set by a redirect", lambda reply, _: reply),
    "unsized": ("has neither a length nor chunks", lambda reply, _: replace(reply, fault="unframed")),
    "gzip": (
        "is compressed although the request did not accept it",
        lambda reply, _: packed(reply, gzipped(reply.body)),
    ),
    "aws-chunked": (
        "has an encoding that is no compression",
        lambda reply, _: packed(reply, reply.body, "aws-chunked"),
    ),
    "playlist": ("is a playlist of a stream", lambda *_: Reply(200, _PLAYLIST, "application/vnd.apple.mpegurl")),
    "gif": ("is an animated image", lambda *_: Reply(200, _GIF, "image/gif")),
    "zip": ("is an archive", lambda *_: Reply(200, b"PK\x03\x04" + bytes(26), "application/zip")),
}
#: The folders of files with other responses, and a summary of each.
FOLDERS: dict[str, str] = {
    **{name: f"answers {reply.status} to the first {LATE_GETS} downloads" for name, reply in _LATE.items()},
    **{name: summary for name, (summary, _) in DETOURS.items()},
}


@cache
def etag(video: bytes) -> str:
    """Make a strong entity tag from the bytes alone."""
    return f'"{hashlib.sha256(video).hexdigest()[:32]}"'


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Parse a ``Range`` header to a half-open span of ``size`` bytes, or to None for the whole file.

    Multiple and malformed ranges are ignored, which RFC 9110 section 14.2 allows. A span that begins at or after
    ``size`` cannot be satisfied.
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
    """Reply to the ``number``-th GET (from 1) of a file.

    ``folder`` is "", expired, signed, html, one of FOLDERS, or a fault.
    """
    if folder == "expired" or (folder == "signed" and request.query != signed_query(request.path)):
        text = "this URL has expired" if folder == "expired" else "the signature does not match this URL"
        return nested_error(403, text, request_id, kind="access_denied")
    if folder == "html":
        return Reply(200, _PAGE, "text/html; charset=utf-8")
    if folder in _LATE and number <= LATE_GETS:
        return _LATE[folder]
    if folder == "cookie" and request.header("cookie") != _COOKIE:
        return Reply(302, b"", "text/plain", (("location", request.target), ("set-cookie", f"{_COOKIE}; Path=/files")))
    reply = DETOURS[folder][1](send_file(video, request), request) if folder in DETOURS else send_file(video, request)
    return replace(reply, fault=folder) if folder in FAULTS and number == 1 else reply
