"""Generation of `generated/`: the reader view, the generator's settings, and the check that nothing else changed it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import kkiai_api.models
from codegen import generate, templates
from codegen.operation_view import media_types, operations
from codegen.reader_view import reader_view
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NULL = {"type": "null"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Mapping[str, Any], **notes: object) -> dict[str, Any]:
    return {**notes, "anyOf": [schema, NULL]}


def content(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def document(schemas: dict[str, Any], *, answer: Any = None, order: Any = None, **components: Any) -> dict[str, Any]:
    """A document with one operation that answers with one schema and is ordered with another."""
    operation = {
        "operationId": "makeVideo",
        "tags": ["video"],
        "responses": {"200": {"description": "The answer.", **(content(answer) if answer else {})}},
        **({"requestBody": content(order)} if order else {}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Test", "version": "1"},
        "paths": {"/v1/videos": {"post": operation}},
        "components": {"schemas": schemas, **components},
    }


def read(schema: Any) -> Any:
    """The reader view of one schema that a response uses."""
    return reader_view(document({"It": schema}, answer=ref("It")))["components"]["schemas"]["It"]


TEXT = {"type": "string"}
STRICT = {"type": "object", "required": ["a"], "properties": {"a": TEXT}}
LOOSE = {"type": "object", "properties": {"a": nullable(TEXT)}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (TEXT, TEXT),
        (STRICT, LOOSE),
        ({"properties": {"a": STRICT}}, {"properties": {"a": nullable(LOOSE)}}),
        ({"properties": {"required": TEXT}}, {"properties": {"required": nullable(TEXT)}}),
        ({"patternProperties": {"^a": STRICT}}, {"patternProperties": {"^a": nullable(LOOSE)}}),
        ({"additionalProperties": STRICT}, {"additionalProperties": nullable(LOOSE)}),
        ({"additionalProperties": True}, {"additionalProperties": True}),
        ({"type": "array", "items": STRICT}, {"type": "array", "items": nullable(LOOSE)}),
        ({"allOf": [STRICT, ref("Other")]}, {"allOf": [LOOSE, ref("Other")]}),
        ({"anyOf": [STRICT, TEXT]}, {"anyOf": [LOOSE, TEXT]}),
        ({"oneOf": [STRICT, TEXT]}, {"oneOf": [LOOSE, TEXT]}),
        ({"properties": {"a": ref("Other")}}, {"properties": {"a": nullable(ref("Other"))}}),
        ({"properties": {"a": {"const": "on"}}}, {"properties": {"a": nullable({})}}),
    ],
)
def test_a_schema_of_a_response_is_loosened(schema: Any, expected: Any) -> None:
    """In a response nothing is required or fixed, every value may be null, and all else stays as it was."""
    assert read(schema) == expected


def test_examples_and_descriptions_of_a_field_are_kept() -> None:
    """Examples stay where they were, and a description is also found on the nullable union."""
    field = {"type": "string", "description": "d", "example": "e", "examples": ["f"]}
    view = read({"type": "object", "example": {"a": 1, "required": ["a"]}, "properties": {"a": field}})
    assert view["example"] == {"a": 1, "required": ["a"]}
    assert view["properties"]["a"] == nullable(field, description="d", example="e")


def test_the_body_itself_is_loosened_inside_only() -> None:
    """A schema written in the response is loosened too, but the body as a whole does not become nullable."""
    assert reader_view(document({}, answer=STRICT)) == document({}, answer=LOOSE)


def test_a_shared_response_is_loosened() -> None:
    """Responses under components count as responses."""
    view = reader_view(document({"It": STRICT}, responses={"Gone": {"description": "Gone.", **content(ref("It"))}}))
    assert view["components"]["schemas"]["It"] == LOOSE


def test_what_only_requests_use_stays_strict() -> None:
    """Schemas that only requests reach, directly or through others, are left alone."""
    schemas = {"Order": {"type": "object", "required": ["size"], "properties": {"size": ref("Size")}}, "Size": STRICT}
    assert reader_view(document(schemas, order=ref("Order"), answer=TEXT))["components"]["schemas"] == schemas


def test_what_requests_and_responses_share_is_split() -> None:
    """A schema used both ways stays strict for requests, and responses use a loosened copy, through all levels.
    Requests take the copy too, so that what was read can be written back.
    """
    order = {"type": "object", "required": ["size"], "properties": {"size": ref("Size")}}
    answer = {"type": "object", "required": ["order"], "properties": {"order": ref("Order")}}
    view = reader_view(document({"Order": order, "Size": STRICT, "It": answer}, order=ref("Order"), answer=ref("It")))
    (post,) = (operation for _, _, operation in operations(view))
    assert post["requestBody"] == content({"anyOf": [ref("Order"), ref("OrderRead")]})
    assert view["components"]["schemas"] == {
        "Order": order | {"properties": {"size": {"anyOf": [ref("Size"), ref("SizeRead")]}}},
        "Size": STRICT,
        "It": {"type": "object", "properties": {"order": nullable(ref("OrderRead"))}},
        "OrderRead": {"type": "object", "properties": {"size": nullable(ref("SizeRead"))}},
        "SizeRead": LOOSE,
    }


def test_a_taken_name_for_a_copy_is_left_alone() -> None:
    """If the name of a needed copy is taken, the copy gets another one."""
    taken = {"OrderRead": TEXT, "Order_read2": TEXT, "Order-Read-3": {"type": "object"}}
    view = reader_view(document({"Order": STRICT, **taken}, order=ref("Order"), answer=ref("Order")))
    assert view["components"]["schemas"] == {"Order": STRICT, **taken, "OrderRead4": LOOSE}


def test_titles_name_no_classes() -> None:
    """Titles, which several schemas may share, are dropped; fields and examples that are called so are kept."""
    titled = LOOSE | {"title": "Order", "properties": {"title": TEXT | {"title": "Title"}}, "example": {"title": "a"}}
    schemas = {"Order-Input": titled, "Order-Output": titled}
    view = reader_view(document(schemas, order=ref("Order-Input") | {"title": "Order"}))
    assert view["components"]["schemas"]["Order-Output"] == {
        "type": "object",
        "properties": {"title": TEXT},
        "example": {"title": "a"},
    }
    assert 'Order"' not in json.dumps(view["paths"])


def test_a_schema_that_loosening_leaves_alone_is_not_copied() -> None:
    """An enum of requests and responses stays one class."""
    schemas = {"Size": {"type": "string", "enum": ["s", "l"]}}
    view = reader_view(document(schemas, order=ref("Size"), answer=ref("Size")))
    assert view["components"]["schemas"] == schemas


def test_schemas_in_a_cycle_are_loosened_once() -> None:
    """Schemas that refer to themselves or to each other are loosened once each."""
    schemas = {
        "A": {"required": ["b"], "properties": {"b": ref("B"), "a": ref("A")}},
        "B": {"required": ["a"], "properties": {"a": ref("A")}},
    }
    assert reader_view(document(schemas, answer=ref("A")))["components"]["schemas"] == {
        "A": {"properties": {"b": nullable(ref("B")), "a": nullable(ref("A"))}},
        "B": {"properties": {"a": nullable(ref("A"))}},
    }


def test_alternatives_have_conditions_of_ours_alone() -> None:
    """An object among alternatives gets the condition that tells it apart; what a document brings along is dropped,
    since conditions become code, and its text is quoted.
    """
    evil = {"x-condition": " or evil()"}
    cat, dog = ({"type": "object", "properties": {"kind": {"const": kind}}, **evil} for kind in ("cat'", "dog"))
    view = read({"properties": {"pet": {"oneOf": [cat, dog]}, "one": {"anyOf": [STRICT | evil, TEXT]}}})
    pets, one = (view["properties"][name]["anyOf"][0] for name in ("pet", "one"))
    assert [each.get("x-condition") for each in pets["oneOf"]] == [
        """ and data.get('kind') in ["cat'"]""",
        " and data.get('kind') in ['dog']",
        None,
    ]
    assert "evil" not in json.dumps(one)


def test_the_document_is_not_changed() -> None:
    """The function is pure: its argument is the same afterwards."""
    spec = document({"It": deepcopy(STRICT)}, answer=ref("It"), order=ref("It"))
    before = deepcopy(spec)
    reader_view(spec)
    assert spec == before


def test_header_parameters_that_openapi_ignores_are_left_out() -> None:
    """Accept, Content-Type and Authorization are no parameters, in any case of letters, wherever they are declared."""
    ignored = [{"name": name, "in": "header", "schema": TEXT} for name in ("ACCEPT", "Content-Type", "authorization")]
    kept = [{"name": "X-Team", "in": "header", "schema": TEXT}, {"name": "accept", "in": "query", "schema": TEXT}]
    spec = document({}, parameters={"Key": ignored[2], "Team": kept[0]})
    item = spec["paths"]["/v1/videos"]
    item["parameters"] = [ignored[0], kept[1]]
    item["post"]["parameters"] = [
        ignored[1],
        {"$ref": "#/components/parameters/Key"},
        {"$ref": "#/components/parameters/Team"},
    ]
    view = reader_view(spec)["paths"]["/v1/videos"]
    assert view["parameters"] == [kept[1]]
    assert view["post"]["parameters"] == [{"$ref": "#/components/parameters/Team"}]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code that the generator makes from the project's spec."""
    return generate.generate(generate.SPEC, tmp_path_factory.mktemp("fresh"))


