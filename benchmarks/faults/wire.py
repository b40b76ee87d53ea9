"""Answers as each library expects them, and servers that play a case."""

from __future__ import annotations

import itertools
import json
from array import array
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.faults import TASK
from tests.support.rawserver import End, RawReply, RawRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Answers one request.
    Server: TypeAlias = "Callable[[World, RawRequest], RawReply]"
    #: An answer, or a function that makes it.
    Answer: TypeAlias = "RawReply | Callable[[World], RawReply]"

#: The words of each library for a task that is running, done, cancelled.
STATUS = {
    "kkiai": ("processing", "completed", "cancelled"),
    "openai": ("in_progress", "completed", "cancelled"),
    "runwayml": ("RUNNING", "SUCCEEDED", "CANCELLED"),
    "replicate": ("processing", "succeeded", "canceled"),
    "fal-client": ("IN_PROGRESS", "COMPLETED", "CANCELLED"),
    "huggingface_hub": ("running", "done", "cancelled"),
}
RUNNING, DONE, CANCELLED = range(3)
ALL = tuple(STATUS)
PEERS = ALL[1:]
#: Those that have tasks.
QUERYING = ALL[:-1]
#: Size of the video, and where it is cut: huggingface_hub writes ten megabytes at a time.
LENGTH, HALF = 12_000_000, 11_000_000
#: Content of a file that a download replaces.
OLD = b"old and good"
_BOX = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


@cache
def video(version: int = 1) -> bytes:
    """A file in which every four bytes are unique to their place and to the version."""
    numbers = array("I", range(version << 24, (version << 24) + LENGTH // 4))
    return _BOX + numbers.tobytes()[len(_BOX) :]


def head(status: str, *headers: str) -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def answer(body: bytes | dict[str, Any], *headers: str, status: str = "200 OK") -> RawReply:
    """A well-formed answer: JSON unless a header says otherwise, with its length."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    if not any(line.lower().startswith("content-type:") for line in headers):
        headers = ("Content-Type: application/json", *headers)
    return RawReply(head(status, f"Content-Length: {len(body)}", *headers), body)


@dataclass
class World:
    """The library that the servers answer, their addresses, and the number of answers so far."""

    library: str
    url: str = ""
    #: A second origin.
    other: str = ""
    count: itertools.count[int] = field(default_factory=itertools.count)

    def task(self, status: int, /, *, url: str = "", **fields: Any) -> dict[str, Any]:
        """A task in the form of every library."""
        stamp = "2026-01-01T00:00:00Z"
        return {
            "id": TASK, "request_id": TASK, "modelId": f"owner/{TASK}", "object": "video", "model": "m", "version": "v",
            "input": {}, "logs": None if self.library == "replicate" else [], "error": None,
            "status": STATUS[self.library][status], "createdAt": stamp,
            "created_at": stamp if self.library in {"replicate", "runwayml"} else 1767225600,
            "video_url": url or None, "output": [url] if url else [], "urls": {"get": url, "cancel": url},
            "status_url": url, "response_url": url, "cancel_url": url,
            "queue_position": 0, "progress": 0.5, "size": "720x1280", "seconds": "4", **fields,
        }  # fmt: skip

    def running(self, *headers: str, **fields: Any) -> RawReply:
        """The answer that the task is running."""
        return answer(self.task(RUNNING, **fields), *headers)

    def done(self, url: str = "") -> RawReply:
        """The answer that the task is done."""
        return answer(self.task(DONE, url=url or f"{self.url}/file/video.mp4"))


def script(*first: Answer, then: Answer = World.running) -> Server:
    """A server that gives some answers, one per request, and then the same one forever."""

    def serve(world: World, _received: RawRequest) -> RawReply:
        number = next(world.count)
        act = first[number] if number < len(first) else then
        return act if isinstance(act, RawReply) else act(world)

    return serve


def files(serve_file: Callable[[int, int], RawReply]) -> Server:
    """A server of a finished task, whose file comes from a function of the number of the request and of the offset."""

    def serve(world: World, received: RawRequest) -> RawReply:
        if not received.target.split("?")[0].endswith(("/content", "/file/video.mp4", "/resolve/main/video.mp4")):
            return world.done()
        if received.method == "HEAD":
            # The head alone, with the field that huggingface_hub requires.
            act = serve_file(0, 0)
            extended = act.head.replace(b"\r\n\r\n", b"\r\nX-Repo-Commit: " + b"0" * 40 + b"\r\n\r\n")
            return replace(act, head=extended, body=b"", end=End.KEEP)
        start = (received.header("range") or "bytes=0-").removeprefix("bytes=").split("-")[0]
        return serve_file(next(world.count), int(start))

    return serve


def file_act(start: int = 0, *, version: int = 1, shift: int = 0) -> RawReply:
    """The file, or its rest from `start`; `shift` moves the range that is sent and declared."""
    body = video(version)
    fields = ["Content-Type: video/mp4", "Accept-Ranges: bytes", f'ETag: "v{version}"']
    if not start:
        return RawReply(head("200 OK", f"Content-Length: {LENGTH}", *fields), body)
    first = start + shift
    part = body[first:][: LENGTH - start]
    content_range = f"Content-Range: bytes {first}-{first + len(part) - 1}/{LENGTH}"
    return RawReply(head("206 Partial Content", f"Content-Length: {len(part)}", content_range, *fields), part)
