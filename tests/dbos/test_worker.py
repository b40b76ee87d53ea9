"""Workers in this process: what they record, and what they leave to the next one."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from kkiai_sdk import AsyncKkiai, ConfigurationError, Kkiai
from kkiai_sdk.dbos import VideoQueue, VideoResult, VideoWorker, WorkerStatus
from kkiai_sdk.mock import MockGateway
from tests.dbos.conftest import POLL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dbos.conftest import Work

IDS = [f"grok:scenario-normal~{number}" for number in range(12)]


def test_videos_are_saved_and_failures_recorded(queue: VideoQueue, work: Work, videos: Path) -> None:
    """Each id of the queue has one result: the file of a video, or the reason of a failure."""
    queue.add([*IDS, "grok:scenario-fails"])
    results = {result.task_id: result for result in work()}
    assert {each.task_id: each for each in queue.results()} == results
    assert results.keys() == {*IDS, "grok:scenario-fails"}
    assert {results[task_id].state for task_id in IDS} == {"saved"}
    assert {results[task_id].path for task_id in IDS} == {str(path) for path in videos.iterdir()}
    failed = results["grok:scenario-fails"]
    assert (failed.state, failed.path, failed.error_type) == ("failed", None, "TaskFailedError")
    assert "filter" in str(failed.error)
    status = queue.status()
    assert (status.saved, status.failed, status.queued, status.waiting) == (len(IDS), 1, 0, 0)


@pytest.mark.parametrize("name", ["rate", "worker-local", ".."])
def test_name_of_a_worker_is_any_valid_one(queue: VideoQueue, work: Work, name: str) -> None:
    """No name of a worker collides with a file of its own, such as that of the limit."""
    queue.add([IDS[0]])
    assert [result.state for result in work(name=name)] == ["saved"]


@pytest.mark.fault("W-06")
def test_file_of_an_earlier_run_counts_as_done(
    gateway: MockGateway, queue: VideoQueue, work: Work, videos: Path
) -> None:
    """Nothing is sent for a task whose file is there, so a kill between the file and its record costs no download."""
    task = "grok:scenario-expired-url"
    with Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
        path = client.download(task, videos)
    gateway.requests.clear()
    queue.add([task])
    (result,) = work()
    assert (result.state, result.path) == ("saved", str(path))
    assert gateway.requests == []


@pytest.mark.fault("W-03")
@pytest.mark.parametrize("name", [None, "machine-3"])
def test_wait_of_a_closed_worker_is_continued_by_the_next(
    gateway: MockGateway, queue: VideoQueue, work: Work, name: str | None
) -> None:
    """A worker that closes records nothing of its unfinished waits; the next one of its name takes them up."""
    queue.add(["grok:scenario-stalls", IDS[0]])
    assert [result.task_id for result in work(name=name, until=lambda _: _asked(gateway, "stalls"))] in ([], [IDS[0]])
    (waiting,) = queue.status().workers
    assert waiting == WorkerStatus(name or "local", waiting.waiting, is_running=False)
    seen = len(gateway.requests)
    work(name=name, until=lambda _: _asked(gateway, "stalls", since=seen))
    assert [result.task_id for result in queue.results()] in ([], [IDS[0]])


def _asked(gateway: MockGateway, part: str, *, since: int = 0) -> bool:
    return any(part in request.query for request in gateway.requests[since:])


@pytest.mark.fault("W-05")
def test_waits_of_a_lost_worker_are_handed_over(gateway: MockGateway, queue: VideoQueue, work: Work) -> None:
    """Another worker leaves the waits of a lost one alone until they are handed over; then it takes them."""
    queue.add(["grok:scenario-stalls"])
    work(name="lost", until=lambda _: _asked(gateway, "stalls"))
    seen = len(gateway.requests)
    assert work(name="other") == []
    assert not _asked(gateway, "stalls", since=seen)
    assert queue.hand_over("lost") == 1
    assert queue.hand_over("lost") == 0
    work(name="other", until=lambda _: _asked(gateway, "stalls", since=seen))
    assert [worker.name for worker in queue.status().workers] == ["other"]


@pytest.mark.fault("W-05", "W-04")
def test_name_of_a_running_worker_is_refused(queue: VideoQueue, work: Work) -> None:
    """While a worker runs, its waits cannot be handed over, and it is listed as running."""
    queue.add(["grok:scenario-stalls"])
    seen: list[object] = []

    def try_handover(worker: VideoWorker) -> bool:
        if not worker.waiting:
            return False
        with pytest.raises(ConfigurationError, match="'local' is running on this database"):
            queue.hand_over("local")
        seen.extend(queue.status().workers)
        return True

    work(until=try_handover)
    assert seen == [WorkerStatus("local", 1, is_running=True)]


def test_callback_that_raises_changes_no_result(
    gateway: MockGateway, queue: VideoQueue, database: Path, videos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in on_result is logged, and the result is recorded as it is."""

    def fail(result: VideoResult) -> None:
        raise RuntimeError(result.state)

    async def main() -> None:
        client = AsyncKkiai(gateway.api_key, base_url=gateway.base_url)
        async with client, VideoWorker(client, videos, database, poll=POLL, on_result=fail) as worker:
            await worker.drain()

    queue.add(IDS[:1])
    asyncio.run(asyncio.wait_for(main(), 60))
    assert [each.state for each in queue.results()] == ["saved"]
    assert f"on_result raised an exception for task '{IDS[0]}'" in caplog.text


