"""Public values: frozen, hashable, picklable, with lossless JSON."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve, exceptions
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import (
    ConfigurationError,
    TaskFailedError,
    TaskFailure,
    TaskState,
    VideoMissingError,
    VideoTask,
    WaitResult,
)
from tests.unit.support import ASKED, FIXED, JSON_VALUES, TEXTS, brief

OBJECTS = st.dictionaries(TEXTS, JSON_VALUES, max_size=4)
TASKS = st.builds(
    VideoTask,
    id=TEXTS,
    answered_id=st.none() | TEXTS,
    status=st.none() | TEXTS,
    state=st.sampled_from(TaskState),
    video_url=st.none() | TEXTS,
    enhanced_prompt=st.none() | TEXTS,
    status_update_time=st.none() | st.integers(),
    progress=st.none() | st.floats(0, 1),
    failure=st.none() | st.builds(TaskFailure, TEXTS, st.none() | TEXTS),
    request_id=st.none() | TEXTS,
    extra=OBJECTS,
    raw=OBJECTS,
)
TASK = VideoTask(
    id=ASKED,
    answered_id="7f3c",
    status="failed",
    state=TaskState.FAILED,
    status_update_time=1750323167003,
    progress=0.5,
    failure=TaskFailure("no cows", "policy"),
    request_id="r-1",
    extra={"model": "cow-1"},
    raw={"model": "cow-1", "status": "failed"},
)


def test_task_with_only_an_id_is_unknown() -> None:
    """A task requires only an id; then its state is UNKNOWN, which is not terminal."""
    task = VideoTask(id="x")
    assert (task.state, task.status, task.video_url, task.progress, task.failure) == (TaskState.UNKNOWN, *[None] * 4)
    assert (task.extra, task.raw, task.is_done) == ({}, {}, False)
    with pytest.raises(TypeError):
        VideoTask("x")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("state", "flags"),
    [
        (TaskState.PENDING, (False, False, False)),
        (TaskState.RUNNING, (False, False, False)),
        (TaskState.SUCCEEDED, (True, True, False)),
        (TaskState.FAILED, (True, False, True)),
        (TaskState.UNKNOWN, (False, False, False)),
    ],
)
def test_only_success_and_failure_are_terminal(state: TaskState, flags: tuple[bool, bool, bool]) -> None:
    """Success and failure are terminal states; no others are."""
    task = VideoTask(id="x", state=state)
    assert (task.is_done, task.is_succeeded, task.is_failed) == flags


def test_state_is_its_lower_case_name() -> None:
    """A state is its lower-case name, also as text."""
    assert [str(state) for state in TaskState] == ["pending", "running", "succeeded", "failed", "unknown"]
    assert TaskState("failed") is TaskState.FAILED


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (1750323167003, datetime(2025, 6, 19, 8, 52, 47, 3000, UTC)),
        (1764756435, datetime(2025, 12, 3, 10, 7, 15, tzinfo=UTC)),
        (10**11, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        (10**11 - 1, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (1, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (None, None),
        (0, None),
        (-5, None),
        (10**18, None),
        (10**400, None),
        (253402300800000, None),
    ],
    ids=brief,
)
def test_updated_at_is_utc_or_none(value: int | None, at: datetime | None) -> None:
    """The time is in UTC for every unit of the gateway, and None if it is missing or absurd."""
    assert VideoTask(id="x", status_update_time=value).updated_at == at


def test_extra_of_a_task_is_read_only() -> None:
    """`extra` cannot be changed through the task."""
    with pytest.raises(TypeError):
        TASK.extra["model"] = "other"  # type: ignore[index]
    assert TASK.extra == {"model": "cow-1"}


@pytest.mark.parametrize("value", [TASK, TASK.failure, WaitResult(ASKED, TASK)], ids=lambda value: type(value).__name__)
def test_public_values_are_frozen_and_hashable(value: object) -> None:
    """Tasks, failures and results are frozen, hashable, and equal to their copies."""
    name = value.__attrs_attrs__[0].name  # type: ignore[attr-defined]
    with pytest.raises(exceptions.FrozenInstanceError):
        setattr(value, name, "other")
    copies = [copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    assert copies == [value] * 3
    assert {value, *copies} == {value}


def test_task_with_unhashable_body_is_hashable() -> None:
    """A task with lists and objects in its body is hashable, and bodies still make tasks different."""
    one, other = VideoTask(id="x", raw={"a": [1]}), VideoTask(id="x", raw={"a": [2]})
    assert hash(one) == hash(other)
    assert one != other


def test_repr_of_a_task_omits_the_body() -> None:
    """The repr shows the state and omits the body."""
    assert "SUCCEEDED" in repr(VideoTask(id="x", state=TaskState.SUCCEEDED))
    assert "cow-1" not in repr(TASK)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"state": TaskState.RUNNING, "progress": 0.405}, "grok:7f3c: running, 40%"),
        ({"state": TaskState.PENDING}, "grok:7f3c: pending"),
        (
            {"state": TaskState.SUCCEEDED, "progress": 1.0, "video_url": "https://a.example/v?sig=1"},
            "grok:7f3c: succeeded",
        ),
        ({"state": TaskState.FAILED, "failure": TaskFailure("no", "E7")}, "grok:7f3c: failed: no (E7)"),
    ],
)
def test_task_as_text_is_one_short_line(fields: dict[str, Any], text: str) -> None:
    """A task as text is its id and state, with the progress at work and the reason of a failure, and no URL."""
    assert str(VideoTask(id="grok:7f3c", **fields)) == text


def test_to_dict_gives_plain_json_values() -> None:
    """A task becomes plain JSON values, the time in ISO 8601."""
    assert TASK.to_dict() == {
        "id": ASKED,
        "answered_id": "7f3c",
        "status": "failed",
        "state": "failed",
        "video_url": None,
        "video_urls": [],
        "enhanced_prompt": None,
        "status_update_time": 1750323167003,
        "updated_at": "2025-06-19T08:52:47.003000+00:00",
        "progress": 0.5,
        "failure": {"message": "no cows", "code": "policy"},
        "request_id": "r-1",
        "extra": {"model": "cow-1"},
        "raw": {"model": "cow-1", "status": "failed"},
    }
    assert VideoTask(id="x").to_dict()["updated_at"] is None


@given(TASKS)
@FIXED
def test_task_round_trips_through_dict_and_json(task: VideoTask) -> None:
    """Every task is restored from its dict and from its JSON, which is one line of ASCII."""
    assert VideoTask.from_dict(task.to_dict()) == task
    text = task.to_json()
    assert VideoTask.from_dict(json.loads(text)) == task
    assert text.isascii()
    assert "\n" not in text


def test_several_videos_round_trip() -> None:
    """All URLs of a task are restored from its dict, the first one as its video."""
    task = VideoTask(id="x", video_url="https://a.example/1", more_urls=("https://a.example/2",))
    assert task.video_urls == ("https://a.example/1", "https://a.example/2")
    assert VideoTask.from_dict(json.loads(task.to_json())) == task
    assert VideoTask(id="x").video_urls == ()


def test_non_json_number_is_not_serialized() -> None:
    """A number without a JSON form, in a task made by hand, is rejected."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        VideoTask(id="x", raw={"a": float("nan")}).to_json()


