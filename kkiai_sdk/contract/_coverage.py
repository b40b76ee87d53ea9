"""What of the spec a check has exercised: parameters, statuses, media types, response headers and fields."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import frozen

from kkiai_sdk.contract._conformance import media_type, parameters_of
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.contract._seen import see
from kkiai_sdk.contract._spec import steps_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._seen import Exchange, Seen
    from kkiai_sdk.contract._spec import Node, Operation, Spec

#: The kinds, in the order of a report.
KINDS = ("parameter", "status", "media type", "header", "field")


@frozen
class Covered:
    """A part of the spec and how many exchanges exercised it."""

    #: One of KINDS.
    kind: str
    name: str
    line: int
    count: int

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"kind": self.kind, "name": self.name, "line": self.line, "count": self.count}


def coverage(spec: Spec, operation: Operation, exchanges: Iterable[Exchange]) -> tuple[Covered, ...]:
    """Every part of the operation that can be exercised, with its count; 0 for what was not."""
    counts: Counter[tuple[str, str]] = Counter()
    for exchange in exchanges:
        seen = see(spec, exchange)
        if seen is not None:
            counts.update(set(_exercised(seen)))
    return tuple(
        Covered(kind, name, spec.line_of(address), counts[kind, address])
        for kind, name, address in parts(spec, operation)
    )


def parts(spec: Spec, operation: Operation) -> Iterator[tuple[str, str, str]]:
    """Kind, name and address of everything that there is to exercise."""
    for (place, name), node in parameters_of(spec, operation).items():
        yield "parameter", f"{place} {node.value.get('name', name)}", node.address
    answers = list(spec.children(operation.node, "responses"))
    yield from (("status", status, node.address) for status, node in answers)
    fields: dict[str, None] = {}
    headers: dict[tuple[str, str], None] = {}
    for status, node in answers:
        for media, content in spec.children(node, "content"):
            yield "media type", f"{status} {media}", content.address
            fields |= dict.fromkeys(_fields(spec, spec.child(content, "schema"))) if "schema" in content.value else {}
        headers |= {(name, header.address): None for name, header in spec.children(node, "headers")}
    yield from (("header", name, address) for name, address in headers)
    yield from (("field", _title(address), address) for address in fields)


def _fields(spec: Spec, schema: Node, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """The addresses of all properties in a schema, however deep; a schema within itself is looked at once."""
    if not isinstance(schema.value, dict) or schema.address in above:
        return
    above |= {schema.address}
    for _, part in spec.children(schema, "properties"):
        yield part.address
        yield from _fields(spec, part, above)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index in range(len(schema.value.get(keyword, ()))):
            yield from _fields(spec, spec.child(schema, keyword, index), above)
    if "items" in schema.value:
        yield from _fields(spec, spec.child(schema, "items"), above)


def _title(address: str) -> str:
    """``VideoTask.status`` for the address of a property."""
    steps = steps_of(address)
    return ".".join(step for step in steps[2:] if step != "properties")


def _exercised(seen: Seen) -> Iterator[tuple[str, str]]:
    """Kind and address of what one exchange exercised."""
    request, response = seen.exchange.request, seen.exchange.response
    for (place, name), node in parameters_of(seen.spec, seen.operation).items():
        sent = request.parameter(name) is not None if place == "query" else bool(values_of(request.headers, name))
        if sent:
            yield "parameter", node.address
    if seen.declared is None:
        return
    yield "status", seen.declared.address
    for media, content in seen.spec.children(seen.declared, "content"):
        if media == media_type(response.headers):
            yield "media type", content.address
    for name, header in seen.spec.children(seen.declared, "headers"):
        if values_of(response.headers, name):
            yield "header", header.address
    yield from (("field", spot.schema.address) for spot in seen.spots)
