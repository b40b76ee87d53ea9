"""Strict JSON parsing for responses, lenient parsing for error bodies."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

#: Maximum levels of nesting; real responses have up to six.
MAX_DEPTH = 64
#: Maximum lists and objects in the response to a query: an empty one takes 3 bytes in a body and 56 or more in memory.
MAX_CONTAINERS = 1 << 18

# An unterminated string matches to the end; otherwise searching for its end from each quote would take quadratic time.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_DEPTH_CHANGES = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_TYPE_NAMES = {list: "a list", str: "a string", type(None): "null", bool: "a boolean"}


def parse_json(body: bytes) -> Any:
    """Return the JSON value in a body: UTF-8, finite numbers, at most 64 levels. Raises ValueError.

    Of duplicate names the last counts, as in the json module.
    """
    if not body.strip():
        raise ValueError("an empty body")
    if _is_deep(body):
        raise ValueError(f"JSON nested more than {MAX_DEPTH} levels deep")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_reject, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ValueError("a body that is not JSON") from None


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body; see :func:`parse_json`. Raises ValueError.

    An object with a status may be alone in a list, or be JSON in a text.
    """
    if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS:
        raise ValueError(f"JSON of more than {MAX_CONTAINERS:,} lists and objects")
    value = _unwrapped(parse_json(body))
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 (the text is wrong, not a Python type)
            f"JSON that is {_TYPE_NAMES.get(type(value), 'a number')} where an object was expected"
        )
    return value


def _unwrapped(value: Any) -> Any:
    inner = parse_leniently(value) if isinstance(value, str) and value.lstrip()[:1] in {"{", "["} else value
    inner = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
    return inner if isinstance(inner, dict) and any("stat" in name.lower() for name in inner) else value


def parse_leniently(text: str) -> Any:
    """Return the first JSON value in a text, or None. Some gateways send two values."""
    if _is_deep(text.encode("utf-8", errors="replace")):
        return None
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):
        return None


def _reject(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _reject(digits)


def _is_deep(body: bytes) -> bool:
    """Whether brackets outside strings are nested more than MAX_DEPTH levels deep, without recursion."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.finditer(body):
        depth += _DEPTH_CHANGES.get(bracket[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False
