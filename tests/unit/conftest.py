"""Coverage is measured by the tables: examples that are made up find their way by chance, and slowly under a tracer."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test that Hypothesis drives counts for coverage."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.no_cover)
