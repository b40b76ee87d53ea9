"""Workers of a durable queue are killed, and what the gateway saw is counted."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from benchmarks.durable import postgres
from benchmarks.durable.run import run

if TYPE_CHECKING:
    from pathlib import Path

NO_SERVER = pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL on this machine")


@pytest.mark.fault("W-01", "W-02")
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=NO_SERVER)])
def test_killed_workers_lose_nothing_and_keep_one_limit(kind: str, tmp_path: Path) -> None:
    """While two workers are killed four times, also amid downloads, each task has one result and its whole file, and
    both together keep to one limit.
    """
    with ExitStack() as stack:
        database = f"sqlite:///{tmp_path}/queue.sqlite"
        if kind == "postgresql":
            database = stack.enter_context(postgres.server())
        seen = run(database, tasks=200, large=12, kills=4, limit=50, longest=16)
    counts = {seen[name] for name in ("tasks", "recorded", "saved", "distinct", "files", "right_size")}
    assert counts == {200}
    assert seen["left_over"] == 0
    # Two workers without a common limit would reach 100. A busy machine sends late what it has booked.
    assert seen["busiest_second"] <= 65
