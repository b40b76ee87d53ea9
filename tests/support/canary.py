"""The API key of all tests, and a search for it after each test.

After each test of the clients and of the command line a :class:`Canary` searches every error that was made (text,
attributes, notes, causes, traceback, pickle, and the local variables of all frames but the caller's, which crash
reporters show), the log records of every logger, warnings, output and files.
"""

from __future__ import annotations

import logging
import pickle
import traceback
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kkiai_sdk import KkiaiError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import pytest

#: Not of the form sk-…, so that no redaction by pattern hides it.
KEY = "canary.4be17c90f2a6d385"

#: The frames of tests are the caller's, who may hold the key. All others count: those of httpx, httpcore, h11 and
#: aiohttp hold the request and with it the key, so no error of the SDK, nor its cause, may have one in its traceback.
CALLERS = str(Path(__file__).parents[1])
#: Types without text, and types that hold other values only.
NUMBERS = {type(None), bool, int, float}
CONTAINERS = {dict, list, tuple, set, frozenset}
#: Libraries whose requests hold the key in attributes, which debuggers show and repr does not.
HOLDERS = {"httpx", "httpcore", "h11", "h2", "aiohttp", "multidict"}


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error with its causes, contexts and members of groups."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            pending.extend(each for each in (one.__cause__, one.__context__, *members) if each is not None)


def locals_of(trace: TracebackType | None) -> Iterator[tuple[str, object]]:
    """Yield the local variables of the frames of a traceback, with their places."""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(CALLERS):
            for name, value in trace.tb_frame.f_locals.items():
                yield f"the variable {name} of {code.co_qualname}", value
        trace = trace.tb_next


def texts_in(value: object, depth: int = 4) -> Iterator[str]:
    """Yield the texts in a value: its own, or those of its items and attributes, to a depth of ``depth``."""
    kind = type(value)
    if kind in NUMBERS:
        return
    if isinstance(value, str | bytes | bytearray):
        yield value if isinstance(value, str) else value.decode("latin-1")
        return
    # The repr of a container shows no more than its items do.
    if not depth or kind not in CONTAINERS:
        with suppress(Exception):
            yield repr(value)
    if depth and isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(key, depth - 1)
            yield from texts_in(item, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts_in(item, depth - 1)
    elif depth and kind.__module__.partition(".")[0] in HOLDERS:
        yield from texts_in(getattr(value, "__dict__", {}), depth - 1)


def places_of(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield everything that an error shows to people, logs, crash reporters and other processes."""
    for one in chain_of(error):
        name = type(one).__name__
        yield f"the text of {name}", (str(one), repr(one))
        yield f"the arguments of {name}", one.args
        for attribute, value in vars(one).items():
            yield f"{name}.{attribute}", (value, getattr(value, "__dict__", None))
        for place, value in locals_of(one.__traceback__):
            yield f"{place}, in {name}", value
    yield "a formatted traceback", "".join(traceback.format_exception(error))
    if isinstance(error, KkiaiError):
        yield f"a pickled {type(error).__name__}", pickle.dumps(error)


def leaks_in(error: BaseException, key: str = KEY) -> list[str]:
    """Return the places where an error holds the key."""
    return [place for place, value in places_of(error) if any(key in text for text in texts_in(value))]


def leaks_in_record(record: logging.LogRecord, key: str = KEY) -> bool:
    """Whether a log record holds the key: in its message, its arguments, or its exception."""
    told = record.exc_info[1] if record.exc_info else None
    texts = (record.getMessage(), *texts_in(record.args), *texts_in(vars(record)))
    return any(key in text for text in texts) or bool(told and leaks_in(told, key))


class Canary:
    """Records the errors and warnings of a test, and searches them at its end."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.errors: list[KkiaiError] = []
        self.warnings: list[str] = []
        made, warn = self.errors, warnings.warn

        def remember(self: KkiaiError, *args: object) -> None:
            super(KkiaiError, self).__init__(*args)
            made.append(self)

        def remember_warning(message: Any, category: Any = None, stacklevel: int = 1, **options: Any) -> None:
            self.warnings.append(str(message))
            warn(message, category, stacklevel + 1, **options)

        patch.setattr(KkiaiError, "__init__", remember)
        patch.setattr(warnings, "warn", remember_warning)

    def assert_unseen(self, records: list[logging.LogRecord], printed: str, folder: Path) -> None:
        """Assert that the key is in no error, record, output or file."""
        leaks = [leak for error in self.errors for leak in leaks_in(error)]
        # Frames of errors keep the test's own objects alive.
        self.errors.clear()
        leaks += [f"a log record of {record.name}" for record in records if leaks_in_record(record)]
        leaks += ["a warning" for warning in self.warnings if KEY in warning]
        leaks += ["the output"] if KEY in printed else []
        leaks += [f"the file {path.name}" for path in files_with(KEY.encode(), folder)]
        assert not leaks, f"the key was seen: {leaks}"


@contextmanager
def watch_for_key(
    patch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture, streams: pytest.CaptureFixture[str], folder: Path
) -> Iterator[None]:
    """Search everything that happens inside for the key; shared by the fixtures of several suites."""
    logs.set_level(logging.DEBUG)
    canary = Canary(patch)
    yield
    records = [*logs.get_records("setup"), *logs.get_records("call")]
    canary.assert_unseen(records, "".join(streams.readouterr()), folder)


def files_with(key: bytes, folder: Path) -> list[Path]:
    """Return the files below a folder that hold the key, in their name or their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if key in path.read_bytes() or key.decode() in path.name]
