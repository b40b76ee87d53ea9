"""``kkiai fleet``: a queue of ids that outlives the commands."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import AsyncKkiai
from kkiai_sdk.dbos import VideoQueue, VideoWorker
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

GOOD, BAD = "grok:scenario-normal~fleet", "grok:scenario-fails~fleet"


@pytest.fixture(autouse=True)
def _database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KKIAI_FLEET_DB", str(tmp_path / "fleet.sqlite"))


def test_tasks_are_added_waited_for_and_reported(kkiai: Run, tmp_path: Path) -> None:
    """Ids are added once, worked off into a folder with the exit code of the worst of them, and reported."""
    assert kkiai("fleet", "add", "-", stdin=f"{GOOD}\n# a comment\n{BAD}\n{GOOD}\n").out == "2 added, 0 already known\n"
    assert kkiai("fleet", "add", "--json", GOOD).objects == [{"added": 0, "known": 1}]
    assert kkiai("fleet", "status").rows[:2] == [["queued", "2"], ["waiting", "0"]]
    worked = kkiai("fleet", "work", "--poll-interval", "0.05s", "-o", str(tmp_path / "videos"))
    assert worked.code == 1
    (path,) = (tmp_path / "videos").iterdir()
    assert worked.out == f"{path}\n"
    assert f"{BAD}: failed after" in worked.err
    (status,) = kkiai("fleet", "status", "--json").objects
    assert [status[name] for name in ("queued", "waiting", "saved", "failed")] == [0, 0, 1, 1]
    rows = {row[0]: row[1:] for row in kkiai("fleet", "status", "--results").rows}
    assert rows[GOOD] == ["saved", str(path)]
    assert rows[BAD][0] == "failed"


@pytest.mark.parametrize("limit", ["10m", "72h", "8760h", "none"])
def test_timeout_of_a_wait_may_be_long(kkiai: Run, limit: str) -> None:
    """Waits may last for days, as the example of the help has it."""
    assert kkiai("fleet", "add", "--timeout", limit, GOOD).out == "1 added, 0 already known\n"


def test_work_without_anything_to_do_ends(kkiai: Run, tmp_path: Path) -> None:
    """With an empty queue the worker ends with success."""
    ended = kkiai("fleet", "work", "--quiet", "-o", str(tmp_path / "videos"))
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize("address", ["u:canary@h", "u:c@canary@h", "h", "u@h"])
def test_password_of_the_database_is_not_in_the_command_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kkiai: Run, tmp_path: Path, address: str
) -> None:
    """The command to go on with has the options that were given, and no password."""

    def interrupt(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kkiai_sdk.cli.fleet.in_background", interrupt)
    # It ends the process, whatever its threads do.
    monkeypatch.setattr("os._exit", sys.exit)
    words = ["-o", str(tmp_path), "--name", "a", "--db", f"postgresql://{address}/x?password=canary&sslmode=require"]
    with pytest.raises(SystemExit) as ended:
        kkiai("fleet", "work", *words)
    assert ended.value.code == 130
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kkiai fleet work --output {tmp_path} --name a --db ")
    assert "canary" not in line
    assert "sslmode=require" in line


@pytest.fixture
def stopped(tmp_path: Path) -> str:
    """A database with one wait of a worker named "-one" that was started and ended."""
    database = f"{tmp_path}/password=canary"

    async def main() -> None:
        asked = asyncio.Event()

        async def note(_request: object) -> None:
            asked.set()

        with MockGateway() as gateway, VideoQueue(database) as queue:
            queue.add(["grok:scenario-stalls"])
            hooks = {"event_hooks": {"request": [note]}}
            client = AsyncKkiai(gateway.api_key, base_url=gateway.base_url, httpx_args=hooks)
            async with client, VideoWorker(client, tmp_path, database, name="-one"):
                await asked.wait()

    asyncio.run(asyncio.wait_for(main(), 60))
    return database


def test_work_ends_with_a_note_on_the_waits_of_stopped_workers(kkiai: Run, stopped: str, tmp_path: Path) -> None:
    """A queue that is done except for the waits of a worker that is not running says so, and the command to use."""
    ended = kkiai("fleet", "work", "-o", str(tmp_path), "--name", "two", "--db", stopped)
    assert (ended.code, ended.out) == (0, "")
    command = f"kkiai fleet handover --db '{tmp_path}/password=:***' -- -one"
    note = "-one is not running and has 1 unfinished wait: start it again, or hand over its waits"
    assert ended.err == f"kkiai: {note}: {command}\n"
    assert kkiai("fleet", "work", "--quiet", "-o", str(tmp_path), "--name", "two", "--db", stopped).err == ""
    assert kkiai("fleet", "handover", "--db", stopped, "--", "-one").out == "1 waits handed over\n"
    assert kkiai("fleet", "status", "--db", stopped).err == ""


def test_status_on_a_terminal_ends_with_a_note_on_the_waits_of_stopped_workers(
    monkeypatch: pytest.MonkeyPatch, kkiai: Run, stopped: str
) -> None:
    """The note is not written when the output is read by a program."""
    assert kkiai("fleet", "status", "--db", stopped).err == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert kkiai("fleet", "status", "--json", "--db", stopped).err == ""
    ended = kkiai("fleet", "status", "--db", stopped)
    assert [line.split() for line in ended.lines][-2:] == [["error", "0"], ["by", "-one", "1", "(not", "running)"]]
    assert ended.err.endswith(":***' -- -one\n")


def test_work_prints_json_when_asked(kkiai: Run, tmp_path: Path) -> None:
    """With --json each result is an object: of the file, or of the error."""
    kkiai("fleet", "add", f"{GOOD}-json", f"{BAD}-json")
    worked = kkiai("fleet", "work", "--json", "--poll-interval", "0.05s", "-o", str(tmp_path / "v"))
    found = {each["task_id"]: each for each in worked.objects}
    assert found[f"{GOOD}-json"]["bytes"] > 0
    assert (found[f"{BAD}-json"]["error"], found[f"{BAD}-json"]["exit_code"]) == ("TaskFailedError", 1)


def test_handover_of_an_unknown_worker_moves_nothing(kkiai: Run) -> None:
    """Handing over the waits of a worker without any is no error."""
    assert kkiai("fleet", "handover", "gone").out == "0 waits handed over\n"
    assert kkiai("fleet", "handover", "--json", "gone").objects == [{"handed_over": 0}]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["add", "--db", "mysql://host/db", GOOD], "must be postgresql://"),
        (["add", "--timeout", "soon", GOOD], "--timeout must be a duration"),
        (["work", "-o", "videos", "--db", "postgresql://host/db"], "--name is required"),
        (["work", "-o", "videos", "--rate", "0"], "--rate must be"),
        (["work", "-o", "/dev/null/videos"], "cannot create the directory"),
    ],
)
def test_invalid_options_are_refused(kkiai: Run, words: list[str], part: str) -> None:
    """Wrong usage ends with exit code 2 and one sentence."""
    ended = kkiai("fleet", *words)
    assert (ended.code, ended.out) == (2, "")
    assert part in ended.err


def test_missing_extra_is_named(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the command says how to install it, with exit code 2."""
    for name in [each for each in sys.modules if each.startswith("kkiai_sdk.dbos")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dbos", None)
    monkeypatch.delattr("kkiai_sdk.dbos", raising=False)
    ended = kkiai("fleet", "status")
    assert (ended.code, ended.err) == (2, 'kkiai: kkiai fleet needs dbos: pip install "kkiai-sdk[dbos]"\n')
