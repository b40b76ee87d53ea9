"""Requests and responses against the spec: for each way to keep or to break it, a message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract_tests.wire import JSON_TYPE, PATH, response_violations, sdk_request_problems, task
from kkiai_sdk.contract._conformance import conformance
from kkiai_sdk.contract._messages import Exchange, Request, Response, read_json
from kkiai_sdk.contract._spec import Spec
from kkiai_sdk.contract._violations import observe

KEY = "sk-canary-5f7d"
ACCEPT, AUTH = ("Accept", "application/json"), ("Authorization", f"Bearer {KEY}")
GOOD = (ACCEPT, JSON_TYPE, AUTH, ("Host", "gateway.example.com"), ("User-Agent", "test"))

#: A spec with parts that the real one lacks: numbers, required headers, responses without a body, ``default``.
WIDE = Spec(
    """
openapi: 3.1.0
info: {title: wide, version: "1"}
security: []
paths:
  /things:
    parameters:
      - {name: X-Size, in: header, schema: {type: integer, maximum: 9}}
    get:
      parameters:
        - {name: size, in: query, schema: {type: integer}}
      responses:
        200:
          description: numbers
          headers:
            X-Left: {required: true, schema: {type: integer}}
          content:
            application/json:
              schema: {type: array, items: {type: object, required: [a], properties: {a: {type: integer}}}}
        204: {description: nothing}
        default: {description: anything}
