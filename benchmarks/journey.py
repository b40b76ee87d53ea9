"""The own and generated code that one call passes: files, functions, and switches from file to file."""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import ROOT, Bench, Group, log, table
from kkiai_sdk import ConfigurationError, Kkiai

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

COUNTED = (f"{ROOT}/kkiai_sdk/", f"{ROOT}/generated/kkiai_api/")
#: Runs in threads of its own, alongside the call.
LEFT_OUT = f"{ROOT}/kkiai_sdk/mock/"
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"


class Recorder:
    """A profile function that records calls, of all threads that are started meanwhile too."""

    def __init__(self) -> None:
        self._functions: set[tuple[str, str]] = set()
        self._last: dict[int, str] = {}
        self._switches = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Record a call, or the resumption of a generator."""
        file, thread = frame.f_code.co_filename, threading.get_ident()
        if event == "call" and file.startswith(COUNTED) and not file.startswith(LEFT_OUT):
            self._functions.add((file, frame.f_code.co_qualname))
            self._switches += self._last.setdefault(thread, file) != file
            self._last[thread] = file

    def record(self, call: Callable[[], Any]) -> str:
        """Run a call; returns `files / functions / file switches`."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        return f"{len({file for file, _ in self._functions})} / {len(self._functions)} / {self._switches}"


def run(bench: Bench) -> Group:
    """Record warm synchronous calls about a finished task of the mock gateway."""
    del bench
    title = "Journey of a call"
    try:
        from kkiai_sdk.mock import MockGateway
    except ConfigurationError as error:
        log(f"journey: left out: {error}")
        return Group(title, [])
    with (
        MockGateway(speed=1e6) as gateway,
        Kkiai(gateway.api_key, base_url=gateway.base_url) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        task, dest = client.wait(TASK), Path(folder) / "video.mp4"
        calls: dict[str, Callable[[], Any]] = {
            "query": lambda: client.query(TASK),
            "wait, one poll": lambda: client.wait(TASK),
            "as_completed, one task, one poll": lambda: list(client.as_completed([TASK])),
            "download": lambda: client.download(task, dest, overwrite=True),
        }
        rows = []
        for name, call in calls.items():
            call()
            rows.append([name, Recorder().record(call)])
    return Group(title, [table("Synchronous calls", ["", "files / functions / file switches"], rows)])
