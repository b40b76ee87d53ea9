"""Any response of any bytes gives a task or an APIError."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkiai_sdk import APIError, VideoTask
from kkiai_sdk._responses.error_parser import CODE_RULES, read_query
from kkiai_sdk._responses.raw_response import RawResponse
from kkiai_sdk._responses.status_words import STATES
from kkiai_sdk._responses.task_parser import (
    CODE_PLACES,
    ID_PLACES,
    PROGRESS_PLACES,
    PROMPT_PLACES,
    REASON_PLACES,
    TIME_PLACES,
    URL_PLACES,
    read_task,
)
from tests.support.effort import examples
from tests.unit.support import ASKED, FIXED, GATEWAY, JSON_VALUES, TEXTS, steers

SECRET = "Canary-0123456789"

STATUS_WORDS = st.sampled_from([*STATES, "unknown", "COMPLETED ", ""]) | TEXTS
CODES = st.sampled_from([word for rule in CODE_RULES for word in rule.words]) | JSON_VALUES
PLACES = [*URL_PLACES, *REASON_PLACES, *CODE_PLACES, *ID_PLACES, *PROMPT_PLACES, *TIME_PLACES, *PROGRESS_PLACES]

CONFORMING = st.fixed_dictionaries(
    {
        "id": TEXTS,
        "status": STATUS_WORDS,
        "video_url": st.none() | TEXTS.map("https://cdn.example/{}".format),
        "enhanced_prompt": TEXTS,
        "status_update_time": st.integers(0, 10**14),
    }
)


def _planted(place: tuple[str | int, ...], value: object) -> Any:
    for step in reversed(place):
        value = [value] if isinstance(step, int) else {step: value}
    return value


STRAYING = st.tuples(
    st.dictionaries(
        TEXTS | st.sampled_from(["id", "status", "data", "error", "code", "success"]), JSON_VALUES, max_size=4
    ),
    st.dictionaries(st.just("status"), STATUS_WORDS | JSON_VALUES),
    st.builds(_planted, st.sampled_from(PLACES).map(tuple), JSON_VALUES | st.integers(10**300, 10**301)),
    st.builds(_planted, st.sampled_from(PLACES).map(tuple), JSON_VALUES),
).map(lambda parts: {key: value for part in parts for key, value in part.items()})
REFUSING = st.fixed_dictionaries(
    {"code": CODES, "message": JSON_VALUES | JSON_VALUES.map(json.dumps), "data": st.none()}
)
OBJECTS = st.recursive(
    CONFORMING | STRAYING | REFUSING, lambda inner: st.fixed_dictionaries({"data": inner}), max_leaves=3
)
BODIES = st.one_of(
    OBJECTS.map(json.dumps).map(str.encode),
    OBJECTS.map(json.dumps).flatmap(lambda text: st.integers(0, len(text)).map(lambda end: text[:end].encode())),
    JSON_VALUES.map(json.dumps).map(str.encode),
    st.binary(max_size=200),
    TEXTS.map(lambda text: f"<html><title>{text}{SECRET}".encode("utf-8", "replace")),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["content-type", "retry-after", "retry-after-ms", "date", "location", "x-request-id", "cf-ray"]
        ),
        st.sampled_from(["text/html", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT", "http://[::1", "-0000"])
        | st.text(st.characters(max_codepoint=255), max_size=20),
    ),
    max_size=3,
)
STATUSES = (
    st.just(200) | st.sampled_from([201, 204, 301, 400, 401, 402, 403, 404, 429, 500, 503, 524]) | st.integers(0, 999)
)


def result_of(status: int, headers: list[tuple[str, str]], body: bytes) -> VideoTask | APIError:
    """The task or the error of a response."""
    raw = read_query(RawResponse(status, headers, body), secret=SECRET, wall_clock=784_111_777.5)
    if isinstance(raw, APIError):
        return raw
    return read_task(raw, ASKED, base_url=GATEWAY, request_id=None)


@given(STATUSES, HEADERS, BODIES)
@settings(FIXED, max_examples=examples(2000))
@pytest.mark.fault("J-19")
def test_any_response_gives_a_task_or_an_api_error(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Any response gives a VideoTask or an APIError that can be printed, pickled and copied."""
    meaning = result_of(status, headers, body)
    assert isinstance(meaning, VideoTask | APIError)
    repr(meaning)
    copied = pickle.loads(pickle.dumps(meaning))
    if isinstance(meaning, VideoTask):
        assert 200 <= status < 300
        assert copied == meaning
        assert VideoTask.from_dict(json.loads(meaning.to_json())) == meaning
        assert meaning.id == ASKED
        assert meaning.progress is None or 0 <= meaning.progress <= 1
        assert (meaning.failure is None) is (not meaning.is_failed)
    else:
        assert (copied.args, str(copied)) == (meaning.args, str(meaning))
        assert not steers(str(meaning))
        assert SECRET not in f"{meaning!r}{vars(meaning)!r}"
