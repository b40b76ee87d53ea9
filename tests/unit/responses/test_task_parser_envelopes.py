"""Status words of envelopes and of tasks: which one ends a task."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kkiai_sdk import APIError, TaskState
from kkiai_sdk._responses.error_parser import read_query
from kkiai_sdk._responses.layers import has_success_code
from kkiai_sdk._responses.raw_response import RawResponse
from kkiai_sdk._responses.task_parser import read_task

GATEWAY = "https://gateway.example"
URL = "https://cdn.example/v.mp4"

TASKS: dict[str, tuple[dict[str, Any], TaskState]] = {
    "envelope success, task at work": (
        {"status": "success", "data": {"id": "x", "status": "processing"}},
        TaskState.RUNNING,
    ),
    "envelope error, nothing known": ({"status": "error", "data": None}, TaskState.UNKNOWN),
    "envelope success, nothing known": ({"status": "success", "data": None}, TaskState.UNKNOWN),
    "outer failure, inner left at work": (
        {"code": "success", "data": {"task_id": "x", "status": "FAILURE", "data": {"status": "processing"}}},
        TaskState.FAILED,
    ),
    "outer failure, inner succeeded": (
        {
            "code": "success",
            "data": {"task_id": "x", "status": "FAILURE", "data": {"status": "completed", "video_url": URL}},
        },
        TaskState.SUCCEEDED,
    ),
    "outer success with a URL, inner left at work": (
        {
            "code": "success",
            "data": {"task_id": "x", "status": "SUCCESS", "url": URL, "data": {"status": "processing"}},
        },
        TaskState.SUCCEEDED,
    ),
    "outer success without a URL, inner left at work": (
        {"code": "success", "data": {"task_id": "x", "status": "SUCCESS", "data": {"status": "processing"}}},
        TaskState.RUNNING,
    ),
    "failed task without an id": ({"status": "failed", "error": {"message": "no"}}, TaskState.FAILED),
    "failed task with a message": ({"status": "failed", "message": "m", "error": "no"}, TaskState.FAILED),
    "success with a message": ({"status": "success", "message": "fine", "url": URL}, TaskState.SUCCEEDED),
    "success with a message alone": ({"status": "success", "message": "fine"}, TaskState.SUCCEEDED),
    "list of data": ({"status": "completed", "data": [{"url": URL}]}, TaskState.SUCCEEDED),
    "odd code, word of a task": ({"status": "queued", "code": "whatever"}, TaskState.PENDING),
}


@pytest.mark.parametrize("case", TASKS)
def test_envelope_status_never_ends_a_task(case: str) -> None:
    """A status word of an envelope never ends a task, and a task's own status is always read."""
    raw, state = TASKS[case]
    assert read_query(RawResponse(200, [], json.dumps(raw).encode())) == raw
    assert read_task(raw, "grok:1", base_url=GATEWAY).state is state


@pytest.mark.parametrize(
    "raw",
    [
        {"status": "error", "code": 500, "message": "upstream timeout"},
        {"status": "error", "message": "upstream timeout"},
        {"status": "failed", "message": "record not found"},
        {"status": "error", "detail": "rate limited"},
    ],
)
def test_failed_query_is_an_error_and_not_a_failed_task(raw: dict[str, Any]) -> None:
    """A bare "error" alongside an error code, or alongside nothing but a message, says that the query failed."""
    assert isinstance(read_query(RawResponse(200, [], json.dumps(raw).encode())), APIError)


@pytest.mark.parametrize("decoy", ["error: none yet", "s3://bucket/key", "N/A"])
def test_fetchable_url_takes_precedence_over_an_earlier_place(decoy: str) -> None:
    """A value in an earlier place that cannot be fetched does not hide a URL that can."""
    raw = {"id": "x", "status": "completed", "video_url": decoy, "url": URL}
    assert read_task(raw, "grok:1", base_url=GATEWAY).video_url == URL


def test_echoed_key_is_redacted_in_a_task() -> None:
    """A key that the gateway echoes in a reason, a status or a request id is redacted."""
    assert read_task({"id": "x", "status": "no mykey123"}, "t", base_url=GATEWAY, secret="mykey123").status == "no ***"
    raw = {"id": "x", "status": "failed", "error": {"message": "bad key mykey123", "code": "mykey123"}}
    task = read_task(raw, "grok:1", base_url=GATEWAY, request_id="r-mykey123", secret="mykey123")
    assert "mykey123" not in repr(task)
    assert task.failure is not None
    assert task.failure.message == "bad key ***"


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({}, True),
        ({"code": None}, True),
        ({"code": ""}, True),
        ({"code": 0}, True),
        ({"code": " Success "}, True),
        ({"code": "invalid_key"}, False),
        ({"code": 500}, False),
    ],
)
def test_success_code_is_missing_empty_or_a_known_word(layer: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A layer reports success if its code is missing, empty, or a known word or number."""
    assert has_success_code(layer) is expected
