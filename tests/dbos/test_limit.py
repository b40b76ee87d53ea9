"""The limit that all workers of a database share."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

from kkiai_sdk.dbos._database import Database
from kkiai_sdk.dbos._limit import WINDOW, SharedLimit

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: Seconds from the local clock to that of the server.
OFFSET = 1_700_000_000.0


def test_the_windows_of_two_workers_do_not_overlap_when_the_server_answers_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading of the server's clock that takes up to a tenth of a second moves no window by more than 5 ms."""
    dice, clock = random.Random(7), [1000.25]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    def read_late() -> float:
        clock[0] += dice.choice([0.001, 0.1])
        now = (OFFSET + clock[0]) * 1000
        clock[0] += dice.choice([0.001, 0.1])
        return now

    limits = [SharedLimit(Database(tmp_path / "queue.sqlite"), per_second=50) for _ in range(2)]
    for limit in limits:
        monkeypatch.setattr(limit._bucket, "now", read_late)
    starts = []
    for number in range(60):
        starts.append(limits[number % 2].book_window())
        clock[0] = max(clock[0], starts[-1] - WINDOW)
    for limit in limits:
        limit.close()
    gaps = [after - before for before, after in pairwise(starts[20:])]
    assert min(gaps) >= WINDOW - 0.005
