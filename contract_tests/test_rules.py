"""The rules that no schema states: each finds its violation, and nothing in a correct response."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.wire import TASK_ID, VIDEO_URL, Canned, answer, done, task
from kkiai_sdk._responses.status_words import STATES
from kkiai_sdk.contract import Severity
from kkiai_sdk.contract._messages import Exchange, Request, Response
from kkiai_sdk.contract._rules import FAILURE, KNOWN, RULES, SUCCESS, judge
from kkiai_sdk.contract._spec import Spec
from kkiai_sdk.models import TaskState

MILLISECONDS = 1_767_603_612_345
NO_TASK = {"code": "task_not_exist", "message": "no such task", "data": None}
BAD = {"error": {"message": "bad request", "type": "invalid_request_error", "code": "bad"}}


def ask(canned: Canned, query: str = f"id={TASK_ID}") -> Exchange:
    """An exchange with this response."""
    request = Request("GET", "/v1/video/query", query, (("Authorization", "Bearer k"), ("Accept-Encoding", "identity")))
    return Exchange(request, canned.response)


def broken(spec: Spec, exchange: Exchange) -> list[str]:
    """The ids of the rules that were broken, sorted."""
    return sorted(violation.rule.id for violation in judge(spec, exchange))


#: Fields that networks, proxies and browsers' policies put on responses.
ON_THE_WAY = """
    CF-Ray CF-Cache-Status Age Cache-Control X-Cache Server-Timing NEL Report-To X-Request-Id ETag X-Served-By
    Access-Control-Allow-Origin X-Frame-Options Traceparent X-Amz-Cf-Id Last-Modified Expires Pragma Via Alt-Svc
