"""Time to start: imports, the command line, and the first answer of a fresh process."""

from __future__ import annotations

import sys

from benchmarks.harness import ROOT, Bench, Group, Samples, spawn
from benchmarks.peers import KEY, LIBRARIES, PATH, TASK, headers

#: Starts per round: a start is short, and its time varies.
STARTS = 4
BARE = "nothing (bare Python)"
HELP = "import sys; sys.argv = ['kkiai', '--help']; from kkiai_sdk.cli.main import main; main()"
_SDK = LIBRARIES["kkiai"].packages
_CLI = (*_SDK, "click", "rich")
#: The code to run, and the packages that it sees.
IMPORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    BARE: ("pass", ()),
    "`import httpx`": ("import httpx", ("httpx",)),
    "`import kkiai_sdk`": ("import kkiai_sdk", _SDK),
    "`from kkiai_sdk import Kkiai`": ("from kkiai_sdk import Kkiai", _SDK),
    "`from kkiai_sdk import AsyncKkiai`": ("from kkiai_sdk import AsyncKkiai", _SDK),
    "`import click`": ("import click", _CLI),
    "`kkiai --help`": (HELP, _CLI),
    "`import aiohttp`": ("import aiohttp", ("aiohttp",)),
} | {
    f"`import {name.replace('-', '_')}`": (f"import {name.replace('-', '_')}", (name,))
    for name in ("openai", "runwayml", "lumaai", "replicate", "fal-client")
}

#: Scripts as a user would write them.
SCRIPTS = {
    "httpx": f"""
import httpx
headers = {headers()!r}
with httpx.Client(base_url=URL, headers=headers, timeout=30.0) as client:
    response = client.get({PATH!r}, params={{"id": {TASK!r}}})
    response.raise_for_status()
    task = response.json()
    print(task["id"])
    print(task["status"])
    print(task.get("video_url"))
""",
    "kkiai": f"""
from kkiai_sdk import Kkiai
with Kkiai({KEY!r}, base_url=URL) as client:
    task = client.query({TASK!r})
    print(task.id)
    print(task.status)
    print(task.video_url)
""",
} | {
    name: f"""
import sys, warnings
warnings.simplefilter("ignore")
sys.path.append({str(ROOT)!r})
from benchmarks.peers import connect
print(connect({name!r}, URL, asynchronous=False)({TASK!r}))
"""
    for name in ("openai", "runwayml", "lumaai", "replicate", "fal-client")
}


def run(bench: Bench) -> Group:
    """Start everything in turn, over and over."""
    repeated = Bench(bench.folder, bench.rounds * STARTS, bench.own)
    address = f"URL = {bench.server.url!r}\n"
    imports = repeated.sample("imports", IMPORTS, lambda name: _start(bench, *IMPORTS[name]))
    first = repeated.sample(
        "first answers", SCRIPTS, lambda name: _start(bench, address + SCRIPTS[name], LIBRARIES[name].packages)
    )
    for rounds in imports.rounds.values():
        for figures, bare in zip(rounds, imports.rounds[BARE], strict=True):
            figures |= {f"{name} over bare": figures[name] - bare[name] for name in ("wall", "cpu")}
    reached = {
        "import_package": imports.median("`import kkiai_sdk`", "wall over bare"),
        "import_help": imports.ratio("`kkiai --help`", "wall", "`import click`"),
        "first": first.ratio("kkiai", "wall"),
    }
    return Group("Startup", [_imports_table(imports), _first_table(first)], reached)


def _start(bench: Bench, code: str, packages: tuple[str, ...]) -> dict[str, float]:
    """Milliseconds of real time and of CPU that a Python process takes to run some code."""
    used = spawn([sys.executable, "-S", "-c", code], bench.site(*packages), bench.folder)
    return {"wall": used["seconds"] * 1000, "cpu": used["cpu"] * 1000}


def _imports_table(samples: Samples) -> str:
    return samples.table(
        "Imports",
        {
            "ms of real time (lowest-highest)": lambda name: samples.spread(name, "wall"),
            "ms over bare Python": lambda name: samples.median(name, "wall over bare"),
            "of CPU": lambda name: samples.median(name, "cpu over bare"),
            "ratio to import httpx": lambda name: samples.ratio(name, "wall", "`import httpx`"),
        },
        "Complete processes, including the start of Python. Each sees only its own packages, as after `pip install`.",
    )


def _first_table(samples: Samples) -> str:
    return samples.table(
        "First response of a new process",
        {
            "ms of real time (lowest-highest)": lambda name: samples.spread(name, "wall"),
            "ms of CPU": lambda name: samples.median(name, "cpu"),
            "ratio to httpx, real time": lambda name: samples.ratio(name, "wall"),
            "CPU": lambda name: samples.ratio(name, "cpu"),
        },
        "httpx is a script of ten lines that does the same.",
    )
