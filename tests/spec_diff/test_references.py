"""References: documents are compared by content, wherever in them it is written."""

from __future__ import annotations

from typing import Any

import pytest

from codegen.spec_compare import compare
from codegen.spec_document import parse
from kkiai_sdk import ConfigurationError
from tests.spec_diff.cases import GET, ID, NOTHING, READ, SEND, SIZE, TEXT, document, found, from_data

FILM = {"type": "object", "properties": {"name": TEXT}}
FILM_WITH_NUMBER = {"type": "object", "properties": {"name": {"type": "integer"}}}
FILMS = "/components/schemas/Film"
REF = {"$ref": "#/components/schemas/Film"}
NULL = {"type": "null"}


def test_a_schema_moved_into_components_breaks_nobody() -> None:
    """Moving a schema into components adds a class, and changes nothing else."""
    old, new = document((READ, FILM)), document((READ, REF), (FILMS, FILM))
    assert found(old, new) == ["additive schema-added", "harmless reference-changed"]
    assert found(new, old) == ["breaking schema-removed", "harmless reference-changed"]


def test_a_schema_that_changes_while_it_moves_is_compared() -> None:
    """A reference hides no change, and the change lies where the head has it written."""
    old, new = document((READ, FILM)), document((READ, REF), (FILMS, FILM_WITH_NUMBER))
    assert found(old, new) == ["breaking response-type-changed", "additive schema-added", "harmless reference-changed"]
    first = compare(from_data(old, "base"), from_data(new, "head"))[0]
    assert (first.pointer, first.before, first.after) == (f"{FILMS}/properties/name/type", "string", "integer")


def test_a_schema_counts_on_the_side_that_uses_it() -> None:
    """One change of a shared schema is judged once for each side, however often it is used."""
    tighter = {"type": "string", "maxLength": 3}
    for uses, said in [
        ([SEND], ["breaking request-max-length-narrowed"]),
        ([READ], ["additive response-max-length-narrowed"]),
        ([SEND, READ], ["breaking request-max-length-narrowed", "additive response-max-length-narrowed"]),
        ([], ["breaking request-max-length-narrowed", "additive response-max-length-narrowed"]),
    ]:
        places = [(use, REF) for use in uses]
        assert found(document(*places, (FILMS, TEXT)), document(*places, (FILMS, tighter))) == said


def test_a_renamed_schema_breaks_importers_alone() -> None:
    """Renaming a schema removes a generated class and adds another; nothing else is reported but changed references."""
    other = {"$ref": "#/components/schemas/Movie"}
    old, new = document((READ, REF), (FILMS, FILM)), document((READ, other), ("/components/schemas/Movie", FILM))
    assert found(old, new) == [
        "breaking schema-removed",
        "additive schema-added",
        "harmless reference-changed",
    ]


def test_a_renamed_path_is_removed_and_added() -> None:
    """A path that is there under another name breaks callers of the old one."""
    renamed = document(("/paths/~1video", NOTHING), ("/paths/~1film", {"get": GET}))
    assert found(document(("/paths/~1video", {"get": GET})), renamed) == [
        "breaking path-removed",
        "additive path-added",
    ]


def test_parameters_of_the_path_count_for_its_operations() -> None:
    """A parameter that moves between path and operation changes nothing, which is said; its own changes count."""
    path = "/paths/~1video"
    below: dict[str, Any] = {**GET, "parameters": []}
    inside, above = document((path, {"get": GET})), document((path, {"get": below, "parameters": [ID]}))
    assert found(inside, above) == ["harmless rewritten"]
    more = document((path, {"get": below, "parameters": [ID, SIZE]}))
    assert found(above, more) == ["additive parameter-added"]
    override: dict[str, Any] = {**GET, "parameters": [{**ID, "required": False}]}
    overridden = document((path, {"get": override, "parameters": [ID]}))
    assert found(above, overridden) == ["additive parameter-made-optional"]


def test_shared_parameters_headers_and_responses_are_followed() -> None:
    """References are followed everywhere, not in schemas alone."""
    shared = document(
        ("/components/parameters", {"Id": ID}),
        ("/components/responses", {"Ok": GET["responses"]["200"]}),
        ("/paths/~1video/get/parameters", [{"$ref": "#/components/parameters/Id"}]),
        ("/paths/~1video/get/responses/200", {"$ref": "#/components/responses/Ok"}),
    )
    assert set(found(document(), shared)) == {"harmless component-added", "harmless reference-changed"}
    changed = document(("/components/parameters/Id/schema/maxLength", 3), spec=shared)
    assert found(shared, changed) == ["breaking request-max-length-narrowed"]


@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_null_among_branches_is_null_among_types(word: str) -> None:
    """``anyOf`` with null and a list of types with null say the same, also of a referenced schema."""
    types = document((READ, {**FILM, "type": ["object", "null"]}))
    branches = document((READ, {word: [REF, NULL]}), (FILMS, FILM))
    assert set(found(types, branches)) == {"additive schema-added", "harmless rewritten"}
    assert found(document((READ, FILM)), document((READ, {word: [FILM, NULL]}))) == [
        "breaking response-nullability-widened"
    ]