def test_from_dict_uses_defaults_and_ignores_unknown_fields() -> None:
    """Missing fields have their defaults; unknown fields are ignored."""
    assert VideoTask.from_dict({"id": "x", "updated_at": "…", "new": 1}) == VideoTask(id="x")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"status": "failed"},
        {"id": None},
        {"id": 5},
        {"id": "x", "status": 5},
        {"id": "x", "state": "paused"},
        {"id": "x", "state": None},
        {"id": "x", "video_url": ["u"]},
        {"id": "x", "status_update_time": "soon"},
        {"id": "x", "progress": "50%"},
        {"id": "x", "failure": "text"},
        {"id": "x", "failure": {}},
        {"id": "x", "failure": {"message": None}},
        {"id": "x", "failure": {"message": "m", "code": 5}},
        {"id": "x", "failure": {"message": "m", "why": "c"}},
        {"id": "x", "extra": None},
        {"id": "x", "raw": []},
        {"id": "x", "video_urls": [None]},
        {"id": "x", "video_urls": 5},
        [],
        "id",
        None,
        5,
    ],
    ids=brief,
)
def test_from_dict_rejects_anything_else(data: Any) -> None:
    """Anything but a mapping made by to_dict is rejected with an error of the SDK."""
    with pytest.raises(ConfigurationError, match=r"this is not a mapping created by VideoTask\.to_dict\(\)") as caught:
        VideoTask.from_dict(data)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("failure", "text"), [(TaskFailure("no cows", "policy"), "no cows (policy)"), (TaskFailure("no cows"), "no cows")]
)
def test_failure_as_text_is_its_message_and_code(failure: TaskFailure, text: str) -> None:
    """The text of a failure is its message, with the code if there is one."""
    assert str(failure) == text


def test_wait_result_without_error_is_a_success() -> None:
    """A result without an error is a success; a failed task is an error."""
    done = evolve(TASK, state=TaskState.SUCCEEDED, failure=None, video_url="https://cdn.example/a")
    assert WaitResult(ASKED, done).is_succeeded
    assert not WaitResult(ASKED, TASK, TaskFailedError("failed", task_id=ASKED, task=TASK)).is_succeeded
    assert not WaitResult(ASKED, done, VideoMissingError("missing", task_id=ASKED)).is_succeeded
