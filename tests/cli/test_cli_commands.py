"""What the commands print, and where."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import VideoTask, __version__

if TYPE_CHECKING:
    from pathlib import Path

    from kkiai_sdk.mock import MockGateway
    from tests.cli.conftest import Run

FAST = ("--poll-interval", "0.02s")


def test_alone_it_prints_help(kkiai: Run) -> None:
    """`kkiai` alone prints its help on stdout and is content."""
    alone = kkiai()
    assert (alone.code, alone.err) == (0, "")
    assert alone.out == kkiai("--help").out


def test_version(kkiai: Run) -> None:
    """`kkiai --version` prints the package's version."""
    assert kkiai("--version").out == f"kkiai {__version__}\n"


def test_query_prints_a_row_per_id(kkiai: Run) -> None:
    """`kkiai query` gives ID, STATE and DETAIL in the order of the ids, whatever each came to."""
    ids = [f"grok:scenario-{name}~query" for name in ("normal", "http-404", "expired-url", "unknown-status")]
    ended = kkiai("query", *ids)
    assert [row[0] for row in ended.rows] == ids
    assert [row[1] for row in ended.rows] == ["pending", "error", "succeeded", "unknown"]
    assert ended.rows[0][2] == "pending"
    assert ended.rows[2][2].startswith("http://127.0.0.1:")
    assert ended.rows[3][2] == "unknown (unknown status)"
    assert ended.code == 5


def test_query_of_a_failed_task(kkiai: Run) -> None:
    """A failed task is an answer with its reason, and exit code 1."""
    kkiai("wait", "grok:scenario-fails~asked", *FAST)
    ended = kkiai("query", "grok:scenario-fails~asked")
    assert ended.rows == [
        ["grok:scenario-fails~asked", "failed", "the prompt was refused by the filter (content_refused)"]
    ]
    assert (ended.code, ended.err.count("\n")) == (1, 1)


def test_query_without_trouble_is_silent_on_stderr(kkiai: Run) -> None:
    """What stdout has told is not repeated."""
    assert kkiai("query", "grok:scenario-normal~silent").err == ""


def test_wait_for_one(kkiai: Run, gateway: MockGateway) -> None:
    """`kkiai wait` gives one row at the end on stdout, and a line per change on stderr."""
    ended = kkiai("wait", "grok:scenario-normal~one", *FAST)
    assert ended.rows == [
        ["grok:scenario-normal~one", "succeeded", f"{gateway.base_url}/files/grok-scenario-normal-one.mp4"]
    ]
    first, *_, last = ended.err.splitlines()
    assert first == "grok:scenario-normal~one: pending"
    assert last == "grok:scenario-normal~one: succeeded after 0:00"


@pytest.mark.deep
def test_wait_for_a_hundred(kkiai: Run) -> None:
    """Every one of a hundred ids gets its row."""
    ids = [f"grok:scenario-normal~hundred-{number}" for number in range(100)]
    ended = kkiai("wait", "-", *FAST, stdin="\n".join(ids))
    assert sorted(row[0] for row in ended.rows) == sorted(ids)
    assert {row[1] for row in ended.rows} == {"succeeded"}
    assert ended.code == 0


@pytest.mark.parametrize("options", [["--quiet"], ["-q", "--json"]])
def test_quiet_leaves_stderr_empty(kkiai: Run, options: list[str]) -> None:
    """With --quiet only results are printed, for failures too."""
    ended = kkiai("wait", "grok:scenario-normal~quiet", "grok:scenario-fails~quiet", *FAST, *options)
    assert ended.err == ""
    assert len(ended.lines) == 2


def test_verbose_logs_every_poll(kkiai: Run) -> None:
    """With --verbose the package's log goes to stderr, and the level is put back afterwards."""
    ended = kkiai("wait", "grok:scenario-normal~verbose", *FAST, "-v")
    assert "debug: " in ended.err
    assert "debug: " not in kkiai("wait", "grok:scenario-normal~verbose2", *FAST).err


def test_watch_prints_every_change(kkiai: Run) -> None:
    """`kkiai watch` prints a row per change, from the first answer to the end."""
    rows = kkiai("watch", "grok:scenario-normal~watch", *FAST).rows
    assert rows[0][1] == "pending"
    assert rows[-1][1] == "succeeded"
    assert all(before != after for before, after in pairwise(rows))


def test_watch_of_a_task_that_fails(kkiai: Run) -> None:
    """The last row of a failed task holds the reason, and the exit code is 1."""
    ended = kkiai("watch", "grok:scenario-fails~watch", *FAST)
    assert ended.rows[-1][1:] == ["failed", "the prompt was refused by the filter (content_refused)"]
    assert ended.code == 1


