"""A server that keeps a document: it answers each operation by its schema, and refuses what the document forbids."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jsonschema

from codegen.operation_view import operations, prepare_operations, resolved
from codegen.spec_document import read
from kkiai_sdk.contract._spec import load
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


def any_of(schema: Any) -> Any:
    """A schema in which a value may fit more than one form, if it names one where the document tells them apart."""
    if isinstance(schema, list):
        return [any_of(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {"anyOf" if key == "oneOf" else key: any_of(value) for key, value in schema.items()}
    if isinstance(told_by := schema.get("discriminator"), dict):
        words = told_by.get("mapping") or {each["$ref"].rpartition("/")[2]: "" for each in schema["oneOf"]}
        found["properties"] = {told_by["propertyName"]: {"enum": [*words]}}
    return found


class Sampler:
    """Values that keep the schemas of a document."""

    def __init__(self, document: dict[str, Any], schemas: dict[str, Any]) -> None:
        #: ``schemas``: the components as JSON Schema, to validate with.
        self.document, self.schemas = document, schemas

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
                return self._of_branch(found, found[key][0], depth + 1)
        if "allOf" in found and "properties" not in found:
            parts = [self.of(each, depth) for each in found["allOf"]]
            return {name: value for part in parts for name, value in part.items()}
        return self._of_type(found, depth)

    def _of_branch(self, union: dict[str, Any], branch: Any, depth: int) -> Any:
        """A value of one branch, which says so in the property that tells the branches apart."""
        value = self.of(branch, depth)
        name = union.get("discriminator", {}).get("propertyName")
        if name is None or not isinstance(value, dict):
            return value
        reference = branch["$ref"]
        words = (word for word, each in union["discriminator"].get("mapping", {}).items() if each == reference)
        return value | {name: next(words, reference.rpartition("/")[2])}

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
        #: The operation as it is written, with each media type of its body.
        self.written: dict[str, Any] = value
        #: Its parameters in the query, those of the path included.
        self.query: list[dict[str, Any]] = []
        self.path, self.method, self.value, self._sampler = path, method, value, sampler
        self.pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/?]+", re.escape(path)) + r"(\?.*)?")

    @property
    def request(self) -> tuple[str, Any]:
        """The first media type of the body and a value for it; no media type if there is no body."""
        content = resolved(self._sampler.document, self.value.get("requestBody", {})).get("content", {})
        return next(((name, self._sampler.of(each.get("schema", {}))) for name, each in content.items()), ("", None))

    def refuses(self, request: RawRequest) -> int | None:
        """The status with which a request is refused, or None: it has no key, or a body that the document forbids."""
        document = self._sampler.document
        wants_key = self.value.get("security", document.get("security"))
        if wants_key and not any(request.header(name) for name in ("authorization", "x-key", "cookie")):
            return HTTPStatus.UNAUTHORIZED
        sent = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        if any(self._is_bad(each, sent.get(each["name"], [])) for each in self.query):
            declared = str(HTTPStatus.UNPROCESSABLE_ENTITY.value) in self.value["responses"]
            return HTTPStatus.UNPROCESSABLE_ENTITY if declared else HTTPStatus.BAD_REQUEST
        body = resolved(document, self.written.get("requestBody", {}))
        content = body.get("content", {}).get((request.header("content-type") or "").partition(";")[0])
        if content is None:
            return HTTPStatus.BAD_REQUEST if body.get("required") else None
        if "json" not in (request.header("content-type") or ""):
            wanted = resolved(document, content.get("schema", {})).get("required", [])
            is_whole = all(name.encode() in request.body for name in wanted)
            return None if is_whole else HTTPStatus.UNPROCESSABLE_ENTITY
        try:
            value = json.loads(request.body)
        except ValueError:
            return HTTPStatus.BAD_REQUEST
        whole = {**any_of(content.get("schema", {})), "components": any_of(self._sampler.schemas)}
        return None if jsonschema.Draft202012Validator(whole).is_valid(value) else HTTPStatus.UNPROCESSABLE_ENTITY

    def _is_bad(self, parameter: dict[str, Any], values: list[str]) -> bool:
        """Whether the values of a parameter break the document. Objects and lists in one value are not read."""
        schema = parameter.get("schema", {})
        kind, style = resolved(self._sampler.document, schema).get("type"), parameter.get("style", "form")
        if kind == "object" or style != "form" or not parameter.get("explode", True) or "content" in parameter:
            return False
        if not values:
            return bool(parameter.get("required"))
        validator = jsonschema.Draft202012Validator({**schema, "components": self._sampler.schemas})
        forms = (values, [_json_or_text(value) for value in values])
        fits = any(validator.is_valid(form if kind == "array" else form[0]) for form in forms)
        return not fits or (kind != "array" and len(values) > 1)

    def refusal(self, status: int) -> RawReply:
        """A refusal as the document declares it."""
        declared, document = self.value["responses"], self._sampler.document
        name = next((name for name in (str(status), f"{status // 100}XX", "default") if name in declared), None)
        content = resolved(document, declared.get(name, {})).get("content", {})
        challenge = [("WWW-Authenticate", "Bearer")] if status == HTTPStatus.UNAUTHORIZED else []
        for media_type, each in content.items():
            body = json.dumps(self._sampler.of(each.get("schema", {}))).encode()
            return http(status, body, ("Content-Type", media_type), *challenge)
        return _refusal(status, *challenge)

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
        sent = media_type.replace("*/*", "video/mp4").replace("*", "mp4")
        return http(status, json.dumps(value).encode() if body is None else body, ("Content-Type", sent))


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refusal(status: int, *headers: tuple[str, str]) -> RawReply:
    body = b'{"error": {"message": "refused", "type": "invalid_request_error"}, "detail": "refused"}'
    return http(status, body, ("Content-Type", "application/json"), *headers)


def operations_of(path: Path) -> list[Operation]:
    """The operations of the document in a file, as it is generated."""
    document = read(str(path), path.parent).root.value
    prepare_operations(document)
    spec = load(path)
    sampler = Sampler(document, spec.document.get("components", {}))
    found = [Operation(sampler, *each) for each in operations(document)]
    for each in found:
        written = spec.operation(each.method.upper(), re.sub(r"{[^}]*}", "x", each.path))
        assert written is not None
        each.written = written.value
        each.query = [node.value for (location, _), node in spec.parameters(written).items() if location == "query"]
    return found


def serve(found: list[Operation], change: Callable[[Operation, RawReply], RawReply] = lambda _, act: act) -> RawServer:
    """A server, to be entered, for these operations. ``change`` makes a faulty one of it."""

    def answer(request: RawRequest) -> RawReply:
        of_path = [operation for operation in found if operation.pattern.fullmatch(request.target)]
        for operation in of_path:
            if operation.method == request.method.lower():
                status = operation.refuses(request)
                return operation.refusal(status) if status else change(operation, operation.act())
        allowed = ", ".join(operation.method.upper() for operation in of_path)
        return _refusal(405, ("Allow", allowed)) if of_path else _refusal(404)

    def script() -> Iterator[Callable[[RawRequest], RawReply]]:
        while True:
            yield answer

    return RawServer(script(), clock=lambda: 1000.25)
