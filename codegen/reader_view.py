"""The reader view of an OpenAPI document: strict for requests, tolerant for responses.

Generated parsers raise ``KeyError`` on a missing field, and real responses leave fields out. The generator therefore
gets a view of the document in which nothing in a response is required or fixed by ``const``, and every value may be
null. A union with null also makes generated parsers pass values of other types, and words missing from an enum,
unchanged. The body as a whole does not become nullable: the session checks it before it is parsed.

Rules for a schema under ``components``:

* used by responses only: loosened under its own name;
* used by requests only (parameters, request bodies, callbacks), or unused: unchanged;
* used by both: unchanged for requests, with a loosened copy ``<name>Read`` for responses, which requests take too.

``allOf`` of objects is written as one object, since the generator cannot combine loosened fields of one name. Objects
that are alternatives in a response keep the condition by which a parser tells them apart (``codegen.union_view``).
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from codegen.operation_view import entries, media_types, operations, prepare_operations, resolved
from codegen.union_view import mark_unions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA_REF = "#/components/schemas/"

# Keywords that hold schemas. Values become nullable; branches describe one value, which becomes nullable as a whole.
_VALUES_BY_NAME = ("properties", "patternProperties")
_VALUE = ("items", "additionalProperties")
_BRANCHES = ("allOf", "anyOf", "oneOf")
_JSON_VALUES = {"const", "default", "enum", "example", "examples"}


def reader_view(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reader view of an OpenAPI 3 document, which is not changed itself."""
    view = deepcopy(dict(spec))
    prepare_operations(view)  # which leaves a prepared document as it is
    schemas: dict[str, Any] = view.get("components", {}).get("schemas", {})
    for part in (view.get("paths"), view.get("components")):
        _drop_titles(part)
    for schema in [*schemas.values(), *(each.get("schema") for each in media_types(view))]:
        _merge_all_of(view, schema)
    read = _reachable(schemas, list(media_types(view)))
    mark_unions(view, [*(schemas[name] for name in schemas if name in read), *media_types(view)])
    shared = read & _reachable(schemas, list(_request_parts(view)))
    copies = _copies(schemas, {name for name in shared if _changes(schemas, name)})
    loosened = {copies.get(name, name): _loosen(schemas[name], copies) for name in schemas if name in read}
    for part in [*_request_parts(view), *(schemas[name] for name in schemas if name not in read or name in copies)]:
        _accept_copies(part, copies)
    for media_type in media_types(view):
        if "schema" in media_type:
            media_type["schema"] = _loosen(media_type["schema"], copies)
    schemas.update(loosened)
    return view


def _drop_titles(node: Any) -> None:
    """Drop titles in place: the generator would name classes by them, and several schemas may have one title."""
    if isinstance(node, dict) and isinstance(node.get("title"), str):
        del node["title"]
    for key, part in entries(node):
        if key not in _JSON_VALUES:
            _drop_titles(part)


def _changes(schemas: Mapping[str, Any], name: str) -> bool:
    """Return whether the loosened form of a schema, or of one that it uses, differs: that of an enum does not."""
    return any(_loosen(schemas[each], {}) != schemas[each] for each in {name, *_reachable(schemas, [schemas[name]])})


def _copies(schemas: Mapping[str, Any], shared: set[str]) -> dict[str, str]:
    """Return free names for the copies of schemas."""
    taken = {*map(_plain, schemas)}
    # Classes of schemas that are written inside others are named after both.
    taken |= {_plain(name + inner) for name in schemas for inner in resolved({}, schemas[name]).get("properties", {})}
    copies: dict[str, str] = {}
    for name in sorted(shared):
        stem = re.sub(r"\W", "", name) + "Read"
        copies[name] = next(each for each in (stem, *(f"{stem}{n}" for n in range(2, 99))) if _plain(each) not in taken)
        taken.add(_plain(copies[name]))
    return copies


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _merge_all_of(view: Mapping[str, Any], schema: Any) -> None:
    """Write ``allOf`` of objects as one object, in place, through all levels."""
    if not isinstance(schema, dict):
        return
    for key in schema.keys() & {*_VALUES_BY_NAME}:
        for part in schema[key].values():
            _merge_all_of(view, part)
    for part in [*(schema.get(key) for key in _VALUE), *(each for key in _BRANCHES for each in schema.get(key, []))]:
        _merge_all_of(view, part)
    merged = merged_object(view, schema)
    if "allOf" in schema and merged is not None and (len(schema["allOf"]) > 1 or "properties" in schema):
        del schema["allOf"]
        schema.update({"type": "object", **merged})