@pytest.mark.deep
def test_the_code_is_laid_out(fresh: Path) -> None:
    """The output has sorted imports and ruff's layout, which the generator alone does not give it."""
    for hook in (["check", "--select", "I"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *hook, "--isolated", "--no-cache", str(fresh)]
        subprocess.run(command, capture_output=True, check=True)


@pytest.mark.deep
def test_generating_twice_gives_the_same_bytes(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run, with another order of sets and over what was there before, gives the same bytes."""
    target = tmp_path / "kkiai_api"
    target.mkdir()
    (target / "stale.py").touch()
    monkeypatch.setenv("PYTHONHASHSEED", "271")
    assert generate.main([], target=target) == 0
    assert generate.differences(fresh, target) == []


@pytest.mark.fault("P-08")
def test_the_committed_code_is_up_to_date() -> None:
    """`python codegen/generate.py --check` passes here, from any folder and without an activated environment."""
    command = [sys.executable, str(generate.ROOT / "codegen" / "generate.py"), "--check"]
    bare = {"PATH": os.defpath}
    run = subprocess.run(command, cwd="/", env=bare, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "kkiai_api is up to date\n", "")


@pytest.mark.deep
def test_the_check_finds_what_was_changed_by_hand(
    fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check lists an edited, a missing and a stray file, ignores byte code, and says what to run."""
    target = shutil.copytree(fresh, tmp_path / "kkiai_api")
    (target / "client.py").write_text("edited", encoding="utf-8")
    (target / "py.typed").unlink()
    (target / "api" / "video" / "old_endpoint.py").touch()
    (target / "__pycache__").mkdir()
    (target / "__pycache__" / "client.cpython-311.pyc").touch()
    assert generate.main(["--check"], target=target) == 1
    said = capsys.readouterr().err
    assert "run `make generate`" in said
    lines = [line.strip() for line in said.splitlines()[1:]]
    assert lines == ["stray: api/video/old_endpoint.py", "changed: client.py", "missing: py.typed"]


RunGenerator = Callable[[str], tuple[int, list[str], list[str]]]


@pytest.fixture
def run_generator(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> RunGenerator:
    """Generates from a text over old code, and gives the exit code, lines of stderr, and files that are there."""

    def run(text: str) -> tuple[int, list[str], list[str]]:
        spec, target = tmp_path / "openapi.yaml", tmp_path / "kkiai_api"
        target.mkdir()
        (target / "old.py").touch()
        spec.write_text(text, encoding="utf-8")
        code = generate.main([], spec=spec, target=target)
        said = capfd.readouterr()
        assert said.out == ""
        return code, said.err.splitlines(), [file.name for file in target.iterdir()]

    return run


def get(**members: Any) -> dict[str, Any]:
    """A path item with one operation."""
    return {"get": {"operationId": "read", "responses": {"204": {"description": "Done."}}, **members}}


def asking(name: str, **members: Any) -> dict[str, Any]:
    """A path item whose operation has one parameter in the query."""
    return get(parameters=[{"name": name, "in": "query", "schema": TEXT, **members}])


def answering(schema: Any) -> dict[str, Any]:
    """A path item whose operation answers with a schema."""
    return get(responses={"200": {"description": "The answer.", **content(schema)}})


#: Paths and schemas, and the pointer and the words of what is said.
LOST: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"/a": {"$ref": "#/components/pathItems/A"}}, {}, "/paths/~1a", "does not refer to a path item"),
    ({"/a": {"$ref": "other.yaml#/A"}}, {}, "/paths/~1a", "does not refer to a path item"),
    ({"/a": get(operationId="readIt"), "/b": get(operationId="read_it")}, {}, "/paths/~1a/get", "has the same name"),
    ({"/a/{id}": get()}, {}, "/paths/~1a~1{id}/get", "Path parameters do not match"),
    ({"/a": asking("headers")}, {}, "/paths/~1a/get/parameters", "its own variable named headers"),
    (
        {"/a": asking("f", style="deepObject", schema={"type": "object"})},
        {},
        "/paths/~1a/get/parameters",
        "an object in the style of parameter f",
    ),
    (
        {"/a": asking("f", style="deepObject", schema={"allOf": [ref("F")]})},
        {"F": {"properties": {"a": TEXT}}},
        "/paths/~1a/get/parameters",
        "an object in the style of parameter f",
    ),
    (
        {"/a": asking("f", **{"in": "cookie", "schema": {"type": "object"}})},
        {},
        "/paths/~1a/get/parameters",
        "an object",
    ),
    (
        {"/a/{f}": asking("f", **{"in": "path", "required": True, "style": "matrix"})},
        {},
        "/paths/~1a~1{f}/get/parameters",
        "in the style matrix",
    ),
    ({"/a": answering(True)}, {}, "/paths/~1a/get/responses/200", "Input should be a valid dictionary"),
    ({"/a": asking("n", schema={"type": "integer", "default": "x"})}, {}, "/paths/~1a/get", "Invalid int value: x"),
    (
        {"/a": get(parameters=[{"in": "query", "schema": TEXT}])},
        {},
        "/paths/~1a/get/parameters/0",
        "'name' is a required property",
    ),
    ({"/a": get(responses={"2xx": {"description": "x"}})}, {}, "/paths/~1a/get/responses", "'2xx' was unexpected"),
    ({"/a": get(responses={"200": {"$ref": "#/components/responses/No"}})}, {}, "/paths/~1a/get", "Could not find"),
    ({"/a": answering(ref("A"))}, {"A": {"enum": ["a", 1]}}, "/components/schemas/A", "must all be the same type"),
    ({"/a": answering(ref("A"))}, {"A": ref("B"), "B": ref("A")}, "/", "cannot generate this"),
]


