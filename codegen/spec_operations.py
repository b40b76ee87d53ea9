"""Comparison of what operations ask of a request: parameters, by location and name, and security."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.spec_document import Document, Members, Place, items
from codegen.spec_rules import REQUEST, REWRITTEN, UNCLASSIFIED
from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.spec_walk import Places, Walk

# Location and name of a parameter.
Key = tuple[str, str]
# Schemes that one security alternative requires together. The empty set requires none.
Schemes = frozenset[str]
_NO_SCHEMES: Schemes = frozenset()


def compare_parameters(walk: Walk, paths: tuple[Members, Members], operations: tuple[Members, Members]) -> None:
    """Compare the parameters of an operation, with those of its path."""
    lists = [
        (path.get("parameters"), operation.get("parameters")) for path, operation in zip(paths, operations, strict=True)
    ]
    before, after = _by_key(walk.base, lists[0], {}), _by_key(walk.head, lists[1], walk.renamed)
    for key in sorted(before.keys() | after.keys()):
        place = after.get(key)
        required = place is not None and walk.head.open(place).value("required") is True
        added = "required-parameter-added" if required else "parameter-added"
        walk.compare_if_both("parameter", REQUEST, (added, "parameter-removed"), (before.get(key), place))
    if list(before) != list(after) and before.keys() == after.keys():
        walk.report(REWRITTEN, lists[0][1] or lists[0][0], lists[1][1] or lists[1][0])


def _by_key(document: Document, lists: Places, renamed: Mapping[str, str]) -> dict[Key, Place]:
    """Map keys to parameters of a path and its operation, which overrides."""
    found: dict[Key, Place] = {}
    for listed in lists:
        own: dict[Key, Place] = {}
        for place in items(listed):
            location, name = (document.open(place).value(key) for key in ("in", "name"))
            if (location, name) in own:
                raise ConfigurationError(f"{document.label}: {place.pointer} is a second {location} parameter {name}")
            own[location, renamed.get(name, name) if location == "path" else name] = place
        found |= own
    return found


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
    old, new = ({frozenset(each.value): each for each in items(place)} for place in (before, after))
    if len(old) < len(items(before)) or len(new) < len(items(after)):
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
