"""`kkiai mock` and `kkiai demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kkiai_sdk.mock import faults, scenarios
from tests.support.canary import KEY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from kkiai_sdk.mock import MockGateway
    from tests.cli.conftest import Run


def test_list(kkiai: Run) -> None:
    """`kkiai mock --list` prints every scripted task and fault, ready to be pasted, and what it does."""
    listed = dict(line.split(None, 1) for line in kkiai("mock", "--list").lines)
    scripted = {f"grok:scenario-{name}": summary for name, summary in scenarios().items()}
    assert listed == scripted | {f"grok:fault-{name}": summary for name, summary in faults().items()}


def test_a_fault_that_is_none(kkiai: Run) -> None:
    """`kkiai mock --fault` with a name that is none is a usage error that names those that are."""
    ended = kkiai("mock", "--fault", "earthquake")
    assert ended.code == 2
    assert "'earthquake'" in ended.err
    assert "reset-mid-body" in ended.err


def test_demo_without_a_key(kkiai: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kkiai demo` needs no key and no gateway: it waits, stores the video and says where it lies and what to try."""
    monkeypatch.delenv("KKIAI_API_KEY")
    monkeypatch.setenv("KKIAI_BASE_URL", "https://gateway.invalid")
    ended = kkiai("demo", "-o", str(tmp_path / "videos"), "--speed", "100")
    (video,) = (tmp_path / "videos").iterdir()
    assert ended.code == 0
    assert video.read_bytes()[4:8] == b"ftyp"
    assert f"The video lies at {video} (145 kB)" in ended.err
    assert "Try next:" in ended.err
    assert ended.rows[0][:2] == ["grok:scenario-normal", "succeeded"]
    assert ended.rows[1] == [str(video)]


def test_demo_twice(kkiai: Run, tmp_path: Path) -> None:
    """A second demonstration replaces the video of the first."""
    for _ in range(2):
        assert kkiai("demo", "grok:scenario-expired-url~twice", "-o", str(tmp_path)).code == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_demo_with_a_task_of_ones_own(kkiai: Run, gateway: MockGateway, tmp_path: Path) -> None:
    """With an id the demonstration goes to the configured gateway, with the configured key."""
    before = len(gateway.requests)
    ended = kkiai("demo", "grok:scenario-expired-url~demo", "-o", str(tmp_path))
    sent = gateway.requests[before:]
    assert ended.code == 0
    assert {request.header("authorization") for request in sent if "query" in request.path} == {f"Bearer {KEY}"}
    assert len(list(tmp_path.iterdir())) == 1


def test_demo_of_a_task_that_fails(kkiai: Run, tmp_path: Path) -> None:
    """When the wait does not end well the demonstration ends with its code, and nothing is fetched."""
    ended = kkiai("demo", "grok:scenario-http-403~demo", "-o", str(tmp_path))
    assert ended.code == 4
    assert list(tmp_path.iterdir()) == []
