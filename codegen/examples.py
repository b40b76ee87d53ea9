"""The examples of a spec: for each operation, the first success with the example that the spec itself gives for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codegen.operation_view import operations, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping


def examples(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return method, path, name and security of each operation, with its success if that has an example or no body."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "name": operation.get("operationId", f"{method} {path}"),
            "is_public": {} in (security := operation.get("security", view.get("security", []))) or not security,
            **_success(view, operation),
        }
        for path, method, operation in operations(view)
    ]


def _success(view: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    status = next((each for each in operation.get("responses", {}) if str(each).startswith("2")), None)
    if status is None:
        return {}
    content = resolved(view, operation["responses"][status]).get("content", {})
    found = {name: value for name, each in content.items() for value in _examples(view, each)[:1]}
    success = {"status": int(str(status).replace("XX", "00"))}
    for name, value in found.items():
        is_text = isinstance(value, str) and "json" not in name
        return {**success, "media_type": name, "body": value if is_text else json.dumps(value)}
    return {} if content else success


def _examples(view: Mapping[str, Any], media_type: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a media type, or of its schema."""
    named = [resolved(view, each) for each in media_type.get("examples", {}).values()]
    schema = resolved(view, media_type.get("schema", {}))
    own = [each["example"] for each in (media_type, schema) if isinstance(each, dict) and "example" in each]
    return [*(each["value"] for each in named if "value" in each), *own, *schema.get("examples", [])]