""",
    "wide.yaml",
)


def send(query: str = "id=a", headers: Any = GOOD, **facts: Any) -> Request:
    """A request that keeps the contract, but for the given facts."""
    return Request(**{"method": "GET", "path": PATH, "query": query, "headers": headers} | facts)


def receive(body: Any = None, status: int = 200, headers: Any = (JSON_TYPE,)) -> Response:
    """A response that keeps the contract, but for the given facts."""
    raw = body if isinstance(body, bytes) else json.dumps(task() if body is None else body).encode()
    return Response(status, headers, raw)


def without(*names: str) -> tuple[tuple[str, str], ...]:
    """The good headers but for some."""
    return tuple(pair for pair in GOOD if pair[0] not in names)


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
def test_request_that_keeps_the_contract_has_no_problems(spec: Spec, request_: Request) -> None:
    """A request that keeps the contract has no problems."""
    assert sdk_request_problems(spec, request_) == []


#: Requests that deviate, each with its problem.
BAD_REQUESTS = {
    "method": (send(method="POST"), "operation undeclared"),
    "path": (send(path="/v1/video/query/"), "operation undeclared"),
    "escaped path": (send(path="/v1/video%2Fquery"), "operation undeclared"),
    "prefixed path": (send(path="/v1/v1/video/query"), "operation undeclared"),
    "no id": (send(""), "query parameter id missing"),
    "misspelt id": (send("ID=a"), "query parameter id missing"),
    "two ids": (send("id=a&id=a"), "query parameter id repeated"),
    "two hosts": (
        send(headers=(*GOOD, *[("X-Forwarded-Host", "a")] * 2)),
        "header parameter x-forwarded-host repeated",
    ),
    "empty id": (send("id="), "query parameter id invalid"),
    "bare id": (send("id"), "query parameter id invalid"),
    "long id": (send("id=" + "a" * 257), "query parameter id invalid"),
    "id not in UTF-8": (send("id=%FF"), "query parameter id invalid"),
    "another parameter": (send("id=a&model=grok"), "query parameter undeclared"),
    "another header": (send(headers=(*GOOD, ("X-Model", "grok"))), "header x-model undeclared"),
    "a cookie": (send(headers=(*GOOD, ("Cookie", "a=b"))), "header cookie undeclared"),
    "no Accept": (send(headers=without("Accept")), "header Accept must be application/json"),
    "two Accepts": (send(headers=(*GOOD, ACCEPT)), "header Accept must be application/json"),
    "another Accept": (send(headers=(*without("Accept"), ("Accept", "*/*"))), "header Accept must be application/json"),
    "no Content-Type": (send(headers=without("Content-Type")), "header Content-Type must be application/json"),
    "no key": (send(headers=without("Authorization")), "credentials missing or malformed"),
    "two keys": (send(headers=(*GOOD, AUTH)), "credentials missing or malformed"),
    "another scheme": (
        send(headers=(*without("Authorization"), ("Authorization", "Basic eA=="))),
        "credentials missing or malformed",
    ),
    "lower-case scheme": (
        send(headers=(*without("Authorization"), ("Authorization", "bearer k"))),
        "credentials missing or malformed",
    ),
    "a body": (send(body=b"{}"), "body undeclared"),
    "scheme alone": (
        send(headers=(*without("Authorization"), ("Authorization", "Bearer "))),
        "credentials missing or malformed",
    ),
}


@pytest.mark.parametrize(("request_", "problem"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_request_that_deviates_has_its_problem_without_the_key(spec: Spec, request_: Request, problem: str) -> None:
    """A request that deviates has the problem that says so, alongside undeclared names; no problem shows the key."""
    problems = sdk_request_problems(spec, request_)
    assert any(each.startswith(problem) for each in problems)
    assert all(each.startswith((problem, "query parameter undeclared")) for each in problems)
    assert KEY not in "".join(problems) + repr(request_)


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
def test_response_that_keeps_the_contract_has_no_violations(spec: Spec, response: Response) -> None:
    """A response that keeps the contract has no violations."""
    assert response_violations(spec, response) == []


BAD_RESPONSES = {
    "undeclared 2xx": (receive(status=201), "response-status"),
    "undeclared 4xx": (receive({}, 405), "response-status"),
    "a redirect": (receive(b"", 302, ()), "response-status"),
    "no media type": (receive(headers=()), "response-media-type"),
    "a malformed media type": (receive(headers=(("Content-Type", "json"),)), "response-media-type"),
    "HTML": (receive(b"<html>", 502, (("Content-Type", "text/html"),)), "response-media-type"),
    "empty": (receive(b""), "response-body"),
    "cut": (receive(b'{"id": "a'), "response-body"),
    "two documents": (receive(b"{}{}", 429), "response-body"),
    "NaN": (receive(b'{"code": NaN}', 400), "response-body"),
    "a byte order mark": (receive(b"\xef\xbb\xbf{}", 400), "response-body"),
    "not UTF-8": (receive(b'{"message": "\xff"}', 400), "response-body"),
    "a name twice": (receive(b'{"code": 1, "code": 2}', 400), "response-body"),
    "nested for ever": (receive(b"[" * 100_000), "response-body"),
    "nested too deeply to validate": (receive(b"[" * 600 + b"]" * 600), "response-body"),
    "half a surrogate pair": (receive(b'{"message": "\\ud800"}', 404), "response-body"),
    "a list": (receive([]), "response-schema"),
    "null": (receive(b"null"), "response-schema"),
    "a number for the id": (receive(task(id=7)), "response-schema"),
    "a fraction": (receive(task(status_update_time=1.5)), "response-schema"),
    "a number beyond floats": (receive(b'{"code": 1e999}', 404), "response-schema"),
    "a relative URL": (receive(task(video_url="/a.mp4")), "response-schema"),
    "an error of another form": (receive({"error": 5}, 500), "response-schema"),
    **{
        f"no {name}": (receive({key: value for key, value in task().items() if key != name}), "response-schema")
        for name in task()
    },
}


@pytest.mark.parametrize(("response", "rule"), BAD_RESPONSES.values(), ids=BAD_RESPONSES.keys())
def test_response_that_deviates_breaks_one_rule_at_a_line(spec: Spec, response: Response, rule: str) -> None:
    """A response that deviates breaks the one rule that says so, at a line of the spec."""
    violations = response_violations(spec, response)
    assert {each.rule.id for each in violations} == {rule}
    assert all(spec.line_of(each.address) > 1 for each in violations)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (task(id=7), "type: string"),
        ({"id": "a"}, "status:"),
        (task(video_url="/a.mp4"), "format: uri"),
        (task(status_update_time="1"), "type: integer"),
        ([], "type: object"),
    ],
)
def test_schema_violation_points_at_the_line_of_its_keyword(spec: Spec, body: Any, line: str) -> None:
    """A wrong value leads to the keyword that forbids it, a missing field to its description."""
    violation = response_violations(spec, receive(body))[0]
    assert spec.text.splitlines()[spec.line_of(violation.address) - 1].strip().startswith(line)
    assert violation.address.startswith("/components/schemas/VideoTask/")


def test_each_missing_field_is_a_violation_of_its_own(spec: Spec) -> None:
    """Fields that are missing together are reported one by one."""
    got = [each.got for each in response_violations(spec, receive({"id": "a", "video_url": None}))]
    assert got == ["status: missing", "enhanced_prompt: missing", "status_update_time: missing"]


def rules_of_wide(status: int, headers: Any, body: bytes) -> list[tuple[str, str]]:
    """The rules that a response to the wide operation breaks, each with the address of the violation."""
    observed = observe(WIDE, Exchange(Request("GET", "/things"), Response(status, headers, body)))
    assert observed is not None
    return [(each.rule.id, each.address.rpartition("/responses/")[2]) for each in conformance(observed)]


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, (JSON_TYPE, ("X-Left", "4")), b"[]", []),
        (200, (JSON_TYPE,), b"[]", [("response-header", "200/headers")]),
        (200, (JSON_TYPE, ("X-Left", "many")), b"[]", [("response-header", "200/headers")]),
        (
            200,
            (JSON_TYPE, ("X-Left", "4")),
            b'[{}, {"a": "b"}]',
            [
                ("response-schema", "200/content/application~1json/schema/items/properties/a"),
                ("response-schema", "200/content/application~1json/schema/items/properties/a/type"),
            ],
        ),
        (204, (), b"", []),
        (418, (), b"", []),
    ],
)
def test_rules_of_another_spec_come_from_the_spec(
    status: int, headers: Any, body: bytes, expected: list[tuple[str, str]]
) -> None:
    """Required headers, lists, responses without a body and ``default`` count as declared."""
    assert sorted(rules_of_wide(status, headers, body)) == expected


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("size=3", (("X-Size", "9"),), []),
        ("size=x", (), ["query parameter size invalid"]),
        ("size=1.5", (), ["query parameter size invalid"]),
        ("", (("X-Size", "10"),), ["header parameter x-size invalid"]),
    ],
)
def test_parameters_of_another_spec_come_from_the_spec(query: str, headers: Any, expected: list[str]) -> None:
    """Numbers in a query and a header of the path are validated; no key is needed where none is declared."""
    assert sdk_request_problems(WIDE, Request("GET", "/things", query, headers)) == expected


def test_json_numbers_keep_their_form_when_read() -> None:
    """Numbers keep their form, so that a fraction in an integer can be told from an integer."""
    assert [type(value) for value in read_json(b"[1, 1.0, 1e3]")] == [int, float, float]
