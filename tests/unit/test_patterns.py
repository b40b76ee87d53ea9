"""No pattern of ours takes more than a straight line of time: texts made to tire patterns are read at once.

A pattern that looks at each of 100,000 characters from each of them takes minutes: a test of this file would not end.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkiai_sdk import KkiaiError
from kkiai_sdk import _redaction as _text
from kkiai_sdk import _validators as _checks
from kkiai_sdk._downloads import range_requests as _saving
from kkiai_sdk._downloads import urls as _vetting
from kkiai_sdk._http import retry as _retry
from kkiai_sdk._responses import error_parser as _refusals
from kkiai_sdk._responses import strict_json as _json
from kkiai_sdk.cli import options as _input
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 100_000


def _read(text: str) -> object:
    return _refusals.read_answer(_refusals.Answer(200, [], text.encode("utf-8", "replace")))


def _refuse(text: str) -> object:
    return _refusals.read_facts({"message": text, "code": text})


def _classify(text: str) -> object:
    return [_refusals.classify(status, _refusals.Facts(text, text, text)) for status in (400, 401)]


#: Everything that holds a text against a pattern.
READERS: dict[str, Callable[[str], object]] = {
    "redact": lambda text: _text.redact(text, "secret"),
    "message": _text.message,
    "without_query": _text.without_query,
    "read_loosely": _json.read_loosely,
    "read_answer": _read,
    "read_facts": _refuse,
    "classify": _classify,
    "retry_after": lambda text: _retry.parse_retry_after([("retry-after", text), ("date", text)], 1000.25),
    "file_name": _saving.file_name,
    "read_note": _saving.read_note,
    "vet": lambda text: _vetting.vet(f"https://{text}", "https://h.example"),
    "vet a path": lambda text: _vetting.vet(f"https://a.example/{text}", "https://h.example"),
    "base_url": lambda text: _checks.base_url(f"https://{text}"),
    "headers": lambda text: _checks.headers("extra_headers", {text: text}),
    "task_id": _checks.task_id,
    "api_key": _checks.api_key,
    "duration": lambda text: _input.duration("--timeout", text),
    "byte_count": lambda text: _input.byte_count("--max-bytes", text),
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
def test_a_piece_over_and_over(name: str) -> None:
    """A text of 100,000 characters that is one piece over and over is read at once, with an end that fits nothing."""
    for piece in PIECES:
        with suppress(KkiaiError):
            READERS[name](piece * (SIZE // len(piece)) + "\x01!")


@pytest.mark.fault("S-16")
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=examples(25), deadline=None, derandomize=True)
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
def test_pieces_in_a_row(name: str, pieces: list[str]) -> None:
    """So is one that is a row of several pieces over and over."""
    row = "".join(pieces)
    with suppress(KkiaiError):
        READERS[name]((row * (SIZE // len(row) + 1))[:SIZE])
