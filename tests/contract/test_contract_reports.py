"""Reports of a check: JUnit, SARIF, HTML, JSON lines, annotations and baselines."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from contract_tests.faulty_gateway import gateway
from contract_tests.mutants.gateways import IDS, serve
from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import Report, Severity, baseline_text, check, html, junit, sarif, workflow_commands
from tests.contract.conftest import GATEWAY_KEY, gentle_check
from tests.support.canary import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from contract_tests.faulty_gateway import Mutation, Reply
    from kkiai_sdk.contract._messages import Request

NASTY = "<b>&\x00\x1b[31m\u202e]]>%,:\n🐄\ud800"


def faulty(request: Request, reply: Reply) -> Reply:
    """Three breaches, and text that breaks formats."""
    if reply.status == 200:
        return reply.but(value=reply.value | {"status": NASTY, "id": 7, "model<": 1})
    return reply.but(headers={"X-Odd": "é<b>"}) if reply.status == 401 else reply


@pytest.fixture(scope="module")
def report() -> Report:
    """The check of a gateway with several defects."""
    with gateway(serve(faulty)) as base_url:
        return check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=False)


@pytest.fixture(scope="module")
def clean() -> Report:
    """The check of a correct gateway."""
    with gateway(serve(lambda _, reply: reply)) as base_url:
        return check(base_url, GATEWAY_KEY, task_ids=IDS, fuzz=False)


def without(*names: str) -> Mutation:
    """A gateway whose tasks lack these fields."""

    def drop(_: Request, reply: Reply) -> Reply:
        if reply.status != 200:
            return reply
        return reply.but(value={key: value for key, value in reply.value.items() if key not in names})

    return drop


def test_json_lines_end_with_a_summary(report: Report) -> None:
    """Every line is one ASCII object; findings and coverage come first, one summary last."""
    lines = list(report.json_lines())
    objects = [json.loads(line) for line in lines]
    assert "".join(lines).isascii()
    assert [each["type"] for each in objects].count("summary") == 1
    assert objects[-1]["type"] == "summary"
    assert (objects[-1]["exit_code"], objects[-1]["requests"]) == (1, len(report.exchanges))
    findings = [each for each in objects if each["type"] == "finding"]
    assert [each["rule"] for each in findings] == [each.rule for each in report.findings]
    assert {"fingerprint", "file", "line", "expected", "got", "diff", "curl", "sdk", "severity"} <= findings[0].keys()


@pytest.mark.parametrize("fail_on", [Severity.BREAKING, Severity.DRIFT])
def test_junit_has_one_case_per_rule(report: Report, fail_on: Severity) -> None:
    """The document is well-formed, every rule is one case, and those with failures are the failed ones."""
    suite = ET.fromstring(junit(report, fail_on)).find("testsuite")
    assert suite is not None
    cases = {str(case.get("name")): case for case in suite.findall("testcase")}
    assert {*cases} == {"check-made", "operation GET /v1/video/query", *(rule.id for rule in report.rules)}
    assert len(cases) == len(suite.findall("testcase")) == int(str(suite.get("tests")))
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert failed == {finding.rule for finding in report.failures(fail_on)}
    assert len(failed) == int(str(suite.get("failures")))


def test_junit_of_an_impossible_check_has_an_error() -> None:
    """The case about the check itself is an error."""
    report = check("http://127.0.0.1:9", KEY)
    suite = ET.fromstring(junit(report)).find("testsuite")
    assert suite is not None
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")


def test_sarif_points_at_lines_of_the_spec(report: Report) -> None:
    """SARIF 2.1.0: rules by index, levels, lines of openapi.yaml, fingerprints that do not change."""
    document = json.loads(sarif(report))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert len(run["results"]) == len(report.findings)
    for result, finding in zip(run["results"], report.findings, strict=True):
        place = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        assert place == {"artifactLocation": {"uri": "openapi.yaml"}, "region": {"startLine": finding.line}}
        assert result["level"] in {"error", "warning", "note"}
        assert list(result["partialFingerprints"].values()) == [finding.fingerprint]
        assert isinstance(result["message"]["text"], str)
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_of_an_impossible_check_has_no_results() -> None:
    """A check that was not made says so, and has no results."""
    (run,) = json.loads(sarif(check("http://127.0.0.1:9", KEY)))["runs"]
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is False


class _Page(HTMLParser):
    """The tags of a page, those that are open, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", ["report", "clean"])
