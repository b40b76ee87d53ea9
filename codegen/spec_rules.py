"""What a change of the spec means: one row per rule.

The side decides. Requests are what callers send: to accept less breaks them. Responses are what callers read: to answer
more than was promised breaks them. Callers are those who use the HTTP API and those who import the generated client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from codegen.spec_judges import BRANCHES, CHANGED, KEYWORDS, NARROWED, OPAQUE, SUBSCHEMAS, WIDENED


class Level(IntEnum):
    """How much a change hurts, worst first."""

    BREAKING = 0
    ADDITIVE = 1
    HARMLESS = 2


BREAKING, ADDITIVE, HARMLESS = Level
ANY, REQUEST, RESPONSE = "any", "request", "response"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of change: its id, what it is, the side it is about, how much it hurts, and why."""

    id: str
    what: str
    side: str
    level: Level
    why: str


UNCLASSIFIED = "unclassified-change"
REWRITTEN = "rewritten"

_ROWS = (
    (UNCLASSIFIED, ANY, BREAKING, "no rule knows it: look at it by hand, and add a rule if it comes again"),
    (REWRITTEN, ANY, HARMLESS, "the same is said in another way or order"),
    ("reference-changed", ANY, HARMLESS, "what is referred to is compared itself"),
    ("note-changed", ANY, HARMLESS, "it is for people to read"),
    ("extension-changed", ANY, HARMLESS, "extensions (x-…) are no part of the contract"),
    ("deprecation-changed", ANY, HARMLESS, "what is deprecated works as before"),
    ("version-changed", ANY, HARMLESS, "it names the contract and is no part of it"),
    ("openapi-changed", ANY, BREAKING, "another version of OpenAPI gives keywords another meaning"),
    ("default-server-changed", ANY, BREAKING, "the first server is the one that clients use unless told otherwise"),
    ("server-added", ANY, ADDITIVE, "nobody need use it"),
    ("server-removed", ANY, BREAKING, "its users lose it"),
    ("local-servers-changed", ANY, BREAKING, "requests for this path go elsewhere"),
    ("path-added", ANY, ADDITIVE, "nobody need use it"),
    ("path-removed", ANY, BREAKING, "its users lose it"),
    ("path-renamed", ANY, BREAKING, "requests go to the old path"),
    ("method-added", ANY, ADDITIVE, "nobody need use it"),
    ("method-removed", ANY, BREAKING, "its users lose it"),
    ("operation-id-changed", ANY, BREAKING, "the generated function is named by it"),
    ("operation-tag-changed", ANY, BREAKING, "the generated module is named by an operation's first tag"),
    ("further-tags-changed", ANY, HARMLESS, "tags after the first only group the documentation"),
    ("security-added", ANY, BREAKING, "callers without a key are refused"),
    ("security-removed", ANY, BREAKING, "what a key protected is open to all; generated functions change their client"),
    ("security-alternative-added", ANY, ADDITIVE, "nobody need use it"),
    ("security-alternative-removed", ANY, BREAKING, "callers who authenticate this way are refused"),
    ("security-scope-added", ANY, BREAKING, "keys without the scope are refused"),
    ("security-scope-removed", ANY, ADDITIVE, "every key that was good enough still is"),
    ("security-not-repeated", ANY, BREAKING, "code generators read the operation's own security, not the root's"),
    ("security-scheme-added", ANY, ADDITIVE, "it counts where it is required, and that is compared itself"),
    ("security-scheme-removed", ANY, BREAKING, "whoever requires it by name requires nothing known"),
    ("security-scheme-changed", ANY, BREAKING, "callers send the key in the old way"),
    ("parameter-added", REQUEST, ADDITIVE, "it is optional"),
    ("required-parameter-added", REQUEST, BREAKING, "callers do not send it"),
    ("parameter-removed", REQUEST, BREAKING, "callers send it and count on its effect"),
    ("parameter-renamed", REQUEST, BREAKING, "callers send it under the old name"),
    ("parameter-moved", REQUEST, BREAKING, "callers send it in the old place"),
    ("parameter-made-required", REQUEST, BREAKING, "some callers do not send it"),
    ("parameter-made-optional", REQUEST, ADDITIVE, "those who send it may go on"),
    ("serialisation-changed", ANY, BREAKING, "the same value is written in another way"),
    ("request-body-added", REQUEST, ADDITIVE, "it is optional"),
    ("required-request-body-added", REQUEST, BREAKING, "callers do not send it"),
    ("request-body-removed", REQUEST, BREAKING, "callers send it and count on its effect"),
    ("request-body-made-required", REQUEST, BREAKING, "some callers do not send it"),
    ("request-body-made-optional", REQUEST, ADDITIVE, "those who send it may go on"),
    ("request-media-type-added", REQUEST, ADDITIVE, "nobody need use it"),
    ("request-media-type-removed", REQUEST, BREAKING, "callers send it"),
    ("response-media-type-added", RESPONSE, ADDITIVE, "callers say in Accept what they read"),
    ("response-media-type-removed", RESPONSE, BREAKING, "callers read it"),
    ("status-added", RESPONSE, ADDITIVE, "clients sort an unlisted status by its first digit, a listed one better"),
    ("status-removed", RESPONSE, BREAKING, "the shape of this answer is no longer promised"),
    (
        "default-response-added",
        RESPONSE,
        BREAKING,
        "every status becomes a documented one, which ends all checks of it",
    ),
    ("default-response-removed", RESPONSE, BREAKING, "the shape of every other answer is no longer promised"),
    ("response-header-added", RESPONSE, ADDITIVE, "nobody need read it"),
    ("response-header-removed", RESPONSE, BREAKING, "callers read it"),
    ("response-header-made-required", RESPONSE, ADDITIVE, "more is promised"),
    ("response-header-made-optional", RESPONSE, BREAKING, "callers count on it"),
    ("component-added", ANY, HARMLESS, "it counts where it is used, and that is compared itself"),
    ("component-removed", ANY, HARMLESS, "it counted where it was used, and that is compared itself"),
    ("schema-added", ANY, ADDITIVE, "the generated client has one class more"),
    ("schema-removed", ANY, BREAKING, "importers of the generated class lose it"),
    ("schema-renamed", ANY, BREAKING, "the generated class is named by it"),
    ("title-changed", ANY, BREAKING, "the generated class is named by a title where there is one"),
    ("request-field-added", REQUEST, ADDITIVE, "it is optional"),
    ("request-required-field-added", REQUEST, BREAKING, "callers do not send it"),
    ("request-field-removed", REQUEST, BREAKING, "callers send it and count on its effect"),
    ("request-field-made-required", REQUEST, BREAKING, "some callers do not send it"),
    ("request-field-made-optional", REQUEST, ADDITIVE, "those who send it may go on"),
    ("response-field-added", RESPONSE, ADDITIVE, "readers of an open object put up with more fields"),
    ("response-field-added-to-closed-object", RESPONSE, BREAKING, "readers were promised that there is no other field"),
    ("response-field-removed", RESPONSE, BREAKING, "callers read it"),
    ("response-field-made-required", RESPONSE, ADDITIVE, "more is promised"),
    ("response-field-made-optional", RESPONSE, BREAKING, "callers count on it"),
)

