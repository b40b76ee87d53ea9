"""The mock gateway's scripts against the rules: the rules that each habit of gateways breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from attrs import frozen

from kkiai_sdk.contract._messages import Exchange, Request, Response
from kkiai_sdk.contract._rules import judge
from kkiai_sdk.mock import MockGateway, scenarios
from tests.support.clock import FakeTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._spec import Spec

#: The scripts of the mock gateway that break rules, and which. All others break none.
ROWS: tuple[tuple[Iterable[str], set[str]], ...] = (
    (["seconds"], {"epoch-unit"}),
    (["bare-id", "other-id"], {"other-id"}),
    (["no-url", "late-url"], {"url-missing"}),
    ([name for name in scenarios() if name.startswith("other-url")], {"url-missing", "field-undeclared"}),
    (["odd-case", "new-status", "unknown-status"], {"status-unknown"}),
    (["expires", "error-text-on-success"], {"field-undeclared"}),
    (["minimal", "missing-status", "relative-url", "spaced-url"], {"response-schema"}),
    (["forms-markdown", "forms-quoted", "forms-no-scheme", "forms-number"], {"response-schema"}),
    (["forms-object"], {"response-schema", "url-missing"}),
    (["forms-entity"], {"response-schema", "url-scheme"}),
    (["forms-chinese", "forms-negation"], {"response-schema", "status-unknown"}),
    (["forms-fails"], {"response-schema", "status-unknown", "field-undeclared"}),
    (
        ["forms-state", "forms-operation", "forms-envelopes", "forms-fails-inside", "forms-large"],
        {"response-schema", "field-undeclared"},
    ),
    (
        ["forms-list", "forms-camel-case", "forms-json-text", "forms-several", "forms-decoys"],
        {"response-schema", "url-missing", "field-undeclared"},
    ),
    (["wrapped", "wrapped-fails", "wrapped-null", "task-id", "error-200"], {"response-schema", "field-undeclared"}),
    (["file-data-url"], {"url-scheme"}),
    (["empty-200", "not-json-200"], {"response-body"}),
    (["html-200"], {"response-media-type"}),
    (["html-502"], {"response-media-type", "server-error"}),
    (["flaky", *(name for name in scenarios() if name.startswith("http-5"))], {"server-error"}),
    (["http-400"], {"valid-refused"}),
    (["http-408", "http-409", "http-422", "http-425"], {"response-status"}),
    (["hiccup-400", "hiccup-upstream"], {"valid-refused"}),
    (["hiccup-404", "hiccup-challenge", "hiccup-maintenance"], {"response-media-type"}),
    (["hiccup-empty-200", "hiccup-empty-200-stays"], {"response-body"}),
    (["hiccup-rate-limit", "hiccup-server-error", "hiccup-overloaded"], {"response-schema"}),
    (
        ["hiccup-code-429", "hiccup-code-500", "hiccup-code-502", "hiccup-busy", "hiccup-busy-chinese"],
        {"field-undeclared", "response-schema"},
    ),
)
HABITS = {name: rules for names, rules in ROWS for name in names}


@frozen
class Scripted:
    """A running mock gateway whose clock the test moves."""

    time: FakeTime
    http: httpx.Client

    def ask(self, task_id: str) -> Exchange:
        """One query."""
        headers = {"Authorization": "Bearer k", "Accept": "application/json"}
        response = self.http.get("/v1/video/query", params={"id": task_id}, headers=headers)
        sent = Request.to("GET", str(response.request.url), response.request.headers.multi_items())
        return Exchange(sent, Response(response.status_code, tuple(response.headers.multi_items()), response.content))


@pytest.fixture(scope="module")
def scripted() -> Iterator[Scripted]:
    """A mock gateway; its seconds are thousandths of the clock's, so that no answer keeps the test waiting."""
    time = FakeTime()
    with (
        MockGateway(clock=time.monotonic, speed=1000) as running,
        httpx.Client(base_url=running.base_url, trust_env=False) as http,
    ):
        yield Scripted(time, http)


@pytest.mark.parametrize("name", scenarios())
def test_scripted_habit_breaks_its_rules_alone(spec: Spec, scripted: Scripted, name: str) -> None:
    """Each script of the mock gateway, from beginning to end, breaks the rules of the table and no other."""
    found = set()
    for _ in range(6):
        found |= {violation.rule.id for violation in judge(spec, scripted.ask(f"grok:scenario-{name}"))}
        scripted.time.advance(0.0033)
    assert found == HABITS.get(name, set())


def test_every_row_is_a_script_of_the_mock() -> None:
    """Every row is a script of the mock gateway."""
    assert HABITS.keys() <= scenarios().keys()
