"""Replies and files for the raw server."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from kkiai_sdk import TaskState, VideoTask
from tests.support.rawserver import End, RawReply

if TYPE_CHECKING:
    from tests.support.rawserver import RawRequest

CLOSE = RawReply(end=End.FIN)
RESET = RawReply(end=End.RST)
HANG = RawReply(end=End.HANG)
#: The start of an MP4 file: its type, and a data box that extends to the end of the file.
_FTYP = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00\x00\x00\x00mdat"


def http(status: int, body: bytes = b"", *headers: tuple[str, str], length: int | None = -1) -> RawReply:
    """Return an HTTP reply. ``length`` is a wrong Content-Length, or None for none."""
    size = len(body) if length == -1 else length
    fields = [*headers, *([] if size is None else [("Content-Length", str(size))])]
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields)]
    return RawReply("\r\n".join([*lines, "", ""]).encode("latin-1"), body)


def json_reply(value: Any, status: int = 200, **headers: str) -> RawReply:
    """Return a JSON reply; underscores in header names stand for hyphens."""
    fields = [(name.replace("_", "-"), text) for name, text in headers.items()]
    return http(status, json.dumps(value).encode(), ("Content-Type", "application/json"), *fields)


def task(status: str = "processing", *, retry_after: str | None = None, **fields: Any) -> RawReply:
    """Return the reply about a task."""
    fields = {"id": "t", "status": status} | fields
    return json_reply(fields) if retry_after is None else json_reply(fields, retry_after=retry_after)


def completed(url: str = "http://127.0.0.1:9/v.mp4") -> RawReply:
    """Return the reply about a task with a video."""
    return task("completed", video_url=url)


def error_reply(status: int, code: str = "", message: str = "no", **headers: str) -> RawReply:
    """Return an error of the gateway."""
    return json_reply({"error": {"message": message, "type": "t", "param": "", "code": code}}, status, **headers)


def completed_task(url: str | None, task_id: str = "t") -> VideoTask:
    """Return the snapshot of a task with a video at ``url``."""
    return VideoTask(id=task_id, status="completed", state=TaskState.SUCCEEDED, video_url=url)


@cache
def _stream(version: int) -> bytes:
    return _FTYP + random.Random(version).randbytes((1 << 20) - len(_FTYP))


def pattern(version: int, start: int, length: int) -> bytes:
    """Return bytes of a video that differ at every offset and in every version, so that a misplaced one shows."""
    return _stream(version)[start : start + length]


@dataclass
class FileHost:
    """Serves one file correctly: whole, or from an offset if the tag matches."""

    body: bytes
    etag: str | None = '"one"'

    def __call__(self, request: RawRequest) -> RawReply:
        """Answer one request."""
        tag = [("ETag", self.etag)] if self.etag else []
        fields = [("Content-Type", "video/mp4"), *tag]
        found = re.fullmatch(r"bytes=(\d+)-", request.header("range") or "")
        if not found or request.header("if-range") not in {None, self.etag}:
            return http(200, self.body, *fields)
        start, size = int(found[1]), len(self.body)
        if start >= size:
            return http(416, b"", ("Content-Range", f"bytes */{size}"))
        return http(206, self.body[start:], *fields, ("Content-Range", f"bytes {start}-{size - 1}/{size}"))

    def cut(self, size: int, end: End = End.FIN) -> Any:
        """A handler that breaks off after ``size`` bytes of the answer's body."""
        return lambda request: self(request).cut(size, end)


def plain(parsed: Any) -> Any:
    """Return a parsed body as plain values."""
    if isinstance(parsed, list):
        return [plain(each) for each in parsed]
    if hasattr(parsed, "payload"):
        return parsed.payload.read()
    return parsed.to_dict() if hasattr(parsed, "to_dict") else parsed
