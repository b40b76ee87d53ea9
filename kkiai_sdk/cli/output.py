"""Where text goes: results to stdout, everything else to stderr, and a live display below it if that is a terminal."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from kkiai_sdk.cli.board import Board
from kkiai_sdk.cli.events import Note
from kkiai_sdk.cli.report import Terminal, code
from kkiai_sdk.cli.routes import Setting, on_stderr, on_stdout
from kkiai_sdk.cli.text import visible
from kkiai_sdk.cli.view import view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from kkiai_sdk.cli.codes import Code
    from kkiai_sdk.cli.events import Event, Tell
    from kkiai_sdk.cli.report import Report
    from kkiai_sdk.cli.routes import Line, Manner

#: Ids that a message names.
NAMED = 3


def console(stream: TextIO) -> Console:
    """A console that adds nothing of its own to text, and escape codes only for a terminal."""
    tty = stream.isatty()
    return Console(file=stream, force_terminal=tty, force_interactive=tty, markup=False, emoji=False, highlight=False)


def terminal(of: Console) -> Terminal:
    """What a console's text must fit into."""
    return Terminal(of.width, plain=not of.encoding.lower().startswith("utf"))


class Output:
    """The two streams of one command. A context manager: leaving it removes the live display."""

    def __init__(
        self, ids: Iterable[str], report: Report, manner: Manner, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._report, self._manner, self._clock = report, manner, clock
        self._out, self._err = console(sys.stdout), console(sys.stderr)
        self._board = Board.of(ids, clock(), ends_with_wait=not report.files)
        self._is_live = self._err.is_terminal and not self._err.is_dumb_terminal and not manner.quiet
        self._live: Live | None = None

    def take(self, events: list[Event]) -> list[Code]:
        """Show what happened; gives the exit codes that it would lead to."""
        now = self._clock()
        lines: list[tuple[Console, Line]] = []
        for event in events:
            self._board.apply(event, now)
            lines += self._lines(event, now - self._board.started)
        if lines:
            self._write(lines)
        self._draw(now)
        return [code(event) for event in events]

    def _lines(self, event: Event, elapsed: float) -> Iterator[tuple[Console, Line]]:
        result = on_stdout(event, elapsed, self._setting)
        if result is not None:
            yield self._out, result
        aside = on_stderr(event, elapsed, self._setting, told=result is not None)
        if aside is not None:
            yield self._err, aside

    @property
    def _setting(self) -> Setting:
        # Made anew each time: windows change their size.
        out = terminal(self._out) if self._out.is_terminal else None
        return Setting(self._report, self._manner, out, terminal(self._err) if self._is_live else None)

    def _write(self, lines: list[tuple[Console, Line]]) -> None:
        self._erase()
        # In order, also where both streams lead to one place, or the first of them nowhere.
        for where, some in groupby(lines, key=itemgetter(0)):
            for _, line in some:
                if isinstance(line, Text):
                    where.print(line, soft_wrap=True)
                else:
                    where.file.write(f"{line}\n")
            where.file.flush()

    def _draw(self, now: float) -> None:
        if not self._is_live or not self._board.open:
            self._erase()
            return
        picture = view(self._board, now, terminal(self._err), self._err.height)
        if self._live is None:
            # A new one each time: one that is started again remembers its old height and wipes out what was printed.
            self._live = Live(
                console=self._err, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._live.update(picture, refresh=True)

    def _erase(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def say(self, text: str) -> None:
        """A message on stderr, whatever the manner."""
        self._erase()
        self._err.file.write(f"kkiai: {visible(text)}\n")
        self._err.file.flush()

    def unfinished(self) -> str:
        """The ids of the tasks that go on, as a shell wants them; of many the first few."""
        ids = [shlex.quote(visible(entry.task_id)) for entry in self._board.open]
        return " ".join([*ids[:NAMED], *(["..."] if len(ids) > NAMED else [])])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):
            self._erase()


class _Telling(logging.Handler):
    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(Note(f"{record.levelname.lower()}: {record.getMessage()}"))


@contextmanager
def logging_to(tell: Tell, manner: Manner) -> Iterator[None]:
    """Tell what the package logs: warnings, everything if verbose, nothing if only quiet."""
    if manner.quiet and not manner.verbose:
        yield
        return
    logger = logging.getLogger("kkiai_sdk")
    level, handler = logger.level, _Telling(tell)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if manner.verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
