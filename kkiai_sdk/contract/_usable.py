"""Whether a spec can be checked with: everything that the check does with it is done once, before anything is sent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from kkiai_sdk import ConfigurationError, KkiaiError
from kkiai_sdk.contract import _conformance as conformance
from kkiai_sdk.contract._coverage import coverage
from kkiai_sdk.contract._findings import one_line
from kkiai_sdk.contract._messages import Request, Response
from kkiai_sdk.contract._rules import RULES, judge
from kkiai_sdk.contract._seen import Exchange
from kkiai_sdk.contract._spec import METHODS
from kkiai_sdk.contract._target import operation_of
from kkiai_sdk.contract._yaml import need, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._spec import Node, Operation, Spec


def _mapping(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


_LIST_OF_PARAMETERS = {"type": "array", "items": _ref("parameter")}
#: The parts of an OpenAPI 3.1 document that are read, as a JSON Schema.
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["paths"],
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\."},
        "paths": _mapping(_ref("path")),
        "components": _mapping(_mapping({"type": ["object", "boolean"]})),
        "security": {"type": "array", "items": {"type": "object"}},
    },
    "$defs": {
        "path": {
            "type": "object",
            "properties": {"parameters": _LIST_OF_PARAMETERS, **dict.fromkeys(METHODS, _ref("operation"))},
        },
        "operation": {
            "type": "object",
            "required": ["responses"],
            "properties": {
                "description": {"type": "string"},
                "parameters": _LIST_OF_PARAMETERS,
                "requestBody": {"type": "object"},
                "responses": {**_mapping(_ref("response")), "minProperties": 1},
                "security": {"type": "array", "items": {"type": "object"}},
            },
        },
        "parameter": {
            "type": "object",
            "if": {"not": {"required": ["$ref"]}},
            "then": {"required": ["name", "in"], "anyOf": [{"required": ["schema"]}, {"required": ["content"]}]},
            "properties": {"name": {"type": "string"}, "in": {"enum": ["query", "header", "path", "cookie"]}},
        },
        "response": {
            "type": "object",
            "properties": {"headers": _mapping({"type": "object"}), "content": _mapping(_ref("media"))},
        },
        "media": {"type": "object", "properties": {"schema": _ref("schema"), "examples": _mapping({"type": "object"})}},
        "schema": {"type": ["object", "boolean"]},
    },
}


# A spec does not change: one that has passed need not be tried again.
@lru_cache(maxsize=4)
def rehearse(spec: Spec) -> None:
    """Raise ConfigurationError, in one sentence, for a spec over which the check would stumble."""
    for error in need("jsonschema_rs").Draft202012Validator(SHAPE).iter_errors(spec.document):
        address = pointer(*error.instance_path)
        raise ConfigurationError(
            f"{spec.name}, line {spec.line_of(address)}, is not OpenAPI 3.1 at {address or 'its root'}:"
            f" {one_line(error.message):.160}"
        )
    with blaming(spec):
        operation = operation_of(spec)
        _refuse_circles(spec)
        coverage(spec, operation, ())
        for rule in RULES:
            spec.line_of(rule.address)
        for exchange in _exchanges(spec, operation):
            judge(spec, exchange)


@contextmanager
def blaming(spec: Spec) -> Iterator[None]:
    """Whatever goes wrong inside is the fault of a spec that is not ours: it becomes a ConfigurationError."""
    try:
        yield
    except KkiaiError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:160]
        text = f"{spec.name} is not an OpenAPI 3.1 document that can be checked: {type(error).__name__}: {words}"
        raise ConfigurationError(text) from error


def _refuse_circles(spec: Spec) -> None:
    """A schema that applies itself to the same value has no end."""
    edges = {address: list(_in_place(spec, value, address)) for address, value in _values(spec.document, "")}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        raise ConfigurationError(
            f"{spec.name} has a schema that refers to itself in a circle at {error.args[1][0]}"
        ) from None


def _values(value: Any, address: str) -> Iterator[tuple[str, Any]]:
    yield address, value
    for step, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _values(part, address + pointer(step))


def _in_place(spec: Spec, value: Any, address: str) -> Iterator[str]:
    """The schemas that a schema applies to the very value that it is applied to."""
    if not isinstance(value, dict):
        return
    if isinstance(value.get("$ref"), str):
        # Only references within the document are read; `at` says so.
        spec.at(address)
        yield value["$ref"][1:]
    for keyword in ("allOf", "anyOf", "oneOf"):
        parts = value.get(keyword)
        yield from (address + pointer(keyword, index) for index in range(len(parts) if isinstance(parts, list) else 0))
    for keyword in ("not", "if", "then", "else"):
        if isinstance(value.get(keyword), dict):
            yield address + pointer(keyword)


def _exchanges(spec: Spec, operation: Operation) -> Iterator[Exchange]:
    """One answer for every status, media type and example."""
    request = Request(operation.method, operation.path, "id=a", (("Authorization", "Bearer k"),))
    for status, declared in spec.children(operation.node, "responses"):
        number = int(status) if status.isdecimal() and len(status) == 3 else 500 if status[:1] == "5" else 200
        headers = [(name, "1") for name, _ in spec.children(declared, "headers")]
        for media, content in spec.children(declared, "content"):
            for body in _bodies(spec, content):
                yield Exchange(request, Response(number, (("Content-Type", media), *headers), body))
        yield Exchange(request, Response(number))
    conformance.parameters_of(spec, operation)


def _bodies(spec: Spec, content: Node) -> Iterator[bytes]:
    yield from (b"{}", b"[]", b"null", b'"a"', b"7.0")
    for _, example in spec.children(content, "examples"):
        yield json.dumps(example.value.get("value")).encode()