# A schema's keyword changed: (side, direction) -> level and reason.
_DIRECTIONS = {
    (REQUEST, NARROWED): (BREAKING, "what callers send may be refused"),
    (REQUEST, WIDENED): (ADDITIVE, "what callers send is still accepted"),
    (REQUEST, CHANGED): (BREAKING, "what callers send may be refused or taken for something else"),
    (RESPONSE, NARROWED): (ADDITIVE, "answers keep every promise that was made, and more"),
    (RESPONSE, WIDENED): (BREAKING, "callers may meet a value that they were promised not to meet"),
    (RESPONSE, CHANGED): (BREAKING, "callers may meet a value that they were promised not to meet"),
}
# Where the direction does not decide.
_EXCEPTIONS = {
    (REQUEST, "default"): (BREAKING, "a request without it means something else"),
    (RESPONSE, "default"): (HARMLESS, "an answer says what it says"),
    (RESPONSE, "additionalProperties"): (
        BREAKING,
        "opened, callers meet fields they were promised not to; closed, gateways that add fields break the contract",
    ),
}
# Which ways a keyword can change. Nullability is the null among the types; `schema` is that of a parameter or a body.
_JUDGED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(KEYWORDS, (NARROWED, WIDENED, CHANGED)),
    **dict.fromkeys(OPAQUE, (CHANGED,)),
    **dict.fromkeys(("type", "enum"), (NARROWED, WIDENED, CHANGED)),
    **dict.fromkeys(("nullability", "schema", *SUBSCHEMAS, *BRANCHES), (NARROWED, WIDENED)),
    "patternProperties": (CHANGED,),
}


def slug(keyword: str) -> str:
    """A keyword as part of a rule's id: ``maxLength`` gives ``max-length``."""
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", keyword)


def _directed(keyword: str, side: str, direction: str) -> Rule:
    level, why = _EXCEPTIONS.get((side, keyword), _DIRECTIONS[side, direction])
    what = f"{keyword} {direction} in what callers {'send' if side == REQUEST else 'read'}"
    return Rule(f"{side}-{slug(keyword)}-{direction}", what, side, level, why)


def _table() -> dict[str, Rule]:
    rows = [Rule(key, key.replace("-", " "), side, level, why) for key, side, level, why in _ROWS]
    for keyword, directions in _JUDGED.items():
        rows += [_directed(keyword, side, way) for side in (REQUEST, RESPONSE) for way in directions]
    return {row.id: row for row in rows}


RULES = _table()
