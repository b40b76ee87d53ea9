"""Baselines: findings that are known and accepted, kept in a file beside the caller's code.

An entry stands for one kind of breach at one place, so the entry for one missing field does not hide another.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._findings import Finding, fingerprint
from kkiai_sdk.contract._rule import Severity
from kkiai_sdk.contract._spec import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VERSION = 1
#: The keys of an entry. Only the fingerprint counts; the others tell people what it stands for.
KEYS = ("fingerprint", "rule", "severity", "address", "expected", "got")
STALE = "baseline-stale"


def load(path: Path) -> dict[str, str]:
    """The fingerprints in a baseline file, each with its rule. Raises ConfigurationError for anything else."""
    try:
        found = json.loads(path.read_text("utf-8"))
        entries = {str(each["fingerprint"]): str(each["rule"]) for each in found["findings"]}
    except OSError as problem:
        raise ConfigurationError(f"the baseline {str(path)!a} cannot be read: {problem.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(f"the baseline {str(path)!a} is not one that `--write-baseline` wrote") from None
    if found.get("version") != VERSION:
        raise ConfigurationError(f"the baseline {str(path)!a} must have version {VERSION}; write it again")
    return entries


def dump(findings: Iterable[Finding]) -> str:
    """The text of a baseline file that accepts these findings; stale entries are left out."""
    entries = [_entry(each) for each in findings if each.rule != STALE]
    return json.dumps({"version": VERSION, "findings": entries}, indent=2) + "\n"


def _entry(finding: Finding) -> dict[str, Any]:
    return {name: finding.to_dict()[name] for name in KEYS}


def stale(path: Path, known: dict[str, str], findings: Iterable[Finding]) -> list[Finding]:
    """A piece of advice for every entry that no finding needs any more."""
    needed = {each.fingerprint for each in findings}
    return [_advice(path, mark, rule) for mark, rule in known.items() if mark not in needed]


def _advice(path: Path, mark: str, rule: str) -> Finding:
    return Finding(
        rule=STALE,
        severity=Severity.ADVICE,
        description="every entry of the baseline is needed",
        file=name_of(path),
        line=_line(path, mark),
        address="",
        expected=f"{rule} ({mark}), as the baseline says",
        got="nothing of the kind; the entry can go",
        count=1,
        survives=True,
        sdk="is not concerned",
        curl="",
        fingerprint=fingerprint(STALE, "", mark),
    )


def _line(path: Path, mark: str) -> int:
    lines = path.read_text("utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if mark in line), 1)