@pytest.mark.parametrize(("paths", "schemas", "pointer", "words"), LOST)
def test_a_failed_run_says_where_and_changes_nothing(
    paths: dict[str, Any], schemas: dict[str, Any], pointer: str, words: str, run_generator: RunGenerator
) -> None:
    """If anything would be left out, the old code stays, and each line says why and where, in words of ours alone."""
    code, lines, left = run_generator(json.dumps({**document(schemas), "paths": paths}, indent=1))
    assert code == 1
    assert any(words in line and f" at {pointer} (openapi.yaml:" in line for line in lines)
    assert all(line.startswith("error: ") and line.isascii() and "object at 0x" not in line for line in lines)
    assert left == ["old.py"]


def test_a_spec_that_is_no_yaml_is_refused(run_generator: RunGenerator) -> None:
    """Text that is no YAML is refused in one line with the file's name."""
    code, (line,), left = run_generator("a: b: c")
    assert (code, left) == (1, ["old.py"])
    assert line.startswith("error: openapi.yaml, line 1 is not valid YAML: ")


@pytest.mark.parametrize("name", sorted(templates.CHANGES))
def test_a_template_without_its_anchors_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A generator whose templates are others fails, instead of leaving out what is changed in them."""
    monkeypatch.setitem(templates.CHANGES, name, [("a line that no template has", "")])
    assert generate.main(["--check"]) == 1
    assert f"{name} of the generator has changed" in capsys.readouterr().err


def imported_modules(tree: Path) -> set[str]:
    nodes = [node for file in tree.rglob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    absolute = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in plain | absolute}


def test_the_generated_code_needs_httpx_and_attrs_only() -> None:
    """At run time the generated code imports nothing but httpx, attrs and the standard library."""
    assert imported_modules(generate.TARGET) - sys.stdlib_module_names == {"attrs", "httpx"}


SCHEMAS = YAML(typ="safe").load(generate.SPEC)["components"]["schemas"]
FIELDS = sorted({field for schema in SCHEMAS.values() for field in schema["properties"]})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner),
    max_leaves=10,
)


def read_models() -> list[str]:
    """The names of the classes that responses of the spec are read as, directly or inside others."""
    view = reader_view(YAML(typ="safe").load(generate.SPEC))
    schemas, pending, found = view["components"]["schemas"], [json.dumps([*media_types(view)])], set[str]()
    while pending:
        names = {*re.findall(r"#/components/schemas/(\w+)", pending.pop())} - found
        found |= names
        pending += [json.dumps(schemas[name]) for name in names]
    return sorted(found & {*kkiai_api.models.__all__})


@pytest.mark.parametrize("name", read_models())
@settings(max_examples=examples(100), deadline=None, derandomize=True, database=None)
@given(answer=st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON))
def test_reading_any_object_loses_nothing(name: str, answer: dict[str, Any]) -> None:
    """Any JSON object at all is read without an error and given back unchanged."""
    assert getattr(kkiai_api.models, name).from_dict(answer).to_dict() == answer


FIELDS_OF_ALL_KINDS = {
    "kind": {"type": "string", "enum": ["clip", "film"]},
    "when": {"type": "string", "format": "date-time"},
    "fixed": {"const": "video"},
    "parts": {"type": "array", "items": ref("Node")},
    "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
    "either": {"oneOf": [TEXT, ref("Node")]},
}
READ_ANYTHING = """
from kkiai_api.models import Node
assert Node.from_dict({}).to_dict() == {}
for value in (None, "new", 7, True, [None, 7], {"parts": 7}):
    answer = dict.fromkeys("kind when fixed parts limits either".split(), value)
    assert Node.from_dict(answer).to_dict() == answer, value
