"""Start the servers of a case, run one library against them, and gather the observation."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from benchmarks.faults import KEY
from benchmarks.faults.rules import Seen
from benchmarks.faults.wire import QUERYING, World, script
from benchmarks.harness import ROOT, environment
from tests.support.rawserver import RawServer

if TYPE_CHECKING:
    from benchmarks.faults.rules import Rule
    from benchmarks.faults.wire import Server


@frozen(eq=False)
class Case:
    """A fault, the action against it, and the rule by which it is judged."""

    #: Rows of tests/faults.md.
    ids: str
    title: str
    rule: Rule
    server: Server
    action: str = "query"
    libraries: tuple[str, ...] = QUERYING
    #: Options of the action.
    options: dict[str, Any] = Factory(dict)
    #: Seconds after which the process is killed.
    limit: float = 15.0
    #: The server of the second origin.
    other: Server = field(factory=script)


def observe(case: Case, library: str) -> Seen:
    """Observe one library in one case."""
    world = World(library)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(RawServer(itertools.repeat(partial(serve, world)), clock=time.monotonic))
            for serve in (case.server, case.other)
        ]
        world.url, world.other = (server.url for server in servers)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        base = _closed_port() if "closed" in case.options else world.url
        spec = case.options | {"library": library, "action": case.action, "base": base, "folder": folder}
        seen = _run(spec, case.limit)
        log = [
            (request.method, request.target, any(KEY in value for _, value in request.headers), server is servers[1])
            for server in servers
            for request in server.requests
        ]
    return Seen(library=library, log=log, **seen)


def _closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _run(spec: dict[str, Any], limit: float) -> dict[str, Any]:
    timeouts = {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.faults.child", json.dumps(spec)], cwd=ROOT,
        env=environment(None) | timeouts | {"HOME": spec["folder"]}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()  # once it has imported what it needs
    began, exited = time.monotonic(), None
    try:
        stdout, stderr = process.communicate(timeout=limit)
        exited = time.monotonic() - began
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
    lines = stdout.splitlines()
    if lines and lines[-1].startswith(b"{"):
        return {"exited": exited, **json.loads(lines[-1])}
    text = stderr[-2000:].decode("utf-8", "replace")
    return {"exited": exited, "outcome": "died" if text.strip() else "hung", "stderr": text}
