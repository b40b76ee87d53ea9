"""Downloads under the rules of Windows: files that are held open, names, lengths of paths."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from kkiai_sdk import AsyncKkiai, ConfigurationError
from kkiai_sdk._downloads.windows_names import MAX_PATH
from tests.support.adapter import default_tls
from tests.support.canary import KEY
from tests.support.rawserver import End
from tests.support.systems import needs_proc
from tests.support.windows import hold_to_windows, is_held_open
from tests.support.wire import CLOSE, FileHost, completed, completed_task, http, pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

pytestmark = [pytest.mark.fault("F-15"), needs_proc]

BODY = pattern(6, 0, 300_000)
HOST = FileHost(BODY)
OLD = b"an older file"


@pytest.fixture(autouse=True)
def _windows(_no_key_anywhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_to_windows(monkeypatch)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The destination of the video."""
    return tmp_path / "v.mp4"


def names(target: Path) -> set[str]:
    """The names of all files next to the target."""
    return {path.name for path in target.parent.iterdir()}


def test_the_rules_forbid_what_windows_forbids(target: Path) -> None:
    """A file that is open can be neither renamed nor removed; renaming replaces nothing; folders are not opened."""
    target.write_bytes(OLD)
    other = target.with_name("w.mp4")
    calls: list[Callable[[], object]] = [target.unlink, lambda: target.replace(other), lambda: target.rename(other)]
    with target.open("rb"):
        assert is_held_open(target)
        for call in calls:
            with pytest.raises(PermissionError):
                call()
    other.write_bytes(OLD)
    with pytest.raises(FileExistsError):
        target.rename(other)
    with pytest.raises(PermissionError):
        os.open(target.parent, os.O_RDONLY)


@pytest.mark.parametrize("overwrite", [False, True])
def test_download_gives_the_file_its_name(make: Maker, serve: Serve, target: Path, *, overwrite: bool) -> None:
    """A download ends with the whole file under its name, in the place of an old one or none, and nothing else."""
    if overwrite:
        target.write_bytes(OLD)
    client = make(serve().url)
    assert client.download(completed_task(f"{serve(HOST).url}/v"), target, overwrite=overwrite).read_bytes() == BODY
    assert names(target) == {"v.mp4"}


def test_wait_and_download_into_a_folder_gives_the_file_its_name(make: Maker, serve: Serve, target: Path) -> None:
    """A file that is named after its task has a name that Windows accepts."""
    host = serve(HOST)
    server = serve(each=lambda _: completed(f"{host.url}/v"))
    path = make(server.url).wait_and_download("con.nul?<1>", target.parent)
    assert path.read_bytes() == BODY
    assert path.name.startswith("video-con.nul-1-")


def test_download_goes_on_within_a_call_and_in_the_next(make: Maker, serve: Serve, target: Path) -> None:
    """After cuts the same call and the next one go on from the part, and the file is right."""
    host = serve(HOST.cut(20_000), HOST.cut(30_000, End.RST), *[CLOSE] * 5, HOST)
    client = make(serve().url)
    with pytest.raises(k.IncompleteDownloadError):
        client.download(completed_task(f"{host.url}/v"), target)
    assert names(target) == {"v.mp4.part", "v.mp4.part.json"}
    assert client.download(completed_task(f"{host.url}/v"), target).read_bytes() == BODY
    assert str(host.requests[-1].header("range")).startswith("bytes=")
    assert names(target) == {"v.mp4"}


def test_part_that_is_whole_gets_its_name_without_a_request(make: Maker, serve: Serve, target: Path) -> None:
    """A part left whole by a process that was killed before it gave the name is renamed by the next call."""
    target.with_name("v.mp4.part").write_bytes(BODY)
    note = f'{{"task_id": "t", "validator": "\\"one\\"", "total": {len(BODY)}}}'
    target.with_name("v.mp4.part.json").write_text(note, encoding="ascii")
    assert make(serve().url).download(completed_task("http://127.0.0.1:9/v"), target).read_bytes() == BODY
    assert names(target) == {"v.mp4"}


@pytest.mark.parametrize("before", [None, OLD])
def test_failure_leaves_no_part_and_the_old_file(make: Maker, serve: Serve, target: Path, before: bytes | None) -> None:
    """A page in place of the video: the old file stays, the empty part is removed, and nothing is held open."""
    if before is not None:
        target.write_bytes(before)
    host = serve(http(200, b"<html>sign in</html>", ("Content-Type", "text/html")))
    with pytest.raises(k.NotAVideoError):
        make(serve().url).download(completed_task(f"{host.url}/v"), target, overwrite=True)
    assert names(target) == ({"v.mp4"} if before else set())
    assert (target.read_bytes() if target.exists() else None) == before


