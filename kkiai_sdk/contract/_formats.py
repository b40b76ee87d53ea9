"""Report formats: JUnit, SARIF 2.1.0 and workflow commands of GitHub Actions for programs, HTML for people."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from kkiai_sdk.contract._messages import UNREADABLE, media_type, read_body
from kkiai_sdk.contract._report import KINDS
from kkiai_sdk.contract._violations import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._findings import Finding
    from kkiai_sdk.contract._messages import Response
    from kkiai_sdk.contract._report import Report

#: Characters that XML 1.0 section 2.2 does not allow.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Levels of SARIF 2.1.0 section 3.27.10, and names of workflow commands.
_LEVELS = {Severity.BREAKING: "error", Severity.DRIFT: "warning", Severity.ADVICE: "note"}
_COMMANDS = _LEVELS | {Severity.ADVICE: "notice"}

_STYLE = Path(__file__).with_name("report.css")
#: Characters of a body that are shown.
_BODY = 2000
_MEANINGS = {
    Severity.BREAKING: "clients that follow the documentation break",
    Severity.DRIFT: "undocumented, but harmless",
    Severity.ADVICE: "allowed, but worth knowing",
}
_LEGEND = "<del>- what the gateway sent</del><ins>+ what the contract requires</ins>"
_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Contract check: {result}</title>
<style>
{style}</style></head>
<body><main>
{content}
</main></body></html>
"""


def junit(report: Report, fail_on: Severity = Severity.BREAKING) -> str:
    """A JUnit document with one test case per rule, and one for the check itself."""
    failures = report.failures(fail_on)
    by_rule: dict[str, list[Finding]] = {rule.id: [] for rule in report.rules}
    for finding in report.findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    skipped = {rule: reason for rule, reason in report.unchecked.items() if by_rule.get(rule) == []}
    facts = {
        "tests": len(by_rule) + 1 + len(report.operations),
        "failures": len({each.rule for each in failures}),
        "skipped": len(skipped) + sum(bool(each.reason) for each in report.operations),
        "errors": int(not report.is_made),
    }
    root = ET.Element("testsuites")
    counts = {name: str(count) for name, count in facts.items()}
    suite = ET.SubElement(root, "testsuite", counts, name="kkiai contract", time=f"{report.elapsed:.3f}")
    _case(suite, "check-made", error=report.obstacle)
    for operation in report.operations:
        _case(suite, f"operation {operation.name}", skipped=operation.reason)
    for rule, findings in by_rule.items():
        failing = [each for each in findings if each in failures]
        title = f"{failing[0].title} ({failing[0].place})" if failing else None
        case = _case(suite, rule, failure=title, skipped=skipped.get(rule))
        for failure in case.iter("failure"):
            failure.set("type", str(failing[0].severity))
            failure.text = _xml("\n\n".join(map(_as_text, failing)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, name: str, **outcomes: str | None) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname="kkiai.contract", name=_xml(name))
    for outcome, message in outcomes.items():
        if message:
            ET.SubElement(case, outcome, message=_xml(message))
    return case


def _as_text(finding: Finding) -> str:
    known = ", in the baseline" if finding.is_known else ""
    head = f"{finding.severity}{known}, {finding.title} ({finding.place}), seen {finding.count} times"
    command = "\n".join(finding.curl_lines)
    return f"{head}\n{finding.diff}\nThe SDK {finding.sdk}.\n{command}".rstrip()


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def sarif(report: Report) -> str:
    """A SARIF 2.1.0 document whose results point at lines of the OpenAPI document."""
    described = {each.rule: each.description for each in report.findings}
    described = {rule.id: rule.description for rule in report.rules} | described
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in described.items()]
    driver = {"name": "kkiai contract", "version": report.sdk_version, "rules": rules}
    made: dict[str, Any] = {"executionSuccessful": report.is_made}
    if report.obstacle:
        made["toolExecutionNotifications"] = [{"level": "error", "message": {"text": report.obstacle}}]
    results = [{"ruleIndex": [*described].index(each.rule), **_result(each)} for each in report.findings]
    run = {"tool": {"driver": driver}, "invocations": [made], "results": results, "columnKind": "unicodeCodePoints"}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding) -> dict[str, Any]:
    # A reference relative to the repository, or the URI of a file outside the working directory.
    path = PurePath(finding.file)
    uri = path.as_uri() if path.is_absolute() else quote(finding.file)
    place = {"artifactLocation": {"uri": uri}, "region": {"startLine": finding.line}}
    known = {"suppressions": [{"kind": "external", "justification": "in the baseline"}]} if finding.is_known else {}
    return {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": _sentence(finding)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"kkiaiContract/v1": finding.fingerprint},
        "occurrenceCount": finding.count,
        "properties": {"severity": str(finding.severity), "curl": finding.curl, "survives": finding.survives},
        **known,
    }


