"""How schemas are compared: who compares each keyword."""

from __future__ import annotations

from codegen.spec_document import Document, Members, Place, items, text_of
from codegen.spec_judges import (
    ABSENT,
    BRANCHES,
    CHANGED,
    KEYWORDS,
    NARROWED,
    SUBSCHEMAS,
    WIDENED,
    sets,
    types,
    words,
)
from codegen.spec_rules import REQUEST, REWRITTEN, UNCLASSIFIED, slug
from codegen.spec_walk import Handler, Walk, differ, leaf, places_in

# From how much a schema lets in, to how much it does now.
_RANKS: dict[tuple[str | None, str | None], str] = {
    ("all", "some"): NARROWED,
    ("all", "none"): NARROWED,
    ("some", "none"): NARROWED,
    ("none", "some"): WIDENED,
    ("none", "all"): WIDENED,
    ("some", "all"): WIDENED,
}


def _keyword(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    way = KEYWORDS[key](old.value(key, ABSENT), new.value(key, ABSENT))
    walk.judge(slug(key), side, way, (old.get(key), new.get(key)))


def _type(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    before, after = types(old.value(key, ABSENT)), types(new.value(key, ABSENT))
    way = sets(before, after)
    if way == NARROWED and after <= {"null"}:
        way = CHANGED  # no value is left, so callers cannot go on as before
    keyword = "nullability" if before ^ after == {"null"} and way != CHANGED else "type"
    walk.judge(keyword, side, way, (old.get(key), new.get(key)))


def _enum(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    places = old.get(key), new.get(key)
    if key == "enum" and not _are_lists(*places):
        walk.report_if_different(UNCLASSIFIED, *places)
        return
    way = sets(*(words(each.value("enum"), each.value("const", ABSENT)) for each in (old, new)))
    if differ(*places):  # the other of the two keywords may be what changed
        walk.judge("enum", side, way, places)


def subschema(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    """A schema that is true, letting everything in, where it is absent."""
    before, after = old.get(key), new.get(key)
    ranks = _rank(before), _rank(after)
    if before is not None and after is not None and all(isinstance(each.value, dict) for each in (before, after)):
        walk.compare("schema", side, before, after)
    elif None in ranks or (key == "schema" and "none" in ranks):  # no body at all can fit the schema false
        walk.report_if_different(UNCLASSIFIED, before, after)
    else:
        walk.judge(slug(key), side, _RANKS.get(ranks), (before, after))


def _rank(place: Place | None) -> str | None:
    """How much a schema lets in; None if it is no schema."""
    if place is None or place.value is True or place.value == {}:
        return "all"
    return "none" if place.value is False else "some" if isinstance(place.value, dict) else None


def _branches(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    places = old.get(key), new.get(key)
    before, after = (items(place) for place in places)
    if not _are_lists(*places):
        walk.report_if_different(UNCLASSIFIED, *places)
    elif before and after:
        _matched(walk, side, key, before, after)
    elif before or after:  # the keyword as a whole: having none of it lets everything in
        walk.judge(slug(key), side, WIDENED if before else NARROWED, places)
    else:
        walk.report_if_different(REWRITTEN, *places)


def _matched(walk: Walk, side: str, key: str, before: list[Place], after: list[Place]) -> None:
    pairs = _pairs(walk, before, after)
    for one, other in pairs:
        walk.compare("schema", side, one, other)
    more, fewer = (WIDENED, NARROWED) if BRANCHES[key] else (NARROWED, WIDENED)
    for place in _others(before, [one for one, _ in pairs]):
        walk.judge(slug(key), side, fewer, (place, None))
    for place in _others(after, [other for _, other in pairs]):
        walk.judge(slug(key), side, more, (None, place))
    old, new = ([text_of(place.value) for place in places] for places in (before, after))
    if old != new and sorted(old) == sorted(new):
        walk.report(REWRITTEN, before[0], after[0])


def _pairs(walk: Walk, before: list[Place], after: list[Place]) -> list[tuple[Place, Place]]:
    """Which branch became which: the equal ones, then, if one is left on each side, these two."""
    pairs: list[tuple[Place, Place]] = []
    left = list(after)
    for place in before:
        text = _content(walk.base, place)
        twin = next((other for other in left if _content(walk.head, other) == text), None)
        if twin is not None:
            left.remove(twin)
            pairs.append((place, twin))
    rest = _others(before, [one for one, _ in pairs])
    return [*pairs, (rest[0], left[0])] if len(rest) == len(left) == 1 else pairs


def _others(places: list[Place], taken: list[Place]) -> list[Place]:
    """The places that are not among those taken."""
    pointers = {place.pointer for place in taken}
    return [place for place in places if place.pointer not in pointers]


def _content(document: Document, place: Place) -> str:
    """What a branch says, with its own reference followed, so that moving it elsewhere changes nothing."""
    opened = document.open(place)
    return text_of(place.value if opened is None else {key: member.value for key, member in opened.of.items()})


def _fields(walk: Walk, side: str, _key: str, old: Members, new: Members) -> None:
    """``properties`` and ``required`` together."""
    before, after = places_in(old.get("properties")), places_in(new.get("properties"))
    required = old.get("required"), new.get("required")
    if before is None or after is None or not all(place is None or _is_texts(place.value) for place in required):
        walk.report_if_different(UNCLASSIFIED, old.get("properties"), new.get("properties"))
        walk.report_if_different(UNCLASSIFIED, *required)
        return
    for name in before.keys() & after.keys():
        walk.compare("schema", side, before[name], after[name])
    for name in before.keys() - after.keys():
        walk.report(f"{side}-field-removed", before[name], None)
    for name in after.keys() - before.keys():
        walk.report(_rule_of_new_field(side, old, name in new.value("required", [])), None, after[name])
    _required(walk, side, required, ignored=before.keys() ^ after.keys())


def _rule_of_new_field(side: str, old: Members, required: bool) -> str:  # noqa: FBT001 - private, read at its one use
    if side == REQUEST:
        return "request-required-field-added" if required else "request-field-added"
    closed = old.value("additionalProperties") is False or old.value("unevaluatedProperties") is False
    return "response-field-added-to-closed-object" if closed else "response-field-added"


def _required(walk: Walk, side: str, places: tuple[Place | None, Place | None], ignored: set[str]) -> None:
    """Fields that were there and stayed; a field that came or went has a rule of its own."""
    before, after = ({place.value: place for place in items(each)} for each in places)
    for name in before.keys() - after.keys() - ignored:
        walk.report(f"{side}-field-made-optional", before[name], None)
    for name in after.keys() - before.keys() - ignored:
        walk.report(f"{side}-field-made-required", None, after[name])
    if before.keys() == after.keys():
        walk.report_if_different(REWRITTEN, *places)


def _are_lists(*places: Place | None) -> bool:
    return all(place is None or isinstance(place.value, list) for place in places)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _patterns(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    before, after = places_in(old.get(key)), places_in(new.get(key))
    if before is None or after is None:
        walk.report_if_different(UNCLASSIFIED, old.get(key), new.get(key))
        return
    for name in before.keys() & after.keys():
        walk.compare("schema", side, before[name], after[name])
    for name in before.keys() ^ after.keys():
        walk.judge("pattern-properties", side, CHANGED, (before.get(name), after.get(name)))


NOTES = ("description", "summary", "example", "examples", "externalDocs", "$comment")
SCHEMA: dict[str, Handler] = {
    **dict.fromkeys(KEYWORDS, _keyword),
    **dict.fromkeys(SUBSCHEMAS, subschema),
    **dict.fromkeys(BRANCHES, _branches),
    **dict.fromkeys(NOTES, leaf("note-changed")),
    "type": _type,
    "enum": _enum,
    "const": _enum,
    "properties": _fields,
    "required": _fields,
    "patternProperties": _patterns,
    "title": leaf("title-changed"),
    "deprecated": leaf("deprecation-changed"),
}
