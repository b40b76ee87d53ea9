"""The live display on stderr: progress bars of rich, one row per unfinished task."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rich import progress
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column
from rich.text import Text

from kkiai_sdk.cli.results import status_of, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.progress import Task, TaskID

    from kkiai_sdk import VideoTask
    from kkiai_sdk.cli.results import Received

#: Rows shown at most; the other tasks are counted.
MAX_ROWS = 10
#: Lines kept free for the count of hidden tasks, the total and the cursor.
OTHER_LINES = 3


class StatusColumn(progress.ProgressColumn):
    """The status of a task, or the size, speed and remaining time of its download."""

    columns = progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        """Render a row's status."""
        status: str = task.fields["status"]
        return Text(status) if status else Text("  ").join(column.render(task) for column in self.columns)


class Display:
    """The unfinished tasks, and their live display.

    :param is_live: whether it is ever shown.
    :param get_time: clock in seconds. Default: that of the console.
    """

    def __init__(
        self, ids: Iterable[str], console: Console, *, is_live: bool, get_time: Callable[[], float] | None = None
    ) -> None:
        self.unfinished = dict.fromkeys(ids)
        self._is_live, self._console, self._live = is_live, console, Live(console=console)
        # The default bars of rich are red, which looks like an error.
        bar = progress.BarColumn(
            20, style="bright_black", complete_style="cyan", finished_style="green", pulse_style="cyan"
        )
        spinner = progress.SpinnerColumn("line" if console.options.ascii_only else "dots", style="cyan")
        name = progress.TextColumn("{task.description}", "bold", markup=False, table_column=Column(overflow="ellipsis"))
        self._is_single = len(self.unfinished) == 1
        elapsed = [progress.TimeElapsedColumn()] if self._is_single else []
        self._tasks = progress.Progress(spinner, name, bar, StatusColumn(), *elapsed, get_time=get_time)
        self._rows: dict[str, TaskID] = {}
        done = progress.TextColumn("{task.completed} of {task.total} done{task.fields[failed]}", markup=False)
        self._total = progress.Progress(
            progress.TextColumn(" "), bar, done, progress.TimeElapsedColumn(), get_time=get_time
        )
        self._total_row = self._total.add_task("", total=len(self.unfinished), failed="")
        self._downloads: set[str] = set()
        self._failed = 0
        self._fill()

    def _fill(self) -> None:
        for task_id in islice(self.unfinished, MAX_ROWS):
            self._row(task_id)

    def _row(self, task_id: str, status: str = "waiting") -> TaskID:
        if task_id not in self._rows:
            self._rows[task_id] = self._tasks.add_task(visible(task_id), total=None, status=status)
        return self._rows[task_id]

    def _remove_row(self, task_id: str) -> None:
        if task_id in self._rows:
            self._tasks.remove_task(self._rows.pop(task_id))

    def update(self, task: VideoTask) -> None:
        """Show the status of a task."""
        total = None if task.progress is None else 1.0
        self._tasks.update(self._row(task.id), total=total, completed=task.progress, status=status_of(task))

    def receive(self, event: Received) -> bool:
        """Show the progress of a download. Returns whether it has just begun."""
        is_first = event.task_id not in self._downloads
        if is_first:
            self._downloads.add(event.task_id)
            self._remove_row(event.task_id)
        self._tasks.update(self._row(event.task_id, status=""), total=event.total, completed=event.count)
        return is_first

    def finish(self, task_id: str, *, is_failed: bool) -> None:
        """Count a task as done."""
        del self.unfinished[task_id]
        self._remove_row(task_id)
        self._failed += is_failed
        self._total.update(self._total_row, advance=1, failed=f", {self._failed} failed" if self._failed else "")
        self._fill()

    def show(self) -> None:
        """Draw the display below the cursor and keep it moving, unless there is nothing to show."""
        if self._is_live and self.unfinished and not self._live.is_started:
            # A Live that is started again would erase lines above it: it remembers its height.
            self._live = Live(
                get_renderable=lambda: Group(*self.render()),
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

    def render(self) -> Iterator[RenderableType]:
        """Yield the rows, downloads first, the count of hidden tasks, and the total of several tasks."""
        rows = sorted(self._tasks.tasks, key=lambda row: bool(row.fields["status"]))
        rows = rows[: max(min(MAX_ROWS, self._console.height - OTHER_LINES), 1)]
        yield self._tasks.make_tasks_table(rows)
        if hidden := len(self.unfinished) - len(rows):
            gap = "..." if self._console.options.ascii_only else "…"
            yield Text(f"  {gap} and {hidden} more", "dim")
        if not self._is_single:
            yield self._total
