"""OpenAPI 3.0 documents as 3.1: rewrites ``nullable`` and exclusive limits."""

from __future__ import annotations

from typing import Any

#: Members that hold values and no schemas.
_VALUES = frozenset({"example", "examples", "default", "enum", "const"})


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """The document as OpenAPI 3.1, if it is 3.0; places stay where they are as far as possible."""
    if not str(document.get("openapi", "")).startswith("3.0"):
        return document
    return {**_schema(document), "openapi": "3.1.0"}


def _schema(value: Any) -> Any:
    if isinstance(value, list):
        return [_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: part if key in _VALUES else _schema(part) for key, part in value.items()}
    for limit, name in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(found.get(name), bool) and found.pop(name) and limit in found:
            found[name] = found.pop(limit)
    # Beside a reference, OpenAPI 3.0 ignores it; in a schema without a type everything is allowed anyway.
    return _with_null(found) if found.pop("nullable", None) is True and "$ref" not in found else found


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    null = {"type": "null"}
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            schema[keyword] = [*schema[keyword], null]
    # As ``anyOf`` the one part keeps its index; several must go on applying together.
    parts = schema.pop("allOf", None)
    if isinstance(parts, list):
        alternatives = [*parts, null] if len(parts) == 1 else [{"allOf": parts}, null]
        schema |= {"allOf": [{"anyOf": alternatives}]} if "anyOf" in schema else {"anyOf": alternatives}
    return schema
