"""No false verdicts: gateways that are busy, in trouble, slow or below a path, and the environment of a check."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from contract_tests.faulty_gateway import KEY as GATEWAY_KEY
from contract_tests.faulty_gateway import Reply, gateway
from contract_tests.mutants.gateways import DEFECTS, IDS, serve
from kkiai_sdk.contract import _http_runner, check, html, junit, sarif
from kkiai_sdk.contract._messages import values_of
from tests.contract.conftest import gentle_check

if TYPE_CHECKING:
    from pathlib import Path

    from contract_tests.faulty_gateway import Mutation
    from kkiai_sdk.contract import Report
    from kkiai_sdk.contract._messages import Request

BUSY = Reply(429, {"error": "slow down"}, {"Retry-After": "0"})


def rules(report: Report) -> set[str]:
    """The ids of the rules that were broken."""
    return {finding.rule for finding in report.findings}


def first(count: int, reply: Reply, fits: Any = lambda _request, reply: reply.status == 200) -> Mutation:
    """The first answers that fit, for each query, are another."""
    seen: Counter[str] = Counter()

    def mutation(request: Request, correct: Reply) -> Reply:
        if not fits(request, correct):
            return correct
        seen[request.query] += 1
        return reply if seen[request.query] <= count else correct

    return mutation


@pytest.mark.parametrize("count", [1, 2])
def test_throttled_request_is_repeated_and_then_counts(count: int) -> None:
    """A question that was answered 429 is asked again; what is said then counts."""
    report = gentle_check(first(count, BUSY), task_ids=IDS[2:3])
    assert (report.exit_code(), report.findings) == (0, ())
    statuses = [each.response.status for each in report.exchanges]
    assert statuses[: count + 1] == [429] * count + [200]
    assert len(statuses) <= 12


def test_rule_that_is_always_throttled_is_not_checked() -> None:
    """A rule whose question is always answered 429 was not checked: exit code 3, and the reports say which rule."""
    no_key: Any = lambda request, _: not values_of(request.headers, "authorization")  # noqa: E731
    report = gentle_check(first(99, BUSY, no_key), task_ids=IDS[2:3])
    assert (report.exit_code(), report.findings, list(report.unchecked)) == (3, (), ["key-missing"])
    assert "key-missing was not checked" in report.verdict()
    suite = ET.fromstring(junit(report)).find("testsuite")
    assert suite is not None
    assert [suite.get(name) for name in ("errors", "failures", "skipped")] == ["1", "0", "1"]
    assert '"executionSuccessful": false' in sarif(report)
    assert "key-missing was not checked" in html(report)


@pytest.mark.parametrize("count", range(1, 9))
def test_repeats_count_among_the_twelve_requests(count: int) -> None:
    """However many ids there are and however busy the gateway is, a gentle check makes at most 12 requests."""
    report = gentle_check(first(99, BUSY, lambda *_: True), task_ids=[f"grok:{number}" for number in range(count)])
    assert len(report.exchanges) <= 12
    assert report.exit_code() == 3


def test_defect_is_found_although_others_are_throttled() -> None:
    """A violation counts although other requests were not answered."""
    mutation = first(99, BUSY, lambda _, reply: reply.status == 401)
    report = gentle_check(lambda q, r: mutation(q, r.but(value=r.value | {"id": 7}) if r.status == 200 else r))
    assert (report.exit_code(), rules(report)) == (1, {"response-schema"})
    assert "is incomplete" in report.verdict()


def test_retry_after_beyond_the_limit_is_not_waited_for() -> None:
    """A gateway that asks for an hour is not asked again."""
    report = gentle_check(first(99, BUSY.but(headers={"Retry-After": "3600"}), lambda *_: True), task_ids=IDS[:1])
    assert (report.exit_code(), len(report.exchanges), report.cut) == (3, 7, None)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(402, {"code": "insufficient_quota", "message": "no credit"}),
        Reply(429, {"error": {"code": "insufficient_user_quota", "message": "no credit"}}, {"Retry-After": "0"}),
    ],
    ids=["402", "429"],
)
def test_account_without_credit_makes_the_check_impossible(reply: Reply) -> None:
    """Without credit nothing is known of the gateway, and asking again does not help."""
    mutation: Mutation = lambda _, correct: correct if correct.status == 401 else reply  # noqa: E731
    report = gentle_check(mutation, task_ids=IDS[:1])
    assert (report.exit_code(), report.findings, len(report.exchanges)) == (3, (), 7)
    assert "out of quota" in (report.problem or "")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("fuzz", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_gateway_in_trouble_makes_the_check_impossible(
    monkeypatch: pytest.MonkeyPatch, status: int, *, fuzz: bool
) -> None:
    """When every request with the key is answered 5XX, the check could not be made, and nothing is generated."""
    monkeypatch.setattr("kkiai_sdk.contract._http_runner.pause_after", lambda _: 0.0)
    trouble = Reply(status, {"error": "down"})
    report = gentle_check(lambda _, reply: reply if reply.status == 401 else trouble, fuzz=fuzz)
    assert (report.exit_code(), rules(report)) == (3, {"server-error"})
    assert f"with {status}" in (report.problem or "")
    assert len(report.exchanges) < 16


def test_server_error_that_passes_is_an_advice() -> None:
    """A 5XX that is gone when the question is repeated is advice."""
    report = gentle_check(first(1, Reply(503, {"error": "down"}, {"Retry-After": "0"})), task_ids=IDS[2:3])
    assert (report.exit_code(), rules(report)) == (0, {"server-error"})


class _Slow:
    """A gateway that leaves some queries for known tasks without an answer."""

    def __init__(self, count: int) -> None:
        self.left, self.ended = count, threading.Event()

    def __call__(self, _: Request, reply: Reply) -> Reply:
        if reply.status == 200 and self.left:
            self.left -= 1
            self.ended.wait(30)
        return reply


@pytest.mark.parametrize(("count", "found", "code"), [(1, set(), 0), (2, {"answer-broken"}, 1)])
def test_missing_response_is_repeated_before_it_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, count: int, found: set[str], code: int
) -> None:
    """A question without an answer is asked again, and is a finding if there is none then."""
    monkeypatch.setattr("kkiai_sdk.contract._http_runner.pause_after", lambda _: 0.0)
    silent = first(count, Reply(0, None), lambda request, _: "no-such-task" in request.query)
    report = gentle_check(silent, task_ids=IDS[2:3])
    assert (report.exit_code(), rules(report)) == (code, found)
    assert any("when it was repeated" in note for note in report.notes) == (not found)


def test_silent_gateway_makes_the_check_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no answer ever comes, the check could not be made."""
    monkeypatch.setattr(_http_runner, "REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr("kkiai_sdk.contract._http_runner.pause_after", lambda _: 0.0)
    slow = _Slow(99)
    with gateway(serve(slow)) as base_url:
        try:
            report = check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=False)
        finally:
            slow.ended.set()
    assert (report.exit_code(), report.findings) == (3, ())
    assert "cannot be reached" in (report.problem or "")


