"""Requests and delay of poll schedules on a virtual clock, for single waits and for fleets."""

from __future__ import annotations

import itertools
import math

from benchmarks import simulation
from benchmarks.harness import Bench, Group, log, short, table
from kkiai_sdk import PollPolicy


def _constant(seconds: float, jitter: float = 0.0) -> PollPolicy:
    return PollPolicy(min_interval=seconds, max_interval=seconds, growth=0, jitter=jitter)


#: Gaps that grow by a factor grow in proportion to the time waited, so each of these is a PollPolicy. The peers'
#: numbers are those of their sources; any pause before the first poll is left out.
SCHEDULES = {
    "kkiai: 3 s + 2 %, at most 15 s": PollPolicy(),
    "openai: 1 s": _constant(1),
    "runwayml: 6 s ± 1.5 s": _constant(7.5, jitter=0.4),
    "replicate: 0.5 s": _constant(0.5),
    "fal-client: 0.1 s": _constant(0.1),
    "constant: 5 s": _constant(5),
    "constant: 30 s": _constant(30),
    "doubling: 1 s to 60 s": PollPolicy(min_interval=1, max_interval=60, growth=1, jitter=0),
    "half as long again: 1 s to 15 s": PollPolicy(min_interval=1, max_interval=15, growth=0.5, jitter=0),
}
#: Median durations of tasks, in seconds, and the one of the fleets.
MEDIANS, TYPICAL = (5.0, 15.0, 60.0, 240.0, 600.0, 1800.0), 240.0
SIZES = (10, 100, 1_000, 10_000, 100_000)
RATES = {"no limit of its own": math.inf, "at most 20 requests a second": 20.0}


def run(bench: Bench) -> Group:
    """Simulate once: the figures are the same in every round."""
    log("schedules: single waits")
    best = [simulation.least_cost(median) for median in MEDIANS]
    waits = {name: [simulation.wait(SCHEDULES[name], median) for median in MEDIANS] for name in bench.select(SCHEDULES)}
    regrets = {name: max(one.cost / least for one, least in zip(waits[name], best, strict=True)) for name in waits}
    log("schedules: fleets")
    sizes = SIZES[:-1] if bench.own else SIZES
    fleets = {name: [simulation.fleet(size, TYPICAL, rate) for size in sizes] for name, rate in RATES.items()}
    waits_table = table(
        "Schedules",
        [
            "requests / mean delay in s, by median duration",
            *(f"{median:.0f} s" for median in MEDIANS),
            "largest regret",
        ],
        [
            [name, *(f"{short(one.requests)} / {short(one.delay)}" for one in waits[name]), regrets[name]]
            for name in waits
        ],
        f"Durations are lognormal (sigma {simulation.SIGMA:g}). Cost is requests plus {simulation.DELAY_COST:.0f} for "
        "each second of delay; regret is the cost divided by the lowest cost of any schedule that knows the "
        "distribution, found by dynamic programming; the largest of the six is given."
        + ("" if bench.own else _family()),
    )
    fleets_table = table(
        "Fleets",
        ["", *(f"{size:,} tasks" for size in sizes)],
        [
            [name, *(f"{short(one.requests)} / {short(one.delay)} / {short(one.cpu)}" for one in outcomes)]
            for name, outcomes in fleets.items()
        ],
        "Requests per task / mean delay in s / µs of CPU of the scheduler itself per request. All start at once; their "
        f"median is {TYPICAL:.0f} s; a response takes {simulation.LATENCY * 1000:.0f} ms and four are in flight, so at "
        "most 80 arrive per second.",
    )
    return Group("Poll schedules", [waits_table, fleets_table], {"regret": regrets[next(iter(SCHEDULES))]})


def _family() -> str:
    """Compare the default with the policies that need neither more requests nor more delay."""
    log("schedules: other policies")
    default = simulation.wait(PollPolicy(), TYPICAL)
    family = [
        simulation.wait(PollPolicy(min_interval=low, max_interval=max(low, high), growth=growth, jitter=0.1), TYPICAL)
        for low, growth, high in itertools.product(
            (0.5, 1, 2, 3, 5, 8, 12, 20, 30), (0, 0.005, 0.02, 0.05, 0.1, 0.3), (5, 15, 30, 60, 120)
        )
    ]
    better = [one for one in family if one.requests <= default.requests and one.delay < default.delay]
    fewest = min((one.requests for one in better), default=default.requests)
    return (
        f" Of {len(family)} other policies {len(better)} have less delay at a median of {TYPICAL:.0f} s for no more "
        f"requests; the most frugal of those makes {short(fewest)} requests."
    )
