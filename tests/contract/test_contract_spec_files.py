"""Specs of others: for any file, the check is made with it or refuses it in one sentence."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract_tests.faulty_gateway import gateway
from contract_tests.mutants.gateways import IDS, serve
from contract_tests.wire import task
from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import _spec, check
from kkiai_sdk.contract._check import precheck
from kkiai_sdk.contract._findings import fold
from kkiai_sdk.contract._messages import Exchange, Request, Response
from kkiai_sdk.contract._probes import basic_probes, full_probes, task_probes, verdict
from kkiai_sdk.contract._report import coverage
from kkiai_sdk.contract._rules import judge
from kkiai_sdk.contract._spec import Spec
from tests.contract.conftest import GATEWAY_KEY, Ended
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = "openapi: 3.1.0\ninfo: {title: a, version: '1'}\n"
PATH = HEAD + "paths: {/v1/video/query: {get: "
OK = "{description: x, content: {application/json: {schema: %s}}}"


def answers(schema: str) -> str:
    """A spec whose one answer has this schema."""
    return PATH + "{parameters: [], responses: {'200': " + OK.replace("%s", schema) + "}}}}\n"


BAD: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n\n",
    "a comment": b"# nothing\n",
    "a word": b"openapi",
    "a number": b"7",
    "a list": b"- 1\n",
    "bytes": bytes(range(256)),
    "zeros": b"\x00" * 64,
    "UTF-16": HEAD.encode("utf-16"),
    "an open bracket": b"{",
    "a tab": b"a:\n\t- b\n",
    "a tag": b"a: !!python/object/apply:os.system [ls]\n",
    "a wrong date": b"a: 2026-99-99\n",
    "a name that is a list": b"? [a, b]\n: c\n",
    "an alias to nothing": b"a: *b\n",
    "an alias to itself": b"a: &a [*a]\n",
    "aliases of aliases": b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)),
    "very deep": b"a: " + b"[" * 5000 + b"]" * 5000,
    "no paths": HEAD.encode(),
    "paths: null": f"{HEAD}paths:\n".encode(),
    "paths: a list": f"{HEAD}paths: []\n".encode(),
    "paths: text": f"{HEAD}paths: x\n".encode(),
    "no operation": f"{HEAD}paths: {{}}\n".encode(),
    "a path that is a list": f"{HEAD}paths: {{/v1/video/query: [get]}}\n".encode(),
    "an operation that is a list": f"{PATH}[]}}}}\n".encode(),
    "an operation that is null": f"{PATH}null}}}}\n".encode(),
    "no responses": f"{PATH}{{}}}}}}\n".encode(),
    "responses that are a list": f"{PATH}{{responses: []}}}}}}\n".encode(),
    "a response that is text": f"{PATH}{{responses: {{'200': fine}}}}}}}}\n".encode(),
    "parameters that are a mapping": f"{PATH}{{parameters: {{a: b}}, responses: {{'200': {{}}}}}}}}}}\n".encode(),
    "a parameter without a name": f"{PATH}{{parameters: [{{in: query}}], responses: {{'200': {{}}}}}}}}}}\n".encode(),
    "OpenAPI 2": b"swagger: '2.0'\nopenapi: 2.0.0\npaths: {}\n",
    "a reference to itself": answers("{$ref: '#/components/schemas/A'}").encode()
    + b"components: {schemas: {A: {$ref: '#/components/schemas/A'}}}\n",
    "a circle of references": answers("{$ref: '#/components/schemas/A'}").encode()
    + b"components: {schemas: {A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}}\n",
    "a reference to nothing": answers("{$ref: '#/components/schemas/A'}").encode(),
    "a reference to elsewhere": answers("{properties: {a: {$ref: 'https://example.com/a.json'}}}").encode(),
    "a wrong type": answers("{type: strang}").encode(),
    "a type that is a number": answers("{type: 7}").encode(),
    "a wrong pattern": answers("{type: object, properties: {a: {type: string, pattern: '('}}}").encode(),
    "a negative length": answers("{minLength: -1}").encode(),
    "required that is text": answers("{required: id}").encode(),
    "a schema that is text": answers("task").encode(),
    "properties that are a list": answers("{properties: [a]}").encode(),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_spec_that_cannot_be_used_is_refused(kkiai: Callable[..., Ended], tmp_path: Path, content: bytes) -> None:
    """Exit code 2 and one sentence that names the file; nothing is sent, nothing is on stdout."""
    file = tmp_path / "theirs.yaml"
    file.write_bytes(content)
    ended = kkiai("--base-url", "http://127.0.0.1:9", "--spec", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "theirs.yaml" in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err) < 600


@pytest.mark.parametrize("name", [".", "/dev/zero"])
def test_folder_or_device_as_spec_is_refused(kkiai: Callable[..., Ended], name: str) -> None:
    """A file that cannot be opened, or has no end, is refused."""
    ended = kkiai("--spec", name)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


GOOD = {
    "as it came": lambda text: text,
    "with a byte order mark": lambda text: "\ufeff" + text,
    "as JSON": lambda text: json.dumps(Spec(text).document),
    "with a schema that is all of itself": lambda text: (
        text + "    Loop: {allOf: [{$ref: '#/components/schemas/Loop'}]}\n"
    ),
    "with a recursive schema": lambda text: (
        text + "    Tree: {properties: {up: {$ref: '#/components/schemas/Tree'}}}\n"
    ),
    "with dates and odd numbers": lambda text: f"{text}x-odd: {{a: 2026-01-05, b: .nan, c: .inf, 7: 0x1F}}\n",
}


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD.keys())
def test_spec_in_another_form_gives_the_same_result(tmp_path: Path, change: Callable[[str], str]) -> None:
    """Forms of the same spec lead to the same result."""
    file = tmp_path / "mine.yaml"
    file.write_text(change(_spec.load().text), "utf-8")
    with gateway(serve(lambda _, reply: reply)) as base_url:
        report = check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=False, spec=file)
    assert (report.exit_code(), report.findings) == (0, ())


def test_parameter_is_found_by_name_in_any_order() -> None:
    """A rule about a parameter names the line of that parameter, wherever it stands among the others."""
    text = _spec.load().text
    turned = copy.deepcopy(Spec(text).document)
    turned["paths"]["/v1/video/query"]["get"]["parameters"].reverse()
    for spec in (Spec(text), Spec(json.dumps(turned, indent=1))):
        rows = spec.text.splitlines()
        for name, inner in (("id", "/schema/maxLength"), ("X-Forwarded-Host", "/schema")):
            address = f"/paths/~1v1~1video~1query/get/parameters/name={name}"
            node = spec.at(spec.exact(address))
            assert node.value["name"] == name
            assert inner.rpartition("/")[2] in rows[spec.line_of(address + inner) - 1]


@pytest.mark.parametrize("inside", [True, False])
def test_spec_file_is_named_relative_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, inside: bool
) -> None:
    """A spec inside the working directory is named relative to it, however it was given; another by its whole path."""
    from kkiai_sdk.contract import sarif, workflow_commands  # noqa: PLC0415

    file = tmp_path / "api" / "my spec.yaml"
    file.parent.mkdir()
    file.write_text(_spec.load().text, "utf-8")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path if inside else tmp_path / "other")
    with gateway(serve(lambda _, r: r.but(value=r.value | {"id": 7}) if r.status == 200 else r)) as base_url:
        report = check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=False, spec=file.absolute())
    (result,) = json.loads(sarif(report))["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == ("api/my%20spec.yaml" if inside else file.as_uri())
    (command,) = workflow_commands(report)
    assert f"file={'api/my spec.yaml' if inside else file.as_posix()},line=" in command


DOCUMENT = _spec.load().document
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.text("a/$#(", max_size=4), st.just([]), st.just({}),
    st.sampled_from([["a"], [{}], {"a": {}}, {"$ref": "#"}, {"$ref": "#/components"}, {"$ref": 7}, 1.5, "(", -1]),
    st.builds(lambda to: {"$ref": to}, st.sampled_from(["#/components/schemas/VideoTask", "#/paths", "x.yaml"])),
)  # fmt: skip


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every step that leads to something in a document."""
    steps = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [found for step in steps for found in ((*above, step), *places(value[step], (*above, step)))]


