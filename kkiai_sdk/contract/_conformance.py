"""Checks responses and requests against the document, using schemathesis' response checks and parameters."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kkiai_sdk.contract._messages import media_type, pairs, values_of
from kkiai_sdk.contract._spec import fits_schema, need, pointer
from kkiai_sdk.contract._violations import RESPONSES, Rule, Severity, Violation, class_of_text, class_of_value, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._messages import Request
    from kkiai_sdk.contract._spec import Node, Spec
    from kkiai_sdk.contract._violations import ObservedExchange

_BREAKING = Severity.BREAKING
STATUS = Rule("response-status", _BREAKING, RESPONSES, "the status is declared")
MEDIA_TYPE = Rule("response-media-type", _BREAKING, RESPONSES, "the media type is declared")
BODY = Rule("response-body", _BREAKING, RESPONSES, "the body is one JSON document")
SCHEMA = Rule("response-schema", _BREAKING, "/components/schemas", "the body fits the schema")
HEADER = Rule("response-header", _BREAKING, "/components/headers", "the headers fit their schemas")
RULES = (STATUS, MEDIA_TYPE, BODY, SCHEMA, HEADER)
#: Rules by the codes of schemathesis' failures, which are stable; all other failures are about the schema.
_CODES = ((STATUS, "ST103"), (MEDIA_TYPE, "ST104", "ST105", "ST106"), (HEADER, "ST107"), (BODY, "ST109", "ST110"))
_RULE_OF = {code: rule for rule, *codes in _CODES for code in codes}
_BEARER = re.compile(r"Bearer [\x21-\x7e]+")
#: Expected, got, key and address of a violation.
_Details = tuple[str, str, str, str]


def conformance(observed: ObservedExchange) -> Iterator[Violation]:
    """Violations of the declared status, media type, headers and schema.

    A body that cannot be decoded breaks one rule: that of its media type, or else that of its form. Schemathesis also
    decodes JSON that is not strict; such a body is reported here and not validated.
    """
    found = [(_rule_of(failure), failure) for failure in _failures(observed)]
    is_json = media_type(observed.exchange.response.headers).endswith("json")
    is_opaque = any(rule is MEDIA_TYPE for rule, _ in found)
    has_body = bool(observed.exchange.response.body or "content" in (observed.declared or observed.operation).value)
    if observed.declared is not None and observed.fault and is_json and has_body and not is_opaque:
        is_opaque = True
        yield Violation(BODY, observed.exchange, *_unreadable(observed, observed.declared, observed.fault))
    for rule, failure in found:
        if not (is_opaque and rule in {BODY, SCHEMA}):
            yield from (Violation(rule, observed.exchange, *details) for details in _details(observed, rule, failure))


def _rule_of(failure: Any) -> Rule:
    # The failure of a schema (ST108) is also used for headers.
    return HEADER if "header does not conform" in failure.title else _RULE_OF.get(failure.code, SCHEMA)


def _failures(observed: ObservedExchange) -> list[Any]:
    """The failures of schemathesis' checks, in a stable order."""
    schemathesis, asked, response = need("schemathesis"), observed.exchange.request, observed.exchange.response
    # Of the request, only the method and the URL are used, in messages.
    request = need("requests").Request(asked.method, "https://gateway.example.com").prepare()
    headers = {name.lower(): observed.headers(name) for name, _ in response.headers}
    received = schemathesis.Response(response.status, headers, response.body, request, elapsed=0.0, verify=True)
    try:
        operation = observed.spec.api[observed.operation.path][asked.method]
        values = dict.fromkeys(re.findall(r"{([^{}]*)}", observed.operation.path), "x")
        operation.Case(path_parameters=values).validate_response(received)
    except schemathesis.errors.FailureGroup as group:
        return sorted(group.exceptions, key=lambda failure: (failure.code, str(failure.message)))
    return []


def _details(observed: ObservedExchange, rule: Rule, failure: Any) -> Iterator[_Details]:
    declared = observed.declared
    if declared is None:
        known, got = ", ".join(observed.operation.value["responses"]), str(observed.status)
        yield f"one of {known}", got, got, f"{observed.operation.address}/responses"
    elif rule is MEDIA_TYPE:
        known, sent = " or ".join(declared.value.get("content", {})), ", ".join(observed.headers("content-type"))
        key = media_type(observed.exchange.response.headers) or sent.lower()
        yield known, sent or "none", key, f"{declared.address}/content"
    elif rule is BODY:
        yield _unreadable(observed, declared, str(failure.message).rpartition("\n")[2].strip())
    elif rule is SCHEMA:
        yield from _schema_details(observed, declared, failure)
    else:
        # A failure about a value does not name the header.
        words = " ".join(str(failure.message).split())[:100]
        yield "headers that fit their schemas", words, class_of_text(words), f"{declared.address}/headers"


