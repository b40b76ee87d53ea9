"""A pytest plugin: which rows of ``tests/faults.md`` the tests that were run stand for, and how those tests ended.

``python -m pytest -p benchmarks.faults.witness --fault-report=FILE -m fault`` writes ``{id: {outcome: number}}``.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_SEEN: defaultdict[str, Counter[str]] = defaultdict(Counter)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write."""
    parser.addoption("--fault-report", type=Path, required=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a test ended, under each of its ids."""
    report = yield
    if report.when == "call" or not report.passed:
        for mark in item.iter_markers("fault"):
            for one in mark.args:
                _SEEN[one][report.outcome] += 1
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it down."""
    session.config.getoption("--fault-report").write_text(json.dumps(_SEEN, sort_keys=True), "utf-8")