PLACES = places(DOCUMENT)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """The spec with up to three parts taken away or replaced."""
    document = copy.deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(PLACES))
        target: Any = document
        try:
            for step in way:
                target = target[step]
            if draw(st.booleans()):
                del target[last]
            else:
                target[last] = draw(JUNK)
        except (KeyError, IndexError, TypeError):
            continue
    return document


def pure(spec: Spec) -> None:
    """Everything that a check does with a spec, without a gateway."""
    probes = [*task_probes(IDS, gentle=False, sure=True), *basic_probes(IDS[0], sure=True)]
    probes += full_probes(IDS[0], sure=True, local=True)
    bodies: tuple[Any, ...] = (
        task(),
        {"code": "x", "error": {"message": [1.0]}},
        [task(extra={"a": [None]})],
        {},
        "a",
        None,
    )
    found, exchanges = [], []
    for number, probe in enumerate(probes):
        for status in (200, 400, 401, 418, 503):
            body = json.dumps(bodies[(number + status) % len(bodies)]).encode()
            fields = (("Content-Type", "application/json"), ("Retry-After", "soon"), ("X-Oneapi-Request-Id", "r"))
            exchange = Exchange(probe.request("sk-a"), Response(status, fields, body))
            exchanges.append(exchange)
            found += [*verdict(probe, exchange), *judge(spec, exchange)]
    coverage(spec, exchanges, spec.operations)
    # Playing an answer to the SDK has nothing to do with the spec, and takes its time: one of each rule is enough.
    fold(spec, "http://127.0.0.1", list({breach.rule: breach for breach in found}.values())[:3])
    judge(spec, evolve(exchanges[0], request=Request("GET", "/v1/video/query", "id=a&id=b&x=%ff")))


def refusal(spec: Spec) -> str | None:
    """The complaint of the precheck about a spec that cannot be used, or None."""
    try:
        precheck(spec)
    except ConfigurationError as error:
        return str(error)
    return None


@pytest.mark.deep
@settings(
    max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(documents())
def test_spec_that_passes_the_precheck_can_be_checked_with(document: dict[str, Any]) -> None:
    """A spec with parts removed or replaced is refused by the precheck, or the check works with it."""
    spec = Spec(json.dumps(document), "theirs.json")
    complaint = refusal(spec)
    if complaint is None:
        pure(spec)
    else:
        assert "theirs.json" in complaint
        assert "\n" not in complaint
