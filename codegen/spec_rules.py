"""Rules of compatibility: one row for each kind of change, and the direction in which a schema's keyword changed.

The side decides the level. Requests are sent by callers: accepting less breaks them. Responses are read by callers:
answering more than was promised breaks them. Callers are users of the HTTP API and importers of the generated client.

Comparisons of keywords are pure functions of the two values, which are ``ABSENT`` where a keyword is missing. They
return ``NARROWED``, ``WIDENED``, ``CHANGED`` (both, or unknown), or None if the same values fit. Defaults of missing
keywords are those of JSON Schema 2020-12, Validation, section 6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import partial
from typing import Any

from codegen.spec_document import ABSENT, EVERY_TYPE, text_of


class Level(IntEnum):
    """Severity of a change, worst first."""

    BREAKING = 0
    ADDITIVE = 1
    HARMLESS = 2


BREAKING, ADDITIVE, HARMLESS = Level
ANY, REQUEST, RESPONSE = "any", "request", "response"
NARROWED, WIDENED, CHANGED = "narrowed", "widened", "changed"
Comparison = Callable[[Any, Any], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of change: its id, description, side and level, and the reason for the level."""

    id: str
    what: str
    side: str
    level: Level
    why: str


def compare_sets(before: frozenset[str] | None, after: frozenset[str] | None) -> str | None:
    """Compare two sets of allowed values; None allows everything."""
    if before == after:
        return None
    if before is None or (after is not None and after < before):
        return NARROWED
    return WIDENED if after is None or before < after else CHANGED


def type_set(value: object) -> frozenset[str]:
    """Return the types that the keyword ``type`` allows; ``number`` includes ``integer``."""
    if value is ABSENT:
        return frozenset(EVERY_TYPE)
    named = frozenset(map(str, value)) if isinstance(value, list) else frozenset([str(value)])
    return named | {"integer"} if "number" in named else named


def enum_values(enum: object, const: object) -> frozenset[str] | None:
    """Return the values, as JSON, that ``enum`` and ``const`` allow together; None if both are missing."""
    listed = frozenset(map(text_of, enum)) if isinstance(enum, list) else None
    if const is ABSENT:
        return listed
    only = frozenset([text_of(const)])
    return only if listed is None else only & listed


def _bound(before: object, after: object, *, absent: float, upper: bool) -> str | None:
    """Compare upper (or lower) bounds."""
    low: Any = absent if before is ABSENT else before
    high: Any = absent if after is ABSENT else after
    if low == high:
        return None
    return NARROWED if (high < low) is upper else WIDENED


def _multiple(before: Any, after: Any) -> str | None:
    """Compare steps: a multiple of the old step narrows, a divisor of it widens."""
    if ABSENT in (before, after):
        return _constraint(before, after)
    old, new = Fraction(str(before)), Fraction(str(after))
    if old == new:
        return None
    if new % old == 0:
        return NARROWED
    return WIDENED if old % new == 0 else CHANGED


def _constraint(before: object, after: object) -> str | None:
    """Compare constraints whose values have no order, such as patterns; a missing one allows everything."""
    if text_of(before) == text_of(after):
        return None
    if before is ABSENT:
        return NARROWED
    return WIDENED if after is ABSENT else CHANGED


def _switch(before: object, after: object) -> str | None:
    """Compare booleans that narrow when true and are false by default."""
    old, new = (value is True for value in (before, after))
    return None if old is new else NARROWED if new else WIDENED


def _flag(before: object, after: object) -> str | None:
    """Compare booleans that are false by default, either of which gives another meaning."""
    return None if _switch(before, after) is None else CHANGED


def _opaque(before: object, after: object) -> str | None:
    """Compare values that have no order."""
    return None if text_of(before) == text_of(after) else CHANGED


_at_most = partial(_bound, absent=math.inf, upper=True)
_at_least = partial(_bound, absent=-math.inf, upper=False)
_count_at_least = partial(_bound, absent=0, upper=False)

