"""Programs that are killed during a download, and two of them with one target."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.adapter import KINDS
from tests.support.programs import run, start
from tests.support.rawserver import End, RawReply
from tests.support.wire import FileHost, pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawRequest, RawServer

#: Fixed, so that every run uses about the same moments.
SEED = 20_260_510
BODY = b"".join(pattern(version, 0, 1 << 20) for version in range(1, 9))
OLD = b"an older file"
HOST = FileHost(BODY)
PIECE = 1 << 16
#: Bytes that are still sent when a program is about to be killed.
SLACK = 1 << 19

DOWNLOADS = {
    "sync": "Kkiai().download('t', {target!r}, overwrite={overwrite})",
    "async": "asyncio.run(AsyncKkiai().download('t', {target!r}, overwrite={overwrite}))",
}


class SlowVideoHost:
    """A gateway and file host that sends slowly in pieces and signals how many bytes it has sent."""

    def __init__(self, play_video: Play) -> None:
        self.server: RawServer = play_video(self._answer)
        self._alarm, self.reached = len(BODY), threading.Event()

    def signal_after(self, size: int) -> threading.Event:
        """Return an event that is set after the first ``size`` bytes of the file; sending stops soon after."""
        self._alarm, self.reached = size, threading.Event()
        return self.reached

    def _answer(self, request: RawRequest) -> RawReply:
        reply = HOST(request)
        assert isinstance(reply.body, bytes)
        return RawReply(reply.head, self._pieces(reply.body), End.KEEP)

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        # Those of this request: an earlier one, whose program was killed, may still be sending.
        alarm, reached, begin = self._alarm, self.reached, len(BODY) - len(body)
        for at in range(0, len(body), PIECE):
            yield body[at : at + PIECE]
            if begin + at + PIECE >= alarm:
                reached.set()
            if begin + at + PIECE >= alarm + SLACK:
                return
            time.sleep(0.001)

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request for the file."""
        return [each.header("range") for each in self.server.requests if each.target.startswith("/v.mp4")]


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def sizes_seen_of(path: Path) -> Iterator[set[int]]:
    """Poll a file and yield the set of all sizes seen."""
    sizes: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.0005):
            if path.exists():
                sizes.add(path.stat().st_size)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()


@pytest.mark.fault("D-22")
@pytest.mark.parametrize("kind", KINDS)
def test_download_killed_ten_times_is_resumed_and_completes(play_video: Play, tmp_path: Path, kind: str) -> None:
    """Killed at ten random moments, each run resumes the one before, and the last one completes the file."""
    chance = random.Random(f"{SEED} {kind}")
    points = sorted(chance.randrange(1, len(BODY) - SLACK) for _ in range(10))
    host, target, part = SlowVideoHost(play_video), tmp_path / "v.mp4", tmp_path / "v.mp4.part"
    target.write_bytes(OLD)
    program = DOWNLOADS[kind].format(target=str(target), overwrite=True)
    with sizes_seen_of(target) as sizes:
        for point in points:
            kept, reached = part.stat().st_size if part.exists() else 0, host.signal_after(point)
            with start(program, host.server.url) as process:
                assert reached.wait(20), points
                time.sleep(chance.random() * 0.02)
                process.kill()
            assert target.read_bytes() == OLD, points
            assert host.ranges[-1] == (f"bytes={kept}-" if kept else None), points
        kept, _ = part.stat().st_size, host.signal_after(len(BODY))
        assert run(program, host.server.url).returncode == 0
    assert host.ranges[-1] == f"bytes={kept}-"
    assert digest(target) == hashlib.sha256(BODY).hexdigest()
    assert sizes <= {len(OLD), len(BODY)}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.fault("D-22")
@pytest.mark.parametrize("kind", KINDS)
def test_download_killed_near_its_end_leaves_no_file_or_the_whole(play_video: Play, tmp_path: Path, kind: str) -> None:
    """Killed around the last byte, a program leaves no file or the whole file at the target."""
    chance = random.Random(f"{SEED} {kind}")
    for attempt in range(3):
        host, target = SlowVideoHost(play_video), tmp_path / f"{attempt}.mp4"
        program = DOWNLOADS[kind].format(target=str(target), overwrite=False)
        reached = host.signal_after(len(BODY))
        with sizes_seen_of(target) as sizes:
            with start(program, host.server.url) as process:
                assert reached.wait(20)
                time.sleep(chance.random() * 0.04)
                process.kill()
            if not target.exists():
                assert run(program, host.server.url).returncode == 0
        assert sizes <= {len(BODY)}
        assert digest(target) == hashlib.sha256(BODY).hexdigest()
        assert len(host.ranges) <= 2


