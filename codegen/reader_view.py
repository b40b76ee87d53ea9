"""The reader view of an OpenAPI document: what is written stays strict, what is read becomes tolerant.

The generator's parsers raise ``KeyError`` on a missing field, and real answers leave fields out. So the generator is
given a view of the contract in which a response promises less: nothing in it is required, no value is fixed by
``const``, and every value in it may be null. A union with null also makes the generator's parser pass a value of an
unforeseen type or an unlisted enum word through unchanged. The body itself stays what it is: a session in front of the
parser judges that.

The rule for a schema under ``components``, by who uses it:

* only responses: it is loosened under its own name;
* only requests (parameters, request bodies, callbacks), or nobody: it is left alone;
* both: it stays strict under its own name for requests, and responses use a loosened copy, ``<name>Read``.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SCHEMA_REF = "#/components/schemas/"
#: OpenAPI says to ignore header parameters of these names: media types and security schemes take their place.
_IGNORED_HEADERS = {"accept", "content-type", "authorization"}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

# Where a JSON schema keeps other schemas. A value may be null; a branch is one of several descriptions of the same
# value, so the null belongs to the whole and not to each branch.
_VALUES_BY_NAME = ("properties", "patternProperties")
_VALUE = ("items", "additionalProperties")
_BRANCHES = ("allOf", "anyOf", "oneOf")


def reader_view(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Give the reader view of an OpenAPI 3.1 document; the document itself is not changed.

    Raises ``ValueError`` if a copy ``<name>Read`` is needed and the document already has a schema of that name.
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
        msg = f"schema {name} is used by requests and responses, so responses need {copy}: rename the schema {copy}"
        raise ValueError(msg)
    return copy


def _drop_ignored_headers(view: Mapping[str, Any]) -> None:
    named = view.get("components", {}).get("parameters", {})
    for owner in (each for item in _path_items(view) for each in (item, *_operations(item))):
        if "parameters" in owner:
            owner["parameters"] = [each for each in owner["parameters"] if not _is_ignored(each, named)]


def _is_ignored(parameter: Mapping[str, Any], named: Mapping[str, Any]) -> bool:
    found = named.get(parameter.get("$ref", "").removeprefix("#/components/parameters/"), parameter)
    return found.get("in") == "header" and found["name"].lower() in _IGNORED_HEADERS


def _media_types(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every media type object of every response body, in place."""
    owners = [operation for item in _path_items(spec) for operation in _operations(item)]
    for owner in [*owners, spec.get("components", {})]:
        for response in owner.get("responses", {}).values():
            yield from response.get("content", {}).values()


def _request_parts(spec: Mapping[str, Any]) -> Iterator[object]:
    """Everything outside responses that may name a schema."""
    for item in _path_items(spec):
        yield item.get("parameters")
        for operation in _operations(item):
            yield {key: part for key, part in operation.items() if key != "responses"}
    components = spec.get("components", {})
    yield {key: part for key, part in components.items() if key not in {"schemas", "responses"}}


def _path_items(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from spec.get("paths", {}).values()


def _operations(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (item[method] for method in _METHODS if method in item)


def _reachable(schemas: Mapping[str, Any], roots: list[Any]) -> set[str]:
    """The names of the schemas that the roots use, directly or through other schemas. Cycles are fine."""
    found: set[str] = set()
    todo = roots
    while todo:
        for name in _refs(todo.pop()):
            if name in schemas and name not in found:
                found.add(name)
                todo.append(schemas[name])
    return found


def _refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.startswith(_SCHEMA_REF):
            yield ref.removeprefix(_SCHEMA_REF)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _refs(child)


def _loosen(schema: Any, copies: Mapping[str, str]) -> Any:
    """The same schema with nothing required or fixed, and every value nullable; references go to the copies."""
    if not isinstance(schema, dict):  # `true` and `false` are schemas too
        return schema
    # The generator's check of a constant raises, also where null or other types are allowed.
    loose = {key: part for key, part in schema.items() if key not in {"required", "const"}}
    if "$ref" in loose:
        name = loose["$ref"].removeprefix(_SCHEMA_REF)
        loose["$ref"] = _SCHEMA_REF + copies[name] if name in copies else loose["$ref"]
    for key in _VALUES_BY_NAME:
        if key in loose:
            loose[key] = {name: _nullable(_loosen(part, copies)) for name, part in loose[key].items()}
    for key in _VALUE:
        if key in loose:
            loose[key] = _nullable(_loosen(loose[key], copies))
    for key in _BRANCHES:
        if key in loose:
            loose[key] = [_loosen(part, copies) for part in loose[key]]
    return loose


def _nullable(schema: Any) -> Any:
    """The same schema, or null. Its notes are repeated on the outside, where the generator looks for them."""
    if not isinstance(schema, dict):
        return schema
    notes = {key: schema[key] for key in ("description", "example") if key in schema}
    return {**notes, "anyOf": [schema, {"type": "null"}]}
