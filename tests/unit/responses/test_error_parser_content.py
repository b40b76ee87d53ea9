"""Content of errors: codes, messages, request ids and bodies, without keys and signatures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kkiai_sdk import APIError, APIResponseError, APIStatusError, TaskNotFoundError
from kkiai_sdk._responses.error_parser import read_query
from kkiai_sdk._responses.raw_response import RawResponse
from tests.unit.support import answer, everything_in, refused, steers

KEY = 'Canary/Key+With"Odd\\Signs'


def status_error(status: int, body: object, *headers: tuple[str, str], secret: str | None = None) -> APIStatusError:
    """The error that an answer with an error status is."""
    error = refused(status, body, *headers, secret=secret)
    assert isinstance(error, APIStatusError)
    return error


SHAPES: dict[str, tuple[object, str | None, str | None, str]] = {
    "nested": (
        {"error": {"message": "m", "message_zh": "z", "type": "t", "code": "c", "param": ""}},
        "c",
        "t",
        "m [c]",
    ),
    "localized": ({"error": {"localized_message": "l", "message": "", "code": "c"}}, "c", None, "l [c]"),
    "chinese only": ({"error": {"message_zh": "没有", "type": "t"}}, None, "t", "没有"),
    "text": ({"error": "m"}, None, None, "m"),
    "flat with data": ({"code": "c", "message": "m", "data": None}, "c", None, "m [c]"),
    "flat with type": ({"code": None, "message": "m", "param": "p", "type": "t"}, None, "t", "m"),
    "success false": ({"success": False, "message": "m"}, None, None, "m"),
    "message": ({"message": "m"}, None, None, "m"),
    "number as code": ({"code": 1007, "message": "m"}, "1007", None, "m [1007]"),
    "long number as code": ({"code": 10**150, "message": "m"}, f"1{'0' * 99}", None, f"m [1{'0' * 99}]"),
    "boolean as code": ({"code": True, "message": "m"}, None, None, "m"),
    "code in the message": ({"code": "oops", "message": "it went oops"}, "oops", None, "it went oops"),
    "packed": (
        {"code": "outer", "message": json.dumps({"error": {"message": "in", "code": "c"}})},
        "c",
        None,
        "in [c]",
    ),
    "packed behind spaces": ({"message": " \n" + json.dumps({"message": "in", "code": "c"})}, "c", None, "in [c]"),
    "detail": ({"detail": "d"}, None, None, "d"),
    "byte order mark": (b"\xef\xbb\xbferror code: 524", None, None, "error code: 524"),
    "packed without text": ({"code": "outer", "type": "t", "message": '{"x": 1}'}, "outer", "t", '{"x": 1} [outer]'),
    "packed but broken": ({"code": "c", "message": '{"x": '}, "c", None, '{"x": [c]'),
    "plain text": ("error code: 524", None, None, "error code: 524"),
    "page with a title": ("<html><title> Bad\n Gateway </title>", None, None, "Bad Gateway"),
    "page without one": ("<html><body>x", None, None, "a web page"),
    "nothing": (b"", None, None, "no reason given"),
    "empty object": ({}, None, None, "no reason given"),
    "list": ([{"message": "m"}], None, None, "no reason given"),
    "message of another type": ({"message": ["m"]}, None, None, "no reason given"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_code_type_and_message_are_read_from_every_shape(shape: str) -> None:
    """Code, type and text are found in every shape that error bodies come in."""
    body, code, kind, told = SHAPES[shape]
    error = status_error(418, body)
    assert (error.code, error.type, str(error)) == (code, kind, f"HTTP 418: {told}")


def test_json_inside_messages_is_parsed_to_a_limit() -> None:
    """JSON inside messages is parsed a few levels deep, and then kept as text."""
    body: dict[str, object] = {"message": "deep", "code": "deepest"}
    for _ in range(5):
        body = {"message": json.dumps(body), "code": "wrapper"}
    assert status_error(418, body).code == "wrapper"


@pytest.mark.parametrize("name", ["x-oneapi-request-id", "x-request-id", "x-trace-id", "cf-ray"])
def test_request_id_is_read_from_each_known_header(name: str) -> None:
    """The request id is read from every header that gateways use for it."""
    assert refused(500, b"", (name, "r-1")).request_id == "r-1"


def test_gateway_header_takes_precedence_for_the_request_id() -> None:
    """The gateway's own header takes precedence over those of proxies, any header over the text."""
    headers = [("cf-ray", "3"), ("x-request-id", "2"), ("x-oneapi-request-id", "1"), ("x-oneapi-request-id", "0")]
    assert RawResponse(200, headers).request_id == "1"
    assert refused(500, {"message": "m (request id: 4)"}, *headers).request_id == "1"
    assert RawResponse(200, [("x-request-id", ""), ("cf-ray", "3")]).request_id == "3"
    assert RawResponse(200, [("content-type", "x")]).request_id is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "bad (request id: 2024abcXYZ)"}},
        {"message": json.dumps({"message": "b (request id: 2024abcXYZ)"})},
    ],
)
def test_request_id_is_read_from_the_message_without_a_header(body: object) -> None:
    """Without a header the request id is read from the end of the message."""
    assert refused(500, body).request_id == "2024abcXYZ"


def test_known_message_with_a_request_id_is_still_recognised() -> None:
    """An error that is recognized by its message is recognized with a request id after it too."""
    assert refused(200, {"success": False, "message": "fail_to_fetch_task (request id: 7)"}).transient


