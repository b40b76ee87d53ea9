"""Strict JSON parsing for answers, lenient parsing for error bodies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import APIResponseError, TaskState
from kkiai_sdk._responses.error_parser import MAX_BODY
from kkiai_sdk._responses.strict_json import MAX_DEPTH, parse_leniently, parse_object
from tests.unit.support import FIXED, JSON_VALUES, TEXTS, read, refused

DEEP = b"[" * 100_000 + b"]" * 100_000

#: Bodies that are no answer, and a piece of what the error says about them.
NO_ANSWERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "an empty body"),
    "white space": (b" \r\n\t ", "an empty body"),
    "byte order mark alone": (b"\xef\xbb\xbf", "not JSON"),
    "truncated": (b'{"id": "x"', "not JSON"),
    "truncated inside a text": (b'{"id": "x', "not JSON"),
    "list": (b"[]", "a list where an object"),
    "null": (b"null", "null where an object"),
    "text": (b'"hi"', "a string where an object"),
    "number": (b"5", "a number where an object"),
    "float": (b"5.5", "a number where an object"),
    "boolean": (b"false", "a boolean where an object"),
    "nested lists": (DEEP, "nested more than 64"),
    "nested objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested more than 64"),
    "nested inside an object": (b'{"a":' + DEEP + b"}", "nested more than 64"),
    "never closed": (b'{"a":' + b"[" * 100_000, "nested more than 64"),
    "invalid UTF-8": (b'{"id": "\xff\xfe"}', "not JSON"),
    "overlong UTF-8": (b'{"id": "\xc0\xaf"}', "not JSON"),
    "encoded surrogate": (b'{"id": "\xed\xa0\x80"}', "not JSON"),
    "UTF-16": ('{"id": "x"}'.encode("utf-16"), "not JSON"),
    "UTF-16 without a mark": ('{"id": "x"}'.encode("utf-16-le"), "not JSON"),
    "NaN": (b'{"progress": NaN}', "not JSON"),
    "Infinity": (b'{"progress": Infinity}', "not JSON"),
    "-Infinity": (b'{"progress": -Infinity}', "not JSON"),
    "1e999": (b'{"progress": 1e999}', "not JSON"),
    "-1e999, unused": (b'{"other": [-1e999]}', "not JSON"),
    "integer of 5000 digits": (b'{"status_update_time": ' + b"9" * 5000 + b"}", "not JSON"),
    "single quotes": (b"{'id': 'x'}", "not JSON"),
    "trailing comma": (b'{"id": "x",}', "not JSON"),
    "comment": (b'{"id": "x"} // cow', "not JSON"),
    "two documents": (b'{"id": "x"}{"id": "y"}', "not JSON"),
    "control character in a text": (b'{"id": "a\x00b"}', "not JSON"),
    "bad escape": (b'{"id": "\\x41"}', "not JSON"),
    "leading zero": (b'{"progress": 01}', "not JSON"),
    "leading plus": (b'{"progress": +1}', "not JSON"),
    "bare decimal point": (b'{"progress": 1.}', "not JSON"),
    "name without quotes": (b'{id: "x"}', "not JSON"),
    "number as a name": (b'{1: "x"}', "not JSON"),
    "list of two tasks": (b'[{"status": "queued"}, {"status": "queued"}]', "a list where an object"),
    "list of an object without a status": (b'[{"id": "x"}]', "a list where an object"),
    "JSON of a text": (b'"[1]"', "a string where an object"),
    "brackets without end": (b'{"a": [' + b"[]," * (1 << 18) + b"[]]}", "more than 262,144 lists and objects"),
}


@pytest.mark.parametrize("case", NO_ANSWERS)
@pytest.mark.fault("J-02", "J-03", "J-04", "J-05", "J-06", "J-07", "J-08", "J-10")
def test_body_that_is_no_json_object_is_rejected(case: str) -> None:
    """A body that is no JSON object is an APIResponseError that describes it, never another exception."""
    body, says = NO_ANSWERS[case]
    error = refused(200, body)
    assert type(error) is APIResponseError
    assert says in str(error)
    assert error.transient
    assert len(error.body_snippet) <= 200


@pytest.mark.parametrize("case", NO_ANSWERS)
@pytest.mark.fault("J-17")
def test_invalid_error_body_is_classified_by_status(case: str) -> None:
    """The same bodies under an error status are classified by the status."""
    error = refused(422, NO_ANSWERS[case][0])
    assert type(error).__name__ == "UnprocessableEntityError"
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"id": "x", "status": "queued"}',
        b' \n{"id": "x", "status": "queued"}\r\n',
        b'{"id": "\\ud800", "status": "queued"}',
        b'{"id": "x", "status": "failed", "status": "queued"}',
        b'{"id": "x", "status": "queued", "n": 1e-999}',
        b'{"id": "x", "status": "queued", "n": ' + b"9" * 4000 + b"}",
        b'{"id": "x", "status": "queued", "n": ' + b"[" * 60 + b"]" * 60 + b"}",
        b'{"id": "x", "status": "queued", "n": "' + b"[" * 5000 + b'"}',
        b'{"id": "x", "status": "queued", "n": "\\"' + b"{" * 5000 + b'\\""}',
        b'{"id": "x", "status": "queued", "n": [' + b"[]," * 5000 + b"[]]}",
        b'{"id": "x", "status": "queued", "n": [' + b'["a"],' * 5000 + b"[]]}",
        b'{"id": "' + b"x" * (MAX_BODY - 30) + b'", "status": "queued"}',
        b'[{"id": "x", "status": "queued"}]',
        b'"{\\"id\\": \\"x\\", \\"status\\": \\"queued\\"}"',
    ],
    ids=[
        "mark",
        "space",
        "surrogate",
        "twice",
        "tiny",
        "long",
        "deep",
        "brackets-in-text",
        "escaped-quotes",
        "wide",
        "texts",
        "megabytes",
        "list-of-one",
        "text",
    ],
)
@pytest.mark.fault("J-07", "J-09", "J-11", "J-26")
def test_unusual_but_valid_json_is_accepted(body: bytes) -> None:
    """A byte order mark, lone surrogates, long numbers, brackets in strings and duplicate keys are accepted."""
    assert read(body).state is TaskState.PENDING


@pytest.mark.parametrize("status", [200, 201, 202, 203, 299])
def test_task_under_any_success_status_is_a_task(status: int) -> None:
    """A task under any success status is read as a task."""
    assert read({"id": "x", "status": "queued"}, status=status).state is TaskState.PENDING


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "an empty body"),
        (b"moo", "a body that is not JSON"),
        (b"[" * 65, "JSON nested more than 64 levels deep"),
        (b"[]", "JSON that is a list where an object was expected"),
    ],
    ids=["empty", "not JSON", "deep", "list"],
)
def test_json_problem_is_named(body: bytes, says: str) -> None:
    """Each problem is named in words that fit into a sentence."""
    with pytest.raises(ValueError, match=f"^{says}$"):
        parse_object(body)


def test_sibling_brackets_do_not_count_as_depth() -> None:
    """64 levels with more than 64 brackets are read."""
    body = b'{"a":[' + b"[]," * 9 + b"[" * 62 + b"]" * 62 + b"]}"
    assert isinstance(parse_object(body), dict)


@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b'{"a":[', b"]}")])
def test_nesting_is_limited_to_sixty_four_levels(opening: bytes, closing: bytes) -> None:
    """64 levels are read, be they objects or lists; 65 are not."""
    levels = MAX_DEPTH // len(closing)
    fits = opening * levels + b"1" + closing * levels
    assert isinstance(parse_object(fits), dict)
    assert parse_leniently(fits.decode()) == parse_object(fits)
    with pytest.raises(ValueError, match="64 levels"):
        parse_object(b'{"a":' + fits + b"}")
    assert parse_leniently(f"[{fits.decode()}]") is None


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\", b"[", b'"[', b'\\\\"'])
@pytest.mark.fault("S-16")
def test_depth_check_takes_linear_time(piece: bytes) -> None:
    """A megabyte of quotes, escapes and brackets is read at once: quadratic time would not end."""
    for start in (b"[" * 65 + b'"', b'"' + b"[" * 65, b"{" * 65):
        refused(200, start + piece * 300_000)
        assert not isinstance(parse_leniently((start + piece * 300_000).decode()), dict)


@given(st.dictionaries(TEXTS, JSON_VALUES, max_size=4))
@FIXED
def test_any_json_object_round_trips(value: dict[str, object]) -> None:
    """Every JSON object is parsed to an equal one."""
    assert parse_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('  {"a": 1} {"b": 2}', {"a": 1}),
        ('{"a": 1} trailing cows', {"a": 1}),
        ('["\ud800"]', ["\ud800"]),
        ("null", None),
        ("cow", None),
        ("", None),
        ("9" * 5000, None),
        ("[" * 100, None),
    ],
)
def test_first_json_document_of_an_error_body_is_parsed(text: str, value: object) -> None:
    """The first JSON document of an error body is parsed; without one the result is None."""
    assert parse_leniently(text) == value
