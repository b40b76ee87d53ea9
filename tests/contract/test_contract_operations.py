"""Documents with several operations: which are asked, which count as checked, and requests that may write."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from contract_tests.faulty_gateway import BEARER, KEY, Reply, gateway
from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import Report, Severity, check, html, junit
from kkiai_sdk.contract._findings import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from contract_tests.faulty_gateway import Mutation
    from kkiai_sdk.contract._messages import Request
    from tests.contract.conftest import Ended

SPEC = """\
openapi: 3.1.0
info: {title: clips, version: '1'}
security: [{bearer: []}]
paths:
  /v1/clips:
    get:
      operationId: listClips
      parameters: [{name: limit, in: query, schema: {type: integer, minimum: 1}}]
      responses:
        '200': {description: x, content: {CLIPS: {schema: {type: array, items: {$ref: '#/components/schemas/Clip'}}}}}
        '400': {description: x}
    post:
      operationId: createClip
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Create'}}}}
      responses:
        '201': {description: x, content: {application/json: {schema: {$ref: '#/components/schemas/Clip'}}}}
        '422': {description: x}
  /v1/clips/{clip_id}:
    parameters: [{name: clip_id, in: path, required: true, schema: {type: string}}]
    get:
      operationId: getClip
      responses:
        '200': {description: x, content: {application/json: {schema: {$ref: '#/components/schemas/Clip'}}}}
        '404': {description: x}
    delete:
      operationId: deleteClip
      responses: {'204': {description: x}, '404': {description: x}}
  /v1/models:
    get:
      operationId: listModels
      responses: {'200': {description: x, content: {application/json: {schema: {type: object}}}}}
components:
  securitySchemes: {bearer: {type: http, scheme: bearer}}
  schemas:
    Create: {type: object, required: [prompt], properties: {prompt: {type: string, minLength: 3}}}
    Clip:
      type: object
      required: [id]
      properties: {id: {type: string}, seconds: {type: [integer, 'null']}}
"""
CLIP = {"id": "a", "seconds": 3}
LABELS = ["GET /v1/clips", "POST /v1/clips", "GET /v1/clips/{clip_id}", "DELETE /v1/clips/{clip_id}", "GET /v1/models"]


def limit_is_good(request: Request) -> bool:
    """Whether the query of a list keeps the document."""
    text = request.parameter("limit")
    return text is None or (text.isascii() and text.isdecimal() and int(text) > 0 and request.query.count("limit") == 1)


def body_is_good(request: Request) -> bool:
    """Whether the body that creates a clip keeps the document."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return False
    prompt = body.get("prompt") if isinstance(body, dict) else None
    return isinstance(prompt, str) and len(prompt) > 2


def clips(request: Request, _: Reply) -> Reply:
    """The reply of a gateway that keeps the document."""
    methods = {"/v1/clips": "GET, POST", "/v1/models": "GET"}.get(request.path, "GET, DELETE")
    if request.method not in methods:
        return Reply(405, {"message": "no"}, {"Allow": methods})
    if ("authorization", f"Bearer {KEY}") not in {(name.lower(), value) for name, value in request.headers}:
        return Reply(401, {"message": "no key"}, BEARER)
    if request.path == "/v1/models":
        return Reply(200, {})
    if request.method == "POST":
        return Reply(201, CLIP) if body_is_good(request) else Reply(422, {"message": "no"})
    if request.path == "/v1/clips":
        return Reply(200, [CLIP]) if limit_is_good(request) else Reply(400, {"message": "no"})
    return Reply(204, b"") if request.method == "DELETE" else Reply(200, CLIP)


