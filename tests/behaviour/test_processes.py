"""Forks, and programs that end."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.support.adapter import KINDS
from tests.support.programs import run, start
from tests.support.wire import HANG, FileHost, completed, error_reply, json_reply, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.rawserver import RawReply, RawRequest

FORKED = {
    "sync": """
client = Kkiai()
def ask(names):
    return [client.query(name).answered_id for name in names]
""",
    "async": """
client = AsyncKkiai()
def ask(names):
    async def main():
        return [(await client.query(name)).answered_id for name in names]
    return asyncio.run(main())
""",
}
#: Parent and child take turns, so that a connection that both use would mix up their answers.
ALTERNATE = """
assert ask(["before"]) == ["before"]
down, up = os.pipe(), os.pipe()
pid = os.fork()
name, hear, say = ("child", down[0], up[1]) if pid == 0 else ("parent", up[0], down[1])
if pid:
    os.write(say, b".")
for number in range(50):
    os.read(hear, 1)
    asked = f"{name}-{number}"
    answered = ask([asked])
    if answered != [asked]:
        print(f"asked about {asked}, answered about {answered}", flush=True)
    os.write(say, b".")
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
"""


def echo(request: RawRequest) -> RawReply:
    """Return a response with the id that was asked about."""
    return json_reply({"id": request.task_id, "status": "queued"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault("C-05")
def test_forked_child_uses_connections_of_its_own(serve: Serve, kind: str) -> None:
    """After a fork a hundred alternating responses reach the right process, over separate connections."""
    server = serve(each=echo)
    result = run(FORKED[kind] + ALTERNATE, server.url)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    connections = {
        name: {each.connection for each in server.requests if name in each.task_id} for name in ("child", "parent")
    }
    assert connections["child"] & connections["parent"] == set()
    assert len(server.requests) == 101


def test_warnings_without_logging_configured_are_not_printed(serve: Serve) -> None:
    """Without logging configured, warnings of the SDK reach neither stdout nor stderr."""
    server = serve(task("polishing"), completed())
    result = run('print(Kkiai().wait("t", poll=PollPolicy(min_interval=0.01, max_interval=0.01)).state)', server.url)
    assert (result.returncode, result.stdout, result.stderr) == (0, "succeeded\n", "")


@pytest.mark.parametrize(
    "program",
    [
        'Kkiai(timeout=0.1).wait_many(["a", "b", "c"], timeout=0.2)',
        'next(Kkiai().as_completed(["a", "b"]))',
        'asyncio.run(AsyncKkiai(timeout=0.1).wait_many(["a", "b", "c"], timeout=0.2))',
    ],
)
@pytest.mark.fault("C-09")
def test_program_with_requests_in_flight_ends_at_once(serve: Serve, program: str) -> None:
    """Requests in flight do not keep a program from ending, and nothing is sent afterwards."""
    server = serve(each=lambda request: completed() if request.task_id == "a" else HANG)
    assert run(program, server.url, timeout=10).returncode == 0


RAISED = """
import multiprocessing
def ask(name):
    return Kkiai(max_retries=0).query(name)
with multiprocessing.get_context("fork").Pool(1) as pool:
    for name in ("unknown", "broke", "busy", "odd"):
        try:
            pool.apply(ask, (name,))
        except KkiaiError as error:
            print(type(error).__name__, getattr(error, "status_code", None), getattr(error, "retry_after", None))
"""


@pytest.mark.fault("C-13")
def test_error_from_a_worker_process_keeps_class_and_facts(serve: Serve) -> None:
    """An error of a multiprocessing worker arrives as the same class with its facts."""
    answers = {
        "unknown": error_reply(400, "task_not_exist"),
        "broke": error_reply(403, "insufficient_user_quota"),
        "busy": error_reply(429, retry_after="7"),
        "odd": json_reply([]),
    }
    server = serve(each=lambda request: answers[request.task_id])
    result = run(RAISED, server.url)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "TaskNotFoundError 400 None",
        "QuotaExceededError 403 None",
        "RateLimitError 429 7.0",
        "APIResponseError 200 None",
    ]


#: An answer after which the next query needs another connection.
CLOSING = json_reply({"id": "t", "status": "queued"}, connection="close")
#: The names of modules that a second query failed to import.
FAILING_IMPORTS = """
import builtins
real, failed = builtins.__import__, []
def watched(name, *args):
    try:
        return real(name, *args)
    except ImportError:
        failed.append(name)
        raise
async def main():
    async with AsyncKkiai() as client:
        await client.query("t")
        builtins.__import__ = watched
        await client.query("t")
        builtins.__import__ = real
    print(set(failed) or "none")
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("setting", "failed"), [("", "none"), ("sys.modules['sniffio'] = None\n", "{'sniffio'}")], ids=["with", "without"]
)
def test_async_query_over_httpcore_has_no_failing_import(serve: Serve, setting: str, failed: str) -> None:
    """No import fails in an asynchronous query: without sniffio several would at each new connection."""
    server = serve(CLOSING, task())
    result = run(setting + FAILING_IMPORTS, server.url)
    assert (result.stdout, result.returncode) == (f"{failed}\n", 0), result.stderr


LOADED_LATE = """
async def main():
    before = set(sys.modules)
    results = await client.wait_many(["a", "b"])
    await client.aclose()
    late = sorted(set(sys.modules) - before)
    print(len(results), [name for name in late if name.startswith(("kkiai_sdk", "aiohttp", "httpcore"))])
client = AsyncKkiai()
asyncio.run(main())
"""


def test_async_client_imports_nothing_inside_the_event_loop(serve: Serve) -> None:
    """An asynchronous client imports its modules when it is made: later imports would block the event loop."""
    server = serve(each=lambda _: completed())
    result = run(LOADED_LATE, server.url)
    assert (result.stdout, result.stderr) == ("2 []\n", "")


FORKED_MEANWHILE = """
import hashlib
forked = []
def progress(done, total):
    if not forked and done:
        forked.append(os.fork())
        if not forked[0]:
            raise SystemExit(0)  # through all that cleans up
        os.waitpid(forked[0], 0)
with Kkiai() as client:
    path = client.download("t", sys.stdin.readline().strip(), progress=progress)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.fault("C-05")
def test_forked_child_that_ends_does_not_end_the_parent_s_download(serve: Serve, tmp_path: Path) -> None:
    """A child that ends during its parent's download does not close that connection."""
    body = pattern(1, 0, 8_000_000)
    host = serve(each=FileHost(body))
    with start(FORKED_MEANWHILE, serve(completed(f"{host.url}/v")).url) as process:
        out, err = process.communicate(f"{tmp_path / 'v.mp4'}\n", timeout=20)
    assert (out, process.returncode) == (f"{hashlib.sha256(body).hexdigest()}\n", 0), err
    assert len(host.requests) == 1
