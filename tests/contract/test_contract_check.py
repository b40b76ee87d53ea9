"""The check as a library: what it asks, what it finds, and what it makes of gateways that cannot be checked."""

from __future__ import annotations

import signal
import socket
import threading
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract_tests.faulty_gateway import BEARER, Reply, gateway
from contract_tests.mutants.gateways import DEFECTS, IDS, serve
from kkiai_sdk import ConfigurationError, contract
from kkiai_sdk.contract import Severity, _probes, check
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.mock import MockGateway
from tests.contract.conftest import GATEWAY_KEY, gentle_check
from tests.support.canary import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract_tests.faulty_gateway import Mutation
    from kkiai_sdk.contract._messages import Request


def rules(report: Any) -> set[str]:
    """The ids of the rules that were broken."""
    return {finding.rule for finding in report.findings}


def test_public_names_of_the_check_are_these() -> None:
    """The door exports these names, and every module behind it is private."""
    types = ["CheckedOperation", "Covered", "Finding", "Report", "Severity"]
    assert contract.__all__ == [*types, "baseline_text", "check", "html", "junit", "sarif", "workflow_commands"]
    folder = Path(str(contract.__file__)).parent
    assert [path.name for path in folder.glob("[!_]*.py")] == []


@pytest.mark.deep
def test_built_in_mock_keeps_the_contract() -> None:
    """Without an address the mock gateway is checked in full, nothing is found, and tasks are seen to their end."""
    report = check()
    assert (report.findings, report.notes, report.exit_code(Severity.DRIFT)) == ((), (), 0)
    assert not report.is_gentle
    assert len(report.exchanges) > 100


