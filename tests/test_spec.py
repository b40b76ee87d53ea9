"""The contract in `openapi.yaml`: it is valid, it says what the documentation says, and its examples keep to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jsonschema_rs import Draft202012Validator
from ruamel.yaml import YAML

from codegen.generate import SPEC as SPEC_FILE
from codegen.operation_view import operations, resolved
from codegen.spec_document import parse
from kkiai_sdk import ConfigurationError, _base_client
from kkiai_sdk.contract import _spec
from kkiai_sdk.mock import app

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC: dict[str, Any] = YAML(typ="safe").load(SPEC_FILE)
OPERATION = SPEC["paths"]["/v1/video/query"]["get"]
PARAMETERS = {(each["in"], each["name"]): each for each in OPERATION["parameters"]}
RESPONSES = OPERATION["responses"]
ERRORS = ["400", "401", "402", "403", "404", "429", "5XX"]
TASK: dict[str, Any] = {
    "id": "7d3c",
    "status": "pending",
    "video_url": None,
    "enhanced_prompt": "",
    "status_update_time": 1767603612345,
}


def conforms(value: object, schema: dict[str, Any]) -> bool:
    return Draft202012Validator({**schema, "components": SPEC["components"]}).is_valid(value)


def named(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def body(status: str) -> dict[str, Any]:
    content: dict[str, Any] = RESPONSES[status]["content"]["application/json"]
    return content


def examples() -> Iterator[tuple[str, str]]:
    return ((status, name) for status in RESPONSES for name in body(status)["examples"])


@pytest.mark.deep
def test_spec_is_valid_openapi_3_1() -> None:
    """The spec is a valid OpenAPI 3.1.0 document."""
    # It compiles dozens of grammars, which takes seconds: where it is needed, and not wherever tests are collected.
    from openapi_spec_validator import validate  # noqa: PLC0415

    assert SPEC["openapi"] == "3.1.0"
    validate(SPEC)


def test_spec_has_the_documented_operation() -> None:
    """The spec describes GET /v1/video/query at the documented server, with no other method, named Query Task."""
    assert [server["url"] for server in SPEC["servers"]] == ["https://www.kkiai.com"]
    assert list(SPEC["paths"]["/v1/video/query"]) == ["get"]
    assert OPERATION["summary"] == "Query Task"
    assert OPERATION["operationId"] == "queryVideoTask"


@pytest.mark.parametrize("module", [_base_client, app, _spec], ids=["client", "mock gateway", "contract check"])
def test_query_path_of_the_code_is_the_path_of_the_spec(module: Any) -> None:
    """The client, the mock gateway and the contract check use the one path of the spec."""
    assert list(SPEC["paths"]) == [module.QUERY_PATH]


def test_task_id_is_a_required_bounded_query_parameter() -> None:
    """The query takes the task's id as a required string of 1 to 256 characters, with the documented example."""
    parameter = PARAMETERS["query", "id"]
    assert parameter["required"] is True
    assert parameter["schema"] == {"type": "string", "minLength": 1, "maxLength": 256}
    assert parameter["example"] == "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"


def test_forwarded_host_is_an_optional_header() -> None:
    """The query takes X-Forwarded-Host as an optional string header, with the documented example."""
    parameter = PARAMETERS["header", "X-Forwarded-Host"]
    assert parameter["required"] is False
    assert parameter["schema"] == {"type": "string"}
    assert parameter["example"] == "localhost:5173"


def test_headers_ignored_by_openapi_are_not_parameters() -> None:
    """The headers that OpenAPI ignores as parameters are not listed as such."""
    assert set(PARAMETERS) == {("query", "id"), ("header", "X-Forwarded-Host")}


@pytest.mark.parametrize("header", ["Accept: application/json", "Content-Type: application/json", "Authorization"])
def test_headers_that_are_not_parameters_are_described(header: str) -> None:
    """The three documented headers that cannot be parameters are named in the operation's description."""
    assert f"`{header}" in OPERATION["description"]


