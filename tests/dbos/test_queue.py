"""The queue of task ids in a database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk import AsyncKkiai, ConfigurationError
from kkiai_sdk.dbos import QueueStatus, VideoQueue, VideoWorker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dbos.conftest import Work


def test_ids_added_twice_are_one_wait(queue: VideoQueue) -> None:
    """An id is added once, however often and in whichever call it comes."""
    assert queue.add(["grok:a", "grok:b", "grok:a"]) == 2
    assert queue.add(iter(["grok:b", "grok:c"])) == 1
    assert queue.status() == QueueStatus(queued=3, workers=[], saved=0, failed=0, timeout=0, error=0)


def test_ids_that_two_processes_add_at_once_are_counted_once(database: Path) -> None:
    """Each of two that add the same ids is told how many it has added itself."""
    ids, counts = [f"grok:{number}" for number in range(500)], list[int]()

    def add() -> None:
        with VideoQueue(database) as queue:
            counts.append(queue.add(ids))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == len(ids)


def test_many_ids_are_added_in_pages(queue: VideoQueue) -> None:
    """More ids than one transaction takes are added, and counted, all."""
    assert queue.add(f"grok:{number}" for number in range(1234)) == 1234
    assert queue.status().queued == 1234


def test_results_are_read_in_pages_each_once(queue: VideoQueue, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """More results than a page has are read, each once, although ids that were added at once have no order."""
    ids = [f"grok:scenario-fails~{number}" for number in range(40)]
    queue.add(ids)
    assert len(work()) == 40
    monkeypatch.setattr("kkiai_sdk.dbos.queue.PAGE", 3)
    assert sorted(result.task_id for result in queue.results()) == sorted(ids)
    assert queue.status().failed == 40


@pytest.mark.parametrize("name", ["", "../x", "a/b", "\u00e9", "x" * 101])
def test_name_that_no_worker_has_is_refused(queue: VideoQueue, name: str) -> None:
    """Handing over by an invalid name is refused, and makes no file."""
    with pytest.raises(ConfigurationError, match="name must be"):
        queue.hand_over(name)


def test_queue_opened_again_holds_what_was_added(database: Path) -> None:
    """Ids outlive the process that added them."""
    with VideoQueue(database) as queue:
        queue.add(["grok:a"])
    with VideoQueue(f"sqlite:///{database}") as queue:
        assert queue.add(["grok:a"]) == 0


@pytest.mark.parametrize("name", ["a b", "\u00fc", "a%20b", "a#b", "a@b", "a&b=c"])
def test_path_of_a_file_is_no_url(tmp_path: Path, name: str) -> None:
    """The file of a queue has the name that was given, whatever the name would mean in a URL."""
    with VideoQueue(tmp_path / name) as queue:
        queue.add(["grok:a"])
    assert (tmp_path / name).is_file()


@pytest.mark.fault("W-15")
def test_locked_file_can_be_read_and_the_error_of_a_write_names_the_lock(
    database: Path, queue: VideoQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program has locked the file, it is read at once, and adding new ids ends with an error."""
    queue.add(["grok:a"])
    monkeypatch.setattr("kkiai_sdk.dbos._database.BUSY_TIMEOUT", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection, VideoQueue(database) as other:
        connection.execute("BEGIN IMMEDIATE")
        with VideoQueue(database) as reader:
            assert reader.status().queued == 1
        with pytest.raises(ConfigurationError, match="another program has locked it"):
            other.add(["grok:b"])
        assert other.add(["grok:a"]) == 0
        connection.execute("ROLLBACK")
        assert other.add(["grok:b"]) == 1


def test_default_database_is_a_file_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a database the ids are kept in a file of the user's state folder, which is made."""
    monkeypatch.setattr("kkiai_sdk.dbos._database.user_state_path", lambda name: tmp_path / "state" / name)
    with VideoQueue() as queue:
        queue.add(["grok:a"])
    assert (tmp_path / "state" / "kkiai" / "fleet.sqlite").is_file()


@pytest.mark.parametrize(
    ("arguments", "options", "part"),
    [
        (["grok:a"], {"timeout": 0}, "timeout must be greater than 0"),
        (["grok:a"], {"timeout": float("nan")}, "timeout must be greater than 0"),
        (["grok:a"], {"timeout": 1e9}, "timeout must be greater than 0"),
        ("grok:a", {}, "not str"),
        ([""], {}, "invalid task id"),
        (["grok:a", 7], {}, "invalid task id: 7"),
        (["x" * 257], {}, "invalid task id"),
        (["a b"], {}, "invalid task id"),
        (["a\0"], {}, "invalid task id"),
        ([".."], {}, "invalid task id"),
    ],
)
def test_invalid_arguments_of_add_are_refused(
    queue: VideoQueue, arguments: Any, options: dict[str, Any], part: str
) -> None:
    """Invalid ids and timeouts raise a ConfigurationError, and nothing is added."""
    with pytest.raises(ConfigurationError, match=part):
        queue.add(arguments, **options)
    assert queue.status().queued == 0


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/db",
        "sqlite://",
        "sqlite://folder/file",
        "sqlite:///file?mode=ro",
        ":memory:",
        "http://x",
        "://",
        "postgresql+nope://h:port/x",
    ],
)
def test_database_of_another_kind_is_refused(url: str) -> None:
    """A URL that is neither of SQLite nor of PostgreSQL raises a ConfigurationError that says which forms there are."""
    with pytest.raises(ConfigurationError, match=r"must be postgresql://"):
        VideoQueue(url)


