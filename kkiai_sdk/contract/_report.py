"""The result of a check, as one value."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from kkiai_sdk.contract._coverage import KINDS
from kkiai_sdk.contract._rules import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._coverage import Covered
    from kkiai_sdk.contract._findings import Finding
    from kkiai_sdk.contract._rules import Rule
    from kkiai_sdk.contract._seen import Exchange

#: Exit codes of the command.
KEPT, BROKEN, NOT_CHECKED = 0, 1, 3


@frozen
class Report:
    """What a check of a gateway came to. It holds no key."""

    base_url: str
    #: Whether it was the handful of requests for gateways that are not ours.
    is_gentle: bool
    #: The gravest first.
    findings: tuple[Finding, ...]
    #: Everything that was asked and answered, in order.
    exchanges: tuple[Exchange, ...] = field(repr=False)
    coverage: tuple[Covered, ...] = field(repr=False)
    #: What a reader must know to judge the result, such as ids that were left out.
    notes: tuple[str, ...]
    #: The rules that were applied.
    rules: tuple[Rule, ...] = field(repr=False)
    #: Why the check could not be made, or None: no key, no connection, key refused.
    problem: str | None
    #: Whether the basic questions were all asked. Without them, nothing found means nothing.
    is_basic_done: bool
    #: Seconds.
    elapsed: float
    #: Why the check ended before its end, or None.
    cut: str | None = None
    #: The spec's name and version.
    spec: str = "openapi.yaml"
    #: The version of the SDK that was tried on the answers.
    sdk_version: str = ""

    def with_findings(self, more: Iterable[Finding]) -> Report:
        """The same with more findings behind the others."""
        return evolve(self, findings=(*self.findings, *more))

    def failures(self, fail_on: Severity = Severity.BREAKING) -> tuple[Finding, ...]:
        """The findings that are as grave as ``fail_on`` and that no baseline accepts."""
        order = list(Severity)
        limit = order.index(fail_on)
        return tuple(each for each in self.findings if not each.is_known and order.index(each.severity) <= limit)

    def exit_code(self, fail_on: Severity = Severity.BREAKING) -> int:
        """0 the contract is kept, 1 it is broken, 3 the check could not be made."""
        if self.failures(fail_on):
            return BROKEN
        return NOT_CHECKED if self.problem or not self.is_basic_done else KEPT

    def verdict(self, fail_on: Severity = Severity.BREAKING) -> str:
        """The result in one sentence."""
        failures = len(self.failures(fail_on))
        if failures:
            words = "finding fails" if failures == 1 else "findings fail"
            besides = f" Besides, it could not be made in full: {self.problem}." if self.problem else ""
            return f"The contract is broken: {failures} {words} the check.{besides}"
        if self.exit_code(fail_on) == NOT_CHECKED:
            return f"The check could not be made: {self.problem or 'it was cut before the basic questions were asked'}."
        return f"No breach was found before the check was cut: {self.cut}." if self.cut else "The contract is kept."

    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity; those that the baseline holds count as known alone."""
        found = Counter(str(each.severity) for each in self.findings if not each.is_known)
        known = sum(each.is_known for each in self.findings)
        return {**{str(each): found[str(each)] for each in Severity}, "known": known}

    def exercised(self) -> dict[str, tuple[int, int]]:
        """For each kind of part of the spec: how many were exercised, of how many."""
        return {kind: _ratio([each for each in self.coverage if each.kind == kind]) for kind in KINDS}

    def json_lines(self, fail_on: Severity = Severity.BREAKING) -> Iterator[str]:
        """One ASCII JSON object per line: findings, coverage, and a summary at the end."""
        yield from (json.dumps({"type": "finding", **each.to_dict()}) for each in self.findings)
        yield from (json.dumps({"type": "coverage", **each.to_dict()}) for each in self.coverage)
        yield json.dumps({"type": "summary", **self.summary(fail_on)})

    def summary(self, fail_on: Severity = Severity.BREAKING) -> dict[str, Any]:
        """The result without its details, as plain values."""
        return {
            "base_url": self.base_url,
            "gentle": self.is_gentle,
            "spec": self.spec,
            "sdk_version": self.sdk_version,
            "exit_code": self.exit_code(fail_on),
            "verdict": self.verdict(fail_on),
            "fail_on": str(fail_on),
            "findings": self.counts(),
            "requests": len(self.exchanges),
            "seconds": round(self.elapsed, 3),
            "coverage": {kind: {"seen": seen, "of": total} for kind, (seen, total) in self.exercised().items()},
            "notes": list(self.notes),
            "problem": self.problem,
            "cut": self.cut,
        }


def _ratio(parts: list[Covered]) -> tuple[int, int]:
    return sum(part.count > 0 for part in parts), len(parts)
