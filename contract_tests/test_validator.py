"""The validator: for each of its rules a message that keeps it and messages that break it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract_tests.wire import JSON_TYPE, task
from kkiai_sdk.contract._conformance import request_problems, response_problems
from kkiai_sdk.contract._messages import Problem, Request, Response
from kkiai_sdk.contract._spec import Spec
from kkiai_sdk.contract._strict_json import read_json

KEY = "sk-canary-5f7d"
ACCEPT, AUTH = ("Accept", "application/json"), ("Authorization", f"Bearer {KEY}")
GOOD = (ACCEPT, JSON_TYPE, AUTH, ("Host", "gateway.example.com"), ("User-Agent", "test"))

#: A spec with what the real one does not have: a path parameter, a body, a list, numbers, a cookie, required headers.
WIDE = Spec(
    """
openapi: 3.1.0
info: {title: wide, version: "1"}
security: []
paths:
  /things/{name}/parts:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string, maxLength: 4}}
    post:
      parameters:
        - {name: size, in: query, schema: {type: integer}}
        - {name: tag, in: query, schema: {type: array, items: {type: integer}, maxItems: 2}}
        - {name: session, in: cookie, required: true, schema: {type: string}}
      requestBody:
        content:
          application/json: {schema: {type: object, required: [a]}}
      responses:
        200:
          description: numbers
          headers:
            X-Left: {required: true, schema: {type: integer}}
          content:
            application/json: {schema: {type: array}}
        204: {description: nothing}
        default: {description: anything}
