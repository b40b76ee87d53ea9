"""Targets of downloads: names, existing files, permissions."""

from __future__ import annotations

import errno
import os
import resource
import stat
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError
from tests.support.wire import FileHost, completed, completed_task, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

BODY = pattern(1, 0, 300_000)
OLD = b"an older file"


@pytest.mark.fault("F-10")
def test_downloaded_file_has_the_mode_of_the_umask(video: VideoDownload) -> None:
    """The file has the mode that the umask gives to any new file."""
    umask = os.umask(0o027)
    try:
        path = video.start(FileHost(BODY)).download()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.fault("F-04", "F-08")
@pytest.mark.parametrize(("task_id", "name"), [("t-1", "t-1.mp4"), ("../../evil", "evil-"), ("grok:1", "grok-1-")])
def test_file_in_a_folder_is_named_after_the_task_id(
    video: VideoDownload, tmp_path: Path, task_id: str, name: str
) -> None:
    """In a folder the file gets a safe name made from the id, never from the server."""
    path = video.start(FileHost(BODY)).download(tmp_path, path="/../x%2f..%2fetc.mp4", task_id=task_id)
    assert path.parent == tmp_path
    assert path.name.startswith(name)
    assert path.read_bytes() == BODY


@pytest.mark.fault("F-02")
def test_existing_target_without_overwrite_is_refused_before_any_request(
    make: Maker, serve: Serve, tmp_path: Path
) -> None:
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
def test_overwrite_replaces_the_old_file_when_the_new_one_is_complete(video: VideoDownload) -> None:
    """With overwrite the old file stays until the new one is complete."""
    video.target.write_bytes(OLD)
    seen: list[bytes] = []
    video.start(FileHost(BODY)).download(overwrite=True, progress=lambda *_: seen.append(video.target.read_bytes()))
    assert set(seen) == {OLD}
    assert video.target.read_bytes() == BODY


@pytest.mark.fault("F-02")
@pytest.mark.parametrize("name", ["t.mp4", "elsewhere"], ids=["file", "link"])
def test_skip_takes_an_existing_file_for_the_video_and_sends_nothing(
    make: Maker, serve: Serve, tmp_path: Path, name: str
) -> None:
    """With overwrite="skip" a file that is not empty, or a link to one, is the result; nothing is sent or changed."""
    file = tmp_path / name
    file.write_bytes(OLD)
    if name != "t.mp4":
        (tmp_path / "t.mp4").symlink_to(file)
    before = list(tmp_path.iterdir())
    server = serve()
    client = make(server.url)
    for call in (client.download, client.wait_and_download):
        for dest in (tmp_path / "t.mp4", tmp_path, str(tmp_path / "t.mp4")):
            assert call("t", dest, overwrite="skip") == tmp_path / "t.mp4"
    failed = k.VideoTask(id="t", state=k.TaskState.FAILED)
    assert client.download(failed, tmp_path, overwrite="skip") == tmp_path / "t.mp4"
    assert (server.requests, file.read_bytes()) == ([], OLD)
    assert list(tmp_path.iterdir()) == before


@pytest.mark.fault("F-02")
@pytest.mark.parametrize("kind_of_target", ["missing", "empty", "broken link", "link to an empty file"])
def test_skip_downloads_when_there_is_no_file_or_an_empty_one(video: VideoDownload, kind_of_target: str) -> None:
    """With overwrite="skip" a missing file is downloaded; an empty one and a link to nothing are replaced."""
    if kind_of_target == "empty":
        video.target.touch()
    elif "link" in kind_of_target:
        video.target.symlink_to(video.target.with_name("elsewhere"))
    if kind_of_target == "link to an empty file":
        video.target.with_name("elsewhere").touch()
    video.start(FileHost(BODY)).download(overwrite="skip")
    assert (video.target.read_bytes(), video.target.is_symlink()) == (BODY, False)


@pytest.mark.fault("F-03")
def test_skip_keeps_a_file_created_during_the_download(video: VideoDownload) -> None:
    """With overwrite="skip" a file that is created during the download is kept, and nothing is left alongside it."""
    video.start(FileHost(BODY))
    path = video.download(overwrite="skip", progress=lambda *_: video.target.write_bytes(OLD))
    assert (path, path.read_bytes()) == (video.target, OLD)
    assert list(video.target.parent.iterdir()) == [video.target]


