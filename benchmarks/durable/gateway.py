"""A gateway for one run: tasks end by a plan, some files are large, and every request is noted with its time."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes written at a time, and the pause in between: about 7 MB/s per download, so that kills fall into them.
CHUNK, PAUSE = 256 * 1024, 0.035
KEY = re.compile(rb"^authorization: bearer sk-(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
RANGE = re.compile(rb"^range: bytes=(\d+)-\r?$", re.IGNORECASE | re.MULTILINE)


@frozen
class Plan:
    """A task: it succeeds ``ends`` seconds after the start of the gateway (never if infinite)."""

    ends: float
    size: int


@frozen
class Seen:
    """A query as it arrived."""

    time: float
    task_id: str
    #: The worker and the number of its process, from the key.
    worker: str


@frozen
class Log:
    """All requests of a run."""

    queries: list[Seen] = field(factory=list)
    #: Times at which a query was first answered with the end of a task.
    ended: dict[str, float] = field(factory=dict)
    #: How often the last byte of a file was sent.
    completed: Counter[str] = field(factory=Counter)
    resumed: Counter[str] = field(factory=Counter)
    #: Transfers that broke off.
    broken: list[tuple[str, int]] = field(factory=list)


class Gateway:
    """Serves from a thread of its own while the context is open."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self.plans, self.log, self.url, self.start = plans, Log(), "", 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._is_up = threading.Event()

    async def _main(self) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=500) as server:
            self.url, self.start = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", time.monotonic()
            self._is_up.set()
            await self._is_over.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_up.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                if target.startswith("/files/"):
                    await self._send_file(target[7:], head, writer)
                else:
                    await self._answer(target, head, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, target: str, head: bytes, writer: asyncio.StreamWriter) -> None:
        now = time.monotonic()
        task_id = target.partition("id=")[2].partition("&")[0].replace("%3A", ":")
        key = KEY.search(head)
        self.log.queries.append(Seen(now, task_id, key[1].decode() if key else ""))
        is_done = now - self.start >= self.plans[task_id].ends
        if is_done:
            self.log.ended.setdefault(task_id, now)
        body = {
            "id": task_id,
            "status": "completed" if is_done else "processing",
            "video_url": f"{self.url}/files/{task_id}" if is_done else None,
            "enhanced_prompt": "a paper boat",
            "status_update_time": int(time.time() * 1000),
        }
        content = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content))
        writer.write(content)
        await writer.drain()

    async def _send_file(self, task_id: str, head: bytes, writer: asyncio.StreamWriter) -> None:
        size, found = self.plans[task_id].size, RANGE.search(head)
        at = int(found[1]) if found else 0
        status = b"206 Partial Content\r\ncontent-range: bytes %d-%d/%d" % (at, size - 1, size) if at else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\ncontent-type: video/mp4\r\ncontent-length: %d\r\n" % (status, size - at))
        writer.write(b'etag: "%s"\r\naccept-ranges: bytes\r\n\r\n' % task_id.encode().replace(b":", b"-"))
        self.log.resumed[task_id] += bool(at)
        try:
            while at < size:
                end = min(at + CHUNK, size)
                writer.write(video(size, at, end))
                await writer.drain()
                at = end
                if at < size:
                    await asyncio.sleep(PAUSE)
            self.log.completed[task_id] += 1
        except ConnectionError:
            self.log.broken.append((task_id, at))
            raise


def video(size: int, start: int, end: int) -> bytes:
    """Return bytes of an MP4 file of this size: a file type, and one box of zeros."""
    head = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + (size - 24).to_bytes(4, "big") + b"mdat"
    return head[start:end] + bytes(end - max(start, len(head))) if end > len(head) else head[start:end]
