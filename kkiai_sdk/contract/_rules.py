"""The rules that an answer is held to: one table, each rule with a lasting id, its weight and the place in the spec.

The first rules are the spec's own, checked by :mod:`~kkiai_sdk.contract._conformance`. The others say what a schema
cannot: they look at how a value is written, at two values together, at the question beside the answer, or at HTTP.
Rules about several answers are in :mod:`~kkiai_sdk.contract._history`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kkiai_sdk.contract import _conformance as conformance
from kkiai_sdk.contract import _rules_http as http
from kkiai_sdk.contract import _rules_task as task
from kkiai_sdk.contract._rule import PROPERTIES, QUERY, Breach, Rule, Severity
from kkiai_sdk.contract._seen import see

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._rule import Words
    from kkiai_sdk.contract._seen import Exchange, Seen
    from kkiai_sdk.contract._spec import Spec

__all__ = ["RULES", "Breach", "Rule", "Severity", "judge"]


def judge(spec: Spec, exchange: Exchange) -> list[Breach]:
    """Every breach of every rule in one exchange."""
    seen = see(spec, exchange)
    if seen is None:
        return []
    return [Breach.of(rule, words, exchange) for rule in RULES for words in rule.check(seen)]


def _conforms(rule_id: str, seen: Seen) -> Iterator[Words]:
    for problem in conformance.response_problems(seen.spec, seen.operation, seen.exchange.response):
        if problem.rule == rule_id:
            yield problem.address, problem.expected, problem.got, problem.key


def _spec_rule(rule_id: str, address: str, description: str) -> Rule:
    return Rule(rule_id, Severity.BREAKING, address, description, partial(_conforms, rule_id))


_RESPONSES, _TIME, _URL = f"{QUERY}/responses", f"{PROPERTIES}/status_update_time", f"{PROPERTIES}/video_url"
_BREAKING, _DRIFT, _ADVICE = Severity
RULES: tuple[Rule, ...] = (
    _spec_rule("response-status", _RESPONSES, "the status is declared"),
    _spec_rule("response-media-type", _RESPONSES, "the media type is declared"),
    _spec_rule("response-body", _RESPONSES, "the body is one JSON document"),
    _spec_rule("response-schema", "/components/schemas", "the body fits the schema"),
    _spec_rule("response-header", "/components/headers", "the headers fit their schemas"),
    Rule("integer-fraction", _BREAKING, PROPERTIES, "an integer is written without a fraction", task.fractions),
    Rule("integer-range", _BREAKING, PROPERTIES, "an integer fits its format", task.ranges),
    Rule("epoch-unit", _BREAKING, _TIME, "times are in milliseconds", task.epochs),
    Rule("time-ahead", _BREAKING, _TIME, "a status changed before it was told", task.ahead),
    Rule("url-missing", _BREAKING, _URL, "a success comes with its URL", task.url_missing),
    Rule("url-scheme", _BREAKING, _URL, "a URL is one of the web", task.url_fault),
    Rule("id-empty", _BREAKING, f"{PROPERTIES}/id", "the id is not empty", task.id_empty),
    Rule("charset", _BREAKING, _RESPONSES, "JSON comes in UTF-8", http.charset),
    Rule("header-repeated", _BREAKING, _RESPONSES, "a field with one value comes once", http.repeated),
    Rule("framing", _BREAKING, _RESPONSES, "an answer has one length", http.framing),
    Rule("coding-unasked", _BREAKING, _RESPONSES, "a body is packed only for those who can unpack it", http.coding),
    Rule("valid-refused", _BREAKING, f"{_RESPONSES}/400", "a good request is not refused", http.refused),
    Rule("url-early", _DRIFT, _URL, "a task that waits has no URL", task.url_early),
    Rule("error-beside", _DRIFT, f"{_RESPONSES}/200", "only a failed task has an error", task.error_beside),
    Rule("field-form", _DRIFT, f"{_RESPONSES}/200", "fields have the types of the examples", task.forms),
    Rule("text-damaged", _DRIFT, PROPERTIES, "text arrives as it was written", task.damaged_text),
    Rule("status-unknown", _DRIFT, f"{PROPERTIES}/status", "the status is a known word", task.status_word),
    Rule("field-undeclared", _DRIFT, PROPERTIES, "the fields are documented", http.fields),
    Rule("header-undeclared", _DRIFT, _RESPONSES, "the headers are documented", http.headers),
    Rule("reason-missing", _DRIFT, "/components/schemas/ErrorResponse", "an error says something", task.reason_missing),
    Rule("challenge-missing", _DRIFT, f"{_RESPONSES}/401", "a 401 says how to authenticate", http.challenge),
    Rule("retry-after-form", _DRIFT, "/components/headers/RetryAfter", "Retry-After can be read", http.retry_after),
    Rule("server-error", _ADVICE, f"{_RESPONSES}/5XX", "the gateway is not in trouble", http.server_error),
    Rule("other-id", _ADVICE, f"{PROPERTIES}/id", "the answer names the id that was asked", task.other_id),
)
