"""The document: what was measured, and every goal beside what was reached."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from benchmarks.lab import short

if TYPE_CHECKING:
    from benchmarks.lab import Section

FILE = Path(__file__).parent / "RESULTS.md"
LIBRARIES = (
    "httpx", "httpcore", "sniffio", "attrs", "aiohttp", "httpx-aiohttp", "click", "openai", "runwayml", "lumaai",
    "replicate", "fal-client", "huggingface-hub", "httpx2", "matplotlib",
)  # fmt: skip


@frozen
class Goal:
    """A number that was to be reached: at most so much, or at least."""

    what: str
    key: str
    limit: float
    is_least: bool = False
    unit: str = ""

    def is_met(self, value: float) -> bool:
        """Whether it was reached."""
        return value >= self.limit if self.is_least else value <= self.limit

    @property
    def wanted(self) -> str:
        """The goal in words."""
        return f"at {'least' if self.is_least else 'most'} {self.limit:g}{self.unit}"


_AIOHTTP = "with the extra aiohttp"
GOALS = (
    Goal("CPU of a synchronous call, by raw `httpx.Client`", "call_sync", 1.10),
    Goal("CPU of an asynchronous call, by raw `httpx.AsyncClient` as installed by default", "call_async", 0.90),
    Goal(f"the same {_AIOHTTP}", "call_aiohttp", 0.50),
    Goal("memory of a waiting task, of 1,000: Python objects", "wait_objects", 1.0, unit=" KiB"),
    Goal("the same, what the process grows by", "wait_memory", 1.0, unit=" KiB"),
    Goal("memory of a waiting task, of 10,000: Python objects", "wait_objects_many", 1.0, unit=" KiB"),
    Goal("the same, what the process grows by", "wait_memory_many", 1.0, unit=" KiB"),
    Goal("CPU of a poll of a fleet, by a lone call: one after another, as fast as they go", "wait_cpu_lone", 1.10),
    Goal("the same, by lone calls at the pace of the fleet", "wait_cpu_lone_paced", 1.10),
    Goal(f"the first {_AIOHTTP}", "wait_cpu_lone_aiohttp", 1.10),
    Goal("lag of the event loop at p99, 1,000 tasks that start at once", "wait_lag", 50.0, unit=" ms"),
    Goal("lag of the event loop at p99, 10,000 tasks that start at once", "wait_lag_many", 50.0, unit=" ms"),
    Goal("new connections for a burst of 1,000", "wait_connections", 16),
    Goal("polls served in the 10 s after the server has stopped for 3 s", "wait_served", 0.95, is_least=True),
    Goal(f"the same {_AIOHTTP}", "wait_served_aiohttp", 0.95, is_least=True),
    Goal("`import kkiai_sdk`, over bare Python", "import_package", 15.0, unit=" ms"),
    Goal("`from kkiai_sdk import Kkiai`, by `import httpx`", "import_client", 1.15),
    Goal("`kkiai --help`, by `import click`", "import_help", 2.0),
    Goal("first answer of a fresh process, by a script with httpx", "first", 1.10),
    Goal("throughput of a download, by a bare httpx loop", "download_speed", 0.95, is_least=True),
    Goal("CPU of a download, by a bare httpx loop", "download_cpu", 1.10),
    Goal("memory of a download beyond that of a bare httpx loop", "download_memory", 8.0, unit=" MiB"),
    Goal("throughput of an asynchronous download, by the synchronous one", "download_async", 0.75, is_least=True),
    Goal("lag of the event loop at p99 during a download", "download_lag", 50.0, unit=" ms"),
    Goal("largest regret of the poll schedule", "regret", 1.77),
)


def render(sections: list[Section], server: str, rounds: int, remarks: str) -> str:
    """The whole document."""
    reached: dict[str, float] = {}
    for section in sections:
        reached |= section.reached
    parts = [_HEAD, _machine(server, rounds), "## Goals\n\n", *_goals(reached), "\n", remarks]
    for section in sections:
        parts += [f"## {section.name}\n\n", *(f"{table.render()}\n" for table in section.tables)]
    return "".join(parts).rstrip() + "\n"


_HEAD = """# Results

<!-- Written by `make bench`, all but the remarks; those are in benchmarks/remarks.md. -->

Everything was measured in one run, contestants in turn, each in a process of its own with nothing but its own packages.
Figures are medians over the rounds, with the lowest and the highest in brackets; ratios are medians of the ratios of
each round. Absolute times say little about another machine: look at the ratios.

"""


def _machine(server: str, rounds: int) -> str:
    libraries = ", ".join(f"{each} {importlib.metadata.version(each)}" for each in LIBRARIES)
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return (
        f"Machine: {os.cpu_count()} cores of {_processor()}, {system}, {platform.python_implementation()} "
        f"{platform.python_version()}; {rounds} rounds; server: {server}, HTTP/1.1 over loopback, without TLS.\n\n"
        f"Versions: {libraries}.\n\n"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1] if found else platform.machine()


def _goals(reached: dict[str, float]) -> list[str]:
    rows = ["| | goal | reached | |\n|---|---|---|---|\n"]
    for goal in GOALS:
        value = reached.get(goal.key, float("nan"))
        if value != value:  # noqa: PLR0124 - nan
            rows.append(f"| {goal.what} | {goal.wanted} | not measured | |\n")
        else:
            rows.append(
                f"| {goal.what} | {goal.wanted} | {short(value)}{goal.unit} | {'✓' if goal.is_met(value) else '✗'} |\n"
            )
    return rows
