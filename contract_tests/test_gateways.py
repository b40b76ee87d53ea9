"""Gateways against the spec in full: the mock one and the one that the environment names keep it, faulty ones do not.

``KKIAI_CONTRACT_URL``, ``KKIAI_API_KEY`` and ``KKIAI_CONTRACT_TASK_IDS`` (ids with commas between them) name a gateway
of yours. Only violations that break clients count for it; a gateway elsewhere is sent five requests a second.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest
from attrs import evolve

from contract_tests.conftest import LIVE_URL
from contract_tests.faulty_gateway import KEY, Mutation, gateway
from contract_tests.wire import TASK_ID, task
from kkiai_sdk.contract import Report, Severity, _fuzz, check
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

MOCK_IDS = ("grok:eee6faa8-9dee-455c-aa82-02ac623adf3a", "veo:scenario-fails", "sora:scenario-signed-url")


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    """The address of a mock gateway that accepts one key."""
    with MockGateway(api_key=KEY, speed=10) as running:
        yield running.base_url


@pytest.fixture(scope="module")
def report(mock: str) -> Report:
    """One full check of the mock gateway."""
    return check(mock, KEY, task_ids=MOCK_IDS, fuzz=True)


def rules(found: Report) -> set[str]:
    """The ids of the rules that were broken."""
    return {finding.rule for finding in found.findings}


@pytest.mark.fault("M-02")
def test_mock_gateway_keeps_the_contract(report: Report) -> None:
    """Nothing is found in a full check of the mock gateway, which is made to its end."""
    assert (report.findings, report.exit_code(Severity.DRIFT)) == ((), 0)


@pytest.mark.skipif(not LIVE_URL, reason="KKIAI_CONTRACT_URL names no gateway")
def test_live_gateway_breaks_no_client() -> None:
    """The gateway that the environment names breaks no client that follows the documentation."""
    ids = [each for each in os.environ.get("KKIAI_CONTRACT_TASK_IDS", "").split(",") if each]
    found = check(LIVE_URL, task_ids=ids, fuzz=True, time_limit=600.0)
    assert (found.failures(), found.exit_code()) == ((), 0)


def test_full_check_sends_many_kinds_of_requests(report: Report) -> None:
    """A full check sends odd methods, credentials and parameters, every nasty id and many generated ones."""
    asked = [exchange.request for exchange in report.exchanges]
    ids = {value for request in asked for name, value in parse_qsl(request.query) if name == "id"}
    assert set(_fuzz.NASTY_IDS) | set(MOCK_IDS) <= ids
    assert len(ids - set(_fuzz.NASTY_IDS)) > 50
    assert len({request.method for request in asked}) > 5
    assert {len(values_of(request.headers, "authorization")) for request in asked} == {0, 1}
    assert any(request.parameter("id") is None for request in asked)
    assert {200, 400, 401, 405} <= {exchange.response.status for exchange in report.exchanges}


def test_full_check_sends_every_id_with_the_key(report: Report) -> None:
    """Every known task is found, and every nasty id is refused as an unknown one, not for want of a key."""
    by_id = {each.request.parameter("id"): each.response for each in reversed(report.exchanges)}
    assert {task_id: by_id[task_id].status for task_id in MOCK_IDS} == dict.fromkeys(MOCK_IDS, 200)
    assert all(b"task_not_exist" in by_id[task_id].body for task_id in _fuzz.NASTY_IDS)


@pytest.mark.deep
def test_seed_decides_the_requests_of_a_full_check(mock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed sends the same requests, and another seed others."""
    monkeypatch.setattr(_fuzz, "MAX_EXAMPLES", 20)
    found = [check(mock, KEY, task_ids=MOCK_IDS, fuzz=True, seed=seed) for seed in (6, 6, 7)]
    first, again, other = ([(each.request.method, each.request.query) for each in one.exchanges] for one in found)
    assert first == again
    assert first != other


def test_repr_of_a_report_shows_no_key(report: Report) -> None:
    """Neither a report nor one of its exchanges shows the key."""
    assert KEY not in repr(report) + "".join(map(repr, report.exchanges))


