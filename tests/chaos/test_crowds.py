"""Thousands of tasks, and few file descriptors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.adapter import KINDS, Maker
from tests.support.leaks import open_sockets
from tests.support.programs import run
from tests.support.wire import completed, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.conftest import Play
    from tests.support.rawserver import RawReply, RawRequest


@pytest.fixture
def short_switch_interval() -> Iterator[None]:
    """Client and server are threads of one interpreter: each response takes several thread switches."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("short_switch_interval")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault("C-06")
def test_three_thousand_tasks_have_their_own_results_over_few_connections(play: Play, kind: str) -> None:
    """Three thousand tasks are waited for at once: each has its own result, over few connections."""
    most: list[int] = []

    def answer(request: RawRequest) -> RawReply:
        if len(server.requests) % 200 == 0:
            most.append(len(open_sockets()))
        return completed(f"http://127.0.0.1:9/{request.task_id}.mp4")

    server = play(answer)
    before = len(open_sockets())
    make = Maker(kind)
    ids = [f"task-{number}" for number in range(3000)]
    results = make(server.url).wait_many(ids, timeout=None, max_concurrency=16, max_requests_per_second=None)
    assert [result.task_id for result in results] == ids
    assert [result.task and result.task.video_url for result in results] == [
        f"http://127.0.0.1:9/{each}.mp4" for each in ids
    ]
    assert len(server.requests) == 3000
    # Both ends of sixteen connections, the listener, and the event loop's own pair.
    assert max(most) - before <= 2 * 16 + 4
    make.close()


#: Sixty threads ask with room for about twenty connections; then twenty ask one after the other.
STARVED = """
import json, resource
from concurrent.futures import ThreadPoolExecutor
client = Kkiai(max_retries=0)
client.query("first")
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, most))
def ask(number):
    try:
        return client.query(f"t{number}").answered_id == f"t{number}"
    except APIConnectionError as error:
        return "no file descriptor is left" in str(error)
with ThreadPoolExecutor(60) as threads:
    crowd = list(threads.map(ask, range(600)))
print(json.dumps([crowd.count(True), crowd.count(False), [ask(number) for number in range(20)]]))
"""


@pytest.mark.fault("N-15")
def test_threads_without_descriptors_get_a_response_or_the_reason(play: Play) -> None:
    """When descriptors run out, each call of many threads has its response or the reason; later ones work."""
    server = play(lambda request: json_reply({"id": request.task_id, "status": "queued"}))
    result = run(STARVED, server.url, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == [600, 0, [True] * 20]