def test_target_that_appears_during_the_download_is_kept(make: Maker, serve: Serve, target: Path) -> None:
    """A file that was created meanwhile is not replaced; the whole part stays for the next call."""
    host = serve(each=HOST)
    client = make(serve().url)
    with pytest.raises(k.TargetExistsError):
        client.download(completed_task(f"{host.url}/v"), target, progress=lambda *_: target.write_bytes(OLD))
    assert target.read_bytes() == OLD
    assert client.download(completed_task(f"{host.url}/v"), target, overwrite=True).read_bytes() == BODY
    assert (len(host.requests), names(target)) == (1, {"v.mp4"})


def test_target_that_is_held_open_is_an_error_and_the_part_stays(make: Maker, serve: Serve, target: Path) -> None:
    """A player that shows the old file forbids to replace it: a DownloadError, and the next call needs no request."""
    target.write_bytes(OLD)
    host = serve(each=HOST)
    client = make(serve().url)
    with target.open("rb"), pytest.raises(k.DownloadError, match="cannot write") as caught:
        client.download(completed_task(f"{host.url}/v"), target, overwrite=True)
    assert (caught.value.errno, target.read_bytes()) == (errno.EACCES, OLD)
    assert client.download(completed_task(f"{host.url}/v"), target, overwrite=True).read_bytes() == BODY
    assert len(host.requests) == 1


def test_part_with_another_name_is_given_up(make: Maker, serve: Serve, target: Path) -> None:
    """A part that is a hard link to another file is removed, not written to."""
    victim = target.with_name("victim")
    victim.write_bytes(OLD)
    os.link(victim, target.with_name("v.mp4.part"))
    path = make(serve().url).download(completed_task(f"{serve(HOST).url}/v"), target)
    assert (path.read_bytes(), victim.read_bytes()) == (BODY, OLD)


def test_interrupt_closes_the_part(make: Maker, serve: Serve, target: Path) -> None:
    """After Ctrl-C the part is closed: it can be removed, or gone on from."""

    def interrupt(size: int, _: object) -> None:
        if size:
            raise KeyboardInterrupt

    host = serve(each=HOST)
    client = make(serve().url)
    with pytest.raises(KeyboardInterrupt):
        client.download(completed_task(f"{host.url}/v"), target, progress=interrupt)
    assert not is_held_open(target.with_name("v.mp4.part"))
    assert client.download(completed_task(f"{host.url}/v"), target).read_bytes() == BODY


def test_cancellation_closes_the_part(serve: Serve, target: Path) -> None:
    """A download that is cancelled in the middle of a write closes its part, and the next one goes on."""
    body = pattern(6, 0, 1 << 20)
    host, server = serve(each=FileHost(body)), serve()

    async def main() -> None:
        async with AsyncKkiai(KEY, base_url=server.url, httpx_args={"verify": default_tls()}) as client:
            started = asyncio.Event()
            call = asyncio.ensure_future(
                client.download(completed_task(f"{host.url}/v"), target, progress=lambda *_: started.set())
            )
            await started.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not is_held_open(target.with_name("v.mp4.part"))
            assert (await client.download(completed_task(f"{host.url}/v"), target)).read_bytes() == body

    asyncio.run(main())
    assert names(target) == {"v.mp4"}


@pytest.mark.fault("F-16")
@pytest.mark.parametrize("name", ["NUL", "con.mp4", "v.mp4:stream", "v?.mp4", "v.mp4.", "v "])
def test_name_that_windows_does_not_accept_is_refused_before_anything_is_sent(
    make: Maker, serve: Serve, target: Path, name: str
) -> None:
    """A device, a stream of another file, a forbidden character, a dot or a space at the end: ConfigurationError."""
    server = serve()
    for call in (make(server.url).download, make(server.url).wait_and_download):
        with pytest.raises(ConfigurationError, match="cannot be a file on Windows"):
            call("t", target.with_name(name))
    assert (server.requests, names(target)) == ([], set())


@pytest.mark.fault("F-16")
@pytest.mark.parametrize("room", [20, 40, 60])
def test_paths_stay_within_the_length_that_windows_allows(make: Maker, serve: Serve, target: Path, room: int) -> None:
    """In a deep folder the part, its note and a name that is made of an id are as short as the longest path demands."""
    folder = target.parent / ("d" * (MAX_PATH - len(str(target.parent)) - 2 - room))
    folder.mkdir()
    seen: set[str] = set()
    host = serve(each=HOST)
    client = make(serve(each=lambda _: completed(f"{host.url}/v")).url)
    given = folder / f"{'v' * (room - 4)}.mp4"
    for dest in [given, *([folder] if room >= 40 else [])]:
        path = client.download("t" * 200, dest, progress=lambda *_: seen.update(map(str, folder.iterdir())))
        assert path.read_bytes() == BODY
        seen.add(str(path))
    most = max(map(len, seen))
    assert len(str(given)) == MAX_PATH
    assert most <= (MAX_PATH if room >= 40 else MAX_PATH + 10)
