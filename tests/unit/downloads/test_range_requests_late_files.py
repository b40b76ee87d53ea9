"""Decisions about a file that is not there yet: which responses say so, when it is requested again, when that ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import NotAVideoError
from kkiai_sdk._downloads.range_requests import (
    Failed,
    FollowRedirect,
    NextStep,
    NotReady,
    ReadRefusal,
    RefreshURL,
    Restart,
    SaveBody,
    after_refusal,
    after_text,
    next_step,
    next_try,
)
from kkiai_sdk._responses.raw_response import RawResponse
from tests.unit.support import FIXED, START

URL = "https://cdn.example/videos/a.mp4?sig=1"
WAIT = ("retry-after", "7")


def judged(status: int, *headers: tuple[str, str], size: int = 0) -> NextStep:
    """The step after a response, given a part of so many bytes."""
    return next_step(RawResponse(status, headers), size=size, metadata=None, url=URL)


@pytest.mark.fault("D-26", "D-27")
@pytest.mark.parametrize(
    ("status", "step"),
    [
        (202, NotReady("HTTP 202", 7.0)),
        (204, NotReady("HTTP 204", 7.0)),
        (403, NotReady("HTTP 403", 7.0, is_expired=True)),
        (404, NotReady("HTTP 404", 7.0, is_expired=True)),
        (409, NotReady("HTTP 409", 7.0)),
        (425, NotReady("HTTP 425", 7.0)),
        (412, NotReady("HTTP 412", 7.0)),
        (423, NotReady("HTTP 423", 7.0)),
        (408, NotReady("HTTP 408", 7.0)),
        (429, NotReady("HTTP 429", 7.0)),
        (503, NotReady("HTTP 503", 7.0)),
        *((status, ReadRefusal(f"HTTP {status}", status)) for status in (400, 402, 418, 422, 451)),
        (401, RefreshURL()),
        (410, RefreshURL()),
        (304, Failed("HTTP 304", transient=False, retry_after=7.0)),
    ],
)
def test_refusal_of_file_tells_late_from_gone(status: int, step: NextStep) -> None:
    """Statuses before a file appears, and passing ones, are "not ready", with the Retry-After; other bodies count."""
    assert judged(status, WAIT) == step


@pytest.mark.fault("D-26")
@pytest.mark.parametrize(
    ("status", "step"),
    [
        (202, Failed("HTTP 202", transient=False)),
        (403, RefreshURL()),
        (404, RefreshURL()),
        (409, ReadRefusal("HTTP 409", 409)),
        *((status, Failed(f"HTTP {status}", transient=True)) for status in (408, 423, 425, 429, 500, 503)),
        (412, Restart()),
        (416, Restart()),
        (400, ReadRefusal("HTTP 400", 400)),
    ],
)
def test_refusal_of_file_of_which_part_arrived_is_not_late(status: int, step: NextStep) -> None:
    """A file of which a part is on disk was there already, so nothing is waited for."""
    assert judged(status, size=5) == step


@pytest.mark.parametrize(
    ("coding", "step"),
    [
        *(
            (name, SaveBody(0, None, None))
            for name in ("aws-chunked", "binary", "none", "UTF-8", "identity", "utf-8, ")
        ),
        *(
            (name, SaveBody(0, None, None, tuple(name.lower().split(", "))))
            for name in ("gzip", "X-GZip", "deflate", "br", "zstd", "gzip, gzip", "compress")
        ),
        ("aws-chunked,gzip", SaveBody(0, None, None, ("gzip",))),
    ],
)
@pytest.mark.fault("D-18", "D-30", "D-31")
def test_content_coding_is_passed_over_or_kept_for_the_body(coding: str, step: NextStep) -> None:
    """Names that are no coding are passed over; any other is tried on the body; length and tag do not count."""
    assert judged(200, ("content-encoding", coding)) == step


@pytest.mark.fault("D-31")
def test_range_of_packed_file_is_not_used() -> None:
    """A range of a packed body belongs to other bytes: the part is discarded, or the response refused."""
    fields = ("content-encoding", "gzip"), ("content-range", "bytes 5-9/10")
    assert judged(206, *fields, size=5) == Restart()
    assert isinstance(judged(206, *fields), Failed)


@pytest.mark.fault("D-26", "D-27")
@pytest.mark.parametrize(
    ("tries", "now", "retry_after", "at"),
    [
        (1, START, 0.0, START + 1),
        (2, START + 1, 0.0, START + 3),
        (4, START + 7, 0.0, START + 15),
        (9, START + 60, 0.0, START + 70),
        (9, START + 115, 0.0, START + 120),
        (1, START, 30.0, START + 30),
        (1, START, 120.0, START + 120),
        (9, START + 100, 60.0, START + 160),
        (9, START + 100, 61.0, None),
        (1, START, 121.0, None),
        (9, START + 120, 0.0, None),
        (9, START + 121, 5.0, None),
    ],
)
def test_late_file_is_requested_with_growing_gaps_until_the_end(
    tries: int, now: float, retry_after: float, at: float | None
) -> None:
    """Gaps grow to ten seconds, the last one ends with the grace; a Retry-After is kept whole or ends the tries."""
    step = NotReady("HTTP 404", retry_after)
    assert next_try(step, tries=tries, now=now, end=START + 120, max_retry_after=60, random=0.5) == at


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 119.9))
@FIXED
def test_next_try_is_later_and_within_the_grace(tries: int, random: float, elapsed: float) -> None:
    """Whatever the count and the chance: the next request is later than now, and not after the end."""
    at = next_try(NotReady("x"), tries=tries, now=START + elapsed, end=START + 120, max_retry_after=60, random=random)
    assert at is not None
    assert START + elapsed < at <= START + 120


PROBLEM = NotAVideoError("the server sent text/plain instead of a video")


@pytest.mark.fault("D-26", "D-28")
def test_text_in_place_of_file_is_waited_for_followed_or_refused() -> None:
    """Nothing, or "not yet", is waited for; a named URL is followed, once; anything else is the error."""

    def step(text: str, *, size: int = 0, may_follow: bool = True) -> NextStep:
        return after_text(PROBLEM, text, wait=3.0, size=size, url=URL, may_follow=may_follow)

    waiting = step("not ready")
    assert isinstance(waiting, NotReady)
    assert waiting.error is PROBLEM
    assert step(" \n") == step("not ready") == NotReady(str(PROBLEM), 3.0)
    assert (
        step('{"url": "/b"}') == step('{"url": "/b"}', size=5) == FollowRedirect("https://cdn.example/b", is_named=True)
    )
    for text in ("", "not ready", '{"message": "system busy"}'):
        assert step(text, size=5) == Failed(str(PROBLEM), transient=True, retry_after=3.0)
    for text, size, may_follow in [
        ("sorry", 5, True),
        ("sorry", 0, True),
        ('{"url": "/b"}', 0, False),
    ]:
        with pytest.raises(NotAVideoError) as caught:
            step(text, size=size, may_follow=may_follow)
        assert caught.value is PROBLEM


@pytest.mark.fault("D-26")
@pytest.mark.parametrize(
    ("text", "size", "step"),
    [
        ("not ready", 0, NotReady("HTTP 400", 3.0)),
        ("system busy", 5, Failed("HTTP 400", transient=True, retry_after=3.0)),
        ("<Error><Code>ExpiredToken</Code></Error>", 0, RefreshURL()),
        ("the link has expired", 5, RefreshURL()),
        ("the prompt was bad", 0, Failed("HTTP 400", transient=False)),
        ("", 0, Failed("HTTP 400", transient=False)),
    ],
)
def test_text_of_a_refusal_tells_late_busy_and_expired_from_final(text: str, size: int, step: NextStep) -> None:
    """The text of a refusal makes it a late file, a passing failure of one that began, an expired URL, or the end."""
    assert after_refusal(ReadRefusal("HTTP 400", 400), text, wait=3.0, size=size) == step


@pytest.mark.fault("D-15")
def test_text_that_says_expired_in_place_of_a_file_refreshes_the_url() -> None:
    """The error for the text is kept for a fresh URL that is refused as well."""
    step = after_text(PROBLEM, "the link has expired", wait=0.0, size=0, url=URL, may_follow=True)
    assert isinstance(step, RefreshURL)
    assert step.error is PROBLEM


@pytest.mark.parametrize(
    ("location", "url"), [(" /a b.mp4 ", "https://cdn.example/a%20b.mp4"), ("http://[", "http://[")]
)
def test_location_with_spaces_is_escaped(location: str, url: str) -> None:
    """Spaces in a Location are escaped as browsers do; one that cannot be joined is left to the check of URLs."""
    assert judged(302, ("location", location)) == FollowRedirect(url)