"""


@pytest.mark.deep
def test_a_new_endpoint_is_read_tolerantly_too(tmp_path: Path) -> None:
    """A response with required, closed and nested fields is generated into a reader of any value whatever."""
    spec = tmp_path / "openapi.yaml"
    node = {"type": "object", "required": list(FIELDS_OF_ALL_KINDS), "properties": FIELDS_OF_ALL_KINDS}
    YAML(typ="safe").dump(document({"Node": node}, answer=ref("Node")), spec)
    (tmp_path / "out").mkdir()
    assert generate.main([], spec=spec, target=tmp_path / "out" / "kkiai_api") == 0
    command = [sys.executable, "-c", READ_ANYTHING]
    run = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


JSON_TYPE, PROBLEM_TYPE, VENDOR_TYPE = "application/json", "application/problem+json", "application/vnd.kkiai.v2+json"
#: By the name of an operation: the media types of its responses, and the Accept field that it should send.
ACCEPTED: dict[str, tuple[dict[str, list[str]], str]] = {
    "json": ({"400": [PROBLEM_TYPE], "200": [JSON_TYPE]}, f"{JSON_TYPE}, {PROBLEM_TYPE}"),
    "binary": ({"200": ["video/mp4"], "400": [JSON_TYPE]}, f"video/mp4, {JSON_TYPE}"),
    "several": (
        {"200": ["text/csv", JSON_TYPE], "201": [JSON_TYPE, "text/plain"]},
        f"text/csv, {JSON_TYPE}, text/plain",
    ),
    "vendor": ({"200": [VENDOR_TYPE], "401": [VENDOR_TYPE]}, VENDOR_TYPE),
    "ranges": (
        {"default": [PROBLEM_TYPE], "4XX": [JSON_TYPE], "2XX": ["text/plain"]},
        f"text/plain, {JSON_TYPE}, {PROBLEM_TYPE}",
    ),
    "refusals": ({"204": [], "404": [JSON_TYPE]}, JSON_TYPE),
    # httpx's own, which is sent where nobody says anything.
    "empty": ({"204": []}, "*/*"),
}
SEND_ALL = """
import importlib, json, pkgutil, httpx
from kkiai_api import Client, api
sent = {}
for module in pkgutil.iter_modules(importlib.import_module("kkiai_api.api.video").__path__):
    endpoint = importlib.import_module(f"kkiai_api.api.video.{module.name}")
    def answer(request):
        sent[module.name] = request.headers.get_list("accept")
        return httpx.Response(418, json={})
    options = {"body": "x"} if module.name.startswith("post") else {}
    client = Client("http://gateway.test", httpx_args={"transport": httpx.MockTransport(answer)})
    endpoint.sync_detailed(client=client, **options)
