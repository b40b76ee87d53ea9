"""What answers look like in practice, row for row: envelopes, times, progress, reasons of failures."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kkiai_sdk import TaskFailure, TaskState
from kkiai_sdk._responses.task_parser import STATES, read_task
from tests.unit.support import ASKED, GATEWAY, read

URL = "https://cdn.example/a.mp4"


def test_envelope() -> None:
    """`code: success` says that the query worked; the task is in `data`, and the unified object in its `data`."""
    inner = {"status": "completed", "video_url": URL, "status_update_time": 1750221453056}
    layer = {"task_id": "veo:1", "status": "SUCCESS", "fail_reason": "", "progress": "100%", "data": inner}
    task = read({"code": "success", "message": "", "data": layer})
    assert (task.status, task.state, task.video_url) == ("completed", TaskState.SUCCEEDED, URL)
    assert (task.answered_id, task.progress, task.status_update_time) == ("veo:1", 1.0, 1750221453056)
    assert task.extra == {"task_id": "veo:1", "fail_reason": "", "progress": "100%"}


def test_a_fine_envelope_around_a_task_that_goes_on() -> None:
    """A successful query about a queued task is a queued task."""
    task = read({"code": "success", "message": "", "data": {"task_id": "v", "status": "queued", "url": ""}})
    assert (task.state, task.video_url) == (TaskState.PENDING, None)


def test_a_fine_envelope_around_a_failed_task() -> None:
    """A successful query about a failed task is a failed task, with the reason from inside the envelope."""
    layer = {"task_id": "v", "status": "FAILURE", "fail_reason": "upstream said no", "data": None}
    task = read({"code": "success", "message": "", "data": layer})
    assert (task.state, task.failure) == (TaskState.FAILED, TaskFailure("upstream said no"))


@pytest.mark.parametrize("data", [None, {}])
def test_an_empty_envelope_says_nothing_yet(data: object) -> None:
    """`data: null` means that nothing is known yet: no end and no error."""
    task = read({"code": "success", "message": "", "data": data})
    assert (task.state, task.status, task.answered_id) == (TaskState.UNKNOWN, None, None)


def test_an_end_in_any_layer_counts() -> None:
    """An outer layer that has ended a task counts more than what the upstream said last."""
    stale = {"status": "processing", "progress": 40}
    task = read({"code": "success", "data": {"task_id": "v", "status": "FAILURE", "data": stale}})
    assert (task.state, task.status) == (TaskState.FAILED, "FAILURE")


def test_a_known_word_counts_more_than_an_unknown_one() -> None:
    """A word that is in the table wins over one that is not, wherever they stand."""
    task = read({"data": {"task_id": "v", "status": "IN_PROGRESS", "data": {"status": "warming-up"}}})
    assert (task.state, task.status) == (TaskState.RUNNING, "IN_PROGRESS")


def test_layers_end_somewhere() -> None:
    """An envelope within an envelope is opened; one more around them is not."""
    task = {"status": "completed"}
    assert read({"data": {"data": task}}).state is TaskState.SUCCEEDED
    assert read({"data": {"data": {"data": task}}}).state is TaskState.UNKNOWN


@pytest.mark.parametrize(
    ("sent", "raw", "at"),
    [
        (1750323167003, 1750323167003, datetime(2025, 6, 19, 8, 52, 47, 3000, UTC)),
        (1764756435, 1764756435, datetime(2025, 12, 3, 10, 7, 15, tzinfo=UTC)),
        ("1764756435", 1764756435, datetime(2025, 12, 3, 10, 7, 15, tzinfo=UTC)),
        (1764756435.0, 1764756435, datetime(2025, 12, 3, 10, 7, 15, tzinfo=UTC)),
        (None, None, None),
        (True, None, None),
        (1764756435.5, None, None),
        ("soon", None, None),
        ({}, None, None),
    ],
    ids=["milliseconds", "seconds", "text", "whole-float", "null", "boolean", "fraction", "words", "object"],
)
def test_status_update_time(sent: object, raw: int | None, at: datetime | None) -> None:
    """The time is read in seconds and in milliseconds; what is no whole number is no time."""
    task = read({"status": "pending", "status_update_time": sent})
    assert (task.status_update_time, task.updated_at) == (raw, at)


@pytest.mark.parametrize(
    ("sent", "fraction"),
    [
        (0, 0.0),
        (50, 0.5),
        (1, 0.01),
        (100, 1.0),
        ("0", 0.0),
        ("100%", 1.0),
        (" 37 % ", 0.37),
        ("12.5%", 0.125),
        ("0.5%", 0.005),
        (0.25, 0.25),
        ("0.25", 0.25),
        (1.0, 1.0),
        (62.5, 0.625),
        (None, None),
        ("", None),
        ("nearly", None),
        (-1, None),
        (101, None),
        ("101%", None),
        (True, None),
        (10**400, None),
        ([50], None),
    ],
)
def test_progress(sent: object, fraction: float | None) -> None:
    """Progress is a fraction from 0 to 1 however it is written, and None when it makes no sense."""
    assert read({"status": "running", "progress": sent}).progress == fraction


@pytest.mark.parametrize("error", ["", None, {"message": "", "code": ""}, {"message": None}, []])
def test_an_empty_error_means_nothing(error: object) -> None:
    """`error` is there while all is well: empty, null or an object of empty texts."""
    task = read({"id": ASKED, "status": "queued", "error": error, "video_url": ""})
    assert (task.state, task.failure) == (TaskState.PENDING, None)


def test_error_text_on_success() -> None:
    """A finished answer may carry error texts from retries inside the gateway: it is a success all the same."""
    detail = {
        "error_message": "[403] captcha",
        "video_generation_error": "unsafe",
        "video_url": "https://cdn.example/b",
    }
    task = read({"status": "completed", "video_url": URL, "detail": detail, "error": "old", "fail_reason": URL})
    assert (task.state, task.video_url, task.failure) == (TaskState.SUCCEEDED, URL, None)


REASONS: dict[str, dict[str, object]] = {
    "error.message": {"error": {"message": "R"}},
    "error": {"error": "R"},
    "detail.video_generation_error": {"detail": {"video_generation_error": "R"}},
    "detail.error_message": {"detail": {"error_message": "R"}},
    "fail_reason": {"fail_reason": "R"},
    "detail.pending_info.failure_reason": {"detail": {"pending_info": {"failure_reason": "R"}}},
}


@pytest.mark.parametrize("place", REASONS)
def test_places_of_the_reason(place: str) -> None:
    """The reason of a failure is found wherever gateways put it."""
    assert read({"status": "failed"} | REASONS[place]).failure == TaskFailure("R")


def test_order_of_the_reasons() -> None:
    """Of several reasons the one whose place stands first in the list counts, empty ones aside."""
    body: dict[str, object] = {
        "status": "failed",
        "detail": {"video_generation_error": "1", "error_message": "2", "pending_info": {"failure_reason": "4"}},
        "fail_reason": "3",
        "error": {"message": "0"},
    }
    assert str(read(body).failure) == "0"
    assert str(read(body | {"error": " "}).failure) == "1"
    assert str(read(body | {"error": "", "detail": {"error_message": "2"}}).failure) == "2"
    assert str(read(body | {"error": None, "detail": {"pending_info": {"failure_reason": "4"}}}).failure) == "3"


def test_a_failure_without_a_reason() -> None:
    """When the gateway gives no reason, the failure says so and names the status."""
    assert str(read({"status": "expired"}).failure) == "the gateway gave no reason (status 'expired')"


@pytest.mark.parametrize(("code", "text"), [("E7", "E7"), (7, "7"), ("", None), (None, None), (True, None), ({}, None)])
def test_codes_of_a_failure(code: object, text: str | None) -> None:
    """A failure's code is a text or a number; an empty one is none."""
    failure = read({"status": "failed", "error": {"message": "R", "code": code}}).failure
    assert failure == TaskFailure("R", text)


