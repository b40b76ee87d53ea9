"""How parameters are compared: those of the path and of the operation together, by place and name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.spec_document import Document, Members, Place, items
from codegen.spec_rules import REQUEST, REWRITTEN, UNCLASSIFIED
from codegen.spec_walk import Walk, renamings

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where it is sent, and its name.
Key = tuple[str, str]


def compare_parameters(
    walk: Walk, paths: tuple[Members, Members], operations: tuple[Members | None, Members | None]
) -> None:
    """Compare the parameters that count for an operation of both documents."""
    lists = [_lists(path, operation) for path, operation in zip(paths, operations, strict=True)]
    before, after = _by_key(walk.base, lists[0]), _by_key(walk.head, lists[1])
    if before is None or after is None:
        for old, new in zip(*lists, strict=True):
            walk.report_if_different(UNCLASSIFIED, old, new)
        return
    for key in sorted(before.keys() & after.keys()):
        walk.compare("parameter", REQUEST, before[key], after[key])
    gone = {key: place for key, place in before.items() if key not in after}
    fresh = {key: place for key, place in after.items() if key not in before}
    for rule, ignored in (("parameter-renamed", "name"), ("parameter-moved", "in")):
        _report_pairs(walk, rule, gone, fresh, ignored)
    for place in gone.values():
        walk.report("parameter-removed", place, None)
    for place in fresh.values():
        opened = walk.head.open(place)
        required = opened is not None and opened.value("required") is True
        walk.report("required-parameter-added" if required else "parameter-added", None, place)
    if list(before) != list(after) and before.keys() == after.keys():
        walk.report(REWRITTEN, lists[0][1] or lists[0][0], lists[1][1] or lists[1][0])


def _lists(path: Members, operation: Members | None) -> tuple[Place | None, Place | None]:
    return path.get("parameters"), None if operation is None else operation.get("parameters")


def _by_key(document: Document, lists: tuple[Place | None, Place | None]) -> dict[Key, Place] | None:
    """The parameters of a path and its operation, which may override the path's; None if they are not clear."""
    if not all(place is None or isinstance(place.value, list) for place in lists):
        return None
    found: dict[Key, Place] = {}
    for listed in lists:
        named = [(_key(document, place), place) for place in items(listed)]
        own = {key: place for key, place in named if key is not None}
        if len(own) != len(named):
            return None
        found |= own
    return found


def _key(document: Document, place: Place) -> Key | None:
    opened = document.open(place)
    where, name = (None, None) if opened is None else (opened.value("in"), opened.value("name"))
    return (where, name) if isinstance(where, str) and isinstance(name, str) else None


def _report_pairs(walk: Walk, rule: str, gone: dict[Key, Place], fresh: dict[Key, Place], ignored: str) -> None:
    """Report, and take out, what is the same but for one member."""
    pairs = renamings(_without(walk.base, gone, ignored), _without(walk.head, fresh, ignored))
    for old, new in pairs.items():
        walk.report(rule, gone.pop(old), fresh.pop(new))


def _without(document: Document, places: Mapping[Key, Place], ignored: str) -> dict[Key, Place]:
    opened = {key: document.open(place) for key, place in places.items()}
    return {
        key: Place({name: member.value for name, member in members.of.items() if name != ignored}, places[key].pointer)
        for key, members in opened.items()
        if members is not None
    }