def merged_object(view: Mapping[str, Any], schema: Any, depth: int = 0) -> dict[str, Any] | None:
    """Return the fields of an object with those of its ``allOf``, or None if it is not an object with known fields."""
    found = resolved(view, schema)
    if not isinstance(found, dict) or depth > 20 or found.keys() & {"anyOf", "oneOf", "enum", "const"}:
        return None
    if found.get("type", "object") != "object" or not found.keys() & {"properties", "allOf", "type", "required"}:
        return None
    properties: dict[str, Any] = {}
    required: list[str] = []
    own = {key: found[key] for key in ("properties", "required") if key in found}
    parts = [merged_object(view, each, depth + 1) for each in found.get("allOf", [])]
    for part in [*parts, own]:
        if part is None:
            return None
        for name, field in part.get("properties", {}).items():
            properties[name] = _refined(properties[name], field) if name in properties else field
        required += [name for name in part.get("required", []) if name not in required]
    return {key: part for key, part in (("properties", properties), ("required", required)) if part}


def _refined(base: Any, field: Any) -> Any:
    """Return a field that is written twice: the later one with the keywords that only the base has."""
    if not isinstance(base, dict) or not isinstance(field, dict) or {"$ref", *_BRANCHES} & (base.keys() | field.keys()):
        return field if field != {} else base
    return {**base, **field}


def _request_parts(spec: Mapping[str, Any]) -> Iterator[object]:
    """Yield everything outside responses that may refer to a schema."""
    yield from (item.get("parameters") for item in spec.get("paths", {}).values())
    yield from ({key: part for key, part in each.items() if key != "responses"} for _, _, each in operations(spec))
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
        if isinstance(ref, str) and ref.startswith(SCHEMA_REF):
            yield ref.removeprefix(SCHEMA_REF)
    for _, child in entries(node):
        yield from _refs(child)


def _accept_copies(node: Any, copies: Mapping[str, str]) -> None:
    """Let requests take what was read: a body or a field may be of the loosened copy of its schema, too."""
    for key, part in entries(node):
        if key == "schema":
            node[key] = _or_copy(part, copies)
        elif key == "properties" and isinstance(part, dict):
            node[key] = {name: _or_copy(field, copies) for name, field in part.items()}
        elif key not in {*_BRANCHES, "multipart/form-data"}:  # parts are written by the class itself
            _accept_copies(part, copies)


def _or_copy(schema: Any, copies: Mapping[str, str]) -> Any:
    """Return a union of a reference, or of a list of them, and its loosened copy, if there is one."""
    inner = schema.get("items", schema) if isinstance(schema, dict) and schema.get("type") == "array" else schema
    if not isinstance(inner, dict) or not {*_refs({"$ref": inner.get("$ref")})} & copies.keys():
        _accept_copies(schema, copies)
        return schema
    notes = {key: schema[key] for key in ("description", "example") if key in schema}
    return {**notes, "anyOf": [schema, _loosen(schema, copies)]}


def _loosen(schema: Any, copies: Mapping[str, str]) -> Any:
    """Return a schema with nothing required or fixed and every value nullable. References go to the copies."""
    if not isinstance(schema, dict):  # `true` and `false` are schemas too
        return schema
    # Generated parsers raise on another value than a constant, even where null or other types are allowed.
    loose = {key: part for key, part in schema.items() if key not in {"required", "const"}}
    if "$ref" in loose:
        name = loose["$ref"].removeprefix(SCHEMA_REF)
        loose["$ref"] = SCHEMA_REF + copies[name] if name in copies else loose["$ref"]
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
