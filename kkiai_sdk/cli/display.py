"""The live display on stderr: progress bars of rich, one row per unfinished task."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal

from rich import progress
from rich.console import Group
from rich.constrain import Constrain
from rich.live import Live
from rich.table import Column
from rich.text import Text

from kkiai_sdk.cli.results import clock, status_of, visible, with_meanings
from kkiai_sdk.cli.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console
    from rich.progress import Task, TaskID

    from kkiai_sdk import VideoTask
    from kkiai_sdk.cli.results import Received

#: Rows of tasks shown at most; the others are counted.
MAX_ROWS = 10
#: Columns left free at the right: the terminal writes ^C after the last line, which must not wrap.
MARGIN = 2
#: Lines of the notice that nothing is answered, in a terminal of 60 columns.
NOTICE_LINES = 2


class NameColumn(progress.ProgressColumn):
    """The id of a row's task, on one line."""

    def __init__(self, *, is_ascii: bool) -> None:
        super().__init__()
        self._overflow: Literal["crop", "ellipsis"] = "crop" if is_ascii else "ellipsis"

    def render(self, task: Task) -> Text:
        """Render the id, shortened to the width that is left."""
        return Text(task.description, "bold", no_wrap=True, overflow=self._overflow)


class StatusColumn(progress.ProgressColumn):
    """The status of a row, or the size, speed and remaining time of a download."""

    download = progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        """Render a row's status."""
        if status := task.fields["status"]:
            return Text(f"{status()}  {clock(task.elapsed or 0)}")
        text = Text("  ").join(column.render(task) for column in self.download)
        return text + " left" if task.total else text


class Display:
    """The unfinished tasks, and their live display, which is only shown if ``is_live``."""

    def __init__(
        self,
        ids: Iterable[str],
        console: Console,
        *,
        is_live: bool,
        traffic: Traffic | None = None,
        get_time: Callable[[], float] | None = None,
    ) -> None:
        #: The ids, and the last snapshot of each.
        self.unfinished: dict[str, VideoTask | None] = dict.fromkeys(ids)
        self._is_live, self._console, self._live = is_live, console, Live(console=console)
        self._traffic = traffic or Traffic()
        # The default bars of rich are red, which looks like an error.
        bar = progress.BarColumn(
            20, style="bright_black", complete_style="cyan", finished_style="green", pulse_style="cyan"
        )
        is_ascii = console.options.ascii_only
        spinner = progress.SpinnerColumn("line" if is_ascii else "dots", style="cyan")
        self._progress = progress.Progress(
            spinner, NameColumn(is_ascii=is_ascii), bar, StatusColumn(Column(no_wrap=True)), get_time=get_time
        )
        self._rows: dict[str, TaskID] = {}
        self._downloads: set[str] = set()
        self._count, self._failed = len(self.unfinished), 0
        self._total = self._progress.add_task("", total=self._count, status=self._done)
        self._fill()

    def _fill(self) -> None:
        for task_id in islice(self.unfinished, MAX_ROWS):
            self._row(task_id)

    def _row(self, task_id: str) -> TaskID:
        if task_id not in self._rows:
            status = None if task_id in self._downloads else partial(self._status, task_id)
            self._rows[task_id] = self._progress.add_task(visible(task_id), total=None, status=status)
        return self._rows[task_id]

    def _status(self, task_id: str) -> str:
        """Return what the last response said about a task."""
        task = self.unfinished.get(task_id)
        if error := self._traffic.errors.get(task_id):
            # A wait continues after these two only if they mean that there is no such task.
            is_new = task is None and error in {400, 404}
            return f"not known yet (HTTP {error})" if is_new else with_meanings(f"HTTP {error}")
        return status_of(task) if task else "no response yet"

    def _done(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._count - len(self.unfinished)} of {self._count} done{failed}"

    def _remove_row(self, task_id: str) -> None:
        if task_id in self._rows:
            self._progress.remove_task(self._rows.pop(task_id))

    def update(self, task: VideoTask) -> None:
        """Show the status of a task, or remember it until there is room for its row."""
        if task.id not in self.unfinished:
            return
        self.unfinished[task.id] = task
        if task.id in self._rows or len(self._rows) < MAX_ROWS:
            total = None if task.progress is None else 1.0
            self._progress.update(self._row(task.id), total=total, completed=task.progress)

    def receive(self, event: Received) -> bool:
        """Show the progress of a download. Returns whether it has just begun."""
        is_first = event.task_id not in self._downloads
        if is_first:
            self._downloads.add(event.task_id)
            self._remove_row(event.task_id)
        self._progress.update(self._row(event.task_id), total=event.total, completed=event.count)
        return is_first

    def summary(self) -> str:
        """Return a short summary of the state of all tasks."""
        if self._count > 1:
            return self._done()
        task_id = next(iter(self.unfinished), "")
        return f"{visible(task_id)}: {self._status(task_id)}"

    def finish(self, task_id: str, *, is_failed: bool) -> None:
        """Count a task as done."""
        del self.unfinished[task_id]
        self._remove_row(task_id)
        self._failed += is_failed
        self._progress.update(self._total, advance=1)
        self._fill()

    def show(self) -> None:
        """Draw the display below the cursor and keep it moving, unless there is nothing to show."""
        if self._is_live and self.unfinished and not self._live.is_started:
            # Restarting a Live would erase the lines above it, because it remembers its height.
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=10,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)

    def erase(self) -> None:
        """Remove the display from the terminal."""
        self._live.stop()

    def render(self) -> Constrain:
        """Return the rows, downloads first, the total of several tasks, and a notice if nothing is answered."""
        total, *rows = self._progress.tasks
        rows.sort(key=lambda row: bool(row.fields["status"]))
        notice = [Text(text, "yellow")] if (text := self._traffic.notice()) else []
        del rows[max(min(MAX_ROWS, self._console.height - 2 - NOTICE_LINES * len(notice)), 1) :]
        hidden = len(self.unfinished) - len(rows)
        self._progress.update(self._total, description=f"and {hidden} more" if hidden else "")
        table = self._progress.make_tasks_table([*rows, total] if self._count > 1 else rows)
        return Constrain(Group(table, *notice), max(self._console.width - MARGIN, 1))
