"""How a keyword of a schema changed: did the set of values that fit become smaller, larger, or another one?

Pure functions of the keyword's two values, which are ``ABSENT`` where the keyword is not there. They give ``NARROWED``,
``WIDENED``, ``CHANGED`` (both, or nobody can tell), or None if the same values fit. The defaults of absent keywords are
those of JSON Schema 2020-12, Validation, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from functools import partial
from typing import Any, Final

from codegen.spec_document import EVERY_TYPE, text_of


class Absent(Enum):
    """The type of ``ABSENT``, for the type checker."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
NARROWED, WIDENED, CHANGED = "narrowed", "widened", "changed"
Judge = Callable[[Any, Any], str | None]


def sets(before: frozenset[str] | None, after: frozenset[str] | None) -> str | None:
    """Two sets of what is allowed; None allows everything."""
    if before == after:
        return None
    if before is None or (after is not None and after < before):
        return NARROWED
    return WIDENED if after is None or before < after else CHANGED


def types(value: object) -> frozenset[str]:
    """The set of types that the keyword ``type`` allows; every number is allowed where integers are part of numbers."""
    if value is ABSENT:
        return frozenset(EVERY_TYPE)
    named = frozenset(map(str, value)) if isinstance(value, list) else frozenset([str(value)])
    return named | {"integer"} if "number" in named else named


def words(enum: object, const: object) -> frozenset[str] | None:
    """The set of values, as JSON texts, that ``enum`` and ``const`` allow together; None if neither is there."""
    listed = frozenset(map(text_of, enum)) if isinstance(enum, list) else None
    if const is ABSENT:
        return listed
    only = frozenset([text_of(const)])
    return only if listed is None else only & listed


def _bound(before: object, after: object, *, absent: float, upper: bool) -> str | None:
    """A number above (or below) which nothing fits."""
    low: Any = absent if before is ABSENT else before
    high: Any = absent if after is ABSENT else after
    if not _is_number(low) or not _is_number(high):
        return _opaque(before, after)
    if low == high:
        return None
    return NARROWED if (high < low) is upper else WIDENED


def _multiple(before: Any, after: Any) -> str | None:
    """``multipleOf``: a multiple of the old step fits where the old step fitted."""
    if text_of_or_absent(before) == text_of_or_absent(after):
        return None
    if before is ABSENT or after is ABSENT:
        return NARROWED if before is ABSENT else WIDENED
    if not (_is_number(before) and _is_number(after) and 0 < before < math.inf and 0 < after < math.inf):
        return _opaque(before, after)
    old, new = Fraction(str(before)), Fraction(str(after))
    if new % old == 0:
        return NARROWED
    return WIDENED if old % new == 0 else CHANGED


def _constraint(before: object, after: object) -> str | None:
    """A keyword that narrows by being there, and whose values cannot be told apart."""
    if text_of_or_absent(before) == text_of_or_absent(after):
        return None
    if before is ABSENT:
        return NARROWED
    return WIDENED if after is ABSENT else CHANGED


def _switch(before: object, after: object) -> str | None:
    """A keyword that narrows by being true, and is false by default."""
    old, new = (False if value is ABSENT else value for value in (before, after))
    if not isinstance(old, bool) or not isinstance(new, bool):
        return _opaque(before, after)
    if old is new:
        return None
    return NARROWED if new else WIDENED


def _opaque(before: object, after: object) -> str | None:
    """A keyword whose values nobody can compare."""
    return None if text_of_or_absent(before) == text_of_or_absent(after) else CHANGED


def text_of_or_absent(value: object) -> str:
    """The value as canonical JSON, or a word that is no JSON if there is none."""
    return ABSENT.value if value is ABSENT else text_of(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


_at_most = partial(_bound, absent=math.inf, upper=True)
_at_least = partial(_bound, absent=-math.inf, upper=False)
_count_at_least = partial(_bound, absent=0, upper=False)

# Keywords whose every change counts as another set of values. Generators choose types by `format` (date-time, uuid,
# binary), so even a new one is not just narrower.
OPAQUE = ("format", "default", "contentEncoding", "contentMediaType", "readOnly", "writeOnly")
# Keywords that are judged by their own two values.
KEYWORDS: dict[str, Judge] = {
    "maximum": _at_most,
    "exclusiveMaximum": _at_most,
    "minimum": _at_least,
    "exclusiveMinimum": _at_least,
    "multipleOf": _multiple,
    "maxLength": _at_most,
    "minLength": _count_at_least,
    "pattern": _constraint,
    "maxItems": _at_most,
    "minItems": _count_at_least,
    "uniqueItems": _switch,
    "maxContains": _at_most,
    "minContains": partial(_bound, absent=1, upper=False),
    "maxProperties": _at_most,
    "minProperties": _count_at_least,
    **dict.fromkeys(OPAQUE, _opaque),
}
# Keywords whose value is a schema, which is true where the keyword is absent.
SUBSCHEMAS = ("items", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
# Keywords whose value is a list of schemas: does one more branch let more values in?
BRANCHES = {"allOf": False, "anyOf": True, "oneOf": True}
