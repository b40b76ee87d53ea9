"""Every rule, both ways: a change and its reverse each get the level that callers feel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codegen.spec_document import parse
from codegen.spec_rules import RULES
from kkiai_sdk import ConfigurationError
from tests.spec_diff.cases import ID, NOTHING, READ, SEND, STRUCTURE, G, V, document, found, ways

LEVELS = {
    ("request", "narrowed"): "breaking",
    ("request", "widened"): "additive",
    ("request", "changed"): "breaking",
    ("response", "narrowed"): "additive",
    ("response", "widened"): "breaking",
    ("response", "changed"): "breaking",
}
REVERSE = {"narrowed": "widened", "widened": "narrowed", "changed": "changed"}
PLACES = {"request": SEND, "response": READ}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}

# The rule's stem, a schema, the same schema after the change, and which values fit now.
SCHEMAS: list[tuple[str, Any, Any, str]] = [
    ("type", {"type": ["string", "integer"]}, TEXT, "narrowed"),
    ("type", {}, TEXT, "narrowed"),
    ("type", {"additionalProperties": TEXT}, {"additionalProperties": {}}, "widened"),
    ("type", {"type": "number"}, {"type": "integer"}, "narrowed"),
    ("type", TEXT, NUMBER, "changed"),
    ("nullability", {"type": ["string", "null"]}, TEXT, "narrowed"),
    (
        "nullability",
        {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
        {"type": "string", "minLength": 2},
        "narrowed",
    ),
    ("enum", {"enum": ["a", "b"]}, {"enum": ["a"]}, "narrowed"),
    ("enum", {}, {"enum": ["a"]}, "narrowed"),
    ("enum", {"enum": ["a"]}, {"enum": ["b"]}, "changed"),
    ("enum", {"enum": [1]}, {"enum": [True]}, "changed"),
    ("enum", {}, {"const": "a"}, "narrowed"),
    ("enum", {"const": "a"}, {"const": "b"}, "changed"),
    ("maximum", {"maximum": 5}, {"maximum": 4.5}, "narrowed"),
    ("exclusive-maximum", {}, {"exclusiveMaximum": 5}, "narrowed"),
    ("minimum", {"minimum": 4}, {"minimum": 5}, "narrowed"),
    ("exclusive-minimum", {}, {"exclusiveMinimum": -5}, "narrowed"),
    ("multiple-of", {"multipleOf": 0.1}, {"multipleOf": 0.3}, "narrowed"),
    ("multiple-of", {}, {"multipleOf": 2}, "narrowed"),
    ("multiple-of", NUMBER | {"multipleOf": 1}, NUMBER | {"multipleOf": 2}, "narrowed"),
    ("multiple-of", {"multipleOf": 2}, {"multipleOf": 3}, "changed"),
    ("max-length", {"maxLength": 256}, {"maxLength": 255}, "narrowed"),
    ("max-length", {}, {"maxLength": 256}, "narrowed"),
    ("min-length", {"minLength": 1}, {"minLength": 2}, "narrowed"),
    ("min-length", {}, {"minLength": 1}, "narrowed"),
    ("pattern", {}, {"pattern": "^a"}, "narrowed"),
    ("pattern", {"pattern": "^a"}, {"pattern": "^b"}, "changed"),
    ("max-items", {"maxItems": 3}, {"maxItems": 2}, "narrowed"),
    ("min-items", {"minItems": 2}, {"minItems": 3}, "narrowed"),
    ("unique-items", {}, {"uniqueItems": True}, "narrowed"),
    ("max-contains", {"maxContains": 3}, {"maxContains": 2}, "narrowed"),
    ("min-contains", {"minContains": 0}, {}, "narrowed"),
    ("max-properties", {"maxProperties": 3}, {"maxProperties": 2}, "narrowed"),
    ("min-properties", {"minProperties": 2}, {"minProperties": 3}, "narrowed"),
    ("format", {"format": "int64"}, {"format": "int32"}, "changed"),
    ("format", {}, {"format": "uri"}, "changed"),
    ("content-encoding", {}, {"contentEncoding": "base64"}, "changed"),
    ("content-media-type", {}, {"contentMediaType": "image/png"}, "changed"),
    ("read-only", {}, {"readOnly": True}, "changed"),
    ("write-only", {}, {"writeOnly": True}, "changed"),
    ("items", {}, {"items": TEXT}, "narrowed"),
    ("items", {"items": TEXT}, {"items": False}, "narrowed"),
    ("property-names", {}, {"propertyNames": {"pattern": "^a"}}, "narrowed"),
    ("unevaluated-items", {}, {"unevaluatedItems": False}, "narrowed"),
    ("unevaluated-properties", {}, {"unevaluatedProperties": False}, "narrowed"),
    ("all-of", {"allOf": [TEXT]}, {"allOf": [TEXT, {"minLength": 3}]}, "narrowed"),
    ("all-of", {}, {"allOf": [TEXT]}, "narrowed"),
    ("any-of", {"anyOf": [TEXT, NUMBER]}, {"anyOf": [NUMBER]}, "narrowed"),
    ("any-of", {}, {"anyOf": [TEXT, NUMBER]}, "narrowed"),
    ("one-of", {"oneOf": [TEXT, NUMBER]}, {"oneOf": [TEXT]}, "narrowed"),
    ("one-of", {}, {"oneOf": [TEXT, NUMBER]}, "narrowed"),
    ("pattern-properties", {}, {"patternProperties": {"^a": TEXT}}, "changed"),
    ("type", {"properties": {"a": TEXT}}, {"properties": {"a": NUMBER}}, "changed"),
    ("type", {"items": TEXT}, {"items": NUMBER}, "changed"),
    ("type", {"patternProperties": {"^a": TEXT}}, {"patternProperties": {"^a": NUMBER}}, "changed"),
    ("type", {"additionalProperties": TEXT}, {"additionalProperties": NUMBER}, "changed"),
    ("type", {"allOf": [{"items": TEXT}]}, {"allOf": [{"items": NUMBER}]}, "changed"),
    (
        "max-length",
        {"anyOf": [{**TEXT, "maxLength": 3}, NUMBER]},
        {"anyOf": [NUMBER, {**TEXT, "maxLength": 2}]},
        "narrowed",
    ),
]

A, A_NEEDED = {"properties": {"a": TEXT}}, {"properties": {"a": TEXT}, "required": ["a"]}
HIDDEN, WRITTEN = {"type": "string", "readOnly": True}, {"type": "string", "writeOnly": True}
A_HIDDEN, UNUSED = {"properties": {"a": HIDDEN}}, ways("harmless unused-field-changed", "harmless unused-field-changed")
OPEN, HALF_OPEN, CLOSED = ({"additionalProperties": value} for value in (True, TEXT, False))

# Side, schema before and after, what is said, what is said of the reverse.
FIELDS: list[tuple[str, Any, Any, tuple[list[str], list[str]]]] = [
    ("request", {}, A, ways("additive request-field-added", "breaking request-field-removed")),
    ("request", {}, A_NEEDED, ways("breaking request-required-field-added", "breaking request-field-removed")),
    ("request", A, A_NEEDED, ways("breaking request-field-made-required", "additive request-field-made-optional")),
    ("response", {}, A, ways("additive response-field-added", "breaking response-field-removed")),
    ("response", {}, A_NEEDED, ways("additive response-field-added", "breaking response-field-removed")),
    ("response", A, A_NEEDED, ways("additive response-field-made-required", "breaking response-field-made-optional")),
    (
        "response",
        CLOSED,
        {**CLOSED, **A},
        ways("breaking response-field-added-to-closed-object", "breaking response-field-removed"),
    ),
    (
        "request",
        {"default": 1},
        {"default": 2},
        ways("breaking request-default-changed", "breaking request-default-changed"),
    ),
    (
        "response",
        {"default": 1},
        {"default": 2},
        ways("harmless response-default-changed", "harmless response-default-changed"),
    ),
    (
        "request",
        OPEN,
        CLOSED,
        ways("breaking request-additional-properties-narrowed", "additive request-additional-properties-widened"),
    ),
    (
        "request",
        OPEN,
        HALF_OPEN,
        ways("breaking request-additional-properties-narrowed", "additive request-additional-properties-widened"),
    ),
    (
        "response",
        OPEN,
        CLOSED,
        ways("breaking response-additional-properties-narrowed", "breaking response-additional-properties-widened"),
    ),
    (
        "response",
        HALF_OPEN,
        CLOSED,
        ways("breaking response-additional-properties-narrowed", "breaking response-additional-properties-widened"),
    ),
    (
        "response",
        {"type": ["string", "null"]},
        {"type": "null"},
        ways("breaking response-type-changed", "breaking response-type-widened"),
    ),
    (
        "response",
        {"type": "null"},
        {"type": []},
        ways("breaking response-type-changed", "breaking response-nullability-widened"),
    ),
    *(
        (
            side,
            {},
            {"discriminator": {"propertyName": "a"}},
            ways("additive discriminator-added", "breaking discriminator-removed"),
        )
        for side in ("request", "response")
    ),
    ("request", {"properties": {"a": HIDDEN}}, {"properties": {"a": HIDDEN | {"maxLength": 3}}}, UNUSED),
    ("request", A_HIDDEN, A_HIDDEN | {"required": ["a"]}, ways("harmless rewritten", "harmless rewritten")),
    ("request", {"properties": {}}, A_HIDDEN, UNUSED),
    (
        "response",
        {"properties": {"a": HIDDEN}},
        {"properties": {"a": HIDDEN | {"maxLength": 3}}},
        ways("additive response-max-length-narrowed", "breaking response-max-length-widened"),
    ),
    ("response", {"properties": {"a": WRITTEN}}, {"properties": {"a": WRITTEN | {"maxLength": 3}}}, UNUSED),
    ("request", NOTHING, TEXT, ways("breaking request-schema-narrowed", "additive request-schema-widened")),
    ("response", NOTHING, TEXT, ways("additive response-schema-narrowed", "breaking response-schema-widened")),
]
# Pointers, and something that may not stand there.
IMPOSSIBLE: list[tuple[str, object]] = [
    (f"{V}/get/parameters", "none"),
    ("/servers", "none"),
    ("/security", "none"),
    ("/components/schemas", "none"),
    (f"{G}/responses/200/headers", "none"),
    (f"{G}/responses/200", "none"),
    *((f"{READ}/{word}", "none") for word in ("enum", "anyOf", "properties", "required", "patternProperties", "items")),
    *((f"{READ}/{word}", "three") for word in ("maximum", "minimum", "maxLength", "minItems", "maxContains")),
    *((f"{READ}/exclusiveM{word}imum", True) for word in ("ax", "in")),
    *((f"{READ}/{word}", 0) for word in ("multipleOf", "uniqueItems")),
]
NOTES = [
    ("title", "note-changed"),
    ("description", "note-changed"),
    ("example", "note-changed"),
    ("examples", "note-changed"),
    ("$comment", "note-changed"),
    ("x-unit", "extension-changed"),
    ("deprecated", "deprecation-changed"),
]
UNKNOWN = [
    "nullable",
    "not",
    "if",
    "dependentRequired",
    "prefixItems",
    "contains",
    "$defs",
    "nonsense",
]

B, B_NEEDED = {"type": "object", "properties": {"b": NUMBER}}, {"properties": {"b": NUMBER}, "required": ["b"]}
SAME: list[tuple[Any, Any]] = [
    ({"type": ["string", "null"]}, {"type": ["null", "string"]}),
    ({"type": "string"}, {"type": ["string"]}),
    ({"enum": ["a", "b"]}, {"enum": ["b", "a"]}),
    ({"enum": ["a"]}, {"const": "a"}),
    ({"required": ["a", "b"]}, {"required": ["b", "a"]}),
    ({}, {"required": []}),
    ({}, {"minLength": 0}),
    ({}, {"uniqueItems": False}),
    (NUMBER, NUMBER | {"multipleOf": 1}),
    ({}, {"additionalProperties": True}),
    ({"items": {}}, {"items": True}),
    ({}, {"readOnly": False}),
    ({}, {"nullable": False}),
    ({"allOf": [TEXT]}, {"type": "string"}),
    ({"allOf": [A, B]}, {"type": "object", "properties": {"a": TEXT, "b": NUMBER}}),
    ({"allOf": [A, B_NEEDED]}, {"properties": {"a": TEXT, "b": NUMBER}, "required": ["b"]}),
    ({"allOf": [A, {"allOf": [B]}]}, {"allOf": [B], "properties": {"a": TEXT}}),
    ({"anyOf": [TEXT, NUMBER]}, {"anyOf": [NUMBER, TEXT]}),
    ({"maxLength": 3, "type": ["string", "null"]}, {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}),
    (
        {"type": ["string", "null"], "enum": ["a", None]},
        {"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
    ),
]


@pytest.mark.parametrize(("pointer", "before", "after", "said"), STRUCTURE)
def test_change_outside_schemas_gets_its_level_both_ways(
    pointer: str, before: object, after: object, said: tuple[list[str], list[str]]
) -> None:
    """A change of anything but a schema, and its reverse, are each reported once, at the right level."""
    old, new = (document((pointer, {}), (pointer, value)) for value in (before, after))
    assert (found(old, new), found(new, old)) == said


@pytest.mark.parametrize("side", PLACES)
@pytest.mark.parametrize(("stem", "before", "after", "way"), SCHEMAS)
def test_change_of_a_schema_gets_its_level_for_each_side(
    side: str, stem: str, before: Any, after: Any, way: str
) -> None:
    """Requests break when less fits, responses when more does; where nobody can tell, both break."""
    old, new = (document((PLACES[side], value)) for value in (before, after))
    there, back = way, REVERSE[way]
    assert found(old, new) == [f"{LEVELS[side, there]} {side}-{stem}-{there}"]
    assert found(new, old) == [f"{LEVELS[side, back]} {side}-{stem}-{back}"]


@pytest.mark.parametrize(("side", "before", "after", "said"), FIELDS)
def test_change_of_fields_gets_its_level(side: str, before: Any, after: Any, said: tuple[list[str], list[str]]) -> None:
    """Fields that come, go, or become required or optional are reported by what that means on their side."""
    old, new = (document((PLACES[side], {}), (PLACES[side], value)) for value in (before, after))
    assert (found(old, new), found(new, old)) == said


@pytest.mark.parametrize("place", PLACES.values())
@pytest.mark.parametrize(("word", "rule"), NOTES)
def test_change_of_descriptions_is_harmless(place: str, word: str, rule: str) -> None:
    """Descriptions, examples, comments, extensions and deprecation never break anybody."""
    old, new = document((place, TEXT)), document((place, {**TEXT, word: ["new"]}))
    assert found(old, new) == found(new, old) == [f"harmless {rule}"]


@pytest.mark.parametrize("place", PLACES.values())
@pytest.mark.parametrize("word", UNKNOWN)
def test_change_without_a_rule_is_breaking(place: str, word: str) -> None:
    """A keyword without a rule is reported as unclassified, and that is breaking."""
    old, new = document((place, TEXT)), document((place, {**TEXT, word: ["new"]}))
    assert found(old, new) == found(new, old) == ["breaking unclassified-change"]


@pytest.mark.parametrize("place", PLACES.values())
@pytest.mark.parametrize(("one", "other"), SAME)
def test_equivalent_notation_is_harmless(place: str, one: Any, other: Any) -> None:
    """Two ways to say one thing are reported, and break nobody."""
    old, new = document((place, one)), document((place, other))
    assert set(found(old, new)) == set(found(new, old)) == {"harmless rewritten"}


@pytest.mark.parametrize(("pointer", "value"), IMPOSSIBLE)
def test_value_of_an_impossible_type_is_refused(pointer: str, value: object) -> None:
    """A document with a value that cannot stand there is never judged, but refused with the place."""
    with pytest.raises(
        ConfigurationError, match=rf"^head is not a valid OpenAPI document: .* at {pointer} \(head:1\)$"
    ):
        parse(json.dumps(document((pointer, value))), "head")


def test_parameter_that_is_declared_twice_is_refused() -> None:
    """A document with two parameters of one name in one list is not compared."""
    with pytest.raises(ConfigurationError, match=r"^head: .*/parameters/1 is a second query parameter id$"):
        found(document(), document((f"{G}/parameters", [ID, ID])))


def test_every_rule_has_a_test_case() -> None:
    """No rule is untested: the tables above and the tests of references name each of them."""
    named = {said.split()[1] for row in [*STRUCTURE, *FIELDS] for way in row[3] for said in way}
    named |= {
        f"{side}-{stem}-{way}" for stem, *_, there in SCHEMAS for side in PLACES for way in (there, REVERSE[there])
    }
    elsewhere = {"reference-changed", "path-parameter-renamed"}
    assert named | elsewhere == set(RULES)


def test_equal_documents_have_no_changes() -> None:
    """A document compared with itself has no changes."""
    assert found(document(), document()) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("/video/{id}", "/video/{video_id}", ["harmless path-parameter-renamed"]),
        ("/video/{id}", "/film/{id}", ["breaking path-removed", "additive path-added"]),
        ("/video/{id}", "/video/{id}/film", ["breaking path-removed", "additive path-added"]),
    ],
)
def test_a_path_parameter_may_have_another_name(before: str, after: str, said: list[str]) -> None:
    """The name of a path parameter is not sent, but the path around it is."""
    old, new = (
        document((f"/paths/{path.replace('/', '~1')}", path_item(path.partition("{")[2].partition("}")[0])))
        for path in (before, after)
    )
    assert found(old, new) == said


def path_item(name: str, **schema: Any) -> dict[str, Any]:
    """A path item with one parameter in the path."""
    parameter = {"name": name, "in": "path", "required": True, "schema": TEXT | schema}
    return {"parameters": [parameter], "delete": {"responses": {"204": {"description": "Gone."}}}}


def test_path_parameters_may_exchange_their_names() -> None:
    """Parameters of a path are told by their places in it, also if each has the name of the other."""
    both = [path_item(name)["parameters"][0] for name in ("a", "b")]
    item = path_item("a") | {"parameters": both}
    old, new = (document((f"/paths/~1{path}", item)) for path in ("{a}~1{b}", "{b}~1{a}"))
    assert set(found(old, new)) == {"harmless path-parameter-renamed", "harmless rewritten"}


def test_a_change_beside_a_renamed_path_parameter_is_found() -> None:
    """A path whose parameter has another name is compared in everything else."""
    old = document(("/paths/~1video~1{id}", path_item("id")))
    new = document(("/paths/~1video~1{name}", path_item("name", maxLength=3)))
    assert found(old, new) == ["breaking request-max-length-narrowed", "harmless path-parameter-renamed"]


CLOSED_BASE = [
    "breaking response-field-removed",
    "breaking response-field-removed",
    "additive response-all-of-narrowed",
]


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ({"properties": {"a": TEXT}}, []),
        ({"properties": {"a": NUMBER}}, ["breaking response-type-changed"]),
        ({"properties": {}}, ["breaking response-field-removed"]),
        ({"properties": {"a": TEXT}, "maxProperties": 1}, CLOSED_BASE),
    ],
)
def test_fields_may_move_to_a_base(base: dict[str, Any], said: list[str]) -> None:
    """Fields are compared wherever they are written; a base that says more is compared as a branch."""
    flat, shared = {"properties": {"a": TEXT, "b": TEXT}}, ("/components/schemas/Base", base)
    split = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"b": TEXT}}]}
    lines = found(document((READ, flat), shared), document((READ, split), shared))
    assert [line for line in lines if "response-" in line] == said
