"""Envelopes, and the status that counts among several."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kkiai_sdk import APIResponseError, TaskState
from kkiai_sdk._responses.layers import is_failed_task
from tests.unit.support import ASKED, read, refused

URL = "https://files.example/a.mp4"
PENDING, RUNNING, SUCCEEDED, FAILED = TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED
UNKNOWN = TaskState.UNKNOWN
TASK = {"task_id": "t", "state": "finished", "video": URL}

STATES: dict[str, tuple[Any, TaskState]] = {
    "five envelopes": (
        {"code": 0, "data": {"code": "success", "result": {"data": {"task": {"data": TASK}}}}},
        SUCCEEDED,
    ),
    "list of one": ({"code": 0, "data": [TASK]}, SUCCEEDED),
    "list of one in a list of one": ({"result": [{"task": [TASK]}]}, SUCCEEDED),
    "text": ({"code": 0, "data": json.dumps(TASK)}, SUCCEEDED),
    "text in a text": ({"result": json.dumps({"data": json.dumps([TASK])})}, SUCCEEDED),
    "beside empty data": ({"data": {}, "result": TASK}, SUCCEEDED),
    "parts of a task": ({"id": "t", "status": "processing", "result": {"status": "completed", "url": URL}}, RUNNING),
    "list of parts": ({"id": "t", "state": "running", "data": [{"status": "completed", "url": URL}]}, RUNNING),
    "null result": ({"status": "success", "result": None}, UNKNOWN),
    "success around little": ({"status": "success", "result": {"progress": 4}}, UNKNOWN),
    "success around a video": ({"status": "success", "data": {"video_url": URL}}, SUCCEEDED),
    "task's own name beside a success": ({"id": "t", "status": "success", "task_status": "processing"}, RUNNING),
    "task's own name beside another success": ({"id": "t", "status": "success", "task_status": "done"}, SUCCEEDED),
    "unknown word beside a known one": ({"id": "t", "status": "polishing", "state": "queued"}, PENDING),
    "names that disagree": ({"id": "t", "state": "completed", "task_status": "running"}, RUNNING),
    "ends that disagree": ({"id": "t", "state": "completed", "task_status": "failed", "url": URL}, UNKNOWN),
    "other status": ({"id": "t", "audio_status": "completed", "upload_state": "failed"}, UNKNOWN),
    "done": ({"name": "op/1", "done": True, "response": {"video": URL}}, SUCCEEDED),
    "done with an error": ({"name": "op/1", "done": True, "error": {"code": 3, "message": "no"}}, FAILED),
    "not done": ({"name": "op/1", "done": False, "video": URL}, RUNNING),
    "number": ({"id": "t", "status": 2, "output": {"url": URL}}, SUCCEEDED),
    "number as a text": ({"id": "t", "status": "2", "video_url": URL}, SUCCEEDED),
    "no status": ({"id": "t", "video_url": URL}, SUCCEEDED),
    "number and an input": ({"id": "t", "status": 2, "input": {"video_url": URL}}, UNKNOWN),
    "number and a preview": ({"id": "t", "status": 2, "preview_video_url": URL}, UNKNOWN),
    "number and an address of the task": ({"id": "t", "status": 2, "url": "https://api.example/v1/tasks/t"}, UNKNOWN),
    "number and little progress": ({"id": "t", "status": 2, "progress": 40, "video_url": URL}, UNKNOWN),
    "number and an error": ({"id": "t", "status": 2, "error": "no", "video_url": URL}, UNKNOWN),
    "number and a code": ({"id": "t", "status": 2, "code": "E7", "video_url": URL}, UNKNOWN),
    "percentage": ({"id": "t", "status": "40%", "video_url": URL}, UNKNOWN),
    "object": ({"id": "t", "status": {"name": "processing"}, "video_url": URL}, UNKNOWN),
    "false": ({"id": "t", "status": False, "video_url": URL}, UNKNOWN),
    "unknown word and a video": ({"id": "t", "status": "polishing", "video_url": URL}, UNKNOWN),
    "known name": ({"code": 0, "generations_by_pk": {"status": "COMPLETE", "video": URL}}, SUCCEEDED),
    "strange name with a video": ({"code": 0, "zeta": {"status": "COMPLETE", "video": URL}}, SUCCEEDED),
    "strange name without one": ({"code": 0, "zeta": {"status": "COMPLETE"}}, UNKNOWN),
    "strange name with the id": ({"zeta": {"id": ASKED, "status": "failed"}}, FAILED),
    "strange name with the bare id": ({"zeta": {"eta": [{"id": "7f3c", "status": "failed"}, {"status": "x"}]}}, FAILED),
    "list of tasks": ({"list": [{"id": "1", "status": "done", "url": URL}, {"id": "2", "status": "done"}]}, UNKNOWN),
    "disagreement": ({"job": {"status": "done", "url": URL}, "zeta": {"status": "running"}}, UNKNOWN),
    "unknown word in a strange place": ({"zeta": {"status": "polishing"}, "video_url": URL}, UNKNOWN),
    "number in a strange place": ({"zeta": {"status": 2}, "video_url": URL}, SUCCEEDED),
    "success around a text": ({"status": "success", "data": "processing"}, RUNNING),
    "success around a text, with a code": ({"code": 0, "status": "success", "result": "QUEUED"}, PENDING),
    "end beside the video's status": ({"id": "t", "status": "completed", "video_status": "processing"}, RUNNING),
    "end with a video beside its status": (
        {"id": "t", "status": "completed", "video_status": "processing", "video_url": URL},
        SUCCEEDED,
    ),
    "ok with a video": ({"id": "t", "status": "OK", "video_url": URL}, SUCCEEDED),
    "ok without a video": ({"id": "t", "status": "OK"}, UNKNOWN),
    "ok around a task at work": ({"status": "ok", "data": {"status": "running", "video_url": URL}}, RUNNING),
    "success around a stage": ({"status": "success", "payload": {"stage": "rendering"}}, RUNNING),
    "success around a phase": ({"ok": True, "state": "success", "payload": {"phase": "queued", "id": "t"}}, PENDING),
    "success around a success around a task": (
        {"success": True, "result": {"status": "success", "job": {"state": "running"}}},
        RUNNING,
    ),
    "success with an id around a task at work": (
        {"id": "r", "status": "success", "job": {"state": "running"}},
        RUNNING,
    ),
    "success with a video around a task at work": (
        {"id": "r", "status": "success", "video_url": URL, "job": {"state": "running"}},
        SUCCEEDED,
    ),
    "success with an id around a failed part": (
        {"id": "r", "status": "success", "job": {"state": "failed"}},
        SUCCEEDED,
    ),
    "success around null": ({"status": "success", "details": None, "video_url": URL}, SUCCEEDED),
    "phase alone": ({"id": "t", "phase": "Succeeded", "video_url": URL}, SUCCEEDED),
    "phase that ended beside a status": ({"id": "t", "status": "polishing", "phase": "completed"}, UNKNOWN),
    "stage at work beside a status": ({"id": "t", "status": "polishing", "stage": "rendering"}, RUNNING),
    "message of success": ({"code": 0, "message": "success", "zeta": {"id": "7f3c", "state": "queued"}}, PENDING),
    "odd code of success": ({"code": 1, "msg": "ok", "job": {"state": "queued"}}, PENDING),
}


@pytest.mark.fault("J-22", "J-23")
@pytest.mark.parametrize("case", STATES)
def test_status_that_counts(case: str) -> None:
    """The state is that of the task: not that of an envelope, of a part, or of another thing."""
    body, state = STATES[case]
    assert read(body).state is state


FAILED_TASKS: list[dict[str, Any]] = [
    {"success": False, "data": {"task_id": "t", "status": "failed", "fail_reason": "no cows"}},
    {"success": False, "message": "x", "result": {"state": "FAILURE", "failure_reason": "no cows"}},
    {"success": False, "task_id": "t", "status": "failed", "message": "no cows"},
]


@pytest.mark.fault("J-24")
@pytest.mark.parametrize("body", FAILED_TASKS)
def test_failed_task_in_a_failed_envelope_is_a_failed_task(body: dict[str, Any]) -> None:
    """A task that failed inside `success: false` is a failed task with its reason, and no failed query."""
    failure = read(body).failure
    assert failure is not None
    assert failure.message == "no cows"
    assert is_failed_task(body)


@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "status": "failed", "message": "no luck"},
        {"success": False, "message": "no luck", "data": {"id": "t", "status": "queued"}},
        {"success": False, "message": "no luck", "data": None},
        {"code": "E7", "message": "no luck", "job": {"state": "failed"}},
    ],
)
def test_failed_query_is_no_failed_task(body: dict[str, Any]) -> None:
    """A failed query is an error, whatever status the envelope has."""
    assert isinstance(refused(200, body), APIResponseError)
