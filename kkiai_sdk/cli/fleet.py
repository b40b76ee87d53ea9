"""The commands of ``kkiai fleet``: waits that are kept in a database and survive the end of the process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shlex
import signal
import sys
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict
from rich.text import Text

import kkiai_sdk as sdk
from kkiai_sdk import ConfigurationError, KkiaiError
from kkiai_sdk.cli.exit_codes import ExitCode, exit_code_of_class
from kkiai_sdk.cli.options import (
    COMMON_OPTIONS,
    IDS,
    JSON,
    POLL_INTERVAL,
    YEAR,
    Command,
    command,
    duration,
    option,
    words_to_resume,
)
from kkiai_sdk.cli.output import EventHandler, Output, OutputOptions, in_background, log_level, logged
from kkiai_sdk.cli.results import Outcome, Saved, clock, outcome_of, visible
from kkiai_sdk.cli.traffic import Traffic, doctor_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from rich.console import Console, RenderableType

    from kkiai_sdk.cli.options import Connection
    from kkiai_sdk.dbos import VideoResult, VideoWorker, WorkerStatus

DATABASE = option(
    "--db", "database", metavar="URL", help="SQLite file or postgresql://... [default: $KKIAI_FLEET_DB, else a file]"
)
EXAMPLES = "  kkiai fleet add - < ids.txt\n  kkiai fleet work -o videos\n  kkiai fleet status"


@click.group(epilog=f"\b\nExamples:\n{EXAMPLES}")
def fleet() -> None:
    """Wait for tasks and download their videos, across restarts.

    Ids and results are kept in a SQLite file in your state folder, or in the database given by --db or KKIAI_FLEET_DB.
    Several machines need a PostgreSQL database. Needs the extra dbos.
    """


def _library() -> ModuleType:
    """Import the modules that need the extra. Raises ConfigurationError without it."""
    try:
        from kkiai_sdk import dbos  # noqa: PLC0415 (needs the extra)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f'kkiai fleet needs {error.name}: pip install "kkiai-sdk[dbos]"') from None
    return dbos


def _url(database: str | None) -> str | None:
    return database or os.environ.get("KKIAI_FLEET_DB") or None


@command(
    "kkiai fleet add grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
    "kkiai fleet add --timeout 72h - < ids.txt",
    params=[
        IDS,
        option("--timeout", "limit", metavar="DURATION", default="24h", help="Time limit for each wait: 10m, 72h, ..."),
        option("--retry", help="Also restart waits that ended with timeout or error."),
        DATABASE,
        JSON,
    ],
)
def add(*, ids: list[str], limit: str, retry: bool, database: str | None, output: OutputOptions) -> ExitCode:
    """Add ids to the queue.

    Pass - to read ids from stdin, one per line. An id that was added before is not added again.
    """
    with _library().VideoQueue(_url(database)) as queue:
        count = queue.add(ids, timeout=min(duration("--timeout", limit, unlimited=True), YEAR), retry=retry)
    text = json.dumps({"added": count, "known": len(ids) - count})
    sys.stdout.write(f"{text}\n" if output.json else f"{count} added, {len(ids) - count} already known\n")
    return ExitCode.SUCCESS


@command(
    "kkiai fleet status",
    "kkiai fleet status --results | cut -f1,2",
    params=[option("--results", help="Print one line per finished task instead."), DATABASE, JSON],
)
def status(*, results: bool, database: str | None, output: OutputOptions) -> ExitCode:
    """Show how many tasks are queued, waited for and done.

    With --results the lines have the format of `kkiai wait`.
    """
    with _library().VideoQueue(_url(database)) as queue:
        if results:
            for result in queue.results():
                line = f"{visible(result.task_id)}\t{result.state}\t{visible(result.path or result.error or '')}"
                sys.stdout.write(f"{json.dumps(result.to_dict()) if output.json else line}\n")
        else:
            _write_status(queue.status(), as_json=output.json)
    return ExitCode.SUCCESS


def _write_status(found: Any, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(asdict(found) | {'waiting': found.waiting})}\n")
        return
    names = ("queued", "waiting", "saved", "failed", "timeout", "error")
    rows = [(name, str(getattr(found, name))) for name in names]
    rows += [(f"  by {w.name}", f"{w.waiting}{'' if w.is_running else ' (not running)'}") for w in found.workers]
    width, is_terminal = max(len(name) for name, _ in rows), sys.stdout.isatty()
    for name, value in rows:
        sys.stdout.write(f"{name:{width}}  {value}\n" if is_terminal else f"{name.strip()}\t{value}\n")
    if is_terminal:
        _write_stopped(found.workers)


def _write_stopped(workers: list[WorkerStatus]) -> None:
    """Write to stderr which workers have waits and are not running, and how to continue them."""
    database = click.get_current_context().params["database"]
    for name, waiting in ((each.name, each.waiting) for each in workers if not each.is_running):
        options = [*(["--db", database] if database else []), *(["--"] if name.startswith("-") else [])]
        sys.stderr.write(
            f"kkiai: {name} is not running and has {waiting} unfinished {'wait' if waiting == 1 else 'waits'}: start it"
            f" again, or hand over its waits: {visible(_shell_line('handover', *options, name))}\n"
        )


@command(
    "kkiai fleet handover machine-3",
    params=[click.Argument(["name"]), DATABASE, JSON],
)
def handover(name: str, database: str | None, output: OutputOptions) -> ExitCode:
    """Hand over the waits of a worker that will not come back.

    The other workers take them. A worker that is restarted with the same NAME continues its own waits.
    """
    with _library().VideoQueue(_url(database)) as queue:
        count = queue.hand_over(name)
    sys.stdout.write(f"{json.dumps({'handed_over': count})}\n" if output.json else f"{count} waits handed over\n")
    return ExitCode.SUCCESS


@command(
    "kkiai fleet work -o videos",
    "kkiai fleet work -o /srv/videos --keep-running --name machine-3 \\\n      --db postgresql://fleet@db/fleet",
    params=[
        option("--output", "-o", "folder", metavar="DIR", required=True, type=Path, help="Folder for the videos."),
        option("--name", metavar="NAME", help="Name, kept across restarts. [default with SQLite: local]"),
        option("--keep-running", help="Keep running when all tasks are done, and wait for new ids."),
        option("--rate", metavar="NUMBER", type=float, default=50.0, help="Queries per second, all workers together."),
        POLL_INTERVAL,
        DATABASE,
        *COMMON_OPTIONS,
    ],
)
def work(
    *,
    folder: Path,
    name: str | None,
    keep_running: bool,
    rate: float,
    database: str | None,
    connection: Connection,
    output: OutputOptions,
) -> ExitCode:
    """Wait for the tasks in the queue and download their videos.

    Prints the path of each finished file. Ends when all tasks in the queue are done; if it was killed or interrupted,
    run the same command again to continue. A file that already exists counts as done.
    """
    library, traffic = _library(), Traffic(doctor=doctor_command())
    client = connection.async_client(httpx_args={"event_hooks": traffic.event_hooks})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"-o: cannot create the directory {str(folder)!a}: {error.strerror}") from None
    options = {"name": name, "max_requests_per_second": rate, "poll": connection.poll}

    async def run_worker(emit: Callable[[Any], None]) -> None:
        make = library.VideoWorker(client, folder, _url(database), on_result=emit, **options)
        async with client, make as worker:
            emit(worker)
            await (worker.serve() if keep_running else worker.drain())

    code = _show(run_worker, output, traffic)
    if not output.quiet:
        with suppress(ConfigurationError), library.VideoQueue(_url(database)) as queue:
            _write_stopped(queue.workers())
    return code


def _show(run_worker: Callable[[Callable[[Any], None]], Any], options: OutputOptions, traffic: Traffic) -> ExitCode:
    """Run a worker in the background, and write its results as they come."""
    level = logging.DEBUG if options.verbose else log_level()
    # Services are ended by SIGTERM, which the first process of a container otherwise ignores.
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def work_in_thread(emit: Callable[[Any], None]) -> None:
        handlers = {
            "kkiai_sdk": EventHandler(emit, traffic.doctor),
            "dbos": _SparseHandler(emit, traffic.doctor),
            # The other libraries log on stderr unless there is a handler.
            "": logging.NullHandler(),
        }
        with logged(level, handlers):
            asyncio.run(run_worker(emit))

    with closing(_Report(options, traffic)) as report:
        try:
            for event in in_background(work_in_thread):
                report.take(event)
        except KeyboardInterrupt:
            report.report_interrupt(words_to_resume())
            # Python would wait for threads that wait for the database. Nothing else is left: all output was flushed.
            os._exit(ExitCode.INTERRUPTED)
        finally:
            signal.signal(signal.SIGTERM, former)
    return report.exit_code


class _SparseHandler(EventHandler):
    """Emits the first line of a record once a minute: without its database, DBOS logs several records a second."""

    _last = -60.0

    def emit(self, record: logging.LogRecord) -> None:
        """Emit a record, or leave it out."""
        if record.created - self._last >= 60:
            self._last = record.created
            line = record.getMessage().partition("\n")[0]
            super().emit(logging.makeLogRecord({**vars(record), "msg": line, "args": None}))


def _shell_line(*words: str) -> str:
    """Return a command of ``kkiai fleet``; a password in it is for its user to add."""
    hidden = [re.sub(r"(?<=://)([^/@:]*):.*(?=@)|(?<=password=)[^&]*", r"\1:***", word) for word in words]
    return shlex.join(["kkiai", "fleet", *hidden])


class _Report(Output):
    """Writes the results and the progress of a worker."""

    def __init__(self, options: OutputOptions, traffic: Traffic) -> None:
        super().__init__([], "download", options, traffic)
        self._worker: VideoWorker | None = None
        self._counts, self._line = Counter[str](), self._err.status("starting")

    def take(self, event: Any) -> None:
        """Write an event, or refresh the display with None."""
        if event is None or isinstance(event, str):
            if not self._options.quiet:
                super().take(event)
        elif hasattr(event, "drain"):
            self._worker = event
        else:
            self._counts[event.state] += 1
            self._report(_outcome(event))

    def _show_idle(self, now: float) -> None:
        if self._worker is None:
            return
        ends = "".join(f", {count} {state}" for state, count in self._counts.items())
        text, elapsed = f"{self._worker.waiting} waiting{ends}", now - self._start
        if self._is_live:
            self._line.update(Text(f"{text}  {clock(elapsed)}  {self._traffic.notice()}"))
            self._line.start()
        elif line := self._traffic.log_line(text, elapsed, idle=now - self._last_line):
            self._write(self._err, line)

    def _write(self, console: Console, text: RenderableType) -> None:
        self._line.stop()
        super()._write(console, text)

    def report_interrupt(self, words: Sequence[str]) -> None:
        """Write how to continue: the command, alone on its line."""
        self._write(self._err, "kkiai: interrupted; nothing is lost. To continue, run:")
        self._write(self._err, _shell_line(*words))

    def close(self) -> None:
        """Remove the live display."""
        self._line.stop()


def _outcome(result: VideoResult) -> Outcome:
    if result.path is not None:
        size = 0
        with suppress(OSError):  # another program has taken it away
            size = Path(result.path).stat().st_size
        return outcome_of(Saved(result.task_id, result.path, size))
    kind = getattr(sdk, result.error_type or "", KkiaiError)
    code, reason = exit_code_of_class(kind), visible(result.error or "")
    data = {"task_id": result.task_id, "error": result.error_type, "message": reason, "exit_code": code, "task": None}
    return Outcome(result.task_id, result.state, result.state, reason, code, data)


for _each in (add, work, status, handover):
    assert isinstance(_each, Command)
    fleet.add_command(_each)
