"""Walk of two documents side by side, which collects changes. Handlers compare members; rules classify changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen.spec_document import ABSENT, ANNOTATIONS, Document, Members, Place, text_of
from codegen.spec_rules import REWRITTEN, RULES, UNCLASSIFIED, Rule

Handler = Callable[["Walk", str, str, Members, Members], None]
# A place in each document, where both or one has it.
Places = tuple[Place | None, Place | None]
Grammar = Mapping[str, Mapping[str, Handler]]
# Key of a grammar for members that it does not name.
EVERY_OTHER = "*"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its rule, location, and values before and after (or ``ABSENT``)."""

    rule: Rule
    pointer: str
    file: str
    line: int
    before: Any
    after: Any


@dataclass
class Walk:
    """One comparison of two documents. ``grammar`` maps each kind of object to handlers for its members."""

    base: Document
    head: Document
    grammar: Grammar
    #: Path parameters of the head that have another name in the base.
    renamed: Mapping[str, str] = field(default_factory=dict)
    _changes: dict[tuple[str, ...], Change] = field(default_factory=dict)
    _compared: set[tuple[object, ...]] = field(default_factory=set)
    _sides: dict[str, set[str]] = field(default_factory=dict)

    def compare(self, kind: str, side: str, before: Place, after: Place) -> None:
        """Compare two objects of a kind, following ``$ref``. Each pair is compared once, so cycles end."""
        old, new = self.base.open(before), self.head.open(after)
        self._compare_references(before, after)
        if kind == "schema":
            old, new = self._unify(old, new)
        pair = (kind, side, old.sources, new.sources)
        if pair in self._compared:
            return
        self._compared.add(pair)
        for source in (*old.sources, *new.sources):
            self._sides.setdefault(source, set()).add(side)
        for key in sorted(old.of.keys() | new.of.keys()):
            self._handler(kind, key)(self, side, key, old, new)
            if (key in old.of) != (key in new.of) and (old.of | new.of)[key].value in ({}, []):
                self.report(REWRITTEN, old.get(key), new.get(key))  # an empty member equals a missing one

    def compare_if_both(self, kind: str, side: str, rules: tuple[str, str], places: Places) -> None:
        """Compare two objects of a kind, or report a missing one by ``rules``, for added and removed objects."""
        before, after = places
        if before is not None and after is not None:
            self.compare(kind, side, before, after)
        elif before is not after:
            self.report(rules[0] if before is None else rules[1], before, after)

    def sides_of(self, pointers: Iterable[str]) -> set[str]:
        """Return the sides on which any of these objects was compared."""
        return set().union(*(self._sides.get(pointer, set()) for pointer in pointers))

    def report(self, rule: str, before: Place | None, after: Place | None) -> None:
        """Record a change at its place in the head or, for a removal, in the base."""
        document, place = (self.base, before) if after is None else (self.head, after)
        if place is None:
            return
        old, new = (ABSENT if each is None else each.value for each in (before, after))
        line = document.line_of(place.pointer)
        change = Change(RULES[rule], place.pointer, document.label, line, old, new)
        self._changes.setdefault((rule, place.pointer, text_of(old), text_of(new)), change)

    def report_if_different(self, rule: str, before: Place | None, after: Place | None) -> None:
        """Record a change, if there is one, at the innermost place that holds all of it."""
        if differ(before, after):
            self.report(rule, *_innermost(before, after))

    def report_keyword(self, keyword: str, side: str, direction: str | None, places: Places) -> None:
        """Record the direction of a changed keyword. None stands for a change of form at most."""
        if direction is None:
            self.report_if_different(REWRITTEN, *places)
        else:
            self.report(f"{side}-{keyword}-{direction}", *places)

    def changes(self) -> list[Change]:
        """Return the changes: worst first, then by pointer."""
        if not self._changes:  # references may have been rearranged
            self.report_if_different(REWRITTEN, self.base.root, self.head.root)
        return sorted(self._changes.values(), key=_sort_key)

    def _handler(self, kind: str, key: str) -> Handler:
        if key.startswith("x-"):
            return leaf("extension-changed")
        table = self.grammar[kind]
        return table.get(key) or table.get(EVERY_OTHER) or leaf(UNCLASSIFIED)

    def _compare_references(self, before: Place, after: Place) -> None:
        old, new = (
            place.at("$ref") if isinstance(place.value, dict) and "$ref" in place.value else None
            for place in (before, after)
        )
        if differ(old, new):
            self.report("reference-changed", old or before, new or after)

    def _unify(self, old: Members, new: Members) -> tuple[Members, Members]:
        """Write "or null" as a type if only one has it as a branch, and ``allOf`` as one schema if both can be."""
        for keyword in ("anyOf", "oneOf"):
            if (keyword in old.of) != (keyword in new.of):
                old = self.base.without_null_branch(old, keyword)
                new = self.head.without_null_branch(new, keyword)
        if "allOf" in old.of | new.of and all(each.of.keys() - ANNOTATIONS for each in (old, new)):
            plain = self.base.without_all_of(old), self.head.without_all_of(new)
            return (old, new) if "allOf" in plain[0].of | plain[1].of else plain
        return old, new