@pytest.mark.fault("F-03")
@pytest.mark.parametrize("overwrite", [False, "skip"])
def test_file_created_during_the_wait_is_kept_and_nothing_is_downloaded(
    make: Maker, serve: Serve, tmp_path: Path, overwrite: Any
) -> None:
    """No byte of the video is requested: the file is the result with "skip", and is refused without."""
    host, target = serve(), tmp_path / "t.mp4"
    client = make(serve(completed(f"{host.url}/v")).url)
    options = {"overwrite": overwrite, "on_update": lambda _: target.write_bytes(OLD)}
    if overwrite:
        assert client.wait_and_download("t", tmp_path, **options) == target
    else:
        with pytest.raises(k.TargetExistsError):
            client.wait_and_download("t", tmp_path, **options)
    assert host.requests == []
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (OLD, [target])


@pytest.mark.fault("F-04")
@pytest.mark.parametrize("overwrite", [None, 1, 0, "", "Skip", "yes", b"skip", [True]])
def test_invalid_overwrite_is_refused_before_any_request(
    make: Maker, serve: Serve, tmp_path: Path, overwrite: Any
) -> None:
    """Any other value of overwrite is refused before any request."""
    server = serve()
    client = make(server.url)
    for call in (client.download, client.wait_and_download):
        with pytest.raises(ConfigurationError, match="overwrite must be True, False or 'skip'"):
            call("t", tmp_path, overwrite=overwrite)
    assert server.requests == []


@pytest.mark.fault("F-03")
def test_target_created_during_the_download_is_kept(video: VideoDownload) -> None:
    """Without overwrite a file that is created during the download is not replaced either."""
    video.start(FileHost(BODY))
    with pytest.raises(k.TargetExistsError):
        video.download(progress=lambda *_: video.target.write_bytes(OLD))
    assert video.target.read_bytes() == OLD


@pytest.mark.fault("F-04")
@pytest.mark.parametrize("dest", ["missing/v.mp4", "", "\0", "\ud800", None, 5, b"v.mp4", "folder.mp4"])
def test_invalid_destination_is_refused_before_any_request(
    make: Maker, serve: Serve, tmp_path: Path, dest: Any
) -> None:
    """A destination that cannot hold the file is refused before any request."""
    (tmp_path / "folder.mp4" / "t.mp4").mkdir(parents=True)
    server = serve()
    place = tmp_path / dest if isinstance(dest, str) and dest else dest
    with pytest.raises(ConfigurationError, match="dest"):
        make(server.url).download("t", place)
    assert server.requests == []


@pytest.mark.fault("D-21")
def test_second_download_to_the_same_target_is_refused(video: VideoDownload) -> None:
    """While one download writes, another to the same target is refused, and the first one completes."""
    video.start(FileHost(BODY))
    problems: list[str] = []
    kkiai = k.Kkiai("other-key", base_url="http://127.0.0.1:9")

    def meanwhile(*_: object) -> None:
        with pytest.raises(k.DownloadError) as caught:
            kkiai.download(completed_task(f"{video.host.url}/v"), video.target)
        problems.append(str(caught.value))

    path = video.download(progress=meanwhile)
    kkiai.close()
    assert path.read_bytes() == BODY
    assert problems[0].startswith("another download is writing")
    assert len(video.host.requests) == 1


@pytest.mark.fault("F-13")
def test_file_is_synced_before_it_is_renamed_and_its_folder_after(
    video: VideoDownload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced before it is renamed, and its folder afterwards."""
    synced, sync = [], os.fsync

    def spy(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), video.target.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    video.start(FileHost(BODY)).download()
    assert synced == [(False, False), (True, True)]


@pytest.mark.fault("F-06")
def test_symbolic_link_in_place_of_the_part_is_refused(video: VideoDownload, tmp_path: Path) -> None:
    """A symbolic link under the part's name is not followed: its target stays as it is."""
    (tmp_path / "victim").write_bytes(OLD)
    video.part.symlink_to(tmp_path / "victim")
    video.start()
    with pytest.raises(k.DownloadError, match="cannot write"):
        video.download()
    assert (video.host.requests, (tmp_path / "victim").read_bytes()) == ([], OLD)


@pytest.mark.fault("F-01")
def test_file_size_limit_is_a_download_error_without_a_retry(video: VideoDownload, clock: FakeTime) -> None:
    """A write that the file system refuses is a DownloadError with its errno, and is not retried."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    video.start(FileHost(BODY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(k.DownloadError, match="cannot write") as caught:
            video.download()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert (len(video.host.requests), clock.sleeps) == (1, [])
