"""One library does one thing in a separate process, and the observation is written to stdout as JSON.

No module of the SDK is imported before the clock is replaced, because it keeps the functions.

Sleeping takes no time: `time.sleep` moves the clock that the libraries read, so that a wait of an hour or a sleep of
three years is over at once and is counted. Sockets keep real time.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import os
import pickle
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from benchmarks.faults import KEY, TASK
from benchmarks.peers import LIBRARIES, make_client

#: Seconds of the libraries' clock after which an action that sleeps on is stopped.
LONGEST = 3600.0


class SleptOnError(BaseException):
    """The action has slept for longer than a user would wait."""


class Clock:
    """Real time plus everything slept."""

    def __init__(self, jump: float) -> None:
        self.slept: list[float] = []
        self._ahead = self._jumped = 0.0
        self._monotonic, self._time = time.monotonic, time.time
        #: Seconds by which the wall clock jumps at the first sleep.
        self._jump = jump

    def install(self) -> None:
        """Replace the clock, before any library has read it."""
        if "kkiai_sdk._clock" in sys.modules:
            raise RuntimeError("the SDK was imported before the clock was replaced, and has kept the real one")
        time.sleep = self._sleep  # type: ignore[assignment]
        time.monotonic = lambda: self._monotonic() + self._ahead
        time.time = lambda: self._time() + self._ahead + self._jumped

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._jumped = self._jump
        if not 0 <= seconds < LONGEST or self._ahead + seconds > LONGEST:
            raise SleptOnError
        self._ahead += seconds


class Actions:
    """The actions of a case, by name."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec, self._name, self._base = spec, spec["library"], spec["base"]
        self._key, self._task_id = spec.get("key", KEY), spec.get("id", TASK)
        self._library: Any = LIBRARIES[self._name]

    def _client(self, *, asynchronous: bool = False) -> Any:
        return make_client(self._name, self._base, asynchronous=asynchronous, key=self._key, timeout=1.0)

    def query(self) -> Any:
        """Query once; gives the type of the answer."""
        return {"type": type(self._library.query(self._client(), self._task_id)).__name__}

    def queries(self) -> Any:
        """Query many times; gives how many failed."""
        client, times = self._client(), self._spec["times"]
        failed = sum(_end(lambda: self._library.query(client, self._task_id)) != "returned" for _ in range(times))
        return {"failed": failed}

    def wait(self) -> Any:
        """Wait for the end of the task."""
        options = {"timeout": self._spec["timeout"]} if "timeout" in self._spec else {}
        self._library.wait(self._client(), TASK, **options)

    def wait_both(self) -> Any:
        """Wait by each of the two clients; gives how each ended."""

        async def wait() -> None:
            await self._library.async_wait(self._client(asynchronous=True), TASK)

        return {"async": _end(lambda: asyncio.run(wait())), "sync": _end(self.wait)}

    def download(self) -> Any:
        """Download the video; gives the state of the target, whatever the end."""
        folder = Path(self._spec["folder"])
        dest, victim = folder / "video.mp4", folder / "victim"
        if "old" in self._spec:
            dest.write_text(self._spec["old"])
        if "link" in self._spec:
            victim.write_text("precious")
            dest.symlink_to(victim)
        if "no_folder" in self._spec:
            dest = folder / "missing" / "video.mp4"
        problem = None
        try:
            self._library.download(self._client(), TASK, dest, f"{self._base}/file/video.mp4")
        except Exception as error:  # noqa: BLE001 - the observation
            problem = type(error).__qualname__
        content = dest.read_bytes() if dest.exists() else None
        return {
            "problem": problem,
            "sha": None if content is None else hashlib.sha256(content).hexdigest(),
            "size": None if content is None else len(content),
            "link target": victim.read_bytes()[:20].decode("latin-1") if victim.exists() else None,
        }

    def create(self) -> Any:
        """Send a request that costs money."""
        self._library.create(self._client())

    def follow(self) -> Any:
        """Fetch what an answer points to."""
        self._library.follow(self._client(), TASK)

    def two_loops(self) -> Any:
        """Use one asynchronous client in two event loops, one after the other."""
        client, query = self._client(asynchronous=True), self._library.async_query or self._library.query

        async def ask() -> None:
            await query(client, self._task_id)

        asyncio.run(ask())
        asyncio.run(ask())

    def build(self) -> Any:
        """Make a client and send nothing."""
        self._base = self._spec["url"]
        self._client()

    def show(self) -> Any:
        """Print a client as a debugger does; gives whether the key shows."""
        client = self._client()
        shown = f"{client!r}{client}" + "".join(f"{value!r}" for value in getattr(client, "__dict__", {}).values())
        return {"key": self._key in shown}

    def store(self) -> Any:
        """Pickle a client; gives whether the key is in it. One that refuses is fine."""
        try:
            return {"key": self._key.encode() in pickle.dumps(self._client())}
        except Exception:  # noqa: BLE001 - whatever the reason
            return {"key": False}

    def fork(self) -> Any:
        """Use a client, fork, and query in both processes; gives how many answers were those of the other one."""
        client, times = self._client(), self._spec["times"]
        ask = self._library.identify or self._library.query
        ask(client, "warm-up")
        reader, writer = os.pipe()
        child = os.fork()
        swapped = failed = 0
        for number in range(times):
            mine = f"{'parent' if child else 'child'}-{number}"
            try:
                swapped += str(self._library.identity(ask(client, mine))) != mine
            except Exception:  # noqa: BLE001 - counted
                failed += 1
        if not child:
            os.write(writer, f"{swapped} {failed}".encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        theirs = [int(number) for number in os.read(reader, 20).split()] or [0, times]
        return {"swapped": swapped + theirs[0], "failed": failed + theirs[1]}


def _end(action: Any) -> str:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - the observation
        return type(error).__name__
    except SleptOnError:
        return "never ends"
    return "returned"


def describe(error: BaseException, key: str) -> dict[str, Any]:
    """The class of an exception, what became of its text and of a pickle, and the forms of it that hold the key."""
    stored, pickles = b"", False
    try:
        stored = pickle.dumps(error)
        pickles = type(pickle.loads(stored)) is type(error)  # noqa: S301 - of the line before
    except Exception:  # noqa: BLE001, S110 - then it does not pickle
        pass
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "clean": all(char >= " " or char in "\n\t" for char in str(error)),
        "pickles": pickles,
        "keys": {
            "traceback": key in "".join(traceback.format_exception(error)),
            "attributes": key in _texts(error),
            "pickle": key.encode() in stored,
        },
    }


