"""What a person sees in a terminal."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from kkiai_sdk import TaskFailedError, TaskFailure, TaskState, VideoTask, WaitResult
from kkiai_sdk.cli.board import Board
from kkiai_sdk.cli.events import Note, Received, Saved
from kkiai_sdk.cli.report import Terminal, as_line, as_tabs, as_text
from kkiai_sdk.cli.text import clock, middle_cut, percent, size, visible
from kkiai_sdk.cli.view import view

if TYPE_CHECKING:
    from rich.text import Text

    from kkiai_sdk.cli.events import Event

START = 1000.25
ID = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\rdone\x9b\u202eevil\u2066[bold][/oops]\n\ud800"
RUNNING = VideoTask(id=ID, status="processing", state=TaskState.RUNNING, progress=0.43)
DONE = VideoTask(id=ID, status="completed", state=TaskState.SUCCEEDED, video_url="https://cdn.example/v.mp4?sig=1")
FAILED = VideoTask(id=ID, status="failed", state=TaskState.FAILED, failure=TaskFailure("no worker was free"))
FAILURE = WaitResult(ID, FAILED, TaskFailedError("task failed", task_id=ID, task=FAILED))
WIDE = Terminal(80, plain=False)


def picture(board: Board, now: float, width: int, height: int = 24, *, plain: bool = False) -> list[str]:
    """The lines of the live display, without colours."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, no_color=True)
    with console.capture() as captured:
        console.print(view(board, now, Terminal(width, plain=plain), height))
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()]


def test_one_task() -> None:
    """One task shows its whole id, the gateway's word, how far it is, the time, and when something last changed."""
    board = Board.of([ID], START)
    board.apply(RUNNING, START + 60)
    first, second = picture(board, START + 83, 80)
    assert first.endswith(f"{ID}  processing")
    assert "43 %" in second
    assert second.endswith("1:23  changed 0:23 ago")


def test_one_task_before_the_first_answer() -> None:
    """Nothing is claimed before the gateway has answered."""
    first, second = picture(Board.of([ID], START), START + 2, 80)
    assert first.endswith(f"{ID}  waiting for the first answer")
    assert "%" not in second


def test_a_download_shows_bytes_speed_and_time_left() -> None:
    """A download shows what has arrived in this run, how fast, and for how long it will go on."""
    board = Board.of([ID], START)
    board.apply(Received(ID, 10_000_000, 40_000_000), START + 10)
    board.apply(Received(ID, 20_000_000, 40_000_000), START + 15)
    first, second = picture(board, START + 15, 80)
    assert first.endswith("downloading")
    assert second.endswith("50 %  0:15  20 MB of 40 MB  2.0 MB/s  0:10 left")


def test_a_download_of_unknown_length() -> None:
    """Without a length there is neither a percentage nor a time left."""
    board = Board.of([ID], START)
    board.apply(Received(ID, 0, None), START)
    board.apply(Received(ID, 5_000_000, None), START + 5)
    assert picture(board, START + 5, 80)[1].endswith("0:05  5.0 MB  1.0 MB/s")


def many(count: int) -> Board:
    """A board of so many tasks, the first of which has ended and the second of which is being fetched."""
    board = Board.of([f"{ID}~{number}" for number in range(count)], START, ends_with_wait=False)
    board.apply(Saved(f"{ID}~0", "x.mp4", 5), START + 1)
    board.apply(Received(f"{ID}~1", 7_000_000, 9_000_000), START + 2)
    return board


@pytest.mark.parametrize("height", [5, 10, 24, 60])
@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("count", [2, 5, 100])
def test_many_tasks_fit(count: int, width: int, height: int) -> None:
    """Whatever the number of tasks and the size of the terminal, no line wraps and the display is not taller."""
    lines = picture(many(count), START + 3, width, height)
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width
    assert f"1 of {count} done" in lines[-1]


def test_a_hundred_tasks_are_summed_up() -> None:
    """Ten of many are shown whole, those that are being fetched first, and the rest is counted."""
    lines = picture(many(100), START + 3, 100)
    assert f"{ID}~1 " in lines[0]
    assert lines[10] == "  … and 89 more"
    assert len(lines) == 12


def test_long_ids_keep_both_ends() -> None:
    """An id that does not fit is cut in the middle, where ids differ least."""
    long = "grok:" + "x" * 200 + "-the-end"
    line = picture(Board.of([long, "b"], START), START, 80)[0]
    assert "grok:xxx" in line
    assert "-the-end" in line
    assert middle_cut(long, 20) == "grok:xxxxx…x-the-end"


def test_nothing_is_left_at_the_end() -> None:
    """When all have ended the display is empty."""
    board = Board.of([ID], START)
    board.apply(WaitResult(ID, DONE), START + 1)
    assert picture(board, START + 1, 80) == [""]


