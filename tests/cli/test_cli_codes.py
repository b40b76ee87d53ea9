"""Exit codes: what a script can rely on."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as sdk
from kkiai_sdk.cli.codes import SERIOUSNESS, Code, code_of, most_serious

if TYPE_CHECKING:
    from tests.cli.conftest import Run

ERRORS = [
    (sdk.KkiaiError("x"), 5),
    (sdk.ConfigurationError("x"), 2),
    (sdk.APIError("x"), 5),
    (sdk.APIConnectionError("x"), 5),
    (sdk.APITimeoutError("x"), 5),
    (sdk.APIResponseError("x"), 5),
    (sdk.APIStatusError("x", status_code=418), 5),
    (sdk.BadRequestError("x", status_code=400), 5),
    (sdk.AuthenticationError("x", status_code=401), 4),
    (sdk.QuotaExceededError("x", status_code=429), 4),
    (sdk.PermissionDeniedError("x", status_code=403), 4),
    (sdk.NotFoundError("x", status_code=404), 5),
    (sdk.TaskNotFoundError("x", status_code=404), 5),
    (sdk.ConflictError("x", status_code=409), 5),
    (sdk.UnprocessableEntityError("x", status_code=422), 5),
    (sdk.RateLimitError("x", status_code=429), 5),
    (sdk.ServerError("x", status_code=500), 5),
    (sdk.TaskError("x", task_id="t"), 5),
    (sdk.TaskFailedError("x", task_id="t"), 1),
    (sdk.TaskTimeoutError("x", task_id="t"), 3),
    (sdk.VideoMissingError("x", task_id="t"), 5),
    (sdk.DownloadError("x"), 6),
    (sdk.UnsafeURLError("x"), 6),
    (sdk.IncompleteDownloadError("x"), 6),
    (sdk.NotAVideoError("x"), 6),
    (sdk.TargetExistsError("x"), 6),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_has_its_exit_code(error: sdk.KkiaiError, code: int) -> None:
    """Each class of error leads to the documented exit code."""
    assert code_of(error) == code


def test_no_error_is_left_out() -> None:
    """The table above has every public class of error."""
    public = {value for name in sdk.__all__ if isinstance(value := getattr(sdk, name), type)}
    assert {kind for kind in public if issubclass(kind, sdk.KkiaiError)} == {type(error) for error, _ in ERRORS}


def test_success_is_zero() -> None:
    """Without an error, and without any outcome, the code is 0."""
    assert code_of(None) == most_serious([]) == most_serious([Code.DONE]) == 0


@pytest.mark.parametrize(("more", "less"), list(pairwise(SERIOUSNESS)))
def test_the_most_serious_wins(more: Code, less: Code) -> None:
    """Of two outcomes the one that stands first in the stated order decides, whichever came first."""
    assert most_serious([less, more, less]) == most_serious([more, less]) == more


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
def test_a_wait_ends_with_the_code_of_its_end(kkiai: Run, scenario: str, code: int, state: str) -> None:
    """The exit code and the STATE of `kkiai wait` say how the task ended."""
    task_id = f"grok:scenario-{scenario}~code"
    limit = "0.3s" if scenario == "stalls" else "30m"
    ended = kkiai("wait", task_id, "--poll-interval", "0.02", "--timeout", limit)
    assert ended.code == code
    assert [row[:2] for row in ended.rows] == [[task_id, state]]


def test_of_several_tasks_the_most_serious_decides(kkiai: Run) -> None:
    """A refused key outweighs a failed task, and one bad id does not stop the others."""
    ids = ["grok:scenario-normal~several", "grok:scenario-fails~several", "grok:scenario-http-403~several"]
    ended = kkiai("wait", *ids, "--poll-interval", "0.02")
    assert ended.code == 4
    assert {row[0]: row[1] for row in ended.rows} == dict(zip(ids, ["succeeded", "failed", "error"], strict=True))


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["wait"],
        ["wait", "--nonsense", "x"],
        ["watch", "a", "b"],
        ["mock", "--port", "70000"],
        ["mock", "--speed", "fast"],
        ["mock", "--host", "0.0.0.0"],
        ["wait", "a b"],
        ["wait", "-"],
        ["query", "x", "--timeout", "0"],
        ["wait", "x", "--timeout", "-1"],
        ["wait", "x", "--timeout", "soon"],
        ["wait", "x", "--poll-interval", "0"],
        ["query", "x", "--timeout", "none"],
        ["query", "x", "--base-url", "ftp://localhost"],
        ["query", "x", "--api-key-file", "/nonexistent/key"],
        ["query", "x", "--api-key-file", "-"],
        ["download", "x", "-o", "-"],
        ["download", "x", "-o", "/nonexistent/folder/x.mp4"],
        ["download", "x", "--max-bytes", "0"],
        ["download", "x", "--max-bytes", "many"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_two_and_says_why(kkiai: Run, words: list[str]) -> None:
    """Wrong usage and configuration end with 2, with words on stderr and without a traceback."""
    ended = kkiai(*words)
    assert ended.code == 2
    assert ended.err.strip()
    assert "Traceback" not in ended.err


def test_a_missing_key_says_where_it_can_be(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is sent, and both ways to give one are named."""
    monkeypatch.delenv("KKIAI_API_KEY")
    ended = kkiai("query", "grok:x")
    assert ended.code == 2
    assert ended.out == ""
    assert "KKIAI_API_KEY" in ended.err
    assert "--api-key-file" in ended.err