def test_closed_port_is_not_a_finding() -> None:
    """An address where nothing listens makes the check impossible, and is no violation of the contract."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = check(f"http://127.0.0.1:{port}", KEY, fuzz=True)
    assert (found.exit_code(), found.findings, found.exchanges) == (3, (), ())


def tasks_with(facts: dict[str, object]) -> Mutation:
    """A gateway whose tasks have these fields."""
    return lambda _, reply: reply.but(value=reply.value | facts) if reply.status == 200 else reply


#: Gateways with one fault each, and the rules that a full check finds broken.
FAULTY: dict[str, tuple[Mutation, set[str]]] = {
    "none": (lambda _, reply: reply, set()),
    "a field has no value": (tasks_with({"id": None}), {"response-schema"}),
    "seconds": (tasks_with({"status_update_time": 1_767_603_612}), {"epoch-unit"}),
    "a fraction": (tasks_with({"status_update_time": 1_767_603_612_345.0}), {"integer-fraction"}),
    "no URL": (tasks_with({"status": "completed"}), {"url-missing"}),
    "new word": (tasks_with({"status": "polishing"}), {"status-unknown"}),
    "another field": (tasks_with({"object": "video"}), {"field-undeclared"}),
    "another id": (tasks_with({"id": "7d3c"}), {"other-id"}),
    "another header": (lambda _, reply: reply.but(headers={"X-Powered-By": "steam"}), {"header-undeclared"}),
    "HTML errors": (
        lambda _, reply: reply.but(value=b"<html>", media_type="text/html") if reply.status == 401 else reply,
        {"response-media-type"},
    ),
    "refusals": (
        lambda _, reply: reply.but(value={"code": "bad"}) if b"task_not_exist" in reply.body else reply,
        {"valid-refused", "task-unknown"},
    ),
    "a redirect for bad ids": (
        lambda _, reply: reply.but(status=302, headers={"Location": "/"}) if b"bad_id" in reply.body else reply,
        {"response-status", "negative-data-rejection", "id-missing", "id-too-long"},
    ),
    "an id is not needed": (
        lambda _, reply: reply.but(status=200, value=task()) if b"bad_id" in reply.body else reply,
        {"negative-data-rejection", "other-id", "id-missing", "id-too-long", "ids-mixed"},
    ),
    "any key": (
        lambda request, reply: (
            evolve(reply, status=200, value=task(id=request.parameter("id")), headers={})
            if reply.status == 401
            else reply
        ),
        {"key-missing", "key-wrong", "key-form"},
    ),
    "any method": (
        lambda _, reply: reply.but(status=200, value=task()) if reply.status == 405 else reply,
        {"method-open"},
    ),
    "no Allow": (lambda _, reply: evolve(reply, headers={}) if reply.status == 405 else reply, {"unsupported-method"}),
    "a wrong Allow": (
        lambda _, reply: reply.but(headers={"Allow": "GET, POST"}) if reply.status == 405 else reply,
        {"allow-header-conformance"},
    ),
    "crashes on a byte order mark": (
        lambda request, reply: (
            reply.but(status=500, value={"error": "oops"}) if "%EF%BB%BF" in request.query else reply
        ),
        {"server-error-again"},
    ),
}

#: The faults that odd requests alone bring about. The others show in any response, and the tables of test_rules.py hold
#: every rule about single responses.
SHORT = {"none", "HTML errors", "a redirect for bad ids", "a wrong Allow"}


@pytest.mark.parametrize(
    ("mutation", "expected"),
    [pytest.param(*row, id=name, marks=() if name in SHORT else pytest.mark.deep) for name, row in FAULTY.items()],
)
def test_full_check_finds_a_fault_under_its_rules(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, expected: set[str]
) -> None:
    """One fault is found under the rules that name it, counted in responses; a correct gateway is cleared."""
    monkeypatch.setattr(_fuzz, "MAX_EXAMPLES", 10)
    with gateway(mutation) as base_url:
        found = check(base_url, KEY, task_ids=[TASK_ID], fuzz=True)
    assert (rules(found), found.is_made) == (expected, True)
    assert all(each.count <= len(found.exchanges) for each in found.findings)
