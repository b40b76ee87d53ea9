"""Calls of a client, with the responses that answer them: the same for every tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from tests.support.adapter import raw_query
from tests.support.wire import http, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from kkiai_sdk import Kkiai
    from tests.support.rawserver import RawReply

QUERY_PATH = "/v1/video/query"
FILE_PATH = "/files/v.mp4"
TASK_ID = "grok:7"
VIDEO = pattern(1, 0, 5_000)
#: Each way a request leaves a client. A retried call sends two.
CALLS = ("query", "retry", "wait", "raw", "download")


@frozen
class Reply:
    """The response to a GET request. A path alone is on the gateway's own host."""

    url: str
    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"

    @property
    def path(self) -> str:
        """The path of ``url``."""
        return urlsplit(self.url).path

    @property
    def act(self) -> RawReply:
        """The same for a local server."""
        return http(self.status, self.body, ("Content-Type", self.content_type))


def _task(status: str, video_url: str | None = None) -> Reply:
    return Reply(QUERY_PATH, json.dumps({"id": TASK_ID, "status": status, "video_url": video_url}).encode())


def replies(call: str, files: str = "") -> list[Reply]:
    """The responses to the requests of a call, in order. ``files`` is the origin of the video, if another one."""
    match call:
        case "retry":
            return [Reply(QUERY_PATH, b"busy", 503, "text/plain"), _task("processing")]
        case "wait":
            return [_task("processing"), _task("completed", f"{files}{FILE_PATH}")]
        case "download":
            url = f"{files}{FILE_PATH}"
            return [_task("completed", url), Reply(url, VIDEO, content_type="video/mp4")]
    return [_task("processing")]


def perform(call: str, client: Kkiai, folder: Path) -> Any:
    """Make the call. Return the status of the task, or the bytes of the file that was saved to ``folder``."""
    match call:
        case "wait":
            return client.wait(TASK_ID).status
        case "raw":
            parsed = raw_query(client, TASK_ID).parsed
            assert parsed is not None
            return parsed.status
        case "download":
            return client.wait_and_download(TASK_ID, folder / "v.mp4", overwrite=True).read_bytes()
    return client.query(TASK_ID).status


#: What :func:`perform` returns for each call.
RESULTS = dict.fromkeys(CALLS, "processing") | {"wait": "completed", "download": VIDEO}
