"""Shared by the unit tests: settings of Hypothesis, constructors of responses, errors and tasks, JSON strategies."""

from __future__ import annotations

import json
import os
import unicodedata
from typing import TYPE_CHECKING, Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from kkiai_sdk import APIError, VideoTask
from kkiai_sdk._responses.error_parser import MAX_BODY, read_query
from kkiai_sdk._responses.raw_response import RawResponse
from kkiai_sdk._responses.task_parser import read_task
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

GATEWAY = "https://gateway.example"
ASKED = "grok:7f3c"
#: Where every fake clock starts: not a round number, and not one that adds up to itself.
START = 1000.25

#: Fewer where every mutant of a function pays for them, and none made smaller: nobody reads why a mutant fails.
MUTATING = "MUTANT_UNDER_TEST" in os.environ
EXAMPLES = 25 if MUTATING else examples(200)
PHASES = (Phase.explicit, Phase.generate) if MUTATING else tuple(Phase)
#: The same examples on every run, nothing written to disk, no limit on a slow machine.
FIXED = settings(derandomize=True, database=None, deadline=None, max_examples=EXAMPLES, phases=PHASES)

#: Text as JSON can hold it, lone surrogates included.
TEXTS = st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C"]), max_size=30)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def answer(status: int, body: object = b"", *headers: tuple[str, str]) -> RawResponse:
    """A decoded response; a body that is neither bytes nor text is serialized as JSON."""
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    raw = RawResponse(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())
    return raw.decoded(MAX_BODY)


def refused(status: int, body: object = b"", *headers: tuple[str, str], secret: str | None = None) -> APIError:
    """The error of a response."""
    error = read_query(answer(status, body, *headers), secret=secret)
    assert isinstance(error, APIError)
    return error


def read(
    body: object, *, status: int = 200, task_id: str = ASKED, headers: Sequence[tuple[str, str]] = ()
) -> VideoTask:
    """The task of a response."""
    raw = read_query(answer(status, body, *headers))
    assert isinstance(raw, dict), raw
    return read_task(raw, task_id, base_url=GATEWAY)


def everything_in(error: BaseException) -> str:
    """Text, repr, arguments and attributes of an error."""
    return "\n".join([str(error), repr(error), repr(error.args), repr(vars(error))])


def steers(text: str) -> bool:
    """Whether a text has a control or format character, a surrogate, or a line break, which control a terminal."""
    return any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in text)


def brief(value: object) -> str:
    """A short test id for a value of any size."""
    return "huge" if isinstance(value, int) and abs(value) > 10**30 else ascii(value)[:40]
