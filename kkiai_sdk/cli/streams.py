"""The two streams of the process: what must not end a command, and what must not pass unnoticed."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_NAMES = ("stdout", "stderr")


class Watched:
    """A stream that remembers that it could not be written (a full disk, a terminal that is gone)."""

    def __init__(self, stream: TextIO, *, forgiving: bool) -> None:
        """:param forgiving: raise nothing: progress that nobody can read is no reason to end a download."""
        self._stream, self._forgiving = stream, forgiving
        self.problem: OSError | None = None

    def write(self, text: str) -> int:
        self._watch(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._watch(self._stream.flush)

    def _watch(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            raise
        except OSError as problem:
            self.problem = problem
            if not self._forgiving:
                raise

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            # Typer would write to it, past the watch, where the encoding is ASCII.
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextmanager
def watched() -> Iterator[tuple[Watched, Watched]]:
    """Both streams, ready for anything that is written and watched as long as the context is open."""
    _replace_closed()
    _never_fail_to_encode()
    before = sys.stdout, sys.stderr
    out, err = Watched(sys.stdout, forgiving=False), Watched(sys.stderr, forgiving=True)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before


def _replace_closed() -> None:
    """A program that is started without one of its streams (``2>&-``) does its work and writes the other."""
    for name in _NAMES:
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False))


def _never_fail_to_encode() -> None:
    """Text that the terminal's encoding lacks comes out escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def let_go() -> None:
    """Give up what cannot be written. Python would complain about it once more when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