@pytest.mark.parametrize("fuzz", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_check_that_is_cut_never_succeeds(monkeypatch: pytest.MonkeyPatch, *, fuzz: bool) -> None:
    """At the time limit the exit code is 3 unless a breach was found: what was not asked was not checked."""
    reached, waiting = threading.Event(), threading.Event()
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (10_000 if reached.is_set() else 0))
    monkeypatch.setattr("kkiai_sdk.contract._check.time", clock)

    def slow(request: Request, reply: Reply) -> Reply:
        if ("%2500" if fuzz else "no-such-task") in request.query:
            reached.set()
            waiting.wait(20)
        return reply

    with gateway(serve(slow)) as base_url:
        try:
            report = check(base_url, GATEWAY_KEY, task_ids=IDS[2:3], fuzz=fuzz, time_limit=5000)
        finally:
            waiting.set()
    assert (report.exit_code(), report.findings, report.is_basic_done) == (3, (), fuzz)
    assert "the time limit was reached" in report.verdict()


@pytest.mark.parametrize("fuzz", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_password_of_netrc_is_never_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, fuzz: bool) -> None:
    """The key that was given is the one that is sent; ``.netrc`` is not read, and is back in place afterwards."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login somebody password hunter2-canary\n", "utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    seen: list[str] = []

    def watch(request: Request, reply: Reply) -> Reply:
        seen.extend(value for name, value in request.headers if name.lower() == "authorization")
        return reply

    report = gentle_check(watch, fuzz=fuzz)
    assert (report.findings, report.exit_code()) == ((), 0)
    # In Base64 the password begins like this: somebody:hunter2-canary.
    assert not [value for value in seen if "c29tZWJvZHk6aHVudGVyMi1jYW5hcnk" in value]
    assert f"Bearer {GATEWAY_KEY}" in seen
    assert "c29tZWJvZHk6" not in html(report)
    assert os.environ["NETRC"] == str(file)


@pytest.mark.parametrize("fuzz", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch, *, fuzz: bool) -> None:
    """Both ways of asking go through HTTP_PROXY; here it is the gateway itself, whose name nobody could resolve."""
    asked: list[str] = []

    def through(request: Request, reply: Reply) -> Reply:
        asked.append(request.path)
        return reply

    with gateway(serve(through)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        report = check("http://localhost:9", GATEWAY_KEY, task_ids=IDS, fuzz=fuzz)
    assert report.exit_code() == 0
    # Schemathesis tries out a few things before it begins, and does not report them.
    assert len(asked) >= len(report.exchanges) > 10


PREFIXED = [each for each in DEFECTS if each.group in {"only when completed", "keys"}][:12]


@pytest.mark.parametrize("fuzz", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_correct_gateway_below_a_path_passes(*, fuzz: bool) -> None:
    """A base URL with a path is asked below that path, gently and in full."""
    with gateway(serve(lambda _, reply: reply), "/proxy/video") as base_url:
        report = check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=fuzz)
    assert (report.findings, report.exit_code()) == ((), 0)


@pytest.mark.parametrize("defect", PREFIXED, ids=[each.name for each in PREFIXED])
def test_defect_is_found_below_a_path(defect: Any) -> None:
    """A gateway below a path is held to the same."""
    with gateway(serve(defect.mutation), "/proxy/video") as base_url:
        report = check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=False)
    assert report.findings
    assert f"{base_url}/v1/video/query?" in report.findings[0].curl


def test_pause_is_read_from_retry_after() -> None:
    """Seconds and dates are understood; without either it is a second."""
    from kkiai_sdk.contract._http_runner import pause_after  # noqa: PLC0415
    from kkiai_sdk.contract._messages import Response  # noqa: PLC0415

    date = ("Date", "Mon, 05 Jan 2026 09:00:00 GMT")
    answers = [("Retry-After", "7"), ("Retry-After", "Mon, 05 Jan 2026 09:00:30 GMT"), ("Retry-After", "soon")]
    assert [pause_after(Response(429, (date, each))) for each in answers] == [7, 30, 1]
    assert (pause_after(None), pause_after(Response(429))) == (1, 1)


def test_retry_budget_ends_after_its_limits() -> None:
    """Repeats end with the budget, with the patience for one question, and after questions that it did not help."""
    from kkiai_sdk.contract._messages import Response  # noqa: PLC0415

    busy, down = Response(429), Response(503)
    budget = _http_runner.RetryBudget(1)
    assert [budget.pause(answer, 0, 60) for answer in (busy, down, None, Response(200))] == [1, 1, 1, None]
    assert [budget.pause(answer, 1, 60) for answer in (busy, down, None)] == [1, None, None]
    assert budget.pause(busy, 0, 0.5) is None
    budget.spend()
    assert budget.pause(busy, 0, 60) is None
    weary = _http_runner.RetryBudget()
    for _ in range(_http_runner.MAX_USELESS):
        weary.note(down, 1)
    assert weary.pause(busy, 0, 60) is None
