"""Stateful test of downloads: changing files, cut and wrong responses, full disks and kills, in any order.

After each step the target is absent, the untouched old file, or exactly one whole version of the file; and each request
asks for exactly the missing bytes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import kkiai_sdk as k
from tests.support.adapter import KINDS, Maker
from tests.support.canary import KEY
from tests.support.disk import write_limited_to
from tests.support.effort import examples
from tests.support.rawserver import End, RawReply, RawServer
from tests.support.systems import needs_posix
from tests.support.wire import completed, completed_task, error_reply, http, pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rawserver import RawRequest

OLD = b"an older file"
#: Versions of one length, and of others: longer ones, whose end would show beyond a shorter one, and shorter.
SIZES = {1: 3_000, 2: 3_000, 3: 3_000, 4: 2_000, 5: 2_000, 6: 2_000, 7: 3_000}
BODIES = {version: pattern(version, 0, size) for version, size in SIZES.items()}
LAST, SIZE = max(SIZES), max(SIZES.values())
#: Fewer than 512 bytes are not kept, so most cuts are beyond.
PLACES = st.integers(512, SIZE) | st.integers(0, SIZE)
VIDEO = ("Content-Type", "video/mp4")
#: The fault of a request. A wrong range is kept for the next range request.
MISFORTUNES = (
    st.tuples(st.just("cut"), PLACES, st.sampled_from([End.FIN, End.RST]))
    | st.tuples(
        st.just("lie"),
        st.sampled_from(["early", "late", "longer", "nowhere", "all of it", "out of range", "another version"]),
    )
    | st.tuples(st.sampled_from(["change", "503", "403", "page", "nothing"]))
)
REFUSALS = {
    "503": http(503),
    "403": error_reply(403),
    "page": http(200, b"<html>", ("Content-Type", "text/html")),
}
SCRIPTS = st.lists(MISFORTUNES, max_size=5)


class Killed(BaseException):
    """Ends a download as ``kill -9`` would."""


class Downloads(RuleBasedStateMachine):
    """A server, a folder and a client, with the faults as rules."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.target, self.part = self.folder / "v.mp4", self.folder / "v.mp4.part"
        self.note, self.neighbour = self.folder / "v.mp4.part.json", self.folder / "v.mp4.bak"
        self.neighbour.write_bytes(OLD)
        self.stack = ExitStack()
        self.server = self.stack.enter_context(RawServer(iter(lambda: self.answer, None), clock=time.monotonic))
        maker = Maker(self.kind)
        self.stack.callback(maker.close)
        self.client = maker(self.server.url)
        #: The version on the server, its identifying header, and the faults of the next requests.
        self.version, self.mark = 1, "strong"
        self.script: deque[tuple[Any, ...]] = deque()
        #: The expected content of the target, and the versions on the server during the last run.
        self.there: bytes | None = None
        self.had: set[int] = set()
        self.complaints: list[str] = []

    def teardown(self) -> None:
        """Close the server and the client, and remove the folder."""
        self.stack.close()
        shutil.rmtree(self.folder)

    # The server

    def answer(self, request: RawRequest) -> RawReply:
        """Answer with the next planned fault, or correctly."""
        if request.target.startswith("/v1/"):
            return completed(f"{self.server.url}/v.mp4")
        self._check(request)
        reply = self._next(request)
        self.had.add(self.version)
        return reply

    def _next(self, request: RawRequest) -> RawReply:
        can_lie = request.header("range") is not None
        found = next((each for each in self.script if each[0] != "lie" or can_lie), ("nothing",))
        if found in self.script:
            self.script.remove(found)
        match found:
            case "cut", size, end:
                reply = self.truth(request)
                return reply.cut(min(size, len(bytes(reply.body))), end)  # type: ignore[arg-type]
            case "lie", kind:
                return self._lie(kind, request)
            case ("change",):
                self.version = min(self.version + 1, LAST)
        return REFUSALS.get(found[0]) or self.truth(request)

    def _check(self, request: RawRequest) -> None:
        size = self.part.stat().st_size
        can_go_on = self.note.exists() and 0 < size < json.loads(self.note.read_bytes())["total"]
        wanted = f"bytes={size}-" if can_go_on else None
        if request.header("range") != wanted or (wanted and not request.header("if-range")):
            self.complaints.append(f"asked for {request.header('range')} where {wanted} was missing")

    @property
    def marks(self) -> list[tuple[str, str]]:
        """The headers that identify the present version."""
        hour = f"Sun, 10 May 2026 0{self.version}:00:00 GMT"
        return {
            "strong": [("ETag", f'"v{self.version}"')],
            # The same for all versions; a server that compares weakly takes it for a match.
            "weak": [("ETag", 'W/"v"')],
            "date": [("Last-Modified", hour), ("Date", "Sun, 10 May 2026 12:00:00 GMT")],
            "none": [],
        }[self.mark]

    def truth(self, request: RawRequest) -> RawReply:
        """Return the response of a correct server."""
        found = re.fullmatch(r"bytes=(\d+)-", request.header("range") or "")
        is_same = any(request.header("if-range") == value for name, value in self.marks[:1])
        return self.rest(int(found[1])) if found and is_same else http(200, BODIES[self.version], VIDEO, *self.marks)

    def rest(self, start: int, more: int = 0) -> RawReply:
        """Return the file from ``start`` on, with a declared length that is ``more`` bytes too large."""
        total = SIZES[self.version] + more
        place = ("Content-Range", f"bytes {start}-{total - 1}/{total}")
        return http(206, BODIES[self.version][start:], VIDEO, *self.marks, place)

    def _lie(self, kind: str, request: RawRequest) -> RawReply:
        start, size = int(str(request.header("range"))[6:-1]), SIZES[self.version]
        lies: dict[str, Callable[[], RawReply]] = {
            "early": lambda: self.rest(min(start, size) - 1),
            "late": lambda: self.rest(min(start + 1, size - 1)),
            "longer": lambda: self.rest(start, more=1),
            "nowhere": lambda: http(206, BODIES[self.version][start:], VIDEO, *self.marks),
            "all of it": lambda: http(200, BODIES[self.version], VIDEO, *self.marks),
            "out of range": lambda: http(416, b"", ("Content-Range", f"bytes */{start}")),
            "another version": lambda: self._next_version(start),
        }
        return lies[kind]()

    def _next_version(self, start: int) -> RawReply:
        """Change the file and return its rest, ignoring the condition."""
        self.version = min(self.version + 1, LAST)
        # Without a tag, the versions could not be distinguished.
        self.mark = "strong"
        return self.rest(min(start, SIZES[self.version] - 1))

    @precondition(lambda self: self.version < LAST)
    @rule()
    def server_changes_file(self) -> None:
        """Replace the file by its next version."""
        self.version += 1

    @rule(mark=st.sampled_from(["strong", "weak", "date", "none"]))
    def server_marks_otherwise(self, mark: str) -> None:
        """Change the header that identifies versions."""
        self.mark = mark

    # The disk

    @rule(damage=st.sampled_from([None, b"", b"{", b"[]"]))
    def lose_sidecar(self, damage: bytes | None) -> None:
        """Remove or damage the metadata file."""
        self.note.unlink(missing_ok=True)
        if damage is not None:
            self.note.write_bytes(damage)

    @rule(content=st.sampled_from([None, OLD, b"another file"]))
    def touch_target(self, content: bytes | None) -> None:
        """Create or remove the target, as a user would."""
        self.there = content
        self.target.unlink(missing_ok=True)
        if content is not None:
            self.target.write_bytes(content)

    # The program

    @rule(script=SCRIPTS, overwrite=st.booleans(), resume=st.integers(0, 4).map(bool))
    def run_again(self, script: list[tuple[Any, ...]], *, overwrite: bool, resume: bool) -> None:
        """Download from a server that cuts, misreports, refuses and changes files."""
        self._run(script, overwrite=overwrite, resume=resume)

    @rule(script=SCRIPTS, size=PLACES)
    def disk_full(self, script: list[tuple[Any, ...]], size: int) -> None:
        """Download with disk space for ``size`` bytes."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", write_limited_to(size))
            self._run(script)

    @rule(script=SCRIPTS, size=PLACES)
    def kill(self, script: list[tuple[Any, ...]], size: int) -> None:
        """Download, and restore the folder to its state after ``size`` bytes."""
        snapshot: dict[Path, bytes] = {}

        def progress(received: int, _: int | None) -> None:
            if received >= size:
                snapshot.update((path, path.read_bytes()) for path in self.folder.iterdir())
                raise Killed

        try:
            self._run(script, progress=progress)
        except Killed:
            for path in self.folder.iterdir():
                path.unlink()
            for path, content in snapshot.items():
                path.write_bytes(content)

    @rule()
    def finish(self) -> None:
        """Check that a download without faults succeeds."""
        assert self._run([]), "a good server, and no file"

    def _run(self, script: list[tuple[Any, ...]], **options: Any) -> bool:
        self.script = deque(script)
        # A complete part is renamed without a request.
        held = self.part.read_bytes() if self.part.exists() else b""
        self.had = {self.version, *(version for version, body in BODIES.items() if body == held)}
        task = completed_task(f"{self.server.url}/v.mp4")
        try:
            self.client.download(task, self.target, **({"overwrite": True} | options))
        except k.KkiaiError:
            return False
        self.there = self.target.read_bytes()
        assert self.there in [BODIES[version] for version in self.had], "a mixture"
        assert not self.part.exists()
        assert not self.note.exists()
        return True

    # Invariants

    @invariant()
    def the_final_name_is_good(self) -> None:
        """Check that the target is absent, the untouched old file, or one whole version."""
        assert (self.target.read_bytes() if self.target.exists() else None) == self.there

    @invariant()
    def nothing_else_is_touched(self) -> None:
        """Check that no other file was made or changed, and that none holds the key."""
        files = {path: path.read_bytes() for path in self.folder.iterdir()}
        assert files.keys() <= {self.target, self.part, self.note, self.neighbour}
        assert files[self.neighbour] == OLD
        assert not any(KEY.encode() in content for content in files.values())

    @invariant()
    def no_byte_is_asked_for_twice(self) -> None:
        """Check that each request asked for the missing bytes with a condition, or for the whole without one."""
        assert self.complaints == []


@needs_posix
@pytest.mark.fault("D-01", "D-02", "D-03", "D-04", "D-05", "D-07", "D-10", "D-11", "D-12", "D-15", "F-01", "F-02")
@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", KINDS)
def test_download_under_faults_in_any_order_publishes_no_wrong_file(kind: str) -> None:
    """In any order of changing files, cut or wrong responses, full disks and kills, no wrong file appears."""
    machine = type("Machine", (Downloads,), {"kind": kind})
    most = 50 if kind == "sync" else 10
    fixed = settings(
        derandomize=True, database=None, deadline=None, max_examples=examples(most), stateful_step_count=15
    )
    run_state_machine_as_test(machine, settings=fixed)