def test_html_report_is_well_formed_and_self_contained(name: str, request: pytest.FixtureRequest) -> None:
    """The page is balanced, fetches nothing, runs nothing, and lets nothing of the gateway's be markup."""
    text = html(request.getfixturevalue(name))
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "b[31m"})
    assert not [attributes for _, attributes in page.tags if {"src", "onclick"} & attributes.keys()]
    places = {attributes.get("id") for _, attributes in page.tags}
    assert {attributes["href"].removeprefix("#") for _, attributes in page.tags if "href" in attributes} <= places
    assert "@import" not in text
    assert "url(" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert "prefers-color-scheme: dark" in text
    assert all(part in page.text for part in ("Findings", "What was exercised", "Requests made"))


def test_html_report_shows_every_finding(report: Report) -> None:
    """Every finding is there with its rule, place and command."""
    page = _Page()
    page.feed(html(report))
    assert "The gateway breaks the contract" in page.text
    for finding in report.findings:
        assert finding.rule in page.text
        assert finding.place in page.text
        assert "\n".join(finding.curl_lines) in page.text


def test_annotations_escape_what_ends_a_command(report: Report) -> None:
    """Each finding is one workflow command; %, line ends, colons and commas cannot break it."""
    lines = list(workflow_commands(report))
    assert len(lines) == len(report.findings)
    form = re.compile(r"::(error|warning|notice) file=([^,:]+),line=(\d+),title=([^,:]+)::(.+)")
    assert all(form.fullmatch(line) for line in lines)
    odd = evolve(report.findings[0], file="a,b:c%d.yaml", got="100%\r\nend")
    (line, *_) = workflow_commands(evolve(report, findings=(odd,)))
    assert "file=a%2Cb%3Ac%25d.yaml," in line
    assert "100%25%0D%0Aend" in line


def test_baseline_makes_known_findings_pass(report: Report, tmp_path: Path) -> None:
    """A finding in the baseline fails nothing and is not annotated."""
    path = tmp_path / "known.json"
    path.write_text(baseline_text(report.findings), "utf-8")
    again = gentle_check(faulty, baseline=path)
    assert (again.exit_code(Severity.DRIFT), again.counts()["known"]) == (0, len(report.findings))
    assert list(workflow_commands(again)) == []


def value(**facts: Any) -> Mutation:
    """A gateway whose tasks have these members."""
    return lambda _, reply: reply.but(value=reply.value | facts) if reply.status == 200 else reply


def body(text: bytes) -> Mutation:
    """A gateway that answers this in place of tasks."""
    return lambda _, reply: reply.but(value=text) if reply.status == 200 else reply


PAIRS: dict[str, tuple[Mutation, Mutation]] = {
    "another missing field": (without("enhanced_prompt"), without("enhanced_prompt", "video_url")),
    "another type": (
        lambda _, r: r.but(value=r.value | {"id": 7}) if r.status == 200 else r,
        lambda _, r: r.but(value=r.value | {"id": None}) if r.status == 200 else r,
    ),
    "another undocumented field": (
        lambda _, r: r.but(value=r.value | {"a": 1}) if r.status == 200 else r,
        lambda _, r: r.but(value=r.value | {"b": 1}) if r.status == 200 else r,
    ),
    "another new status": (
        lambda _, r: r.but(value=r.value | {"status": "a"}) if r.status == 200 else r,
        lambda _, r: r.but(value=r.value | {"status": "b"}) if r.status == 200 else r,
    ),
    "another wrong status": (
        lambda _, r: r.but(status=201) if r.status == 200 else r,
        lambda _, r: r.but(status=202) if r.status == 200 else r,
    ),
    "another unit": (value(status_update_time=1_767_603_612), value(status_update_time=1_767_603_612_345_000)),
    "no time at all": (value(status_update_time=1_767_603_612), value(status_update_time=0)),
    "another scheme": (value(video_url="file:///srv/a.mp4"), value(video_url="data:video/mp4;base64,AAAA")),
    "no host": (value(video_url="ftp://media.example.com/a.mp4"), value(video_url="https:///a.mp4")),
    "another form of a URL": (value(video_url="/v1/a.mp4"), value(video_url="`https://media.example.com/a.mp4`")),
    "another text for a number": (value(status_update_time="1767603612345"), value(status_update_time="2026-01-05")),
    "no body": (body(b"<html>"), body(b"")),
    "a word for a body": (body(b""), body(b"callback({})")),
    "another name twice": (body(b'{"id": 1, "id": 2}'), body(b'{"status": 1, "status": 2}')),
    "another alphabet": (
        lambda _, r: r.but(media_type="application/json; charset=gbk"),
        lambda _, r: r.but(media_type="application/json; charset=big5"),
    ),
    "another challenge": (
        lambda _, r: r.but(headers={"WWW-Authenticate": "Basic realm=x"}) if r.status == 401 else r,
        lambda _, r: r.but(headers={"WWW-Authenticate": "Digest realm=x"}) if r.status == 401 else r,
    ),
    "another refusal": (
        lambda _, r: r.but(value={"code": "bad"}) if b"task_not_exist" in r.body else r,
        lambda _, r: r.but(value={"code": "worse"}) if b"task_not_exist" in r.body else r,
    ),
    "null and nothing for a URL": (value(status="success", video_url=None), value(status="success", video_url="")),
    "beyond and below": (value(status_update_time=2**64), value(status_update_time=-(2**64))),
    "another media type": (
        lambda _, r: r.but(media_type="text/plain") if r.status == 200 else r,
        lambda _, r: r.but(media_type="text/json") if r.status == 200 else r,
    ),
}


