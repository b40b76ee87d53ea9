"""The resume matrix: request headers for a part file and its metadata, and the next step for each response."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import DownloadError
from kkiai_sdk._downloads.range_requests import (
    Failed,
    FollowRedirect,
    NextStep,
    ReadRefusal,
    RefreshURL,
    Restart,
    ResumeMetadata,
    SaveBody,
    check_size,
    has_framing,
    is_strong,
    next_step,
    parse_metadata,
    request_headers,
)
from kkiai_sdk._responses.raw_response import RawResponse
from tests.unit.support import ASKED, FIXED, JSON_VALUES, brief

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://cdn.example/videos/a.mp4?sig=1"
METADATA = ResumeMetadata(ASKED, '"v1"', 1000)
RANGE = ("content-range", "bytes 300-999/1000")
ALL = ("content-range", "bytes 0-999/1000")
CHANGED = "Sun, 10 May 2026 11:00:00 GMT"
DATED = ResumeMetadata(ASKED, CHANGED, 1000)
WHOLE = ("content-length", "9")


def decide(
    status: int, *headers: tuple[str, str], size: int = 300, metadata: ResumeMetadata | None = METADATA
) -> NextStep:
    """The next step after a response, with a part file of ``size`` bytes."""
    return next_step(RawResponse(status, headers), size=size, metadata=metadata, url=URL)


@pytest.mark.fault("D-06", "D-08", "D-09")
@pytest.mark.parametrize(
    ("size", "metadata", "asked"),
    [
        (300, METADATA, {"Range": "bytes=300-", "If-Range": '"v1"'}),
        (1, METADATA, {"Range": "bytes=1-", "If-Range": '"v1"'}),
        (999, METADATA, {"Range": "bytes=999-", "If-Range": '"v1"'}),
        (0, METADATA, {}),
        (300, None, {}),
        (1000, METADATA, {}),
        (1001, METADATA, {}),
        (300, DATED, {"Range": "bytes=300-", "If-Range": CHANGED}),
    ],
)
def test_range_request_is_sent_only_with_metadata_that_proves_the_part(
    size: int, metadata: ResumeMetadata | None, asked: dict[str, str]
) -> None:
    """A range is requested only if metadata proves which file the part belongs to; no content coding is accepted."""
    headers = request_headers(size, metadata)
    assert headers.pop("Accept").startswith("video/*")
    assert headers == {"Accept-Encoding": "identity"} | asked


MATRIX: dict[str, tuple[Callable[[], NextStep], NextStep]] = {
    "the rest of the same file": (partial(decide, 206, RANGE, ("etag", '"v1"')), SaveBody(300, 1000, '"v1"')),
    "the rest, without a tag": (partial(decide, 206, RANGE), SaveBody(300, 1000, '"v1"')),
    "the rest, with a weak tag": (partial(decide, 206, RANGE, ("etag", 'W/"v1"')), SaveBody(300, 1000, '"v1"')),
    "another start": (partial(decide, 206, ("content-range", "bytes 200-999/1000")), Restart()),
    "another end": (partial(decide, 206, ("content-range", "bytes 300-998/1000")), Restart()),
    "a piece of the rest": (
        partial(decide, 206, ("content-range", "bytes 300-998/1000"), ("content-length", "699")),
        SaveBody(300, 1000, '"v1"'),
    ),
    "a piece of the rest, with another length": (
        partial(decide, 206, ("content-range", "bytes 300-998/1000"), ("content-length", "700")),
        Restart(),
    ),
    "a piece of the rest, of another file": (
        partial(decide, 206, ("content-range", "bytes 300-998/1000"), ("content-length", "699"), ("etag", '"v2"')),
        Restart(),
    ),
    "a piece that ends before it starts": (
        partial(decide, 206, ("content-range", "bytes 300-299/1000"), ("content-length", "0")),
        Restart(),
    ),
    "the whole, transformed": (partial(decide, 203, ("content-length", "1000")), SaveBody(0, 1000, None)),
    "another condition": (partial(decide, 412), Restart()),
    "another total": (partial(decide, 206, ("content-range", "bytes 300-1000/1001")), Restart()),
    "another file": (partial(decide, 206, RANGE, ("etag", '"v2"')), Restart()),
    "another file, with a weak tag": (partial(decide, 206, RANGE, ("etag", 'W/"v2"')), Restart()),
    "another date beside the tag": (
        partial(decide, 206, RANGE, ("etag", '"v1"'), ("last-modified", "yesterday")),
        SaveBody(300, 1000, '"v1"'),
    ),
    "the rest by date": (
        partial(decide, 206, RANGE, ("last-modified", CHANGED), metadata=DATED),
        SaveBody(300, 1000, CHANGED),
    ),
    "the rest by date, with none": (partial(decide, 206, RANGE, metadata=DATED), SaveBody(300, 1000, CHANGED)),
    "another date": (
        partial(decide, 206, RANGE, ("last-modified", CHANGED.replace("11", "12")), metadata=DATED),
        Restart(),
    ),
    "a tag where there was a date": (partial(decide, 206, RANGE, ("etag", '"v1"'), metadata=DATED), Restart()),
    "unknown total": (partial(decide, 206, ("content-range", "bytes 300-999/*")), Restart()),
    "no Content-Range": (partial(decide, 206), Restart()),
    "multipart": (partial(decide, 206, ("content-type", "multipart/byteranges; boundary=x")), Restart()),
    "damaged Content-Range": (partial(decide, 206, ("content-range", "bytes 300-/1000")), Restart()),
    "other unit": (partial(decide, 206, ("content-range", "cows 300-999/1000")), Restart()),
    "huge numbers": (partial(decide, 206, ("content-range", f"bytes 300-{'9' * 5000}/1000")), Restart()),
    "a range that nobody asked for": (partial(decide, 206, RANGE, size=0, metadata=None), Restart()),
    "all of it, that nobody asked for": (
        partial(decide, 206, ALL, ("etag", '"v1"'), size=0, metadata=None),
        SaveBody(0, 1000, '"v1"'),
    ),
    "all of it, and nothing to go on from": (
        partial(decide, 206, ALL, size=300, metadata=None),
        SaveBody(0, 1000, None),
    ),
    "all of it instead of the rest": (partial(decide, 206, ALL, ("etag", '"v1"')), Restart()),
    "all but the last byte": (
        partial(decide, 206, ("content-range", "bytes 0-998/1000"), size=0, metadata=None),
        Restart(),
    ),
    "all but the first byte": (
        partial(decide, 206, ("content-range", "bytes 1-999/1000"), size=0, metadata=None),
        Restart(),
    ),
    "all of nobody knows how much": (
        partial(decide, 206, ("content-range", "bytes 0-999/*"), size=0, metadata=None),
        Restart(),
    ),
    "the whole": (partial(decide, 200, ("content-length", "1000"), ("etag", '"v1"')), SaveBody(0, 1000, '"v1"')),
    "the whole of another file": (
        partial(decide, 200, ("content-length", "9"), ("etag", '"v2"')),
        SaveBody(0, 9, '"v2"'),
    ),
    "the whole, with a weak tag": (
        partial(decide, 200, ("content-length", "9"), ("etag", 'W/"v2"')),
        SaveBody(0, 9, None),
    ),
    "the whole, with a date only": (partial(decide, 200, ("last-modified", "yesterday")), SaveBody(0, None, None)),
    "the whole, without a length": (partial(decide, 200), SaveBody(0, None, None)),
    "the whole, with a bad length": (partial(decide, 200, ("content-length", "-5")), SaveBody(0, None, None)),
    "the whole, with a huge length": (partial(decide, 200, ("content-length", "9" * 19)), SaveBody(0, None, None)),
    "the whole, identity": (partial(decide, 200, ("content-encoding", "identity")), SaveBody(0, None, None)),
    "out of range": (partial(decide, 416, ("content-range", "bytes */1000")), Restart()),
    "out of range from the start": (
        partial(decide, 416, size=0, metadata=None),
        ReadRefusal("HTTP 416", 416),
    ),
    "the whole, with a foreign length": (
        partial(decide, 200, ("content-length", "\u0663")),
        SaveBody(0, None, None),
    ),
    "the whole, compressed": (
        partial(decide, 200, ("content-encoding", "gzip")),
        SaveBody(0, None, None, ("gzip",)),
    ),
    "busy for some seconds": (
        partial(decide, 503, ("retry-after", "7")),
        Failed("HTTP 503", transient=True, retry_after=7.0),
    ),
    "busy until a date": (
        partial(decide, 503, ("retry-after", "Thu, 01 Jan 1970 00:00:09 GMT")),
        Failed("HTTP 503", transient=True, retry_after=9.0),
    ),
    **{f"{status}": (partial(decide, status), RefreshURL()) for status in (401, 403, 404, 410)},
    **{
        f"{status}": (partial(decide, status), Failed(f"HTTP {status}", transient=True))
        for status in (408, 425, 429, 500, 503, 520)
    },
    **{f"{status}": (partial(decide, status), Failed(f"HTTP {status}", transient=False)) for status in (204, 304)},
    **{
        f"{status}": (partial(decide, status), ReadRefusal(f"HTTP {status}", status))
        for status in (400, 402, 409, 418, 422, 451)
    },
}


@pytest.mark.fault("D-01", "D-02", "D-03", "D-04", "D-05", "D-07")
@pytest.mark.parametrize("case", MATRIX)
def test_bytes_are_appended_only_to_proven_parts(case: str) -> None:
    """Bytes are appended only when the server proves that they continue the same file."""
    answered, expected = MATRIX[case]
    assert answered() == expected


#: The date of a file's last change, the date of the answer, and whether the first proves which version it is.
DATES: list[tuple[str, str, bool]] = [
    (CHANGED, "Sun, 10 May 2026 11:01:00 GMT", True),
    (CHANGED, "Mon, 10 May 2027 11:00:00 GMT", True),
    (CHANGED, "Sun, 10 May 2026 11:00:59 GMT", False),
    (CHANGED, CHANGED, False),
    (CHANGED, "Sun, 10 May 2026 10:00:00 GMT", False),
    (CHANGED, "", False),
    ("", CHANGED, False),
    (CHANGED, "now", False),
    ("yesterday", CHANGED, False),
    ("Sunday, 10-May-26 10:00:00 GMT", CHANGED, False),
    ("Sun May 10 10:00:00 2026", CHANGED, False),
    ("Sun, 10 May 2026 10:00:00 +0000", CHANGED, False),
    ("Sun, 99 May 2026 10:00:00 GMT", CHANGED, False),
    ("Sun, 10 Cow 2026 10:00:00 GMT", CHANGED, False),
]


@pytest.mark.fault("D-09")
@pytest.mark.parametrize(("changed", "now", "proves"), DATES)
def test_date_is_a_strong_validator_only_a_minute_after_the_change(changed: str, now: str, proves: bool) -> None:  # noqa: FBT001 (a column)
    """A date proves a version only if the file had not changed for a minute when it was sent."""
    verdict = decide(200, WHOLE, ("last-modified", changed), ("date", now), size=0, metadata=None)
    assert verdict == SaveBody(0, 9, changed if proves else None)


@pytest.mark.fault("D-09")
@pytest.mark.parametrize("tag", ['W/"v1"', "v1", '""'])
def test_date_beside_a_weak_tag_proves_nothing(tag: str) -> None:
    """A date does not replace a weak tag: HTTP allows it only without any tag."""
    dates = ("last-modified", CHANGED), ("date", "Sun, 10 May 2026 12:00:00 GMT")
    assert decide(200, WHOLE, ("etag", tag), *dates, size=0, metadata=None) == SaveBody(0, 9, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.example/b?x=1", "https://other.example/b?x=1"),
        ("/b", "https://cdn.example/b"),
        ("b", "https://cdn.example/videos/b"),
        ("//other.example/b", "https://other.example/b"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_redirect_leads_to_its_location(status: int, location: str, target: str) -> None:
    """A redirect leads to its Location, which is checked next; an invalid URL is passed on to that check."""
    assert decide(status, ("location", location)) == FollowRedirect(target)


def test_redirect_without_location_is_a_permanent_failure() -> None:
    """A redirect without a Location is a failure that is not transient."""
    assert decide(302) == decide(307, ("location", "")) == Failed("redirect without a Location header", transient=False)


@pytest.mark.fault("B-05", "D-20")
@pytest.mark.parametrize(
    ("headers", "version", "framed"),
    [
        ([("content-length", "5")], "HTTP/1.1", True),
        ([("transfer-encoding", "Chunked")], "HTTP/1.1", True),
        ([], "HTTP/1.1", False),
        ([("content-length", "")], "HTTP/1.0", False),
        ([], "HTTP/2", True),
    ],
)
def test_framing_is_known_by_length_chunks_or_http2(headers: list[tuple[str, str]], version: str, framed: bool) -> None:  # noqa: FBT001 (a column)
    """Only a body with a length, in chunks, or in HTTP/2 has an end that differs from a cut connection."""
    assert has_framing(RawResponse(200, headers, http_version=version)) is framed


def test_metadata_round_trips_through_its_file() -> None:
    """Metadata that was written is read back equal."""
    for note in (METADATA, DATED, ResumeMetadata(ASKED, '"v1"', 1)):
        assert parse_metadata(json.dumps(asdict(note))) == note


DAMAGE: list[Any] = [
    None,
    [],
    "text",
    5,
    {},
    {"task_id": "x", "validator": '"v1"'},
    {"task_id": "x", "validator": '"v1"', "total": "1000"},
    {"task_id": "x", "validator": '"v1"', "total": 1000.0},
    {"task_id": "x", "validator": '"v1"', "total": True},
    {"task_id": "x", "validator": '"v1"', "total": 0},
    {"task_id": "x", "validator": '"v1"', "total": -1},
    {"task_id": "x", "validator": 'W/"v1"', "total": 1000},
    {"task_id": "x", "validator": "v1\r\nX: y", "total": 1000},
    {"task_id": "x", "validator": "yesterday", "total": 1000},
    {"task_id": "x", "validator": f"{CHANGED}\r\nX: y", "total": 1000},
    {"task_id": 5, "validator": '"v1"', "total": 1000},
    {"task_id": "x", "validator": None, "total": 1000},
    {"task_id": "x", "validator": '"v1"', "total": 1000, "url": "https://cdn.example"},
]


@pytest.mark.fault("D-10")
@pytest.mark.parametrize("damaged", DAMAGE, ids=brief)
def test_damaged_metadata_is_ignored(damaged: object) -> None:
    """Metadata that is damaged, incomplete or of another format is read as None."""
    assert parse_metadata(json.dumps(damaged)) is None


@pytest.mark.fault("D-10")
@given(
    st.text(max_size=60)
    | st.dictionaries(st.sampled_from(["task_id", "validator", "total"]), JSON_VALUES).map(json.dumps)
)
@FIXED
def test_any_metadata_text_gives_valid_metadata_or_none(text: str) -> None:
    """Any text is read as valid metadata or as None."""
    note = parse_metadata(text)
    assert note is None or (note.total > 0 and (is_strong(note.validator) or note.validator.endswith("GMT")))


def test_header_repeated_gives_its_first_value() -> None:
    """Of a repeated header the first value counts; a missing one is None."""
    response = RawResponse(200, [("etag", '"a"'), ("etag", '"b"')])
    assert (response.header("etag"), response.header("content-type")) == ('"a"', None)


@pytest.mark.parametrize("tag", ['"abc"', '"a-b:c/d"', '"!"', '"W/"'])
def test_quoted_tag_is_strong(tag: str) -> None:
    """A quoted entity tag is a strong one."""
    assert is_strong(tag)


@pytest.mark.fault("D-09")
@pytest.mark.parametrize(
    "tag", ["", "abc", 'W/"abc"', '""', '"a"b"', '"a b"', '"a\n"', '"é"', '"abc', f'"{"x" * 513}"', '"a"\n']
)
def test_weak_or_damaged_tag_is_not_strong(tag: str) -> None:
    """A weak, empty, unquoted or damaged tag proves nothing."""
    assert not is_strong(tag)


@pytest.mark.parametrize(("expected", "max_bytes"), [(None, 5), (5, None), (5, 5), (0, 5), (None, None)])
def test_size_within_the_limit_is_accepted(expected: int | None, max_bytes: int | None) -> None:
    """A file that is not larger than allowed, or of unknown size, is accepted."""
    check_size(expected, max_bytes, URL)


@pytest.mark.fault("D-19")
def test_size_over_the_limit_is_rejected_with_both_sizes() -> None:
    """A file that is larger than the caller allows is rejected, with both sizes."""
    with pytest.raises(DownloadError, match="the video has 6 bytes, more than max_bytes=5") as caught:
        check_size(6, 5, URL)
    assert caught.value.url == URL
