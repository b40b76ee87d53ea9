"""Waits and fleets on a virtual clock, run by the SDK's own scheduling; and the least cost of any schedule.

The only module of the benchmarks that imports private modules of the SDK.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from itertools import accumulate, pairwise
from typing import NamedTuple

from benchmarks.harness import meter
from kkiai_sdk import PollPolicy, TaskState, VideoTask
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling import poll_state
from kkiai_sdk._polling.scheduler import AdmitTask, PollTask, Scheduler, SchedulerLimits, WaitForResponse

START = 1000.25
RUNNING = VideoTask(id="t", status="processing", state=TaskState.RUNNING)
DONE = VideoTask(id="t", status="completed", state=TaskState.SUCCEEDED, video_url="https://videos.example/t.mp4")
#: Standard deviation of the logarithms of durations: most tasks take two thirds to one and a half of the median.
SIGMA = 0.5
#: Cost of a second of delay, in requests.
DELAY_COST = 10.0
#: Seconds until an answer arrives.
LATENCY = 0.05
_NORMAL = statistics.NormalDist()


class Outcome(NamedTuple):
    """Mean requests and mean seconds of delay per task; for fleets also the scheduler's own CPU per request, in µs."""

    requests: float
    delay: float
    cpu: float = math.nan

    @property
    def cost(self) -> float:
        """Requests plus the cost of the delay."""
        return self.requests + DELAY_COST * self.delay


def durations(median: float, count: int) -> list[float]:
    """Durations in seconds: the middles of slices of equal probability of a lognormal distribution."""
    return [median * math.exp(SIGMA * _NORMAL.inv_cdf((number + 0.5) / count)) for number in range(count)]


def wait(policy: PollPolicy, median: float, count: int = 31) -> Outcome:
    """Mean outcome of single waits for tasks of such a median duration."""
    chance = random.Random(7)  # noqa: S311 - the same numbers in every run
    waits = [_wait_once(policy, duration, chance) for duration in durations(median, count)]
    return Outcome(*(statistics.fmean(values) for values in zip(*waits, strict=True)))


def _wait_once(policy: PollPolicy, duration: float, chance: random.Random) -> tuple[int, float]:
    now = START
    state = poll_state.begin("t", now, math.inf)
    while True:
        if now < state.due:
            now = state.due
        elif now - START >= duration:
            return state.polls + 1, now - START - duration
        else:
            state = poll_state.after_answer(state, RUNNING, now, policy, chance.random())


def fleet(count: int, median: float, per_second: float) -> Outcome:
    """Outcome of waits that all start at once, with the SDK's defaults and four requests in flight."""
    chance, ends = random.Random(7), durations(median, count)  # noqa: S311 - the same numbers in every run
    chance.shuffle(ends)
    limits = SchedulerLimits(concurrency=4, per_second=per_second, waiting=10**6)
    scheduler = Scheduler(limits, PollPolicy(), RetryBudget(100), now=START, timeout=math.inf)
    remaining = {f"task-{number}": end for number, end in enumerate(ends)}
    pending, now, requests = iter(list(remaining)), START, 0
    answers: list[tuple[float, str]] = []
    delays: list[float] = []
    spent = meter()
    while (step := scheduler.step(now)) is not None:
        if isinstance(step, AdmitTask):
            if (task_id := next(pending, None)) is None:
                scheduler.close_admission()
            else:
                scheduler.admit(task_id)
        elif isinstance(step, PollTask):
            requests += 1
            heapq.heappush(answers, (now + LATENCY, step.task_id))
        elif isinstance(step, Sleep) or (isinstance(step, WaitForResponse) and answers[0][0] > step.until):
            now = step.until
        else:
            now, task_id = heapq.heappop(answers)
            is_over = now - LATENCY - START >= remaining[task_id]
            scheduler.answered(task_id, DONE if is_over else RUNNING, now, chance.random())
            if is_over:
                delays.append(now - START - remaining[task_id])
    return Outcome(requests / count, statistics.fmean(delays), spent()[0] / requests * 1e6)


def least_cost(median: float, points: int = 1400) -> float:
    """The least mean cost of any schedule that knows the distribution of durations, by dynamic programming."""
    scores = [-3.5 + 8.0 * number / (points - 1) for number in range(points)]
    times = [0.0, *(median * math.exp(SIGMA * score) for score in scores)]
    # Probability that a task takes longer than each time.
    later = [1.0, *(1 - _NORMAL.cdf(score) for score in scores)]
    # Sum of duration times probability up to each time; its differences give the delay of one poll.
    steps = [(p - q) * (a + b) / 2 for (p, q), (a, b) in zip(pairwise(later), pairwise(times), strict=True)]
    mass = list(accumulate(steps, initial=0.0))
    cost = [0.0] * len(times)
    for i in reversed(range(points)):
        after = range(i + 1, points + 1)
        delays = (times[j] * (later[i] - later[j]) - (mass[j] - mass[i]) for j in after)
        cost[i] = later[i] + min(DELAY_COST * delay + cost[j] for j, delay in zip(after, delays, strict=True))
    return cost[0] + 1.0  # every schedule begins with a poll at once
