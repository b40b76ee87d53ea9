"""What the contract says about one request and about one answer: pure functions from plain values to problems.

Every function takes the spec and the facts of a message and gives a list of problems, empty when there are none. The
rules come from the spec alone: a path, a parameter, a header, a status or a field that is added there is checked here
without another line of code.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kkiai_sdk.contract._kinds import of_bytes, of_words
from kkiai_sdk.contract._messages import Problem, pairs, values_of
from kkiai_sdk.contract._schemas import schema_problems
from kkiai_sdk.contract._strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._messages import Headers, Request, Response
    from kkiai_sdk.contract._spec import Node, Operation, Spec

#: Fields that belong to HTTP itself (RFC 9110 and 9112): a request may carry them whatever the spec says.
HTTP_FIELDS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host", "user-agent"}
)
#: A header that the description asks for, such as `Accept: application/json`; OpenAPI has no other place for it.
_NOTE = re.compile(r"`(?P<name>[A-Za-z][A-Za-z0-9-]*): (?P<value>[^`]+)`")
_BEARER = re.compile(r"Bearer [\x21-\x7e]+")


def request_problems(spec: Spec, request: Request) -> list[Problem]:
    """How a request strays from the spec."""
    operation = spec.operation(request.method, request.path)
    if operation is None:
        known = ", ".join(f"{each.method} {each.path}" for each in spec.operations)
        return [Problem("request-operation", "/paths", known, f"{request.method} {request.path}")]
    return [
        *_parameter_problems(spec, operation, request),
        *_undeclared_problems(spec, operation, request),
        *_documented_header_problems(operation, request),
        *_security_problems(spec, operation, request),
        *_request_body_problems(spec, operation, request),
    ]


def response_problems(spec: Spec, operation: Operation, response: Response) -> list[Problem]:
    """How an answer to an operation strays from the spec."""
    declared = declared_response(spec, operation, response.status)
    if declared is None:
        known = ", ".join(operation.node.value["responses"])
        where = operation.node.address + "/responses"
        got = str(response.status)
        return [Problem("response-status", where, f"one of {known}", got, got)]
    return [
        *_content_problems(spec, declared, "response", response.headers, response.body),
        *_response_header_problems(spec, declared, response.headers),
    ]


def declared_response(spec: Spec, operation: Operation, status: int) -> Node | None:
    """What the spec says about a status: by its number, else by its range such as 5XX, else by ``default``."""
    declared = dict(spec.children(operation.node, "responses"))
    return declared.get(str(status)) or declared.get(f"{status // 100}XX") or declared.get("default")


def declared_schema(spec: Spec, declared: Node, headers: Headers) -> Node | None:
    """The schema for a body that comes with these headers, or None."""
    for name, media in spec.children(declared, "content"):
        if name == media_type(headers) and "schema" in media.value:
            return spec.child(media, "schema")
    return None


def media_type(headers: Headers) -> str:
    """The media type without its parameters, in lower case; empty when there is none or more than one."""
    found = values_of(headers, "content-type")
    return found[0].partition(";")[0].strip().lower() if len(found) == 1 else ""


def parameters_of(spec: Spec, operation: Operation) -> dict[tuple[str, str], Node]:
    """The declared parameters by place and name, those of the path included; names of headers in lower case."""
    path_item = spec.at(operation.node.address.rpartition("/")[0])
    found = {}
    for owner in (path_item, operation.node):
        for index in range(len(owner.value.get("parameters", ()))):
            node = spec.child(owner, "parameters", index)
            name = node.value["name"]
            found[node.value["in"], name.lower() if node.value["in"] == "header" else name] = node
    return found


def _sent(operation: Operation, request: Request, place: str, name: str) -> list[str]:
    """The values that a request has for one parameter."""
    if place == "query":
        return [value for key, value in pairs(request.query) if key == name]
    if place == "header":
        return values_of(request.headers, name)
    if place == "cookie":
        cookies = [pair.strip() for each in values_of(request.headers, "cookie") for pair in each.split(";")]
        return [pair.partition("=")[2] for pair in cookies if pair.partition("=")[0] == name]
    steps = zip(operation.path.split("/"), request.path.split("/"), strict=True)
    return [unquote(sent) for wanted, sent in steps if wanted == f"{{{name}}}"]


def _parameter_problems(spec: Spec, operation: Operation, request: Request) -> Iterator[Problem]:
    for (place, name), node in parameters_of(spec, operation).items():
        sent = _sent(operation, request, place, name)
        title = f"{place} parameter {name}"
        if not sent and node.value.get("required"):
            yield Problem("request-parameter-missing", node.address, title, "nothing")
        if "schema" not in node.value:
            continue
        schema = spec.child(node, "schema")
        is_list = "array" in _types(schema)
        if len(sent) > 1 and not is_list:
            yield Problem("request-parameter-repeated", node.address, f"{title} once", f"{len(sent)} times")
        one = spec.child(schema, "items") if is_list and "items" in schema.value else schema
        values = [_coerced(one, value) for value in sent]
        for value in [values] if is_list and sent else values:
            yield from schema_problems(spec, schema, "request-parameter-invalid", value, title)


def _undeclared_problems(spec: Spec, operation: Operation, request: Request) -> Iterator[Problem]:
    declared = parameters_of(spec, operation)
    where = operation.node.address + "/parameters"
    names = {("query", key) for key, _ in pairs(request.query)}
    names |= {("header", key.lower()) for key, _ in request.headers if key.lower() not in HTTP_FIELDS}
    for place, name in sorted(names - declared.keys()):
        kind = "header" if place == "header" else "parameter"
        yield Problem(f"request-{kind}-undeclared", where, "declared parameters only", f"{place} parameter {name}")


def _documented_header_problems(operation: Operation, request: Request) -> Iterator[Problem]:
    """The headers that only the description can ask for. Authorization is the security scheme's business."""
    for note in _NOTE.finditer(operation.node.value.get("description", "")):
        sent = values_of(request.headers, note["name"])
        if note["name"].lower() != "authorization" and sent != [note["value"]]:
            where = operation.node.address + "/description"
            yield Problem("request-header-documented", where, note[0].strip("`"), f"{note['name']}: {sent}")


