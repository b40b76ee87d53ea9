"""Task answers as gateways send them, row by row: envelopes, times, progress, reasons of failures."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kkiai_sdk import TaskFailure, TaskState
from kkiai_sdk._responses.status_words import STATES
from kkiai_sdk._responses.task_parser import read_task
from tests.unit.support import ASKED, GATEWAY, read

URL = "https://cdn.example/a.mp4"


def test_task_is_read_from_nested_envelopes() -> None:
    """`code: success` means that the query worked; the task is in `data`, and the unified object in its `data`."""
    inner = {"status": "completed", "video_url": URL, "status_update_time": 1750221453056}
    layer = {"task_id": "veo:1", "status": "SUCCESS", "fail_reason": "", "progress": "100%", "data": inner}
    task = read({"code": "success", "message": "", "data": layer})
    assert (task.status, task.state, task.video_url) == ("completed", TaskState.SUCCEEDED, URL)
    assert (task.answered_id, task.progress, task.status_update_time) == ("veo:1", 1.0, 1750221453056)
    assert task.extra == {"task_id": "veo:1", "fail_reason": "", "progress": "100%"}


def test_successful_envelope_with_a_queued_task_is_queued() -> None:
    """A successful query about a queued task is a queued task."""
    task = read({"code": "success", "message": "", "data": {"task_id": "v", "status": "queued", "url": ""}})
    assert (task.state, task.video_url) == (TaskState.PENDING, None)


def test_successful_envelope_with_a_failed_task_is_failed() -> None:
    """A successful query about a failed task is a failed task, with the reason from inside the envelope."""
    layer = {"task_id": "v", "status": "FAILURE", "fail_reason": "upstream said no", "data": None}
    task = read({"code": "success", "message": "", "data": layer})
    assert (task.state, task.failure) == (TaskState.FAILED, TaskFailure("upstream said no"))


@pytest.mark.parametrize("data", [None, {}])
def test_empty_envelope_is_an_unknown_state(data: object) -> None:
    """`data: null` is an unknown state: neither an end nor an error."""
    task = read({"code": "success", "message": "", "data": data})
    assert (task.state, task.status, task.answered_id) == (TaskState.UNKNOWN, None, None)


def test_end_in_an_outer_layer_takes_precedence() -> None:
    """An end in an outer layer takes precedence over the last status of the upstream."""
    stale = {"status": "processing", "progress": 40}
    task = read({"code": "success", "data": {"task_id": "v", "status": "FAILURE", "data": stale}})
    assert (task.state, task.status) == (TaskState.FAILED, "FAILURE")


def test_known_status_word_takes_precedence_over_an_unknown_one() -> None:
    """A word of the table takes precedence over an unknown one in any layer."""
    task = read({"data": {"task_id": "v", "status": "IN_PROGRESS", "data": {"status": "warming-up"}}})
    assert (task.state, task.status) == (TaskState.RUNNING, "IN_PROGRESS")


def test_envelopes_are_opened_to_a_limit() -> None:
    """Thirty envelopes are opened; of more than that nothing is read."""
    body: dict[str, object] = {"status": "completed"}
    for _ in range(30):
        body = {"data": body}
    assert read(body).state is TaskState.SUCCEEDED
    assert read({"data": {"data": body}}).state is TaskState.UNKNOWN


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
def test_status_update_time_is_seconds_or_milliseconds(sent: object, raw: int | None, at: datetime | None) -> None:
    """The time is read in seconds and in milliseconds; anything but a whole number is None."""
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
def test_progress_is_a_fraction_or_none(sent: object, fraction: float | None) -> None:
    """Progress is a fraction from 0 to 1 in every notation, and None if it is invalid."""
    assert read({"status": "running", "progress": sent}).progress == fraction


@pytest.mark.parametrize("error", ["", None, {"message": "", "code": ""}, {"message": None}, []])
def test_empty_error_field_is_ignored(error: object) -> None:
    """An `error` that is empty, null or an object of empty texts is ignored."""
    task = read({"id": ASKED, "status": "queued", "error": error, "video_url": ""})
    assert (task.state, task.failure) == (TaskState.PENDING, None)


def test_error_text_on_a_finished_task_is_ignored() -> None:
    """A finished answer with error texts, from retries inside the gateway, is a success."""
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
def test_failure_reason_is_found_in_each_known_place(place: str) -> None:
    """The reason of a failure is found in every place where gateways put it."""
    assert read({"status": "failed"} | REASONS[place]).failure == TaskFailure("R")


def test_first_reason_in_the_order_of_places_counts() -> None:
    """Of several reasons the first in the list of places counts, empty ones excepted."""
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


def test_failure_without_a_reason_names_the_status() -> None:
    """If the gateway gives no reason, the failure says so and names the status."""
    assert str(read({"status": "expired"}).failure) == "the gateway gave no reason (status 'expired')"


@pytest.mark.parametrize(("code", "text"), [("E7", "E7"), (7, "7"), ("", None), (None, None), (True, None), ({}, None)])
def test_failure_code_is_text_or_a_number(code: object, text: str | None) -> None:
    """A failure's code is a text or a number; an empty one is None."""
    failure = read({"status": "failed", "error": {"message": "R", "code": code}}).failure
    assert failure == TaskFailure("R", text)


