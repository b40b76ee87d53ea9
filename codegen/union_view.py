"""Alternatives in responses: the condition by which a generated parser tells one object from another.

In a loosened schema every field is optional, so every object would be read as the first alternative. Therefore each
object among alternatives gets a condition, in this order of preference: the value of the discriminator, a field whose
``const`` or ``enum`` differs between all alternatives, the fields that it requires. An object that meets none stays a
``dict``, as do all if nothing tells them apart.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from codegen.operation_view import entries, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Member of a schema that holds the condition, as Python, for the template of unions.
CONDITION = "x-condition"
_UNIONS = ("anyOf", "oneOf")
# Field and JSON values.
Tag = tuple[str, list[Any]]


def mark_unions(view: Mapping[str, Any], roots: Iterable[Any]) -> None:
    """Give each object among alternatives its condition, in place, below the given parts of a document."""
    _drop_conditions(view)
    unions = [union for root in roots for union in _unions(root)]
    for union, keyword in unions:
        branches = [_Branch(view, each) for each in union[keyword]]
        lists = [each for each in branches if each.schema.get("type") == "array"]
        objects = [each for each in branches if each.is_object]
        if len(objects) > 1:
            objects = _mark(objects, union.get("discriminator", {}))
        rest = [each for each in branches if not each.is_object and each not in (lists if len(lists) > 1 else [])]
        if len(lists) > 1 or len([each for each in branches if each.is_object]) > 1:
            union[keyword] = [*(each.written for each in [*objects, *rest]), {}]


def _drop_conditions(node: Any) -> None:
    """Drop conditions that a document brings along: they would become code."""
    for _, child in entries(node):
        _drop_conditions(child)
    if isinstance(node, dict):
        node.pop(CONDITION, None)


class _Branch:
    """One alternative: as it is written, and the schema that it leads to."""

    def __init__(self, view: Mapping[str, Any], written: Any) -> None:
        self.written, inner = written, written
        while isinstance(inner, dict) and len(inner.get("allOf", [])) == 1 and "properties" not in inner:
            (inner,) = inner["allOf"]
        self.reference = str(inner.get("$ref", "")) if isinstance(inner, dict) else ""
        found = resolved(view, inner)
        self.schema: dict[str, Any] = found if isinstance(found, dict) else {}
        is_union = any(keyword in self.schema for keyword in _UNIONS)
        self.is_object = not is_union and (self.schema.get("type") == "object" or "properties" in self.schema)
        self.fields: dict[str, Any] = {
            name: resolved(view, field) for name, field in self.schema.get("properties", {}).items()
        }
        self.required = {*self.schema.get("required", [])}

    def values(self, name: str) -> list[Any]:
        """Return the values that a field may have, if it is fixed."""
        field = self.fields.get(name)
        if not isinstance(field, dict):
            return []
        return [field["const"]] if "const" in field else list(field.get("enum", []))

    def wants_more_than(self, other: _Branch) -> bool:
        """Return whether this requires a field that the other does not know."""
        return bool(self.required - other.fields.keys())


def _mark(objects: list[_Branch], discriminator: Mapping[str, Any]) -> list[_Branch]:
    """Mark objects and return them in the order in which they are to be tried; none if nothing tells them apart."""
    tags = _discriminated(objects, discriminator) or _tagged(objects)
    if tags:
        for branch, (name, values) in zip(objects, tags, strict=True):
            branch.schema[CONDITION] = f" and data.get({name!r}) in {values!r}"
        return objects
    ordered = sorted(objects, key=lambda one: -sum(one.wants_more_than(other) for other in objects))
    if not all(one.wants_more_than(other) for one, other in combinations(ordered, 2)):
        return []
    for branch in ordered:
        branch.schema.setdefault(CONDITION, f" and data.keys() >= {{*{sorted(branch.required)!r}}}")
    return ordered


def _discriminated(objects: list[_Branch], discriminator: Mapping[str, Any]) -> list[Tag]:
    """Return the tags that a discriminator gives, if it gives one to each."""
    name, mapping = discriminator.get("propertyName"), discriminator.get("mapping", {})
    tags: list[Tag] = []
    for branch in objects:
        own = branch.reference.rpartition("/")[2]
        # A mapping names a schema by its reference or by its name; without one, the value is the name.
        values = [value for value, target in mapping.items() if target.rpartition("/")[2] == own]
        tags.append((str(name), values or branch.values(str(name)) or [own]))
    return tags if name and all(branch.reference or branch.values(str(name)) for branch in objects) else []


def _tagged(objects: list[_Branch]) -> list[Tag]:
    """Return the tags of the first field that has other fixed values in each."""
    for name in objects[0].fields:
        values = [branch.values(name) for branch in objects]
        if all(values) and not any(value in other for one, other in combinations(values, 2) for value in one):
            return [(name, each) for each in values]
    return []


def _unions(node: Any) -> Iterator[tuple[dict[str, Any], str]]:
    for _, child in entries(node):
        yield from _unions(child)
    if isinstance(node, dict):
        yield from ((node, key) for key in _UNIONS if isinstance(node.get(key), list))
