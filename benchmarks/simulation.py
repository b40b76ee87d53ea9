"""Waits and fleets on a virtual clock, by the SDK's own code; and the best one could do who knew the durations."""

from __future__ import annotations

import heapq
import math
import random
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kkiai_sdk import PollPolicy, TaskState, VideoTask
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling import poll_state as _waiting
from kkiai_sdk._polling.scheduler import AskAbout, Await, Finished, Fleet, Limits, TakeIn

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1000.25
RUNNING = VideoTask(id="t", status="processing", state=TaskState.RUNNING)
DONE = VideoTask(id="t", status="completed", state=TaskState.SUCCEEDED, video_url="https://videos.example/t.mp4")
#: How much the logarithms of durations vary: most tasks take between two thirds and one and a half of the median.
SIGMA = 0.5
#: What a second of delay is worth, in requests.
WORTH = 10.0
#: Seconds that an answer takes.
LATENCY = 0.05


def durations(median: float, count: int) -> list[float]:
    """Seconds that tasks take: a lognormal distribution, cut into slices of equal probability."""
    normal = statistics.NormalDist()
    return [median * math.exp(SIGMA * normal.inv_cdf((n + 0.5) / count)) for n in range(count)]


@dataclass(frozen=True)
class Outcome:
    """What a schedule comes to, on average per task."""

    requests: float
    delay: float

    @property
    def cost(self) -> float:
        """Requests, and delay at its worth."""
        return self.requests + WORTH * self.delay


def wait(policy: PollPolicy, duration: float, chance: random.Random) -> Outcome:
    """One wait for a task that takes so long, by :mod:`kkiai_sdk._polling.poll_state`."""
    now = START
    history = _waiting.begin("t", now, math.inf)
    while True:
        step = _waiting.decide(history, now)
        if isinstance(step, Sleep):
            now = step.until
            continue
        if now - START >= duration:
            return Outcome(history.polls + 1, now - START - duration)
        history = _waiting.after_answer(history, RUNNING, now, policy, chance.random())


def average(policy: PollPolicy, median: float, count: int = 31) -> Outcome:
    """What a schedule comes to when tasks take about so long."""
    chance = random.Random(7)  # noqa: S311 - the same numbers in every run
    outcomes = [wait(policy, each, chance) for each in durations(median, count)]
    return Outcome(
        statistics.fmean(each.requests for each in outcomes), statistics.fmean(each.delay for each in outcomes)
    )


def best_cost(median: float) -> float:
    """The least cost of any schedule, for one who knows how durations are distributed: by dynamic programming."""
    normal = statistics.NormalDist()
    times = np.array([0.0, *(median * math.exp(SIGMA * z) for z in np.linspace(-3.5, 4.5, 1400))])
    later = np.array([1.0, *(1 - normal.cdf(z) for z in np.linspace(-3.5, 4.5, 1400))])
    # The sum up to each time of duration * probability: what is between two of them gives the delay of one poll.
    mass = np.concatenate([[0.0], np.cumsum(-np.diff(later) * (times[1:] + times[:-1]) / 2)])
    cost = np.zeros(len(times))
    for i in range(len(times) - 2, -1, -1):
        j = np.arange(i + 1, len(times))
        delay = times[j] * (later[i] - later[j]) - (mass[j] - mass[i])
        cost[i] = (later[i] + WORTH * delay + cost[j]).min()
    return float(cost[0]) + 1.0  # the first poll, at once, which all schedules make


@dataclass(frozen=True)
class Voyage:
    """What a fleet came to."""

    requests: float
    delay: float
    #: Microseconds of real CPU that the queue took for each request.
    cpu: float


def sail(count: int, median: float = 240.0, per_second: float = math.inf) -> Voyage:
    """Many waits at once, by :mod:`kkiai_sdk._polling.scheduler`, with the SDK's defaults."""
    chance, ends = random.Random(7), durations(median, count)  # noqa: S311 - the same numbers in every run
    chance.shuffle(ends)
    limits, policy = Limits(concurrency=4, per_second=per_second, waiting=10**6), PollPolicy()
    fleet = Fleet(limits, policy, RetryBudget(100), now=START, timeout=math.inf)
    ids = {f"task-{number}": end for number, end in enumerate(ends)}
    pending, now, requests = iter(ids), START, 0
    answers: list[tuple[float, str]] = []
    delays: list[float] = []
    began = time.process_time()
    while not isinstance(step := fleet.step(now), Finished):
        if isinstance(step, TakeIn):
            if (task_id := next(pending, None)) is None:
                fleet.no_more()
            else:
                fleet.admit(task_id)
        elif isinstance(step, AskAbout):
            requests += 1
            heapq.heappush(answers, (now + LATENCY, step.task_id))
        elif isinstance(step, Sleep) or (isinstance(step, Await) and answers[0][0] > step.until):
            now = step.until
        else:
            now, task_id = heapq.heappop(answers)
            is_over = now - LATENCY - START >= ids[task_id]
            fleet.answered(task_id, DONE if is_over else RUNNING, now, chance.random())
            if is_over:
                delays.append(now - START - ids[task_id])
    cpu = (time.process_time() - began) / requests * 1e6
    return Voyage(requests / count, statistics.fmean(delays), cpu)


def front(outcomes: Sequence[tuple[Outcome, PollPolicy]]) -> list[tuple[Outcome, PollPolicy]]:
    """Those that no other beats in both."""
    ordered = sorted(outcomes, key=lambda each: (each[0].requests, each[0].delay))
    best, kept = math.inf, []
    for each in ordered:
        if each[0].delay < best:
            best = each[0].delay
            kept.append(each)
    return kept
