"""A server that answers each operation of a document by its schema, and the values that schemas stand for."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from codegen.operation_view import operations, prepare_operations, resolved
from codegen.spec_document import read
from tests.support.rawserver import RawReply, RawRequest, RawServer
from tests.support.wire import http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_TEXTS = {
    "uuid": "12345678-1234-5678-1234-567812345678",
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05+00:00",
    "uri": "https://media.example.com/a.mp4",
}
BYTES = b"\x00\x00\x00\x18ftypmp42\xff"


class Sampler:
    """Values that keep the schemas of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def of(self, schema: Any, depth: int = 0) -> Any:
        """A value that keeps the schema. Optional fields of objects that contain themselves end after three levels."""
        found = resolved(self.document, schema)
        if not isinstance(found, dict):
            return "anything"
        for key, pick in (("example", None), ("const", None), ("enum", 0), ("examples", 0)):
            if key in found:
                return found[key] if pick is None else found[key][pick]
        for key in ("oneOf", "anyOf"):
            if key in found:
                return self.of(found[key][0], depth + 1)
        if "allOf" in found and "properties" not in found:
            parts = [self.of(each, depth) for each in found["allOf"]]
            return {name: value for part in parts for name, value in part.items()}
        return self._of_type(found, depth)

    def _of_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else None)
        kind = next(each for each in kind if each != "null") if isinstance(kind, list) else kind
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return [self.of(schema.get("items", {}), depth + 1)] if depth < 3 else []
        plain = {"integer": 3, "number": 2.5, "boolean": True, "string": "text"}
        if schema.get("format") == "binary":
            return BYTES
        return _TEXTS.get(schema.get("format", ""), plain.get(str(kind), {"any": ["thing"]}))

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required, fields = schema.get("required", []), schema.get("properties", {})
        wanted = [name for name in fields if name in required or depth < 3]
        made = {name: self.of(fields[name], depth + 1) for name in wanted}
        more = schema.get("additionalProperties")
        return made | ({"more": self.of(more, depth + 1)} if isinstance(more, dict) and depth < 3 else {})


class Operation:
    """An operation of a document, as a server sees it."""

    def __init__(self, sampler: Sampler, path: str, method: str, value: dict[str, Any]) -> None:
        self.path, self.method, self.value, self._sampler = path, method, value, sampler
        self.pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/?]+", re.escape(path)) + r"(\?.*)?")

    @property
    def request(self) -> tuple[str, Any]:
        """The first media type of the body and a value for it; no media type if there is no body."""
        content = resolved(self._sampler.document, self.value.get("requestBody", {})).get("content", {})
        return next(((name, self._sampler.of(each.get("schema", {}))) for name, each in content.items()), ("", None))

    @property
    def response(self) -> tuple[int, str, Any]:
        """The status, media type and value of the first success."""
        status = min(self.value["responses"])
        response = resolved(self._sampler.document, self.value["responses"][status])
        for name, media_type in response.get("content", {}).items():
            value = media_type.get("example", self._sampler.of(media_type.get("schema", {})))
            if name.startswith("text/"):
                return int(status), name, "a,b"
            return int(status), name, value if "json" in name else BYTES
        return int(status), "", None

    def act(self) -> RawReply:
        """The success as it is sent."""
        status, media_type, value = self.response
        if not media_type:
            return http(status, length=None if status == HTTPStatus.NO_CONTENT else 0)
        body = value if isinstance(value, bytes) else value.encode() if media_type.startswith("text/") else None
        return http(status, json.dumps(value).encode() if body is None else body, ("Content-Type", media_type))


def operations_of(path: Path) -> list[Operation]:
    """The operations of the document in a file, as it is generated."""
    document = read(str(path), path.parent).root.value
    prepare_operations(document)
    sampler = Sampler(document)
    return [Operation(sampler, *each) for each in operations(document)]


def serve(found: list[Operation], change: Callable[[Operation, RawReply], RawReply] = lambda _, act: act) -> RawServer:
    """A server, to be entered, for these operations. ``change`` makes a faulty one of it."""

    def answer(request: RawRequest) -> RawReply:
        for operation in found:
            if operation.method == request.method.lower() and operation.pattern.fullmatch(request.target):
                return change(operation, operation.act())
        return http(404, b'{"error": {"message": "no such operation"}}', ("Content-Type", "application/json"))

    def script() -> Iterator[Callable[[RawRequest], RawReply]]:
        while True:
            yield answer

    return RawServer(script(), clock=lambda: 1000.25)
