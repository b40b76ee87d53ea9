"""One contestant does one thing, and what comes of it is written to stdout as JSON.

Sleeping costs nothing here: every ``time.sleep`` moves a clock that the libraries take for the real one, so that a wait
of an hour, or a sleep of three years, is over at once and is counted. Sockets keep real time.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

#: Seconds of the libraries' clock after which a thing that sleeps on and on is stopped.
PATIENCE = 3600.0
#: What is said when all is imported.
READY = "ready"


class Enough(BaseException):
    """The contestant has slept for longer than anybody would wait."""


class Clock:
    """Real time plus all that was slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._ahead = 0.0
        self._monotonic, self._time = time.monotonic, time.time
        #: Seconds by which the wall clock jumps at the first sleep.
        self.jump = 0.0
        self._jumped = 0.0

    def install(self) -> None:
        """Take the place of the clock, before any library has looked at it."""
        time.sleep = self._sleep  # type: ignore[assignment]
        time.monotonic = lambda: self._monotonic() + self._ahead
        time.time = lambda: self._time() + self._ahead + self._jumped

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._jumped = self.jump
        if not 0 <= seconds < PATIENCE or self._ahead + seconds > PATIENCE:
            raise Enough
        self._ahead += seconds

    @property
    def seconds(self) -> float:
        """Seconds slept."""
        return self._ahead


def describe(error: BaseException) -> dict[str, Any]:
    """An exception, and whether the key is in what would be printed or stored of it."""
    import pickle
    import traceback

    from benchmarks.faults.words import KEY

    seen: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "bases": [f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__],
        "text": str(error)[:400],
        "key_in_traceback": KEY in "".join(traceback.format_exception(error)),
    }
    try:
        stored = pickle.dumps(error)
        seen["key_in_pickle"] = KEY.encode() in stored
        seen["pickles"] = type(pickle.loads(stored)) is type(error)  # noqa: S301 - our own, from the line before
    except Exception as problem:  # noqa: BLE001 - whatever it is, it does not pickle
        seen["pickles"], seen["pickle_problem"] = False, f"{type(problem).__name__}: {problem}"[:200]
    seen["key_in_graph"] = _reachable(error, KEY)
    return seen


def _reachable(error: BaseException, key: str) -> bool:
    """Whether the key is in an attribute of the exception, of its request, or of what caused it."""
    pending: list[tuple[Any, int]] = [(error, 0)]
    seen: set[int] = set()
    while pending:
        thing, depth = pending.pop()
        if id(thing) in seen or depth > 4:
            continue
        seen.add(id(thing))
        if isinstance(thing, str | bytes):
            if key in (thing if isinstance(thing, str) else thing.decode("latin-1")):
                return True
            continue
        if type(thing).__name__ == "Headers":
            pending += [(value, depth) for value in dict(thing).values()]
        elif isinstance(thing, dict):
            pending += [(value, depth + 1) for value in thing.values()]
        elif isinstance(thing, list | tuple):
            pending += [(value, depth + 1) for value in thing]
        else:
            pending += [(value, depth + 1) for value in getattr(thing, "__dict__", {}).values()]
            pending += [
                (each, depth) for each in (getattr(thing, "__cause__", None), getattr(thing, "__context__", None))
            ]
    return False


def main() -> None:
    """Do what the specification in ``argv`` says."""
    spec = json.loads(sys.argv[1])
    clock = Clock()
    clock.jump = spec.get("jump", 0.0)
    if not spec.get("real_time"):
        clock.install()
    import warnings

    warnings.simplefilter("ignore")
    from benchmarks.faults.actions import ACTIONS
    from benchmarks.faults.contestants import CONTESTANTS, MODULES

    # Importing is no part of a case: the time that a case may take begins now.
    importlib.import_module(MODULES[spec["who"]])
    print(READY, flush=True)  # noqa: T201 - to the parent
    os.chdir(spec["folder"])
    seen: dict[str, Any] = {}
    began = 0.0
    before = 0
    try:
        make = CONTESTANTS[spec["who"]]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        value = ACTIONS[spec["action"]](make, spec, Path(spec["folder"]))
        seen["outcome"] = "returned"
        seen["value"] = value if isinstance(value, dict | str | int | float | bool) else repr(value)[:400]
    except Enough:
        seen["outcome"] = "slept on"
    except BaseException as error:  # noqa: BLE001 - the very thing to observe
        seen["outcome"] = "raised"
        seen["error"] = describe(error)
    seen["seconds"] = time.perf_counter() - began
    seen["slept"] = clock.seconds
    seen["sleeps"] = clock.slept[-50:]
    seen["grown"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps(seen), flush=True)  # noqa: T201 - to the parent


if __name__ == "__main__":
    main()