def test_error_of_any_status_keeps_retry_after() -> None:
    """The Retry-After of a response is on the error, for any status."""
    assert refused(429, b"", ("retry-after", "99999999")).retry_after == 99999999.0
    assert refused(503, b"", ("retry-after", "1.5")).retry_after == 1.5
    assert refused(200, b"", ("retry-after", "7")).retry_after == 7.0
    assert refused(429).retry_after is None


def test_error_keeps_the_body_as_json_or_text() -> None:
    """The decoded body is on the error; a body that is not JSON is kept as text, up to a limit."""
    assert status_error(500, {"a": [1, None]}).body == {"a": [1, None]}
    assert status_error(500, "x" * 5000).body == "x" * 2000
    assert status_error(429, '{"a": 1}{"b": 2}').body == {"a": 1}


def test_message_shows_the_start_of_an_invalid_body() -> None:
    """The message about an invalid body shows its first 200 characters, escaped, on one line."""
    error = refused(200, "a\x1b[2J\n" + "b" * 300)
    assert isinstance(error, APIResponseError)
    assert error.body_snippet == "a\\x1b[2J " + "b" * 190 + "…"
    assert error.status_code == 200


@pytest.mark.parametrize(
    "text", ["\x1b]0;title\x07", "\x9b31m", "\u202eevil", "\u2066x\u2069", "a\rb", "a\nb", "\u200b", "\0"]
)
@pytest.mark.fault("S-10", "S-11", "J-17")
def test_message_is_one_line_without_invisible_characters(text: str) -> None:
    """No control, bidi or zero-width character of a server's text reaches a message, and no line break."""
    for body in ({"error": {"message": f"say {text} now", "code": f"c{text}", "type": text}}, f"say {text} now"):
        error = status_error(500, body)
        shown = f"{error}{error.code}{error.type}"
        assert not steers(shown)
        assert text not in shown


@pytest.mark.fault("J-17")
def test_long_message_and_code_are_truncated() -> None:
    """A message of a megabyte is cut to 500 characters, a code to 100."""
    error = status_error(500, {"message": "m" * 1_000_000, "code": "c" * 1000})
    assert len(str(error)) < 650
    assert len(error.code or "") == 100


def test_url_in_a_message_loses_its_query() -> None:
    """The query of a URL in a message is cut, because a signature in it is as good as a key."""
    error = refused(500, {"message": "GET https://cdn.example/a.mp4?sig=abc&e=1 failed"})
    assert "sig" not in str(error)
    assert "https://cdn.example/a.mp4?…" in str(error)


ESCAPED = "".join(f"\\u{ord(char):04x}" for char in KEY)
ECHOES: dict[str, str | bytes] = {
    "in a message": json.dumps({"error": {"message": f"no such key {KEY}"}}),
    "as a code": json.dumps({"code": KEY, "message": "m"}),
    "as a name": json.dumps({"error": {KEY: [KEY, {"x": KEY}]}}),
    "in plain text": f"no such key {KEY}",
    "in a page": f"<html><title>no such key {KEY}</title>",
    "behind escapes": f'{{"error": {{"message": "no such key {ESCAPED}"}}}}',
    "slash escaped": json.dumps({"message": KEY}).replace("/", "\\/"),
    "packed": json.dumps({"message": json.dumps({"message": f"no {KEY}"})}),
    "as a request id": json.dumps({"message": f"no (request id: {KEY})"}),
}


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("echo", ECHOES)
def test_echoed_key_is_redacted_everywhere(echo: str, status: int) -> None:
    """A gateway that echoes the caller's key, however escaped, does not put it into an error."""
    error = refused(status, ECHOES[echo], secret=KEY)
    shown = everything_in(error)
    assert KEY not in shown
    assert repr(KEY)[1:-1] not in shown


@pytest.mark.parametrize(
    "body",
    [
        '{"message": "token [sk-abc***xyz]"}',
        '{"message": "\\u0073k-abc123"}',
        "Bearer abc.def-123",
        '["sk-abc123"]',
        '{"sk-abc123": 1}',
    ],
)
def test_text_like_a_key_is_redacted_everywhere(body: str) -> None:
    """Text that looks like a key is redacted even if it is not the caller's key."""
    assert "abc" not in everything_in(refused(401, body))


def test_redaction_does_not_change_the_classification() -> None:
    """Errors are classified before redaction, so a key that is part of a code changes nothing."""
    error = status_error(400, {"code": "task_not_exist", "message": "m"}, secret="t")
    assert isinstance(error, TaskNotFoundError)
    assert error.code == "***ask_no***_exis***"


@pytest.mark.parametrize(("status", "body"), [(429, b""), (200, {"success": False}), (200, "cow")])
@pytest.mark.parametrize(
    ("clock", "date"),
    [({"wall_clock": 784_111_757.0}, "Sun, 06 Nov 1994 08:49:37 GMT"), ({}, "Thu, 01 Jan 1970 00:00:20 GMT")],
)
def test_retry_after_date_is_relative_to_the_wall_clock(
    status: int, body: object, clock: dict[str, Any], date: str
) -> None:
    """Each kind of error has the Retry-After date as seconds from now."""
    error = read_query(answer(status, body, ("retry-after", date)), **clock)
    assert isinstance(error, APIError)
    assert error.retry_after == 20.0


def test_request_id_is_truncated_or_none() -> None:
    """Without a request id it is None; of a long one two hundred characters are kept."""
    assert refused(500).request_id is None
    assert refused(500, b"", ("x-request-id", "r" * 300)).request_id == "r" * 199 + "…"


def test_invalid_answer_names_the_problem() -> None:
    """The error of an unreadable answer names the problem."""
    assert str(refused(200, "cow")) == "HTTP 200 with a body that is not JSON"