@pytest.mark.parametrize("where", [SPEC, OPERATION], ids=["root", "operation"])
def test_bearer_key_is_required(where: dict[str, Any]) -> None:
    """The bearer key is required, and said so on the root and on the operation."""
    assert where["security"] == [{"bearerAuth": []}]
    scheme = SPEC["components"]["securitySchemes"]["bearerAuth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_declared_statuses_are_success_and_known_errors() -> None:
    """Success and the known errors are declared, and there is no `default` that would document every status."""
    assert list(RESPONSES) == ["200", *ERRORS]


@pytest.mark.parametrize("status", list(RESPONSES))
def test_every_response_is_json_of_one_schema(status: str) -> None:
    """A success is a VideoTask and every error an ErrorResponse, as application/json only."""
    assert list(RESPONSES[status]["content"]) == ["application/json"]
    assert body(status)["schema"] == named("VideoTask" if status == "200" else "ErrorResponse")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("id", {"type": "string"}),
        ("status", {"type": "string"}),
        ("video_url", {"type": ["string", "null"], "format": "uri"}),
        ("enhanced_prompt", {"type": "string"}),
        ("status_update_time", {"type": "integer", "format": "int64"}),
    ],
)
def test_task_field_has_its_documented_type(field: str, expected: dict[str, Any]) -> None:
    """Each documented field has its type, and no rule besides it."""
    schema = SPEC["components"]["schemas"]["VideoTask"]["properties"][field]
    assert {key: value for key, value in schema.items() if key not in {"description", "examples"}} == expected


def test_task_has_the_five_documented_fields() -> None:
    """The five documented fields are all required, and the spec knows no others."""
    schema = SPEC["components"]["schemas"]["VideoTask"]
    assert sorted(schema["required"]) == sorted(TASK)
    assert sorted(schema["properties"]) == sorted(TASK)


@pytest.mark.parametrize(
    "change",
    [
        {"video_url": "https://media.example.com/7d3c.mp4"},
        {"status": "a word nobody knows"},
        {"progress": 12, "detail": {"url": None}},
    ],
    ids=["url", "new-status", "more-fields"],
)
def test_varied_task_conforms(change: dict[str, Any]) -> None:
    """A URL, a new status word and additional fields conform."""
    assert conforms(TASK | change, named("VideoTask"))


@pytest.mark.parametrize("field", list(TASK))
def test_task_without_a_field_does_not_conform(field: str) -> None:
    """Leaving out a documented field breaks the contract."""
    assert not conforms({key: value for key, value in TASK.items() if key != field}, named("VideoTask"))


@pytest.mark.parametrize("field", list(TASK))
def test_task_with_a_field_of_another_type_does_not_conform(field: str) -> None:
    """A field of an undocumented type breaks the contract."""
    assert not conforms(TASK | {field: ["wrong"]}, named("VideoTask"))


@pytest.mark.parametrize(
    "shape",
    [
        {"error": {"message": "m", "message_zh": "z", "localized_message": "l", "type": "t", "code": "c", "param": ""}},
        {"error": "text"},
        {"code": "c", "message": "m", "data": None},
        {"code": 400, "message": "m", "data": None},
        {"code": "c", "message": "m", "param": None, "type": "t"},
        {"success": False, "message": "m"},
        {"message": "m"},
        {"message": '{"error": {"message": "inner"}}'},
        {},
    ],
)
def test_every_known_shape_of_error_conforms(shape: dict[str, Any]) -> None:
    """Every JSON object that gateways are known to answer as an error conforms to ErrorResponse."""
    assert conforms(shape, named("ErrorResponse"))


@pytest.mark.parametrize("value", ["text", None, [], 524, {"error": 5}, {"message": {}}])
def test_invalid_error_body_does_not_conform(value: object) -> None:
    """Something that is not an object, or has its reason in an unknown form, is no ErrorResponse."""
    assert not conforms(value, named("ErrorResponse"))


@pytest.mark.parametrize(("status", "name"), list(examples()))
def test_each_example_conforms_to_its_schema(status: str, name: str) -> None:
    """Every named example keeps to the schema that it illustrates, and says what it shows."""
    example = body(status)["examples"][name]
    assert conforms(example["value"], body(status)["schema"])
    assert example["summary"]


def test_every_state_has_an_example() -> None:
    """There is one named example per state that a task can be in."""
    assert list(body("200")["examples"]) == ["pending", "running", "succeeded", "failed"]