def test_failure_reason_is_one_line_without_keys() -> None:
    """A reason is one line of visible characters without keys."""
    task = read({"status": "failed", "error": "bad\x1b[2J\nkey sk-abc***xyz"})
    assert str(task.failure) == "bad\\x1b[2J key sk-***"


@pytest.mark.parametrize(
    "body", [{"enhanced_prompt": "```\na cow\n```"}, {"detail": {"enhanced_prompt": "```\na cow\n```"}}]
)
def test_enhanced_prompt_keeps_its_lines(body: dict[str, object]) -> None:
    """The prompt keeps its fences and lines, and is also found in `detail`."""
    assert read({"status": "completed"} | body).enhanced_prompt == "```\na cow\n```"


def test_empty_prompt_is_the_empty_text() -> None:
    """An empty prompt is the empty text, unless another place has a longer one."""
    assert read({"status": "pending", "enhanced_prompt": ""}).enhanced_prompt == ""
    assert read({"enhanced_prompt": "", "detail": {"enhanced_prompt": "a cow"}, "id": "x"}).enhanced_prompt == "a cow"


def test_task_has_the_request_id() -> None:
    """The id of the request is part of the task."""
    assert read_task({}, ASKED, base_url=GATEWAY, request_id="r-1").request_id == "r-1"


def test_status_words_of_the_table_are_normalized() -> None:
    """Every word of the table is in the form that is looked up: lower case, joined by underscores."""
    assert all(word == word.strip().lower().replace("-", "_").replace(" ", "_") for word in STATES)


@pytest.mark.fault("J-14")
def test_keys_like_python_attributes_are_data() -> None:
    """Keys like Python's own attributes are kept as data and have no effect."""
    task = read(
        {"status": "running", "__class__": "x", "to_dict": 1, **{f"k{number}": number for number in range(2000)}}
    )
    assert task.state is TaskState.RUNNING
    assert len(task.extra) == 2002


@pytest.mark.parametrize("sent", [None, 40, "95%", "oops"])
def test_progress_of_a_success_is_one(sent: object) -> None:
    """The progress of a task that succeeded is 1.0, whatever the gateway left there."""
    assert read({"id": "t", "status": "completed", "progress": sent}).progress == 1.0


@pytest.mark.parametrize(("sent", "fraction"), [(1.5, 0.015), ("1", 0.01), (1, 0.01), ("1.0", 1.0), ("1.0%", 0.01)])
def test_whole_number_of_progress_is_a_percentage(sent: object, fraction: float) -> None:
    """A whole number is a percentage even if it is 1, and so is any number above 1."""
    assert read({"id": "t", "status": "running", "progress": sent}).progress == pytest.approx(fraction)


def test_envelope_fields_are_not_in_extra() -> None:
    """Fields of an envelope are left out of `extra`; a bare answer keeps fields of the same names."""
    words = {"code": "success", "message": "", "success": True}
    assert read({"id": "t", "status": "queued", **words}).extra == words
    assert read({**words, "data": {"id": "t", "status": "queued", "model": "cow-1"}}).extra == {"model": "cow-1"}


@pytest.mark.parametrize("url", ["https://cdn.example/X", "ftp://cdn.example/a.mp4", "s3://bucket/a.mp4"])
def test_url_is_kept_without_validation(url: str) -> None:
    """A URL is kept unchanged even if it cannot be fetched: it is checked by the download."""
    task = read({"id": "t", "status": "completed", "video_url": url})
    assert (task.video_url, task.state) == (url, TaskState.SUCCEEDED)
