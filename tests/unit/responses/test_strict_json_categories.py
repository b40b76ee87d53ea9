"""The categories of common JSON test collections, with separate cases for each."""

from __future__ import annotations

import pytest

from kkiai_sdk import APIError, APIResponseError
from kkiai_sdk._responses.error_parser import read_query
from kkiai_sdk._responses.raw_response import RawResponse
from kkiai_sdk._responses.strict_json import parse_object

#: Values that every parser must read, as the member of an object.
ACCEPTED: dict[str, list[bytes]] = {
    "lists": [b"[]", b"[ ]", b"[[]]", b"[1]", b"[null, 1, [2]]", b"[\n1\r,\t2 ]", b"[false]", b'[""]', b"[{}]"],
    "objects": [b"{}", b'{"":0}', b'{"a":{"a":{}}}', b'{"a":1,"a":2}', b'{"a\\u0000b":1}', b'{ "k" : [ ] }'],
    "numbers": [b"0", b"-0", b"1", b"-17", b"123456789012345678901234567890", b"0.5", b"-1.25", b"2.50"],
    "exponents": [b"1e2", b"1E2", b"1e+2", b"1E-2", b"0e1", b"0e+1", b"1.5e3", b"1e-400", b"-0.0e-0"],
    "words": [b"true", b"false", b"null"],
    "texts": [b'""', b'" "', b'"a/b"', b'"/"', b'"\xc3\xa9"', b'"\xe2\x82\xac"', b'"\xf0\x9d\x84\x9e"', b'"\x7f"'],
    "escapes": [b'"\\""', b'"\\\\"', b'"\\/"', b'"\\b\\f\\n\\r\\t"', b'"\\u0041"', b'"\\uD834\\udd1e"', b'"\\u0000"'],
    "noncharacters": [b'"\\uFFFF"', b'"\\uFDD0"', b'"\\uDBFF\\uDFFE"', b'"\xef\xbf\xbf"', b'"\xe2\x80\xa8"'],
}
#: Values that no parser may read.
REFUSED: dict[str, list[bytes]] = {
    "lists": [b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1,,2]", b"[1 2]", b"[1:2]", b"[]]", b"[[]", b"[1}"],
    "objects": [
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":1',
        b'{"a":1,}',
        b"{a:1}",
        b"{'a':1}",
        b'{"a" 1}',
        b'{"a"::1}',
        b"{1:1}",
    ],
    "more objects": [
        b'{,"a":1}',
        b'{"a":1,,"b":2}',
        b'{"a":1 "b":2}',
        b'{"a","b"}',
        b"{null:1}",
        b'{"a":1]',
        b'{:"b"}',
    ],
    "numbers": [b"01", b"-01", b"+1", b"--1", b"-", b".5", b"1.", b"-.5", b"0x1F", b"1_000", b"1,5", b"1 000", b"-a"],
    "exponents": [b"1e", b"1e+", b"1E-", b"0.e1", b"1.e1", b".e1", b"1ee2", b"1e1.5", b"e1", b"1e 2"],
    "no numbers": [b"NaN", b"-NaN", b"Infinity", b"-Infinity", b"inf", b"1e999", b"-1e999", b"\xef\xbc\x91"],
    "words": [b"True", b"nul", b"truth", b"undefined", b"NULL", b"fals", b"nulll"],
    "texts": [b'"', b'"a', b"'a'", b'"a\nb"', b'"\t"', b'"\x00"', b'"\x1f"', b'a"', b'"a" "b"', b"\\n"],
    "escapes": [b'"\\x41"', b'"\\a"', b'"\\', b'"\\u"', b'"\\u12"', b'"\\u12G4"', b'"\\U0041"', b'"\\ "', b'"\\0"'],
    "bytes": [
        b'"\xff"',
        b'"\xc3"',
        b'"\xc0\xaf"',
        b'"\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"',
        b"\xe9",
        b'"\xfc\x83\xbf"',
    ],
    "white space": [b"\x0c1", b"\xc2\xa01", b"\xe2\x81\xa01", b"\x001", b"1\x0b", b"\xef\xbb\xbf1"],
    "remarks": [b"1 // a", b"/* a */ 1", b"# a", b"1;", b"<x/>", b"--> 1"],
    "depth": [b"[" * 100_000, b'{"":' * 100_000, b"[" * 70 + b"]" * 70, b'[{"":' * 50_000],
}
#: Values of which parsers may think as they like; what ours thinks must not change by accident.
EITHER: dict[str, list[tuple[bytes, bool]]] = {
    "halves of characters": [(b'"\\ud800"', True), (b'"\\udc00\\ud800"', True), (b'"\\ud800a"', True)],
    "long numbers": [
        (b"9" * 4000, True),
        (b"9" * 5000, False),
        (b"0." + b"1" * 5000, True),
        (b"1" * 300 + b".5", True),
    ],
    "depth": [(b"[" * 60 + b"]" * 60, True), (b"[" * 64 + b"]" * 64, False)],
}


def parsed_answer(value: bytes) -> object:
    """The result of parsing an answer that contains this value."""
    return read_query(RawResponse(200, [], b'{"id": "x", "status": "queued", "n": ' + value + b"}"))


@pytest.mark.fault("J-19")
@pytest.mark.parametrize("category", ACCEPTED)
def test_valid_json_value_is_accepted(category: str) -> None:
    """Every valid JSON value is accepted anywhere in an answer."""
    assert [value for value in ACCEPTED[category] if not isinstance(parsed_answer(value), dict)] == []


@pytest.mark.fault("J-19")
@pytest.mark.parametrize("category", REFUSED)
def test_invalid_json_value_is_rejected(category: str) -> None:
    """Every invalid JSON value makes the answer invalid, with one error of the SDK."""
    assert [value for value in REFUSED[category] if type(parsed_answer(value)) is not APIResponseError] == []


@pytest.mark.fault("J-19")
@pytest.mark.parametrize("category", EITHER)
def test_ambiguous_json_value_is_treated_as_decided(category: str) -> None:
    """The treatment of values on which parsers differ is fixed."""
    assert [(value, isinstance(parsed_answer(value), dict)) for value, _ in EITHER[category]] == EITHER[category]


@pytest.mark.fault("J-19", "J-04")
@pytest.mark.parametrize("category", ACCEPTED)
def test_non_object_alone_is_no_answer(category: str) -> None:
    """A value that is no object is no answer, and an empty object is an answer without content."""
    for value in ACCEPTED[category]:
        outcome = read_query(RawResponse(200, [], value))
        assert isinstance(outcome, dict if value.lstrip().startswith(b"{") else APIResponseError)


@pytest.mark.fault("J-19", "J-17")
@pytest.mark.parametrize("status", [200, 400, 503])
def test_any_value_under_any_status_gives_an_object_or_an_error(status: int) -> None:
    """Whatever a body is, alone or in an error, what comes out is an object or an error of ours."""
    bodies = [body for group in (*ACCEPTED.values(), *REFUSED.values()) for body in group]
    for body in (
        *bodies,
        *(b'{"error": ' + body + b"}" for body in bodies),
        *(b'{"message": ' + body for body in bodies),
    ):
        assert isinstance(read_query(RawResponse(status, [], body)), dict | APIError)


@pytest.mark.fault("J-09")
def test_last_of_duplicate_keys_counts() -> None:
    """A duplicate key has its last value."""
    assert parse_object(b'{"status": "failed", "status": "queued"}') == {"status": "queued"}