def test_serving_worker_takes_ids_that_are_added_later(
    gateway: MockGateway, queue: VideoQueue, database: Path, videos: Path
) -> None:
    """A worker that serves goes on after the queue is done, until it is cancelled."""

    async def main() -> None:
        recorded = asyncio.Event()
        client = AsyncKkiai(gateway.api_key, base_url=gateway.base_url)
        options = {"poll": POLL, "on_result": lambda _: recorded.set()}
        async with client, VideoWorker(client, videos, database, **options) as worker:  # type: ignore[arg-type]
            serving = asyncio.create_task(worker.serve())
            for task_id in IDS[:2]:
                await asyncio.to_thread(queue.add, [task_id])
                await recorded.wait()
                recorded.clear()
            assert not serving.done()
            serving.cancel()

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.fault("W-04")
def test_second_worker_of_a_process_is_refused(queue: VideoQueue, gateway: MockGateway, videos: Path) -> None:
    """A second worker in the same process raises a ConfigurationError, and the first one goes on."""

    async def main(database: Path) -> None:
        async with AsyncKkiai(gateway.api_key, base_url=gateway.base_url) as client:
            async with VideoWorker(client, videos, database) as worker:
                with pytest.raises(ConfigurationError, match="only one worker can run per process"):
                    await VideoWorker(client, videos, database, name="other").__aenter__()
                await worker.drain()
            async with VideoWorker(client, videos, database, name="other") as worker:
                await worker.drain()
            assert await asyncio.to_thread(lambda: 7) == 7

    asyncio.run(main(videos.parent / "queue.sqlite"))


@pytest.mark.fault("W-07")
@pytest.mark.parametrize("fault", ["not-http", "close"])
def test_outage_of_the_gateway_ends_no_wait(queue: VideoQueue, database: Path, videos: Path, fault: str) -> None:
    """Errors that say nothing about a task are retried until the timeout of its wait."""
    queue.add([IDS[0]])

    async def main(gateway: MockGateway) -> None:
        client = AsyncKkiai(gateway.api_key, base_url=gateway.base_url, max_retries=0)
        async with client, VideoWorker(client, videos, database, poll=POLL) as worker:
            await worker.drain()

    with MockGateway(speed=100, faults=[fault] * 12) as gateway:
        asyncio.run(asyncio.wait_for(main(gateway), 60))
    assert [result.state for result in queue.results()] == ["saved"]


@pytest.mark.fault("W-07")
def test_rejected_key_ends_no_wait(queue: VideoQueue, database: Path, videos: Path) -> None:
    """A key that is rejected for a while, as during its rotation, costs no wait its result."""
    queue.add([IDS[0]])

    async def main(gateway: MockGateway) -> None:
        client = AsyncKkiai(lambda: "sk-old" if len(gateway.requests) < 4 else "sk-new", base_url=gateway.base_url)
        async with client, VideoWorker(client, videos, database, poll=POLL) as worker:
            await worker.drain()

    with MockGateway(speed=100, api_key="sk-new") as gateway:
        asyncio.run(asyncio.wait_for(main(gateway), 60))
        assert len(gateway.requests) > 4
    assert [result.state for result in queue.results()] == ["saved"]


