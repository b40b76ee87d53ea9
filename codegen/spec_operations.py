"""Comparison of what operations ask of a request: parameters, by location and name, and security."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.spec_document import Document, Members, Place, items
from codegen.spec_rules import REQUEST, REWRITTEN, UNCLASSIFIED
from codegen.spec_walk import Walk, renamings

if TYPE_CHECKING:
    from collections.abc import Mapping

# Location and name of a parameter.
Key = tuple[str, str]
# Schemes that one security alternative requires together. The empty set requires none.
Schemes = frozenset[str]
_NO_SCHEMES: Schemes = frozenset()


def compare_parameters(
    walk: Walk, paths: tuple[Members, Members], operations: tuple[Members | None, Members | None]
) -> None:
    """Compare the parameters of an operation, with those of its path."""
    lists = [
        (path.get("parameters"), None if operation is None else operation.get("parameters"))
        for path, operation in zip(paths, operations, strict=True)
    ]
    before, after = _by_key(walk.base, lists[0], {}), _by_key(walk.head, lists[1], walk.renamed)
    if before is None or after is None:
        for old, new in zip(*lists, strict=True):
            walk.report_if_different(UNCLASSIFIED, old, new)
        return
    for key in sorted(before.keys() & after.keys()):
        walk.compare("parameter", REQUEST, before[key], after[key])
    removed = {key: place for key, place in before.items() if key not in after}
    added = {key: place for key, place in after.items() if key not in before}
    for rule, ignored in (("parameter-renamed", "name"), ("parameter-moved", "in")):
        _report_pairs(walk, rule, removed, added, ignored)
    for place in removed.values():
        walk.report("parameter-removed", place, None)
    for place in added.values():
        opened = walk.head.open(place)
        required = opened is not None and opened.value("required") is True
        walk.report("required-parameter-added" if required else "parameter-added", None, place)
    if list(before) != list(after) and before.keys() == after.keys():
        walk.report(REWRITTEN, lists[0][1] or lists[0][0], lists[1][1] or lists[1][0])


def _by_key(
    document: Document, lists: tuple[Place | None, Place | None], renamed: Mapping[str, str]
) -> dict[Key, Place] | None:
    """Map keys to parameters of a path and its operation, which overrides; None if any is invalid or repeated."""
    if not all(place is None or isinstance(place.value, list) for place in lists):
        return None
    found: dict[Key, Place] = {}
    for listed in lists:
        keyed = [(_key(document, place, renamed), place) for place in items(listed)]
        own = {key: place for key, place in keyed if key is not None}
        if len(own) != len(keyed):
            return None
        found |= own
    return found


def _key(document: Document, place: Place, renamed: Mapping[str, str]) -> Key | None:
    opened = document.open(place)
    location, name = (None, None) if opened is None else (opened.value("in"), opened.value("name"))
    if not isinstance(location, str) or not isinstance(name, str):
        return None
    return location, renamed.get(name, name) if location == "path" else name


def _report_pairs(walk: Walk, rule: str, removed: dict[Key, Place], added: dict[Key, Place], ignored: str) -> None:
    """Report, and take out of both mappings, pairs of parameters that differ in one member."""
    pairs = renamings(_without(walk.base, removed, ignored), _without(walk.head, added, ignored))
    for old, new in pairs.items():
        walk.report(rule, removed.pop(old), added.pop(new))


def _without(document: Document, places: Mapping[Key, Place], ignored: str) -> dict[Key, Place]:
    opened = {key: document.open(place) for key, place in places.items()}
    return {
        key: Place({name: member.value for name, member in members.of.items() if name != ignored}, places[key].pointer)
        for key, members in opened.items()
        if members is not None
    }


def document_security(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    """Compare the default security of two documents."""
    _compare_security(walk, old.get(key), new.get(key))


def operation_security(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    """Compare the security of an operation; where it has none, that of its document applies."""
    before, after = old.get(key), new.get(key)
    if before is None or after is None:
        walk.report(REWRITTEN if before is None else "security-not-repeated", before, after)
    _compare_security(walk, before or _default(walk.base), after or _default(walk.head))


def _default(document: Document) -> Place | None:
    return document.root.at("security") if "security" in document.root.value else None


def _compare_security(walk: Walk, before: Place | None, after: Place | None) -> None:
    old, new = _alternatives(before), _alternatives(after)
    if old is None or new is None:
        walk.report_if_different(UNCLASSIFIED, before, after)
        return
    was_public, is_public = (not each or _NO_SCHEMES in each for each in (old, new))
    removed, added = old.keys() - new.keys() - {_NO_SCHEMES}, new.keys() - old.keys() - {_NO_SCHEMES}
    if was_public != is_public:
        walk.report("security-removed" if is_public else "security-added", before, after)
    # The report above covers a change from some alternatives to none, or back.
    if was_public == is_public or new.keys() - {_NO_SCHEMES}:
        for schemes in sorted(removed, key=sorted):
            walk.report("security-alternative-removed", old[schemes], None)
    if was_public == is_public or old.keys() - {_NO_SCHEMES}:
        for schemes in sorted(added, key=sorted):
            walk.report("security-alternative-added", None, new[schemes])
    for schemes in old.keys() & new.keys():
        _compare_scopes(walk, old[schemes], new[schemes])
    if list(old) != list(new) and not removed and not added and was_public == is_public:
        walk.report(REWRITTEN, before, after)


def _compare_scopes(walk: Walk, before: Place, after: Place) -> None:
    for scheme in before.value:
        old, new = before.at(scheme), after.at(scheme)
        for scope in sorted(set(new.value) - set(old.value)):
            walk.report("security-scope-added", old, Place(scope, new.pointer))
        for scope in sorted(set(old.value) - set(new.value)):
            walk.report("security-scope-removed", Place(scope, old.pointer), new)


def _alternatives(place: Place | None) -> dict[Schemes, Place] | None:
    """Map sets of schemes to alternatives; empty if there are none, None if any is invalid or repeated."""
    if place is not None and not isinstance(place.value, list):
        return None
    alternatives = items(place)
    if not all(_is_requirement(each.value) for each in alternatives):
        return None
    found = {frozenset(each.value): each for each in alternatives}
    return found if len(found) == len(alternatives) else None


def _is_requirement(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes) for scopes in value.values()
    )
