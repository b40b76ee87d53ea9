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


def test_mock_list_prints_all_scenarios_and_faults(kkiai: Run) -> None:
    """`kkiai mock --list` prints every scripted task and fault, as an id to paste, with its summary."""
    listed = dict(line.split(None, 1) for line in kkiai("mock", "--list").lines)
    scripted = {f"grok:scenario-{name}": summary for name, summary in scenarios().items()}
    assert listed == scripted | {f"grok:fault-{name}": summary for name, summary in faults().items()}


def test_mock_with_unknown_fault_names_the_known_ones(kkiai: Run) -> None:
    """`kkiai mock --fault` with an unknown name is a usage error that names the faults."""
    ended = kkiai("mock", "--fault", "earthquake")
    assert ended.code == 2
    assert "'earthquake'" in ended.err
    assert "reset-mid-body" in ended.err


def test_demo_without_key_downloads_from_mock_gateway(
    kkiai: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kkiai demo` needs no key and no gateway: it waits, stores the video and suggests what to try next."""
    monkeypatch.delenv("KKIAI_API_KEY")
    monkeypatch.setenv("KKIAI_BASE_URL", "https://gateway.invalid")
    folder = tmp_path / "videos"
    ended = kkiai("demo", "-o", str(folder), "--speed", "100")
    (video,) = folder.iterdir()
    assert ended.code == 0
    assert video.read_bytes()[4:8] == b"ftyp"
    assert f"The video is in {folder}.\nTry next:\n" in ended.err
    assert ended.rows[0][:2] == ["grok:scenario-normal", "succeeded"]
    assert ended.rows[1] == [str(video)]


def test_second_demo_replaces_video_of_the_first(kkiai: Run, tmp_path: Path) -> None:
    """A repeated demonstration replaces the video."""
    for _ in range(2):
        assert kkiai("demo", "grok:scenario-expired-url~twice", "-o", str(tmp_path)).code == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_demo_with_id_uses_configured_gateway_and_key(kkiai: Run, gateway: MockGateway, tmp_path: Path) -> None:
    """With an id the demonstration goes to the configured gateway, with the configured key."""
    before = len(gateway.requests)
    ended = kkiai("demo", "grok:scenario-expired-url~demo", "-o", str(tmp_path))
    sent = gateway.requests[before:]
    assert ended.code == 0
    assert {request.header("authorization") for request in sent if "query" in request.path} == {f"Bearer {KEY}"}
    assert len(list(tmp_path.iterdir())) == 1


def test_demo_of_refused_task_downloads_nothing(kkiai: Run, tmp_path: Path) -> None:
    """When the wait fails the demonstration ends with its exit code, without a download."""
    ended = kkiai("demo", "grok:scenario-http-403~demo", "-o", str(tmp_path))
    assert ended.code == 4
    assert list(tmp_path.iterdir()) == []