def _texts(error: BaseException) -> str:
    """All text in the attributes of an exception, of its request, and of its causes."""
    level: list[Any] = [error]
    known: dict[int, Any] = {}
    for _ in range(6):
        known |= {id(thing): thing for thing in level}
        parts = {id(part): part for thing in level for part in _parts(thing)}
        level = [part for number, part in parts.items() if number not in known]
    return "\n".join(str(thing) for thing in known.values() if isinstance(thing, str | bytes))


def _parts(thing: Any) -> list[Any]:
    if type(thing).__name__ == "Headers" or isinstance(thing, dict):
        return list(dict(thing).values())
    if isinstance(thing, list | tuple):
        return list(thing)
    return [getattr(thing, name, None) for name in ("__cause__", "__context__", *getattr(thing, "__dict__", {}))]


def main() -> None:
    """Run the action that the specification in `argv` names."""
    spec = json.loads(sys.argv[1])
    clock = Clock(spec.get("jump", 0.0))
    if not spec.get("real_time"):
        clock.install()
    warnings.simplefilter("ignore")
    # Imports are no part of a case: its time limit begins now.
    library = LIBRARIES[spec["library"]]
    importlib.import_module(library.preload or library.module)
    action = getattr(Actions(spec), spec["action"])
    print("ready", flush=True)  # noqa: T201 - to the parent
    os.chdir(spec["folder"])
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen: dict[str, Any] = {"outcome": "returned"}
    try:
        seen["value"] = action() or {}
    except SleptOnError:
        seen["outcome"] = "slept on"
    except BaseException as error:  # noqa: BLE001 - the observation
        seen |= {"outcome": "raised", "error": describe(error, KEY)}
    seen["seconds"] = time.perf_counter() - began
    seen["sleeps"] = [*clock.slept[:1], *clock.slept[1:][-50:]]
    seen["grown"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps(seen), flush=True)  # noqa: T201 - to the parent


if __name__ == "__main__":
    main()
