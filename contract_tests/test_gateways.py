"""Gateways against the spec: the mock one, and the one that the environment names, keep it; crooked ones are caught.

``KKIAI_CONTRACT_URL``, ``KKIAI_API_KEY`` and ``KKIAI_CONTRACT_TASK_IDS`` (ids with commas between them) name a gateway
of yours. It is held to what breaks clients; one that is not on this machine is asked five times a second at most.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from attrs import evolve

from contract_tests.conftest import LIVE_URL, LOOPBACK
from contract_tests.faulty_gateway import KEY, Mutation, gateway
from contract_tests.wire import TASK_ID, task
from kkiai_sdk.contract._fuzz import NASTY_IDS, Outcome, Target, run
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.contract._rules import Severity
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._spec import Spec

MOCK_IDS = ("grok:eee6faa8-9dee-455c-aa82-02ac623adf3a", "veo:scenario-fails", "sora:scenario-late-url")


@pytest.fixture(scope="module")
def mock() -> Iterator[Target]:
    """The mock gateway, with one key that it accepts."""
    with MockGateway(api_key="sk-good", speed=10) as running:
        yield Target(running.base_url, "sk-good", MOCK_IDS)


def live() -> Target:
    """The gateway that the environment names."""
    ids = [each for each in os.environ.get("KKIAI_CONTRACT_TASK_IDS", "").split(",") if each]
    rate = None if urlsplit(LIVE_URL).hostname in LOOPBACK else "5/s"
    return Target(LIVE_URL.rstrip("/").removesuffix("/v1"), os.environ["KKIAI_API_KEY"], tuple(ids), rate)


@pytest.fixture(scope="module")
def outcome(spec: Spec, mock: Target) -> Outcome:
    """One run against the mock gateway."""
    return run(spec, mock)


@pytest.mark.parametrize("name", ["mock", *(["live"] if LIVE_URL else [])])
@pytest.mark.fault("M-02")
def test_the_gateway_keeps_the_contract(spec: Spec, outcome: Outcome, name: str) -> None:
    """Nothing is found: on the mock gateway nothing at all, on another one nothing that breaks clients."""
    found = outcome if name == "mock" else run(spec, live())
    severities = tuple(Severity) if name == "mock" else (Severity.BREAKING,)
    assert (found.errors, found.at_least(*severities)) == ((), [])


def test_a_run_is_wide(outcome: Outcome) -> None:
    """A run sends what could go wrong: odd methods, keys and parameters, every nasty id, many made-up ones."""
    asked = [exchange.request for exchange in outcome.exchanges]
    ids = {value for request in asked for name, value in parse_qsl(request.query) if name == "id"}
    assert outcome.phases.keys() == {"ids", "examples", "coverage", "fuzzing"}
    assert set(NASTY_IDS) | set(MOCK_IDS) <= ids
    assert len(ids - set(NASTY_IDS)) > 50
    assert len({request.method for request in asked}) > 5
    assert {len(values_of(request.headers, "authorization")) for request in asked} == {0, 1}
    assert any(request.parameter("id") is None for request in asked)
    assert {200, 400, 401, 405} <= {exchange.response.status for exchange in outcome.exchanges}


def test_a_run_asks_for_every_id_with_the_key(outcome: Outcome) -> None:
    """Every known task is found by a run, and every nasty id is refused as an unknown one, not for want of a key."""
    answers = {each.request.parameter("id"): each.response for each in outcome.exchanges[: outcome.phases["ids"]]}
    assert {task_id: answers[task_id].status for task_id in MOCK_IDS} == dict.fromkeys(MOCK_IDS, 200)
    assert all(b"task_not_exist" in answers[task_id].body for task_id in NASTY_IDS)


@pytest.mark.deep
def test_a_run_is_decided_by_its_seed(spec: Spec, mock: Target) -> None:
    """The same seed sends the same requests, and another seed others."""
    first, again, other = (
        [(each.request.method, each.request.path, each.request.query) for each in outcome.exchanges]
        for outcome in (run(spec, mock, seed=seed, max_examples=20) for seed in (6, 6, 7))
    )
    assert first == again
    assert first != other


def test_a_key_is_not_shown(mock: Target, outcome: Outcome) -> None:
    """Neither a target nor an outcome shows the key."""
    assert "sk-good" not in repr(mock) + repr(outcome) + "".join(map(repr, outcome.exchanges))


def test_a_gateway_that_is_not_there_is_no_finding(spec: Spec) -> None:
    """Where nothing answers, the check could not be made; that is not a breach of contract."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = run(spec, Target(f"http://127.0.0.1:{port}", "sk-good"), max_examples=1)
    assert outcome.errors
    assert (outcome.findings, outcome.exchanges) == ((), ())