def test_wait_added_weeks_ago_still_gets_its_answer(
    queue: VideoQueue, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait whose timeout passed while no worker ran still ends with the result of its task."""
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda before=time.time: before() - 21 * 86_400)
        queue.add([IDS[0], "grok:scenario-fails", "grok:scenario-not-found"], timeout=3600)
    states = {result.task_id: result.state for result in work()}
    assert states == {IDS[0]: "saved", "grok:scenario-fails": "failed", "grok:scenario-not-found": "error"}


@pytest.mark.fault("W-11")
def test_folder_that_vanishes_ends_no_wait(
    queue: VideoQueue, work: Work, videos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the folder of the videos is gone, nothing is saved elsewhere or recorded; when it is back, all is saved."""
    queue.add(IDS)

    def has_warned(_worker: VideoWorker) -> bool:
        if videos.exists():
            shutil.rmtree(videos, ignore_errors=True)
        return "does not exist" in caplog.text

    work(until=has_warned)
    assert not videos.exists()
    videos.mkdir()
    work()
    assert {result.task_id: result.state for result in queue.results()} == dict.fromkeys(IDS, "saved")


def test_folder_with_the_name_of_the_file_is_an_error(
    gateway: MockGateway, queue: VideoQueue, work: Work, videos: Path
) -> None:
    """A folder in the place of the file is left alone, and the wait ends with an error."""
    with Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
        path = client.wait_and_download(IDS[0], videos)
    path.unlink()
    path.mkdir()
    queue.add([IDS[0]])
    (result,) = work()
    assert (result.state, result.error_type) == ("error", "ConfigurationError")
    assert path.is_dir()


@pytest.mark.fault("W-10")
def test_full_disk_ends_no_wait(queue: VideoQueue, database: Path, work: Work) -> None:
    """Results that cannot be recorded on a full disk of the database are recorded once it has space again."""
    ids = [f"grok:scenario-fails~{number}" for number in range(100)]
    queue.add(ids)
    with closing(sqlite3.connect(database)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] + 3
    errors: list[str] = []

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages if not errors else 1_000_000}")

    def note(context: sa.engine.ExceptionContext) -> None:
        errors.append(str(context.original_exception))

    listeners = (("connect", limit), ("handle_error", note))
    for name, listener in listeners:
        sa.event.listen(sa.Engine, name, listener)
    try:
        work()
    finally:
        for name, listener in listeners:
            sa.event.remove(sa.Engine, name, listener)
    assert set(errors) == {"database or disk is full"}
    assert queue.status().failed == 100


