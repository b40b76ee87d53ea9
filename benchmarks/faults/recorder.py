"""A pytest plugin that records, for each row of `tests/faults.md`, how the tests that carry its id ended.

`python -m pytest -p benchmarks.faults.recorder --fault-report=FILE -m fault` writes `{id: {outcome: count}}`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_OUTCOMES: defaultdict[str, Counter[str]] = defaultdict(Counter)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the file to write."""
    parser.addoption("--fault-report", type=Path, required=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record the outcome of a test under each of its ids."""
    report = yield
    if report.when == "call" or not report.passed:
        for mark in item.iter_markers("fault"):
            for fault in mark.args:
                _OUTCOMES[fault][report.outcome] += 1
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file."""
    session.config.getoption("--fault-report").write_text(json.dumps(_OUTCOMES, sort_keys=True), "utf-8")