def test_the_reason_is_fit_to_be_shown() -> None:
    """A reason is one visible line without keys."""
    task = read({"status": "failed", "error": "bad\x1b[2J\nkey sk-abc***xyz"})
    assert str(task.failure) == "bad\\x1b[2J key sk-***"


@pytest.mark.parametrize(
    "body", [{"enhanced_prompt": "```\na cow\n```"}, {"detail": {"enhanced_prompt": "```\na cow\n```"}}]
)
def test_enhanced_prompt(body: dict[str, object]) -> None:
    """The prompt keeps its fences and lines, and is also found in `detail`."""
    assert read({"status": "completed"} | body).enhanced_prompt == "```\na cow\n```"


def test_an_empty_prompt() -> None:
    """An empty prompt is the empty text, unless a fuller one stands elsewhere."""
    assert read({"status": "pending", "enhanced_prompt": ""}).enhanced_prompt == ""
    assert read({"enhanced_prompt": "", "detail": {"enhanced_prompt": "a cow"}, "id": "x"}).enhanced_prompt == "a cow"


def test_the_request_id_is_passed_on() -> None:
    """The id of the request that brought the answer is part of the task."""
    assert read_task({}, ASKED, base_url=GATEWAY, request_id="r-1").request_id == "r-1"


def test_the_table_of_words_is_in_normal_form() -> None:
    """Every word in the table can be found: lower case, joined by underscores."""
    assert all(word == word.strip().lower().replace("-", "_").replace(" ", "_") for word in STATES)


@pytest.mark.fault("J-14")
def test_hostile_keys_are_data() -> None:
    """Keys that look like Python's own are kept as data and do nothing."""
    task = read(
        {"status": "running", "__class__": "x", "to_dict": 1, **{f"k{number}": number for number in range(2000)}}
    )
    assert task.state is TaskState.RUNNING
    assert len(task.extra) == 2002


@pytest.mark.parametrize(("sent", "fraction"), [(1.5, 0.015), ("1", 0.01), (1, 0.01), ("1.0", 1.0), ("1.0%", 0.01)])
def test_little_progress(sent: object, fraction: float) -> None:
    """A whole number is per cent even when it is 1, and so is what is more than 1."""
    assert read({"id": "t", "status": "running", "progress": sent}).progress == pytest.approx(fraction)


def test_what_an_envelope_says_is_not_the_tasks() -> None:
    """The words of an envelope are left out of `extra`; a bare answer with the same words keeps them."""
    words = {"code": "success", "message": "", "success": True}
    assert read({"id": "t", "status": "queued", **words}).extra == words
    assert read({**words, "data": {"id": "t", "status": "queued", "model": "cow-1"}}).extra == {"model": "cow-1"}


@pytest.mark.parametrize("url", ["https://cdn.example/X", "ftp://cdn.example/a.mp4", "s3://bucket/a.mp4"])
def test_urls_are_kept_whatever_they_are(url: str) -> None:
    """A URL is kept to the last letter, also one that cannot be fetched: it is judged when it is."""
    task = read({"id": "t", "status": "completed", "video_url": url})
    assert (task.video_url, task.state) == (url, TaskState.SUCCEEDED)