"""

HONEST = {
    "pending": answer(task(id=TASK_ID)),
    "running": answer(task(status="in_progress", progress=40)),
    "succeeded": done(progress=100),
    "failed": answer(task(status="failed", error={"code": "x", "message": "y"})),
    "unknown id": answer(NO_TASK, 400),
    "no key": answer(BAD, 401, (("WWW-Authenticate", "Bearer"), ("Date", "now"), ("Via", "1.1 a"))),
    "too many": answer({"error": "slow down"}, 429, (("Retry-After", "3"), ("X-Oneapi-Request-Id", "r"))),
    "a failed generation with its URL": answer(task(status="failed", video_url=VIDEO_URL)),
    "first and last millisecond": answer(task(status_update_time=10**11)),
    "clocks that differ by a minute": answer(task(), 200, (("Date", "Mon, 05 Jan 2026 08:59:12 GMT"),)),
    "a success with an empty error": done(error={"code": "", "message": ""}, progress=99.5),
    "on its way through proxies": answer(
        task(),
        200,
        tuple((name, "1") for name in ON_THE_WAY.split()),
    ),
}


@pytest.mark.parametrize("canned", HONEST.values(), ids=HONEST.keys())
def test_correct_response_breaks_no_rule(spec: Spec, canned: Canned) -> None:
    """Nothing is found in a response that keeps the contract."""
    assert broken(spec, ask(canned)) == []


VIOLATIONS: dict[str, tuple[Canned, str]] = {
    "whole number with a fraction": (answer(task(status_update_time=float(MILLISECONDS))), "integer-fraction"),
    "beyond 64 bits": (answer(task(status_update_time=2**63)), "integer-range epoch-unit"),
    "code with a fraction": (answer({"code": 400.0, "message": "x"}, 404), "integer-fraction"),
    "nested code with a fraction": (answer({"error": {"code": 4.0}}, 404), "integer-fraction"),
    "seconds": (answer(task(status_update_time=MILLISECONDS // 1000)), "epoch-unit"),
    "microseconds": (answer(task(status_update_time=MILLISECONDS * 1000)), "epoch-unit"),
    "no time": (answer(task(status_update_time=0)), "epoch-unit"),
    "success without URL": (done(video_url=None), "url-missing"),
    "success with an empty URL": (done(video_url=""), "response-schema url-missing"),
    "success in capitals without URL": (done(status="SUCCESS", video_url=None), "url-missing status-unknown"),
    "a URL of no web": (done(video_url="ftp://media.example.com/a.mp4"), "url-scheme"),
    "no id": (answer(task(id="")), "id-empty other-id"),
    "another alphabet": (
        Canned(Response(200, (("Content-Type", "application/json; charset=gbk"),), answer(task()).response.body)),
        "charset",
    ),
    "no challenge": (answer(BAD, 401), "challenge-missing"),
    "another challenge": (answer(BAD, 401, (("WWW-Authenticate", "Basic"),)), "challenge-missing"),
    "a word for a time": (answer({"error": "busy"}, 429, (("Retry-After", "soon"),)), "retry-after-form"),
    "refused": (answer(BAD, 400), "valid-refused"),
    "new word": (answer(task(status="polishing")), "status-unknown"),
    "no word": (answer(task(status="")), "status-unknown"),
    "capitals": (answer(task(status="PENDING")), "status-unknown"),
    "spaces": (answer(task(status=" pending")), "status-unknown"),
    "another field": (answer(task(detail={})), "field-undeclared"),
    "two other fields": (answer(task(object="x", seed=1)), "field-undeclared field-undeclared"),
    "another field of an error": (answer({"detail": "x"}, 404), "field-undeclared"),
    "another nested field": (answer({"error": {"hint": "x"}}, 404), "field-undeclared"),
    "another header": (answer(task(), 200, (("X-Powered-By", "steam"),)), "header-undeclared"),
    "a cookie": (answer(task(), 200, (("Set-Cookie", "a=b"),)), "header-undeclared"),
    "a header of another status": (answer(task(), 200, (("Retry-After", "3"),)), "header-undeclared"),
    "another id": (answer(task(id="7d3c")), "other-id"),
    "half an hour ahead": (
        answer(task(), 200, (("Date", "Mon, 05 Jan 2026 08:30:00 GMT"),)),
        "time-ahead",
    ),
    "a URL before there is a video": (answer(task(status="queued", video_url=VIDEO_URL)), "url-early"),
    "a URL with a password": (done(video_url="https://a:b@media.example.com/a.mp4"), "url-scheme"),
    "a URL for a page": (done(video_url="https://media.example.com/a.mp4?a=1&amp;b=2"), "url-scheme"),
    "an error beside a success": (done(error={"code": "x", "message": "y"}), "error-beside"),
    "progress as text": (answer(task(status="processing", progress="40%")), "field-form"),
    "a text that was decoded wrongly": (answer(task(enhanced_prompt="caf\ufffd")), "text-damaged"),
    "an error that says nothing": (answer({"error": {"message": "", "code": None}}, 404), "reason-missing"),
    "an empty error": (answer({}, 404), "reason-missing"),
    "two dates": (answer(task(), 200, (("Date", "a"), ("Date", "b"))), "header-repeated"),
    "two lengths": (answer(task(), 200, (("Content-Length", "7"), ("Transfer-Encoding", "chunked"))), "framing"),
    "packed": (answer(task(), 200, (("Content-Encoding", "gzip"),)), "coding-unasked"),
    "trouble": (answer({"error": "busy"}, 503, (("Retry-After", "3"),)), "server-error"),
    "an undeclared status": (answer(BAD, 422), "response-status"),
}


@pytest.mark.parametrize(("canned", "expected"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_response_with_a_violation_breaks_its_rules_alone(spec: Spec, canned: Canned, expected: str) -> None:
    """Each violation is found once, under its rule and no other, at a line of the spec."""
    violations = judge(spec, ask(canned))
    assert sorted(each.rule.id for each in violations) == sorted(expected.split())
    assert all(spec.line_of(each.address) > 1 for each in violations)


@pytest.mark.parametrize("query", ["", "id=", "id=a&id=b", "id=a&x=1", "id=" + "a" * 257])
def test_bad_request_may_be_refused_with_any_code(spec: Spec, query: str) -> None:
    """A request that breaks the contract may be answered 400 with any code."""
    assert broken(spec, ask(answer(BAD, 400), query)) == []


def test_request_without_operation_is_not_judged(spec: Spec) -> None:
    """Responses to an operation that the spec lacks break no rule."""
    assert judge(spec, Exchange(Request("POST", "/v1/video/query"), answer(BAD, 405).response)) == []


def test_unreadable_body_breaks_one_rule_alone(spec: Spec) -> None:
    """A body that is not JSON breaks the rule about bodies and no other."""
    exchange = Exchange(Request("GET", "/v1/video/query", "id=a"), answer(task()).response)
    cut = Exchange(exchange.request, Response(200, exchange.response.headers, exchange.response.body[:-1]))
    assert broken(spec, cut) == ["response-body"]


def test_every_rule_has_a_unique_id_and_a_line(spec: Spec) -> None:
    """Ids are unique, places exist in the spec, and every rule has its case in the tables of these tests."""
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(spec.at(rule.address).value is not None for rule in RULES)
    # The refusals of other operations than the query are in tests/contract/test_contract_operations.py.
    own = {rule.id for rule in RULES if not rule.id.startswith("response-")} - {"refusal-undeclared"}
    assert own <= {word for _, expected in VIOLATIONS.values() for word in expected.split()}


def test_task_in_an_envelope_breaks_the_schema(spec: Spec) -> None:
    """A task in an envelope breaks the schema: the documented fields are missing."""
    wrapped: Any = answer({"code": "success", "message": "", "data": task()})
    assert set(broken(spec, ask(wrapped))) == {"response-schema", "field-undeclared"}


def test_known_statuses_are_those_of_the_sdk(spec: Spec) -> None:
    """The check and the SDK know the same statuses with the same meanings."""
    states = dict(STATES)
    assert {word for word, state in states.items() if state is TaskState.SUCCEEDED} == SUCCESS
    assert {word for word, state in states.items() if state is TaskState.FAILED} == FAILURE
    assert states.keys() == KNOWN
    examples = spec.at("/components/schemas/VideoTask/properties/status/examples").value
    assert set(examples) <= KNOWN


def test_violation_names_rule_place_and_both_sides(spec: Spec) -> None:
    """A violation names its rule, its place, and the expected and the actual value, without the key."""
    (violation,) = judge(spec, ask(answer(task(status="polishing"))))
    assert (violation.rule.id, violation.rule.severity) == ("status-unknown", Severity.DRIFT)
    assert (violation.expected, violation.got) == ("a known word", '"polishing"')
    assert violation.address == "/components/schemas/VideoTask/properties/status"
    assert "Bearer" not in repr(violation)


def test_rules_apply_inside_alternatives_and_lists() -> None:
    """Values in lists and in several schemas at once are judged, and a field that one of them has is declared."""
    spec = Spec(
        """
openapi: 3.1.0
paths:
  /v1/video/query:
    get:
      responses:
        "200":
          description: x
          content:
            application/json:
              schema:
                type: object
                properties:
                  a: {anyOf: [{type: integer}, {type: number}]}
                  b: {allOf: [{type: object, properties: {c: {type: integer}}}, {properties: {d: {}}}]}
                  e: {type: array, items: {type: integer}}
"""
    )
    exchange = ask(answer({"a": 1.5, "b": {"c": 2.0, "d": 1, "x": 0}, "e": [1, 2.0]}))
    found = [(each.rule.id, each.expected, each.got) for each in judge(spec, exchange)]
    assert found == [
        ("integer-fraction", "b.c written as an integer", "2.0"),
        ("integer-fraction", "e[1] written as an integer", "2.0"),
        ("field-undeclared", "documented fields", '"b.x"'),
    ]
