"""Rules about a single response that no schema expresses: about tasks, values and HTTP."""

from __future__ import annotations

import re
from email.utils import parsedate_tz
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlsplit

from attrs import evolve

from kkiai_sdk.contract import _conformance
from kkiai_sdk.contract._messages import milliseconds_of, values_of
from kkiai_sdk.contract._violations import (
    PROPERTIES,
    QUERY,
    RESPONSES,
    Rule,
    Severity,
    Violation,
    class_of_text,
    class_of_value,
    observe,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._messages import Exchange
    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._violations import ObservedExchange

#: Statuses that end a task with a video, that end it without one, and that do not end it; lower case.
SUCCESS = frozenset({"completed", "success", "succeeded", "done", "ready"})
FAILURE = frozenset(
    {"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"}
    | {"video_generation_failed", "video_upsampling_failed"}
)
#: Of those that do not end it: nothing has been generated yet.
WAITING = frozenset({"pending", "queued", "submitted", "not_start"})
UNFINISHED = WAITING | frozenset(
    {"processing", "in_progress", "running", "generating", "image_downloading", "video_generating"}
    | {"video_generation_completed", "video_upsampling", "video_upsampling_completed"}
)
KNOWN = SUCCESS | FAILURE | UNFINISHED
#: From 1973 to 5138. The same times in seconds are below, in microseconds above.
EPOCH_MILLISECONDS = range(10**11, 10**14)
_UNITS = (("microseconds or finer", 10**14), ("milliseconds", 10**11), ("seconds", 10**8), ("days or a count", 1))
#: Values of ``additionalProperties`` that do not describe other fields.
_BARE = (None, True, False)
#: Tolerated difference between two clocks, in milliseconds.
CLOCK_SKEW = 5 * 60 * 1000
_INTEGER_BITS = {"int32": 31, "int64": 63}
#: Codes that make a 400 the documented response to an unknown id.
NO_SUCH_TASK = frozenset({"task_not_exist"})
#: Fields with a single value, so that two of them would contradict each other (RFC 9110 section 5.3).
SINGLE = frozenset(
    {"content-type", "content-length", "date", "retry-after", "location", "age", "etag", "expires", "last-modified"}
)
#: Fields of HTTP that servers and intermediaries put on any response (RFC 9110 to 9112, 6797, 7838, and the IANA
#: registry of field names for caches, proxies and measuring); browsers' policies (Fetch, CSP, Permissions Policy);
#: fields of content delivery networks, load balancers and proxies, and their names for the id of a request.
_IN_TRANSIT = frozenset(
    """
    accept-ch accept-ranges age allow alt-svc cache-control cache-status cdn-cache-control connection content-encoding
    content-language content-length content-location content-range content-type date etag expires keep-alive
    last-modified link nel pragma priority proxy-status report-to reporting-endpoints server server-timing
    strict-transport-security timing-allow-origin trailer transfer-encoding upgrade vary via warning
    content-security-policy content-security-policy-report-only cross-origin-embedder-policy cross-origin-opener-policy
    cross-origin-resource-policy feature-policy origin-agent-cluster permissions-policy referrer-policy
    x-content-type-options x-dns-prefetch-control x-download-options x-frame-options x-permitted-cross-domain-policies
    x-xss-protection
    eagleid request-id traceparent tracestate x-accel-buffering x-azure-ref x-b3-traceid x-cache x-cache-hits
    x-cache-lookup x-cache-status x-cdn x-cdn-request-id x-cloud-trace-context x-correlation-id x-edge-location
    x-msedge-ref x-nginx-cache x-nws-log-uuid x-process-time x-proxy-cache x-request-id x-response-time x-runtime
    x-served-by x-swift-cachetime x-swift-savetime x-timer x-trace-id x-varnish x-via x-ws-request-id
    """.split()  # noqa: SIM905 (a table)
)
_IN_TRANSIT_TOO = re.compile("(access-control|cf|x-amz-cf|x-amzn|x-envoy|x-akamai|akamai|x-fastly|x-vercel)-")

_BREAKING, _DRIFT, _ADVICE = Severity
_ID, _STATUS, _URL, _TIME = (f"{PROPERTIES}/{name}" for name in ("id", "status", "video_url", "status_update_time"))
_OK = f"{RESPONSES}/200"
#: About operations other than the query, whose error responses are part of its contract.
REFUSAL = Rule("refusal-undeclared", _DRIFT, RESPONSES, "invalid requests are refused with a declared status")
_TABLE = (
    Rule("integer-fraction", _BREAKING, PROPERTIES, "an integer is written without a fraction"),
    Rule("integer-range", _BREAKING, PROPERTIES, "an integer fits its format"),
    Rule("epoch-unit", _BREAKING, _TIME, "times are in milliseconds"),
    Rule("time-ahead", _BREAKING, _TIME, "the time of the last change is in the past"),
    Rule("url-missing", _BREAKING, _URL, "a succeeded task has a URL"),
    Rule("url-scheme", _BREAKING, _URL, "a URL can be fetched over HTTP"),
    Rule("id-empty", _BREAKING, _ID, "the id is not empty"),
    Rule("charset", _BREAKING, RESPONSES, "JSON is in UTF-8"),
    Rule("header-repeated", _BREAKING, RESPONSES, "a single-valued field occurs once"),
    Rule("framing", _BREAKING, RESPONSES, "a response has one length"),
    Rule("coding-unasked", _BREAKING, RESPONSES, "a body is only compressed for clients that accept it"),
    Rule("valid-refused", _BREAKING, f"{RESPONSES}/400", "a valid request is not refused"),
    Rule("url-early", _DRIFT, _URL, "a queued task has no URL"),
    Rule("error-beside", _DRIFT, _OK, "only a failed task has an error"),
    Rule("field-form", _DRIFT, _OK, "fields have the types of the examples"),
    Rule("text-damaged", _DRIFT, PROPERTIES, "text is not corrupted"),
    Rule("status-unknown", _DRIFT, _STATUS, "the status is a known word"),
    Rule("field-undeclared", _DRIFT, PROPERTIES, "the fields are documented"),
    Rule("header-undeclared", _DRIFT, RESPONSES, "the headers are documented"),
    REFUSAL,
    Rule("reason-missing", _DRIFT, "/components/schemas/ErrorResponse", "an error states a reason"),
    Rule("challenge-missing", _DRIFT, f"{RESPONSES}/401", "a 401 says how to authenticate"),
    Rule("retry-after-form", _DRIFT, "/components/headers/RetryAfter", "Retry-After can be parsed"),
    Rule("server-error", _ADVICE, f"{RESPONSES}/5XX", "the gateway answers without server errors"),
    Rule("other-id", _ADVICE, _ID, "the response contains the requested id"),
)
_BY_ID = {rule.id: rule for rule in _TABLE}
RULES = (*_conformance.RULES, *_TABLE)
#: Id of the rule, expected, got, key and, if it is not the rule's own, the address of a violation.
_Found = tuple[str, str, str, str] | tuple[str, str, str, str, str]


def judge(spec: Spec, exchange: Exchange) -> list[Violation]:
    """Every violation of every rule in one exchange."""
    observed = observe(spec, exchange)
    if observed is None:
        return []
    checks = (_values, _times, _urls, _identity, _fields, _refusals, _encoding, _header_fields)
    found = [each for check in checks for each in check(observed)]
    own = (Violation(_BY_ID[rule], exchange, *details) for rule, *details in found)
    return [placed(spec, each) for each in (*_conformance.conformance(observed), *own)]


def placed(spec: Spec, violation: Violation) -> Violation:
    """The violation at its operation, because rules name places in the query."""
    request = violation.exchange.request
    operation = spec.operation(request.method, request.path)
    if operation is None or operation.is_query:
        return violation
    address = violation.address.replace(QUERY, operation.address, 1)
    return evolve(violation, address=address if spec.has(address) else operation.address)


def status_word(status: object) -> str:
    """A status in its usual spelling; empty if it is not text."""
    return re.sub(r"[\s-]+", "_", status.strip().lower()) if isinstance(status, str) else ""


def plain_id(task_id: str) -> str:
    """An id without its prefix, in lower case."""
    return task_id.rpartition(":")[2].strip().lower()


def is_moment(value: object) -> TypeGuard[int]:
    """Whether a value is a time in milliseconds."""
    return isinstance(value, int) and not isinstance(value, bool) and value in EPOCH_MILLISECONDS


def code_of(body: object) -> str | None:
    """The code of an error body, which is next to the message: at the top level, or in ``error``."""
    if not isinstance(body, dict):
        return None
    inner = body.get("error")
    codes = (body.get("code"), inner.get("code") if isinstance(inner, dict) else None)
    return next((code for code in codes if isinstance(code, str) and code), None)


def _values(observed: ObservedExchange) -> Iterator[_Found]:
    for node in observed.nodes:
        value, title, address = node.value, node.title, node.schema.address
        types = node.keyword("type")
        is_integer = types == "integer" or (isinstance(types, list) and {"integer", "number"} & {*types} == {"integer"})
        # To a schema, 1.0 is an integer; to most languages it is not.
        if is_integer and isinstance(value, float) and value.is_integer():
            yield "integer-fraction", f"{title} written as an integer", repr(value), "fraction", address
        bits = _INTEGER_BITS.get(node.keyword("format"))
        if bits and is_integer and isinstance(value, int) and not -(2**bits) <= value < 2**bits:
            key = "above" if value > 0 else "below"
            yield "integer-range", f"{title} in the range of {bits + 1} bits", short(value), key, address
        # Decoders replace bytes that they cannot decode by U+FFFD.
        if isinstance(value, str) and "\ufffd" in value:
            yield "text-damaged", f"{title} without U+FFFD", short(value), "replacement character", address


def _times(observed: ObservedExchange) -> Iterator[_Found]:
    for node in observed.nodes:
        value, span = node.value, EPOCH_MILLISECONDS
        is_time = "milliseconds since 1970" in str(node.keyword("description")) and not isinstance(value, bool)
        if is_time and isinstance(value, int | float) and not span.start <= value < span.stop:
            unit = next((name for name, least in _UNITS if value >= least), "negative" if value < 0 else "zero")
            yield "epoch-unit", f"{node.title} in milliseconds", short(value), unit, node.schema.address
    # A clock in local time is hours ahead.
    time, dates = observed.task.get("status_update_time"), observed.headers("date")
    now = milliseconds_of(dates[0]) if len(dates) == 1 else None
    if is_moment(time) and now is not None and time > now + CLOCK_SKEW:
        minutes = (time - now) // 60_000
        yield "time-ahead", "a time in the past", f"{minutes} minutes after the Date of the response", "ahead"


def _urls(observed: ObservedExchange) -> Iterator[_Found]:
    task, url, word = observed.task, observed.task.get("video_url"), status_word(observed.task.get("status"))
    has_url = isinstance(url, str) and bool(url.strip())
    if word in SUCCESS and not has_url:
        key = class_of_value(url) if "video_url" in task else "absent"
        yield "url-missing", f"a URL with the status {short(task['status'])}", short(url), key
    if word in WAITING and has_url:
        yield "url-early", f"null with the status {short(word)}", short(url), "early"
    fault = _url_fault(url) if isinstance(url, str) else None
    if fault:
        yield "url-scheme", "an http or https URL", f"{short(url)}: {fault}", fault


def _url_fault(url: str) -> str | None:
    """The fault of an absolute URL, or None. The schema covers relative ones."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "an invalid host or port"
    if parts.scheme not in {"https", "http"}:
        return f"the scheme {parts.scheme}" if parts.scheme else None
    # RFC 9110 section 4.2.4 forbids credentials; an escaped ampersand invalidates every signature.
    faults = {"no host": not parts.netloc, "credentials": "@" in parts.netloc, "an HTML escape": "&amp;" in url}
    return next((fault for fault, is_there in faults.items() if is_there), None)


def _identity(observed: ObservedExchange) -> Iterator[_Found]:
    asked, answered = observed.exchange.request.parameter("id"), observed.task.get("id")
    if isinstance(answered, str) and not answered.strip():
        yield "id-empty", "the id of a task", short(answered), class_of_value(answered)
    if isinstance(answered, str) and asked is not None and asked != answered:
        key = "prefix" if plain_id(asked) == plain_id(answered) else "other"
        yield "other-id", short(asked), short(answered), "case" if asked.lower() == answered.lower() else key
    status = observed.task.get("status")
    if isinstance(status, str) and status not in KNOWN:
        word = status_word(status)
        expected = f"the spelling {short(word)}" if word in KNOWN else "a known word"
        yield "status-unknown", expected, short(status), class_of_text(short(status))


def _fields(observed: ObservedExchange) -> Iterator[_Found]:
    shown: dict[str, tuple[str, Any]] = {}
    for address, example in observed.examples():
        shown = {name: (address, value) for name, value in example.items()} | shown
    objects = [node for node in observed.nodes if isinstance(node.value, dict) and node.keyword("properties")]
    for node in {node.place: node for node in reversed(objects)}.values():
        same = [each for each in objects if each.place == node.place]
        declared = {name for each in same for name in each.keyword("properties")} | (
            set() if node.place else shown.keys()
        )
        # If other names have their own schema, they are documented.
        if any(each.keyword("patternProperties") or each.keyword("additionalProperties") not in _BARE for each in same):
            continue
        for name in sorted(node.value.keys() - declared):
            got = short(".".join(map(str, (*node.place, name))))
            yield "field-undeclared", "documented fields", got, got, f"{node.schema.address}/properties"
    described = {node.place[0] for node in observed.nodes if len(node.place) == 1}
    for name, (address, value) in shown.items():
        sent, wanted = observed.task.get(name), _type_of(value)
        if name not in described and sent is not None and wanted != _type_of(sent):
            key = f"{name} {class_of_value(sent)}"
            yield "field-form", f"{name}: {wanted}, as in the example", f"{name}: {short(sent)}", key, address


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _refusals(observed: ObservedExchange) -> Iterator[_Found]:
    status, body, code = observed.status, observed.body, code_of(observed.body)
    error, word = observed.task.get("error"), status_word(observed.task.get("status"))
    if word in SUCCESS | UNFINISHED and not _is_blank(error):
        yield "error-beside", f"no error with the status {short(word)}", short(error), word
    if status >= 400 and isinstance(body, dict) and _is_blank(body):
        yield "reason-missing", "a reason in any field", short(body), "blank"
    is_refusal = status == 400 and code not in NO_SUCH_TASK and observed.operation.is_query
    if is_refusal and not _conformance.request_problems(observed.spec, observed.exchange.request):
        expected = "code task_not_exist, because the request conforms to the contract"
        yield "valid-refused", expected, short(code), class_of_text(short(code))
    # It is usually transient; a permanent one breaks another rule.
    if status >= 500:
        yield "server-error", "a response without a server error", str(status), str(status)


def _is_blank(value: Any) -> bool:
    """Whether a value contains neither text nor a number other than 0, at any depth."""
    if isinstance(value, dict | list):
        return all(map(_is_blank, value.values() if isinstance(value, dict) else value))
    return not value.strip() if isinstance(value, str) else not value


def _encoding(observed: ObservedExchange) -> Iterator[_Found]:
    # RFC 8259 section 8.1.
    for value in observed.headers("content-type"):
        found = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", value, re.IGNORECASE)
        if found and found[1].lower() not in {"utf-8", "utf8", "us-ascii"} and "json" in value.lower():
            yield "charset", "JSON in UTF-8", short(found[1]), short(found[1].lower())
    # RFC 9112 section 6.2: proxies disagree about which of the two applies.
    if observed.headers("content-length") and observed.headers("transfer-encoding"):
        yield "framing", "Content-Length or Transfer-Encoding", "both", "both"
    # RFC 9110 section 12.5.3.
    accepted = values_of(observed.exchange.request.headers, "accept-encoding")
    coded = ", ".join(value for value in observed.headers("content-encoding") if value != "identity")
    if accepted == ["identity"] and coded:
        yield "coding-unasked", "an uncompressed body", short(coded), short(coded.lower())


def _is_bearer(spec: Spec) -> bool:
    """Whether the key is a bearer token, which is assumed if the document does not say."""
    components = spec.children(spec.at(""), "components").get("securitySchemes")
    schemes = components.value.values() if components else ()
    return not schemes or any(
        isinstance(each, dict) and str(each.get("scheme")).lower() == "bearer" for each in schemes
    )


def _header_fields(observed: ObservedExchange) -> Iterator[_Found]:
    nodes = {name.lower(): node for name, node in observed.spec.children(observed.declared, "headers").items()}
    for name in sorted(SINGLE | nodes.keys()):
        count, address = len(observed.headers(name)), nodes[name].address if name in nodes else RESPONSES
        if count > 1:
            yield "header-repeated", f"{name} once", f"{count} times", name, address
    # RFC 9110 section 11.6.1: every 401 has it, declared or not.
    usual = _IN_TRANSIT | ({"www-authenticate"} if observed.status == 401 else set())
    for name in sorted({name.lower() for name, _ in observed.exchange.response.headers} - nodes.keys() - usual):
        if observed.declared is not None and not _IN_TRANSIT_TOO.match(name):
            yield "header-undeclared", "documented headers", short(name), short(name), observed.declared.address
    # The scheme that the document declares.
    sent = observed.headers("www-authenticate")
    if observed.status == 401 and _is_bearer(observed.spec) and not any("bearer" in value.lower() for value in sent):
        schemes = " ".join(sorted(value.partition(" ")[0].lower() for value in sent))
        got = short(", ".join(sent)) if sent else "nothing"
        yield "challenge-missing", "WWW-Authenticate: Bearer", got, schemes or "nothing"
    # RFC 9110 section 10.2.3.
    for value in observed.headers("retry-after"):
        if not value.strip().isdecimal() and parsedate_tz(value) is None:
            yield "retry-after-form", "seconds or an HTTP date", short(value), class_of_text(short(value))
