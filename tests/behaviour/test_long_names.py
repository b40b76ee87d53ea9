"""Downloads to names at and beyond the length limit of the file system."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from kkiai_sdk._downloads.part_file import MAX_NAME
from tests.support.wire import FileHost, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker

pytestmark = pytest.mark.fault("F-14")

BODY = pattern(1, 0, 100_000)
#: One, two, three and four bytes to a character.
CHARACTERS = ["v", "é", "日", "🎬"]


class EnoughError(Exception):
    """Interrupts a download."""


def enough(count: int, _total: int | None) -> None:
    """Interrupt the download after its first bytes."""
    if count:
        raise EnoughError


def name_of(size: int, character: str) -> str:
    """Return a name of ``size`` bytes, made of this character as far as it fits."""
    room = size - len(".mp4")
    name = character * (room // len(character.encode()))
    return f"{name}{'x' * (room - len(name.encode()))}.mp4"


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("size", [240, 245, 246, 250, 251, 255])
def test_download_to_a_name_of_up_to_255_bytes_is_resumed(
    video: VideoDownload, tmp_path: Path, size: int, character: str
) -> None:
    """A download to a name of up to 255 bytes is interrupted, resumed, and leaves only the video."""
    video.target = tmp_path / name_of(size, character)
    assert len(os.fsencode(video.target.name)) == size
    file = FileHost(BODY)
    video.start(file.cut(30_000), each=file)
    with pytest.raises(EnoughError):
        video.download(progress=enough)
    left = sorted(os.fsencode(path.name) for path in tmp_path.iterdir())
    assert [name.partition(b".part")[1:] for name in left] == [(b".part", b""), (b".part", b".json")]
    assert max(map(len, left)) <= MAX_NAME
    assert video.download().read_bytes() == BODY
    assert video.host.requests[-1].header("range") is not None
    assert list(tmp_path.iterdir()) == [video.target]


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("size", [256, 5000])
def test_name_longer_than_the_file_system_allows_is_refused(
    make: Maker, serve: Serve, tmp_path: Path, size: int, character: str, *, overwrite: bool
) -> None:
    """A name that the file system cannot hold is refused before any request, also before a wait."""
    server = serve()
    client = make(server.url)
    for call in (client.download, client.wait_and_download):
        with pytest.raises(k.DownloadError, match=r"cannot write .*: File name too long") as caught:
            call("t", tmp_path / name_of(size, character), overwrite=overwrite)
        assert caught.value.errno == errno.ENAMETOOLONG
    assert (server.requests, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("size", [100, 245])
def test_part_with_its_usual_name_is_resumed(video: VideoDownload, tmp_path: Path, size: int) -> None:
    """While it fits, the part of NAME is NAME.part, and its metadata NAME.part.json."""
    video.target = tmp_path / name_of(size, "v")
    video.start(FileHost(BODY))
    video.part.write_bytes(BODY[:50_000])
    (tmp_path / f"{video.target.name}.part.json").write_text(
        f'{{"task_id": "t", "validator": "\\"one\\"", "total": {len(BODY)}}}', encoding="ascii"
    )
    assert video.download().read_bytes() == BODY
    assert video.host.requests[0].header("range") == "bytes=50000-"


def test_long_names_with_a_common_beginning_have_separate_parts(video: VideoDownload, tmp_path: Path) -> None:
    """Two long names that differ in their last character have separate parts."""
    first, second = (tmp_path / f"{'v' * 254}{end}" for end in "12")
    file = FileHost(BODY)
    video.start(file.cut(30_000), each=file)
    with pytest.raises(EnoughError):
        video.download(first, progress=enough)
    assert video.download(second).read_bytes() == BODY
    assert video.host.requests[-1].header("range") is None
    assert video.download(first).read_bytes() == BODY
    assert video.host.requests[-1].header("range") is not None
