"""Any endpoint of a spec through ``client.raw``: its own status, its own body, typed errors, safe retries."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest

import kkiai_sdk as k
from codegen.generate import generate
from tests.support.adapter import SyncAdapter, raw_request
from tests.support.canary import KEY
from tests.support.wire import CLOSE, http, json_reply, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest

JSON, TEXT = "application/json", {"type": "string"}
ITEM = {"type": "object", "required": ["id"], "properties": {"id": TEXT, "note": TEXT}}
ERROR = {"type": "object", "properties": {"error": {"type": "object", "properties": {"message": TEXT}}}}


def response(schema: Any = None, media_type: str = JSON) -> dict[str, Any]:
    """A response of the spec."""
    content = {} if schema is None else {"content": {media_type: {"schema": schema}}}
    return {"description": "A response."} | content


def operation(name: str, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An operation of the spec, whose errors are JSON."""
    return {"operationId": name, "tags": ["grown"], "responses": responses | {"4XX": response(ERROR)}, **more}


def body(media_type: str, schema: Any) -> dict[str, Any]:
    """The request body of an operation."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def parameter(name: str, place: str, **schema: Any) -> dict[str, Any]:
    """A required parameter of an operation."""
    return {"name": name, "in": place, "required": True, "schema": {"type": "string"} | schema}


BINARY = {"type": "string", "format": "binary"}
FORM = {"type": "object", "required": ["prompt", "file"], "properties": {"prompt": TEXT, "file": BINARY}}
PATHS = {
    "/v1/videos": {
        "post": operation("create", {"201": response(ITEM)}, **body(JSON, ITEM)),
        "get": operation("list_items", {"200": response({"type": "array", "items": ITEM})}),
    },
    "/v1/videos/{id}": {
        "parameters": [parameter("id", "path")],
        "delete": operation("delete", {"204": response()}),
        "put": operation("replace", {"202": response(ITEM)}, **body(JSON, ITEM)),
    },
    "/v1/videos/{id}/cancel": {
        "post": operation("cancel", {"202": response()}, parameters=[parameter("id", "path")]),
    },
    "/v1/text": {"get": operation("text", {"200": response(TEXT, "text/plain")})},
    "/v1/null": {"get": operation("null", {"200": response({"type": ["object", "null"]})})},
    "/v1/octets": {"get": operation("octets", {"200": response(BINARY, "application/octet-stream")})},
    "/v1/content": {"get": operation("content", {"200": response(BINARY, "video/mp4")})},
    "/v1/events": {"get": operation("events", {"200": response(TEXT, "text/event-stream")})},
    "/v1/any": {"get": operation("anything", {"200": response({"type": "object"})})},
    "/v1/upload": {"post": operation("upload", {"200": response(ITEM)}, **body("multipart/form-data", FORM))},
    "/v1/form": {
        "post": operation(
            "form",
            {"200": response(ITEM)},
            **body("application/x-www-form-urlencoded", {"type": "object", "properties": {"a": TEXT, "b": TEXT}}),
        )
    },
    "/v1/headers": {
        "get": operation(
            "headers",
            {"200": response(ITEM)},
            parameters=[
                parameter("X-Trace", "header", format="uuid"),
                parameter("X-Since", "header", format="date"),
                parameter("session", "cookie"),
            ],
        )
    },
}
SPEC = {"openapi": "3.1.0", "info": {"title": "Grown", "version": "1"}, "paths": PATHS}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The client that is generated from a spec of many operations, under a name of its own."""
    folder = tmp_path_factory.mktemp("grown")
    spec = folder / "spec.json"
    spec.write_text(json.dumps(SPEC), "utf-8")
    (folder / "made").mkdir()
    shutil.move(generate(spec, folder / "made"), folder / "grown_api")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("grown_api")
        for name in [name for name in sys.modules if name.startswith("grown_api")]:
            del sys.modules[name]


class Caller:
    """Calls operations of the grown spec through the raw client of either kind."""

    def __init__(self, client: k.Kkiai) -> None:
        self._client = client

    def __call__(self, name: str, **arguments: Any) -> Any:
        """The detailed response of one operation."""
        module = importlib.import_module(f"grown_api.api.grown.{name}")
        if isinstance(self._client, SyncAdapter):
            return self._client.run(module.asyncio_detailed(client=self._client.raw, **arguments))
        return module.sync_detailed(client=self._client.raw, **arguments)


@pytest.fixture
def call(grown: ModuleType, make: Maker, serve: Serve) -> Callable[..., tuple[Caller, Any]]:
    """Makes a caller of a server that plays a script."""

    def start(*script: RawReply | Callable[[RawRequest], RawReply], **options: Any) -> tuple[Caller, Any]:
        server = serve(*script)
        return Caller(make(server.url, **options)), server

    return start