def _unreadable(observed: ObservedExchange, declared: Node, reason: str) -> _Details:
    # Positions differ from response to response; the reason and the first character do not.
    body = observed.exchange.response.body
    begin = body.lstrip()[:1].decode("ascii", "replace")
    kind = "nothing" if not begin else "a word" if begin.isalpha() else "a number" if begin.isdecimal() else begin
    key = f"{class_of_text(reason)} {kind}"
    return (
        "one JSON document",
        f"{short(body[:40].decode(errors='backslashreplace'))}: {reason}",
        key,
        f"{declared.address}/content",
    )


def _schema_details(observed: ObservedExchange, declared: Node, failure: Any) -> Iterator[_Details]:
    """A schema violation at the line of its keyword; one for each field that is missing."""
    place, path = tuple(getattr(failure, "instance_path", ())), list(getattr(failure, "schema_path", ()))
    keyword = str(path[-1]) if path else ""
    around = [node for node in observed.nodes if node.place == place[: len(node.place)]]
    node = max(around, key=lambda node: (len(node.place), node.keyword(keyword) is not None), default=None)
    if node is None or node.place != place or node.keyword(keyword) is None:
        words = str(failure.message).partition("\n")[0]
        address = node.schema.address if node else f"{declared.address}/content"
        yield "a body that fits the schema", words, f"{keyword} {class_of_text(words)}", address
    elif keyword == "oneOf" and any(
        fits_schema(observed.spec.document, form, node.value) for form in node.keyword("oneOf")
    ):
        # Several schemas match because the document does not distinguish them: not the gateway's fault.
        return
    elif keyword == "required" and isinstance(node.value, dict):
        for name in (each for each in node.keyword("required") if each not in node.value):
            title = f"{node.title}.{name}" if place else name
            at = pointer("properties", name) if name in (node.keyword("properties") or ()) else "/required"
            yield f"{title}: required", f"{title}: missing", class_of_text(title), node.schema.address + at
    else:
        wanted = f"{keyword} {json.dumps(node.keyword(keyword))[:100]}"
        wanted = "one of the declared forms" if keyword in {"anyOf", "oneOf"} else wanted
        key = f"{class_of_text(node.title)} {keyword} {class_of_value(node.value)}"
        got = f"{node.title}: {json.dumps(node.value)[:100]}"
        yield f"{node.title}: {wanted}", got, key, f"{node.schema.address}/{keyword}"


def request_problems(spec: Spec, request: Request) -> list[str]:
    """Reasons to refuse a request: invalid parameters, undeclared query parameters, credentials, a body."""
    operation = spec.operation(request.method, request.path)
    if operation is None:
        return ["operation undeclared"]
    declared, sent = spec.parameters(operation), pairs(request.query)
    found = ["query parameter undeclared"] if {("query", name) for name, _ in sent} - declared.keys() else []
    for (location, name), node in declared.items():
        values = [value for key, value in sent if key == name]
        values = values if location == "query" else values_of(request.headers, name)
        if location in {"query", "header"}:
            parameter = spec.api[operation.path][request.method].get_parameter(node.value["name"], location)
            reasons = ["missing"] if parameter.is_required and not values else ["repeated"] * (len(values) > 1)
            reasons += ["invalid" for value in values if not _is_valid(parameter, value)]
            found += [f"{location} parameter {name} {reason}" for reason in reasons]
    keys = values_of(request.headers, "authorization")
    wants_key = operation.value.get("security", spec.document.get("security"))
    if wants_key and not (len(keys) == 1 and _BEARER.fullmatch(keys[0])):
        found.append("credentials missing or malformed")
    return [*found, "body undeclared"] if request.body and "requestBody" not in operation.value else found


def _is_valid(parameter: Any, text: str) -> bool:
    """Whether a parameter of schemathesis allows a value from a URL or header. Lists are not parsed."""
    try:
        return bool(parameter.is_valid(text) or parameter.is_valid(json.loads(text)))
    except ValueError:
        return False