@pytest.mark.deep
def test_seed_decides_the_requests_of_a_run() -> None:
    """The same seed asks the built-in mock the same and gets the same, but for the port."""
    first, again, other = (
        [(each.request.method, each.request.query, each.response.status) for each in check(seed=seed).exchanges]
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("count", [0, 1, 4, 6, 7, 30])
def test_gentle_check_sends_at_most_twelve_queries(count: int) -> None:
    """A gentle check makes at most 12 requests, all of them GET, and says which ids it left out."""
    ids = [f"grok:scenario-normal~{number}" for number in range(count)]
    with MockGateway(api_key=KEY) as mock:
        report = check(mock.base_url, KEY, task_ids=ids, fuzz=False, rate="1000/s")
        asked = list(mock.requests)
    assert len(asked) <= 12
    assert {each.method for each in asked} == {"GET"}
    assert {each.parameter("id") for each in asked} >= set(ids[:6])
    assert any("left out" in note for note in report.notes) == (count > 6)
    assert report.exit_code() == (0 if count else 3)


@pytest.mark.parametrize(
    ("host", "rate"), [("gateway.example.com", "5/s"), ("10.0.0.7", "5/s"), ("127.0.0.2", None), ("localhost", None)]
)
def test_gateway_elsewhere_is_checked_gently_by_default(host: str, rate: str | None) -> None:
    """Only a gateway on this machine is checked in full by default; others are sent five requests a second."""
    from kkiai_sdk.contract import _check, _spec  # noqa: PLC0415

    with _check.target(_spec.load(), f"https://{host}", KEY, (), fuzz=None, rate=None) as found:
        assert (found.is_gentle, found.rate) == (rate is not None, rate)


def test_rate_is_read_as_seconds_between_requests() -> None:
    """The rate is the number of requests in a unit of time."""
    from kkiai_sdk.contract._http_runner import interval_of  # noqa: PLC0415

    assert [interval_of(rate) for rate in (None, "5/s", "30/m", "100/h")] == [0, 0.2, 2, 36]


@pytest.mark.parametrize("rate", ["", "5", "0/s", "-1/s", "5/d", "five/s", "1.5/s"])
def test_rate_of_wrong_form_is_refused(rate: str) -> None:
    """A rate that cannot be read is named before anything is sent."""
    with pytest.raises(ConfigurationError, match="rate must be"):
        check(rate=rate)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_time_limit_that_is_not_positive_is_refused(limit: float) -> None:
    """A time limit is above 0."""
    with pytest.raises(ConfigurationError, match="time_limit"):
        check(time_limit=limit)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9", None])
@pytest.mark.parametrize("task_id", ["", "a b", "a\n", "a" * 257])
def test_task_id_of_wrong_form_is_refused(task_id: str, base_url: str | None) -> None:
    """An id that no gateway gives out is named before anything is sent, also to the mock gateway."""
    with pytest.raises(ConfigurationError, match="task id"):
        check(base_url, KEY, task_ids=[task_id])


def test_spec_without_the_operation_is_refused(tmp_path: Path) -> None:
    """A spec without the operation is refused by name, as is one that is not there or not YAML."""
    other = tmp_path / "other.yaml"
    for text in ("openapi: 3.1.0\npaths: {}\n", "{", "- 1\n"):
        other.write_text(text, "utf-8")
        with pytest.raises(ConfigurationError, match=r"other\.yaml"):
            check(spec=other)
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        check(spec=tmp_path / "none.yaml")


GENTLY = [defect for defect in DEFECTS if defect.group not in {"methods", "keys", "below a path"}]


#: Defects that only other questions than a gentle check's show.
FULL_ALONE = {"crashes on letters beyond ASCII", "believes what is in quotes", "crashes on an empty id"}
#: How many of each group are tried in a short run; the tables of contract_tests/test_rules.py hold every rule there.
FIRST = 1


def gently() -> Iterator[Any]:
    """Every defect; all but the first of each group are for the deep lane."""
    for group, members in groupby(GENTLY, key=lambda each: each.group):
        for number, each in enumerate(members):
            marks = pytest.mark.deep if number >= FIRST else ()
            yield pytest.param(each, id=f"{group}: {each.name}", marks=marks)


@pytest.mark.parametrize("defect", [*gently()])
def test_defect_is_found_by_a_gentle_check(defect: Any) -> None:
    """Most seeded defects of a gateway are found by a dozen requests, and the SDK survives each of them."""
    report = gentle_check(defect.mutation)
    assert report.findings or defect.name in FULL_ALONE
    assert all(finding.survives for finding in report.findings)
    assert all(finding.line > 1 and finding.file == "openapi.yaml" for finding in report.findings)


def test_finding_names_rule_diff_sdk_and_command() -> None:
    """Rule, place, diff, count, what the SDK makes of it, and a command that repeats it without the key."""
    report = gentle_check(lambda _, reply: reply.but(value={**reply.value, "id": 7}) if reply.status == 200 else reply)
    (finding,) = report.findings
    assert (finding.rule, finding.severity, finding.count) == ("response-schema", Severity.BREAKING, 7)
    assert finding.diff == '- id: 7\n+ id: type "string"'
    assert finding.sdk == "parses it as a task with the state pending"
    assert finding.curl.startswith("curl ")
    assert '"Authorization: Bearer $KKIAI_API_KEY"' in finding.curl
    assert f"id={IDS[0].replace(':', '%3A')}" in finding.curl


def test_key_that_is_echoed_is_not_in_the_report() -> None:
    """A gateway that echoes the key in every form leaves no trace of it in the report."""

    def echo(request: Request, reply: Reply) -> Reply:
        key = "".join(values_of(request.headers, "authorization")).removeprefix("Bearer ")
        return reply.but(value={"error": f"no {key}", key: key, "code": [key]}, headers={"X-Key": key or "none"})

    with gateway(echo) as base_url:
        report = check(base_url, KEY, task_ids=["grok:1"])
    assert report.findings
    texts = [repr(report), "".join(report.json_lines()), "".join(map(repr, report.exchanges))]
    texts += [f"{each.request.headers}{each.response.headers}{each.response.body!r}" for each in report.exchanges]
    assert not any(KEY in text for text in texts)


def test_closed_port_makes_the_check_impossible() -> None:
    """An address where nothing listens makes the check incomplete, whatever it found."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = check(f"http://127.0.0.1:{port}", KEY)
    assert (report.exit_code(), report.findings, report.exchanges) == (3, (), ())
    assert "cannot be reached" in (report.problem or "")


def test_missing_key_makes_the_check_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is not the mock needs a key; nothing is sent without one."""
    monkeypatch.delenv("KKIAI_API_KEY")
    with MockGateway() as mock:
        report = check(mock.base_url)
        assert mock.requests == []
    assert report.exit_code() == 3
    assert "KKIAI_API_KEY" in (report.problem or "")


def test_refused_key_makes_the_check_impossible() -> None:
    """A gateway that refuses the key as documented was not checked, and did nothing wrong."""
    with MockGateway(api_key=KEY) as mock:
        report = check(mock.base_url, "sk-expired", task_ids=["grok:scenario-normal"])
    assert (report.exit_code(), report.findings) == (3, ())
    assert "refuses the key (401)" in (report.problem or "")


def test_violation_counts_although_the_key_is_refused() -> None:
    """A violation counts although the rest could not be checked."""
    mutation: Mutation = lambda _, reply: reply.but(value=b"<html>") if reply.status == 401 else reply  # noqa: E731
    report = gentle_check(mutation, api_key="sk-expired")
    assert (report.exit_code(), rules(report)) == (1, {"response-body"})
    assert "refuses the key" in report.verdict()


def test_throttled_key_makes_the_check_impossible() -> None:
    """A gateway that only says that it is asked too often was not checked."""
    report = gentle_check(lambda _, reply: Reply(429, {"error": "slow down"}, {"Retry-After": "0"}))
    assert (report.exit_code(), report.findings) == (3, ())
    assert "too many" in (report.problem or "")


def test_task_that_is_given_must_be_known() -> None:
    """An id that the caller names must be answered with 200; without one the check is not made in full."""
    mutation: Mutation = lambda _, reply: reply  # noqa: E731
    assert rules(gentle_check(mutation, task_ids=["grok:gone"])) == {"task-known"}
    report = gentle_check(mutation, task_ids=[])
    assert (report.findings, report.exit_code()) == ((), 3)
    assert "no task id was given; pass one that the gateway knows with --task-id" in report.verdict()


def test_check_without_finished_tasks_notes_it() -> None:
    """When no task had ended, the report says that finished ones were not checked."""
    notes = gentle_check(lambda _, reply: reply, task_ids=IDS[:1]).notes
    assert any("no task had ended" in note for note in notes)


def test_time_limit_ends_a_check_that_hangs() -> None:
    """At the time limit a gateway that answers nothing is left; without the basic answers that is no success."""
    forever = threading.Event()

    def hang(_: Request, reply: Reply) -> Reply:
        forever.wait(30)
        return reply

    with gateway(serve(hang)) as base_url:
        try:
            report = check(base_url, GATEWAY_KEY, time_limit=0.3)
        finally:
            forever.set()
    assert report.exit_code() == 3
    assert report.elapsed < 5
    assert any("time limit" in note for note in report.notes)


def test_interrupt_ends_a_check_with_its_findings() -> None:
    """An interrupt ends the check, and what was found by then is in the report."""

    def interrupt(count: int) -> None:
        if count == 60:
            # Straight to the main thread, as a terminal does it: that wakes it from its waiting at once.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with gateway(serve(lambda _, r: r.but(value={**r.value, "id": 7}) if r.status == 200 else r)) as base_url:
        report = check(base_url, GATEWAY_KEY, task_ids=IDS, progress=interrupt)
    assert (report.exit_code(), rules(report)) == (1, {"response-schema"})
    assert any("interrupted" in note for note in report.notes)


def test_response_that_is_cut_is_a_finding() -> None:
    """Answers that end too early are the gateway's fault, not a reason to stop."""
    report = gentle_check(
        lambda _, r: r.but(headers={"Content-Length": str(len(r.body) + 9)}) if r.status == 200 else r
    )
    assert {"answer-broken"} == rules(report)
    assert report.exit_code() == 1
    assert report.findings[0].sdk == "raises APIConnectionError"


@pytest.mark.deep
def test_other_methods_are_found_by_a_full_check_alone() -> None:
    """Other methods and odd ids are part of the full check alone."""
    mutation: Mutation = lambda q, r: r.but(status=200, headers=BEARER) if q.method == "POST" else r  # noqa: E731
    assert rules(gentle_check(mutation)) == set()
    assert rules(gentle_check(mutation, fuzz=True)) == {"method-open"}


@pytest.mark.deep
def test_server_error_that_stays_is_breaking() -> None:
    """A query that is answered with 500 each time breaks the contract; one that is answered later does not."""
    failed: list[str] = []

    def once(request: Request, reply: Reply) -> Reply:
        is_new = "%C3%A9" in request.query and request.query not in failed
        failed.append(request.query)
        return reply.but(status=500, value={"error": "oops"}) if is_new else reply

    always: Mutation = lambda q, r: r.but(status=500, value={"error": "oops"}) if "%C3%A9" in q.query else r  # noqa: E731
    assert rules(gentle_check(always, fuzz=True)) == {"server-error-again"}
    passing = gentle_check(once, fuzz=True)
    assert (rules(passing), passing.exit_code(Severity.DRIFT)) == ({"server-error"}, 0)


def test_coverage_counts_every_part_of_the_spec() -> None:
    """Parameters, statuses, media types, headers and fields are counted, at their lines."""
    report = gentle_check(lambda _, reply: reply)
    counts = {(each.kind, each.name): each.count for each in report.coverage}
    assert counts["parameter", "query id"] > counts["parameter", "header X-Forwarded-Host"] == 1
    assert (counts["status", "200"], counts["status", "402"]) == (7, 0)
    assert (counts["media type", "200 application/json"], counts["field", "VideoTask.video_url"]) == (7, 7)
    assert counts["header", "WWW-Authenticate"] == 2
    assert {each.kind for each in report.coverage} == {"parameter", "status", "media type", "header", "field"}


def test_probes_of_a_gentle_check_keep_to_the_limit() -> None:
    """However many ids there are, a gentle plan keeps to its limit, and a full one asks for all."""
    ids = [f"grok:{number}" for number in range(99)]
    asked = [*_probes.task_probes(ids, gentle=True, sure=True), *_probes.basic_probes(ids[0], sure=True)]
    assert len(asked) == _probes.GENTLE_LIMIT == 12
    assert len(_probes.task_probes(ids, gentle=False, sure=True)) == 99


@pytest.mark.deep
def test_code_inside_error_counts_as_the_code() -> None:
    """The spec lets an error's code stand in ``error``, which may be that of an unknown task."""

    def nested(_: Request, reply: Reply) -> Reply:
        if reply.status != 400 or "code" not in reply.value:
            return reply
        return reply.but(value={"error": {name: reply.value[name] for name in ("code", "message")}})

    assert gentle_check(nested, fuzz=True).findings == ()


def test_key_with_white_space_around_it_is_stripped() -> None:
    """A key that came with the newline of its file is the key."""
    with MockGateway(api_key=KEY) as running:
        report = check(running.base_url, f"{KEY}\n", task_ids=IDS, fuzz=False)
    assert report.exit_code() == 0


@pytest.mark.parametrize("url", ["https://", "http:", "https:///a.mp4"])
def test_url_without_a_host_is_a_finding(url: str) -> None:
    """A finished task's URL that names no host is of no use."""
    report = gentle_check(lambda _, r: r.but(value={**r.value, "video_url": url}) if r.value.get("video_url") else r)
    assert "url-scheme" in rules(report)