def item(**fields: Any) -> Any:
    """An item of the grown client's own class."""
    models = importlib.import_module("grown_api.models")
    return models.CreateBody.from_dict({"id": "i"} | fields)


LARGE = {"id": "large", "note": "n" * (5 << 20)}
#: Operation, arguments, response of the server; status and body as the caller gets them.
ANSWERS: dict[str, tuple[str, Callable[[], dict[str, Any]], RawReply, int, Any]] = {
    "201 with JSON": ("create", lambda: {"body": item()}, json_reply({"id": "new"}, 201), 201, {"id": "new"}),
    "202 with JSON": (
        "replace",
        lambda: {"id": "i", "body": importlib.import_module("grown_api.models").ReplaceBody.from_dict({"id": "i"})},
        json_reply({"id": "i"}, 202),
        202,
        {"id": "i"},
    ),
    "204": ("delete", lambda: {"id": "i"}, http(204, length=None), 204, None),
    "empty 202": ("cancel", lambda: {"id": "i"}, http(202), 202, None),
    "top-level list": ("list_items", dict, json_reply([{"id": "a"}, {"id": "b"}]), 200, [{"id": "a"}, {"id": "b"}]),
    "text": ("text", dict, http(200, "gr\u00fc\u00df".encode(), ("Content-Type", "text/plain")), 200, "gr\u00fc\u00df"),
    "null": ("null", dict, json_reply(None), 200, None),
    "octets": ("octets", dict, http(200, b"\0\xff"), 200, b"\0\xff"),
    "video": ("content", dict, http(200, b"\0\0\0\x18ftyp", ("Content-Type", "video/mp4")), 200, b"\0\0\0\x18ftyp"),
    "event stream": (
        "events",
        dict,
        http(200, b"data: 1\n\ndata: 2\n\n", ("Content-Type", "text/event-stream")),
        200,
        "data: 1\n\ndata: 2\n\n",
    ),
    "message": ("anything", dict, json_reply({"message": "deleted"}), 200, {"message": "deleted"}),
    "error": ("anything", dict, json_reply({"error": {"message": "m"}}), 200, {"error": {"message": "m"}}),
    "code": ("anything", dict, json_reply({"code": 400}), 200, {"code": 400}),
    "detail": ("anything", dict, json_reply({"detail": "d", "success": False}), 200, {"detail": "d", "success": False}),
    "5 MiB": ("anything", dict, json_reply(LARGE), 200, LARGE),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_raw_response_has_its_own_status_and_parsed_body(call: Callable[..., tuple[Caller, Any]], answer: str) -> None:
    """Every success reaches the caller with its own status, parsed by the generated code."""
    name, arguments, reply, status, parsed = ANSWERS[answer]
    caller, server = call(reply)
    found = caller(name, **arguments())
    assert (found.status_code, plain(found.parsed)) == (status, parsed)
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("list_items", "application/json"),
        ("content", "video/mp4, application/json"),
        ("events", "text/event-stream, application/json"),
    ],
)
def test_raw_request_accepts_the_media_types_of_its_operation(
    call: Callable[..., tuple[Caller, Any]], name: str, expected: str
) -> None:
    """The Accept header of a request names the media types that the responses of its operation declare."""
    caller, server = call(json_reply([]) if name == "list_items" else http(200))
    caller(name)
    assert server.requests[0].header("accept") == expected


def test_raw_json_body_is_sent_as_json(call: Callable[..., tuple[Caller, Any]]) -> None:
    """A JSON body goes out with its media type and its length."""
    caller, server = call(json_reply({"id": "new"}, 201))
    caller("create", body=item(note="n"))
    (request,) = server.requests
    assert (request.method, request.header("content-type")) == ("POST", "application/json")
    assert json.loads(request.body) == {"id": "i", "note": "n"}


def test_raw_multipart_body_is_sent_with_its_boundary(call: Callable[..., tuple[Caller, Any]]) -> None:
    """A multipart body goes out with its own media type, files included."""
    caller, server = call(json_reply({"id": "i"}))
    types = importlib.import_module("grown_api.types")
    file = types.File(payload=BytesIO(b"\0\x01"), file_name="a.mp4", mime_type="video/mp4")
    models = importlib.import_module("grown_api.models")
    caller("upload", body=models.UploadBody(prompt="a cow", file=file))
    (request,) = server.requests
    head = f"Content-Type: {request.header('content-type')}\r\n\r\n".encode()
    message: EmailMessage = BytesParser(_class=EmailMessage).parsebytes(head + request.body)
    parts = {
        part.get_param("name", header="content-disposition"): part
        for part in message.walk()
        if part.get_filename() or part.get_param("name", header="content-disposition")
    }
    assert parts["prompt"].get_payload(decode=True) == b"a cow"
    assert (parts["file"].get_filename(), parts["file"].get_payload(decode=True)) == ("a.mp4", b"\0\x01")


