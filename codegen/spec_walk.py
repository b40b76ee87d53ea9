"""Walks two documents side by side and keeps what changed; what a change means is in the tables of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from codegen.spec_document import Document, Members, Place, text_of
from codegen.spec_judges import ABSENT, text_of_or_absent
from codegen.spec_rules import REWRITTEN, RULES, UNCLASSIFIED, Rule

Handler = Callable[["Walk", str, str, Members, Members], None]
Grammar = Mapping[str, Mapping[str, Handler]]
Name = TypeVar("Name", str, tuple[str, str])
# In a grammar, the members that are not named.
EVERY_OTHER = "*"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its rule, where it lies and in which document, and the values before and after (or ``ABSENT``)."""

    rule: Rule
    pointer: str
    file: str
    line: int
    before: Any
    after: Any


@dataclass
class Walk:
    """One comparison of two documents. ``grammar`` says for each kind of object who compares each of its members."""

    base: Document
    head: Document
    grammar: Grammar
    _changes: dict[tuple[str, ...], Change] = field(default_factory=dict)
    _compared: set[tuple[object, ...]] = field(default_factory=set)
    _sides: dict[str, set[str]] = field(default_factory=dict)

    def compare(self, kind: str, side: str, before: Place, after: Place) -> None:
        """Compare two objects of a kind, following each ``$ref``; every pair once, so cycles end."""
        old, new = self.base.open(before), self.head.open(after)
        if old is None or new is None:
            self.report_if_different(UNCLASSIFIED, before, after)
            return
        self._compare_references(before, after)
        old, new = self._nullable_alike(kind, old, new)
        pair = (kind, side, old.sources, new.sources)
        if pair in self._compared:
            return
        self._compared.add(pair)
        for source in (*old.sources, *new.sources):
            self._sides.setdefault(source, set()).add(side)
        for key in sorted(old.of.keys() | new.of.keys()):
            self._handler(kind, key)(self, side, key, old, new)
            if (key in old.of) != (key in new.of) and (old.of | new.of)[key].value in ({}, []):
                self.report(REWRITTEN, old.get(key), new.get(key))  # something empty says as much as nothing

    def compare_if_both(
        self, kind: str, side: str, rules: tuple[str, str], places: tuple[Place | None, Place | None]
    ) -> None:
        """Compare two objects of a kind; if one is not there, keep that by the rule for what is added or removed."""
        before, after = places
        if before is not None and after is not None:
            self.compare(kind, side, before, after)
        elif before is not after:
            self.report(rules[0] if before is None else rules[1], before, after)

    def sides_of(self, pointers: Iterable[str]) -> set[str]:
        """The sides on which any of these objects was met."""
        return set().union(*(self._sides.get(pointer, set()) for pointer in pointers))

    def report(self, rule: str, before: Place | None, after: Place | None) -> None:
        """Keep a change. It lies where the head has it, or where the base had what the head no longer has."""
        document, place = (self.base, before) if after is None else (self.head, after)
        if place is None:
            return
        old, new = (ABSENT if each is None else each.value for each in (before, after))
        line = document.line_of(place.pointer)
        change = Change(RULES[rule], place.pointer, document.label, line, old, new)
        self._changes.setdefault((rule, place.pointer, text_of_or_absent(old), text_of_or_absent(new)), change)

    def report_if_different(self, rule: str, before: Place | None, after: Place | None) -> None:
        """Keep a change at the innermost place that holds all of it, unless there is none."""
        if differ(before, after):
            self.report(rule, *_innermost(before, after))

    def judge(self, keyword: str, side: str, way: str | None, places: tuple[Place | None, Place | None]) -> None:
        """Keep how a keyword changed; if it did not but reads otherwise, keep that."""
        if way is None:
            self.report_if_different(REWRITTEN, *places)
        else:
            self.report(f"{side}-{keyword}-{way}", *places)

    def changes(self) -> list[Change]:
        """Everything that was found: worst first, then by pointer."""
        root = self.base.root, self.head.root
        if not self._changes:  # what was only rearranged by references is seen here
            self.report_if_different(REWRITTEN, *root)
        return sorted(self._changes.values(), key=_order)

    def _handler(self, kind: str, key: str) -> Handler:
        if key.startswith("x-"):
            return leaf("extension-changed")
        table = self.grammar[kind]
        return table.get(key) or table.get(EVERY_OTHER) or leaf(UNCLASSIFIED)

    def _compare_references(self, before: Place, after: Place) -> None:
        old, new = (place.at("$ref") if _refers(place.value) else None for place in (before, after))
        if differ(old, new):
            self.report("reference-changed", old or before, new or after)

    def _nullable_alike(self, kind: str, old: Members, new: Members) -> tuple[Members, Members]:
        """Two schemas of which one says "or null" by branches and the other by types, both in the latter way."""
        for word in ("anyOf", "oneOf"):
            if kind == "schema" and (word in old.of) != (word in new.of):
                old, new = self.base.without_null(old, word), self.head.without_null(new, word)
        return old, new