#: Tried in a short run, too: a field, a value, a status and a body.
SHORT = {"another missing field", "another new status", "another wrong status", "no body"}


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param(*pair, id=name, marks=() if name in SHORT else pytest.mark.deep) for name, pair in PAIRS.items()],
)
def test_baseline_entry_hides_no_other_finding(tmp_path: Path, first: Mutation, second: Mutation) -> None:
    """An entry for one breach does not hide another of the same rule."""
    path = tmp_path / "known.json"
    path.write_text(baseline_text(gentle_check(first).findings), "utf-8")
    assert gentle_check(first, baseline=path).exit_code(Severity.DRIFT) == 0
    assert gentle_check(second, baseline=path).exit_code(Severity.DRIFT) == 1


ALIKE: dict[str, tuple[Mutation, Mutation]] = {
    "fractions": (value(id=1.5), value(id=2.5)),
    "seconds": (value(status_update_time=1_767_603_612), value(status_update_time=1_767_603_999)),
    "relative URLs": (value(video_url="/v1/a/7.mp4"), value(video_url="/v1/b1c/0.mp4")),
    "schemes": (value(video_url="file:///srv/a.mp4"), value(video_url="file:///tmp/b.mp4")),
    "pages": (body(b"<html>7</html>"), body(b"<html><p>request 1234</p>")),
    "other words": (value(status="polishing 40%"), value(status="polishing 41%")),
    "codes": (
        lambda _, r: r.but(value={"code": "e17"}) if b"task_not_exist" in r.body else r,
        lambda _, r: r.but(value={"code": "e18"}) if b"task_not_exist" in r.body else r,
    ),
    "lengths": (
        lambda _, r: r.but(headers={"Content-Length": str(len(r.body) + 9)}) if r.status == 200 else r,
        lambda _, r: r.but(headers={"Content-Length": str(len(r.body) + 17)}) if r.status == 200 else r,
    ),
}


@pytest.mark.parametrize(("first", "second"), ALIKE.values(), ids=ALIKE.keys())
def test_fingerprint_is_the_same_for_other_values(first: Mutation, second: Mutation) -> None:
    """A breach keeps its fingerprint when only the values differ."""
    marks = [{finding.fingerprint for finding in gentle_check(mutation).findings} for mutation in (first, second)]
    assert marks[0] == marks[1] != set()


@pytest.mark.deep
def test_stale_baseline_entry_is_an_advice(tmp_path: Path) -> None:
    """After a full check, an entry that nothing needs is reported, with its line, and fails nothing."""
    path = tmp_path / "known.json"
    path.write_text(baseline_text(gentle_check(without("id")).findings), "utf-8")
    report = gentle_check(lambda _, reply: reply, baseline=path, fuzz=True)
    (finding,) = report.findings
    assert (finding.rule, finding.severity, report.exit_code(Severity.DRIFT)) == ("baseline-stale", Severity.ADVICE, 0)
    assert "response-schema" in finding.expected
    assert finding.file == str(path)
    assert path.read_text("utf-8").splitlines()[finding.line - 1].strip().startswith('"fingerprint"')


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "findings": []}', '{"findings": [{}]}', "\x00", None])
def test_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str | None) -> None:
    """A file that is missing or no baseline is named before anything is sent."""
    path = tmp_path / "known.json"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=r"known\.json"):
        check(baseline=path)
