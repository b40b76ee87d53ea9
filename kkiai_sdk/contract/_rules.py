"""The rules that an answer is held to: one table, each rule with a lasting id, its weight and the place in the spec.

The first rules are the spec's own, checked by :mod:`~kkiai_sdk.contract._conformance`. The others say what a schema
cannot: they look at how a value is written, at two values together, or at the question beside the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from email.utils import parsedate_tz
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from kkiai_sdk.contract import _conformance as conformance
from kkiai_sdk.contract._messages import Problem, values_of
from kkiai_sdk.contract._seen import Seen, see

if TYPE_CHECKING:
    from kkiai_sdk.contract._seen import Exchange
    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._walk import Spot

#: Words for an end with a video, for an end without one, and for no end yet. As gateways write them, in lower case.
SUCCESS_WORDS = frozenset({"completed", "success", "succeeded", "done", "ready"})
FAILURE_WORDS = frozenset(
    {"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"}
    | {"video_generation_failed", "video_upsampling_failed"}
)
OPEN_WORDS = frozenset(
    {"pending", "queued", "submitted", "not_start", "processing", "in_progress", "running", "generating"}
    | {"image_downloading", "video_generating", "video_generation_completed"}
    | {"video_upsampling", "video_upsampling_completed"}
)
KNOWN_WORDS = SUCCESS_WORDS | FAILURE_WORDS | OPEN_WORDS

#: Fields that belong to HTTP itself, or that servers and proxies add to any answer (RFC 9110 to 9112, RFC 6797).
HTTP_FIELDS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "date", "keep-alive", "server"}
    | {"alt-svc", "strict-transport-security", "transfer-encoding", "vary", "via"}
)
#: Codes that make a 400 the documented answer to an unknown id.
NO_SUCH_TASK = frozenset({"task_not_exist"})
#: No reason to refuse a request: fields that servers ignore, and what only the description asks for.
NO_REASON = frozenset({"request-header-undeclared", "request-header-documented"})
#: Milliseconds: from 1973 to 5138. As seconds the same moments are below, as microseconds above.
EPOCH_MILLISECONDS = range(10**11, 10**14)
#: Bits of the integer formats of OpenAPI.
INTEGER_BITS = {"int32": 31, "int64": 63}

_TASK = "/components/schemas/VideoTask"
_QUERY = "/paths/~1v1~1video~1query/get"


class Severity(StrEnum):
    """What a breach means for those who follow the documentation."""

    #: Their clients break.
    BREAKING = "breaking"
    #: Undocumented, but harmless.
    DRIFT = "drift"
    #: Allowed, and worth knowing.
    ADVICE = "advice"


#: Address, expected and got of a breach and, where that does not tell it from others, its key.
Words: TypeAlias = tuple[str, ...]
Check: TypeAlias = Callable[[Seen], Iterable[Words]]


@frozen
class Rule:
    """One thing that is asked of an answer."""

    id: str
    severity: Severity
    #: Where the spec says it.
    address: str
    description: str
    #: Gives the words of every breach.
    check: Check = field(repr=False)


@frozen
class Breach:
    """A rule that was broken, once."""

    rule: Rule
    problem: Problem
    exchange: Exchange

    def __str__(self) -> str:
        request = self.exchange.request
        return f"{self.rule.severity}: {self.problem} in {request.method} {request.path}?{request.query}"


def judge(spec: Spec, exchange: Exchange) -> list[Breach]:
    """Every breach of every rule in one exchange."""
    seen = see(spec, exchange)
    if seen is None:
        return []
    return [Breach(rule, Problem(rule.id, *breach), exchange) for rule in RULES for breach in rule.check(seen)]


def _conforms(rule_id: str, seen: Seen) -> Iterator[Words]:
    for problem in conformance.response_problems(seen.spec, seen.operation, seen.exchange.response):
        if problem.rule == rule_id:
            yield problem.address, problem.expected, problem.got, problem.key


def _integers(seen: Seen) -> Iterator[Spot]:
    return (spot for spot in seen.spots if "integer" in spot.types and "number" not in spot.types)


def _fractions(seen: Seen) -> Iterator[Words]:
    for spot in _integers(seen):
        # To a schema 1.0 is an integer; to most languages it is not.
        if isinstance(spot.value, float) and spot.value.is_integer():
            yield spot.schema.address, f"{spot.title} written as an integer", repr(spot.value)


def _ranges(seen: Seen) -> Iterator[Words]:
    for spot in _integers(seen):
        bits = INTEGER_BITS.get(spot.schema.value.get("format", ""))
        if bits and isinstance(spot.value, int) and not -(2**bits) <= spot.value < 2**bits:
            yield spot.schema.address, f"{spot.title} within {bits + 1} bits", _cut(spot.value)


def _epochs(seen: Seen) -> Iterator[Words]:
    for spot in seen.spots:
        is_number = isinstance(spot.value, int | float) and not isinstance(spot.value, bool)
        said = spot.schema.value.get("description", "") if isinstance(spot.schema.value, dict) else ""
        if is_number and "milliseconds since 1970" in said and not _within(spot.value, EPOCH_MILLISECONDS):
            yield spot.schema.address, f"{spot.title} in milliseconds", _cut(spot.value)


def _within(value: float, span: range) -> bool:
    return span.start <= value < span.stop


def _fields(seen: Seen) -> Iterator[Words]:
    """Names that neither a schema nor an example of this answer shows."""
    declared: dict[tuple[str | int, ...], set[str]] = {}
    objects: dict[tuple[str | int, ...], Spot] = {}
    for spot in seen.spots:
        if isinstance(spot.value, dict) and isinstance(spot.schema.value, dict) and "properties" in spot.schema.value:
            declared.setdefault(spot.place, set()).update(spot.schema.value["properties"])
            objects.setdefault(spot.place, spot)
    for place, spot in objects.items():
        shown = _shown_in_examples(seen) if not place else set()
        for name in sorted(spot.value.keys() - declared[place] - shown):
            got = _cut(".".join(map(str, (*place, name))))
            yield spot.schema.address + "/properties", "documented fields", got, got


def _shown_in_examples(seen: Seen) -> set[str]:
    return {
        name
        for _, media in (seen.spec.children(seen.declared, "content") if seen.declared else ())
        for _, example in seen.spec.children(media, "examples")
        if isinstance(example.value.get("value"), dict)
        for name in example.value["value"]
    }


def _headers(seen: Seen) -> Iterator[Words]:
    if seen.declared is None:
        return
    known = HTTP_FIELDS | {name.lower() for name in seen.declared.value.get("headers", {})}
    for name in sorted({name.lower() for name, _ in seen.exchange.response.headers} - known):
        yield seen.declared.address, "documented headers", _cut(name), _cut(name)


def _is_success(seen: Seen) -> bool:
    return _word(seen.task.get("status")) in SUCCESS_WORDS


def _word(status: object) -> str:
    return re.sub(r"[\s-]+", "_", status.strip().lower()) if isinstance(status, str) else ""


def _url(seen: Seen) -> Iterator[Words]:
    url = seen.task.get("video_url")
    if _is_success(seen) and (not isinstance(url, str) or not url.strip()):
        yield f"{_TASK}/properties/video_url", f"a URL beside the status {seen.task['status']!r}", _cut(url)


def _url_scheme(seen: Seen) -> Iterator[Words]:
    url = seen.task.get("video_url")
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", url, re.IGNORECASE) if isinstance(url, str) else None
    is_of_the_web = scheme and scheme[1].lower() in {"https", "http"}
    if scheme and not (is_of_the_web and re.match(r"[^:]+://[^/?#]", str(url))):
        yield f"{_TASK}/properties/video_url", "a URL of the web", _cut(url)


def _empty_id(seen: Seen) -> Iterator[Words]:
    if seen.task.get("id") == "":
        yield f"{_TASK}/properties/id", "the id of a task", "''"


def _challenge(seen: Seen) -> Iterator[Words]:
    """RFC 9110 section 11.6.1: a 401 says how to authenticate. The scheme is the one that the spec declares."""
    sent = values_of(seen.exchange.response.headers, "www-authenticate")
    if seen.exchange.response.status == 401 and not any("bearer" in value.lower() for value in sent):
        yield f"{_QUERY}/responses/401", "WWW-Authenticate: Bearer", _cut(", ".join(sent)) if sent else "nothing"


def _retry_after(seen: Seen) -> Iterator[Words]:
    for value in values_of(seen.exchange.response.headers, "retry-after"):
        if not value.strip().isdecimal() and parsedate_tz(value) is None:
            yield "/components/headers/RetryAfter", "seconds or an HTTP date", _cut(value)


def _charset(seen: Seen) -> Iterator[Words]:
    """RFC 8259 section 8.1: JSON between systems is UTF-8."""
    for value in values_of(seen.exchange.response.headers, "content-type"):
        found = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", value, re.IGNORECASE)
        if found and found[1].lower() not in {"utf-8", "utf8", "us-ascii"} and "json" in value.lower():
            yield f"{_QUERY}/responses", "JSON in UTF-8", _cut(found[1])


def _status(seen: Seen) -> Iterator[Words]:
    status = seen.task.get("status")
    if isinstance(status, str) and status not in KNOWN_WORDS:
        word = _word(status)
        expected = f"the spelling {word!r}" if word in KNOWN_WORDS else "a known word"
        yield f"{_TASK}/properties/status", expected, _cut(status), _cut(status)


def _other_id(seen: Seen) -> Iterator[Words]:
    asked, answered = seen.exchange.request.parameter("id"), seen.task.get("id")
    if isinstance(answered, str) and asked != answered:
        yield f"{_TASK}/properties/id", _cut(asked), _cut(answered)


def code_of(body: object) -> str | None:
    """The code of an error body, which stands beside the message: at the top, or in ``error``."""
    if not isinstance(body, dict):
        return None
    inner = body.get("error")
    codes = (body.get("code"), inner.get("code") if isinstance(inner, dict) else None)
    return next((code for code in codes if isinstance(code, str) and code), None)


def _refused(seen: Seen) -> Iterator[Words]:
    """A request that keeps the contract may be told that there is no such task, and not that it is wrong."""
    code = code_of(seen.body)
    is_told = code in NO_SUCH_TASK
    if seen.exchange.response.status == 400 and not is_told and not _request_problems(seen):
        yield f"{_QUERY}/responses/400", "code task_not_exist, as the request keeps the contract", _cut(code)


def _server_error(seen: Seen) -> Iterator[Words]:
    if seen.exchange.response.status >= 500:
        yield f"{_QUERY}/responses/5XX", "an answer", str(seen.exchange.response.status)


def _request_problems(seen: Seen) -> list[Problem]:
    found = conformance.request_problems(seen.spec, seen.exchange.request)
    return [problem for problem in found if problem.rule not in NO_REASON]


def _cut(value: object) -> str:
    return ascii(value)[:100]


def _spec_rule(rule_id: str, address: str, description: str) -> Rule:
    return Rule(rule_id, Severity.BREAKING, address, description, partial(_conforms, rule_id))


_PROPERTIES = f"{_TASK}/properties"
RULES: tuple[Rule, ...] = (
    _spec_rule("response-status", f"{_QUERY}/responses", "the status is declared"),
    _spec_rule("response-media-type", f"{_QUERY}/responses", "the media type is declared"),
    _spec_rule("response-body", f"{_QUERY}/responses", "the body is one JSON document"),
    _spec_rule("response-schema", "/components/schemas", "the body fits the schema"),
    _spec_rule("response-header", "/components/headers", "the headers fit their schemas"),
    Rule("integer-fraction", Severity.BREAKING, _PROPERTIES, "an integer is written without a fraction", _fractions),
    Rule("integer-range", Severity.BREAKING, _PROPERTIES, "an integer fits its format", _ranges),
    Rule("epoch-unit", Severity.BREAKING, f"{_PROPERTIES}/status_update_time", "times are in milliseconds", _epochs),
    Rule("url-missing", Severity.BREAKING, f"{_PROPERTIES}/video_url", "a success comes with its URL", _url),
    Rule("url-scheme", Severity.BREAKING, f"{_PROPERTIES}/video_url", "a URL is one of the web", _url_scheme),
    Rule("id-empty", Severity.BREAKING, f"{_PROPERTIES}/id", "the id is not empty", _empty_id),
    Rule("charset", Severity.BREAKING, f"{_QUERY}/responses", "JSON comes in UTF-8", _charset),
    Rule("valid-refused", Severity.BREAKING, f"{_QUERY}/responses/400", "a good request is not refused", _refused),
    Rule("status-unknown", Severity.DRIFT, f"{_PROPERTIES}/status", "the status is a known word", _status),
    Rule("field-undeclared", Severity.DRIFT, _PROPERTIES, "the fields are documented", _fields),
    Rule("header-undeclared", Severity.DRIFT, f"{_QUERY}/responses", "the headers are documented", _headers),
    Rule("challenge-missing", Severity.DRIFT, f"{_QUERY}/responses/401", "a 401 says how to authenticate", _challenge),
    Rule("retry-after-form", Severity.DRIFT, "/components/headers/RetryAfter", "Retry-After can be read", _retry_after),
    Rule("server-error", Severity.ADVICE, f"{_QUERY}/responses/5XX", "the gateway is not in trouble", _server_error),
    Rule("other-id", Severity.ADVICE, f"{_PROPERTIES}/id", "the answer names the id that was asked", _other_id),
)