def test_sqlite_that_is_too_old_is_named_before_anything_is_stored(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    """DBOS needs a newer SQLite than some builds of Python have; the error says which, and what to do."""
    monkeypatch.setattr("kkiai_sdk.dbos._database.MIN_SQLITE", (99, 1, 0))
    with pytest.raises(ConfigurationError, match=r"a SQLite file needs SQLite 99.1; this Python has 3\.\d+"):
        VideoQueue(database)
    assert not database.exists()


def test_database_that_cannot_be_opened_is_named_without_its_password(tmp_path: Path) -> None:
    """The error for a database that cannot be used names it, and hides the password."""
    with pytest.raises(ConfigurationError, match=r"fleet:\*\*\*@127\.0\.0\.1") as caught:
        VideoQueue("postgres://fleet:canary@127.0.0.1:1/fleet?password=canary")
    assert "canary" not in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot use the database"):
        VideoQueue(tmp_path / "file" / "below.sqlite")


def test_error_of_dbos_is_that_of_the_database(queue: VideoQueue) -> None:
    """An error that DBOS raises, as for a wait that a tool has deleted meanwhile, is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match=r"cannot use the database .*grok:gone"):
        queue.put_back({"grok:gone"})


async def _make(folder: Path, database: Any, **options: Any) -> None:
    async with AsyncKkiai("sk-x", base_url="http://127.0.0.1:1") as client:
        VideoWorker(client, folder, database, **options)


@pytest.mark.parametrize(
    ("database", "options", "part"),
    [
        ("postgresql://host/fleet", {}, "name is required"),
        ("queue.sqlite", {"name": "a/b"}, "name must be"),
        ("queue.sqlite", {"name": ""}, "name must be"),
    ],
)
def test_worker_without_a_name_of_its_own_is_refused(
    tmp_path: Path, database: str, options: dict[str, str], part: str
) -> None:
    """With PostgreSQL a worker needs a name; one that is no file name is refused."""
    with pytest.raises(ConfigurationError, match=part):
        asyncio.run(_make(tmp_path, database, **options))


async def _never_awaited(_: object) -> None: ...


@pytest.mark.parametrize(
    "options",
    [{"poll": 5}, {"on_result": 5}, {"on_result": _never_awaited}, {"max_waiting": 0}, {"max_downloads": -1}],
)
def test_worker_refuses_invalid_options(tmp_path: Path, options: dict[str, Any]) -> None:
    """An option of a wrong type or out of range is named when the worker is made."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        asyncio.run(_make(tmp_path, "queue.sqlite", **options))


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    """The folder of the videos must exist."""
    with pytest.raises(ConfigurationError, match="existing folder"):
        asyncio.run(_make(tmp_path / "none", "queue.sqlite"))


def test_results_of_named_ids_are_looked_up(queue: VideoQueue, work: Work) -> None:
    """Results are read for all ids or for some; ids without a result are left out."""
    queue.add(["grok:scenario-fails", "grok:scenario-expires"])
    assert len(work()) == 2
    (result,) = queue.results(["grok:scenario-expires", "grok:unknown"])
    assert (result.task_id, result.state, result.error_type) == ("grok:scenario-expires", "failed", "TaskFailedError")
    assert {each.task_id for each in queue.results()} == {"grok:scenario-fails", "grok:scenario-expires"}
