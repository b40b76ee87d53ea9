"""Results and messages of the commands about tasks, with both streams in pipes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import VideoTask, __version__

if TYPE_CHECKING:
    from pathlib import Path

    from kkiai_sdk.mock import MockGateway
    from tests.cli.conftest import Run

FAST = ("--poll-interval", "0.02s")
REFUSED = "the prompt was refused by the filter (content_refused)"


def test_command_without_arguments_prints_help(kkiai: Run) -> None:
    """`kkiai` alone prints its help on stdout and exits with 0."""
    alone = kkiai()
    assert (alone.code, alone.err) == (0, "")
    assert alone.out == kkiai("--help").out


def test_version_option_prints_package_version(kkiai: Run) -> None:
    """`kkiai --version` prints the version of the package."""
    assert kkiai("--version").out == f"kkiai {__version__}\n"


def test_query_prints_one_row_per_id_in_order(kkiai: Run) -> None:
    """`kkiai query` prints ID, STATE and DETAIL in the order of the ids, for failed queries too."""
    ids = [f"grok:scenario-{name}~query" for name in ("normal", "http-404", "expired-url", "unknown-status")]
    ended = kkiai("query", *ids)
    assert [row[0] for row in ended.rows] == ids
    assert [row[1] for row in ended.rows] == ["pending", "error", "succeeded", "unknown"]
    assert ended.rows[0][2] == "pending"
    assert ended.rows[2][2].startswith("http://127.0.0.1:")
    assert ended.rows[3][2] == "unknown (unknown status)"
    assert ended.code == 5


def test_query_of_failed_task_exits_with_1(kkiai: Run) -> None:
    """A failed task is an answer with its reason, noted on stderr, and exit code 1."""
    kkiai("wait", "grok:scenario-fails~asked", *FAST)
    ended = kkiai("query", "grok:scenario-fails~asked")
    assert ended.rows == [["grok:scenario-fails~asked", "failed", REFUSED]]
    assert ended.err == f"grok:scenario-fails~asked: failed after 0:00:00: {REFUSED}\n"
    assert ended.code == 1


def test_query_without_problems_leaves_stderr_empty(kkiai: Run) -> None:
    """Results on stdout are not repeated on stderr."""
    assert kkiai("query", "grok:scenario-normal~silent").err == ""


def test_wait_prints_end_on_stdout_and_changes_on_stderr(kkiai: Run, gateway: MockGateway) -> None:
    """`kkiai wait` prints one row at the end on stdout, and a line per change on stderr."""
    task_id = "grok:scenario-normal~one"
    ended = kkiai("wait", task_id, *FAST)
    assert ended.rows == [[task_id, "succeeded", f"{gateway.base_url}/files/grok-scenario-normal-one.mp4"]]
    first, *_, last = ended.err.splitlines()
    assert first == f"{task_id}: pending"
    assert last == f"{task_id}: succeeded after 0:00:00"


@pytest.mark.parametrize(
    ("scenario", "code", "state"),
    [
        ("normal", 0, "succeeded"),
        ("fails", 1, "failed"),
        ("cancelled", 1, "failed"),
        ("stalls", 3, "timeout"),
        ("http-401", 4, "error"),
        ("http-403", 4, "error"),
        ("http-429-quota", 4, "error"),
        ("http-404", 5, "error"),
        ("html-200", 5, "error"),
        ("http-503-model-not-found", 5, "error"),
    ],
)
def test_wait_exits_with_code_of_its_outcome(kkiai: Run, scenario: str, code: int, state: str) -> None:
    """The exit code and the STATE of `kkiai wait` say how the task ended."""
    task_id = f"grok:scenario-{scenario}~code"
    limit = "0.3s" if scenario == "stalls" else "30m"
    ended = kkiai("wait", task_id, "--poll-interval", "0.02", "--timeout", limit)
    assert ended.code == code
    assert [row[:2] for row in ended.rows] == [[task_id, state]]


def test_wait_for_several_exits_with_most_serious_code(kkiai: Run) -> None:
    """A rejected key outweighs a failed task, and one bad id does not stop the others."""
    ids = ["grok:scenario-normal~several", "grok:scenario-fails~several", "grok:scenario-http-403~several"]
    ended = kkiai("wait", *ids, *FAST)
    assert ended.code == 4
    assert {row[0]: row[1] for row in ended.rows} == dict(zip(ids, ["succeeded", "failed", "error"], strict=True))


@pytest.mark.deep
def test_wait_for_a_hundred_prints_every_row(kkiai: Run) -> None:
    """Each of a hundred ids gets its row."""
    ids = [f"grok:scenario-normal~hundred-{number}" for number in range(100)]
    ended = kkiai("wait", "-", *FAST, stdin="\n".join(ids))
    assert sorted(row[0] for row in ended.rows) == sorted(ids)
    assert {row[1] for row in ended.rows} == {"succeeded"}
    assert ended.code == 0


@pytest.mark.parametrize("options", [["--quiet"], ["-q", "--json"]])
def test_quiet_wait_leaves_stderr_empty(kkiai: Run, options: list[str]) -> None:
    """With --quiet only results are printed, for failures too."""
    ended = kkiai("wait", "grok:scenario-normal~quiet", "grok:scenario-fails~quiet", *FAST, *options)
    assert ended.err == ""
    assert len(ended.lines) == 2


def test_verbose_wait_logs_polls_only_this_time(kkiai: Run) -> None:
    """With --verbose the log of the package goes to stderr, and the next command logs as before."""
    ended = kkiai("wait", "grok:scenario-normal~verbose", *FAST, "-v")
    assert "debug: " in ended.err
    assert "debug: " not in kkiai("wait", "grok:scenario-normal~verbose2", *FAST).err


def test_watch_prints_row_for_every_change(kkiai: Run) -> None:
    """`kkiai watch` prints a row per change, from the first answer to the end."""
    rows = kkiai("watch", "grok:scenario-normal~watch", *FAST).rows
    assert rows[0][1] == "pending"
    assert rows[-1][1] == "succeeded"
    assert all(before != after for before, after in pairwise(rows))


def test_watch_of_failing_task_ends_with_reason(kkiai: Run) -> None:
    """The last row of a failed task holds the reason, and the exit code is 1."""
    ended = kkiai("watch", "grok:scenario-fails~watch", *FAST)
    assert ended.rows[-1][1:] == ["failed", REFUSED]
    assert ended.code == 1


@pytest.mark.fault("S-14")
def test_json_wait_prints_tasks_and_errors_as_objects(kkiai: Run) -> None:
    """With --json every id is one ASCII object: the task, or the error with its class, code and last snapshot."""
    ids = [f"grok:scenario-{name}~json" for name in ("normal", "fails", "http-401")]
    ended = kkiai("wait", *ids, *FAST, "--json")
    by_id = {found.get("id") or found["task_id"]: found for found in ended.objects}
    assert VideoTask.from_dict(by_id[ids[0]]).is_succeeded
    assert by_id[ids[1]]["error"] == "TaskFailedError"
    assert by_id[ids[1]]["exit_code"] == 1
    assert VideoTask.from_dict(by_id[ids[1]]["task"]).is_failed
    assert by_id[ids[2]].items() >= {"error": "AuthenticationError", "status_code": 401, "exit_code": 4}.items()
    assert ended.code == 4


@pytest.mark.parametrize("command", ["query", "wait", "download", "watch"])
def test_invalid_ids_are_refused_before_anything_is_sent(kkiai: Run, gateway: MockGateway, command: str) -> None:
    """Ids that no task can have are named, all of them, and no request is sent for the others either."""
    ids = ["a b"] if command == "watch" else ["grok:scenario-normal", "a b", "", "x" * 300]
    before = len(gateway.requests)
    ended = kkiai(command, *ids)
    assert (ended.code, ended.out) == (2, "")
    assert "'a b'" in ended.err
    assert len(gateway.requests) == before


def test_several_downloads_into_a_file_are_refused(kkiai: Run, gateway: MockGateway, tmp_path: Path) -> None:
    """-o with the name of a file is refused for several ids; a directory with a dot in its name is none."""
    before = len(gateway.requests)
    ended = kkiai("download", "a", "b", "-o", str(tmp_path / "cow.mp4"))
    assert (ended.code, len(gateway.requests)) == (2, before)
    assert "-o must be a directory for several ids" in ended.err
    assert not any(tmp_path.iterdir())
    (tmp_path / "v1.0").mkdir()
    ids = [f"grok:scenario-normal~{number}" for number in range(2)]
    assert kkiai("download", *ids, "-o", str(tmp_path / "v1.0"), *FAST).code == 0


def test_unknown_task_is_named_as_the_reason_of_a_timeout(kkiai: Run) -> None:
    """A wait for an id that the gateway does not know ends with that reason, and the advice to check the id."""
    ended = kkiai("wait", "grok:scenario-not-exist-first~unknown", "--timeout", "0s")
    assert ended.rows[0][2] == "the gateway does not know this task (yet); check the id"
    assert ended.code == 3


def test_timeout_says_what_an_error_status_means(kkiai: Run) -> None:
    """The reason of a timeout has the meaning of the last status beside its number, and so has the log."""
    ended = kkiai("wait", "grok:scenario-http-429~log", "--timeout", "0s", "-v")
    assert "rate limit error (HTTP 429): " in ended.rows[0][2]
    assert re.search(r"attempt 1: [a-z ]+ \(HTTP 429\): ", ended.err)


def test_changes_of_several_tasks_are_logged(kkiai: Run) -> None:
    """Piped, each change of each of several tasks is a line of stderr."""
    ids = [f"grok:scenario-stalls~{number}" for number in range(3)]
    ended = kkiai("wait", *ids, "--timeout", "0s")
    # An early poll finds the task pending, a later one running.
    assert all(re.search(rf"^{task_id}: (?:pending|processing)", ended.err, re.MULTILINE) for task_id in ids)


def test_level_of_the_log_is_that_of_the_environment(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """KKIAI_LOG=debug logs each request of any command; another value than a level is refused."""
    monkeypatch.setenv("KKIAI_LOG", "debug")
    assert "debug: " in kkiai("query", "grok:scenario-normal~log").err
    monkeypatch.setenv("KKIAI_LOG", "loud")
    ended = kkiai("query", "grok:scenario-normal~log")
    assert (ended.code, "KKIAI_LOG must be one of debug" in ended.err) == (2, True)


def test_demo_logs_each_request_once(kkiai: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """KKIAI_LOG=debug logs no line of a demonstration twice."""
    monkeypatch.setenv("KKIAI_LOG", "debug")
    ended = kkiai("demo", "grok:scenario-normal~logged", "-o", str(tmp_path))
    logged = [line.lower() for line in ended.err.splitlines() if re.match("(?i)debug: task", line)]
    assert len(logged) == len(set(logged)) > 0


@pytest.mark.parametrize(("shell", "sign"), [("/bin/bash", "complete"), ("zsh", "compdef"), ("fish", "function")])
def test_completion_is_shown_and_installed(
    kkiai: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shell: str, sign: str
) -> None:
    """The script for the shell of the user is printed, or written where that shell looks for it."""
    monkeypatch.setenv("SHELL", shell)
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = kkiai("--show-completion")
    assert (shown.code, sign in shown.out) == (0, True)
    installed = kkiai("--install-completion")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (installed.code, str(file) in installed.out) == (0, True)
    assert file.read_text("utf-8").strip() == shown.out.strip()


def test_completion_of_an_unknown_shell_is_refused(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell without completion is named, with those that have it."""
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    ended = kkiai("--install-completion")
    assert (ended.code, "bash, zsh, fish" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("line", "index", "words"),
    [("kkiai do", 1, {"download", "doctor"}), ("kkiai wait --time", 2, {"--timeout"})],
)
def test_words_of_a_line_are_completed(
    kkiai: Run, monkeypatch: pytest.MonkeyPatch, line: str, index: int, words: set[str]
) -> None:
    """A completion script gets the commands or options that begin like the last word."""
    for name, value in {"_KKIAI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(index)}.items():
        monkeypatch.setenv(name, value)
    assert {each.partition(",")[2] for each in kkiai().lines} == words


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
def test_json_of_wrong_configuration_is_an_object(kkiai: Run, words: list[str]) -> None:
    """With --json an error that is not about a task is an object as well."""
    ended = kkiai(*words, "--json")
    assert [(found["error"], found["exit_code"]) for found in ended.objects] == [("ConfigurationError", 2)]


def test_download_prints_path_of_finished_file(kkiai: Run, tmp_path: Path) -> None:
    """`kkiai download` waits, stores the video and prints its path and nothing else on stdout."""
    target = tmp_path / "cow.mp4"
    task_id = "grok:scenario-normal~download"
    ended = kkiai("download", task_id, "-o", str(target), *FAST)
    assert (ended.code, ended.out) == (0, f"{target}\n")
    assert target.read_bytes()[4:8] == b"ftyp"
    assert ended.err.splitlines()[-2] == f"{task_id}: downloading 0 bytes of 145.5 kB"
    assert ended.err.splitlines()[-1] == f"{task_id}: saved 145.5 kB after 0:00:00: {target}"


def test_download_of_several_creates_the_directory(kkiai: Run, tmp_path: Path) -> None:
    """Several videos go to a directory, which is created; a failure is on stderr even with --quiet."""
    folder = tmp_path / "new" / "videos"
    ids = [f"grok:scenario-normal~many-{number}" for number in range(5)]
    ended = kkiai("download", *ids, "grok:scenario-html-video~many", "-o", str(folder), *FAST, "-q")
    assert sorted(ended.lines) == sorted(str(path) for path in folder.iterdir())
    assert len(ended.lines) == 5
    assert ended.err.startswith("grok:scenario-html-video~many: error")
    assert ended.code == 6


@pytest.mark.fault("S-14")
def test_json_download_prints_path_and_size(kkiai: Run, tmp_path: Path) -> None:
    """With --json a file is an object with its path and size."""
    task_id = "grok:scenario-normal~file"
    ended = kkiai("download", task_id, "-o", str(tmp_path), *FAST, "--json")
    (path,) = tmp_path.iterdir()
    assert ended.objects == [{"task_id": task_id, "path": str(path), "bytes": path.stat().st_size}]


def test_download_replaces_file_only_with_overwrite(kkiai: Run, tmp_path: Path) -> None:
    """An existing file stays, and the message names the option that replaces it."""
    target = tmp_path / "cow.mp4"
    target.write_bytes(b"mine")
    ended = kkiai("download", "grok:scenario-normal~replace", "-o", str(target), *FAST)
    assert (ended.code, ended.out) == (6, "")
    assert "--overwrite" in ended.err
    assert target.read_bytes() == b"mine"
    assert kkiai("download", "grok:scenario-normal~replace", "-o", str(target), *FAST, "--overwrite").code == 0
    assert target.stat().st_size > 4


def test_skip_existing_downloads_only_missing_files(kkiai: Run, tmp_path: Path, gateway: MockGateway) -> None:
    """--skip-existing prints the paths of existing files without a query for them, and downloads the others."""
    ids = [f"grok:scenario-normal~again-{number}" for number in range(3)]
    first = kkiai("download", *ids[:2], "-o", f"{tmp_path}/", *FAST)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    gateway.requests.clear()
    again = kkiai("download", *ids, "-o", f"{tmp_path}/", *FAST, "--skip-existing")
    said = dict(re.findall(r"(~again-\d): (kept|saved) ", again.err))
    assert said == {"~again-0": "kept", "~again-1": "kept", "~again-2": "saved"}
    assert (first.code, again.code, len(before)) == (0, 0, 2)
    assert sorted(again.lines) == sorted(str(path) for path in tmp_path.iterdir())
    query = f"id={ids[2].replace(':', '%3A')}"
    assert {each.query for each in gateway.requests if each.query} == {query}
    gateway.requests.clear()
    assert kkiai("download", ids[0], "-o", f"{tmp_path}/", *FAST, "--skip-existing").lines[0] in map(str, before)
    assert gateway.requests == []
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    assert kkiai("download", ids[0], "-o", f"{tmp_path}/", "--skip-existing", "--overwrite").code == 2


def test_download_above_size_limit_is_refused(kkiai: Run, tmp_path: Path) -> None:
    """--max-bytes ends a download that would be larger, with the code of downloads."""
    ended = kkiai("download", "grok:scenario-normal~large", "-o", f"{tmp_path}/", *FAST, "--max-bytes", "1kB")
    assert ended.code == 6
    assert [path for path in tmp_path.iterdir() if path.suffix == ".mp4"] == []
