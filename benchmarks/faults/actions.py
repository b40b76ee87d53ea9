"""What a contestant does in a case. Runs in the child process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
from typing import TYPE_CHECKING, Any

from benchmarks.faults.words import KEY, TASK

if TYPE_CHECKING:
    from pathlib import Path


def query(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Ask once; says of what type the answer is."""
    got = make(spec["base"]).query(spec.get("id", TASK))
    return {"type": type(got).__name__, "shown": repr(got)[:300], "status": str(getattr(got, "status", ""))}


def queries(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Ask many times; gives how many were answered."""
    contestant, failed = make(spec["base"]), []
    for _ in range(spec["times"]):
        try:
            contestant.query()
        except Exception as error:  # noqa: BLE001 - counted
            failed.append(type(error).__name__)
    return {"asked": spec["times"], "failed": len(failed), "errors": sorted(set(failed))}


def wait(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Wait for the end of the task."""
    got = make(spec["base"]).wait(spec.get("timeout"))
    return {"type": type(got).__name__, "status": str(getattr(got, "status", got))[:80]}


def wait_both(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Wait for the end of the task by each of the two clients; gives how each ended."""
    ends = {}
    for name, wait_once in (
        ("async", lambda: asyncio.run(make(spec["base"]).wait_async(spec["base"]))),
        ("sync", make(spec["base"]).wait),
    ):
        try:
            wait_once()
            ends[name] = "returned"
        except Exception as error:  # noqa: BLE001 - the very thing to observe
            ends[name] = type(error).__name__
        except BaseException:  # noqa: BLE001 - it slept on and on
            ends[name] = "never ends"
    return ends


def download(make: Any, spec: dict[str, Any], folder: Path) -> Any:
    """Fetch the video; gives what stands under its name afterwards, whatever came of it."""
    dest = folder / "video.mp4"
    if (old := spec.get("old")) is not None:
        dest.write_text(old)
    if link := spec.get("link"):
        (folder / "victim").write_text("precious")
        dest.symlink_to(folder / link)
    if spec.get("no_folder"):
        dest = folder / "missing" / "video.mp4"
    problem = None
    try:
        make(spec["base"]).download(dest, f"{spec['base']}/file/video.mp4")
    except Exception as error:  # noqa: BLE001 - the very thing to observe
        problem = f"{type(error).__module__}.{type(error).__qualname__}: {error}"[:200]
    victim = folder / "victim"
    return {
        "problem": problem,
        "sha": hashlib.sha256(dest.read_bytes()).hexdigest() if dest.exists() else None,
        "size": dest.stat().st_size if dest.exists() else None,
        "victim": victim.read_bytes()[:20].decode("latin-1") if victim.exists() else None,
    }


def create(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Send what costs money."""
    make(spec["base"]).create()
    return "created"


def elsewhere(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Take up what an answer says to fetch from somewhere else."""
    make(spec["base"]).gone_elsewhere()
    return "fetched"


def two_loops(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Use one asynchronous client in two event loops."""
    return {"answers": len(make(spec["base"]).in_two_loops(spec["base"]))}


def with_key(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Make a client with an odd key, and ask."""
    return repr(make(spec["base"], key=spec["key"]).query())[:100]


def build(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Make a client for some base URL and send nothing."""
    make(spec["url"])
    return "accepted"


def show(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Print a client as a debugger does."""
    client = make(spec["base"]).client
    shown = repr(client) + str(client) + "".join(f"{value!r}" for value in getattr(client, "__dict__", {}).values())
    return {"shows_key": KEY in shown}


def store(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Pickle a client; gives whether the key is in it."""
    try:
        stored = pickle.dumps(make(spec["base"]).client)
    except Exception as error:  # noqa: BLE001 - it refuses, which is fine
        return {"key_in_pickle": False, "refused": type(error).__name__}
    return {"key_in_pickle": KEY.encode() in stored, "refused": None}


def fork(make: Any, spec: dict[str, Any], _folder: Path) -> Any:
    """Use a client, fork, and have both processes ask; gives how many answers went to the wrong one."""
    contestant = make(spec["base"])
    ask = getattr(contestant, "identify", contestant.query)
    ask("warm-up")
    reader, writer = os.pipe()
    child = os.fork()
    swapped = failed = 0
    for number in range(spec["times"]):
        mine = f"{'parent' if child else 'child'}-{number}"
        try:
            swapped += contestant.identity(ask(mine)) != mine
        except Exception:  # noqa: BLE001 - counted
            failed += 1
    if not child:
        os.write(writer, f"{swapped} {failed}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    theirs = [int(number) for number in os.read(reader, 20).split()] or [0, spec["times"]]
    return {"swapped": swapped + theirs[0], "failed": failed + theirs[1], "asked": 2 * spec["times"]}


ACTIONS: dict[str, Any] = {
    action.__name__: action
    for action in (
        query, queries, wait, wait_both, download, create, elsewhere, two_loops, with_key, build, show, store, fork,
    )
}  # fmt: skip
