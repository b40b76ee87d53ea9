"""The document: every goal alongside what was reached, and the tables of all groups."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.harness import short, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.harness import Group

FILE = Path(__file__).with_name("RESULTS.md")
VERSIONS = (
    "httpx", "httpcore", "sniffio", "attrs", "aiohttp", "httpx-aiohttp", "click", "openai", "runwayml", "lumaai",
    "replicate", "fal-client", "huggingface-hub",
)  # fmt: skip
#: The heading of the last section, which has a target of its own.
DURABLE = "## Waits that survive kills\n"


class Goal(NamedTuple):
    """A limit of a figure: the most that it may be, or the least."""

    text: str
    figure: str
    limit: float
    unit: str = ""
    is_least: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the figure is within the limit."""
        return value >= self.limit if self.is_least else value <= self.limit

    def row(self, value: float) -> list[str]:
        """The row of the table."""
        wanted = f"at {'least' if self.is_least else 'most'} {self.limit:g}{self.unit}"
        if value != value:  # noqa: PLR0124 - nan
            return [self.text, wanted, "not measured", ""]
        return [self.text, wanted, f"{short(value)}{self.unit}", "✓" if self.is_met(value) else "✗"]


GOALS = (
    Goal("CPU of a synchronous call, relative to raw `httpx.Client`", "call_sync", 1.15),
    Goal("the same, 8 in flight", "call_sync_8", 1.05),
    Goal(
        "CPU of an asynchronous call, relative to raw `httpx.AsyncClient` in its default installation",
        "call_async",
        0.80,
    ),
    Goal("the same, 8 in flight", "call_async_8", 0.70),
    Goal("a single asynchronous call over aiohttp's transport", "call_aiohttp", 0.50),
    Goal("memory of a waiting task, of 1,000: Python objects", "wait_objects", 1.0, " KiB"),
    Goal("the same, growth of the process", "wait_memory", 1.0, " KiB"),
    Goal("memory of a waiting task, of 10,000: Python objects", "wait_objects_many", 0.85, " KiB"),
    Goal("the same, growth of the process", "wait_memory_many", 0.85, " KiB"),
    Goal("CPU of a fleet's poll, relative to sequential calls of a single caller", "wait_cpu_lone", 1.10),
    Goal("the same, relative to calls of a single caller at the fleet's pace", "wait_cpu_lone_paced", 1.10),
    Goal("CPU of a fleet's poll over aiohttp, relative to sequential calls", "wait_cpu_lone_aiohttp", 1.10),
    Goal("lag of the event loop at p99, 1,000 tasks that start at once", "wait_lag", 50.0, " ms"),
    Goal("lag of the event loop at p99, 10,000 tasks that start at once", "wait_lag_many", 50.0, " ms"),
    Goal("new connections for a burst of 1,000", "wait_connections", 16),
    Goal(
        "polls served in 10 s after the server stopped for 3 s, relative to those due",
        "wait_served",
        0.95,
        is_least=True,
    ),
    Goal("the same over aiohttp", "wait_served_aiohttp", 0.95, is_least=True),
    Goal("`import kkiai_sdk`, in addition to bare Python", "import_package", 15.0, " ms"),
    Goal("`kkiai --help`, relative to `import click`", "import_help", 2.0),
    Goal("first response of a new process, relative to a script with httpx", "first", 1.15),
    Goal("throughput of a download, relative to a bare httpx loop", "download_speed", 1.0, is_least=True),
    Goal("CPU of a download, relative to a bare httpx loop", "download_cpu", 1.05),
    Goal("memory of a download beyond that of a bare httpx loop", "download_memory", 8.0, " MiB"),
    Goal(
        "throughput of an asynchronous download, relative to a synchronous one", "download_async", 0.75, is_least=True
    ),
    Goal("lag of the event loop at p99 during a download", "download_lag", 50.0, " ms"),
    Goal("largest regret of the poll schedule", "regret", 1.77),
)

_HEAD = """# Results

<!-- Written by `make bench`, except the remarks; those are in benchmarks/remarks.md. -->

All figures are from one run, in which the libraries take turns, each in a separate process that sees only its own
packages. Figures are medians over the rounds, with the lowest and highest in brackets; ratios are medians of the ratios
of each round. Absolute times say little about other machines; compare the ratios.

"""


def document(groups: list[Group], server: str, rounds: int) -> str:
    """The whole document."""
    remarks = Path(__file__).with_name("remarks.md").read_text("utf-8")
    return f"{_HEAD}{_machine(server, rounds)}{goals(groups, GOALS)}\n{remarks}\n{tables(groups)}{durable_section()}"


def durable_section() -> str:
    """The section that `make bench-durable` wrote, with its heading, or nothing."""
    _, heading, section = FILE.read_text("utf-8").partition(DURABLE)
    return f"\n{heading}{section}" if heading else ""


def summary(groups: list[Group]) -> str:
    """The tables of the groups, and the goals of which something was measured."""
    measured = {figure for group in groups for figure, value in group.reached.items() if value == value}  # noqa: PLR0124 - nan
    rows = [goal for goal in GOALS if goal.figure in measured]
    return tables(groups) + (f"\n{goals(groups, rows)}" if rows else "")


def goals(groups: list[Group], rows: Iterable[Goal]) -> str:
    """The table of goals."""
    reached = {figure: value for group in groups for figure, value in group.reached.items()}
    cells = [goal.row(reached.get(goal.figure, float("nan"))) for goal in rows]
    return table("Goals", ["", "goal", "reached", ""], cells).replace("###", "##", 1)


def tables(groups: list[Group]) -> str:
    """The tables of all groups."""
    return "\n".join("\n".join([f"## {group.title}\n", *group.tables]) for group in groups)


def _machine(server: str, rounds: int) -> str:
    versions = ", ".join(f"{each} {importlib.metadata.version(each)}" for each in VERSIONS)
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return (
        f"Machine: {os.cpu_count()} cores of {_processor()}, {system}, {platform.python_implementation()} "
        f"{platform.python_version()}; {rounds} rounds; server: {server}, HTTP/1.1 over loopback, without TLS.\n\n"
        f"Versions: {versions}.\n\n"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1] if found else platform.machine()
