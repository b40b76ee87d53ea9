"""The check that all videos are downloaded, and recordings that are made and played."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import kkiai_sdk.testing
from kkiai_sdk import ConfigurationError, TaskTimeoutError
from kkiai_sdk.testing import Gateway, assert_all_downloaded, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kkiai_sdk import Kkiai

pytestmark = pytest.mark.usefixtures("nothing_left_behind")
#: Scripts whose video comes in the end, by a way of its own.
WAYS = """normal signed-url relative-url redirect-url expired-url truncated-video file-gzip file-unsized file-by-json
file-cookie file-late file-late-json other-url-detail-url forms-json-text forms-several wrapped video-fault-reset
video-fault-reset-mid-body video-fault-close-after"""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway with a task that is done."""
    with Gateway(tasks={"grok:a": ["completed"], "grok:b": ["completed"]}) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Kkiai]:
    """A client of the gateway."""
    with gateway.client() as client:
        yield client


@pytest.mark.parametrize("name", WAYS.split())
def test_video_that_was_saved_counts(gateway: Gateway, client: Kkiai, tmp_path: Path, name: str) -> None:
    """A video that the client saves is downloaded, whatever the way to it; before, it is not."""
    gateway.script("grok:x", name)
    task = client.wait("grok:x")
    with pytest.raises(AssertionError, match="grok:x was not downloaded"):
        assert_all_downloaded(gateway)
    assert_all_downloaded(gateway, [client.download(task, tmp_path / "v.mp4")])


def test_failed_and_unknown_tasks_do_not_count(gateway: Gateway, client: Kkiai, tmp_path: Path) -> None:
    """Tasks that failed, run or are unknown have no video to download."""
    gateway.script("grok:fails", "fails")
    client.wait_many(["grok:fails", "grok:unknown"])
    with pytest.raises(AssertionError, match=r"^no task has succeeded$"):
        assert_all_downloaded(gateway)
    client.wait_and_download("grok:a", tmp_path / "v.mp4")
    assert_all_downloaded(gateway)


def test_parts_count_once_they_are_all_there(gateway: Gateway, client: Kkiai) -> None:
    """Parts in any order, by any program, are a download when no byte is missing."""
    url, size = str(client.query("grok:a").video_url), len(gateway.video)
    for first, last in ((1000, size - 1), (0, 998)):
        httpx.get(url, headers={"range": f"bytes={first}-{last}"}, trust_env=False)
    httpx.head(url, trust_env=False)
    with pytest.raises(AssertionError, match=r"^grok:a was not downloaded$"):
        assert_all_downloaded(gateway)
    httpx.get(url, headers={"range": "bytes=500-1200"}, trust_env=False)
    assert_all_downloaded(gateway)


@pytest.mark.parametrize("fault", ["close", "short-body", "reset-mid-body"])
def test_cut_download_does_not_count(gateway: Gateway, client: Kkiai, fault: str) -> None:
    """A download that a fault cut is none."""
    gateway.script("grok:x", f"video-fault-{fault}")
    url = str(client.wait("grok:x").video_url)
    with pytest.raises(httpx.HTTPError):
        httpx.get(url, trust_env=False)
    with pytest.raises(AssertionError, match="grok:x was not downloaded"):
        assert_all_downloaded(gateway)


def test_files_must_exist_and_hold_the_video(gateway: Gateway, client: Kkiai, tmp_path: Path) -> None:
    """Every problem is in the message: missing files, other contents, too few files, and tasks that are missing."""
    path = client.wait_and_download("grok:a", tmp_path / "a.mp4")
    assert_all_downloaded(gateway, [path])
    client.query("grok:b")
    path.write_bytes(b"moo")
    with pytest.raises(AssertionError) as failed:
        assert_all_downloaded(gateway, (each for each in (path, f"{tmp_path}/b.mp4", tmp_path)))
    assert str(failed.value).split("; ") == [
        "grok:b was not downloaded",
        "2 tasks have succeeded, but 3 files were given",
        f"{tmp_path / 'b.mp4'} does not exist",
        f"{tmp_path} does not exist",
        f"{path} is not the video",
    ]


def test_recorded_task_is_played_as_it_was(gateway: Gateway, client: Kkiai, tmp_path: Path) -> None:
    """A task that was recorded ends the same way at another gateway, whose own file it names."""
    gateway.script("grok:x", "wrapped")
    folder = tmp_path / "new" / "folder"
    ended = record(client, "grok:x", folder)
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == [f"{number:04d}.json" for number in range(1, len(files) + 1)]
    assert gateway.base_url not in "".join(path.read_text("utf-8") for path in files)
    with Gateway() as other, other.client() as player:
        assert other.play(folder) == ["grok:x"]
        played = player.wait("grok:x")
        assert (played.status, played.enhanced_prompt) == (ended.status, ended.enhanced_prompt)
        assert str(played.video_url).startswith(other.base_url)
        assert_all_downloaded(other, [player.download(played, tmp_path / "v.mp4")])
        assert len([each for each in other.requests if each.path == "/v1/video/query"]) == len(files)


def test_recordings_of_several_tasks_share_a_folder(gateway: Gateway, client: Kkiai, tmp_path: Path) -> None:
    """A second recording is added to the first, of which no file is replaced."""
    gateway.script("grok:a", ["pending", "completed"])
    record(client, "grok:a", tmp_path)
    (tmp_path / "0001.json").unlink()
    record(client, "grok:b", tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0002.json", "0003.json"]
    assert gateway.play(tmp_path) == ["grok:a", "grok:b"]


def test_recording_ends_with_its_timeout(gateway: Gateway, client: Kkiai, tmp_path: Path) -> None:
    """The responses received before the timeout are recorded."""
    gateway.script("grok:x", ["pending"])
    with pytest.raises(TaskTimeoutError):
        record(client, "grok:x", tmp_path, timeout=10)
    assert [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "contains no recorded responses"),
        ("moo", "1.json must be a JSON object with a task_id"),
        ("[]", "1.json must be a JSON object with a task_id"),
        ('{"state": "a"}', "1.json must be a JSON object with a task_id"),
        ('{"task_id": 7}', "1.json must be a JSON object with a task_id"),
        ('{"task_id": "grok:a", "stat": 1}', "1.json has the unknown key 'stat'"),
        ('{"task_id": "grok:a", "status": "a"}', "status of .*1.json must be a whole number"),
    ],
)
def test_invalid_recording_is_refused(gateway: Gateway, tmp_path: Path, content: Any, error: str) -> None:
    """A file that cannot be played is an error with its name."""
    if content is not None:
        (tmp_path / "1.json").write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=error):
        gateway.play(tmp_path)


def test_recording_by_hand_may_be_any_step(gateway: Gateway, client: Kkiai, tmp_path: Path) -> None:
    """A file holds a step, such as an error before the end."""
    steps: list[dict[str, Any]] = [{"status": 503}, {"state": "completed"}]
    for number, step in enumerate(steps):
        (tmp_path / f"{number}.json").write_text(json.dumps({"task_id": "grok:x", **step}), "utf-8")
    gateway.play(tmp_path)
    assert client.wait("grok:x").is_succeeded
    assert len(gateway.requests) == 2


def test_door_has_its_names_and_no_other() -> None:
    """Every public name of the kit can be imported and has a docstring; any other is an AttributeError."""
    door = kkiai_sdk.testing
    assert door.__all__ == sorted(door.__all__)
    assert all(getattr(door, name).__doc__ for name in door.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Gatewa'"):
        door.Gatewa  # noqa: B018 (the lookup is what is tested)