def differ(before: Place | None, after: Place | None) -> bool:
    """Whether two values are different JSON; the order of an object's members does not count."""
    if before is None or after is None:
        return before is not after
    return text_of(before.value) != text_of(after.value)


def leaf(rule: str) -> Handler:
    """A member that is compared as a whole, by one rule."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        walk.report_if_different(rule, old.get(key), new.get(key))

    return handle


def flag(made_true: str, made_false: str) -> Handler:
    """A member that is true or false, and false by default."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        before, after = old.value(key, default=False), new.value(key, default=False)
        rule = UNCLASSIFIED if not (isinstance(before, bool) and isinstance(after, bool)) else REWRITTEN
        if rule == REWRITTEN and before is not after:
            rule = made_true if after else made_false
        walk.report_if_different(rule, old.get(key), new.get(key))

    return handle


def member(kind: str, added: str, removed: str) -> Handler:
    """A member that is an object of a kind."""

    def handle(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
        walk.compare_if_both(kind, side, (added, removed), (old.get(key), new.get(key)))

    return handle


def named(kind: str, added: str, removed: str) -> Handler:
    """A member that maps names to objects of a kind. In the rules, ``{side}`` stands for the side."""

    def handle(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
        before, after = places_in(old.get(key)), places_in(new.get(key))
        if before is None or after is None:
            walk.report_if_different(UNCLASSIFIED, old.get(key), new.get(key))
            return
        rules = added.format(side=side), removed.format(side=side)
        for name in sorted(before.keys() | after.keys()):
            walk.compare_if_both(kind, side, rules, (before.get(name), after.get(name)))

    return handle


def on(side: str, handler: Handler) -> Handler:
    """The handler, told another side."""

    def handle(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
        handler(walk, side, key, old, new)

    return handle


def places_in(place: Place | None) -> dict[str, Place] | None:
    """The places in a mapping by name; empty if there is no place, None if something else lies there."""
    if place is None:
        return {}
    return {key: place.at(key) for key in place.value} if isinstance(place.value, dict) else None


def renamings(before: Mapping[Name, Place], after: Mapping[Name, Place]) -> dict[Name, Name]:
    """Old name to new name of what is gone under the one and there, unchanged, under the other."""
    fresh = {text_of(after[name].value): name for name in sorted(after.keys() - before.keys(), reverse=True)}
    gone = ((name, text_of(before[name].value)) for name in sorted(before.keys() - after.keys()))
    return {name: fresh.pop(text) for name, text in gone if text in fresh}


def _innermost(before: Place | None, after: Place | None) -> tuple[Place | None, Place | None]:
    if before is None or after is None or type(before.value) is not type(after.value):
        return before, after
    keys = _shared_keys(before.value, after.value)
    pairs = [(before.at(key), after.at(key)) for key in keys]
    different = [pair for pair in pairs if differ(*pair)]
    return _innermost(*different[0]) if len(different) == 1 else (before, after)


def _shared_keys(before: Any, after: Any) -> list[Any]:
    """The keys (or indexes) of two containers that have the same ones; otherwise none."""
    if isinstance(before, dict) and before.keys() == after.keys():
        return list(before)
    return list(range(len(before))) if isinstance(before, list) and len(before) == len(after) else []


def _refers(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("$ref"), str)


def _order(change: Change) -> tuple[object, ...]:
    return (
        change.rule.level,
        change.pointer,
        change.rule.id,
        text_of_or_absent(change.before),
        text_of_or_absent(change.after),
    )