def _security_problems(spec: Spec, operation: Operation, request: Request) -> Iterator[Problem]:
    wanted = operation.node.value.get("security", spec.document.get("security", []))
    if wanted and not any(all(_is_met(spec, scheme, request) for scheme in each) for each in wanted):
        where = operation.node.address + "/security"
        # What was sent is not repeated: it may be a key.
        got = f"{len(values_of(request.headers, 'authorization'))} Authorization fields, none of this form"
        yield Problem("request-security", where, f"credentials for {' or '.join(map(' and '.join, wanted))}", got)


def _is_met(spec: Spec, scheme: str, request: Request) -> bool:
    """Whether the request has the credentials of a scheme. A scheme that is not HTTP bearer is never met."""
    node = spec.at(f"/components/securitySchemes/{scheme}").value
    sent = values_of(request.headers, "authorization")
    return node.get("scheme") == "bearer" and len(sent) == 1 and _BEARER.fullmatch(sent[0]) is not None


def _request_body_problems(spec: Spec, operation: Operation, request: Request) -> Iterable[Problem]:
    if "requestBody" not in operation.node.value:
        return [Problem("request-body", operation.node.address, "no body", "a body")] if request.body else []
    return _content_problems(spec, spec.child(operation.node, "requestBody"), "request", request.headers, request.body)


def _content_problems(spec: Spec, declared: Node, side: str, headers: Headers, body: bytes) -> Iterator[Problem]:
    """The media type and the body against what is declared."""
    where = declared.address + "/content"
    known = list(declared.value.get("content", {}))
    if not known:
        if body:
            yield Problem(f"{side}-body", declared.address, "no body", f"{len(body)} bytes")
        return
    kind = media_type(headers)
    if kind not in known:
        got = ", ".join(values_of(headers, "content-type")) or "none"
        yield Problem(f"{side}-media-type", where, " or ".join(known), got, kind or got.lower())
        return
    schema = declared_schema(spec, declared, headers)
    if schema is None or not kind.endswith("json"):
        return
    try:
        value = read_json(body)
    except ValueError as problem:
        # Positions differ from answer to answer; the words and the beginning are the kind of the fault.
        key = f"{of_words(str(problem))} {of_bytes(body)}"
        yield Problem(f"{side}-body", where, "one JSON document", f"{body[:40]!r}: {problem}", key)
        return
    yield from schema_problems(spec, schema, f"{side}-schema", value, "the body")


def _response_header_problems(spec: Spec, declared: Node, headers: Headers) -> Iterator[Problem]:
    for name, node in spec.children(declared, "headers"):
        sent = values_of(headers, name)
        if not sent and node.value.get("required"):
            yield Problem("response-header", node.address, f"the header {name}", "nothing", "missing")
        if len(sent) > 1:
            yield Problem("response-header", node.address, f"the header {name} once", f"{len(sent)} times", "repeated")
        if "schema" not in node.value:
            continue
        schema = spec.child(node, "schema")
        for value in sent:
            yield from schema_problems(spec, schema, "response-header", _coerced(schema, value), f"the header {name}")


def _types(schema: Node) -> list[str]:
    kind = schema.value.get("type", "string")
    return [kind] if isinstance(kind, str) else kind


def _coerced(schema: Node, value: str) -> Any:
    """Text from a URL or a header as the type that the schema asks for, if it can be read as that."""
    if "string" in _types(schema):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
