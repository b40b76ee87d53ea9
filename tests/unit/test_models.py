"""What the SDK hands out: frozen, hashable, picklable values that come back from JSON as they were."""

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


def test_the_least_that_a_task_is() -> None:
    """A task needs an id and nothing else; then its state is UNKNOWN, which is no end."""
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
def test_ends(state: TaskState, flags: tuple[bool, bool, bool]) -> None:
    """Success and failure are ends; nothing else is."""
    task = VideoTask(id="x", state=state)
    assert (task.is_done, task.is_succeeded, task.is_failed) == flags


def test_states_are_texts() -> None:
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
def test_updated_at(value: int | None, at: datetime | None) -> None:
    """The time is in UTC whichever unit the gateway uses, and None when it is missing or absurd."""
    assert VideoTask(id="x", status_update_time=value).updated_at == at


def test_extra_is_read_only() -> None:
    """`extra` cannot be changed through the task."""
    with pytest.raises(TypeError):
        TASK.extra["model"] = "other"  # type: ignore[index]
    assert TASK.extra == {"model": "cow-1"}


@pytest.mark.parametrize("value", [TASK, TASK.failure, WaitResult(ASKED, TASK)], ids=lambda value: type(value).__name__)
def test_values(value: object) -> None:
    """Tasks, failures and results are frozen, hashable, and equal to their copies."""
    name = value.__attrs_attrs__[0].name  # type: ignore[attr-defined]
    with pytest.raises(exceptions.FrozenInstanceError):
        setattr(value, name, "other")
    copies = [copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    assert copies == [value] * 3
    assert {value, *copies} == {value}


def test_unhashable_contents_do_not_matter() -> None:
    """A task with lists and objects in its body is hashable, and bodies still make tasks different."""
    one, other = VideoTask(id="x", raw={"a": [1]}), VideoTask(id="x", raw={"a": [2]})
    assert hash(one) == hash(other)
    assert one != other


def test_repr_is_short() -> None:
    """The repr names the state and leaves out the body."""
    assert "SUCCEEDED" in repr(VideoTask(id="x", state=TaskState.SUCCEEDED))
    assert "cow-1" not in repr(TASK)


def test_to_dict() -> None:
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
def test_round_trip(task: VideoTask) -> None:
    """Every task comes back from its dict and from its JSON, which is one line of ASCII."""
    assert VideoTask.from_dict(task.to_dict()) == task
    text = task.to_json()
    assert VideoTask.from_dict(json.loads(text)) == task
    assert text.isascii()
    assert "\n" not in text


def test_what_is_no_json_is_not_written() -> None:
    """A number that JSON does not have, in a task made by hand, is refused and not written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        VideoTask(id="x", raw={"a": float("nan")}).to_json()


def test_from_dict_of_little() -> None:
    """Fields that are missing have their defaults; those that are not fields are passed over."""
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
        [],
        "id",
        None,
        5,
    ],
    ids=brief,
)
def test_from_dict_of_something_else(data: Any) -> None:
    """What is not a mapping made by to_dict is refused, and what it was is not blamed on Python."""
    with pytest.raises(ConfigurationError, match=r"this is not a mapping made by VideoTask\.to_dict\(\)") as caught:
        VideoTask.from_dict(data)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("failure", "text"), [(TaskFailure("no cows", "policy"), "no cows (policy)"), (TaskFailure("no cows"), "no cows")]
)
def test_failures_as_text(failure: TaskFailure, text: str) -> None:
    """A failure reads as its message, with the code when there is one."""
    assert str(failure) == text


def test_wait_results() -> None:
    """A result is a success when there is no error; a failed task is an error."""
    done = evolve(TASK, state=TaskState.SUCCEEDED, failure=None, video_url="https://cdn.example/a")
    assert WaitResult(ASKED, done).is_succeeded
    assert not WaitResult(ASKED, TASK, TaskFailedError("failed", task_id=ASKED, task=TASK)).is_succeeded
    assert not WaitResult(ASKED, done, VideoMissingError("missing", task_id=ASKED)).is_succeeded
