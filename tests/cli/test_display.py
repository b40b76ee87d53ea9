"""The live display, rendered at chosen times and in terminals of any size."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from kkiai_sdk import TaskState, VideoTask
from kkiai_sdk.cli.display import Display
from kkiai_sdk.cli.results import Received, visible
from tests.cli.conftest import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterable

ID = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
RUNNING = VideoTask(id=ID, status="processing", state=TaskState.RUNNING, progress=0.43)


class Screen:
    """A display, the clock that it reads, and the terminal that it is drawn on."""

    def __init__(self, ids: Iterable[str], width: int = 80, height: int = 24, encoding: str = "utf-8") -> None:
        self.now = 1000.25
        file = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace")
        self._console = Console(
            file=file, width=width, height=height, force_terminal=True, no_color=True, legacy_windows=False
        )
        self.display = Display(ids, self._console, is_live=True, get_time=lambda: self.now)

    @property
    def lines(self) -> list[str]:
        """The lines of the display, without styles."""
        with self._console.capture() as captured:
            self._console.print(self.display.render())
        return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()]


def test_single_waiting_task_shows_status_and_time() -> None:
    """One task is one line with its id, the gateway's status, its progress and the elapsed time."""
    screen = Screen([ID])
    assert screen.lines[0].endswith("no response yet  0:00:00")
    screen.display.update(RUNNING)
    screen.now += 83
    (line,) = screen.lines
    assert line.split(" ", 1)[1].startswith(ID[:20])
    assert line.endswith("processing 43%  0:01:23")


def test_download_shows_size_speed_and_time_left() -> None:
    """A download shows the received size, the speed in this run and the remaining time."""
    screen = Screen([ID], width=100)
    for count in (10_000_000, 15_000_000, 20_000_000):
        screen.display.receive(Received(ID, count, 40_000_000))
        screen.now += 5
    assert screen.lines[0].endswith("20.0/40.0 MB  1.0 MB/s  0:00:20 left")


def test_download_of_unknown_length_shows_no_time_left() -> None:
    """Without a length neither the total nor the remaining time is claimed."""
    screen = Screen([ID], width=100)
    for count in (0, 5_000_000, 10_000_000):
        screen.display.receive(Received(ID, count, None))
        screen.now += 5
    assert screen.lines[0].endswith("10.0/? MB  1.0 MB/s")


def test_only_first_progress_of_download_begins_it() -> None:
    """A download begins with its first progress, so that it is announced once."""
    display = Screen([ID]).display
    assert [display.receive(Received(ID, count, 9)) for count in (0, 5, 0, 9)] == [True, False, False, False]


def many(count: int, width: int, height: int = 24, encoding: str = "utf-8") -> Screen:
    """Return a screen of so many tasks, the first of which has ended and the last of which is downloaded."""
    screen = Screen([f"{ID}~{number}" for number in range(count)], width, height, encoding)
    screen.display.finish(f"{ID}~0", is_failed=True)
    for received in (5_000_000, 7_000_000):
        screen.display.receive(Received(f"{ID}~{count - 1}", received, 9_000_000))
        screen.now += 1
    return screen


@pytest.mark.parametrize("height", [5, 10, 24, 60])
@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("count", [2, 5, 100])
def test_several_tasks_fit_in_any_terminal(count: int, width: int, height: int) -> None:
    """Whatever the number of tasks and the size of the terminal, no line wraps and the display is not taller. There is
    room for the ^C that a terminal writes after the last line: with another line, the first one could not be erased.
    """
    lines = many(count, width, height).lines
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width - 2
    assert f"1 of {count} done, 1 failed" in lines[-1]


def test_hundred_tasks_are_summed_up_in_ten_rows() -> None:
    """Ten of many are shown, downloads first, and the others are counted."""
    lines = many(100, 110).lines
    assert f"{ID}~99 " in lines[0]
    assert f"{ID}~1 " in lines[1]
    assert "and 89 more" in lines[-1]
    assert len(lines) == 11


def test_rows_of_ended_tasks_go_to_the_next() -> None:
    """When tasks end, those without a row take their places, until nothing is left to show."""
    ids = [f"task-{number}" for number in range(12)]
    screen = Screen(ids)
    for number in range(11):
        screen.display.finish(ids[number], is_failed=False)
    row, total = screen.lines
    assert "task-11 " in row
    assert "11 of 12 done" in total
    assert list(screen.display.unfinished) == ["task-11"]


def test_ascii_terminal_gets_only_ascii_characters() -> None:
    """An output of ASCII gets nothing but ASCII."""
    lines = many(100, 80, encoding="ascii").lines
    assert "".join(lines).isascii()


@pytest.mark.fault("S-10", "S-11", "S-12")
def test_hostile_text_in_rows_is_escaped() -> None:
    """Ids and statuses reach the display without control characters or markup taking effect."""
    screen = Screen([HOSTILE, ID], width=300)
    screen.display.update(VideoTask(id=ID, status=HOSTILE))
    screen.display.update(VideoTask(id=HOSTILE, status="[red]y[/]", state=TaskState.RUNNING))
    lines = screen.lines
    assert all(visible(line) == line for line in lines)
    assert visible(HOSTILE) in lines[0]
    assert "[red]y[/]" in lines[0]
    assert "\\x1b" in lines[1]


def test_every_row_of_several_tasks_shows_its_state_progress_and_time() -> None:
    """Each of several tasks shows its last state, with progress and time; one without a row yet is remembered."""
    ids = [f"grok:{number}" for number in range(12)]
    screen = Screen(ids)
    for task_id in (ids[0], ids[11]):
        screen.display.update(VideoTask(id=task_id, status="processing", state=TaskState.RUNNING, progress=0.43))
    screen.now += 65
    assert "processing 43%  0:01:05" in screen.lines[0]
    assert "no response yet" in screen.lines[1]
    for task_id in ids[:2]:
        screen.display.finish(task_id, is_failed=False)
    assert any("grok:11" in line and "processing 43%" in line for line in screen.lines)
    screen.display.update(VideoTask(id="grok:0"))
    assert not any("grok:0" in line for line in screen.lines)


def test_summary_is_the_state_of_all_tasks() -> None:
    """The summary of one task is its status; that of several is how many are done."""
    one, several = Screen([ID]).display, Screen(["a", "b"]).display
    assert one.summary() == f"{ID}: no response yet"
    one.update(RUNNING)
    several.finish("a", is_failed=False)
    assert (one.summary(), several.summary()) == (f"{ID}: processing 43%", "1 of 2 done")