def test_any_key_is_too_many(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that accepts every key breaks the contract."""
    with MockGateway(speed=10) as running:
        monkeypatch.setattr(running._app, "_is_accepted", lambda _key: True)  # noqa: SLF001 (the mock has no such fault)
        outcome = run(spec, Target(running.base_url, running.api_key, MOCK_IDS), max_examples=5)
    assert {finding.rule.id for finding in outcome.findings} == {"ignored-auth"}


def good(facts: dict[str, object]) -> Mutation:
    """Other fields in every task."""
    return lambda _, reply: reply.but(value=reply.value | facts) if reply.status == 200 else reply


CROOKED: dict[str, tuple[Mutation, set[str]]] = {
    "honest": (lambda _, reply: reply, set()),
    "a field has no value": (good({"id": None}), {"response-schema"}),
    "seconds": (good({"status_update_time": 1_767_603_612}), {"epoch-unit"}),
    "a fraction": (good({"status_update_time": 1_767_603_612_345.0}), {"integer-fraction"}),
    "no URL": (good({"status": "completed"}), {"url-missing"}),
    "new word": (good({"status": "polishing"}), {"status-unknown"}),
    "another field": (good({"object": "video"}), {"field-undeclared"}),
    "another id": (good({"id": "7d3c"}), {"other-id"}),
    "another header": (lambda _, reply: reply.but(headers={"X-Powered-By": "steam"}), {"header-undeclared"}),
    "HTML errors": (
        lambda _, reply: reply.but(value=b"<html>", media_type="text/html") if reply.status == 401 else reply,
        {"response-media-type", "content-type-conformance"},
    ),
    "refusals": (
        lambda _, reply: reply.but(value={"code": "bad"}) if b"task_not_exist" in reply.body else reply,
        {"valid-refused"},
    ),
    "a redirect": (
        lambda _, reply: reply.but(status=302, headers={"Location": "/v1/video/query?id=x"}),
        {"response-status", "status-code-conformance", "unsupported-method"}
        | {"negative-data-rejection", "positive-data-acceptance"},
    ),
    "an id is not needed": (
        lambda request, reply: reply.but(status=200, value=task()) if "bad_id" in str(reply.value) else reply,
        {"negative-data-rejection", "other-id"},
    ),
    "any method": (
        lambda _, reply: reply.but(status=200, value=task()) if reply.status == 405 else reply,
        {"unsupported-method"},
    ),
    "no Allow": (
        lambda _, reply: evolve(reply, headers={}) if reply.status == 405 else reply,
        {"unsupported-method"},
    ),
    "a wrong Allow": (
        lambda _, reply: reply.but(headers={"Allow": "GET, POST"}) if reply.status == 405 else reply,
        {"allow-header-conformance"},
    ),
    "crashes on a byte order mark": (
        lambda request, reply: (
            reply.but(status=500, value={"error": "oops"}) if "%EF%BB%BF" in request.query else reply
        ),
        {"server-error"},
    ),
}


#: The crooked gateways whose rules are schemathesis' or are about the odd requests that it makes up. What the others do
#: wrong can be seen in any answer, and is looked for in every answer of the tables of test_rules.py.
BY_SCHEMATHESIS = {
    *("honest", "HTML errors", "a redirect", "a wrong Allow"),
}


@pytest.mark.parametrize(
    ("crook", "rules"),
    [
        pytest.param(*row, id=name, marks=() if name in BY_SCHEMATHESIS else pytest.mark.deep)
        for name, row in CROOKED.items()
    ],
)
def test_a_crooked_gateway_is_caught(spec: Spec, crook: Mutation, rules: set[str]) -> None:
    """One thing done wrong is found under the rules that speak of it; the honest gateway is cleared."""
    with gateway(crook) as base_url:
        outcome = run(spec, Target(base_url, KEY, (TASK_ID,)), max_examples=10)
    assert outcome.errors == ()
    assert {finding.rule.id for finding in outcome.findings} == rules
