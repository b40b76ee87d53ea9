"""An exchange as the rules look at it: the request and the answer beside what the spec says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from attrs import field, frozen

from kkiai_sdk.contract import _conformance as conformance
from kkiai_sdk.contract._messages import Request, Response
from kkiai_sdk.contract._strict_json import read_json
from kkiai_sdk.contract._walk import Spot, spots

if TYPE_CHECKING:
    from kkiai_sdk.contract._spec import Node, Operation, Spec

#: What a body holds that is not JSON.
UNREADABLE = object()


@frozen
class Exchange:
    """A request and the answer to it."""

    request: Request
    response: Response = field(repr=False)

    @classmethod
    def without_answer(cls, request: Request) -> Self:
        """A request that got no whole answer: status 0, which HTTP does not know."""
        return cls(request, Response(0))


@frozen
class Seen:
    """An exchange as the rules look at it: beside its operation, with the body read as far as it can be."""

    spec: Spec
    operation: Operation
    exchange: Exchange
    declared: Node | None
    body: Any
    spots: tuple[Spot, ...]

    @property
    def task(self) -> dict[str, Any]:
        """The object of a success; empty for anything else."""
        is_success = 200 <= self.exchange.response.status < 300
        return self.body if is_success and isinstance(self.body, dict) else {}


def see(spec: Spec, exchange: Exchange) -> Seen | None:
    """An exchange made ready for the rules; None when the spec has no such operation, hence nothing to say."""
    operation = spec.operation(exchange.request.method, exchange.request.path)
    if operation is None:
        return None
    response = exchange.response
    declared = conformance.declared_response(spec, operation, response.status)
    schema = conformance.declared_schema(spec, declared, response.headers) if declared else None
    body = read_body(response)
    if body is UNREADABLE:
        body, schema = None, None
    return Seen(spec, operation, exchange, declared, body, tuple(spots(spec, schema, body)) if schema else ())


def read_body(response: Response) -> Any:
    """The JSON value of a body, or UNREADABLE."""
    try:
        return read_json(response.body)
    except ValueError:
        return UNREADABLE