def differ(before: Place | None, after: Place | None) -> bool:
    """Return whether two values are different JSON; the order of members does not matter."""
    if before is None or after is None:
        return before is not after
    return text_of(before.value) != text_of(after.value)


def leaf(rule: str) -> Handler:
    """Make a handler that compares a member as a whole, by one rule."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        walk.report_if_different(rule, old.get(key), new.get(key))

    return handle


def opaque(added: str, removed: str) -> Handler:
    """Make a handler of a member that is compared as a whole, once it is there."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        before, after = old.get(key), new.get(key)
        rule = added if before is None else removed if after is None else UNCLASSIFIED
        walk.report_if_different(rule, before, after)

    return handle


def flag(made_true: str, made_false: str) -> Handler:
    """Make a handler of a boolean member that is false by default."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        before, after = old.value(key, default=False), new.value(key, default=False)
        rule = REWRITTEN if before is after else made_true if after else made_false
        walk.report_if_different(rule, old.get(key), new.get(key))

    return handle


def member(kind: str, added: str, removed: str) -> Handler:
    """Make a handler of a member that is an object of a kind."""

    def handle(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
        walk.compare_if_both(kind, side, (added, removed), (old.get(key), new.get(key)))

    return handle


def named(kind: str, added: str, removed: str) -> Handler:
    """Make a handler of a member that maps names to objects of a kind. ``{side}`` in rules stands for the side."""

    def handle(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
        rules = added.format(side=side), removed.format(side=side)
        for _, places in paired(key, old, new):
            walk.compare_if_both(kind, side, rules, places)

    return handle


def on(side: str, handler: Handler) -> Handler:
    """Make a handler that passes another side on."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        handler(walk, side, key, old, new)

    return handle


def places_in(place: Place | None) -> dict[str, Place]:
    """Return the members of a mapping by name; empty for no place."""
    return {} if place is None else {key: place.at(key) for key in place.value}


def paired(key: str, old: Members, new: Members) -> Iterator[tuple[str, Places]]:
    """Yield the members of two mappings in pairs, sorted by name."""
    before, after = places_in(old.get(key)), places_in(new.get(key))
    for name in sorted(before.keys() | after.keys()):
        yield name, (before.get(name), after.get(name))


def _innermost(before: Place | None, after: Place | None) -> Places:
    if before is None or after is None:
        return before, after
    keys: list[Any] = []
    if isinstance(before.value, dict) and isinstance(after.value, dict) and before.value.keys() == after.value.keys():
        keys = list(before.value)
    elif isinstance(before.value, list) and isinstance(after.value, list) and len(before.value) == len(after.value):
        keys = list(range(len(before.value)))
    different = [(before.at(key), after.at(key)) for key in keys if differ(before.at(key), after.at(key))]
    return _innermost(*different[0]) if len(different) == 1 else (before, after)


def _sort_key(change: Change) -> tuple[object, ...]:
    return change.rule.level, change.pointer, change.rule.id, text_of(change.before), text_of(change.after)
