"""The examples run as they stand, on a clock that only sleeping moves."""

from __future__ import annotations

import runpy
from functools import partial
from pathlib import Path

import pytest

from kkiai_sdk import _clock as _runtime
from kkiai_sdk import mock
from tests.support.clock import FakeTime

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.fixture
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime()
    monkeypatch.setattr(_runtime, "SYSTEM", time.as_clock())
    monkeypatch.setattr(mock, "MockGateway", partial(mock.MockGateway, clock=time.monotonic))


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_runs_to_a_finished_task(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every example runs to its end and tells of a finished task."""
    runpy.run_path(str(path), run_name="__main__")
    assert "succeeded" in capsys.readouterr().out.lower()


def test_examples_folder_is_not_empty() -> None:
    """The folder is not empty."""
    assert {"known_duration", "own_schedule"} <= {path.stem for path in EXAMPLES}
