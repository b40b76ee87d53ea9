"""What a call costs: CPU per call, synchronous and asynchronous, with 1, 4 and 16 in flight, near and far."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks.lab import ROOT, Section, Table, median, ratio, say, short, spread
from benchmarks.server import Server, free_port
from benchmarks.server import _await as await_server
from benchmarks.workers.contestants import ASYNC, SYNC

if TYPE_CHECKING:
    from benchmarks.lab import Lab

#: The packages that each contestant is measured with, nothing else being installed.
PACKAGES = {
    "httpx": ("httpx",),
    "httpx with sniffio": ("httpx", "sniffio"),
    "aiohttp": ("aiohttp",),
    "generated client alone": ("httpx", "attrs"),
    "kkiai": ("httpx", "attrs", "sniffio"),
    "kkiai[aiohttp]": ("httpx", "attrs", "sniffio", "httpx-aiohttp"),
    "openai": ("openai",),
    "runwayml": ("runwayml",),
    "lumaai": ("lumaai",),
    "replicate": ("replicate",),
    "fal-client": ("fal-client",),
}
IN_FLIGHT = (1, 4, 16)
CALLS = 320
FAR = ("httpx", "aiohttp", "kkiai", "kkiai[aiohttp]", "openai")
#: Seconds that the far server takes for an answer.
LATENCY = 0.2

Rounds = dict[str, dict[str, list[dict[str, float]]]]


def site_of(lab: Lab, who: str) -> Any:
    """The packages of a contestant."""
    name = who.replace(" ", "-").replace("[", "-").replace("]", "")
    return lab.site(name, *PACKAGES[who], sdk=who.startswith(("kkiai", "generated")))


def run(lab: Lab) -> Section:
    """Measure all, in turn, round after round."""
    near: dict[bool, Rounds] = {
        False: defaultdict(lambda: defaultdict(list)),
        True: defaultdict(lambda: defaultdict(list)),
    }
    for number in range(lab.rounds):
        say(f"calls: round {number + 1} of {lab.rounds}")
        for asynchronous, contestants in ((False, SYNC), (True, ASYNC)):
            for who in contestants:
                _measure(lab, near[asynchronous], who, lab.server.url, asynchronous=asynchronous)
    far = _run_far(lab)
    tables = [
        _table("Synchronous calls", near[False], "httpx"),
        _table("Asynchronous calls", near[True], "httpx"),
        _far_table(far),
    ]
    return Section("What a call costs", tables, _reached(near))


def _measure(
    lab: Lab, rounds: Rounds, who: str, url: str, *, asynchronous: bool, in_flight: Any = IN_FLIGHT, calls: int = CALLS
) -> None:
    spec = {"who": who, "url": url, "asynchronous": asynchronous, "in_flight": in_flight, "calls": calls}
    found = lab.work("calls", spec | {"warm_up": 40 if calls == CALLS else 2}, site_of(lab, who))
    for key, numbers in found.items():
        rounds[who][key].append(numbers)


def _run_far(lab: Lab) -> Rounds:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.stand_in", str(port), "-", str(LATENCY)]
    process = subprocess.Popen(command, cwd=ROOT)
    server = await_server(Server(f"http://127.0.0.1:{port}", process, "stand-in"))
    far: Rounds = defaultdict(lambda: defaultdict(list))
    try:
        for number in range(lab.rounds):
            say(f"calls with 200 ms of latency: round {number + 1} of {lab.rounds}")
            for who in FAR:
                _measure(lab, far, who, server.url, asynchronous=True, in_flight=(4, 16), calls=64)
    finally:
        server.stop()
    return far


def _cpu(rounds: Rounds, who: str, in_flight: int) -> list[float]:
    return [each["cpu"] for each in rounds[who][str(in_flight)]]


def _table(title: str, rounds: Rounds, base: str) -> Table:
    header = [
        "",
        "µs of CPU per call (lowest-highest)",
        "ratio to httpx",
        "4 in flight",
        "16 in flight",
        "calls/s, 1/4/16",
    ]
    rows = []
    for who, numbers in rounds.items():
        rates = "/".join(short(median(each["rate"] for each in numbers[str(n)])) for n in IN_FLIGHT)
        ratios = [f"{ratio(_cpu(rounds, who, n), _cpu(rounds, base, n)):.2f}" for n in IN_FLIGHT]
        rows.append([who, spread(_cpu(rounds, who, 1)), *ratios, rates])
    return Table(
        title, header, rows, "Ratios are medians of each round's ratio. Each contestant sees its own packages only."
    )


def _far_table(rounds: Rounds) -> Table:
    header = [
        "",
        "µs of CPU per call, 4 in flight",
        "16 in flight",
        "ratio to httpx at 16",
        "calls/s, 4/16 (at most 20/80)",
    ]
    rows = []
    for who, numbers in rounds.items():
        rates = "/".join(short(median(each["rate"] for each in numbers[str(n)])) for n in (4, 16))
        share = f"{ratio(_cpu(rounds, who, 16), _cpu(rounds, 'httpx', 16)):.2f}"
        rows.append([who, spread(_cpu(rounds, who, 4)), spread(_cpu(rounds, who, 16)), share, rates])
    return Table("Asynchronous calls with 200 ms of latency", header, rows)


def _reached(near: dict[bool, Rounds]) -> dict[str, float]:
    def share(who: str, *, asynchronous: bool) -> float:
        rounds = near[asynchronous]
        return ratio(_cpu(rounds, who, 1), _cpu(rounds, "httpx", 1))

    return {
        "call_sync": share("kkiai", asynchronous=False),
        "call_async": share("kkiai", asynchronous=True),
        "call_aiohttp": share("kkiai[aiohttp]", asynchronous=True),
        "call_openai": share("openai", asynchronous=False),
    }
