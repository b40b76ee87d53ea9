"""Rules, violations and observed exchanges; classes of values, which identify a violation from run to run."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from kkiai_sdk.contract._messages import Exchange, media_type, read_json, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._spec import Node, Operation, Spec

QUERY = "/paths/~1v1~1video~1query/get"
RESPONSES = f"{QUERY}/responses"
PROPERTIES = "/components/schemas/VideoTask/properties"


class Severity(StrEnum):
    """The effect of a violation on clients that follow the documentation."""

    #: They break.
    BREAKING = "breaking"
    #: Undocumented, but harmless.
    DRIFT = "drift"
    #: Allowed, but worth knowing.
    ADVICE = "advice"


@frozen
class Rule:
    """One requirement."""

    #: Stable: baselines and code scanning refer to it.
    id: str
    severity: Severity
    address: str
    description: str


@frozen
class Violation:
    """One breach of a rule."""

    rule: Rule
    exchange: Exchange
    expected: str
    got: str
    #: Distinguishes the violation from others of its rule at its address.
    key: str
    address: str = Factory(lambda self: self.rule.address, takes_self=True)


@frozen
class SchemaNode:
    """A value in a body, its place, and one schema that describes it."""

    schema: Node
    #: Names and indexes from the root of the body.
    place: tuple[str | int, ...]
    value: Any = field(repr=False)

    @property
    def title(self) -> str:
        """The place as text: ``error.code`` or ``data[0]``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return "".join(steps).removeprefix(".") or "the body"

    def keyword(self, name: str) -> Any:
        """The value of a keyword of the schema, or None."""
        return self.schema.value.get(name) if isinstance(self.schema.value, dict) else None


@frozen
class ObservedExchange:
    """An exchange with its operation and the declared response, and its body decoded as far as possible."""

    spec: Spec
    operation: Operation
    exchange: Exchange
    declared: Node | None
    #: None if it is not JSON; ``fault`` says why.
    body: Any
    fault: str | None
    nodes: tuple[SchemaNode, ...]

    @property
    def status(self) -> int:
        """The status of the response."""
        return self.exchange.response.status

    @property
    def task(self) -> dict[str, Any]:
        """The object of a success of the query; empty otherwise."""
        is_task = self.operation.is_query and 200 <= self.status < 300 and isinstance(self.body, dict)
        return self.body if is_task else {}

    def headers(self, name: str) -> list[str]:
        """All values of a header field of the response."""
        return values_of(self.exchange.response.headers, name)

    def examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects that the declared response has as examples, with their addresses."""
        for media in self.spec.children(self.declared, "content").values():
            for example in self.spec.children(media, "examples").values():
                if isinstance(example.value.get("value"), dict):
                    yield example.address, example.value["value"]


def observe(spec: Spec, exchange: Exchange) -> ObservedExchange | None:
    """Prepare an exchange for the rules; None when the document has no such operation."""
    operation = spec.operation(exchange.request.method, exchange.request.path)
    if operation is None:
        return None
    response, body, fault = exchange.response, None, None
    try:
        body = read_json(response.body)
    except ValueError as error:
        fault = str(error)
    declared = spec.response(operation, response.status)
    media = spec.media(declared, media_type(response.headers))
    has_schema = media is not None and "schema" in media.value and fault is None
    nodes = tuple(_nodes(spec, spec.child(media, "schema"), body, ())) if media and has_schema else ()
    return ObservedExchange(spec, operation, exchange, declared, body, fault, nodes)


def _nodes(
    spec: Spec, schema: Node, value: Any, place: tuple[str | int, ...], above: frozenset[str] = frozenset()
) -> Iterator[SchemaNode]:
    """The value and everything inside it, each with the schemas that describe it, those of alternatives included.

    :param above: the schemas that apply to the same value and contain this one; a schema may contain itself.
    """
    yield SchemaNode(schema, place, value)
    if not isinstance(schema.value, dict) or schema.address in above:
        return
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index in range(len(schema.value.get(keyword, ()))):
            yield from _nodes(spec, spec.child(schema, keyword, index), value, place, above | {schema.address})
    for name, part in spec.children(schema, "properties").items() if isinstance(value, dict) else ():
        if name in value:
            yield from _nodes(spec, part, value[name], (*place, name))
    for index, item in enumerate(value) if isinstance(value, list) and "items" in schema.value else ():
        yield from _nodes(spec, spec.child(schema, "items"), item, (*place, index))


def short(value: object) -> str:
    """A value as short ASCII text, in JSON as a gateway sends it and not in Python's notation."""
    try:
        return json.dumps(value)[:100]
    except (TypeError, ValueError):
        return ascii(value)[:100]


#: Characters that a URI must not contain unescaped (RFC 3986 section 2) and that identify the fault.
_NOT_URI = frozenset(' \t\n`"<>{}\\|^')
_FORMS = re.compile(
    r"(?P<digits>[+-]?\d+)|(?P<fraction>[+-]?\d*\.\d+(?:[eE][+-]?\d+)?)|(?P<date>\d{4}-\d\d-\d\d.*)", re.DOTALL
)


def class_of_value(value: Any) -> str:
    """The type of a JSON value and, for text, its form: values of one class are one finding."""
    if not isinstance(value, str):
        return type(value).__name__
    form = _FORMS.fullmatch(value.strip())
    if form or not value.strip():
        return f"str {form.lastgroup if form else 'blank' if value else 'empty'}"
    is_relative = value.startswith(("/", ".", "?"))
    return f"str {''.join(sorted(_NOT_URI & set(value)))}{' relative' if is_relative else ''}".rstrip()


def class_of_text(text: str) -> str:
    """A code, status or message with each number replaced, so that a counter in it does not create new findings."""
    return re.sub(r"\d+", "0", text)[:80]
