"""A report for people: one HTML file that holds everything and fetches nothing."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from kkiai_sdk.contract._coverage import KINDS
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.contract._rule import Severity
from kkiai_sdk.contract._seen import UNREADABLE, read_body
from kkiai_sdk.contract._style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._coverage import Covered
    from kkiai_sdk.contract._findings import Finding
    from kkiai_sdk.contract._report import Report
    from kkiai_sdk.contract._seen import Exchange

#: Characters of a body that are shown.
_BODY = 2000
#: Exchanges that are shown in full; of more, those with findings come first anyhow.
_EXCHANGES = 400
_MEANINGS = {
    Severity.BREAKING: "clients that follow the documentation break",
    Severity.DRIFT: "undocumented, but harmless",
    Severity.ADVICE: "allowed, and worth knowing",
}
_PLURALS = {"status": "statuses"}


def html(report: Report, fail_on: Severity = Severity.BREAKING) -> str:
    """The whole document."""
    result = {0: "kept", 1: "broken"}.get(report.exit_code(fail_on), "unmade")
    parts = [*_head(report, result, fail_on), *_findings(report), *_coverage(report), *_exchanges(report)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Contract check: {result}</title>\n<style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _head(report: Report, result: str, fail_on: Severity) -> Iterator[str]:
    yield f'<header class="{result}"><p class="kicker">Contract check</p><h1>{_text(report.verdict(fail_on))}</h1>'
    kind = "gentle" if report.is_gentle else "full"
    yield f"<p><code>{_text(report.base_url)}</code> against {_text(report.spec)}, {kind} check</p></header>"
    counts = report.counts()
    tiles = [(str(each), str(counts[str(each)])) for each in Severity]
    tiles += [("in the baseline", str(counts["known"]))] if counts["known"] else []
    tiles += [("requests", str(len(report.exchanges))), ("seconds", f"{report.elapsed:.1f}")]
    yield '<dl class="tiles">'
    yield from (f'<div class="{_class(name, value)}"><dd>{value}</dd><dt>{name}</dt></div>' for name, value in tiles)
    yield "</dl>"
    if report.notes:
        yield f'<ul class="notes">{"".join(f"<li>{_text(note)}</li>" for note in report.notes)}</ul>'


def _class(name: str, value: str) -> str:
    return name if value != "0" and name in {str(each) for each in Severity} else "plain"


def _findings(report: Report) -> Iterator[str]:
    yield "<h2>Findings</h2>"
    if not report.findings:
        yield '<p class="none">None.</p>'
    for severity in Severity:
        found = [each for each in report.findings if each.severity is severity]
        if found:
            yield f'<h3><span class="badge {severity}">{severity}</span> {_MEANINGS[severity]}</h3>'
            yield from map(_finding, found)


def _finding(finding: Finding) -> str:
    times = f" · seen {finding.count} times" if finding.count > 1 else ""
    known = " · in the baseline" if finding.is_known else ""
    survives = "survives" if finding.survives else "fails"
    curl = f"<p>To repeat it:</p><pre>{_text(finding.curl)}</pre>" if finding.curl else ""
    answer = f"<details><summary>The answer</summary>{_answer(finding.exchange)}</details>" if finding.exchange else ""
    return (
        f'<article class="{finding.severity}"><h4>{_text(finding.title.capitalize())}</h4>'
        f'<p class="meta"><code>{_text(finding.rule)}</code> · <code>{_text(finding.place)}</code>{times}{known}</p>'
        f'<pre class="diff"><del>- {_text(finding.expected)}</del><ins>+ {_text(finding.got)}</ins></pre>'
        f'<p class="{survives}">This SDK {_text(finding.sdk)}.</p>{curl}{answer}</article>'
    )


def _coverage(report: Report) -> Iterator[str]:
    yield '<h2>What was exercised</h2><div class="kinds">'
    for kind in KINDS:
        yield from _kind(kind, [each for each in report.coverage if each.kind == kind])
    yield "</div>"


def _kind(kind: str, parts: list[Covered]) -> Iterator[str]:
    seen, total = sum(part.count > 0 for part in parts), len(parts)
    title = _PLURALS.get(kind, f"{kind}s").capitalize()
    yield f"<section><h3>{title} <small>{seen} of {total}</small></h3><table><tbody>"
    for part in parts:
        missing = "" if part.count else ' class="missing"'
        yield f"<tr{missing}><th scope=row>{_text(part.name)}</th><td>{part.count or 'not seen'}</td></tr>"
    yield "</tbody></table></section>"


def _exchanges(report: Report) -> Iterator[str]:
    total = len(report.exchanges)
    first = f"The first {_EXCHANGES} of {total}." if total > _EXCHANGES else f"{total} in the order sent."
    yield f'<h2>Requests made</h2><p>{first} The key is replaced by a placeholder.</p><div class="exchanges">'
    yield from map(_exchange, report.exchanges[:_EXCHANGES])
    yield "</div>"


def _exchange(exchange: Exchange) -> str:
    request, status = exchange.request, exchange.response.status
    target = f"{request.path}?{request.query}" if request.query else request.path
    group = f"s{status // 100}"
    return (
        f'<details><summary><b class="{group}">{status or "none"}</b> <span>{_text(request.method)}</span> '
        f"<code>{_text(target[:120])}</code></summary>{_fields(request.headers)}{_answer(exchange)}</details>"
    )


def _answer(exchange: Exchange) -> str:
    response = exchange.response
    if not response.status:
        return "<p>No whole answer came.</p>"
    return f"<p>Answer {response.status}:</p>{_fields(response.headers)}<pre>{_text(_body(exchange))}</pre>"


def _fields(headers: Iterable[tuple[str, str]]) -> str:
    lines = "\n".join(f"{name}: {value}" for name, value in headers)
    return f"<pre>{_text(lines)}</pre>" if lines else ""


def _body(exchange: Exchange) -> str:
    response = exchange.response
    value = read_body(response)
    is_json = value is not UNREADABLE and "json" in "".join(values_of(response.headers, "content-type"))
    text = json.dumps(value, indent=2, ensure_ascii=False) if is_json else response.body.decode("utf-8", "replace")
    return text if len(text) <= _BODY else f"{text[:_BODY]}\n… {len(text) - _BODY} more characters"


def _text(text: str) -> str:
    """Text as HTML; what a browser would hide or obey is shown as an escape."""
    return escape("".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text))