def _sentence(finding: Finding) -> str:
    return f"{finding.title}: expected {finding.expected}, got {finding.got}. The SDK {finding.sdk}."


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands of GitHub Actions, one for each finding that no baseline accepts."""
    for each in report.findings:
        if not each.is_known:
            file, title = (_escaped(text, ":,") for text in (each.file, f"{each.rule} ({each.severity})"))
            message = _escaped(_sentence(each))
            yield f"::{_COMMANDS[each.severity]} file={file},line={each.line},title={title}::{message}"
    if report.obstacle:
        yield f"::error::{_escaped(report.obstacle)}"


def _escaped(text: str, more: str = "") -> str:
    """A message with the escapes that the runner decodes; in a property it also decodes those of ``:`` and ``,``."""
    return "".join(f"%{ord(char):02X}" if char in f"%\r\n{more}" else char for char in text)


def html(report: Report, fail_on: Severity = Severity.BREAKING) -> str:
    """The whole document."""
    result = {0: "kept", 1: "broken"}.get(report.exit_code(fail_on), "unmade")
    parts = [*_html_head(report, result, fail_on), *_html_findings(report)]
    parts += [*_html_operations(report), *_html_coverage(report), *_html_exchanges(report)]
    return _PAGE.format(result=result, style=_STYLE.read_text("utf-8"), content="\n".join(parts))


def _html_head(report: Report, result: str, fail_on: Severity) -> Iterator[str]:
    kind = "gentle" if report.is_gentle else "full"
    # There may be many reasons, so they are listed below the heading.
    head, _, rest = report.verdict(fail_on).partition(". " if result == "broken" else ": ")
    yield (
        f'<header class="{result}"><p class="kicker">Contract check</p><h1>{_text(head.rstrip("."))}.</h1>'
        f"<p>{_text(rest)}</p>"
        f"<p><code>{_text(report.base_url)}</code> against {_text(report.spec)}, {kind} check</p></header>"
    )
    counts = report.counts()
    tiles = {str(each): str(counts[each]) for each in Severity}
    tiles |= {"in the baseline": str(counts["known"])} if counts["known"] else {}
    tiles |= {"requests": str(len(report.exchanges)), "seconds": f"{report.elapsed:.1f}"}
    yield '<dl class="tiles">'
    for name, value in tiles.items():
        yield f'<div class="{name if value != "0" else ""}"><dd>{value}</dd><dt>{name}</dt></div>'
    yield "</dl>"
    if report.notes:
        yield f'<ul class="notes">{"".join(f"<li>{_text(note)}</li>" for note in report.notes)}</ul>'


def _html_findings(report: Report) -> Iterator[str]:
    by_rule: dict[tuple[Severity, str], list[Finding]] = {}
    for each in report.findings:
        by_rule.setdefault((each.severity, each.rule), []).append(each)
    contents, sections = [], list[str]()
    for number, ((severity, rule), found) in enumerate(by_rule.items()):
        badge, name = f'<span class="badge {severity}">{severity}</span>', f"<code>{_text(rule)}</code>"
        words = f"{_text(found[0].description)} <small>{len(found)}</small>"
        contents.append(f'<li>{badge} <a href="#rule-{number}">{name}</a> {words}</li>')
        sections.append(f'<h3 id="rule-{number}">{badge} {name} {_MEANINGS[severity]}</h3>')
        sections += map(_html_finding, found)
    index = f'<p class="legend">{_LEGEND}</p><nav><ol>{"".join(contents)}</ol></nav>'
    yield from ("<h2>Findings</h2>", index if contents else "<p>None.</p>", *sections)


def _html_finding(finding: Finding) -> str:
    times = f" · in {finding.count} responses" if finding.count > 1 else ""
    known = " · in the baseline" if finding.is_known else ""
    parts = [
        f'<article class="{finding.severity}"><h4>{_text(finding.title.capitalize())}</h4>',
        f'<p class="meta"><code>{_text(finding.place)}</code>{times}{known}</p>',
        f'<pre class="diff"><del>- {_text(finding.got)}</del><ins>+ {_text(finding.expected)}</ins></pre>',
        f'<p class="{"survives" if finding.survives else "fails"}">This SDK {_text(finding.sdk)}.</p>',
    ]
    if finding.curl:
        # Not wrapped by the page: a copied line break would end the command.
        command = "\n".join(finding.curl_lines)
        parts.append(f'<p>To reproduce:</p><pre class="command">{_text(command)}</pre>')
    if finding.exchange:
        parts.append(f"<details><summary>The response</summary>{_html_answer(finding.exchange.response)}</details>")
    return "".join([*parts, "</article>"])


def _html_operations(report: Report) -> Iterator[str]:
    yield "<h2>Operations</h2><section><table><tbody>"
    for each in report.operations:
        row = '<tr class="missing">' if each.reason else "<tr>"
        requests = f"{each.requests} requests, {each.successes} answered with 2XX" if each.requests else "not requested"
        state = _text(f"{requests}; {each.reason}" if each.reason else requests)
        yield f'{row}<th scope=row><code>{_text(each.name)}</code></th><td class="wide">{state}</td></tr>'
    yield "</tbody></table></section>"


def _html_coverage(report: Report) -> Iterator[str]:
    yield '<h2>What was exercised</h2><div class="kinds">'
    for kind in KINDS:
        seen, total = report.exercised()[kind]
        title = "Statuses" if kind == "status" else f"{kind.capitalize()}s"
        yield f"<section><h3>{title} <small>{seen} of {total}</small></h3><table><tbody>"
        for part in (each for each in report.coverage if each.kind == kind):
            row = "<tr>" if part.count else '<tr class="missing">'
            yield f"{row}<th scope=row>{_text(part.name)}</th><td>{part.count or 'not seen'}</td></tr>"
        yield "</tbody></table></section>"
    yield "</div>"


def _html_exchanges(report: Report) -> Iterator[str]:
    yield "<h2>Requests made</h2><p>In the order sent. The key is replaced by a placeholder.</p>"
    for exchange in report.exchanges:
        request, status = exchange.request, exchange.response.status
        target = f"{request.path}?{request.query}" if request.query else request.path
        line = f"{_text(request.method)} <code>{_text(target[:120])}</code>"
        yield f'<div class="request"><b class="s{status // 100}">{status or "none"}</b> {line}</div>'


def _html_answer(response: Response) -> str:
    if not response.status:
        return "<p>No complete response was received.</p>"
    value = read_body(response)
    is_json = value is not UNREADABLE and media_type(response.headers).endswith("json")
    text = json.dumps(value, indent=2, ensure_ascii=False) if is_json else response.body.decode("utf-8", "replace")
    more = f"\n… {len(text) - _BODY} more characters" if len(text) > _BODY else ""
    fields = "\n".join([f"{response.status}", *(f"{name}: {value}" for name, value in response.headers)])
    return f"<pre>{_text(fields)}</pre><pre>{_text(text[:_BODY] + more)}</pre>"


def _text(text: str) -> str:
    """Text as HTML, with control and formatting characters shown as escapes."""
    return escape("".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text))
