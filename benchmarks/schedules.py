"""How soon one knows, at how many requests: every schedule on a virtual clock, and fleets of any size."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from benchmarks import plots, simulation
from benchmarks.lab import Section, Table, say, short
from kkiai_sdk import PollPolicy

if TYPE_CHECKING:
    from benchmarks.lab import Lab
    from benchmarks.simulation import Voyage

#: Gaps that grow by a factor grow in proportion to the time waited, so each of these is a PollPolicy. The peers'
#: numbers are those of their installed sources; what they do before the first poll is left out.
SCHEDULES = {
    "kkiai: 3 s + 2 %, at most 15 s": PollPolicy(),
    "openai: 1 s": PollPolicy(min_interval=1, max_interval=1, growth=0, jitter=0),
    "runwayml: 6 s ± 1.5 s": PollPolicy(min_interval=7.5, max_interval=7.5, growth=0, jitter=0.4),
    "replicate: 0.5 s": PollPolicy(min_interval=0.5, max_interval=0.5, growth=0, jitter=0),
    "fal-client: 0.1 s": PollPolicy(min_interval=0.1, max_interval=0.1, growth=0, jitter=0),
    "constant: 5 s": PollPolicy(min_interval=5, max_interval=5, growth=0, jitter=0),
    "constant: 30 s": PollPolicy(min_interval=30, max_interval=30, growth=0, jitter=0),
    "doubling: 1 s to 60 s": PollPolicy(min_interval=1, max_interval=60, growth=1, jitter=0),
    "half as long again: 1 s to 15 s": PollPolicy(min_interval=1, max_interval=15, growth=0.5, jitter=0),
}
#: Seconds that tasks take, as medians.
MEDIANS = (5.0, 15.0, 60.0, 240.0, 600.0, 1800.0)
#: The median that the plot of requests against delay is for.
TYPICAL = 240.0
SIZES = (10, 100, 1_000, 10_000, 100_000)
#: Requests per second of the second fleet.
PACE = 20.0


def run(lab: Lab) -> Section:
    """Simulate; the rounds of the rest mean nothing here, the numbers are the same each time."""
    del lab
    say("schedules: one wait")
    outcomes = {name: {m: simulation.average(policy, m) for m in MEDIANS} for name, policy in SCHEDULES.items()}
    best = {m: simulation.best_cost(m) for m in MEDIANS}
    family = [
        PollPolicy(min_interval=low, max_interval=max(low, high), growth=growth, jitter=0.1)
        for low, growth, high in itertools.product(
            (0.5, 1, 2, 3, 5, 8, 12, 20, 30), (0, 0.005, 0.02, 0.05, 0.1, 0.3), (5, 15, 30, 60, 120)
        )
    ]
    kept = simulation.front([(simulation.average(policy, TYPICAL), policy) for policy in family])
    plots.requests_against_delay({name: each[TYPICAL] for name, each in outcomes.items()}, [one for one, _ in kept])
    fleets: dict[str, dict[int, Voyage]] = {}
    for name, pace in (("no limit of its own", float("inf")), (f"at most {PACE:.0f} requests a second", PACE)):
        say(f"schedules: fleets, {name}")
        fleets[name] = {size: simulation.sail(size, per_second=pace) for size in SIZES}
    plots.cost_against_tasks(fleets)
    regrets = {name: max(each[m].cost / best[m] for m in MEDIANS) for name, each in outcomes.items()}
    tables = [_table(outcomes, regrets), _fleet_table(fleets)]
    ours = next(iter(SCHEDULES))
    costs = fleets["no limit of its own"]
    reached = {"regret": regrets[ours], "regret_next": sorted(regrets.values())[1], "fleet_cpu": costs[100_000].cpu}
    return Section(
        "When to ask", tables, reached | {"regret_rank": sorted(regrets.values()).index(regrets[ours]) + 1.0}
    )


def _table(outcomes: dict[str, dict[float, simulation.Outcome]], regrets: dict[str, float]) -> Table:
    header = ["requests / mean delay in s, by median duration", *(f"{m:.0f} s" for m in MEDIANS), "largest regret"]
    rows = [
        [name, *(f"{short(each[m].requests)} / {short(each[m].delay)}" for m in MEDIANS), f"{regrets[name]:.2f}"]
        for name, each in outcomes.items()
    ]
    note = (
        f"Durations are lognormal (sigma {simulation.SIGMA:g}). Cost is requests plus {simulation.WORTH:.0f} for "
        "each second of delay; the regret of a schedule is its cost over that of the best that there can be for one "
        "who knows the distribution, found by dynamic programming; given is the largest of the six. "
        "![requests against delay](plots/requests-against-delay.svg)"
    )
    return Table("Schedules", header, rows, note)


def _fleet_table(fleets: dict[str, dict[int, Voyage]]) -> Table:
    header = ["", *(f"{size:,} tasks" for size in SIZES)]
    rows = [
        [name, *(f"{short(each.requests)} / {short(each.delay)} / {short(each.cpu)}" for each in voyages.values())]
        for name, voyages in fleets.items()
    ]
    note = (
        "Requests per task / mean delay in s / µs of CPU that the queue itself takes per request. All start at once, "
        f"their median is {TYPICAL:.0f} s; an answer takes {simulation.LATENCY * 1000:.0f} ms and four are in flight, "
        "so at most 80 come in a second. ![cost against the number of tasks](plots/cost-against-tasks.svg)"
    )
    return Table("Fleets", header, rows, note)