def test_a_plain_terminal_gets_ascii() -> None:
    """Where only ASCII is sure to be shown there is nothing else, but for the bars, which rich adapts by itself."""
    lines = [re.sub("[━╸╺]", "-", line) for line in picture(many(100), START + 3, 80, plain=True)]
    assert "".join(lines).isascii()
    assert all("".join(_lines(as_text(event, 1.0, Terminal(80, plain=True)))).isascii() for event in (DONE, FAILURE))


@pytest.mark.parametrize("width", [20, 30, 50, 80, 200])
def test_one_task_fits(width: int) -> None:
    """The display of one task is two lines in any terminal, however narrow, while it waits and while it downloads."""
    board = Board.of([ID], START)
    board.apply(RUNNING, START)
    assert len(picture(board, START + 9, width)) == 2
    board.apply(Received(ID, 7_000_000, 9_000_000), START + 9)
    board.apply(Received(ID, 8_000_000, 9_000_000), START + 10)
    lines = picture(board, START + 10, width)
    assert len(lines) == 2
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(
    "event",
    [
        VideoTask(id=ID, status=HOSTILE),
        VideoTask(id=HOSTILE, status="completed", state=TaskState.SUCCEEDED, video_url=f"https://x/{HOSTILE}"),
        VideoTask(id=ID, status="failed", state=TaskState.FAILED, failure=TaskFailure(HOSTILE, HOSTILE)),
        WaitResult(HOSTILE, None, TaskFailedError(HOSTILE, task_id=HOSTILE)),
        Note(HOSTILE),
    ],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.fault("S-10", "S-11", "S-12")
def test_hostile_text_is_shown_and_not_obeyed(event: Event) -> None:
    """Text from a server reaches a person without control characters, marks of direction or markup taking effect."""
    line, tabs, text = as_line(event, 0.0), as_tabs(event), as_text(event, 0.0, WIDE)
    board = Board.of([ID], START)
    board.apply(event, START)
    shown = [
        line or "",
        *(tabs or "").split("\t"),
        *(text.plain if text else "").split("\n"),
        *picture(board, START, 300),
    ]
    assert all(visible(part) == part for part in shown)
    assert any("\\x1b" in part for part in shown)


@pytest.mark.fault("S-12")
def test_markup_is_text() -> None:
    """Text that looks like the markup of the display's library is shown as it is."""
    id_ = "a:[bold]x[/oops]"
    task = VideoTask(id=id_, status="[red]y[/]", state=TaskState.RUNNING)
    board = Board.of([id_, "b"], START)
    board.apply(task, START)
    assert f"{id_}  [red]y[/]" in picture(Board({id_: board.entries[id_]}, START), START, 80)[0]
    assert id_ in picture(board, START, 80)[0]
    assert _lines(as_text(task, None, WIDE)) == [f"• {id_}  [red]y[/]"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Kuh mit Flügeln 牛", "Kuh mit Flügeln 牛"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b\u202e\u200b\u2028\ud800\U000e0041", "\\x9b\\u202e\\u200b\\u2028\\ud800\\U000e0041"),
    ],
)
@pytest.mark.fault("S-10", "S-11")
def test_visible(text: str, shown: str) -> None:
    """Exactly the characters that a terminal might obey or hide are escaped."""
    assert visible(text) == shown


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0:00"), (7.9, "0:07"), (754, "12:34"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    """Durations read like a stop-watch."""
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_960, "10 kB"),
        (145_486, "145 kB"),
        (999_600, "1.0 MB"),
        (40_000_000, "40 MB"),
        (1.2e9, "1.2 GB"),
        (5e12, "5.0 TB"),
        (7e15, "7000 TB"),
    ],
)
def test_size(count: float, text: str) -> None:
    """Sizes have two or three digits and a decimal unit."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "0 %"), (0.29, "29 %"), (0.999, "99 %"), (1, "100 %"), (7, "100 %"), (-1, "0 %")]
)
def test_percent(fraction: float, text: str) -> None:
    """100 % is said of what is whole, and of nothing less."""
    assert percent(fraction) == text


def test_reasons_wrap_at_words_and_urls_do_not() -> None:
    """A long reason is broken between words; a URL stays in one piece so that it can be copied."""
    failed = VideoTask(id=ID, state=TaskState.FAILED, failure=TaskFailure("word " * 40))
    done = VideoTask(id=ID, state=TaskState.SUCCEEDED, video_url="https://cdn.example/" + "x" * 200)
    assert max(map(len, _lines(as_text(failed, None, WIDE)))) <= 80
    assert _lines(as_text(done, None, WIDE))[1].strip() == done.video_url


def _lines(text: Text | None) -> list[str]:
    assert text is not None
    return text.plain.split("\n")
