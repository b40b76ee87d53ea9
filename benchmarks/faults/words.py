"""What each library calls things on the wire, and how an answer is put into bytes."""

from __future__ import annotations

import json
from array import array
from functools import cache
from typing import Any

from tests.support.rawserver import Act, End

#: Looked for wherever it has no business to be.
KEY = "sk-canary-0123456789abcdef"
TASK = "task-0123456789abcdef"

#: The status words for: running, done, cancelled.
STATUS = {
    "kkiai": ("processing", "completed", "cancelled"),
    "openai": ("in_progress", "completed", "cancelled"),
    "runwayml": ("RUNNING", "SUCCEEDED", "CANCELLED"),
    "replicate": ("processing", "succeeded", "canceled"),
    "fal-client": ("IN_PROGRESS", "COMPLETED", "CANCELLED"),
    "huggingface_hub": ("running", "done", "cancelled"),
}
RUNNING, DONE, CANCELLED = range(3)

#: More than a library fetches before it writes: huggingface_hub takes ten megabytes at a time.
LENGTH = 12_000_000
HALF = 11_000_000
#: The head of every MP4.
_BOX = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


@cache
def video(version: int = 1) -> bytes:
    """A file of which every four bytes are unique to their place and to the version."""
    numbers = array("I", range(version << 24, (version << 24) + LENGTH // 4))
    return _BOX + numbers.tobytes()[len(_BOX) :]


def task(who: str, word: int, *, url: str = "", **fields: Any) -> dict[str, Any]:
    """What every library takes for an answer about a task."""
    stamp = "2026-01-01T00:00:00Z" if who in {"replicate", "runwayml"} else 1767225600
    return {
        "id": TASK,
        "request_id": TASK,
        "modelId": f"owner/{TASK}",
        "object": "video",
        "model": "m",
        "version": "v",
        "input": {},
        "logs": None if who == "replicate" else [],
        "error": None,
        "status": STATUS[who][word],
        "created_at": stamp,
        "createdAt": "2026-01-01T00:00:00Z",
        "video_url": url or None,
        "output": [url] if url else [],
        "urls": {"get": url, "cancel": url},
        "status_url": url,
        "response_url": url,
        "cancel_url": url,
        "queue_position": 0,
        "progress": 0.5,
        "size": "720x1280",
        "seconds": "4",
        **fields,
    }


def answer(body: bytes | dict[str, Any], *headers: str, status: str = "200 OK", end: End = End.KEEP) -> Act:
    """An honest answer: JSON, with its length."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    if not any(line.lower().startswith("content-type:") for line in headers):
        headers = ("Content-Type: application/json", *headers)
    return Act(head(status, f"Content-Length: {len(body)}", *headers), body, end)


def head(status: str, *headers: str) -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")
