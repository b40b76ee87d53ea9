"""OpenAPI 3.0 documents as 3.1: rewrites ``nullable`` and exclusive limits."""

from __future__ import annotations

from typing import Any

#: Members that contain values, not schemas.
_VALUES = frozenset({"example", "examples", "default", "enum", "const"})


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """The document as OpenAPI 3.1, if it is 3.0; places stay where they are as far as possible."""
    is_old = str(document.get("openapi", "")).startswith("3.0")
    return {**_schema(document), "openapi": "3.1.0"} if is_old else document


def _schema(value: Any, *, are_names: bool = False) -> Any:
    """A part of a document. ``are_names``: its members are named by the document, not by OpenAPI."""
    if isinstance(value, list):
        return [_schema(each) for each in value]
    if not isinstance(value, dict) or are_names:
        return {key: _schema(part) for key, part in value.items()} if isinstance(value, dict) else value
    found = {
        key: part if key in _VALUES else _schema(part, are_names=key == "properties") for key, part in value.items()
    }
    for limit, name in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(found.get(name), bool) and found.pop(name) and limit in found:
            found[name] = found.pop(limit)
    # OpenAPI 3.0 ignores it next to a reference.
    return _with_null(found) if found.pop("nullable", None) is True and "$ref" not in found else found


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    null = {"type": "null"}
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], *([] if None in schema["enum"] else [None])]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    for keyword in {"anyOf", "oneOf"} & schema.keys():
        schema[keyword] = [*schema[keyword], null]
    if "allOf" in schema:
        # As ``anyOf``, a single part keeps its index; several must still apply together.
        parts = schema.pop("allOf")
        alternatives = [*parts, null] if len(parts) == 1 else [{"allOf": parts}, null]
        schema |= {"allOf": [{"anyOf": alternatives}]} if "anyOf" in schema else {"anyOf": alternatives}
    return schema
