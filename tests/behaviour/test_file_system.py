"""File system faults of downloads: full disk, permissions, links and pipes."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError
from tests.support.disk import raise_enospc, write_limited_to
from tests.support.wire import FileHost, pattern, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

BODY = pattern(1, 0, 300_000)
OLD = b"an older file"
NOBODY = 65534


#: The function that fails, its replacement, and the size of the part that is kept.
STEPS: dict[str, tuple[str, Callable[[], Callable[..., Any]], int]] = {
    "opening the part": ("open", lambda: raise_enospc, 0),
    "the note": ("write", lambda: write_limited_to(0, ".json"), 0),
    "the first write": ("write", lambda: write_limited_to(0), 0),
    "a later write": ("write", lambda: write_limited_to(100_000), 100_000),
    "syncing": ("fsync", lambda: raise_enospc, len(BODY)),
    "renaming": ("replace", lambda: raise_enospc, len(BODY)),
}


@pytest.mark.fault("F-01")
@pytest.mark.parametrize("step", STEPS)
def test_full_disk_at_any_step_is_a_download_error_and_keeps_the_part(
    video: VideoDownload, tmp_path: Path, clock: FakeTime, step: str
) -> None:
    """A full disk is a DownloadError with its errno, at once; the old file and the part are kept."""
    name, failing, kept = STEPS[step]
    video.target.write_bytes(OLD)
    video.start(each=FileHost(BODY))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, failing())
        with pytest.raises(k.DownloadError, match="No space left") as caught:
            video.download(overwrite=True)
    assert (caught.value.errno, caught.value.path) == (errno.ENOSPC, str(video.target))
    assert (video.target.read_bytes(), clock.sleeps) == (OLD, [])
    assert len(video.host.requests) == int(step != "opening the part")
    assert (video.part.stat().st_size if video.part.exists() else 0) == kept
    assert video.download(overwrite=True).read_bytes() == BODY
    ranges = [each.header("range") for each in video.host.requests[1:]]
    assert ranges == ([] if kept == len(BODY) else [f"bytes={kept}-" if kept else None])[: len(ranges)]
    assert list(tmp_path.iterdir()) == [video.target]


@pytest.mark.fault("F-03")
def test_file_system_without_hard_links_renames_and_keeps_a_new_target(
    video: VideoDownload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without hard links the file is renamed, and a target created meanwhile is still kept."""

    def unsupported(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", unsupported)
    assert video.start(each=FileHost(BODY)).download().read_bytes() == BODY
    with pytest.raises(k.TargetExistsError):
        video.download(tmp_path / "w.mp4", progress=lambda *_: (tmp_path / "w.mp4").touch())
    assert (tmp_path / "w.mp4").read_bytes() == b""


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder without write permission for this process; the superuser changes its effective user for it."""
    with tempfile.TemporaryDirectory() as name:
        folder, is_superuser = Path(name), os.geteuid() == 0
        folder.chmod(0o555)
        if is_superuser:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if is_superuser:
                os.seteuid(0)
            folder.chmod(0o755)


@pytest.mark.fault("F-05")
def test_folder_without_write_permission_is_refused_before_any_request(
    make: Maker, serve: Serve, closed_folder: Path
) -> None:
    """Without permission there is a DownloadError before any request, also before a wait."""
    server = serve()
    client = make(server.url)
    for call in (client.download, client.wait_and_download):
        with pytest.raises(k.DownloadError, match="cannot write") as caught:
            call("t", closed_folder / "v.mp4")
        assert caught.value.errno == errno.EACCES
    assert server.requests == []


@pytest.mark.fault("F-05")
def test_read_only_file_system_is_refused_before_any_request(
    make: Maker, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of opening the part is a DownloadError, still before any request."""

    def read_only(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    server = serve()
    client = make(server.url)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        with pytest.raises(k.DownloadError, match="Read-only") as caught:
            client.download("t", tmp_path / "v.mp4")
    assert (caught.value.errno, server.requests, list(tmp_path.iterdir())) == (errno.EROFS, [], [])


@pytest.mark.fault("F-06")
def test_hard_link_in_place_of_the_part_is_dropped(video: VideoDownload, tmp_path: Path) -> None:
    """A part with a second name is unlinked, not written to: the other file stays as it is."""
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    video.part.hardlink_to(victim)
    path = video.start(FileHost(BODY)).download()
    assert (path.read_bytes(), victim.read_bytes(), video.part.exists()) == (BODY, OLD, False)


@pytest.mark.fault("F-06")
@pytest.mark.parametrize("kind", ["link", "hard link", "FIFO"])
def test_link_or_pipe_in_place_of_the_metadata_is_replaced(video: VideoDownload, tmp_path: Path, kind: str) -> None:
    """In place of the metadata a link is not written through, and a pipe does not block."""
    victim, note = tmp_path / "victim", tmp_path / "v.mp4.part.json"
    victim.write_bytes(OLD)
    video.part.write_bytes(b"x")
    plant: dict[str, Callable[[], object]] = {
        "link": lambda: note.symlink_to(victim),
        "hard link": lambda: note.hardlink_to(victim),
        "FIFO": lambda: os.mkfifo(note),
    }
    plant[kind]()
    path = video.start(FileHost(BODY)).download()
    assert (path.read_bytes(), victim.read_bytes()) == (BODY, OLD)
    assert {each.name for each in tmp_path.iterdir()} == {"v.mp4", "victim"}


@pytest.mark.fault("F-07")
def test_symbolic_link_at_the_target_is_replaced_itself(video: VideoDownload, tmp_path: Path) -> None:
    """A symbolic link at the target counts as an existing file; overwriting replaces the link alone."""
    victim = tmp_path / "victim"
    video.start(each=FileHost(BODY))
    for exists in (False, True):
        video.target.symlink_to(victim)
        if exists:
            victim.write_bytes(OLD)
        with pytest.raises(k.TargetExistsError):
            video.download()
        video.download(overwrite=True)
        assert (video.target.is_symlink(), video.target.read_bytes(), victim.exists()) == (False, BODY, exists)
        video.target.unlink()
    assert victim.read_bytes() == OLD


@pytest.mark.fault("F-11")
@pytest.mark.parametrize("kind", ["FIFO", "socket", "/dev/null", "/dev/full", "/dev/stdout", "/dev/new.mp4"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_target_that_is_no_regular_file_is_refused(
    make: Maker, serve: Serve, tmp_path: Path, kind: str, *, overwrite: bool
) -> None:
    """Pipes, sockets and devices, the standard output among them, are refused before any request."""
    target, server = tmp_path / "v.mp4", serve()
    if kind == "FIFO":
        os.mkfifo(target)
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(str(target))
        with pytest.raises(ConfigurationError, match="not a regular file"):
            make(server.url).download("t", kind if kind.startswith("/") else target, overwrite=overwrite)
    assert server.requests == []


@pytest.mark.fault("F-11")
def test_pipe_in_place_of_the_part_is_refused(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A pipe in place of the part is refused, and does not block."""
    os.mkfifo(tmp_path / "v.mp4.part")
    server = serve()
    with pytest.raises(k.DownloadError, match=r"\.part' is not a regular file"):
        make(server.url).download("t", tmp_path / "v.mp4")
    assert server.requests == []


@pytest.mark.fault("F-12", "K-13")
def test_part_and_metadata_are_beside_the_target_only(video: VideoDownload, tmp_path: Path) -> None:
    """A running download has its part and metadata next to the target, and no file anywhere else."""
    seen: set[str] = set()
    temporary = set(Path(tempfile.gettempdir()).iterdir())
    video.start(FileHost(BODY))
    video.download(progress=lambda size, _: seen.update(each.name for each in tmp_path.iterdir() if size))
    assert seen == {"v.mp4.part", "v.mp4.part.json"}
    assert not [each for each in set(Path(tempfile.gettempdir()).iterdir()) - temporary if "v.mp4" in each.name]


@pytest.mark.fault("F-02")
def test_complete_file_with_two_names_survives_the_next_download(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A program killed between link and unlink leaves a whole file, which the next download does not empty."""
    target, part = tmp_path / "v.mp4", tmp_path / "v.mp4.part"
    target.write_bytes(OLD)
    part.hardlink_to(target)
    with pytest.raises(k.VideoMissingError):
        make(serve(task()).url).download("t", target, overwrite=True, resume=False)
    assert target.read_bytes() == OLD
