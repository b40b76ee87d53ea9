"""How long it takes to start: imports, the command line, and a first answer in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks.calls import site_of
from benchmarks.lab import ROOT, Section, Table, environment, median, ratio, say, short, spread
from benchmarks.workers.contestants import HEADERS, KEY, TASK

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.lab import Lab

#: Rounds of starting per round of the rest: a start is short and its time varies.
TIMES = 4

Times = dict[str, list[tuple[float, float]]]

_CLI = ("httpx", "attrs", "sniffio", "click", "rich")
#: What is started, in which packages, with the SDK among them or not.
IMPORTS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "nothing (bare Python)": ("pass", ("httpx",), False),
    "import httpx": ("import httpx", ("httpx",), False),
    "import kkiai_sdk": ("import kkiai_sdk", ("httpx", "attrs", "sniffio"), True),
    "from kkiai_sdk import Kkiai": ("from kkiai_sdk import Kkiai", ("httpx", "attrs", "sniffio"), True),
    "from kkiai_sdk import AsyncKkiai": ("from kkiai_sdk import AsyncKkiai", ("httpx", "attrs", "sniffio"), True),
    "import click": ("import click", _CLI, True),
    "kkiai --help": (
        "import sys; sys.argv = ['kkiai', '--help']; from kkiai_sdk.cli.main import main; main()", _CLI, True,
    ),
    "import aiohttp": ("import aiohttp", ("aiohttp",), False),
    "import openai": ("import openai", ("openai",), False),
    "import runwayml": ("import runwayml", ("runwayml",), False),
    "import lumaai": ("import lumaai", ("lumaai",), False),
    "import replicate": ("import replicate", ("replicate",), False),
    "import fal_client": ("import fal_client", ("fal-client",), False),
}  # fmt: skip

_HTTPX = f"""
import httpx
headers = {HEADERS!r}
with httpx.Client(base_url=URL, headers=headers, timeout=30.0) as client:
    response = client.get("/v1/video/query", params={{"id": {TASK!r}}})
    response.raise_for_status()
    task = response.json()
    print(task["id"])
    print(task["status"])
    print(task.get("video_url"))
"""
_KKIAI = f"""
from kkiai_sdk import Kkiai
with Kkiai({KEY!r}, base_url=URL) as client:
    task = client.query({TASK!r})
    print(task.id)
    print(task.status)
    print(task.video_url)
"""
_PEER = "from benchmarks.workers.contestants import SYNC; print(SYNC[{who!r}](URL)())"
FIRST = ("httpx", "kkiai", "openai", "runwayml", "lumaai", "replicate", "fal-client")


def run(lab: Lab) -> Section:
    """Measure all, in turn, over and over."""
    starts: Times = defaultdict(list)
    firsts: Times = defaultdict(list)
    for number in range(lab.rounds * TIMES):
        if number % TIMES == 0:
            say(f"imports and first answers: round {number // TIMES + 1} of {lab.rounds}")
        for name, (code, packages, sdk) in IMPORTS.items():
            site = lab.site("-".join([*packages, *(["sdk"] if sdk else [])]), *packages, sdk=sdk)
            starts[name].append(timed(lab, code, site))
        for who in FIRST:
            firsts[who].append(timed(lab, _first(lab, who), site_of(lab, who)))
    tables = [_imports_table(starts), _first_table(firsts)]
    return Section("How long it takes to start", tables, _reached(starts, firsts))


def _first(lab: Lab, who: str) -> str:
    url = f"URL = {lab.server.url!r}\n"
    if who in {"httpx", "kkiai"}:
        return url + (_HTTPX if who == "httpx" else _KKIAI)
    quiet = "import sys, warnings; warnings.simplefilter('ignore'); "
    return url + f"{quiet}sys.path.append({str(ROOT)!r}); {_PEER.format(who=who)}"


def timed(lab: Lab, code: str, site: Path) -> tuple[float, float]:
    """Milliseconds of real time and of CPU that a process of Python takes for some code."""
    command = [sys.executable, "-S", "-c", code]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=lab.folder, env=environment(site), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a process of the harness failed: {code}")
    return (time.perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000


def _wall(times: Times, name: str) -> list[float]:
    return [wall for wall, _ in times[name]]


def _cpu(times: Times, name: str) -> list[float]:
    return [cpu for _, cpu in times[name]]


_BARE = "nothing (bare Python)"


def _over(times: Times, name: str, pick: Any = _wall) -> list[float]:
    """Milliseconds over bare Python, of each round."""
    return [value - bare for value, bare in zip(pick(times, name), pick(times, _BARE), strict=True)]


def _imports_table(times: Times) -> Table:
    header = ["", "ms of real time (lowest-highest)", "ms over bare Python", "of CPU", "ratio to import httpx"]
    rows = [
        [
            f"`{name}`" if name != _BARE else name, spread(_wall(times, name)), short(median(_over(times, name))),
            short(median(_over(times, name, _cpu))), f"{ratio(_wall(times, name), _wall(times, 'import httpx')):.2f}",
        ]
        for name in times
    ]  # fmt: skip
    note = "Whole processes, with the start of Python. Each sees its own packages only, as after a fresh `pip install`."
    return Table("Imports", header, rows, note)


def _first_table(times: Times) -> Table:
    header = ["", "ms of real time (lowest-highest)", "ms of CPU", "ratio to httpx, real time", "CPU"]
    rows = [
        [
            who, spread(_wall(times, who)), short(median(_cpu(times, who))),
            f"{ratio(_wall(times, who), _wall(times, 'httpx')):.2f}",
            f"{ratio(_cpu(times, who), _cpu(times, 'httpx')):.2f}",
        ]
        for who in times
    ]  # fmt: skip
    return Table(
        "A first answer, in a fresh process", header, rows, "httpx is a script of ten lines that does the same."
    )


def _reached(starts: Times, firsts: Times) -> dict[str, float]:
    return {
        "import_package": median(_over(starts, "import kkiai_sdk")),
        "import_client": ratio(_wall(starts, "from kkiai_sdk import Kkiai"), _wall(starts, "import httpx")),
        "import_client_only": ratio(_over(starts, "from kkiai_sdk import Kkiai"), _over(starts, "import httpx")),
        "import_help": ratio(_wall(starts, "kkiai --help"), _wall(starts, "import click")),
        "import_openai": ratio(_wall(starts, "import openai"), _wall(starts, "from kkiai_sdk import Kkiai")),
        "first": ratio(_wall(firsts, "kkiai"), _wall(firsts, "httpx")),
        "first_openai": ratio(_wall(firsts, "openai"), _wall(firsts, "kkiai")),
    }
