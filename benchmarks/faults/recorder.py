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
    """Add the ids of a test to its report, which may be that of another process."""
    report = yield
    report.user_properties += [("fault", fault) for mark in item.iter_markers("fault") for fault in mark.args]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the outcome of a test under each of its ids."""
    if report.when == "call" or not report.passed:
        for name, fault in report.user_properties:
            if name == "fault":
                _OUTCOMES[str(fault)][report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file, in the main process."""
    if not hasattr(session.config, "workerinput"):
        session.config.getoption("--fault-report").write_text(json.dumps(_OUTCOMES, sort_keys=True), "utf-8")