@pytest.mark.fault("S-14")
def test_json_of_tasks_and_errors(kkiai: Run) -> None:
    """With --json every id is one ASCII object: the task, or the error with its class, code and last snapshot."""
    ids = [f"grok:scenario-{name}~json" for name in ("normal", "fails", "http-401")]
    ended = kkiai("wait", *ids, "a b", *FAST, "--json")
    by_id = {found.get("id") or found["task_id"]: found for found in ended.objects}
    assert VideoTask.from_dict(by_id[ids[0]]).is_succeeded
    assert by_id[ids[1]]["error"] == "TaskFailedError"
    assert by_id[ids[1]]["exit_code"] == 1
    assert VideoTask.from_dict(by_id[ids[1]]["task"]).is_failed
    assert by_id[ids[2]].items() >= {"error": "AuthenticationError", "status_code": 401, "exit_code": 4}.items()
    assert by_id["a b"]["error"] == "ConfigurationError"
    assert ended.code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["wait", "x", "--timeout", "soon"],
        ["query", "x", "--base-url", "nonsense"],
        ["download", "x", "-o", "-"],
        ["watch", "x", "--api-key-file", "/nonexistent"],
    ],
    ids=" ".join,
)
@pytest.mark.fault("S-14")
def test_json_of_errors_about_no_task(kkiai: Run, words: list[str]) -> None:
    """With --json a wrong configuration is an object as well."""
    ended = kkiai(*words, "--json")
    assert [(found["error"], found["exit_code"]) for found in ended.objects] == [("ConfigurationError", 2)]


def test_download_prints_the_path(kkiai: Run, tmp_path: Path) -> None:
    """`kkiai download` waits, stores the video and prints its path and nothing else on stdout."""
    target = tmp_path / "cow.mp4"
    ended = kkiai("download", "grok:scenario-normal~download", "-o", str(target), *FAST)
    assert (ended.code, ended.out) == (0, f"{target}\n")
    assert target.read_bytes()[4:8] == b"ftyp"
    assert ended.err.splitlines()[-1] == f"grok:scenario-normal~download: saved {target} (145 kB)"


def test_download_of_many_makes_the_folder(kkiai: Run, tmp_path: Path) -> None:
    """Several videos go to a folder, which is made; a failure is told on stderr, and the others arrive."""
    folder = tmp_path / "new" / "videos"
    ids = [f"grok:scenario-normal~many-{number}" for number in range(5)]
    ended = kkiai("download", *ids, "grok:scenario-html-video~many", "-o", str(folder), *FAST, "-q")
    assert sorted(ended.lines) == sorted(str(path) for path in folder.iterdir())
    assert len(ended.lines) == 5
    assert ended.err.startswith("grok:scenario-html-video~many: error")
    assert ended.code == 6


@pytest.mark.fault("S-14")
def test_download_json(kkiai: Run, tmp_path: Path) -> None:
    """With --json a file is an object with its path and size."""
    task_id = "grok:scenario-normal~file"
    ended = kkiai("download", task_id, "-o", str(tmp_path), *FAST, "--json")
    (found,) = ended.objects
    assert found["task_id"] == task_id
    assert found["bytes"] == next(tmp_path.iterdir()).stat().st_size
    assert found["path"] == str(next(tmp_path.iterdir()))


def test_download_does_not_replace_unasked(kkiai: Run, tmp_path: Path) -> None:
    """An existing file stays, and the message names the option that replaces it."""
    target = tmp_path / "cow.mp4"
    target.write_bytes(b"mine")
    ended = kkiai("download", "grok:scenario-normal~replace", "-o", str(target), *FAST)
    assert (ended.code, ended.out) == (6, "")
    assert "--overwrite" in ended.err
    assert target.read_bytes() == b"mine"
    assert kkiai("download", "grok:scenario-normal~replace", "-o", str(target), *FAST, "--overwrite").code == 0
    assert target.stat().st_size > 4


def test_download_refuses_what_is_too_large(kkiai: Run, tmp_path: Path) -> None:
    """--max-bytes ends a download that would be larger, with the code of downloads."""
    ended = kkiai("download", "grok:scenario-normal~large", "-o", f"{tmp_path}/", *FAST, "--max-bytes", "1kB")
    assert ended.code == 6
    assert [path for path in tmp_path.iterdir() if path.suffix == ".mp4"] == []
