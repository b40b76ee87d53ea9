"""Coverage is measured by table tests alone: random examples cover lines by chance, and slowly under a tracer."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Exclude tests of Hypothesis from coverage."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.no_cover)
