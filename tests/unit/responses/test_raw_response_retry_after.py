"""Parsing of Retry-After headers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import RateLimitError, RetryPolicy
from kkiai_sdk._http.retry import retry_time
from kkiai_sdk._responses.raw_response import parse_retry_after
from tests.unit.support import FIXED, START

#: 1994-11-06 08:49:17 UTC, 20 s before the dates below.
WALL_CLOCK = 784_111_757.0

#: The rows of the table of faults, by value.
FAULTS = {
    "0": pytest.mark.fault("R-01"),
    "-1": pytest.mark.fault("R-02"),
    "1.5": pytest.mark.fault("R-03"),
    "nan": pytest.mark.fault("R-04"),
    "inf": pytest.mark.fault("R-04"),
    "1e400": pytest.mark.fault("R-05"),
    "30": pytest.mark.fault("R-06"),
    "100": pytest.mark.fault("R-07"),
    "99999999": pytest.mark.fault("R-08"),
    "²": pytest.mark.fault("R-09"),
    "1, 2": pytest.mark.fault("R-10"),
    "abc": pytest.mark.fault("R-10"),
    "": pytest.mark.fault("R-10"),
    "Sun, 06 Nov 1994 08:49:37 GMT": pytest.mark.fault("R-11"),
    "Sat, 05 Nov 1994 08:49:37 GMT": pytest.mark.fault("R-12"),
    "Fri, 31 Dec 9999 23:59:59 GMT": pytest.mark.fault("R-13"),
    "Sunday, 06-Nov-94 08:49:37 GMT": pytest.mark.fault("R-14"),
    "Sun Nov  6 08:49:37 1994": pytest.mark.fault("R-14"),
}

ROWS: dict[str, float | None] = {
    "0": 0.0,
    "-1": None,
    "-0": None,
    "+5": None,
    "1.5": 1.5,
    "1.": None,
    ".5": None,
    "nan": None,
    "inf": None,
    "-inf": None,
    "1e400": None,
    "1e2": None,
    "30": 30.0,
    " 30 ": 30.0,
    "100": 100.0,
    "99999999": 99999999.0,
    "9" * 13: None,
    "9" * 5000: None,
    "²": None,
    "٣": None,
    "1, 2": None,
    "1;2": None,
    "0x10": None,
    "1_000": None,
    "abc": None,
    "": None,
    " ": None,
    "Sun, 06 Nov 1994 08:49:37 GMT": 20.0,
    "Sunday, 06-Nov-94 08:49:37 GMT": 20.0,
    "Sun Nov  6 08:49:37 1994": 20.0,
    "Sun, 06 Nov 1994 08:49:37 -0000": 20.0,
    "Sun, 06 Nov 1994 09:49:37 +0100": 20.0,
    "Sun, 06 Nov 1994 08:49:17 GMT": 0.0,
    "Sat, 05 Nov 1994 08:49:37 GMT": 0.0,
    "Mon, 01 Jan 1900 00:00:00 GMT": 0.0,
    "Fri, 31 Dec 9999 23:59:59 GMT": 252_618_189_042.0,
    "Fri, 31 Dec 99999 23:59:59 GMT": None,
    "Wed, 32 Nov 1994 08:49:37 GMT": None,
    "Sun, 06 Nov 1994 25:61:61 GMT": None,
    "1994-11-06T08:49:37Z": None,
    "Sun, 06 Nov": None,
}


TABLE = [pytest.param(value, marks=FAULTS.get(value, ()), id=ascii(value)[:40]) for value in ROWS]


@pytest.mark.parametrize("value", TABLE)
def test_retry_after_is_seconds_an_http_date_or_none(value: str) -> None:
    """Seconds and HTTP dates are read; negative, absurd and unreadable values are ignored."""
    assert parse_retry_after([("retry-after", value)], WALL_CLOCK) == ROWS[value]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([("content-type", "5")], None),
        ([("retry-after-ms", "1500")], 1.5),
        ([("retry-after-ms", "0.5")], 0.0005),
        ([("retry-after-ms", "-5")], None),
        ([("retry-after-ms", "Sun, 06 Nov 1994 08:49:37 GMT")], None),
        ([("retry-after", "1"), ("retry-after-ms", "1500")], 1.5),
        ([("retry-after-ms", "500"), ("retry-after", "1")], 1.0),
        pytest.param(
            [("retry-after", "5"), ("retry-after", "9"), ("retry-after", "7")], 9.0, marks=pytest.mark.fault("R-15")
        ),
        ([("retry-after", "abc"), ("retry-after", "7")], 7.0),
        ([("retry-after", "nan"), ("retry-after", "-1")], None),
        ([("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "3")], 20.0),
    ],
)
def test_longest_of_several_retry_after_values_counts(headers: list[tuple[str, str]], seconds: float | None) -> None:
    """Milliseconds are read too, and the longest of several valid values counts."""
    assert parse_retry_after(headers, WALL_CLOCK) == seconds


@pytest.mark.fault("R-11")
@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Sun, 06 Nov 1994 08:48:37 GMT", 60.0), ("Sun, 06 Nov 1994 08:50:37 GMT", 0.0), ("rubbish", 20.0), ("", 20.0)],
)
def test_retry_after_date_is_relative_to_the_date_header(date: str, seconds: float) -> None:
    """A date is relative to the response's Date if there is one, else to the local clock."""
    headers = [("date", date), ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]
    assert parse_retry_after(headers, WALL_CLOCK) == seconds


@pytest.mark.fault("R-11")
def test_wrong_local_clock_does_not_matter_with_a_date_header() -> None:
    """With a Date in the response the local clock is not used."""
    headers = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:30 GMT")]
    assert {parse_retry_after(headers, clock) for clock in (0.0, WALL_CLOCK, 1e11)} == {7.0}


@pytest.mark.fault("R-14")
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its time zone for a test")
def test_retry_after_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date without a time zone is in UTC, in any local time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CST-8")
        time.tzset()
        seconds = parse_retry_after([("retry-after", "Sun Nov  6 08:49:37 1994")], WALL_CLOCK)
    time.tzset()
    assert seconds == 20.0


@pytest.mark.fault("R-17")
@given(
    st.lists(
        st.tuples(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text(st.characters(max_codepoint=400)))
    )
)
@FIXED
def test_any_headers_give_finite_seconds_or_none(headers: list[tuple[str, str]]) -> None:
    """For any headers the result is None or a finite number of seconds from 0 on."""
    seconds = parse_retry_after(headers, WALL_CLOCK)
    assert seconds is None or 0 <= seconds < 1e12


@pytest.mark.parametrize("value", TABLE)
def test_retry_waits_up_to_sixty_seconds_of_retry_after(value: str) -> None:
    """A pause of up to 60 s is kept, a longer one gives up, and an ignored one leaves the backoff."""
    seconds = parse_retry_after([("retry-after", value)], WALL_CLOCK)
    error = RateLimitError("slow", status_code=429, transient=True, retry_after=seconds)
    verdict = retry_time(
        error, retries_left=1, retry=0, now=START, deadline=START + 1e9, policy=RetryPolicy(), random=0.5
    )
    assert verdict == (None if seconds and seconds > 60 else START + max(seconds or 0.0, 0.5))


@pytest.mark.parametrize("text", [" " * 100_000 + "x", "1 " * 50_000, "(" * 100_000, "Sun, " * 20_000, "1" * 100_000])
def test_long_retry_after_values_take_linear_time(text: str) -> None:
    """A value of a hundred thousand characters is ignored at once."""
    assert parse_retry_after([("retry-after", text), ("date", text)], WALL_CLOCK) is None
