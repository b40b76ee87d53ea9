"""The policies: their defaults, their ranges, and the gap between polls."""

from __future__ import annotations

import copy
import math
import pickle
from datetime import timedelta
from typing import Any

import pytest
from attrs import asdict, exceptions
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import ConfigurationError, PollPolicy, RetryPolicy
from tests.unit.support import FIXED, brief

#: Each field with its default, and its range as messages name it.
RETRY: dict[str, tuple[float, str]] = {
    "initial_delay": (0.5, "from 0 to 3,600"),
    "max_delay": (8.0, "from 0 to 3,600"),
    "jitter": (0.25, "from 0 to 1"),
    "max_retry_after": (60.0, "from 0 to 86,400"),
    "budget": (100, "from 0 to 1,000,000"),
}
POLL: dict[str, tuple[float, str]] = {
    "min_interval": (3.0, "greater than 0 and at most 3,600"),
    "growth": (0.02, "from 0 to 1"),
    "max_interval": (15.0, "greater than 0 and at most 3,600"),
    "jitter": (0.1, "from 0 to 0.5"),
    "max_consecutive_errors": (10, "from 1 to 1,000,000"),
    "not_found_grace": (60.0, "from 0 to 86,400"),
    "url_grace": (60.0, "from 0 to 86,400"),
    "max_refusals": (5, "from 1 to 1,000,000"),
    "refusal_grace": (90.0, "from 0 to 86,400"),
    "file_grace": (120.0, "from 0 to 86,400"),
}
FIELDS = [
    (policy, name, span)
    for policy, table in ((RetryPolicy, RETRY), (PollPolicy, POLL))
    for name, (_, span) in table.items()
]
DURATIONS = [
    *((RetryPolicy, name) for name in ("initial_delay", "max_delay", "max_retry_after")),
    *((PollPolicy, name) for name in ("min_interval", "max_interval", "not_found_grace", "url_grace")),
    *((PollPolicy, name) for name in ("refusal_grace", "file_grace")),
]
BAD: list[Any] = [-1, -1e-9, math.nan, math.inf, -math.inf, 10**9, 10**5000, True, None, "1", 1j, timedelta(days=-1)]


def test_policy_defaults_are_the_documented_ones() -> None:
    """The defaults are the documented ones."""
    assert asdict(RetryPolicy()) == {name: default for name, (default, _) in RETRY.items()}
    assert asdict(PollPolicy()) == {name: default for name, (default, _) in POLL.items()}


@pytest.mark.parametrize("value", BAD, ids=brief)
@pytest.mark.parametrize(("policy", "name", "span"), FIELDS, ids=str)
def test_invalid_policy_value_is_rejected(
    policy: type[RetryPolicy | PollPolicy], name: str, span: str, value: Any
) -> None:
    """A value that is no number or out of range is rejected, with the option and the range."""
    with pytest.raises(ConfigurationError) as caught:
        policy(**{name: value})
    kinds = ("a number", "a number of seconds", "a whole number")
    assert str(caught.value).startswith(tuple(f"{name} must be {kind} {span}" for kind in kinds))


@pytest.mark.parametrize(("policy", "name"), DURATIONS, ids=str)
def test_timedelta_is_kept_as_seconds(policy: Any, name: str) -> None:
    """Seconds may be given as a timedelta, and are kept as a number."""
    assert getattr(policy(**{name: timedelta(seconds=7, milliseconds=500)}), name) == 7.5


@pytest.mark.parametrize("name", ["min_interval", "max_interval", "max_consecutive_errors"])
def test_zero_interval_or_error_limit_is_rejected(name: str) -> None:
    """An interval of 0 would poll without pause, and 0 errors would end each wait: both are rejected."""
    with pytest.raises(ConfigurationError, match=name):
        PollPolicy(**{name: 0})


def test_max_interval_below_min_interval_is_rejected() -> None:
    """The longest gap must not be shorter than the first one."""
    with pytest.raises(ConfigurationError, match=r"max_interval \(2 s\) must be at least min_interval \(3 s\)"):
        PollPolicy(max_interval=2)
    assert PollPolicy(min_interval=5, max_interval=5).gap(100.0) == 5


@pytest.mark.parametrize("policy", [RetryPolicy(jitter=0.5), PollPolicy(growth=0.5)])
def test_policies_are_frozen_and_hashable(policy: RetryPolicy | PollPolicy) -> None:
    """A policy is frozen, hashable, and equal to its copies."""
    with pytest.raises(exceptions.FrozenInstanceError):
        policy.jitter = 0.0  # type: ignore[misc]
    copies = [copy.copy(policy), copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))]
    assert {policy, *copies} == {policy}


@pytest.mark.parametrize(
    ("elapsed", "gap"),
    [(-5.0, 3.0), (0.0, 3.0), (60.0, 4.2), (300.0, 9.0), (600.0, 15.0), (1e9, 15.0), (math.inf, 15.0)],
)
def test_default_gap_grows_to_fifteen_seconds(elapsed: float, gap: float) -> None:
    """The gap is 3 s plus 2 % of the time waited, at most 15 s."""
    assert PollPolicy().gap(elapsed) == pytest.approx(gap)


POLICIES = st.builds(
    lambda low, extra, growth: PollPolicy(min_interval=low, max_interval=low + extra, growth=growth),
    st.floats(0.01, 1800),
    st.floats(0, 1800),
    st.floats(0, 1),
)


@given(POLICIES, st.floats(0, 1e7))
@FIXED
def test_any_gap_is_within_its_bounds(policy: PollPolicy, elapsed: float) -> None:
    """No gap is under min_interval, above max_interval, or above min_interval plus growth of the time waited."""
    gap = policy.gap(elapsed)
    assert policy.min_interval <= gap <= policy.max_interval
    assert gap <= policy.min_interval + policy.growth * elapsed