Check = Callable[..., tuple[Report, Counter[str]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests: a document of the same name and text is read once."""
    return tmp_path_factory.mktemp("documents")


@pytest.fixture
def checked(folder: Path) -> Check:
    """Checks a gateway against the document: the report, and the requests that arrived, by method."""

    def run(change: Mutation = lambda _, reply: reply, media: str = "application/json", **options: Any) -> Any:
        seen: Counter[str] = Counter()

        def answer(request: Request, reply: Reply) -> Reply:
            seen[request.method] += 1
            return change(request, clips(request, reply))

        file = folder / "clips.yaml"
        file.write_text(options.pop("text", SPEC).replace("CLIPS", media), "utf-8")
        with gateway(answer) as base_url:
            return check(base_url, KEY, spec=file, **{"fuzz": False} | options), seen

    return run


def rules(report: Report) -> set[tuple[str, str]]:
    """The rules that were broken, each with its severity."""
    return {(each.rule, str(each.severity)) for each in report.findings}


@pytest.mark.parametrize("fuzz", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_check_without_leave_sends_no_write(checked: Check, *, fuzz: bool) -> None:
    """Without allow_writes no operation that writes is asked; they are named, and the exit code is 3."""
    report, seen = checked(fuzz=fuzz)
    assert (report.findings, report.exit_code()) == ((), 3)
    assert seen.keys() - {"GET", "HEAD"} == ({"POST", "PUT", "PATCH", "DELETE"} if fuzz else set())
    assert [each.name for each in report.operations] == LABELS
    unasked = [each for each in report.operations if each.reason]
    assert [(each.name, each.requests) for each in unasked] == [(LABELS[1], 0), (LABELS[3], 0)]
    assert "--allow-writes" in str(unasked[0].reason)
    assert all(each.successes for each in report.operations if each not in unasked)


@pytest.mark.deep
def test_undeclared_methods_are_sent_to_read_only_paths_without_a_key(checked: Check) -> None:
    """A full check sends other methods only to paths that declare no write, and never with the key."""
    report, _ = checked(fuzz=True)
    sent = [each.request for each in report.exchanges if each.request.method not in {"GET", "HEAD"}]
    assert {each.path for each in sent} == {"/v1/models"}
    assert "authorization" not in {name.lower() for each in sent for name, _ in each.headers}


def test_writes_are_announced_before_they_are_sent(checked: Check) -> None:
    """With allow_writes the number of requests that may change something is said first, and is kept."""
    said: list[tuple[str, int]] = []
    count = 0

    def arrived(_: Request, reply: Reply) -> Reply:
        nonlocal count
        count += 1
        return reply

    report, seen = checked(arrived, allow_writes=True, announce=lambda text: said.append((text, count)))
    assert (report.findings, report.exit_code(Severity.DRIFT)) == ((), 0)
    ((text, before),) = said
    assert before == 0
    assert text.startswith(
        f"sending {seen.total() - seen['GET'] - seen['HEAD']} requests that may create, change or delete"
    )


@pytest.mark.parametrize("only", [["listClips", "getClip"], ["GET /v1/clips", "GET /v1/clips/{clip_id}"]])
def test_scope_that_is_named_makes_the_check_complete(checked: Check, only: list[str]) -> None:
    """With ``only`` the other operations are neither asked nor missed, and are listed as left out."""
    report, seen = checked(only=only)
    assert (report.exit_code(), set(seen)) == (0, {"GET"})
    assert [each.name for each in report.operations if not each.is_in_scope] == [LABELS[1], *LABELS[3:]]


def test_scope_of_unknown_name_is_refused(checked: Check) -> None:
    """A name that the document does not have is refused with the names that it has."""
    with pytest.raises(ConfigurationError, match=r"--only must be one of GET /v1/clips.*, not 'nothing'"):
        checked(only=["nothing"])


def test_path_that_never_succeeds_is_not_checked(checked: Check) -> None:
    """A declared 404 for every id is no success: the operation was not checked, and the exit code is 3."""
    gone: Mutation = lambda q, r: Reply(404, {"message": "no"}) if q.path.startswith("/v1/clips/") else r  # noqa: E731
    report, _ = checked(gone, only=["getClip"])
    assert (report.findings, report.exit_code()) == ((), 3)
    assert report.verdict().endswith("it never succeeded (404); pass an id that the gateway knows with --task-id.")


def test_junit_and_html_list_operations_that_were_not_asked(checked: Check) -> None:
    """JUnit has a case for every operation, skipped with the reason, and HTML a row."""
    report, _ = checked()
    cases = {case.get("name"): case.find("skipped") for case in ET.fromstring(junit(report)).iter("testcase")}
    assert {label: cases[f"operation {label}"] is not None for label in LABELS} == {
        label: label.startswith(("POST", "DELETE")) for label in LABELS
    }
    page = html(report)
    assert "<code>POST /v1/clips</code></th>" in page
    assert "not requested; it may create, change or delete something; pass --allow-writes to include it" in page


def test_text_lists_operations_that_were_not_asked(
    kkiai: Callable[..., Ended], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says which operations were not asked, and why; with --allow-writes, how many requests may write."""
    monkeypatch.setenv("KKIAI_API_KEY", KEY)
    file = folder / "clips.yaml"
    file.write_text(SPEC.replace("CLIPS", "application/json"), "utf-8")
    with gateway(clips) as base_url:
        words = ("--base-url", base_url, "--spec", str(file), "--no-fuzz")
        ended, writing = kkiai(*words), kkiai(*words, "--allow-writes")
    assert (ended.code, writing.code) == (3, 0)
    assert "POST /v1/clips: not requested; it may create, change or delete something" in ended.out
    assert "requests that may create, change or delete something" in writing.err


#: Defects of a gateway, what is asked of it, and the rule that finds each.
DEFECTS: dict[str, tuple[Mutation, dict[str, Any], str]] = {
    "a field of a list": (lambda _, r: r.but(value=[{"id": 7}]) if r.value == [CLIP] else r, {}, "response-schema"),
    "a page for a list": (lambda _, r: r.but(value=b"<p>") if r.value == [CLIP] else r, {}, "response-body"),
    "an undeclared 404": (lambda q, r: r.but(status=404) if q.path == "/v1/models" else r, {}, "response-status"),
    "200 for 201": (
        lambda _, r: r.but(status=200) if r.status == 201 else r,
        {"allow_writes": True},
        "response-status",
    ),
    "a write without a key": (
        lambda q, r: Reply(201, CLIP) if q.method == "POST" and r.status == 401 else r,
        {"allow_writes": True},
        "key-missing",
    ),
    "a bad body is taken": (
        lambda _, r: Reply(201, CLIP) if r.status == 422 else r,
        {"allow_writes": True},
        "bad-body",
    ),
    "a write that crashes": (
        lambda _, r: r.but(status=500) if r.status == 204 else r,
        {"allow_writes": True},
        "server-error-again",
    ),
}


@pytest.mark.parametrize(("change", "options", "rule"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defect_of_another_operation_is_breaking(
    checked: Check, change: Mutation, options: dict[str, Any], rule: str
) -> None:
    """A defect of an operation besides the query is found under its rule, at a line of that operation."""
    report, _ = checked(change, **options)
    assert (rule, "breaking") in rules(report)
    assert report.exit_code() == 1
    assert all(
        each.line > 4 and each.sdk == "is not affected: only queries are replayed to it" for each in report.findings
    )


def test_undeclared_refusal_of_a_bad_request_is_drift(checked: Check) -> None:
    """If a document declares refusals, an undeclared one is drift, unless HTTP itself defines its status."""
    statuses: dict[int, Report] = {}
    for status in (400, 415):
        statuses[status], _ = checked(
            lambda _, r, status=status: r.but(status=status) if r.status == 422 else r, allow_writes=True
        )
    assert rules(statuses[400]) == {("refusal-undeclared", "drift")}
    assert [each.exit_code(level) for each in statuses.values() for level in (Severity.BREAKING, Severity.DRIFT)] == [
        *(0, 1),
        *(0, 0),
    ]


@pytest.mark.parametrize("media", ["application/*", "'*/*'", "'application/json; charset=utf-8'"])
def test_media_range_is_a_declared_type(checked: Check, media: str) -> None:
    """A range, or a type with parameters, declares the media type; the schema below it holds."""
    report, _ = checked(media=media, only=["listClips"])
    assert (report.findings, report.exit_code(Severity.DRIFT)) == ((), 0)
    broken, _ = checked(lambda _, r: r.but(value=[{}]) if r.value == [CLIP] else r, media=media, only=["listClips"])
    assert rules(broken) == {("response-schema", "breaking")}


def test_openapi_30_is_read_as_it_means(checked: Check) -> None:
    """In OpenAPI 3.0, ``nullable`` allows null and a true ``exclusiveMinimum`` excludes the minimum."""
    text = SPEC.replace("3.1.0", "3.0.3").replace(
        "{type: [integer, 'null']}", "{type: integer, minimum: 3, exclusiveMinimum: true, nullable: true}"
    )
    for seconds, found in ((4, set()), (None, set()), (3, {("response-schema", "breaking")})):
        report, _ = checked(
            lambda _, r, s=seconds: r.but(value=[CLIP | {"seconds": s}]) if r.value == [CLIP] else r,
            text=text,
            only=["listClips"],
        )
        assert rules(report) == found


@pytest.mark.deep
def test_odd_media_type_of_a_read_is_no_finding(checked: Check) -> None:
    """A GET with an odd Content-Type may be answered or refused."""
    odd: Mutation = lambda q, r: (  # noqa: E731
        Reply(415, {"message": "no"}) if any(name.lower() == "content-type" for name, _ in q.headers) else r
    )
    assert checked(odd, only=["listModels", "listClips"], fuzz=True)[0].findings == ()
    assert checked(only=["listModels", "listClips"], fuzz=True)[0].findings == ()


def test_challenge_of_a_401_is_never_undeclared(checked: Check) -> None:
    """WWW-Authenticate belongs to every 401, whether the document declares it or not."""
    report, _ = checked(allow_writes=True)
    assert 401 in {each.response.status for each in report.exchanges}
    assert report.findings == ()


@pytest.mark.parametrize("text", ["plain", "it's", 'a"b', "$HOME `id`", "x" * 300])
def test_curl_command_runs_when_pasted(text: str) -> None:
    """The shell gives curl the key and every other word as it is, and each line fits a screen."""
    from kkiai_sdk.contract._findings import curl_of  # noqa: PLC0415
    from kkiai_sdk.contract._messages import Request as Sent  # noqa: PLC0415

    request = Sent("POST", "/v1/clips", f"id={'é' * 3}{'a' * 300}", (("X-A", f"{text} $KKIAI_API_KEY"),), b'{"a": 1}')
    command = curl_of("http://127.0.0.1", request)
    lines = Finding("r", Severity.DRIFT, "d", "f", 1, "", "e", "g", "0", curl=command).curl_lines
    show = f"curl() {{ {shlex.quote(sys.executable)} -c 'import sys; print(sys.argv[1:])' \"$@\"; }}"
    script = "\n".join([show, *lines])
    done = subprocess.run(
        ["sh", "-c", script], env={"KKIAI_API_KEY": "sk-x"}, capture_output=True, text=True, check=True
    )
    assert f"X-A: {text} sk-x" in done.stdout or repr(f"X-A: {text} sk-x") in done.stdout
    assert "a" * 300 in done.stdout
    assert '{"a": 1}' in done.stdout
    assert max(map(len, lines)) < 100 or len(text) == 300