def test_only_the_succeeded_example_has_a_url() -> None:
    """The example of a task that succeeded has an absolute URL, and no other one has any."""
    urls = {name: example["value"]["video_url"] for name, example in body("200")["examples"].items()}
    assert urlsplit(urls.pop("succeeded")).scheme == "https"
    assert set(urls.values()) == {None}


@pytest.mark.parametrize("status", ERRORS)
def test_every_error_has_an_example(status: str) -> None:
    """Every declared error has at least one named example."""
    assert body(status)["examples"]


def test_unknown_id_may_be_answered_with_400() -> None:
    """400 with the code task_not_exist is a documented answer to an unknown id."""
    assert "`task_not_exist`" in RESPONSES["400"]["description"]
    assert body("400")["examples"]["task_not_exist"]["value"]["code"] == "task_not_exist"


@pytest.mark.parametrize("field", list(TASK))
def test_examples_of_a_field_conform(field: str) -> None:
    """Each field of a task has examples, and they keep to its type."""
    schema = SPEC["components"]["schemas"]["VideoTask"]["properties"][field]
    assert schema["examples"]
    assert all(conforms(example, schema) for example in schema["examples"])


@pytest.mark.parametrize("parameter", OPERATION["parameters"], ids=lambda parameter: parameter["name"])
def test_examples_of_parameters_conform(parameter: dict[str, Any]) -> None:
    """The example of each parameter keeps to the parameter's schema."""
    assert conforms(parameter["example"], parameter["schema"])


def header_names(status: str) -> set[str]:
    return set(RESPONSES[status]["headers"])


def test_responses_have_the_documented_headers() -> None:
    """Each answer may carry its request id, 401 a challenge, 429 and 5XX the time to come back."""
    extra = {"401": {"WWW-Authenticate"}, "429": {"Retry-After"}, "5XX": {"Retry-After"}}
    for status in RESPONSES:
        assert header_names(status) == {"X-Oneapi-Request-Id"} | extra.get(status, set())


@pytest.mark.parametrize(
    "header", list(SPEC["components"]["headers"].values()), ids=list(SPEC["components"]["headers"])
)
def test_response_headers_are_optional_strings(header: dict[str, Any]) -> None:
    """No response header is required of a gateway, and each is a string with an example."""
    assert header["required"] is False
    assert header["schema"] == {"type": "string"}
    assert isinstance(header["example"], str)


@pytest.mark.deep
def test_document_is_validated_as_yaml_1_2() -> None:
    """A word that only YAML 1.1 takes for a boolean is text, and an error is one line with its place."""
    text = "openapi: 3.1.0\ninfo: {title: on, version: '1'}\npaths:\n  /a:\n    get:\n      operationId: no\n"
    assert parse(text, "a.yaml").root.value["paths"]["/a"]["get"]["operationId"] == "no"
    with pytest.raises(
        ConfigurationError, match=r"7 is not of type 'string' at /paths/~1a/get/operationId \(a.yaml:6\)$"
    ):
        parse(text.replace("no", "7"), "a.yaml")


OPERATIONS = [(method, path, each) for path, method, each in operations(SPEC)]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[f"{row[0]} {row[1]}" for row in OPERATIONS])
def test_every_operation_can_be_found_and_called(method: str, path: str, operation: dict[str, Any]) -> None:
    """Every operation has a name, words, a tag, the security that code generators read there, and a success."""
    assert operation["operationId"]
    assert operation["summary"]
    assert operation["tags"]
    assert "security" in operation
    assert any(str(status).startswith("2") for status in operation["responses"])


def media_types() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each media type with a schema of each operation."""
    for method, path, operation in OPERATIONS:
        holders = [operation.get("requestBody", {}), *operation["responses"].values()]
        for holder in holders:
            content = resolved(SPEC, holder).get("content", {})
            yield from ((f"{method} {path}", each) for name, each in content.items() if "json" in name)


@pytest.mark.parametrize(("name", "media_type"), list(media_types()))
def test_every_example_of_every_operation_conforms(name: str, media_type: dict[str, Any]) -> None:
    """An example that stands alongside a schema keeps to it, in every operation."""
    shown = [each["value"] for each in media_type.get("examples", {}).values()]
    shown += [media_type["example"]] if "example" in media_type else []
    assert [value for value in shown if not conforms(value, media_type["schema"])] == []
