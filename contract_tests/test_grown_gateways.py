"""Gateways of the documents of APIs as they grow, checked: honest ones pass, each seeded defect is found."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from contract_tests.schema_server import Operation, operations_of, serve
from contract_tests.test_grown import DOCUMENTS, GROWN
from kkiai_sdk.contract import check
from kkiai_sdk.contract._messages import Request
from kkiai_sdk.contract._operations import GENTLE_OPERATIONS, fits_a_form
from kkiai_sdk.contract._spec import Spec
from tests.support.wire import http

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kkiai_sdk.contract import Report
    from tests.support.rawserver import RawReply

KEY = "sk-test-0123456789abcdef"
#: The document that is checked in every run of the tests; the others take a second each.
QUICK = "videos.yaml"


def each_marked(names: Sequence[str]) -> list[Any]:
    """The documents as parameters; all but one are for the long run."""
    return [pytest.param(name, marks=[] if name == QUICK else [pytest.mark.deep]) for name in names]


def labels(found: Sequence[Operation]) -> list[str]:
    """The operations as reports name them."""
    return [f"{each.method.upper()} {each.path}" for each in found]


def checked(url: str, document: str, only: Sequence[str] = (), *, writes: bool = True) -> Report:
    """The check of a gateway by a few requests."""
    return check(url, KEY, task_ids=["grok:a"], spec=GROWN / document, fuzz=False, allow_writes=writes, only=only)


def json_object(operation: Operation) -> dict[str, Any] | None:
    """The success of an operation, if it is a JSON object."""
    value = operation.response[2]
    return value if isinstance(value, dict) and value else None


def with_body(reply: RawReply, value: Any) -> RawReply:
    """A reply with another body."""
    media_type = next(line for line in reply.head.decode().split("\r\n") if line.startswith("Content-Type"))
    return http(int(reply.head.split()[1]), json.dumps(value).encode(), ("Content-Type", media_type.partition(": ")[2]))


def without_fields(operation: Operation, reply: RawReply) -> RawReply:
    """An object that has lost its fields."""
    return with_body(reply, {}) if json_object(operation) else reply


def of_other_types(operation: Operation, reply: RawReply) -> RawReply:
    """An object whose fields have values of no type that is declared."""
    value = json_object(operation)
    return with_body(reply, {name: [[None]] for name in value}) if value else reply


def not_an_object(operation: Operation, reply: RawReply) -> RawReply:
    """Another type in place of an object."""
    return with_body(reply, ["junk"]) if json_object(operation) else reply


def truncated(operation: Operation, reply: RawReply) -> RawReply:
    """Half of the JSON."""
    assert isinstance(reply.body, bytes)
    half = reply.body[: len(reply.body) // 2]
    head = reply.head.replace(b"Content-Length: %d" % len(reply.body), b"Content-Length: %d" % len(half))
    return replace(reply, head=head, body=half) if json_object(operation) else reply


def of_another_media_type(operation: Operation, reply: RawReply) -> RawReply:
    """A web page in place of the declared media type."""
    page = http(200, b"<html>Welcome</html>", ("Content-Type", "text/html"))
    return page if json_object(operation) else reply


def crashing(_operation: Operation, _reply: RawReply) -> RawReply:
    """A crash for each request."""
    return http(500, b"Internal Server Error", ("Content-Type", "text/plain"))


#: Defects of the bodies of JSON objects, and one of every operation.
DEFECTS = (without_fields, of_other_types, not_an_object, truncated, of_another_media_type, crashing)


def has_defect(document: str, defect: Callable[..., RawReply]) -> bool:
    """Whether a defect changes an answer of a document so that the document forbids it."""
    found = operations_of(GROWN / document)
    return any(defect(each, each.act()) != each.act() for each in found)


@pytest.mark.parametrize("document", each_marked(DOCUMENTS))
def test_honest_gateway_of_a_grown_document_passes(document: str) -> None:
    """A gateway that keeps a document has no finding, and each operation has been asked."""
    found = operations_of(GROWN / document)
    names = labels(found)
    with serve(found) as server:
        for start in range(0, len(names), GENTLE_OPERATIONS):
            report = checked(server.url, document, names[start : start + GENTLE_OPERATIONS])
            assert ([each.rule for each in report.findings], report.unchecked) == ([], {})
            assert report.exit_code() == 0


#: Documents with keys, or lists in one value, that the server does not read.
UNREAD = {"parameters.yaml", "security.yaml", "unions.yaml"}


@pytest.mark.deep
@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name not in UNREAD])
def test_honest_gateway_of_a_grown_document_passes_a_full_check(document: str) -> None:
    """Generated requests find nothing in a gateway that keeps a document, parameters included."""
    with serve(operations_of(GROWN / document)) as server:
        report = check(server.url, KEY, task_ids=["grok:a"], spec=GROWN / document, fuzz=True, allow_writes=True)
    assert ([each.rule for each in report.findings], report.exit_code()) == ([], 0)


SEEDED = [(name, defect) for name in DOCUMENTS for defect in DEFECTS if has_defect(name, defect)]


@pytest.mark.parametrize(
    ("document", "defect"),
    [pytest.param(*each, marks=[] if each[0] == QUICK else [pytest.mark.deep]) for each in SEEDED],
    ids=[f"{name}-{defect.__name__}" for name, defect in SEEDED],
)
def test_defect_of_a_grown_gateway_is_found(document: str, defect: Callable[..., RawReply]) -> None:
    """A gateway with a defect has a finding, and the exit code says so."""
    found = operations_of(GROWN / document)
    with serve(found, defect) as server:
        report = checked(server.url, document)
        assert report.findings
        assert report.exit_code() == 1


@pytest.mark.parametrize("document", each_marked(DOCUMENTS))
def test_missing_path_of_a_grown_gateway_is_no_pass(document: str) -> None:
    """A gateway that answers a documented path with 404 does not pass, also where 404 is declared."""
    found = operations_of(GROWN / document)
    with serve(found[1:]) as server:
        report = checked(server.url, document, labels(found[:1]))
        assert report.exit_code() in {1, 3}
        assert report.findings or labels(found[:1])[0] in report.unchecked


@pytest.mark.parametrize("document", each_marked(DOCUMENTS))
def test_grown_gateway_that_was_not_asked_in_full_is_no_pass(document: str) -> None:
    """Without the word for writes none is sent with the key; what was not asked is listed, and the exit code is 3."""
    found = operations_of(GROWN / document)
    writing = {name for name in labels(found) if not name.startswith(("GET ", "HEAD "))}
    with serve(found) as server:
        report = checked(server.url, document, writes=False)
        assert writing <= report.unchecked.keys()
        assert bool(report.unchecked) is (bool(writing) or len(found) > GENTLE_OPERATIONS)
        assert report.exit_code() == (3 if report.unchecked else 0)
        assert not any(each.method not in {"GET", "HEAD"} and each.header("authorization") for each in server.requests)


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"type": "task.started", "at": 1}, True),
        ({"type": "task.started", "at": "soon"}, False),
        ({"type": "task.started"}, False),
        ([], False),
    ],
    ids=str,
)
def test_body_that_fits_several_forms_is_not_taken_for_a_bad_one(body: object, *, fits: bool) -> None:
    """A gateway may accept what fits two forms of a ``oneOf`` that the document does not distinguish."""
    spec = Spec((GROWN / "unions.yaml").read_text("utf-8"))
    operation = spec.operation("POST", "/everything")
    assert operation is not None
    headers = [("Content-Type", "application/json")]
    request = Request.to("POST", "http://gateway/everything", headers, json.dumps(body).encode())
    assert fits_a_form(spec, operation, request) is fits
