"""How security is compared: alternatives, each a set of schemes with their scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.spec_document import Document, Members, Place, items
from codegen.spec_rules import REWRITTEN, UNCLASSIFIED

if TYPE_CHECKING:
    from codegen.spec_walk import Walk

# The schemes that one alternative asks for together. The empty one asks for nothing.
Schemes = frozenset[str]
_NOTHING: Schemes = frozenset()


def document_security(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    """Compare what the documents ask for where an operation says nothing itself."""
    _compare(walk, old.get(key), new.get(key))


def operation_security(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    """Compare what an operation of both documents asks for, itself or through the document."""
    before, after = old.get(key), new.get(key)
    if before is None or after is None:
        walk.report(REWRITTEN if before is None else "security-not-repeated", before, after)
    _compare(walk, before or _of_document(walk.base), after or _of_document(walk.head))


def _of_document(document: Document) -> Place | None:
    return document.root.at("security") if "security" in document.root.value else None


def _compare(walk: Walk, before: Place | None, after: Place | None) -> None:
    old, new = _alternatives(before), _alternatives(after)
    if old is None or new is None:
        walk.report_if_different(UNCLASSIFIED, before, after)
        return
    was_open, is_open = (not each or _NOTHING in each for each in (old, new))
    gone, fresh = old.keys() - {_NOTHING}, new.keys() - {_NOTHING}
    if was_open != is_open:
        walk.report("security-removed" if is_open else "security-added", before, after)
    # From some to none, or from none to some, the line above says it all.
    for schemes in sorted(gone - fresh, key=sorted) if fresh or was_open == is_open else ():
        walk.report("security-alternative-removed", old[schemes], None)
    for schemes in sorted(fresh - gone, key=sorted) if gone or was_open == is_open else ():
        walk.report("security-alternative-added", None, new[schemes])
    for schemes in old.keys() & new.keys():
        _compare_scopes(walk, old[schemes], new[schemes])
    if list(old) != list(new) and gone == fresh and was_open == is_open:
        walk.report(REWRITTEN, before, after)


def _compare_scopes(walk: Walk, before: Place, after: Place) -> None:
    for scheme in before.value:
        old, new = before.at(scheme), after.at(scheme)
        for scope in sorted(set(new.value) - set(old.value)):
            walk.report("security-scope-added", old, Place(scope, new.pointer))
        for scope in sorted(set(old.value) - set(new.value)):
            walk.report("security-scope-removed", Place(scope, old.pointer), new)


def _alternatives(place: Place | None) -> dict[Schemes, Place] | None:
    """The alternatives by what they ask for; empty if there are none, None if they are not clear."""
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
