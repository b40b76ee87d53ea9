"""The result of a check, as one value."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from kkiai_sdk.contract._coverage import KINDS
from kkiai_sdk.contract._rule import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._coverage import Covered
    from kkiai_sdk.contract._findings import Finding
    from kkiai_sdk.contract._rule import Rule
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
    #: Why the check ended before its end, or None. What was not seen by then was not checked.
    cut: str | None = None
    #: Rules that could not be checked although they were asked about, each with the reason.
    unchecked: dict[str, str] = field(factory=dict)
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
        """0 the contract is kept, 1 it is broken, 3 the check could not be made, or not in full."""
        if self.failures(fail_on):
            return BROKEN
        return KEPT if self.is_made else NOT_CHECKED

    @property
    def is_made(self) -> bool:
        """Whether everything was asked and answered in a way that says something about the contract."""
        return self.is_basic_done and not (self.problem or self.cut or self.unchecked)

    @property
    def obstacle(self) -> str | None:
        """Why the check was not made, or not in full, in one sentence without its full stop; None if it was."""
        if self.problem:
            return self.problem
        if self.cut:
            before = "" if self.is_basic_done else " before the basic questions were asked"
            return f"{self.cut}{before}"
        skipped = [f"{rule} was not checked: {reason}" for rule, reason in self.unchecked.items()]
        return "; ".join(skipped) or (None if self.is_basic_done else "the basic questions were not asked")

    def verdict(self, fail_on: Severity = Severity.BREAKING) -> str:
        """The result in one sentence."""
        failures = len(self.failures(fail_on))
        if failures:
            words = "finding fails" if failures == 1 else "findings fail"
            besides = f" Besides, it could not be made in full: {self.obstacle}." if self.obstacle else ""
            return f"The contract is broken: {failures} {words} the check.{besides}"
        if self.is_made:
            return "The contract is kept."
        extent = " in full" if self.is_basic_done and not self.problem else ""
        return f"The check could not be made{extent}: {self.obstacle}."

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
            "unchecked": self.unchecked,
        }


def _ratio(parts: list[Covered]) -> tuple[int, int]:
    return sum(part.count > 0 for part in parts), len(parts)
