"""Which of the two streams says what, and in which form."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen
from rich.text import Text

from kkiai_sdk import VideoTask
from kkiai_sdk.cli.codes import Code
from kkiai_sdk.cli.events import Note, Saved
from kkiai_sdk.cli.report import as_json, as_line, as_note, as_tabs, as_text, code

if TYPE_CHECKING:
    from kkiai_sdk.cli.events import Event
    from kkiai_sdk.cli.report import Report, Terminal

Line: TypeAlias = str | Text


@frozen
class Manner:
    """How a command was told to talk."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


@frozen
class Setting:
    """Everything that decides where a line goes."""

    report: Report
    manner: Manner
    #: Stdout as a terminal, or None when it is a pipe or a file.
    out: Terminal | None = None
    #: Stderr as a terminal with a live display, or None when there is no such display.
    live: Terminal | None = None


def on_stdout(event: Event, elapsed: float, setting: Setting) -> Line | None:
    """What stdout says: results and nothing else. ``elapsed``: seconds since the start."""
    report = setting.report
    if not report.has(event):
        return None
    if setting.manner.json:
        return as_json(event)
    if report.files and not isinstance(event, Saved):
        # Paths alone, for `open $(kkiai download ...)`.
        return None
    if setting.out is None:
        return as_tabs(event)
    return as_text(event, elapsed if report.timed else None, setting.out)


def on_stderr(event: Event, elapsed: float, setting: Setting, *, told: bool) -> Line | None:
    """What stderr says: progress, and every problem that nobody would see otherwise. ``told``: it is on stdout."""
    if isinstance(event, Note):
        return as_line(event, elapsed) if setting.live is None else as_note(event, setting.live)
    is_result = setting.report.has(event)
    is_problem = is_result and code(event) is not Code.DONE
    if setting.manner.quiet:
        return as_line(event, elapsed) if is_problem and not told else None
    if setting.live is not None:
        # The display shows what goes on. Of the ends it keeps nothing; on a terminal, stdout has told them.
        is_read = told and setting.out is not None
        return as_text(event, elapsed, setting.live) if is_result and not is_read else None
    repeats = told and not is_problem and setting.report.snapshots
    # Its WaitResult follows at once.
    precedes = isinstance(event, VideoTask) and event.is_done and not is_result
    return None if repeats or precedes else as_line(event, elapsed)
