"""The check as a library: what it asks, what it finds, and what it makes of gateways that cannot be checked."""

from __future__ import annotations

import signal
import socket
import threading
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from contract_tests.faulty_gateway import BEARER, Reply, gateway
from contract_tests.mutants.gateways import DEFECTS, IDS, serve
from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import Severity, _probes, check
from kkiai_sdk.mock import MockGateway
from tests.contract.conftest import CROOKED_KEY, held
from tests.support.canary import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contract_tests.faulty_gateway import Mutation
    from kkiai_sdk.contract._messages import Request


def rules(report: Any) -> set[str]:
    """The ids of the rules that were broken."""
    return {finding.rule for finding in report.findings}


@pytest.mark.deep
def test_the_built_in_mock_keeps_the_contract() -> None:
    """Without an address the mock gateway is checked in full, nothing is found, and tasks are seen to their end."""
    report = check()
    assert (report.findings, report.notes, report.exit_code(Severity.DRIFT)) == ((), (), 0)
    assert not report.is_gentle
    assert len(report.exchanges) > 100


@pytest.mark.deep
def test_a_run_is_decided_by_its_seed() -> None:
    """The same seed asks the built-in mock the same and gets the same, but for the port."""
    first, again, other = (
        [(each.request.method, each.request.query, each.response.status) for each in check(seed=seed).exchanges]
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("count", [0, 1, 4, 6, 7, 30])
def test_a_gentle_check_is_a_handful_of_plain_queries(count: int) -> None:
    """A gentle check makes at most 12 requests, all of them GET, and says which ids it left out."""
    ids = [f"grok:scenario-normal~{number}" for number in range(count)]
    with MockGateway(api_key=KEY) as mock:
        report = check(mock.base_url, KEY, task_ids=ids, fuzz=False, rate="1000/s")
        asked = list(mock.requests)
    assert len(asked) <= 12
    assert {each.method for each in asked} == {"GET"}
    assert {each.parameter("id") for each in asked} >= set(ids[:6])
    assert any("left out" in note for note in report.notes) == (count > 6)
    assert report.exit_code() == 0


@pytest.mark.parametrize(
    ("host", "rate"), [("gateway.example.com", "5/s"), ("10.0.0.7", "5/s"), ("127.0.0.2", None), ("localhost", None)]
)
def test_strangers_are_asked_gently(host: str, rate: str | None) -> None:
    """Only a gateway on this machine is asked a lot without being told to; others get five requests a second."""
    from kkiai_sdk.contract import _spec, _target  # noqa: PLC0415

    with _target.target(_spec.load(), f"https://{host}", KEY, (), fuzz=None, rate=None) as found:
        assert (found.is_gentle, found.rate) == (rate is not None, rate)


def test_requests_are_spaced() -> None:
    """The rate is the number of requests in a unit of time."""
    from kkiai_sdk.contract._asking import gap  # noqa: PLC0415

    assert [gap(rate) for rate in (None, "5/s", "30/m", "100/h")] == [0, 0.2, 2, 36]


@pytest.mark.parametrize("rate", ["", "5", "0/s", "-1/s", "5/d", "five/s", "1.5/s"])
def test_a_wrong_rate_is_refused(rate: str) -> None:
    """A rate that cannot be read is named before anything is sent."""
    with pytest.raises(ConfigurationError, match="rate must be"):
        check(rate=rate)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_wrong_time_limit_is_refused(limit: float) -> None:
    """A time limit is above 0."""
    with pytest.raises(ConfigurationError, match="time_limit"):
        check(time_limit=limit)


def test_a_progress_that_cannot_be_called_is_refused() -> None:
    """What is to be called is looked at before anything is sent."""
    with pytest.raises(ConfigurationError, match="progress must be a function or None, not str"):
        check("http://127.0.0.1:9", KEY, progress="loud")  # type: ignore[arg-type]


@pytest.mark.parametrize("task_id", ["", "a b", "a\n", "a" * 257])
def test_a_wrong_id_is_refused(task_id: str) -> None:
    """An id that no gateway gives out is named before anything is sent."""
    with pytest.raises(ConfigurationError, match="task id"):
        check("http://127.0.0.1:9", KEY, task_ids=[task_id])


def test_another_spec_is_refused_or_used(tmp_path: Path) -> None:
    """A spec without the operation is refused by name, as is one that is not there or not YAML."""
    other = tmp_path / "other.yaml"
    for text in ("openapi: 3.1.0\npaths: {}\n", "{", "- 1\n"):
        other.write_text(text, "utf-8")
        with pytest.raises(ConfigurationError, match=r"other\.yaml"):
            check(spec=other)
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        check(spec=tmp_path / "none.yaml")


GENTLY = [defect for defect in DEFECTS if defect.group not in {"methods", "keys", "below a path"}]


#: How many of each group are tried in a short run; the tables of contract_tests/test_rules.py hold every rule there.
FIRST = 3


def gently() -> Iterator[Any]:
    """Every defect; all but the first of each group are for the deep lane."""
    for group, members in groupby(GENTLY, key=lambda each: each.group):
        for number, each in enumerate(members):
            marks = pytest.mark.deep if number >= FIRST else ()
            yield pytest.param(each, id=f"{group}: {each.name}", marks=marks)


@pytest.mark.parametrize("defect", [*gently()])
def test_a_defect_is_found_gently(defect: Any) -> None:
    """Most seeded defects of a gateway are found by a dozen requests, and the SDK survives each of them."""
    report = held(defect.crook)
    assert report.findings or defect.name in {"crashes on letters beyond ASCII", "believes what is in quotes"}
    assert all(finding.survives for finding in report.findings)
    assert all(finding.line > 1 and finding.file == "openapi.yaml" for finding in report.findings)


def test_a_finding_says_what_a_reader_needs() -> None:
    """Rule, place, diff, count, what the SDK makes of it, and a command that repeats it without the key."""
    report = held(lambda _, reply: reply.but(value={**reply.value, "id": 7}) if reply.status == 200 else reply)
    (finding,) = report.findings
    assert (finding.rule, finding.severity, finding.count) == ("response-schema", Severity.BREAKING, 7)
    assert finding.diff == '- id: type "string"\n+ id: 7'
    assert finding.sdk == "reads a task that is pending"
    assert finding.curl.startswith("curl ")
    assert '"Authorization: Bearer $KKIAI_API_KEY"' in finding.curl
    assert f"id={IDS[0].replace(':', '%3A')}" in finding.curl


def test_the_key_is_nowhere() -> None:
    """A gateway that echoes the key in every form leaves no trace of it in the report."""

    def echo(request: Request, reply: Reply) -> Reply:
        key = dict(request.headers).get("Authorization", "").removeprefix("Bearer ")
        return reply.but(value={"error": f"no {key}", key: key, "code": [key]}, headers={"X-Key": key or "none"})

    with gateway(echo) as base_url:
        report = check(base_url, KEY, task_ids=["grok:1"])
    assert report.findings
    texts = [repr(report), "".join(report.json_lines()), "".join(map(repr, report.exchanges))]
    texts += [f"{each.request.headers}{each.response.headers}{each.response.body!r}" for each in report.exchanges]
    assert not any(KEY in text for text in texts)


def test_a_gateway_that_is_not_there_is_not_judged() -> None:
    """Where nothing listens, the check could not be made, whatever it found."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = check(f"http://127.0.0.1:{port}", KEY)
    assert (report.exit_code(), report.findings, report.exchanges) == (3, (), ())
    assert "cannot be reached" in (report.problem or "")


def test_without_a_key_there_is_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is not the mock needs a key; nothing is sent without one."""
    monkeypatch.delenv("KKIAI_API_KEY")
    with MockGateway() as mock:
        report = check(mock.base_url)
        assert mock.requests == []
    assert report.exit_code() == 3
    assert "KKIAI_API_KEY" in (report.problem or "")


def test_a_refused_key_is_no_breach() -> None:
    """A gateway that refuses the key as documented was not checked, and did nothing wrong."""
    with MockGateway(api_key=KEY) as mock:
        report = check(mock.base_url, "sk-expired", task_ids=["grok:scenario-normal"])
    assert (report.exit_code(), report.findings) == (3, ())
    assert "refuses the key (401)" in (report.problem or "")


def test_a_breach_counts_even_if_the_key_is_refused() -> None:
    """What is broken is broken, although the rest could not be checked."""
    crook: Mutation = lambda _, reply: reply.but(value=b"<html>") if reply.status == 401 else reply  # noqa: E731
    report = held(crook, api_key="sk-expired")
    assert (report.exit_code(), rules(report)) == (1, {"response-body"})
    assert "refuses the key" in report.verdict()


def test_an_ever_busy_gateway_is_not_judged() -> None:
    """A gateway that only says that it is asked too often was not checked."""
    report = held(lambda _, reply: Reply(429, {"error": "slow down"}, {"Retry-After": "0"}))
    assert (report.exit_code(), report.findings) == (3, ())
    assert "too often" in (report.problem or "")


def test_a_known_task_must_be_known() -> None:
    """An id that the caller names must be answered with 200; one that is only guessed need not be."""
    crook: Mutation = lambda _, reply: reply  # noqa: E731
    assert rules(held(crook, task_ids=["grok:gone"])) == {"task-known"}
    report = held(crook, task_ids=[])
    assert (report.findings, report.exit_code()) == ((), 0)
    assert any("--task-id" in note for note in report.notes)


def test_unfinished_tasks_are_not_praised() -> None:
    """When no task had ended, the report says that finished ones were not checked."""
    notes = held(lambda _, reply: reply, task_ids=IDS[:1]).notes
    assert any("no task had ended" in note for note in notes)


def test_a_cut_check_tells_what_is_known() -> None:
    """At the time limit a gateway that answers nothing is left; without the basic answers that is no success."""
    forever = threading.Event()

    def hang(_: Request, reply: Reply) -> Reply:
        forever.wait(30)
        return reply

    with gateway(serve(hang)) as base_url:
        try:
            report = check(base_url, CROOKED_KEY, time_limit=0.3)
        finally:
            forever.set()
    assert report.exit_code() == 3
    assert report.elapsed < 5
    assert any("time limit" in note for note in report.notes)


def test_ctrl_c_tells_what_is_known() -> None:
    """An interrupt ends the check, and what was found by then is in the report."""

    def interrupt(count: int) -> None:
        if count == 60:
            # Straight to the main thread, as a terminal does it: that wakes it from its waiting at once.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with gateway(serve(lambda _, r: r.but(value={**r.value, "id": 7}) if r.status == 200 else r)) as base_url:
        report = check(base_url, CROOKED_KEY, task_ids=IDS, progress=interrupt)
    assert (report.exit_code(), rules(report)) == (1, {"response-schema"})
    assert any("interrupted" in note for note in report.notes)


def test_a_broken_answer_is_a_finding() -> None:
    """Answers that end too early are the gateway's fault, not a reason to stop."""
    report = held(lambda _, r: r.but(headers={"Content-Length": str(len(r.body) + 9)}) if r.status == 200 else r)
    assert {"answer-broken"} == rules(report)
    assert report.exit_code() == 1
    assert report.findings[0].sdk == "raises APIConnectionError"


@pytest.mark.deep
def test_a_full_check_finds_what_a_gentle_one_does_not() -> None:
    """Other methods and odd ids are part of the full check alone."""
    crook: Mutation = lambda q, r: r.but(status=200, headers=BEARER) if q.method == "POST" else r  # noqa: E731
    assert rules(held(crook)) == set()
    assert rules(held(crook, fuzz=True)) == {"unsupported-method"}


@pytest.mark.deep
def test_a_crash_that_stays_is_more_than_trouble() -> None:
    """A query that is answered with 500 each time breaks the contract; one that is answered later does not."""
    failed: list[str] = []

    def once(request: Request, reply: Reply) -> Reply:
        is_new = "%C3%A9" in request.query and request.query not in failed
        failed.append(request.query)
        return reply.but(status=500, value={"error": "oops"}) if is_new else reply

    always: Mutation = lambda q, r: r.but(status=500, value={"error": "oops"}) if "%C3%A9" in q.query else r  # noqa: E731
    assert rules(held(always, fuzz=True)) == {"server-error-again"}
    passing = held(once, fuzz=True)
    assert (rules(passing), passing.exit_code(Severity.DRIFT)) == ({"server-error"}, 0)


def test_the_coverage_names_what_was_not_seen() -> None:
    """Parameters, statuses, media types, headers and fields are counted, at their lines."""
    report = held(lambda _, reply: reply)
    counts = {(each.kind, each.name): each.count for each in report.coverage}
    assert counts["parameter", "query id"] > counts["parameter", "header X-Forwarded-Host"] == 1
    assert (counts["status", "200"], counts["status", "402"]) == (7, 0)
    assert (counts["media type", "200 application/json"], counts["field", "VideoTask.video_url"]) == (7, 7)
    assert counts["header", "WWW-Authenticate"] == 2
    assert {each.kind for each in report.coverage} == {"parameter", "status", "media type", "header", "field"}


def test_the_plan_never_exceeds_the_limit() -> None:
    """However many ids there are, a gentle plan keeps to its limit, and a full one asks for all."""
    ids = [f"grok:{number}" for number in range(99)]
    asked = [*_probes.about_tasks(ids, gentle=True, sure=True), *_probes.about_rules(ids[0], sure=True)]
    assert len(asked) == _probes.GENTLE_LIMIT == 12
    assert len(_probes.about_tasks(ids, gentle=False, sure=True)) == 99


@pytest.mark.deep
def test_a_nested_code_is_a_code() -> None:
    """The spec lets an error's code stand in ``error``, so an unknown task may be told so."""

    def nested(_: Request, reply: Reply) -> Reply:
        if reply.status != 400 or "code" not in reply.value:
            return reply
        return reply.but(value={"error": {name: reply.value[name] for name in ("code", "message")}})

    assert held(nested, fuzz=True).findings == ()


def test_a_key_with_white_space_around_it() -> None:
    """A key that came with the newline of its file is the key."""
    with MockGateway(api_key=KEY) as running:
        report = check(running.base_url, f"{KEY}\n", task_ids=IDS, fuzz=False)
    assert report.exit_code() == 0


@pytest.mark.parametrize("url", ["https://", "http:", "https:///a.mp4"])
def test_a_url_names_a_host(url: str) -> None:
    """A finished task's URL that names no host is of no use."""
    report = held(lambda _, r: r.but(value={**r.value, "video_url": url}) if r.value.get("video_url") else r)
    assert "url-scheme" in rules(report)
