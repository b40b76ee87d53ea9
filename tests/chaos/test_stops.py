"""Programs and gateways that are suspended and resumed, as by closing a laptop."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import APITimeoutError, Kkiai, PollPolicy
from tests.support.adapter import KINDS, Maker
from tests.support.programs import start
from tests.support.wire import completed, json_reply

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawReply, RawRequest

#: Seconds: timeout of a wait, interval of its polls, and duration of the suspension.
LIMIT, GAP, PAUSE = 3.0, 1.5, 4.0


def waiting(kind: str) -> str:
    """Return a program that waits for a task."""
    options = f"timeout={LIMIT}, poll=PollPolicy(min_interval={GAP}, max_interval={GAP})"
    if kind == "sync":
        return f"print(Kkiai().wait('t', {options}).state)"
    return f"print(asyncio.run(AsyncKkiai().wait('t', {options})).state)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault("T-02")
def test_wait_suspended_beyond_its_deadline_polls_once_more(play: Play, kind: str) -> None:
    """A wait that is suspended until after its deadline polls once more, and sees the task's end."""
    woken = threading.Event()
    asked = threading.Event()

    def answer(_: RawRequest) -> RawReply:
        asked.set()
        return completed() if woken.is_set() else json_reply({"status": "queued"})

    server = play(answer)
    with start(waiting(kind), server.url) as process:
        try:
            assert asked.wait(20)
            time.sleep(GAP / 3)  # the answer is read by then, and the next question not yet asked
            suspend(process)
            time.sleep(PAUSE)
            woken.set()
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (out, err) == ("succeeded\n", "")
    assert len(server.requests) == 2


GATEWAY = """
from kkiai_sdk.mock import MockGateway
with MockGateway() as gateway:
    print(gateway.base_url, gateway.api_key, flush=True)
    sys.stdin.read()
"""


def suspend(process: subprocess.Popen[str]) -> None:
    """Suspend a process and return once it is: the signal alone may arrive later."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


@contextmanager
def gateway() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A mock gateway in a separate process: the process, the address, the key."""
    with start(GATEWAY, "http://127.0.0.1:9") as process:
        try:
            assert process.stdout is not None
            url, key = process.stdout.readline().split()
            yield process, url, key
        finally:
            process.send_signal(signal.SIGCONT)
            process.communicate()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault("N-05")
def test_query_of_a_suspended_gateway_times_out_and_works_after_it_resumes(kind: str) -> None:
    """While a gateway is suspended a query times out; when it resumes, the same client gets its responses."""
    make = Maker(kind)
    with gateway() as (process, url, key):
        client = make(url, api_key=key, timeout=0.5, max_retries=0)
        assert client.query("grok:scenario-minimal").state == "pending"
        suspend(process)
        for _ in range(3):
            with pytest.raises(APITimeoutError):
                client.query("grok:scenario-minimal")
        process.send_signal(signal.SIGCONT)
        assert client.with_options(timeout=20).query("grok:scenario-minimal").state == "pending"
        make.close()


def test_wait_outlasts_a_gateway_that_is_suspended() -> None:
    """A wait outlasts a gateway that is suspended for a while."""
    with gateway() as (process, url, key), Kkiai(key, base_url=url, timeout=0.3, max_retries=0) as client:
        timer = threading.Timer(1.5, os.kill, (process.pid, signal.SIGCONT))
        suspend(process)
        timer.start()
        poll = PollPolicy(min_interval=0.2, max_interval=0.2)
        results = client.wait_many(["grok:scenario-expired-url", "grok:scenario-fails"], timeout=60, poll=poll)
        timer.join()
    assert [result.task and result.task.state for result in results] == ["succeeded", "failed"]
