"""Runs the work of a command and writes its results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import time
from contextlib import closing, contextmanager, suppress
from multiprocessing.pool import ThreadPool
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias, TypeVar

from attrs import frozen
from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.text import Text

from kkiai_sdk import ConfigurationError, KkiaiError, VideoTask, WaitResult
from kkiai_sdk.cli.display import Display
from kkiai_sdk.cli.exit_codes import ExitCode, exit_code_of, most_serious
from kkiai_sdk.cli.results import (
    Received,
    Saved,
    error_data,
    error_message,
    failure,
    outcome_of,
    status_of,
    visible,
    with_meanings,
)
from kkiai_sdk.cli.traffic import UNREACHABLE, Traffic, doctor_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kkiai_sdk import Kkiai
    from kkiai_sdk.cli.results import Emit, Event, Outcome

    Work: TypeAlias = Callable[[Kkiai, Emit], None]

CommandName: TypeAlias = Literal["query", "wait", "watch", "download"]
T = TypeVar("T")

#: Values of ``KKIAI_LOG``.
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

#: Ids in the command that resumes another one; more may not fit into a command line.
MAX_RESUMED_IDS = 500
#: Seconds until an idle main thread checks for Ctrl-C again; on Windows a blocking queue does not react to it.
TICK = 0.1


@frozen
class OutputOptions:
    """The output options of a command."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


def make_console(stream: TextIO) -> Console:
    """Return a console that prints text as it is, with escape codes only on a terminal."""
    tty = stream.isatty()
    return Console(file=stream, force_terminal=tty, force_interactive=tty, markup=False, emoji=False, highlight=False)


def log_level() -> int:
    """Return the level of the log by ``KKIAI_LOG``. Default: WARNING. Raises ConfigurationError."""
    name = os.environ.get("KKIAI_LOG", "").strip().upper() or "WARNING"
    if name not in LOG_LEVELS:
        raise ConfigurationError(f"KKIAI_LOG must be one of {', '.join(LOG_LEVELS).lower()}, not {name[:40].lower()!a}")
    return getattr(logging, name)  # type: ignore[no-any-return]


@contextmanager
def logged(level: int, handlers: dict[str, logging.Handler]) -> Iterator[None]:
    """Pass the log of the SDK, from this level on, and those of other libraries to the handlers with their names."""
    log = logging.getLogger("kkiai_sdk")
    log.setLevel(level)
    for name, handler in handlers.items():
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        log.setLevel(logging.NOTSET)
        for name, handler in handlers.items():
            logging.getLogger(name).removeHandler(handler)


class EventHandler(logging.Handler):
    """Emits log records as events."""

    def __init__(self, emit_event: Emit, doctor: str) -> None:
        super().__init__()
        self._emit_event, self._doctor = emit_event, doctor

    def emit(self, record: logging.LogRecord) -> None:
        """Emit a record."""
        hint = f"; trying again; run `{self._doctor}` to find the cause" if UNREACHABLE in str(record.msg) else ""
        text = record.getMessage()
        for error in record.args or ():
            text = text.replace(error.message, error_message(error)) if isinstance(error, KkiaiError) else text
        self._emit_event(f"{record.levelname.lower()}: {with_meanings(text)}{hint}")


def is_result(outcome: Outcome, command: CommandName) -> bool:
    """Whether a report is a result of the command; the end of a wait is only a step of a download."""
    return command != "download" or outcome.state != "succeeded"


def destinations(
    outcome: Outcome, command: CommandName, options: OutputOptions, *, is_terminal: bool, is_live: bool
) -> tuple[bool, bool]:
    """Return whether stdout and stderr get a report.

    :param is_terminal: whether stdout is a terminal.
    :param is_live: whether stderr has a live display.
    """
    # Without --json a download prints paths only, for `open $(kkiai download …)`.
    is_path = command == "download" and not options.json
    to_stdout = outcome.state == "saved" if is_path else is_result(outcome, command)
    if options.quiet:
        return to_stdout, outcome.is_failed and not to_stdout
    if is_live:
        return to_stdout, is_result(outcome, command) and not (to_stdout and is_terminal)
    return to_stdout, outcome.is_failed or command in {"wait", "download"}


