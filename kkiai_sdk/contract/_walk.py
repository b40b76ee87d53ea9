"""A value beside its schema: every place in a JSON value together with what the spec says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._spec import Node, Spec


@frozen
class Spot:
    """A value, where it stands, and one schema that describes it."""

    schema: Node
    #: Names and numbers of the steps from the root of the value.
    place: tuple[str | int, ...]
    value: Any = field(repr=False)

    @property
    def title(self) -> str:
        """The place as people write it: ``error.code`` or ``data[0]``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return "".join(steps).removeprefix(".") or "the body"

    @property
    def types(self) -> list[str]:
        """The types that the schema allows; none if it does not say."""
        kind = self.schema.value.get("type", []) if isinstance(self.schema.value, dict) else []
        return [kind] if isinstance(kind, str) else kind


def spots(spec: Spec, schema: Node, value: Any, place: tuple[str | int, ...] = ()) -> Iterator[Spot]:
    """The value and everything inside it, each with the schemas that apply to it.

    Of alternatives (``anyOf``, ``oneOf``) only those count that accept the value.
    """
    yield Spot(schema, place, value)
    if not isinstance(schema.value, dict):
        return
    for branch in _branches(spec, schema, value):
        yield from spots(spec, branch, value, place)
    if isinstance(value, dict):
        for name, part in spec.children(schema, "properties"):
            if name in value:
                yield from spots(spec, part, value[name], (*place, name))
    if isinstance(value, list) and "items" in schema.value:
        for index, item in enumerate(value):
            yield from spots(spec, spec.child(schema, "items"), item, (*place, index))


def _branches(spec: Spec, schema: Node, value: Any) -> Iterator[Node]:
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index in range(len(schema.value.get(keyword, ()))):
            branch = spec.child(schema, keyword, index)
            if keyword == "allOf" or spec.validator(branch.address).is_valid(value):
                yield branch