print(json.dumps(sent))
"""


def operation(name: str, method: str, types: dict[str, list[str]]) -> dict[str, Any]:
    """An operation whose responses have these media types; a POST has a body, and with it header fields of its own."""
    schemas = {"video/mp4": {"type": "string", "format": "binary"}, "text/csv": TEXT, "text/plain": TEXT}
    responses = {
        status: {"description": "x", "content": {each: {"schema": schemas.get(each, STRICT)} for each in media_types}}
        for status, media_types in types.items()
    }
    body = {"requestBody": {"required": True, **content(TEXT)}} if method == "post" else {}
    return {"operationId": f"{method}_{name}", "tags": ["video"], "responses": responses, **body}


def test_accept_names_media_types_of_declared_responses(tmp_path: Path) -> None:
    """A generated function asks for the media types of its successes, then of its other responses, each once. A header
    parameter called Accept, which OpenAPI says to ignore, does not replace them.
    """
    spec = document({})
    ignored = {"name": "accept", "in": "header", "required": True, "schema": TEXT}
    methods = ("get", "post")
    spec["paths"] = {
        f"/{name}": {"parameters": [ignored], **{method: operation(name, method, types) for method in methods}}
        for name, (types, _) in ACCEPTED.items()
    }
    responses = spec["paths"]["/json"]["get"]["responses"]
    spec["components"]["responses"] = {"Refused": responses["400"]}
    responses["400"] = {"$ref": "#/components/responses/Refused"}
    # JSON is YAML too, and keeps the order of keys.
    (tmp_path / "openapi.yaml").write_text(json.dumps(spec), encoding="utf-8")
    assert generate.main([], spec=tmp_path / "openapi.yaml", target=tmp_path / "kkiai_api") == 0
    run = subprocess.run([sys.executable, "-c", SEND_ALL], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    expected = {f"{method}_{name}": [accept] for name, (_, accept) in ACCEPTED.items() for method in methods}
    assert json.loads(run.stdout) == expected
