"""Number of polls over time, compared with the formula of the schedule."""

from __future__ import annotations

from itertools import cycle
from math import log
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import PollPolicy
from tests.unit.polling.wait_simulation import RUNNING, Event, simulate
from tests.unit.support import FIXED, START

if TYPE_CHECKING:
    from collections.abc import Iterator

JITTER = 0.1
#: What rounding may take from a logarithm of at most some thousand polls.
TINY = 1e-6

SCHEDULES = st.builds(
    lambda least, growth, factor: PollPolicy(
        min_interval=least, growth=growth, max_interval=min(least * factor, 3600.0), jitter=JITTER
    ),
    st.floats(0.05, 60),
    st.floats(0.01, 1),
    st.floats(1.5, 5000),
)
CHANCES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=20)
LATENCIES = st.lists(st.sampled_from([0.0, 0.125, 2.0, 29.0]), min_size=1, max_size=5)


def poll_times(policy: PollPolicy, latencies: list[float], chances: list[float]) -> Iterator[tuple[int, float]]:
    """Number and time in seconds, both from 0, of each poll until the gap reaches its maximum."""
    capped_at = (policy.max_interval - policy.min_interval) / policy.growth
    pairs = zip(cycle(latencies), cycle(chances), strict=False)
    trace = simulate((Event(RUNNING, latency, random=chance) for latency, chance in pairs), policy, capped_at)
    # The last one is made at the deadline, whenever it would have been due.
    return ((number, poll.asked - START) for number, poll in enumerate(trace.polls[:-1]))


@given(SCHEDULES, LATENCIES, CHANCES)
@FIXED
def test_number_of_polls_is_logarithmic_until_the_cap(
    policy: PollPolicy, latencies: list[float], chances: list[float]
) -> None:
    """By time t there are at most ``1 + log(1 + growth * t / min_interval) / log(1 + 0.9 * growth)`` polls.

    Let t(0) = 0, t(1), ... be the times of the polls, m the least interval and g the growth. Before the cap the gap
    after time t is m + g * t, of which jitter 0.1 leaves at least 0.9, and an answer that takes its time only delays
    what follows. So t(k+1) >= t(k) + 0.9 * (m + g * t(k)). For u(k) = m + g * t(k), the gap before jitter, this says
    u(k+1) >= (1 + 0.9 * g) * u(k), and with u(0) = m that u(k) >= m * (1 + 0.9 * g) ** k. Hence a poll k that was made
    by time t has k <= log(1 + g * t / m) / log(1 + 0.9 * g); counted from 0, polls 0 to k are k + 1.
    """
    for number, time in poll_times(policy, latencies, chances):
        most = 1 + log(1 + policy.growth * time / policy.min_interval) / log(1 + (1 - JITTER) * policy.growth)
        assert number + 1 <= most + TINY


@given(SCHEDULES, CHANCES)
@FIXED
def test_number_of_polls_is_not_below_the_schedule(policy: PollPolicy, chances: list[float]) -> None:
    """Of a gateway that answers at once, poll k is made when ``log(1 + growth * t / min_interval)`` allows it.

    Jitter only shortens, so with the letters of the test above t(k+1) <= t(k) + m + g * t(k), which is
    u(k+1) <= (1 + g) * u(k), and k >= log(1 + g * t(k) / m) / log(1 + g).
    """
    for number, time in poll_times(policy, [0.0], chances):
        least = log(1 + policy.growth * time / policy.min_interval) / log(1 + policy.growth)
        assert number >= least - TINY
