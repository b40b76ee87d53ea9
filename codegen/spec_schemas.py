"""Comparison of schemas: the handler of each keyword."""

from __future__ import annotations

from codegen.spec_document import ABSENT, Document, Members, Place, items, text_of
from codegen.spec_rules import (
    BRANCHES,
    CHANGED,
    KEYWORDS,
    NARROWED,
    REQUEST,
    REWRITTEN,
    SUBSCHEMAS,
    UNCLASSIFIED,
    WIDENED,
    compare_sets,
    enum_values,
    slug,
    type_set,
)
from codegen.spec_walk import Handler, Places, Walk, differ, flag, leaf, opaque, paired, places_in

# How many values a schema allows.
_NO_VALUES, _SOME_VALUES, _ALL_VALUES = 0, 1, 2


def _keyword(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    direction = KEYWORDS[key](old.value(key, ABSENT), new.value(key, ABSENT))
    walk.report_keyword(slug(key), side, direction, (old.get(key), new.get(key)))


def _multiple_of(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    """Compare steps; every integer is a multiple of 1."""
    are_integers = [type_set(each.value("type", ABSENT)) <= {"integer", "null"} for each in (old, new)]
    before, after = (each.value(key, 1 if all(are_integers) else ABSENT) for each in (old, new))
    walk.report_keyword(slug(key), side, KEYWORDS[key](before, after), (old.get(key), new.get(key)))


def _type(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    before, after = type_set(old.value(key, ABSENT)), type_set(new.value(key, ABSENT))
    direction = compare_sets(before, after)
    if direction == NARROWED and after <= {"null"}:
        direction = CHANGED  # no former value but null fits
    keyword = "nullability" if before ^ after == {"null"} and direction != CHANGED else "type"
    walk.report_keyword(keyword, side, direction, (old.get(key), new.get(key)))


def _enum(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    places = old.get(key), new.get(key)
    direction = compare_sets(*(enum_values(each.value("enum"), each.value("const", ABSENT)) for each in (old, new)))
    if differ(*places):  # else the other of the two keywords changed
        walk.report_keyword("enum", side, direction, places)


def subschema(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    """Compare schemas; a missing one means ``true``."""
    before, after = old.get(key), new.get(key)
    was, now = _extent(before), _extent(after)
    if before is not None and after is not None and all(isinstance(each.value, dict) for each in (before, after)):
        walk.compare("schema", side, before, after)
    elif key == "schema" and _NO_VALUES in (was, now):  # no body fits `false`
        walk.report_if_different(UNCLASSIFIED, before, after)
    else:
        direction = None if was == now else NARROWED if now < was else WIDENED
        walk.report_keyword(slug(key), side, direction, (before, after))


def _extent(place: Place | None) -> int:
    """Return how many values a schema allows."""
    if place is None or place.value in (True, {}):
        return _ALL_VALUES
    return _SOME_VALUES if place.value else _NO_VALUES


def _branches(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    places = old.get(key), new.get(key)
    before, after = (items(place) for place in places)
    if before and after:
        _compare_branches(walk, side, key, before, after)
    elif before or after:  # without the keyword, every value is allowed
        walk.report_keyword(slug(key), side, WIDENED if before else NARROWED, places)
    else:
        walk.report_if_different(REWRITTEN, *places)


def _compare_branches(walk: Walk, side: str, key: str, before: list[Place], after: list[Place]) -> None:
    pairs = _pairs(walk, before, after)
    for one, other in pairs:
        walk.compare("schema", side, one, other)
    more, fewer = (WIDENED, NARROWED) if BRANCHES[key] else (NARROWED, WIDENED)
    for place in _others(before, [one for one, _ in pairs]):
        walk.report_keyword(slug(key), side, fewer, (place, None))
    for place in _others(after, [other for _, other in pairs]):
        walk.report_keyword(slug(key), side, more, (None, place))
    old, new = ([text_of(place.value) for place in places] for places in (before, after))
    if old != new and sorted(old) == sorted(new):
        walk.report(REWRITTEN, before[0], after[0])


def _pairs(walk: Walk, before: list[Place], after: list[Place]) -> list[tuple[Place, Place]]:
    """Pair equal branches, and the remaining two if one remains on each side."""
    pairs: list[tuple[Place, Place]] = []
    unpaired = list(after)
    for place in before:
        text = _content(walk.base, place)
        twin = next((other for other in unpaired if _content(walk.head, other) == text), None)
        if twin is not None:
            unpaired.remove(twin)
            pairs.append((place, twin))
    rest = _others(before, [one for one, _ in pairs])
    return [*pairs, (rest[0], unpaired[0])] if len(rest) == len(unpaired) == 1 else pairs


def _others(places: list[Place], taken: list[Place]) -> list[Place]:
    """Return the places that are not taken."""
    pointers = {place.pointer for place in taken}
    return [place for place in places if place.pointer not in pointers]


def _content(document: Document, place: Place) -> str:
    """Return a branch as JSON with its reference resolved, so that moving it elsewhere is no change."""
    return text_of({key: member.value for key, member in document.open(place).of.items()})


def _fields(walk: Walk, side: str, _key: str, old: Members, new: Members) -> None:
    """Compare ``properties`` and ``required`` together."""
    before, after = places_in(old.get("properties")), places_in(new.get("properties"))
    required = old.get("required"), new.get("required")
    for name in (unused := _unused(walk, side, before, after)):
        walk.report_if_different("unused-field-changed", before.pop(name, None), after.pop(name, None))
    for name in before.keys() & after.keys():
        walk.compare("schema", side, before[name], after[name])
    for name in before.keys() - after.keys():
        walk.report(f"{side}-field-removed", before[name], None)
    for name in after.keys() - before.keys():
        walk.report(_added_field_rule(side, old, name in new.value("required", [])), None, after[name])
    _required(walk, side, required, ignored=unused | (before.keys() ^ after.keys()))


def _unused(walk: Walk, side: str, *fields: dict[str, Place]) -> set[str]:
    """Return the names of fields that are not sent, or not read, wherever they are."""
    word = "readOnly" if side == REQUEST else "writeOnly"
    found: set[str] = set()
    for name in fields[0].keys() | fields[1].keys():
        both = zip((walk.base, walk.head), fields, strict=True)
        if all(document.open(each[name]).value(word) is True for document, each in both if name in each):
            found.add(name)
    return found


def _added_field_rule(side: str, old: Members, required: bool) -> str:  # noqa: FBT001 - private, with one caller
    if side == REQUEST:
        return "request-required-field-added" if required else "request-field-added"
    closed = old.value("additionalProperties") is False or old.value("unevaluatedProperties") is False
    return "response-field-added-to-closed-object" if closed else "response-field-added"


def _required(walk: Walk, side: str, places: Places, ignored: set[str]) -> None:
    """Compare ``required`` for fields of both schemas; added and removed fields have rules of their own."""
    before, after = ({place.value: place for place in items(each)} for each in places)
    for name in before.keys() - after.keys() - ignored:
        walk.report(f"{side}-field-made-optional", before[name], None)
    for name in after.keys() - before.keys() - ignored:
        walk.report(f"{side}-field-made-required", None, after[name])
    if before.keys() == after.keys():
        walk.report_if_different(REWRITTEN, *places)


def _patterns(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    for _, (before, after) in paired(key, old, new):
        if before is not None and after is not None:
            walk.compare("schema", side, before, after)
        else:
            walk.report_keyword("pattern-properties", side, CHANGED, (before, after))


NOTES = ("title", "description", "summary", "example", "examples", "externalDocs", "$comment")
SCHEMA: dict[str, Handler] = {
    **dict.fromkeys(KEYWORDS, _keyword),
    **dict.fromkeys(SUBSCHEMAS, subschema),
    **dict.fromkeys(BRANCHES, _branches),
    **dict.fromkeys(NOTES, leaf("note-changed")),
    "multipleOf": _multiple_of,
    "type": _type,
    "enum": _enum,
    "const": _enum,
    "properties": _fields,
    "required": _fields,
    "patternProperties": _patterns,
    "discriminator": opaque("discriminator-added", "discriminator-removed"),
    "deprecated": leaf("deprecation-changed"),
    "nullable": flag(UNCLASSIFIED, UNCLASSIFIED),
}
