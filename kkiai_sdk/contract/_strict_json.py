"""JSON by the letter of RFC 8259; Python's own reader lets more through."""

from __future__ import annotations

import json
from typing import Any


def read_json(body: bytes) -> Any:
    """The value of a JSON text: UTF-8, one document, no NaN, no name twice in one object. Raises ValueError."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the name {name[:40]!a} stands twice in one object")
        members[name] = value
    return members
