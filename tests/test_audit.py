"""The exit code and the messages of the audit of the locks."""

from __future__ import annotations

from typing import Any

import pytest

from tools.audit import CLEAN, NOT_AUDITED, VULNERABLE, judge

HOLE = {"id": "GHSA-1", "fix_versions": ["2.1", "3.0"]}


def package(name: str, *holes: dict[str, Any]) -> dict[str, Any]:
    """A package that was looked up, with its vulnerabilities."""
    return {"name": name, "version": "1.0", "vulns": list(holes)}


SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "text"),
    [
        ([package("a"), package("b")], CLEAN, "no vulnerability is known of any of 2 packages"),
        ([package("a"), package("b", HOLE)], VULNERABLE, "b 1.0: GHSA-1, fixed in 2.1, 3.0"),
        ([package("a", HOLE | {"fix_versions": []})], VULNERABLE, "fixed in no release"),
        ([package("a"), SKIPPED], NOT_AUDITED, "NOT AUDITED: 1 of 2 packages could not be looked up: c"),
        ([SKIPPED], NOT_AUDITED, "NOT AUDITED: 1 of 1"),
        ([package("a", HOLE), SKIPPED], VULNERABLE, "NOT AUDITED: 1 of 2"),
        ([], NOT_AUDITED, "NOT AUDITED"),
    ],
)
@pytest.mark.fault("P-06")
def test_package_not_looked_up_is_not_clean(packages: list[dict[str, Any]], code: int, text: str) -> None:
    """A known vulnerability fails the audit, and so does, with another code, a package that was not looked up."""
    found, lines = judge({"dependencies": packages})
    assert found == code
    assert any(text in line for line in lines)
