"""Findings: breaches of one rule at one place, folded into one, with everything that a reader wants to know of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from kkiai_sdk.contract._curl import curl_of
from kkiai_sdk.contract._rule import Severity
from kkiai_sdk.contract._survival import survival

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk.contract._rule import Breach
    from kkiai_sdk.contract._seen import Exchange
    from kkiai_sdk.contract._spec import Spec

#: Schemathesis' checks that ask the same as rules of ours, and those rules. Ours are about GET.
TWINS: dict[str, frozenset[str]] = {
    "status-code-conformance": frozenset({"response-status"}),
    "content-type-conformance": frozenset({"response-media-type"}),
    "response-schema-conformance": frozenset({"response-schema", "response-body"}),
    "response-headers-conformance": frozenset({"response-header"}),
    "ignored-auth": frozenset({"key-wrong", "key-missing"}),
    "not-a-server-error": frozenset({"server-error"}),
    "server-error": frozenset({"server-error-again"}),
    # The same question once more: it is about a difference.
    "forwarded-host": frozenset({"task-known"}),
}
#: The same for other methods.
_OTHER_TWINS = {name: frozenset({"unsupported-method"}) for name in TWINS}
_ORDER = list(Severity)


@frozen
class Finding:
    """How a gateway strays from the contract in one way.

    Every text is one line and holds no key.
    """

    #: The lasting id of the rule, such as ``response-schema``.
    rule: str
    severity: Severity
    #: What the rule asks for, in words.
    description: str
    #: The file of the spec, the line in it (from 1), and the JSON pointer.
    file: str
    line: int
    address: str
    expected: str
    got: str
    #: How often it was seen.
    count: int
    #: Whether this SDK makes a task or a KkiaiError of the answer, and which.
    survives: bool
    sdk: str
    #: A command that sends the request again, with ``$KKIAI_API_KEY`` for the key.
    curl: str
    #: The same in every run: made of the rule, the place and what is wrong there, not of the values.
    fingerprint: str
    #: The first exchange in which it was seen; a status of 0 means that no whole answer came.
    exchange: Exchange | None = field(default=None, repr=False)
    #: Whether the baseline holds it.
    is_known: bool = False

    @property
    def diff(self) -> str:
        """Expected against got, as two lines."""
        return f"- {self.expected}\n+ {self.got}"

    @property
    def title(self) -> str:
        """What is wrong, by the rule that says what would be right."""
        return f"broken rule: {self.description}"

    @property
    def place(self) -> str:
        """The place in the spec as ``file:line``."""
        return f"{self.file}:{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        names = ("rule", "severity", "description", "file", "line", "address", "expected", "got", "diff", "count")
        rest = ("survives", "sdk", "curl", "fingerprint", "is_known")
        status = self.exchange.response.status if self.exchange else None
        values = {name: getattr(self, name) for name in (*names, *rest)}
        return values | {"severity": str(self.severity), "status": status}


def fingerprint(rule: str, address: str, key: str) -> str:
    """Sixteen hexadecimal digits for a rule, a place and a kind of breach."""
    return hashlib.sha256(f"{rule}\n{address}\n{key}".encode()).hexdigest()[:16]


def fold(spec: Spec, base_url: str, breaches: Iterable[Breach], known: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Breaches as findings, the gravest first. ``known``: fingerprints of the baseline."""
    alike: dict[str, list[Breach]] = {}
    for breach in _without_twins(list(breaches)):
        problem = breach.problem
        alike.setdefault(fingerprint(breach.rule.id, problem.address, problem.key), []).append(breach)
    known = frozenset(known)
    found = [_finding(spec, base_url, mark, same, is_known=mark in known) for mark, same in alike.items()]
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each.severity), each.is_known, each.line, each.rule)))


def _without_twins(breaches: list[Breach]) -> list[Breach]:
    """What schemathesis found is left out where another rule found the same."""
    found = {breach.rule.id for breach in breaches}
    return [breach for breach in breaches if not found & _twins(breach)]


def _twins(breach: Breach) -> frozenset[str]:
    table = TWINS if breach.exchange.request.method == "GET" else _OTHER_TWINS
    return table.get(breach.rule.id, frozenset())


def _finding(spec: Spec, base_url: str, mark: str, alike: list[Breach], *, is_known: bool) -> Finding:
    first = alike[0]
    survives, sdk = survival(first.exchange)
    return Finding(
        rule=first.rule.id,
        severity=first.rule.severity,
        description=first.rule.description,
        file=spec.name,
        line=spec.line_of(first.problem.address),
        address=spec.exact(first.problem.address),
        expected=one_line(first.problem.expected),
        got=one_line(first.problem.got),
        count=len(alike),
        survives=survives,
        sdk=sdk,
        curl=curl_of(base_url, first.exchange.request),
        fingerprint=mark,
        exchange=first.exchange,
        is_known=is_known,
    )


def one_line(text: str) -> str:
    """A text without anything that would steer a terminal or break a line, cut to 300 characters."""
    visible = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return visible if len(visible) <= 300 else visible[:299] + "…"
