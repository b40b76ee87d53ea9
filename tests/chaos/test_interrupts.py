"""Ctrl-C, as the terminal sends it, at every kind of moment."""

from __future__ import annotations

import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.adapter import KINDS
from tests.support.programs import start
from tests.support.rawserver import End
from tests.support.wire import HANG, FileHost, completed, json_reply, pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawReply, RawRequest

#: Timeouts of ten minutes, so that no program ends by itself during the test.
PROGRAM = """
options = dict(timeout=600, poll=PollPolicy(min_interval=600, max_interval=600))
def use(client):
    try:
        {call}
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(client.query("after").status, flush=True)

async def use_async(client):
    try:
        {async_call}
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        print("interrupted", flush=True)
    print((await client.query("after")).status, flush=True)

if {kind!r} == "sync":
    use(Kkiai(**options))
else:
    try:
        asyncio.run(use_async(AsyncKkiai(**options)))
    except KeyboardInterrupt:
        pass
"""
CALLS = {
    "read": "client.query('silent')",
    "sleep": "client.wait('slow', timeout=None)",
    "many": "client.wait_many(['silent', 'slow', 'quiet'], timeout=None)",
    "download": "client.download('file', {target!r})",
}


def program(kind: str, call: str) -> str:
    """Return the source of a program that makes this call and is interrupted in it."""
    return PROGRAM.format(kind=kind, call=call, async_call=f"await {call}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", CALLS)
@pytest.mark.fault("C-01")
def test_interrupt_ends_the_call_and_the_client_works_on(play: Play, tmp_path: Path, kind: str, moment: str) -> None:
    """Ctrl-C while reading, sleeping, waiting for many, and downloading ends the call at once; the client works on."""
    reached = threading.Event()
    body = b"".join(pattern(version, 0, 1 << 20) for version in (1, 2, 3))
    wanted = {"read": 1, "sleep": 1, "many": 3, "download": 2}[moment]

    def answer(request: RawRequest) -> RawReply:
        if request.target.startswith("/video.mp4"):
            reply = FileHost(body)(request).cut(2_500_000, End.HANG)
        elif request.task_id == "file":
            reply = completed(f"{server.url}/video.mp4")
        else:
            reply = HANG if request.task_id in {"silent", "quiet"} else json_reply({"status": "queued"})
        if len(server.requests) >= wanted:
            reached.set()
        return reply

    server = play(answer)
    target = tmp_path / "v.mp4"
    with start(program(kind, CALLS[moment].format(target=str(target))), server.url) as process:
        try:
            assert reached.wait(20)
            # Time for the program to process the response.
            threading.Event().wait(0.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (out, err) == ("interrupted\nqueued\n", "")
    assert process.returncode == 0
    if moment == "download":
        assert not target.exists()
        part = (tmp_path / "v.mp4.part").read_bytes()
        assert body.startswith(part)
        # The asynchronous client writes a megabyte at a time; an incomplete one is requested again.
        assert 1 << 20 <= len(part) <= 2_500_000


@pytest.fixture
def silent_tls_server() -> Iterator[tuple[str, threading.Event]]:
    """A TLS server that accepts connections and never answers; yields its URL and an event set by a connection."""
    came = threading.Event()
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            held.append(listener.accept()[0])
            if held[0].recv(1):
                came.set()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", came
        if not held:
            socket.create_connection(listener.getsockname()).close()
        thread.join()
        held[0].close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault("C-01")
def test_interrupt_during_a_tls_handshake_ends_the_program(
    silent_tls_server: tuple[str, threading.Event], kind: str
) -> None:
    """Ctrl-C during a TLS handshake without an answer ends the program with nothing but KeyboardInterrupt."""
    url, came = silent_tls_server
    use = "Kkiai(timeout=600).query('t')" if kind == "sync" else "asyncio.run(AsyncKkiai(timeout=600).query('t'))"
    with start(f"try:\n    {use}\nexcept KeyboardInterrupt:\n    print('interrupted')", url) as process:
        try:
            assert came.wait(20)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
