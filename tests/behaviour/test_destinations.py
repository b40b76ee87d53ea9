"""Where a download puts its file, and what the file system has to say."""

from __future__ import annotations

import errno
import os
import resource
import stat
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError
from tests.support.wire import FileHost, finished, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

BODY = pattern(1, 0, 300_000)
OLD = b"an older file"


@pytest.mark.fault("F-10")
def test_mode_bits(video: VideoDownload) -> None:
    """The file has the mode that the umask gives to any new file."""
    umask = os.umask(0o027)
    try:
        path = video.start(FileHost(BODY)).download()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.fault("F-04", "F-08")
@pytest.mark.parametrize(("task_id", "name"), [("t-1", "t-1.mp4"), ("../../evil", "evil-"), ("grok:1", "grok-1-")])
def test_a_folder_gets_a_name_from_the_id(video: VideoDownload, tmp_path: Path, task_id: str, name: str) -> None:
    """Into a folder the file goes under a safe name made from the id, never from the server."""
    path = video.start(FileHost(BODY)).download(tmp_path, path="/../x%2f..%2fetc.mp4", task_id=task_id)
    assert path.parent == tmp_path
    assert path.name.startswith(name)
    assert path.read_bytes() == BODY


@pytest.mark.fault("F-02")
def test_an_existing_file_is_not_replaced(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """Without overwrite an existing target is a TargetExistsError before any request, also before a wait."""
    target = tmp_path / "t.mp4"
    target.write_bytes(OLD)
    server = serve()
    client = make(server.url)
    for call in (client.download, client.wait_and_download):
        for dest in (target, tmp_path, str(target)):
            with pytest.raises(k.TargetExistsError, match="overwrite=True"):
                call("t", dest)
    assert (server.requests, target.read_bytes()) == ([], OLD)


@pytest.mark.fault("F-02")
def test_overwrite_replaces_it_at_the_end(video: VideoDownload) -> None:
    """With overwrite the old file stands until the new one is whole."""
    video.target.write_bytes(OLD)
    seen: list[bytes] = []
    video.start(FileHost(BODY)).download(overwrite=True, progress=lambda *_: seen.append(video.target.read_bytes()))
    assert set(seen) == {OLD}
    assert video.target.read_bytes() == BODY


@pytest.mark.fault("F-03")
def test_a_file_that_appears_meanwhile_is_kept(video: VideoDownload) -> None:
    """Without overwrite a file that appeared during the download is not replaced either."""
    video.start(FileHost(BODY))
    with pytest.raises(k.TargetExistsError):
        video.download(progress=lambda *_: video.target.write_bytes(OLD))
    assert video.target.read_bytes() == OLD


@pytest.mark.fault("F-04")
@pytest.mark.parametrize("dest", ["missing/v.mp4", "", "\0", "\ud800", None, 5, b"v.mp4", "folder.mp4"])
def test_impossible_destinations(make: Maker, serve: Serve, tmp_path: Path, dest: Any) -> None:
    """A place that cannot hold the file is refused before anything is sent."""
    (tmp_path / "folder.mp4" / "t.mp4").mkdir(parents=True)
    server = serve()
    place = tmp_path / dest if isinstance(dest, str) and dest else dest
    with pytest.raises(ConfigurationError, match="dest"):
        make(server.url).download("t", place)
    assert server.requests == []


@pytest.mark.fault("D-21")
def test_a_second_download_to_the_same_place(video: VideoDownload) -> None:
    """While one download writes, another to the same place is refused; the first goes on."""
    video.start(FileHost(BODY))
    problems: list[str] = []
    kkiai = k.Kkiai("other-key", base_url="http://127.0.0.1:9")

    def meanwhile(*_: object) -> None:
        with pytest.raises(k.DownloadError) as caught:
            kkiai.download(finished(f"{video.host.url}/v"), video.target)
        problems.append(str(caught.value))

    path = video.download(progress=meanwhile)
    kkiai.close()
    assert path.read_bytes() == BODY
    assert problems[0].startswith("another download is writing")
    assert len(video.host.requests) == 1


@pytest.mark.fault("F-13")
def test_what_is_published_is_on_the_disk(video: VideoDownload, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are synced before the file gets its name, and the folder after it."""
    synced, sync = [], os.fsync

    def spy(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), video.target.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    video.start(FileHost(BODY)).download()
    assert synced == [(False, False), (True, True)]


@pytest.mark.fault("F-06")
def test_a_planted_link(video: VideoDownload, tmp_path: Path) -> None:
    """A symbolic link under the part's name is not followed: the file behind it stays as it is."""
    (tmp_path / "victim").write_bytes(OLD)
    video.part.symlink_to(tmp_path / "victim")
    video.start()
    with pytest.raises(k.DownloadError, match="cannot write"):
        video.download()
    assert (video.host.requests, (tmp_path / "victim").read_bytes()) == ([], OLD)


@pytest.mark.fault("F-01")
def test_no_room_on_the_disk(video: VideoDownload, clock: FakeTime) -> None:
    """What the file system refuses is a DownloadError with its number; it is not tried again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    video.start(FileHost(BODY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(k.DownloadError, match="cannot write") as caught:
            video.download()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert (len(video.host.requests), clock.naps) == (1, [])