""",
    "wide.yaml",
)


def send(query: str = "id=a", headers: Any = GOOD, **facts: Any) -> Request:
    """A request that keeps the contract, but for what is given."""
    return Request(**{"method": "GET", "path": "/v1/video/query", "query": query, "headers": headers} | facts)


def receive(body: Any = None, status: int = 200, headers: Any = (JSON_TYPE,)) -> Response:
    """An answer that keeps the contract, but for what is given."""
    raw = body if isinstance(body, bytes) else json.dumps(task() if body is None else body).encode()
    return Response(status, headers, raw)


def without(*names: str) -> tuple[tuple[str, str], ...]:
    """The good headers but for some."""
    return tuple(pair for pair in GOOD if pair[0] not in names)


def rules(problems: list[Problem]) -> set[str]:
    """The rules that were broken."""
    return {problem.rule for problem in problems}


@pytest.mark.parametrize(
    "request_",
    [
        send(),
        send("id=" + "a" * 256),
        send("id=%F0%9F%90%84+%26"),
        send(headers=(*GOOD, ("X-Forwarded-Host", "localhost:5173"), ("Accept-Encoding", "identity"))),
        send(headers=tuple((name.upper(), value) for name, value in GOOD)),
    ],
)
def test_conforming_requests(spec: Spec, request_: Request) -> None:
    """A request that keeps the contract has no problems."""
    assert request_problems(spec, request_) == []


REQUEST_BREACHES = {
    "method": (send(method="POST"), "request-operation"),
    "path": (send(path="/v1/video/query/"), "request-operation"),
    "escaped path": (send(path="/v1/video%2Fquery"), "request-operation"),
    "prefixed path": (send(path="/v1/v1/video/query"), "request-operation"),
    "no id": (send(""), "request-parameter-missing"),
    "misspelt id": (send("ID=a"), "request-parameter-missing"),
    "two ids": (send("id=a&id=a"), "request-parameter-repeated"),
    "two hosts": (send(headers=(*GOOD, *[("X-Forwarded-Host", "a")] * 2)), "request-parameter-repeated"),
    "empty id": (send("id="), "request-parameter-invalid"),
    "bare id": (send("id"), "request-parameter-invalid"),
    "long id": (send("id=" + "a" * 257), "request-parameter-invalid"),
    "id not in UTF-8": (send("id=%FF"), "request-parameter-invalid"),
    "another parameter": (send("id=a&model=grok"), "request-parameter-undeclared"),
    "another header": (send(headers=(*GOOD, ("X-Model", "grok"))), "request-header-undeclared"),
    "a cookie": (send(headers=(*GOOD, ("Cookie", "a=b"))), "request-header-undeclared"),
    "no Accept": (send(headers=without("Accept")), "request-header-documented"),
    "two Accepts": (send(headers=(*GOOD, ACCEPT)), "request-header-documented"),
    "another Accept": (send(headers=(*without("Accept"), ("Accept", "*/*"))), "request-header-documented"),
    "no Content-Type": (send(headers=without("Content-Type")), "request-header-documented"),
    "no key": (send(headers=without("Authorization")), "request-security"),
    "two keys": (send(headers=(*GOOD, AUTH)), "request-security"),
    "another scheme": (send(headers=(*without("Authorization"), ("Authorization", "Basic eA=="))), "request-security"),
    "lower-case scheme": (send(headers=(*without("Authorization"), ("Authorization", "bearer k"))), "request-security"),
    "scheme alone": (send(headers=(*without("Authorization"), ("Authorization", "Bearer "))), "request-security"),
    "a body": (send(body=b"{}"), "request-body"),
}


@pytest.mark.parametrize(("request_", "rule"), REQUEST_BREACHES.values(), ids=REQUEST_BREACHES.keys())
def test_straying_requests(spec: Spec, request_: Request, rule: str) -> None:
    """A request that strays breaks the rule that says so; the problem names a place in the spec, never the key."""
    problems = request_problems(spec, request_)
    assert rule in rules(problems)
    assert rules(problems) <= {rule, "request-parameter-undeclared"}
    assert all(spec.line_of(problem.address) > 1 for problem in problems)
    assert KEY not in "".join(map(str, problems)) + repr(request_)


@pytest.mark.parametrize(
    "response",
    [
        receive(),
        receive(task(video_url="https://media.example.com/a.mp4?x=%2F", status="new word", progress=4)),
        receive(task(status_update_time=2**70)),
        receive(headers=(("content-type", "Application/JSON; charset=utf-8"), ("X-Oneapi-Request-Id", "r"))),
        receive({}, 401, (JSON_TYPE, ("WWW-Authenticate", "Bearer"))),
        receive({"error": None}, 599),
    ],
)
def test_conforming_answers(spec: Spec, response: Response) -> None:
    """An answer that keeps the contract has no problems."""
    assert response_problems(spec, spec.operations[0], response) == []


RESPONSE_BREACHES = {
    "undeclared 2xx": (receive(status=201), "response-status"),
    "undeclared 4xx": (receive({}, 405), "response-status"),
    "a redirect": (receive(b"", 302, ()), "response-status"),
    "no media type": (receive(headers=()), "response-media-type"),
    "two media types": (receive(headers=(JSON_TYPE, JSON_TYPE)), "response-media-type"),
    "HTML": (receive(b"<html>", 502, (("Content-Type", "text/html"),)), "response-media-type"),
    "empty": (receive(b""), "response-body"),
    "cut": (receive(b'{"id": "a'), "response-body"),
    "two documents": (receive(b"{}{}", 429), "response-body"),
    "NaN": (receive(b'{"code": NaN}', 400), "response-body"),
    "a byte order mark": (receive(b"\xef\xbb\xbf{}", 400), "response-body"),
    "not UTF-8": (receive(b'{"message": "\xff"}', 400), "response-body"),
    "a name twice": (receive(b'{"code": 1, "code": 2}', 400), "response-body"),
    "nested for ever": (receive(b"[" * 100_000), "response-body"),
    "a list": (receive([]), "response-schema"),
    "null": (receive(b"null"), "response-schema"),
    "a number for the id": (receive(task(id=7)), "response-schema"),
    "a fraction": (receive(task(status_update_time=1.5)), "response-schema"),
    "a relative URL": (receive(task(video_url="/a.mp4")), "response-schema"),
    "half a surrogate pair": (receive(b'{"message": "\\ud800"}', 404), "response-schema"),
    "an error of another form": (receive({"error": 5}, 500), "response-schema"),
    **{
        f"no {name}": (receive({key: value for key, value in task().items() if key != name}), "response-schema")
        for name in task()
    },
    "a header twice": (receive(headers=(JSON_TYPE, *[("X-Oneapi-Request-Id", "r")] * 2)), "response-header"),
}


@pytest.mark.parametrize(("response", "rule"), RESPONSE_BREACHES.values(), ids=RESPONSE_BREACHES.keys())
def test_straying_answers(spec: Spec, response: Response, rule: str) -> None:
    """An answer that strays breaks the one rule that says so, at a place in the spec."""
    problems = response_problems(spec, spec.operations[0], response)
    assert rules(problems) == {rule}
    assert all(spec.line_of(problem.address) > 1 for problem in problems)


WIDE_REQUESTS = {
    "good": (("/things/ab/parts", "size=3&tag=1&tag=2", b'{"a": 1}'), set()),
    "escaped name": (("/things/a%2Fb/parts", "", b'{"a": 1}'), set()),
    "long name": (("/things/abcde/parts", "", b'{"a": 1}'), {"request-parameter-invalid"}),
    "other path": (("/things/a/b/parts", "", b'{"a": 1}'), {"request-operation"}),
    "text for a number": (("/things/ab/parts", "size=x", b'{"a": 1}'), {"request-parameter-invalid"}),
    "fraction": (("/things/ab/parts", "size=1.5", b'{"a": 1}'), {"request-parameter-invalid"}),
    "long list": (("/things/ab/parts", "tag=1&tag=2&tag=3", b'{"a": 1}'), {"request-parameter-invalid"}),
    "text in a list": (("/things/ab/parts", "tag=1&tag=x", b'{"a": 1}'), {"request-parameter-invalid"}),
    "body without its field": (("/things/ab/parts", "", b"{}"), {"request-schema"}),
    "no body": (("/things/ab/parts", "", b""), {"request-body"}),
}


@pytest.mark.parametrize(("facts", "expected"), WIDE_REQUESTS.values(), ids=WIDE_REQUESTS.keys())
def test_requests_of_a_wider_spec(facts: tuple[str, str, bytes], expected: set[str]) -> None:
    """Rules come from the spec: paths with parameters, lists, numbers, cookies and bodies are checked as declared."""
    path, query, body = facts
    request = Request("POST", path, query, (JSON_TYPE, ("Cookie", "a=b; session=s")), body)
    assert rules(request_problems(WIDE, request)) - {"request-header-undeclared"} == expected


def test_a_missing_cookie_is_noticed() -> None:
    """A required cookie that is not sent is a missing parameter."""
    request = Request("POST", "/things/ab/parts", "", (JSON_TYPE,), b'{"a": 1}')
    assert rules(request_problems(WIDE, request)) == {"request-parameter-missing"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, (JSON_TYPE, ("X-Left", "4")), b"[]", set()),
        (200, (JSON_TYPE,), b"[]", {"response-header"}),
        (200, (JSON_TYPE, ("X-Left", "many")), b"[]", {"response-header"}),
        (204, (), b"", set()),
        (204, (), b"x", {"response-body"}),
        (418, (), b"", set()),
    ],
)
def test_answers_of_a_wider_spec(status: int, headers: Any, body: bytes, expected: set[str]) -> None:
    """Required headers, answers without a body and ``default`` count as declared."""
    assert rules(response_problems(WIDE, WIDE.operations[0], Response(status, headers, body))) == expected


def test_json_is_read_strictly() -> None:
    """Numbers keep their form, so that a fraction in an integer can be told from an integer."""
    assert [type(value) for value in read_json(b"[1, 1.0, 1e3]")] == [int, float, float]