# Any change of these gives another set of values: even adding `format` does more than narrow, since generators choose
# types by it (date-time, uuid, binary).
OPAQUE = ("format", "default", "contentEncoding", "contentMediaType", "readOnly", "writeOnly")
# Keywords that are compared by their own two values.
KEYWORDS: dict[str, Comparison] = {
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
    **dict.fromkeys(("readOnly", "writeOnly"), _flag),
}
# Keywords whose value is a schema; a missing one means `true`.
SUBSCHEMAS = ("items", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
# Keywords whose value is a list of schemas, and whether another branch allows more values.
BRANCHES = {"allOf": False, "anyOf": True, "oneOf": True}

UNCLASSIFIED = "unclassified-change"
REWRITTEN = "rewritten"

_ROWS = (
    (UNCLASSIFIED, ANY, BREAKING, "no rule covers it: review it, and add a rule if it recurs"),
    (REWRITTEN, ANY, HARMLESS, "only its form or order differs"),
    ("reference-changed", ANY, HARMLESS, "the target is compared itself"),
    ("note-changed", ANY, HARMLESS, "it is documentation"),
    ("extension-changed", ANY, HARMLESS, "extensions (x-…) are not part of the contract"),
    ("deprecation-changed", ANY, HARMLESS, "a deprecated part works as before"),
    ("version-changed", ANY, HARMLESS, "it labels the contract"),
    ("openapi-changed", ANY, BREAKING, "the meaning of keywords depends on the version of OpenAPI"),
    ("default-server-changed", ANY, BREAKING, "clients use the first server by default"),
    ("local-servers-changed", ANY, BREAKING, "requests for this path go elsewhere"),
    ("path-parameter-renamed", ANY, HARMLESS, "the name of a path parameter is not sent"),
    ("operation-id-changed", ANY, BREAKING, "it names the generated function"),
    ("operation-tag-changed", ANY, BREAKING, "the first tag names the generated module"),
    ("further-tags-changed", ANY, HARMLESS, "tags after the first only group documentation"),
    ("security-added", ANY, BREAKING, "callers without a key are refused"),
    ("security-removed", ANY, BREAKING, "operations become public; generated functions accept another type of client"),
    ("security-scope-added", ANY, BREAKING, "keys without the scope are refused"),
    ("security-scope-removed", ANY, ADDITIVE, "every accepted key is still accepted"),
    ("security-not-repeated", ANY, BREAKING, "code generators read the security of the operation, not of the document"),
    ("security-scheme-changed", ANY, BREAKING, "callers still send credentials the old way"),
    ("serialisation-changed", ANY, BREAKING, "the same value is written differently"),
    ("status-widened", RESPONSE, HARMLESS, "the statuses with the same first digit include it"),
    ("default-response-added", RESPONSE, BREAKING, "it documents every status, so none can be undocumented"),
    ("default-response-removed", RESPONSE, BREAKING, "the form of all other responses is no longer specified"),
    ("component-added", ANY, HARMLESS, "its uses are compared themselves"),
    ("component-removed", ANY, HARMLESS, "its uses are compared themselves"),
    ("unused-field-changed", ANY, HARMLESS, "readOnly fields are not sent, writeOnly fields are not read"),
    ("required-parameter-added", REQUEST, BREAKING, "callers do not send it yet"),
    ("required-request-body-added", REQUEST, BREAKING, "callers do not send it yet"),
    ("request-required-field-added", REQUEST, BREAKING, "callers do not send it yet"),
    ("response-field-added-to-closed-object", RESPONSE, BREAKING, "readers could rely on there being no other fields"),
)
# Parts whose addition breaks nobody and whose removal does, and the reasons.
_PARTS = (
    ("server", ANY, "its use is optional", "its users can no longer use it"),
    ("path", ANY, "its use is optional", "its users can no longer use it"),
    ("method", ANY, "its use is optional", "its users can no longer use it"),
    ("webhooks", ANY, "their use is optional", "receivers are no longer called"),
    ("callbacks", ANY, "their use is optional", "receivers are no longer called"),
    ("links", ANY, "their use is optional", "callers follow them"),
    ("discriminator", ANY, "the alternatives are the same", "readers use it to distinguish the alternatives"),
    ("security-alternative", ANY, "its use is optional", "callers that authenticate this way are refused"),
    ("security-scheme", ANY, "its uses are compared themselves", "requirements that name it refer to an unknown one"),
    ("parameter", REQUEST, "it is optional", "callers send it and rely on its effect"),
    ("request-body", REQUEST, "it is optional", "callers send it and rely on its effect"),
    ("request-field", REQUEST, "it is optional", "callers send it and rely on its effect"),
    ("request-media-type", REQUEST, "its use is optional", "callers send it"),
    ("response-media-type", RESPONSE, "callers choose by Accept", "callers read it"),
    ("status", RESPONSE, "clients classify a status by its first digit", "the form of the response is left open"),
    ("response-header", RESPONSE, "reading it is optional", "callers read it"),
    ("response-field", RESPONSE, "readers of an open object ignore unknown fields", "callers read it"),
    ("schema", ANY, "the generated client has another class", "importers lose the generated class"),
)
# Parts that may become required or optional.
_SENT = ("parameter", "request-body", "request-field")
_READ = ("response-header", "response-field")

# Level and reason for a changed keyword, by side and direction.
_DIRECTIONS = {
    (REQUEST, NARROWED): (BREAKING, "requests of callers may be refused"),
    (REQUEST, WIDENED): (ADDITIVE, "requests of callers are still accepted"),
    (REQUEST, CHANGED): (BREAKING, "requests of callers may be refused or misread"),
    (RESPONSE, NARROWED): (ADDITIVE, "responses still conform to the old schema"),
    (RESPONSE, WIDENED): (BREAKING, "responses may contain a value that was excluded"),
    (RESPONSE, CHANGED): (BREAKING, "responses may contain a value that was excluded"),
}
# Keywords whose level does not depend on the direction.
_EXCEPTIONS = {
    (REQUEST, "default"): (BREAKING, "a request without it means something else"),
    (RESPONSE, "default"): (HARMLESS, "it does not affect responses"),
    (RESPONSE, "additionalProperties"): (
        BREAKING,
        "opening it allows fields that were excluded; closing it forbids the fields that gateways add",
    ),
}
# Directions of each keyword. Nullability is `null` among the types; `schema` belongs to a parameter or a media type.
_KEYWORD_DIRECTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(KEYWORDS, (NARROWED, WIDENED)),
    **dict.fromkeys(OPAQUE, (CHANGED,)),
    **dict.fromkeys(("type", "enum", "multipleOf", "pattern"), (NARROWED, WIDENED, CHANGED)),
    **dict.fromkeys(("nullability", "schema", *SUBSCHEMAS, *BRANCHES), (NARROWED, WIDENED)),
    "patternProperties": (CHANGED,),
}


