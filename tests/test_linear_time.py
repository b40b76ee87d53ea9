"""No pattern of ours takes more than a straight line of time: texts made to tire patterns are read at once.

A pattern that looks at each of 100,000 characters from each of them takes minutes: a test of this file would not end.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkiai_sdk import KkiaiError, _redaction, _validators
from kkiai_sdk._downloads import range_requests, urls
from kkiai_sdk._responses import error_parser, raw_response, strict_json
from kkiai_sdk.cli import options
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 100_000


def _read(text: str) -> object:
    return error_parser.read_query(raw_response.RawResponse(200, [], text.encode("utf-8", "replace")))


def _refuse(text: str) -> object:
    return error_parser.read_fields({"message": text, "code": text})


def _classify(text: str) -> object:
    fields = error_parser.read_fields({"message": text, "code": text, "type": text})
    return [error_parser.classify(status, fields) for status in (400, 401)]


#: Everything that holds a text against a pattern.
READERS: dict[str, Callable[[str], object]] = {
    "redact": lambda text: _redaction.redact(text, "secret"),
    "message": _redaction.message,
    "without_query": _redaction.without_query,
    "parse_leniently": strict_json.parse_leniently,
    "read_query": _read,
    "read_fields": _refuse,
    "classify": _classify,
    "retry_after": lambda text: raw_response.parse_retry_after([("retry-after", text), ("date", text)], 1000.25),
    "file_name": range_requests.file_name,
    "parse_metadata": range_requests.parse_metadata,
    "check_url": lambda text: urls.check_url(f"https://{text}", "https://h.example"),
    "check_url a path": lambda text: urls.check_url(f"https://a.example/{text}", "https://h.example"),
    "base_url": lambda text: _validators.base_url(f"https://{text}"),
    "headers": lambda text: _validators.headers("extra_headers", {text: text}),
    "task_id": _validators.task_id,
    "api_key": _validators.api_key,
    "duration": lambda text: options.duration("--timeout", text),
    "byte_count": lambda text: options.byte_count("--max-bytes", text),
}
#: Pieces that patterns like ours can be tired with: what they repeat, begin with, or look for the end of.
PIECES = [
    *(
        '"',
        "\\",
        '\\"',
        '"\\',
        "[",
        "{",
        "{[",
        '["',
        "a",
        " ",
        "\n",
        "\t",
        "0",
        "1.",
        "9h",
        "9" * 10 + "h",
        "sk-",
        "sk-a",
    ),
    *(
        "Bearer ",
        "bearer",
        "http://",
        "http://a?",
        "https://a#",
        "?",
        "(request id: ",
        "(",
        "<title",
        "<title>",
        "<html",
    ),
    *(
        "quota",
        "quota ",
        "insufficient ",
        "task ",
        "task id ",
        "not ",
        "额度",
        "额度已",
        ".",
        "-",
        "_",
        "a.",
        "-.",
        "%2f",
    ),
    *("é", "\u202e", "\ud800", "\0", "data:", "/", "//", "@", ":", "::", "[::", ",", ";", "=", "W/", "bytes 0-"),
]


@pytest.mark.deep
@pytest.mark.no_cover
@pytest.mark.fault("S-16")
@pytest.mark.parametrize("name", READERS)
def test_repeated_piece_takes_linear_time(name: str) -> None:
    """A text of 100,000 characters that repeats one piece is read at once, with an end that matches nothing."""
    for piece in PIECES:
        with suppress(KkiaiError):
            READERS[name](piece * (SIZE // len(piece)) + "\x01!")


@pytest.mark.fault("S-16")
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=examples(25), deadline=None, derandomize=True)
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
def test_repeated_row_of_pieces_takes_linear_time(name: str, pieces: list[str]) -> None:
    """A text that repeats a row of several pieces is read at once."""
    row = "".join(pieces)
    with suppress(KkiaiError):
        READERS[name]((row * (SIZE // len(row) + 1))[:SIZE])
