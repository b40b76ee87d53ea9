"""The reader view of an OpenAPI document: strict for requests, tolerant for responses.

Generated parsers raise ``KeyError`` on a missing field, and real responses leave fields out. The generator therefore
gets a view of the document in which nothing in a response is required or fixed by ``const``, and every value may be
null. A union with null also makes generated parsers pass values of other types, and words missing from an enum,
unchanged. The body as a whole does not become nullable: the session checks it before it is parsed.

Rules for a schema under ``components``:

* used by responses only: loosened under its own name;
* used by requests only (parameters, request bodies, callbacks), or unused: unchanged;
* used by both: unchanged for requests, with a loosened copy ``<name>Read`` for responses.

Header parameters that OpenAPI says to ignore are left out, since the generator does not ignore them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SCHEMA_REF, _PARAMETER_REF = "#/components/schemas/", "#/components/parameters/"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_IGNORED_HEADERS = {"accept", "content-type", "authorization"}

# Keywords that hold schemas. Values become nullable; branches describe one value, which becomes nullable as a whole.
_VALUES_BY_NAME = ("properties", "patternProperties")
_VALUE = ("items", "additionalProperties")
_BRANCHES = ("allOf", "anyOf", "oneOf")


def reader_view(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reader view of an OpenAPI 3.1 document, which is not changed itself.

    Raises ``ValueError`` if the document already has a schema with the name of a needed copy, ``<name>Read``.
    """
    view = deepcopy(dict(spec))
    _drop_ignored_headers(view)
    schemas: dict[str, Any] = view.get("components", {}).get("schemas", {})
    read = _reachable(schemas, list(_media_types(view)))
    copies = {name: _copy_name(name, schemas) for name in read & _reachable(schemas, list(_request_parts(view)))}
    loosened = {copies.get(name, name): _loosen(schemas[name], copies) for name in schemas if name in read}
    for media_type in _media_types(view):
        if "schema" in media_type:
            media_type["schema"] = _loosen(media_type["schema"], copies)
    schemas.update(loosened)
    return view


def _copy_name(name: str, taken: Mapping[str, Any]) -> str:
    copy = f"{name}Read"
    if copy in taken:
        raise ValueError(f"schema {name} of requests and responses needs a copy {copy}: rename the schema {copy}")
    return copy


def _drop_ignored_headers(view: Mapping[str, Any]) -> None:
    shared = view.get("components", {}).get("parameters", {})
    for owner in [*view.get("paths", {}).values(), *_operations(view)]:
        if "parameters" in owner:
            owner["parameters"] = [each for each in owner["parameters"] if not _is_ignored(each, shared)]
            for parameter in owner["parameters"]:
                _drop_date_format(parameter)


def _is_ignored(parameter: Mapping[str, Any], shared: Mapping[str, Any]) -> bool:
    resolved = shared.get(parameter.get("$ref", "").removeprefix(_PARAMETER_REF), parameter)
    return resolved.get("in") == "header" and resolved["name"].lower() in _IGNORED_HEADERS


def _drop_date_format(parameter: dict[str, Any]) -> None:
    """Make a date in a header or cookie plain text: the generator leaves such operations out."""
    schema = parameter.get("schema", {})
    if parameter.get("in") in {"header", "cookie"} and schema.get("format") in {"date", "date-time"}:
        parameter["schema"] = {key: value for key, value in schema.items() if key != "format"}


def _operations(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in spec.get("paths", {}).values():
        yield from (item[method] for method in _METHODS if method in item)


def _media_types(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each media type object of each response, in place."""
    for owner in [*_operations(spec), spec.get("components", {})]:
        for response in owner.get("responses", {}).values():
            yield from response.get("content", {}).values()


def _request_parts(spec: Mapping[str, Any]) -> Iterator[object]:
    """Yield everything outside responses that may refer to a schema."""
    yield from (item.get("parameters") for item in spec.get("paths", {}).values())
    yield from ({key: part for key, part in each.items() if key != "responses"} for each in _operations(spec))
    yield {key: part for key, part in spec.get("components", {}).items() if key not in {"schemas", "responses"}}


def _reachable(schemas: Mapping[str, Any], roots: list[Any]) -> set[str]:
    """Return the names of schemas that the roots use, directly or through others."""
    found: set[str] = set()
    pending = roots
    while pending:
        for name in _refs(pending.pop()):
            if name in schemas and name not in found:
                found.add(name)
                pending.append(schemas[name])
    return found


def _refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.startswith(_SCHEMA_REF):
            yield ref.removeprefix(_SCHEMA_REF)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _refs(child)


def _loosen(schema: Any, copies: Mapping[str, str]) -> Any:
    """Return a schema with nothing required or fixed and every value nullable. References go to the copies."""
    if not isinstance(schema, dict):  # `true` and `false` are schemas too
        return schema
    # Generated parsers raise on another value than a constant, even where null or other types are allowed.
    loose = {key: part for key, part in schema.items() if key not in {"required", "const"}}
    if "$ref" in loose:
        name = loose["$ref"].removeprefix(_SCHEMA_REF)
        loose["$ref"] = _SCHEMA_REF + copies[name] if name in copies else loose["$ref"]
    for key in loose.keys() & _VALUES_BY_NAME:
        loose[key] = {name: _nullable(_loosen(part, copies)) for name, part in loose[key].items()}
    for key in loose.keys() & _VALUE:
        loose[key] = _nullable(_loosen(loose[key], copies))
    for key in loose.keys() & _BRANCHES:
        loose[key] = [_loosen(part, copies) for part in loose[key]]
    return loose


def _nullable(schema: Any) -> Any:
    """Return a union of a schema and null. Notes are repeated outside, where the generator looks for them."""
    if not isinstance(schema, dict):
        return schema
    notes = {key: schema[key] for key in ("description", "example") if key in schema}
    return {**notes, "anyOf": [schema, {"type": "null"}]}
