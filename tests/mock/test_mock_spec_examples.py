"""Operations of the spec that the gateway does not implement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from codegen.generate import examples
from kkiai_sdk.mock import app as gateway_app
from kkiai_sdk.mock.app import SpecOperation

if TYPE_CHECKING:
    from tests.mock.app_client import AppClient

VIDEO = {"id": "v-1"}


def response(status: str, **content: Any) -> dict[str, Any]:
    """The responses of an operation: its success, whose content is JSON unless a media type is named."""
    return {"responses": {"404": {"description": "No."}, status: {"description": "Yes.", **content}}}


def json_content(**members: Any) -> dict[str, Any]:
    """A content of JSON."""
    return {"content": {"application/json": members}}


SPEC: dict[str, Any] = {
    "security": [{"key": []}],
    "paths": {
        "/v1/videos": {
            "post": {"operationId": "create", **response("201", **json_content(example=VIDEO))},
            "get": {"operationId": "list", **response("200", **json_content(examples={"a": {"value": [VIDEO]}}))},
            "put": {"operationId": "replace", **response("200", **json_content(schema={"type": "object"}))},
        },
        "/v1/videos/{id}": {
            "delete": {"operationId": "delete", **response("204")},
            "get": {"operationId": "get", **response("2XX", **json_content(schema={"$ref": "#/components/schemas/V"}))},
        },
        "/v1/news": {"get": {"security": [], **response("200", content={"text/plain": {"example": "None."}})}},
        "/v1/odd": {"get": {"operationId": "odd", "responses": {"default": {"description": "Any."}}}},
    },
    "components": {"schemas": {"V": {"type": "object", "examples": [VIDEO]}}},
}


@pytest.fixture(autouse=True)
def _spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway know the operations of this spec."""
    found = tuple(SpecOperation(**each) for each in json.loads(json.dumps(examples(SPEC))))
    monkeypatch.setattr(gateway_app, "spec_operations", lambda: found)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", "/v1/videos", 201, VIDEO),
        ("GET", "/v1/videos", 200, [VIDEO]),
        ("DELETE", "/v1/videos/v-1", 204, None),
        ("GET", "/v1/videos/a%20b", 200, VIDEO),
    ],
)
def test_operation_that_is_not_played_has_the_example_of_the_spec(
    app: AppClient, method: str, path: str, status: int, body: Any
) -> None:
    """The answer is the example of the spec, is marked as such, and has no header that the spec does not name."""
    reply = app.send(path, method=method)
    assert (reply.status, json.loads(reply.body or b"null")) == (status, body)
    ((name, value),) = reply.headers
    assert name == "warning"
    assert value.endswith('is not implemented: this is the example from the spec"')


@pytest.mark.parametrize(("method", "path", "name"), [("PUT", "/v1/videos", "replace"), ("GET", "/v1/odd", "odd")])
def test_operation_without_an_example_is_answered_with_501(app: AppClient, method: str, path: str, name: str) -> None:
    """An operation without an example is answered with 501 and its name."""
    reply = app.send(path, method=method)
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (501, "not_played")
    assert f"does not implement {name}, " in error["message"]


def test_operation_that_is_not_played_wants_a_key_unless_it_is_public(app: AppClient) -> None:
    """Without a key the answer is 401, except from an operation that needs none."""
    assert app.send("/v1/videos", authorization="").status == 401
    public = app.send("/v1/news", authorization="")
    assert (public.status, public.content_type, public.body) == (200, "text/plain", b"None.")


def test_other_methods_of_a_path_of_the_spec_are_refused(app: AppClient) -> None:
    """A method that the spec does not have for a path is answered with 405 and those that it has."""
    reply = app.send("/v1/videos", method="PATCH")
    assert reply.status == 405
    assert dict(reply.headers)["allow"] == "GET, PUT, POST"
    assert app.send("/v1/films").status == 404


def test_an_empty_response_is_an_example() -> None:
    """A success without a body needs no example; a request without any success has none."""
    found = {each["name"]: each.get("status") for each in examples(SPEC)}
    given = {"create": 201, "list": 200, "delete": 204, "get": 200, "get /v1/news": 200}
    assert found == given | {"replace": None, "odd": None}