def test_null_is_not_taken_out_of_what_it_would_change() -> None:
    """Branches that do more than offer null are compared as branches."""
    old, new = document((READ, {"type": "string"})), document((READ, {"type": "string", "anyOf": [TEXT, NULL]}))
    assert found(old, new) == ["additive response-any-of-narrowed"]


def test_what_stands_beside_a_reference_counts() -> None:
    """In OpenAPI 3.1 a schema may say more alongside its reference; both parts are compared."""
    old = document((READ, {**REF, "description": "One."}), (FILMS, FILM))
    assert found(old, document((READ, {**REF, "description": "Two."}), (FILMS, FILM))) == ["harmless note-changed"]
    new = document((READ, {**REF, "description": "One."}), (FILMS, FILM_WITH_NUMBER))
    assert found(old, new) == ["breaking response-type-changed"]


def cyclic(leaf: str) -> dict[str, Any]:
    """A document whose schemas contain each other and themselves, with and without words alongside the references."""
    part = {"$ref": "#/components/schemas/Part"}
    film = {"properties": {"sequel": {**REF, "description": "The next."}, "part": part, "parts": {"items": part}}}
    return document(
        (READ, REF), (FILMS, film), ("/components/schemas/Part", {"properties": {"of": REF, "a": {"type": leaf}}})
    )


def test_schemas_that_contain_themselves_are_compared_to_their_end() -> None:
    """Cycles of references end, and what changes inside them is found once."""
    assert found(cyclic("string"), cyclic("string")) == []
    assert found(cyclic("string"), cyclic("integer")) == ["breaking response-type-changed"]


def test_many_schemas_that_all_contain_each_other_are_compared() -> None:
    """The work grows with the number of references, not with the number of ways through them."""
    names = [f"S{number}" for number in range(25)]
    every = {name: {"$ref": f"#/components/schemas/{name}"} for name in names}
    old = document(("/components/schemas", {key: {"properties": every} for key in names}))
    assert found(old, old) == []


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("#/components/schemas/None", "head: .*refers to missing #/components/schemas/None"),
        ("#/components/schemas/Film", "head: the \\$ref at /components/schemas/Film refers to itself"),
        ("#/info/title", "head: .*refers to missing #/info/title"),
        ("b.yaml", "head: .*refers to missing b.yaml"),
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error(target: str, says: str) -> None:
    """A broken reference is named, in the document where it is."""
    with pytest.raises(ConfigurationError, match=says):
        found(document((FILMS, FILM)), document((FILMS, {"$ref": target})))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "is not an OpenAPI document"),
        ("", "is not an OpenAPI document"),
        (
            "openapi: 2.0.0\ninfo: {title: a, version: '1'}\npaths: {}\n",
            "is not a valid OpenAPI document: .* at /openapi",
        ),
        ("openapi: 3.1.0\ninfo: {title: a, version: 1.0}\npaths: {}\n", r"at /info/version \(some.yaml:2\)"),
        ("a: b: c\n", "is not valid YAML"),
        ("a: 1\na: 2\n", "is not valid YAML"),
        ("openapi: 3.1.0\ninfo: {version: '1'}\npaths: &a {b: *a}\n", "is not valid YAML"),
    ],
)
def test_what_is_no_spec_is_refused(text: str, says: str) -> None:
    """Text that cannot be compared is refused by name, with the reason."""
    with pytest.raises(ConfigurationError, match=f"(?s)some.yaml.*{says}"):
        parse(text, "some.yaml")


def test_keys_need_no_quotes() -> None:
    """A status written as a number is the same as one written as text."""
    text = (
        "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {/a: {get: {responses: {STATUS: {description: a}}}}}\n"
    )
    plain, quoted = (parse(text.replace("STATUS", status), "a") for status in ("200", '"200"'))
    assert compare(plain, quoted) == []


def test_lines_are_those_of_the_text() -> None:
    """A pointer's line is that of its key or item; of what is not there, the line of what is around it."""
    spec = parse(
        "openapi: 3.1.0\ninfo:\n  version: '1'\n  title: a\npaths:\n  /a/b:\n    get:\n      tags:\n        - x\n", "a"
    )
    pointers = {"": 1, "/info/version": 3, "/paths/~1a~1b/get": 7, "/paths/~1a~1b/get/tags/0": 9, "/info/summary/x": 2}
    assert {pointer: spec.line_of(pointer) for pointer in pointers} == pointers


def test_an_empty_member_is_noticed_among_other_changes() -> None:
    """A member that is empty says as much as none; that it came or went is said all the same."""
    headers, title = "/paths/~1video/get/responses/200/headers", ("/info/title", "Films")
    old, new = document((headers, NOTHING)), document((headers, {}), title)
    assert found(old, new) == ["harmless note-changed", "harmless rewritten"]


def test_what_is_nested_too_deeply_is_refused() -> None:
    """Depth beyond reason, in the text or by references, is refused like anything that cannot be compared."""
    nested: dict[str, Any] = TEXT
    for _ in range(4000):
        nested = {"items": nested}
    chain = {f"S{step}": {"items": {"$ref": f"#/components/schemas/S{step + 1}"}} for step in range(2000)}
    for schemas in ({"Deep": nested}, {**chain, "S2000": TEXT}):
        deep = {**document(), "components": {"schemas": schemas}}
        with pytest.raises(ConfigurationError, match="nested too deeply"):
            found(deep, deep)
