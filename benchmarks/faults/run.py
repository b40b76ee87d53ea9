"""Starts the servers of a case, has a contestant meet them in a process of its own, and gathers what was seen."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.faults.words import KEY
from benchmarks.faults.world import World, always
from tests.support.rawserver import RawServer

if TYPE_CHECKING:
    from benchmarks.faults.cases import Case
    from benchmarks.faults.rules import Seen
    from benchmarks.faults.world import Handler
    from tests.support.rawserver import Act, Received

ROOT = Path(__file__).resolve().parents[2]


class _Late:
    """A handler that is known only once the servers listen."""

    handler: Handler

    def __call__(self, received: Received) -> Act:
        return self.handler(received)


def observe(case: Case, who: str) -> Seen:
    """What was seen of one contestant in one case."""
    world = World(who)
    with ExitStack() as stack:
        mine, theirs = _Late(), _Late()
        server = stack.enter_context(RawServer(itertools.repeat(mine), clock=time.monotonic))
        other = stack.enter_context(RawServer(itertools.repeat(theirs), clock=time.monotonic))
        world.url, world.other = server.url, other.url
        mine.handler, theirs.handler = case.serve(world), (case.serve_other or always(World.running))(world)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        base = _closed() if case.options.get("closed") else server.url
        seen = _child(case, who, base, folder)
        log = [(server, "main") for server in server.requests] + [(request, "other") for request in other.requests]
    seen["who"], seen["limit"] = who, case.limit
    seen["log"] = [(r.method, r.target, where, any(KEY in value for _, value in r.headers)) for r, where in log]
    seen["requests"] = len(seen["log"])
    return seen


def _closed() -> str:
    """The address of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _child(case: Case, who: str, base: str, folder: str) -> Seen:
    spec = case.options | {"who": who, "action": case.action, "base": base, "folder": folder}
    command = [sys.executable, "-m", "benchmarks.faults.child", json.dumps(spec)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()  # it has imported what it needs
    began = time.monotonic()
    try:
        stdout, stderr = process.communicate(timeout=case.limit)
        exited: float | None = time.monotonic() - began
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        exited = None
    return _read(stdout, stderr) | {"exited": exited}


def _read(stdout: bytes, stderr: bytes) -> dict[str, Any]:
    lines = stdout.splitlines()
    if lines and lines[-1].startswith(b"{"):
        return dict(json.loads(lines[-1]))
    empty = {"seconds": 0.0, "slept": 0.0, "sleeps": [], "grown": 0.0}
    return {
        "outcome": "hung" if not stderr.strip() else "died",
        "stderr": stderr[-2000:].decode("utf-8", "replace"),
    } | empty


def _environment(folder: str) -> dict[str, str]:
    """No proxies, no keys, and no word to anybody else."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE"}}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return kept | quiet | {"HOME": folder, "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1", "NO_PROXY": "*"}