def slug(keyword: str) -> str:
    """Return a keyword in the form of rule ids: ``maxLength`` gives ``max-length``."""
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", keyword)


def _keyword_rule(keyword: str, side: str, direction: str) -> Rule:
    level, why = _EXCEPTIONS.get((side, keyword), _DIRECTIONS[side, direction])
    what = f"{keyword} {direction} in what callers {'send' if side == REQUEST else 'read'}"
    return Rule(f"{side}-{slug(keyword)}-{direction}", what, side, level, why)


def _table() -> dict[str, Rule]:
    plain = [*_ROWS]
    for part, side, why_added, why_removed in _PARTS:
        plain += [(f"{part}-added", side, ADDITIVE, why_added), (f"{part}-removed", side, BREAKING, why_removed)]
    for part in _SENT:
        plain.append((f"{part}-made-required", REQUEST, BREAKING, "some callers do not send it"))
        plain.append((f"{part}-made-optional", REQUEST, ADDITIVE, "callers may continue to send it"))
    for part in _READ:
        plain.append((f"{part}-made-required", RESPONSE, ADDITIVE, "more is guaranteed"))
        plain.append((f"{part}-made-optional", RESPONSE, BREAKING, "callers rely on it"))
    rows = [Rule(key, key.replace("-", " "), side, level, why) for key, side, level, why in plain]
    for keyword, directions in _KEYWORD_DIRECTIONS.items():
        rows += [_keyword_rule(keyword, side, each) for side in (REQUEST, RESPONSE) for each in directions]
    return {row.id: row for row in rows}


RULES = _table()
