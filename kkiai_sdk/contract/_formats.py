"""A report in the forms that other programs read: JUnit, SARIF 2.1.0 and the annotations of GitHub Actions."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from kkiai_sdk.contract._rule import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._findings import Finding
    from kkiai_sdk.contract._report import Report

#: Everything that XML 1.0 section 2.2 does not let into a document.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: SARIF 2.1.0 section 3.27.10, and the words of workflow commands.
_LEVELS = {Severity.BREAKING: "error", Severity.DRIFT: "warning", Severity.ADVICE: "note"}
_COMMANDS = {Severity.BREAKING: "error", Severity.DRIFT: "warning", Severity.ADVICE: "notice"}


def junit(report: Report, fail_on: Severity = Severity.BREAKING) -> str:
    """A JUnit document with one test case per rule, and one for whether the check could be made."""
    by_rule: dict[str, list[Finding]] = {rule.id: [] for rule in report.rules}
    for finding in report.findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    failures = report.failures(fail_on)
    failed = len({each.rule for each in failures})
    suite = ET.Element("testsuite", name="kkiai contract", tests=str(len(by_rule) + 1), failures=str(failed))
    skipped = {rule: reason for rule, reason in report.unchecked.items() if not by_rule.get(rule) and rule in by_rule}
    suite.set("errors", str(int(not report.is_made)))
    suite.set("skipped", str(len(skipped)))
    suite.set("time", f"{report.elapsed:.3f}")
    made = ET.SubElement(suite, "testcase", classname="kkiai.contract", name="check-made")
    if report.obstacle:
        ET.SubElement(made, "error", message=_xml(report.obstacle))
    for rule, findings in by_rule.items():
        case = _case(suite, rule, findings, failures)
        if rule in skipped:
            ET.SubElement(case, "skipped", message=_xml(skipped[rule]))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, rule: str, findings: list[Finding], failures: tuple[Finding, ...]) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname="kkiai.contract", name=_xml(rule))
    failing = [each for each in findings if each in failures]
    if failing:
        message = f"{failing[0].title} ({failing[0].place})"
        failure = ET.SubElement(case, "failure", message=_xml(message), type=str(failing[0].severity))
        failure.text = _xml("\n\n".join(map(_text, failing)))
    rest = [each for each in findings if each not in failures]
    if rest:
        ET.SubElement(case, "system-out").text = _xml("\n\n".join(map(_text, rest)))
    return case


def _text(finding: Finding) -> str:
    known = ", in the baseline" if finding.is_known else ""
    head = f"{finding.severity}{known}, {finding.title} ({finding.place}), seen {finding.count} times"
    return f"{head}\n{finding.diff}\nThe SDK {finding.sdk}.\n{finding.curl}".rstrip()


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def sarif(report: Report) -> str:
    """A SARIF 2.1.0 document whose results point at lines of the spec."""
    described = {rule.id: rule.description for rule in report.rules}
    described |= {each.rule: each.description for each in report.findings if each.rule not in described}
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in described.items()]
    driver = {"name": "kkiai contract", "version": report.sdk_version, "rules": rules}
    index = {name: number for number, name in enumerate(described)}
    results = [_result(each, index[each.rule]) for each in report.findings]
    made: dict[str, Any] = {"executionSuccessful": report.is_made}
    if report.obstacle:
        made["toolExecutionNotifications"] = [{"level": "error", "message": {"text": report.obstacle}}]
    run = {"tool": {"driver": driver}, "invocations": [made], "results": results, "columnKind": "unicodeCodePoints"}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding, index: int) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": _uri(finding.file)}, "region": {"startLine": finding.line}}
    known = {"suppressions": [{"kind": "external", "justification": "in the baseline"}]} if finding.is_known else {}
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _sentence(finding)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"kkiaiContract/v1": finding.fingerprint},
        "occurrenceCount": finding.count,
        "properties": {"severity": str(finding.severity), "curl": finding.curl, "survives": finding.survives},
        **known,
    }


def _uri(file: str) -> str:
    """A reference relative to the repository, or the URI of a file that is elsewhere."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(file)


def _sentence(finding: Finding) -> str:
    return f"{finding.title}: expected {finding.expected}, got {finding.got}. The SDK {finding.sdk}."


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands of GitHub Actions, one for each finding that no baseline accepts."""
    for each in report.findings:
        if not each.is_known:
            file, title = _property(each.file), _property(f"{each.rule} ({each.severity})")
            yield f"::{_COMMANDS[each.severity]} file={file},line={each.line},title={title}::{_data(_sentence(each))}"
    if report.obstacle:
        yield f"::error::{_data(report.obstacle)}"


def _data(text: str) -> str:
    """The escapes that the runner undoes in a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The escapes that it undoes in a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