def test_raw_form_body_is_sent_as_a_form(call: Callable[..., tuple[Caller, Any]]) -> None:
    """A form goes out URL-encoded."""
    caller, server = call(json_reply({"id": "i"}))
    models = importlib.import_module("grown_api.models")
    caller("form", body=models.FormBody(a="x y", b="\u00fc&"))
    (request,) = server.requests
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {"a": ["x y"], "b": ["\u00fc&"]}


def test_raw_parameters_go_to_path_headers_and_cookies(call: Callable[..., tuple[Caller, Any]]) -> None:
    """Parameters in the path, in headers (UUID and date) and in cookies are sent; a cookie goes out once."""
    caller, server = call(json_reply({"id": "i"}), http(204, length=None))
    trace = UUID(int=5)
    caller("headers", x_trace=trace, x_since=date(2026, 1, 2).isoformat(), session="s1")
    caller("delete", id="a/b c")
    first, second = server.requests
    assert (first.header("x-trace"), first.header("x-since")) == (str(trace), "2026-01-02")
    assert (first.header("cookie"), second.header("cookie")) == ("session=s1", None)
    assert second.target == "/v1/videos/a%2Fb%20c"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, k.BadRequestError),
        (401, k.AuthenticationError),
        (402, k.QuotaExceededError),
        (403, k.PermissionDeniedError),
        (404, k.NotFoundError),
        (409, k.ConflictError),
        (422, k.UnprocessableEntityError),
        (429, k.RateLimitError),
        (500, k.ServerError),
        (520, k.ServerError),
    ],
)
@pytest.mark.parametrize("name", ["create", "delete", "content"])
def test_raw_refusal_is_a_typed_error(
    call: Callable[..., tuple[Caller, Any]], name: str, status: int, error: type[k.APIStatusError]
) -> None:
    """A refusal is the error of its status for every endpoint, and is not retried when it may have changed anything."""
    caller, server = call(http(status, b"<html>no"), max_retries=0 if name == "content" else 3)
    arguments = {"create": {"body": item()}, "delete": {"id": "i"}, "content": {}}[name]
    with pytest.raises(error) as caught:
        caller(name, **arguments)
    assert (caught.value.status_code, len(server.requests)) == (status, 1)


def test_raw_success_that_is_no_json_is_a_typed_error(call: Callable[..., tuple[Caller, Any]]) -> None:
    """Text instead of the declared JSON is an APIResponseError and not a JSONDecodeError."""
    caller, _ = call(http(200, b"<html>hello", ("Content-Type", "text/html")))
    with pytest.raises(k.APIResponseError, match="not JSON"):
        caller("anything")


def test_raw_get_is_retried_like_a_query(call: Callable[..., tuple[Caller, Any]], clock: FakeTime) -> None:
    """A GET that failed for a transient reason is sent again, whatever the endpoint."""
    caller, server = call(http(503), http(502), json_reply({"a": 1}))
    assert plain(caller("anything").parsed) == {"a": 1}
    assert (len(server.requests), clock.sleeps) == (3, [0.5, 1.0])


def test_raw_post_is_not_retried_once_it_was_sent(call: Callable[..., tuple[Caller, Any]], clock: FakeTime) -> None:
    """A POST without a response is not sent again: the server may have acted on it."""
    caller, server = call(CLOSE)
    with pytest.raises(k.APIConnectionError):
        caller("create", body=item())
    assert (len(server.requests), clock.sleeps) == (1, [])


def test_raw_post_is_retried_while_nothing_was_sent(grown: ModuleType, make: Maker, clock: FakeTime) -> None:
    """A POST whose connection is refused is retried: nothing was sent."""
    with pytest.raises(k.APIConnectionError) as caught:
        Caller(make("http://127.0.0.1:1"))("create", body=item())
    assert (caught.value.kind, clock.sleeps) == ("refused", [0.5, 1.0, 2.0])


def test_raw_header_values_of_other_types_are_sent_as_text(make: Maker, serve: Serve) -> None:
    """UUIDs, dates, numbers and booleans in headers go out as text, and a cookie goes out without a warning."""
    server = serve(json_reply({}))
    headers = {"X-Trace": UUID(int=7), "X-Since": datetime(2026, 1, 2, 3, tzinfo=UTC), "X-On": True, "X-N": 5}
    raw_request(make(server.url), "GET", "/v1/any", headers=headers, cookies={"session": "s1"})
    (request,) = server.requests
    assert [request.header(name) for name in ("x-trace", "x-since", "x-on", "x-n", "cookie")] == [
        str(UUID(int=7)),
        "2026-01-02T03:00:00+00:00",
        "true",
        "5",
        "session=s1",
    ]
