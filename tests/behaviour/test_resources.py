"""Shortages: file descriptors, and connections in a pool."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest

from tests.support.adapter import KINDS, SyncAdapter
from tests.support.programs import run
from tests.support.wire import http, json_reply, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from kkiai_sdk import Kkiai, VideoTask
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.rawserver import RawReply, RawRequest

#: Uses up all file descriptors, and prints the outcome of the call in one line.
SHORTAGE = """
import asyncio, errno, resource
from kkiai_sdk import KkiaiError, TaskState, VideoTask
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
held = []
def exhaust():
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
def relieve():
    while held:
        os.close(held.pop())
def tell(error):
    cause = error.__cause__
    print(type(error).__name__, errno.errorcode.get(getattr(cause, "errno", 0)), getattr(error, "transient", None))
"""
QUERIES = {
    "sync": """
client = Kkiai(base_url=URL)
def tried():
    try:
        return client.query("t").status
    except KkiaiError as error:
        tell(error)
WARM and tried()
exhaust()
tried()
relieve()
print(tried())
""",
    "async": """
async def main():
    client = AsyncKkiai(base_url=URL)
    async def tried():
        try:
            return (await client.query("t")).status
        except KkiaiError as error:
            tell(error)
    WARM and await tried()
    exhaust()
    await tried()
    relieve()
    print(await tried())
    await client.aclose()
asyncio.run(main())
""",
}


@pytest.mark.fault("N-15")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_warm", [True, False], ids=["a client in use", "a new client"])
def test_query_without_a_file_descriptor_ends_at_once_and_the_client_recovers(
    serve: Serve, kind: str, *, is_warm: bool
) -> None:
    """Without a descriptor a query raises an APIConnectionError with its cause at once; the client recovers."""
    server = serve(each=lambda _: http(200, b'{"id": "t", "status": "queued"}', ("Connection", "close")))
    program = f"{SHORTAGE}\nURL, WARM = {server.url!r}, {is_warm}\n{QUERIES[kind]}"
    result = run(program, server.url)
    assert result.stdout.splitlines() == ["APIConnectionError EMFILE False", "queued"], result.stderr
    assert len(server.requests) == 1 + is_warm


STORE = """
URL = URL.replace("http:", "https:")
Kkiai(base_url=URL).close()
exhaust()
try:
    Kkiai(base_url=URL)
except KkiaiError as error:
    tell(error)
    print("descriptor" in str(error))
"""


@pytest.mark.fault("N-15")
def test_certificate_store_without_a_file_descriptor_is_a_connection_error(serve: Serve) -> None:
    """The same when the certificate store is the first to need a descriptor."""
    server = serve()
    result = run(f"{SHORTAGE}\nimport ssl\nURL = {server.url!r}\n{STORE}", server.url)
    assert result.stdout.splitlines() == ["APIConnectionError EMFILE False", "True"], result.stderr


DOWNLOAD = """
client = Kkiai(base_url=URL)
task = VideoTask(id="t", status="completed", state=TaskState.SUCCEEDED, video_url=URL + "/v.mp4")
client.download(task, DEST + ".first")
exhaust()
for _ in range(SPARE):
    os.close(held.pop())
try:
    client.download(task, DEST)
except KkiaiError as error:
    print(type(error).__name__, "descriptor" in str(error) or "Too many open files" in str(error))
relieve()
print(client.download(task, DEST).stat().st_size)
"""


@pytest.mark.fault("N-15")
@pytest.mark.parametrize("spare", range(2))
def test_download_without_a_file_descriptor_is_a_download_error(serve: Serve, tmp_path: Path, spare: int) -> None:
    """Without a descriptor for its file or its connection a download raises a DownloadError without retries."""
    body = pattern(4, 0, 9000)
    fields = ("Content-Type", "video/mp4"), ("Connection", "close")
    server = serve(each=lambda _: http(200, body, *fields))
    setting = f"URL, DEST, SPARE = {server.url!r}, {str(tmp_path / 'v.mp4')!r}, {spare}"
    result = run(f"{SHORTAGE}\n{setting}\n{DOWNLOAD}", server.url)
    assert result.stdout.splitlines() == ["DownloadError True", "9000"], result.stderr
    assert len(server.requests) == 2


def at_once(client: Kkiai, ids: list[str]) -> list[VideoTask]:
    """Send all queries at the same time."""
    if isinstance(client, SyncAdapter):
        target = client.target

        async def main() -> list[VideoTask]:
            return await asyncio.gather(*[target.query(each) for each in ids])

        return cast("list[VideoTask]", client.run(main()))
    with ThreadPoolExecutor(len(ids)) as pool:
        return list(pool.map(client.query, ids))


@pytest.mark.fault("N-16")
def test_requests_in_flight_are_not_limited_by_the_pool(make: Maker, serve: Serve) -> None:
    """All requests of the caller are in flight at once: none waits for a connection of the pool."""
    crowd = threading.Barrier(24)

    def wait_for_all(request: RawRequest) -> RawReply:
        crowd.wait(30)
        return json_reply({"id": request.task_id, "status": "queued"})

    server = serve(each=wait_for_all)
    ids = [f"t{number}" for number in range(24)]
    assert [each.answered_id for each in at_once(make(server.url), ids)] == ids
    assert {each.connection for each in server.requests} == set(range(24))
