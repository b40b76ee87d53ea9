"""The live display: a board, the time and the size of the terminal -> lines that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kkiai_sdk.cli.report import amount, doing
from kkiai_sdk.cli.text import clock, middle_cut, percent, size, status_of, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kkiai_sdk.cli.board import Board, Entry
    from kkiai_sdk.cli.events import Received
    from kkiai_sdk.cli.report import Terminal


class BarColours(TypedDict):
    """Styles of a bar: its track, and what is done while it grows, when it is full and when nobody knows."""

    style: str
    complete_style: str
    finished_style: str
    pulse_style: str


#: Lines of a display of many tasks: more of them tell a person nothing.
MAX_ROWS = 10
#: Cells of a bar, and of one in a table.
BAR, SMALL_BAR = 40, 20
#: The library's own bars are red, which looks like trouble.
COLOURS: BarColours = {
    "style": "bright_black",
    "complete_style": "cyan",
    "finished_style": "green",
    "pulse_style": "cyan",
}
SPINNER, PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
TURNS_PER_SECOND = 10


def view(board: Board, now: float, terminal: Terminal, height: int) -> RenderableType:
    """What to show in at most ``height`` lines."""
    entries, mark = board.open, _spinner(now - board.started, plain=terminal.plain)
    if not entries:
        return Text("")
    if len(board.entries) == 1:
        return _one(entries[0], now, now - board.started, mark, terminal)
    rows = max(min(MAX_ROWS, height - 3), 1)
    shown, hidden = entries[:rows], len(entries) - rows
    more = [Text(f"  {terminal.gap} and {hidden} more", "dim")] if hidden > 0 else []
    return Group(_table(shown, now, mark, terminal), *more, _total(board, now, terminal.width))


def _spinner(elapsed: float, *, plain: bool) -> Text:
    frames = PLAIN_SPINNER if plain else SPINNER
    return Text(frames[int(elapsed * TURNS_PER_SECOND) % len(frames)], "cyan")


def _one(entry: Entry, now: float, elapsed: float, mark: Text, terminal: Terminal) -> RenderableType:
    what = _doing(entry)
    name = middle_cut(visible(entry.task_id), max(terminal.width - len(what) - 5, 10), terminal.gap)
    facts = "  ".join([clock(elapsed), *_facts(entry, now)])
    # The bar takes what the rest leaves: margins, percentage, and the last cell of the line, where some terminals wrap.
    room = terminal.width - len(facts) - 12
    line = Table.grid(padding=(0, 1))
    line.add_row(" ", _bar(entry, now, max(min(room, BAR), 5)), _percent(entry), _one_line(f" {facts}", "dim"))
    head = _one_line("").append_text(mark).append(" ").append(name, "bold").append(f"  {what}")
    return Group(head, line)


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _doing(entry: Entry) -> str:
    if entry.received is not None:
        return "downloading"
    return status_of(entry.task) if entry.task is not None else "waiting for the first answer"


def _facts(entry: Entry, now: float) -> list[str]:
    if entry.received is not None:
        return [amount(entry.received), *_pace(entry.received, entry.speed(now))]
    # The gateway's news, not our queries: an old one tells of a task that does not move.
    return [f"changed {clock(now - entry.changed)} ago"] if entry.task else []


def _pace(received: Received, speed: float | None) -> list[str]:
    if not speed:
        return []
    left = [] if received.total is None else [f"{clock((received.total - received.count) / speed)} left"]
    return [f"{size(speed)}/s", *left]


def _bar(entry: Entry, now: float, width: int) -> ProgressBar:
    fraction = entry.fraction
    # A bar that moves to and fro says that nobody knows how far it is.
    return ProgressBar(1.0, fraction or 0.0, width, pulse=fraction is None, animation_time=now, **COLOURS)


def _percent(entry: Entry) -> Text:
    return _one_line(f"{'' if entry.fraction is None else percent(entry.fraction):>5}")


def _table(entries: list[Entry], now: float, mark: Text, terminal: Terminal) -> Table:
    facts = [_row_facts(entry, now) for entry in entries]
    bars = [_small_bar(entry, now) for entry in entries]
    room = max(terminal.width - max(map(len, facts)) - (SMALL_BAR + 9 if any(bars) else 0) - 6, 16)
    table = Table.grid(padding=(0, 1))
    for entry, fact, bar in zip(entries, facts, bars, strict=True):
        name = _one_line(middle_cut(visible(entry.task_id), room, terminal.gap))
        cells = (bar or ["", ""]) if any(bars) else []
        table.add_row(mark, name, *cells, _one_line(f" {fact}", "dim"))
    return table


def _small_bar(entry: Entry, now: float) -> list[RenderableType]:
    known = entry.received is not None or entry.fraction is not None
    return [_bar(entry, now, SMALL_BAR), _percent(entry)] if known else []


def _row_facts(entry: Entry, now: float) -> str:
    if entry.received is not None:
        return "  ".join([amount(entry.received), *_pace(entry.received, entry.speed(now))[:1]])
    return "waiting" if entry.task is None else doing(entry.task)


def _total(board: Board, now: float, width: int) -> RenderableType:
    count = len(board.entries)
    failed = f", {board.failed} failed" if board.failed else ""
    text = f"{board.done} of {count} done{failed}  {clock(now - board.started)}"
    line = Table.grid(padding=(0, 1))
    line.add_row(
        " ",
        ProgressBar(count, board.done, max(min(BAR, width - len(text) - 7), 5), **COLOURS),
        Text(text, no_wrap=True),
    )
    return line
