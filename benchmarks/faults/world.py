"""The servers of a case, and the small parts of which their scripts are made."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.faults.words import DONE, RUNNING, answer, head, task, video
from tests.support.rawserver import Act, Received

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class World:
    """Whom the servers talk to, and where they listen."""

    who: str
    url: str = ""
    other: str = ""
    count: itertools.count[int] = field(default_factory=itertools.count)

    def running(self, *headers: str, **fields: Any) -> Act:
        """An honest answer: not done yet."""
        return answer(task(self.who, RUNNING, **fields), *headers)

    def done(self, url: str = "") -> Act:
        """An honest answer: done."""
        return answer(task(self.who, DONE, url=url or f"{self.url}/file/video.mp4"))


Handler: TypeAlias = "Callable[[Received], Act]"
Script: TypeAlias = "Callable[[World], Handler]"


def always(act: Act | Callable[[World], Act]) -> Script:
    """The same for every request."""
    return lambda world: lambda _received: act(world) if callable(act) else act


def then_good(*acts: Act) -> Script:
    """These first, then honest answers that the task is running."""

    def script(world: World) -> Handler:
        def handle(_received: Received) -> Act:
            number = next(world.count)
            return acts[number] if number < len(acts) else world.running()

        return handle

    return script


def then_done(*acts: Callable[[World], Act]) -> Script:
    """These first, then honest answers that the task is done."""

    def script(world: World) -> Handler:
        def handle(_received: Received) -> Act:
            number = next(world.count)
            return acts[number](world) if number < len(acts) else world.done()

        return handle

    return script


FileAct: TypeAlias = "Callable[[int, int], Act]"


def files(serve: FileAct) -> Script:
    """Honest answers about a finished task; its file is served by a function of the how-manieth and of where from."""

    def script(world: World) -> Handler:
        def handle(received: Received) -> Act:
            path = received.target.split("?")[0]
            if not path.endswith(("/content", "/file/video.mp4", "/resolve/main/video.mp4")):
                return world.done(f"{world.url}/file/video.mp4")
            if received.method == "HEAD":
                return _about(serve(0, 0))
            start = (received.header("range") or "bytes=0-").removeprefix("bytes=").split("-")[0]
            return serve(next(world.count), int(start))

        return handle

    return script


def _about(act: Act) -> Act:
    """The head alone, with what huggingface_hub wants to know about a file."""
    commit = b"X-Repo-Commit: " + b"0" * 40
    return replace(act, head=act.head.replace(b"\r\n\r\n", b"\r\n" + commit + b"\r\n\r\n"), body=b"", end=Act().end)


def file_act(start: int = 0, *, version: int = 1, shift: int = 0, kind: str = "video/mp4", tag: str = '"v%d"') -> Act:
    """A file, or the rest of it from ``start``; ``shift`` moves what is sent, and says so."""
    body, size = video(version), len(video(version))
    fields = [f"Content-Type: {kind}", "Accept-Ranges: bytes", f"ETag: {tag % version}"]
    if not start:
        return Act(head("200 OK", f"Content-Length: {size}", *fields), body)
    first = start + shift
    part = body[first:][: size - start]
    span = f"Content-Range: bytes {first}-{first + len(part) - 1}/{size}"
    return Act(head("206 Partial Content", f"Content-Length: {len(part)}", span, *fields), part)