#: Counts the file system calls and is killed at one of them: before it, or in the middle of a write. For each step a
#: child is forked that is killed, and then one that completes; the state of the disk after each is printed.
EVERY_STEP = """
import pathlib, signal, ssl
NAMES = "open ftruncate lseek write fsync link replace unlink close".split()
target, overwrite, truth = pathlib.Path({target!r}), {overwrite}, pathlib.Path({truth!r}).read_bytes()
httpx_args = dict(verify=ssl.create_default_context())
steps, ours = [0], set()

def die(now=lambda: None):
    steps[0] -= 1
    if steps[0] == 0:
        now()
        os.kill(os.getpid(), signal.SIGKILL)

def counted(name, plain):
    def call(*args, **options):
        if not (args[0] in ours if type(args[0]) is int else "v.mp4" in str(args[0])):
            return plain(*args, **options)
        die()
        if name == "write":
            die(lambda: plain(args[0], args[1][: len(args[1]) // 2]))
        result = plain(*args, **options)
        if name == "open":
            ours.add(result)
        return result
    return call

for name in NAMES:
    setattr(os, name, counted(name, getattr(os, name)))

def download():
    with Kkiai(httpx_args=httpx_args) as client:
        client.download("t", target, overwrite=overwrite)

def child(step):
    pid = os.fork()
    if pid == 0:
        steps[0] = step
        try:
            download()
        except TargetExistsError:
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

# Lazy imports happen here, once.
download()
for step in range(1, 500):
    for path in target.parent.iterdir():
        path.unlink()
    if overwrite:
        target.write_bytes({old!r})
    killed, size = child(step), target.stat().st_size if target.exists() else 0
    again = child(0)
    names = sorted(path.name for path in target.parent.iterdir())
    print(step, killed, size, again, target.read_bytes() == truth, *names, flush=True)
    if killed == 0:
        break
"""


@pytest.mark.fault("D-22", "D-23")
@pytest.mark.parametrize("overwrite", [False, True])
def test_download_killed_at_every_file_system_step_completes_on_the_next_run(
    play_video: Play, tmp_path: Path, *, overwrite: bool
) -> None:
    """Whichever file system step is the last of a program, the next run ends with the right file."""
    body, folder, truth = BODY[:300_000], tmp_path / "here", tmp_path / "truth"
    folder.mkdir()
    truth.write_bytes(body)
    server = play_video(FileHost(body))
    facts = {"target": str(folder / "v.mp4"), "truth": str(truth), "old": OLD, "overwrite": overwrite}
    result = run(EVERY_STEP.format(**facts), server.url, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    *killed, last = rows = [line.split() for line in result.stdout.splitlines()]
    assert len(killed) > 20
    assert ({row[1] for row in killed}, last[1]) == ({"-9"}, "0")
    assert {int(row[2]) for row in rows} == {len(OLD) if overwrite else 0, len(body)}
    # If the file is already at the target, a second run without overwrite is refused.
    assert all(row[3] == ("3" if int(row[2]) == len(body) and not overwrite else "0") for row in rows)
    assert {row[4] for row in rows} == {"True"}
    # Killed after the link: part and metadata stay until the next download to that target.
    spare, note = "v.mp4.part", "v.mp4.part.json"
    assert all(row[6:] in ([], [note], [spare, note]) and (not row[6:] or row[3] == "3") for row in rows)


@pytest.mark.fault("D-21")
@pytest.mark.parametrize("kind", KINDS)
def test_second_program_with_the_same_target_is_refused_until_the_first_ends(
    play_video: Play, tmp_path: Path, kind: str
) -> None:
    """While one program downloads, a second with the same target is refused; after a kill of the first it works."""
    arrived, silent = threading.Event(), [True]

    def answer(request: RawRequest) -> RawReply:
        reply = HOST(request)
        if silent[0]:
            reply = reply.cut(3 << 20, End.HANG)
            arrived.set()
        return reply

    server = play_video(answer)
    target = tmp_path / "v.mp4"
    program = DOWNLOADS[kind].format(target=str(target), overwrite=False)
    with start(program, server.url) as first:
        try:
            assert arrived.wait(20)
            second = run(program, server.url)
        finally:
            first.kill()
    assert "DownloadError: another download is writing" in second.stderr
    silent[0] = False
    assert run(program, server.url).returncode == 0
    assert digest(target) == hashlib.sha256(BODY).hexdigest()
    assert list(tmp_path.iterdir()) == [target]
