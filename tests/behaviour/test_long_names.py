"""Downloads to names that are as long as a file system allows, or longer."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from kkiai_sdk._downloads.part_file import MAX_NAME
from tests.support.wire import FileHost, finished, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

pytestmark = pytest.mark.fault("F-14")

BODY = pattern(1, 0, 100_000)
#: One, two, three and four bytes to a character.
CHARACTERS = ["v", "é", "日", "🎬"]


class EnoughError(Exception):
    """What breaks off a download."""


def enough(count: int, _total: int | None) -> None:
    """Break it off once there is something."""
    if count:
        raise EnoughError


def name_of(size: int, character: str) -> str:
    """A name of so many bytes, as many of this character in it as fit."""
    room = size - len(".mp4")
    name = character * (room // len(character.encode()))
    return f"{name}{'x' * (room - len(name.encode()))}.mp4"


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("size", [240, 245, 246, 250, 251, 255])
def test_a_long_name(make: Maker, serve: Serve, tmp_path: Path, size: int, character: str) -> None:
    """A download to a name of up to 255 bytes is broken off, goes on from there, and leaves the video alone."""
    target = tmp_path / name_of(size, character)
    assert len(os.fsencode(target.name)) == size
    file = FileHost(BODY)
    host = serve(file.cut(30_000), each=file)
    client = make(serve().url)
    with pytest.raises(EnoughError):
        client.download(finished(f"{host.url}/v"), target, progress=enough)
    left = sorted(os.fsencode(path.name) for path in tmp_path.iterdir())
    assert [name.partition(b".part")[1:] for name in left] == [(b".part", b""), (b".part", b".json")]
    assert max(map(len, left)) <= MAX_NAME
    assert client.download(finished(f"{host.url}/v"), target).read_bytes() == BODY
    assert host.requests[-1].header("range") is not None
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("size", [256, 5000])
def test_a_name_that_is_too_long(
    make: Maker, serve: Serve, tmp_path: Path, size: int, character: str, *, overwrite: bool
) -> None:
    """A name that the file system cannot hold is refused before anything is sent, also before a wait."""
    server = serve()
    client = make(server.url)
    for call in (client.download, client.wait_and_download):
        with pytest.raises(k.DownloadError, match=r"cannot write .*: File name too long") as caught:
            call("t", tmp_path / name_of(size, character), overwrite=overwrite)
        assert caught.value.errno == errno.ENAMETOOLONG
    assert (server.requests, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("size", [100, 245])
def test_a_part_with_its_usual_name_is_gone_on_from(make: Maker, serve: Serve, tmp_path: Path, size: int) -> None:
    """As long as there is room for it the part of NAME is NAME.part, and its note NAME.part.json."""
    target = tmp_path / name_of(size, "v")
    host = serve(FileHost(BODY))
    (tmp_path / f"{target.name}.part").write_bytes(BODY[:50_000])
    (tmp_path / f"{target.name}.part.json").write_text(
        f'{{"task_id": "t", "validator": "\\"one\\"", "total": {len(BODY)}}}', encoding="ascii"
    )
    assert make(serve().url).download(finished(f"{host.url}/v"), target).read_bytes() == BODY
    assert host.requests[0].header("range") == "bytes=50000-"


def test_long_names_that_begin_alike(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """Two long names that differ in their last character have parts of their own."""
    first, second = (tmp_path / f"{'v' * 254}{end}" for end in "12")
    file = FileHost(BODY)
    host = serve(file.cut(30_000), each=file)
    client = make(serve().url)
    with pytest.raises(EnoughError):
        client.download(finished(f"{host.url}/v"), first, progress=enough)
    assert client.download(finished(f"{host.url}/v"), second).read_bytes() == BODY
    assert host.requests[-1].header("range") is None
    assert client.download(finished(f"{host.url}/v"), first).read_bytes() == BODY
    assert host.requests[-1].header("range") is not None