@pytest.mark.fault("W-14")
def test_waits_whose_start_was_recorded_and_not_confirmed_are_started(
    queue: VideoQueue, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the connection is lost after the database has recorded a start, the running worker starts the waits itself."""
    monkeypatch.setattr("kkiai_sdk.dbos.worker.MISSING_INTERVAL", 0.5)
    queue.add(IDS)
    lost: list[str] = []

    def note(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE") and "rate_limited" in statement and not lost:
            lost.append(statement)
            connection.info["is_lost"] = True

    def lose(connection: sa.Connection) -> None:
        if connection.info.pop("is_lost", False):
            connection.connection.commit()
            raise OSError("connection reset")

    listeners = (("before_cursor_execute", note), ("commit", lose))
    for name, listener in listeners:
        sa.event.listen(sa.Engine, name, listener)
    try:
        results = work()
    finally:
        for name, listener in listeners:
            sa.event.remove(sa.Engine, name, listener)
    assert lost
    assert sorted(result.task_id for result in results) == sorted(IDS)
    assert {each.task_id: each for each in queue.results()} == {each.task_id: each for each in results}


def test_other_number_of_waits_than_that_of_the_database_is_logged(
    queue: VideoQueue, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """All workers of a database have the ``max_waiting`` of the last one; a change is logged."""
    queue.add(IDS)
    for number in (10, 10, 7):
        assert "max_waiting" not in caplog.text
        work(max_waiting=number)
    assert "max_waiting is now 7, not 10, for all workers of the database" in caplog.text


def test_file_that_cannot_be_written_is_refused_at_the_start(queue: VideoQueue, work: Work) -> None:
    """A worker whose database can only be read does not start, with an error that says so; nothing is lost."""
    queue.add([IDS[0]])

    def forbid(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only=1")

    sa.event.listen(sa.Engine, "connect", forbid)
    try:
        with pytest.raises(ConfigurationError, match="attempt to write a readonly database"):
            work()
    finally:
        sa.event.remove(sa.Engine, "connect", forbid)
    assert [result.state for result in work()] == ["saved"]


def test_file_of_the_limit_that_cannot_be_used_is_refused_at_the_start(
    queue: VideoQueue, work: Work, database: Path
) -> None:
    """A worker that cannot write the file of the common limit does not start, with an error that says so."""
    queue.add([IDS[0]])
    database.with_suffix(".sqlite.rate").mkdir()
    with pytest.raises(ConfigurationError, match="unable to open database file"):
        work()


def test_wait_that_timed_out_is_recorded_and_can_be_added_again(queue: VideoQueue, work: Work) -> None:
    """A wait beyond its timeout is recorded as such, and added again only when that is asked for."""
    queue.add(["grok:scenario-stalls", "grok:scenario-fails"], timeout=0.5)
    assert {result.task_id: result.state for result in work()} == {
        "grok:scenario-stalls": "timeout",
        "grok:scenario-fails": "failed",
    }
    assert queue.add(["grok:scenario-stalls", "grok:scenario-fails"]) == 0
    assert queue.add(["grok:scenario-stalls", "grok:scenario-fails"], retry=True) == 1
    assert queue.status().queued == 1


@pytest.mark.fault("W-13")
def test_kill_while_a_wait_is_added_again_loses_nothing(queue: VideoQueue, work: Work) -> None:
    """A process that ends between the deletion of an old result and the new entry leaves the old result."""
    queue.add(["grok:scenario-not-found"])
    (before,) = work()

    def interrupt(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            queue.add(["grok:scenario-not-found", IDS[0]], retry=True)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", interrupt)
    assert list(queue.results()) == [before]
    assert queue.add(["grok:scenario-not-found", IDS[0]], retry=True) == 2
    assert queue.status().queued == 2


@pytest.mark.fault("W-09")
def test_other_application_of_dbos_in_the_process_is_left_alone(
    database: Path, queue: VideoQueue, videos: Path, tmp_path: Path
) -> None:
    """A worker does not run in a process with another DBOS application, and does not end it."""

    async def main() -> None:
        async with AsyncKkiai("sk-x", base_url="http://127.0.0.1:1") as client:
            with pytest.raises(ConfigurationError, match="another DBOS application"):
                await VideoWorker(client, videos, database).__aenter__()

    other = DBOS(config={"name": "other", "system_database_url": f"sqlite:///{tmp_path}/other.sqlite"})
    try:
        asyncio.run(main())
        assert DBOS(config={"name": "other"}) is other
    finally:
        DBOS.destroy()


def test_wait_that_a_tool_has_cancelled_is_an_error(queue: VideoQueue, database: Path, work: Work) -> None:
    """A wait that is cancelled with a tool for DBOS is listed as an error, and can be added again."""
    queue.add([IDS[0]])
    client = DBOSClient(system_database_url=f"sqlite:///{database}")
    client.cancel_workflow(IDS[0])
    client.destroy()
    assert work() == []
    (result,) = queue.results()
    assert (result.state, result.error, result.error_type) == ("error", "cancelled", None)
    assert queue.add([IDS[0]], retry=True) == 1
    assert [result.state for result in work()] == ["saved"]


@pytest.mark.fault("W-08")
def test_version_of_a_wait_is_no_hash_of_the_code(queue: VideoQueue, database: Path) -> None:
    """Waits are recorded under a fixed version, so that a new release of the code takes them up."""
    queue.add([IDS[0]])
    client = DBOSClient(system_database_url=f"sqlite:///{database}")
    (wait,) = client.list_workflows()
    client.destroy()
    assert (wait.workflow_id, wait.app_version) == (IDS[0], "kkiai-1")