class Output:
    """Writes the events of a command."""

    def __init__(
        self, ids: Sequence[str], command: CommandName, options: OutputOptions, traffic: Traffic | None = None
    ) -> None:
        self._command, self._options, self._traffic = command, options, traffic or Traffic()
        self._out, self._err = make_console(sys.stdout), make_console(sys.stderr)
        self._is_live = self._err.is_terminal and not self._err.is_dumb_terminal and not options.quiet
        self._has_log = not (self._is_live or options.quiet)
        self._display = Display(ids, self._err, is_live=self._is_live, traffic=self._traffic)
        self._start = self._last_line = time.monotonic()
        self.exit_code = ExitCode.SUCCESS

    def take(self, event: Event | None) -> None:
        """Write an event or show it in the live display. None, when nothing is left to write, shows the display."""
        match event:
            case None:
                self._show_idle(time.monotonic())
            case str():
                self._traffic.note_line(event)
                self._write(self._err, Text(visible(event), "dim") if self._is_live else visible(event))
            case Received(task_id=task_id, count=count, total=total):
                if self._display.receive(event) and self._has_log:
                    size = decimal(count) if total is None else f"{decimal(count)} of {decimal(total)}"
                    self._write(self._err, f"{visible(task_id)}: downloading {size}")
            case VideoTask() if self._command != "watch":
                self._display.update(event)
                # The result of an ended task follows.
                if self._has_log and not event.is_done:
                    self._write(self._err, f"{visible(event.id)}: {status_of(event)}")
            case VideoTask() | WaitResult() | Saved():
                outcome = outcome_of(event, is_wait=self._command != "query")
                self._report(outcome)
                if isinstance(event, VideoTask) and not event.is_done:
                    self._display.update(event)
                elif is_result(outcome, self._command):
                    self._display.finish(outcome.task_id, is_failed=outcome.is_failed)

    def _show_idle(self, now: float) -> None:
        """Show the live display, or write the line of the log that is due."""
        self._display.show()
        if not self._has_log:
            return
        summary, elapsed = self._display.summary(), now - self._start
        if line := self._traffic.log_line(summary, elapsed, idle=now - self._last_line):
            self._write(self._err, line)

    def _report(self, outcome: Outcome) -> None:
        elapsed = time.monotonic() - self._start
        self.exit_code = most_serious(self.exit_code, outcome.exit_code)
        is_terminal, is_live = self._out.is_terminal, self._is_live
        to_stdout, to_stderr = destinations(
            outcome, self._command, self._options, is_terminal=is_terminal, is_live=is_live
        )
        if to_stdout and self._options.json:
            self._write(self._out, json.dumps(outcome.data))
        elif to_stdout:
            self._write(self._out, outcome.as_text(elapsed, self._out) if is_terminal else outcome.as_tabs())
        if to_stderr:
            self._write(self._err, outcome.as_text(elapsed, self._err) if is_live else outcome.as_line(elapsed))

    def _write(self, console: Console, text: RenderableType) -> None:
        # Stdout and stderr may be the same terminal.
        self._display.erase()
        self._last_line = time.monotonic()
        if isinstance(text, str):
            # Unlike rich, this keeps tabs.
            console.file.write(f"{text}\n")
        else:
            console.print(text, crop=False)
        console.file.flush()

    def report_interrupt(self, words: Sequence[str]) -> None:
        """Write how to continue: a command that can be pasted, alone on its line.

        :param words: the command without ids, or empty if there is nothing to continue.
        """
        ids = list(self._display.unfinished)
        text = "kkiai: interrupted"
        if words and len(ids) > MAX_RESUMED_IDS:
            text += f"; {len(ids)} tasks keep running. To continue, run the same command again."
        elif words and ids:
            separator = ["--"] if any(task_id.startswith("-") for task_id in ids) else []
            command = shlex.join(["kkiai", *words, *separator, *ids])
            text += f"; the tasks keep running. To continue, run:\n{command}"
        self._write(self._err, text)

    def close(self) -> None:
        """Remove the live display."""
        with suppress(BrokenPipeError):
            self._display.erase()


def run(
    work: Work,
    make_client: Callable[..., Kkiai],
    ids: Sequence[str],
    command: CommandName,
    options: OutputOptions,
    *,
    resumed_by: Sequence[str] = (),
) -> ExitCode:
    """Run ``work`` in the background, write its events, close the client and return the exit code.

    :param make_client: makes the client, with further options.
    :param resumed_by: the words of the command that is suggested after Ctrl-C, without the ids.
    """
    level = logging.DEBUG if options.verbose else logging.CRITICAL if options.quiet else log_level()
    traffic = Traffic(doctor=doctor_command())
    client = make_client(httpx_args={"event_hooks": traffic.event_hooks})

    def logged_work(emit: Emit) -> None:
        try:
            with logged(level, {"kkiai_sdk": EventHandler(emit, traffic.doctor)}), client:
                work(client, emit)
        except KkiaiError as error:
            if len(ids) > 1:
                raise
            emit(failure(ids[0], error))

    with closing(Output(ids, command, options, traffic)) as output:
        try:
            for event in in_background(logged_work):
                output.take(event)
        except KeyboardInterrupt:
            output.report_interrupt(resumed_by)
            return ExitCode.INTERRUPTED
    return output.exit_code


def in_background(work: Callable[[Callable[[T], None]], None]) -> Iterator[T | None]:
    """Run ``work(emit)`` in a thread and yield what it emits, or None while there is nothing to take.

    Ctrl-C therefore ends a command at once, whatever a request is blocked in, and only the main thread writes. Raises
    what ``work`` raises, after the events before it.
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    # Unlike those of concurrent.futures, these threads do not delay the exit of the process.
    with ThreadPool(1) as pool:
        pool.apply_async(work, [queue.put], callback=queue.put, error_callback=queue.put)
        while True:
            if queue.empty():
                yield None
            with suppress(Empty):
                event = queue.get(timeout=TICK)
                if event is None:
                    return
                if isinstance(event, Exception):
                    raise event
                yield event


def report_error(error: KkiaiError, *, as_json: bool) -> ExitCode:
    """Write an error that is not about a task, and return its exit code."""
    if as_json:
        sys.stdout.write(f"{json.dumps(error_data(error))}\n")
        # A full disk is reported instead of the error, and not after it.
        sys.stdout.flush()
    sys.stderr.write(f"kkiai: {visible(error_message(error))}\n")
    return exit_code_of(error)
