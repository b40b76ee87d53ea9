"""The result of a check: the report, the coverage of the document, and baselines of accepted findings."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._findings import Finding, fingerprint
from kkiai_sdk.contract._messages import media_type, values_of
from kkiai_sdk.contract._spec import name_of
from kkiai_sdk.contract._violations import Severity, observe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from kkiai_sdk.contract._messages import Exchange
    from kkiai_sdk.contract._spec import Node, Operation, Spec
    from kkiai_sdk.contract._violations import ObservedExchange, Rule

#: Kinds of parts of the document, in the order of a report.
KINDS = ("parameter", "status", "media type", "header", "field")
BASELINE_VERSION = 1
#: Members of a baseline entry. Only the fingerprint counts; the others are for readers.
BASELINE_KEYS = ("fingerprint", "rule", "severity", "address", "expected", "got")
STALE = "baseline-stale"


@frozen
class Covered:
    """A part of the document, its kind (one of KINDS), and the number of exchanges that exercised it."""

    kind: str
    name: str
    line: int
    count: int

    def to_dict(self) -> dict[str, Any]:
        """The part as plain values."""
        return asdict(self)


@frozen
class CheckedOperation:
    """An operation of the document, and the extent to which it was checked."""

    #: Method and path.
    name: str
    line: int
    #: Requests for it, and how many of them were answered with 2XX.
    requests: int
    successes: int
    #: Why it counts as not checked, or None.
    reason: str | None = None
    #: False if the caller excluded it.
    is_in_scope: bool = True


@frozen
class Report:
    """The result of checking a gateway. It contains no key."""

    base_url: str
    #: Whether only the few requests of a gentle check were sent.
    is_gentle: bool
    #: The most severe first.
    findings: tuple[Finding, ...]
    #: Every request and response, in order.
    exchanges: tuple[Exchange, ...] = field(repr=False)
    coverage: tuple[Covered, ...] = field(repr=False)
    #: Facts that qualify the result, such as ids that were left out.
    notes: tuple[str, ...]
    rules: tuple[Rule, ...] = field(repr=False)
    #: Why the check could not be made, or None: no key, no connection, key refused.
    problem: str | None
    #: Whether all basic probes were sent. If not, an absence of findings means nothing.
    is_basic_done: bool
    #: Seconds.
    elapsed: float
    #: Why the check ended early, or None.
    cut: str | None = None
    #: Every operation of the document.
    operations: tuple[CheckedOperation, ...] = ()
    #: Rules and operations that could not be checked, each with the reason.
    unchecked: dict[str, str] = field(factory=dict)
    #: Name and version of the document.
    spec: str = "openapi.yaml"
    #: The version of the SDK to which responses were replayed.
    sdk_version: str = ""

    def failures(self, fail_on: Severity = Severity.BREAKING) -> tuple[Finding, ...]:
        """The findings that are at least as severe as ``fail_on`` and not in the baseline."""
        order = list(Severity)
        limit = order.index(fail_on)
        return tuple(each for each in self.findings if not each.is_known and order.index(each.severity) <= limit)

    def exit_code(self, fail_on: Severity = Severity.BREAKING) -> int:
        """0: the gateway conforms to the contract. 1: it does not. 3: the check could not be completed."""
        return 1 if self.failures(fail_on) else 0 if self.is_made else 3

    @property
    def is_made(self) -> bool:
        """Whether every request was sent and every response says something about the contract."""
        return self.is_basic_done and not (self.problem or self.cut or self.unchecked)

    @property
    def obstacle(self) -> str | None:
        """Why the check could not be completed, as a sentence without a full stop; None if it was."""
        if self.problem:
            return self.problem
        if self.cut:
            before = "" if self.is_basic_done else " before the basic requests were sent"
            return f"{self.cut}{before}"
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.unchecked.items():
            by_reason.setdefault(reason, []).append(name)
        skipped = [
            f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} not checked: {reason}"
            for reason, names in by_reason.items()
        ]
        return "; ".join(skipped) or (None if self.is_basic_done else "the basic requests were not sent")

    def verdict(self, fail_on: Severity = Severity.BREAKING) -> str:
        """The result in one sentence."""
        failures = len(self.failures(fail_on))
        if failures:
            words = "finding fails" if failures == 1 else "findings fail"
            besides = f" In addition, the check is incomplete: {self.obstacle}." if self.obstacle else ""
            return f"The gateway breaks the contract: {failures} {words} the check.{besides}"
        if self.is_made:
            return "The gateway conforms to the contract."
        outcome = "is incomplete" if self.is_basic_done and not self.problem else "could not be made"
        return f"The check {outcome}: {self.obstacle}."

    def counts(self) -> dict[str, int]:
        """The number of findings by severity; those in the baseline count as ``known`` alone."""
        found = Counter(str(each.severity) for each in self.findings if not each.is_known)
        known = sum(each.is_known for each in self.findings)
        return {**{str(each): found[str(each)] for each in Severity}, "known": known}

    def exercised(self) -> dict[str, tuple[int, int]]:
        """For each kind of part of the document, how many were exercised, and out of how many."""
        counts = {kind: [each.count for each in self.coverage if each.kind == kind] for kind in KINDS}
        return {kind: (sum(map(bool, found)), len(found)) for kind, found in counts.items()}

    def json_lines(self, fail_on: Severity = Severity.BREAKING) -> Iterator[str]:
        """One ASCII JSON object per line: findings, coverage, and a summary at the end."""
        yield from (json.dumps({"type": "finding", **each.to_dict()}) for each in self.findings)
        yield from (json.dumps({"type": "coverage", **each.to_dict()}) for each in self.coverage)
        yield from (json.dumps({"type": "operation", **asdict(each)}) for each in self.operations)
        yield json.dumps({"type": "summary", **self.summary(fail_on)})

    def summary(self, fail_on: Severity = Severity.BREAKING) -> dict[str, Any]:
        """The result without its details, as plain values."""
        names = ("base_url", "spec", "sdk_version", "problem", "cut", "unchecked")
        return {name: getattr(self, name) for name in names} | {
            "gentle": self.is_gentle,
            "exit_code": self.exit_code(fail_on),
            "verdict": self.verdict(fail_on),
            "fail_on": str(fail_on),
            "findings": self.counts(),
            "requests": len(self.exchanges),
            "seconds": round(self.elapsed, 3),
            "coverage": {kind: {"seen": seen, "of": total} for kind, (seen, total) in self.exercised().items()},
            "notes": list(self.notes),
        }


def coverage(spec: Spec, exchanges: Iterable[Exchange], operations: Iterable[Operation]) -> tuple[Covered, ...]:
    """Every part of the operations that can be exercised, with the number of exchanges that did."""
    counts: Counter[tuple[str, str]] = Counter()
    for observed in filter(None, (observe(spec, exchange) for exchange in exchanges)):
        counts.update(set(_exercised(observed)))
    return tuple(
        Covered(kind, name, spec.line_of(address), counts[kind, address])
        for (kind, address), name in _parts(spec, operations).items()
    )


def _parts(spec: Spec, operations: Iterable[Operation]) -> dict[tuple[str, str], str]:
    """The names of all parts that can be exercised, by kind and address; shared ones count once."""
    found: dict[tuple[str, str], str] = {}
    for operation in operations:
        of = "" if operation.is_query else f"{operation.label} "
        for (location, _), node in spec.parameters(operation).items():
            found.setdefault(("parameter", node.address), f"{of}{location} {node.value['name']}")
        for status, declared in spec.children(operation, "responses").items():
            found.setdefault(("status", declared.address), f"{of}{status}")
            for media, content in spec.children(declared, "content").items():
                found.setdefault(("media type", content.address), f"{of}{status} {media}")
                for address in _fields(spec, spec.child(content, "schema")) if "schema" in content.value else ():
                    # VideoTask.status for /components/schemas/VideoTask/properties/status.
                    steps = [step for step in address.split("/")[3:] if step != "properties"]
                    found.setdefault(("field", address), ".".join(steps))
            for name, node in spec.children(declared, "headers").items():
                found.setdefault(("header", node.address), name)
    return found


def _fields(spec: Spec, schema: Node, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """The addresses of all properties in a schema, at any depth; a schema inside itself is visited once."""
    if not isinstance(schema.value, dict) or schema.address in above:
        return
    parts = [spec.child(schema, "items")] if "items" in schema.value else []
    for keyword in ("allOf", "anyOf", "oneOf"):
        parts += [spec.child(schema, keyword, index) for index in range(len(schema.value.get(keyword, ())))]
    properties = [*spec.children(schema, "properties").values()]
    yield from (part.address for part in properties)
    for part in (*properties, *parts):
        yield from _fields(spec, part, above | {schema.address})


def _exercised(observed: ObservedExchange) -> Iterator[tuple[str, str]]:
    """Kind and address of the parts that one exchange exercised."""
    spec, request, declared = observed.spec, observed.exchange.request, observed.declared
    for (location, name), node in spec.parameters(observed.operation).items():
        sent = values_of(request.headers, name) if location == "header" else [name] if location == "path" else []
        if sent or (location == "query" and request.parameter(name) is not None):
            yield "parameter", node.address
    if declared is not None:
        yield "status", declared.address
    content = spec.media(declared, media_type(observed.exchange.response.headers))
    yield from [("media type", content.address)] if content else ()
    for name, header in spec.children(declared, "headers").items():
        if observed.headers(name):
            yield "header", header.address
    yield from (("field", node.schema.address) for node in observed.nodes)


def load_baseline(path: Path) -> dict[str, str]:
    """The fingerprints in a baseline file, each with its rule. Raises ConfigurationError."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["version"] != BASELINE_VERSION:
            raise ConfigurationError(f"the baseline {str(path)!a} must have version {BASELINE_VERSION}; write it again")
        return {str(each["fingerprint"]): str(each["rule"]) for each in found["findings"]}
    except OSError as problem:
        raise ConfigurationError(f"the baseline {str(path)!a} cannot be read: {problem.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(f"the baseline {str(path)!a} was not written by `--write-baseline`") from None


def baseline_text(findings: Iterable[Finding]) -> str:
    """The text of a baseline file that accepts these findings; stale entries are left out."""
    entries = [{name: each.to_dict()[name] for name in BASELINE_KEYS} for each in findings if each.rule != STALE]
    return json.dumps({"version": BASELINE_VERSION, "findings": entries}, indent=2) + "\n"


def stale_entries(path: Path, known: dict[str, str], findings: Iterable[Finding]) -> list[Finding]:
    """A finding of severity advice for every baseline entry that no finding needs."""
    needed, before = {each.fingerprint for each in findings}, path.read_text("utf-8").partition
    return [
        Finding(
            rule=STALE,
            severity=Severity.ADVICE,
            description="every baseline entry matches a finding",
            file=name_of(path),
            line=before(mark)[0].count("\n") + 1,
            address="",
            expected=f"{rule} ({mark}), as in the baseline",
            got="no such finding; the entry can be removed",
            fingerprint=fingerprint(STALE, "", mark),
        )
        for mark, rule in known.items()
        if mark not in needed
    ]
