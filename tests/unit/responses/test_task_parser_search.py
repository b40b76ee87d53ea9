"""Responses in unknown forms: a status and a video are found wherever they stand, or left alone, never mistaken."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkiai_sdk import TaskState
from kkiai_sdk._responses.error_parser import read_query
from kkiai_sdk._responses.raw_response import RawResponse
from kkiai_sdk._responses.status_words import state_of
from kkiai_sdk._responses.task_parser import read_task
from tests.support.effort import examples
from tests.unit.support import ASKED, FIXED, GATEWAY, JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kkiai_sdk import VideoTask

PENDING, RUNNING, SUCCEEDED, FAILED = TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED
VIDEO, OTHER = "https://files.example/made/9c.mp4", "https://files.example/given/"

WORDS = {
    SUCCEEDED: ["completed", "SUCCEED", "Finished", "TASK_STATUS_SUCCEEDED", "done", "已完成", "video ready"],
    FAILED: ["failed", "Failure", "timed_out", "REJECTED", "blocked", "已取消", "content_moderated", "aborted"],
    RUNNING: ["processing", "IN PROGRESS", "Generating", "rendering", "生成中"],
    PENDING: ["queued", "Waiting", "submitted", "created", "排队中"],
    TaskState.UNKNOWN: [
        "not_ready",
        "unsuccessful",
        "incomplete",
        "polishing",
        "completed_or_failed",
        "未完成",
        "3 of 4 done",
    ],
}
STATUS_NAMES = ["status", "state", "task_status", "taskStatus", "jobState", "video_status", "generationStatus"]
VIDEO_NAMES = [
    *(
        ["video_url"],
        ["videoUrl"],
        ["video"],
        ["videos"],
        ["output"],
        ["result_url"],
        ["downloadUrl"],
        ["video", "url"],
    ),
    *(
        ["output", "video_url"],
        ["result", "videos"],
        ["content", "video_url"],
        ["assets", "video"],
        ["file", "download_url"],
    ),
]
#: Names that say nothing.
STRANGE = ["zeta", "k1", "blob9", "内容", "x-y", "payload_box"]
WRAPPERS = ["data", "result", "task", "output", "response"]
#: Names of other things, with the suffix of what stands there.
DECOYS = {
    **dict.fromkeys(["cover", "thumbnail_url", "posterUrl", "image_urls", "first_frame", "last_frame_url"], "1.jpg"),
    **dict.fromkeys(["input", "reference_video_url", "sourceVideo", "referenceVideos", "input_url"], "2.mp4"),
    **dict.fromkeys(
        ["avatar", "audio_url", "webhook", "callback_url", "homepage_url", "prompt", "status_url"], "3.mp4"
    ),
}
#: Names of other things that have a status of their own.
OTHERS = ["audio_status", "upload_state", "httpStatus", "payment_status", "moderation_status"]
FORMS: list[Callable[[str], Any]] = [
    lambda url: url,
    lambda url: [url],
    lambda url: {"url": url},
    lambda url: [{"url": url, "cover_url": f"{OTHER}1.jpg"}],
    lambda url: f"[watch]({url})",
    lambda url: f' "{url}" ',
    lambda url: f"`{url}`",
    lambda url: json.dumps([{"url": url}]),
]


class Planted(NamedTuple):
    """A body, and what was put into it."""

    body: dict[str, Any]
    state: TaskState | None
    video: str | None


def some(random: Random, values: Iterable[str], most: int) -> list[str]:
    """Up to so many of the values."""
    return random.sample([*values], random.randint(0, most))


def decoys(random: Random) -> dict[str, Any]:
    """Members about other things, with URLs and words for an end."""
    ends = [*WORDS[SUCCEEDED], *WORDS[FAILED]]
    members: dict[str, Any] = {name: random.choice(FORMS)(OTHER + DECOYS[name]) for name in some(random, DECOYS, 4)}
    members |= {name: random.choice(ends) for name in some(random, OTHERS, 2)}
    members |= {name: random.choice([7, "", "moo"]) for name in some(random, STRANGE, 3)}
    for name in some(random, ["input", "references", "payment", "steps", "user"], 2):
        part = {"status": random.choice(ends), "video_url": f"{OTHER}4.mp4"}
        members[name] = random.choice([part, [part], [part, part]])
    return members


def nested(names: list[str], value: Any) -> dict[str, Any]:
    """An object in an object, by their names."""
    for name in reversed(names[1:]):
        value = {name: value}
    return {names[0]: value}


ENVELOPES: list[dict[str, Any]] = [{}, {"code": 0, "message": "success"}, {"success": True}, {"status": "success"}]


def planted(random: Random) -> Planted:
    """A task among decoys, inside envelopes, lists, texts and strange objects."""
    body, state, video = decoys(random), random.choice([None, *WORDS]), random.choice([None, VIDEO])
    if video:
        body |= nested(random.choice(VIDEO_NAMES), random.choice(FORMS)(video))
    if state is not None:
        body[random.choice(STATUS_NAMES)] = random.choice(WORDS[state])
    for name in random.choices([*WRAPPERS, *WRAPPERS, *STRANGE], k=random.randint(0, 5)):
        inner = random.choice([body, body, [body], json.dumps(body)])
        # Beside anything else, `success` is the task's.
        envelope = random.choice(ENVELOPES if name in WRAPPERS[:3] else ENVELOPES[:3])
        body = {**decoys(random), **envelope, name: inner}
    return Planted(body, state, video)


def read_any(body: object) -> VideoTask | None:
    """The task in a body, or None if the body is an error."""
    raw = read_query(RawResponse(200, [], json.dumps(body).encode()))
    return read_task(raw, ASKED, base_url=GATEWAY) if isinstance(raw, dict) else None


def check(case: Planted) -> None:
    """Assert that what was read is what was planted, or nothing."""
    task = read_any(case.body)
    if task is None:
        return
    expected = {TaskState.UNKNOWN, case.state or (SUCCEEDED if case.video else TaskState.UNKNOWN)}
    assert task.state in expected, case.body
    assert {*task.video_urls} <= {case.video}, case.body


#: Generated by a random generator with a seed of Hypothesis, which is many times faster than by its own strategies.
RANDOMS = st.integers(0, 1 << 32).map(Random)


@pytest.mark.fault("J-25")
@given(RANDOMS)
@settings(FIXED, max_examples=examples(2000))
def test_planted_task_is_found_or_left_unknown(random: Random) -> None:
    """A status and a video at any place among decoys are read as they are, or left unknown."""
    check(planted(random))


@pytest.mark.deep
@given(RANDOMS)
@settings(FIXED, max_examples=10_000)
def test_planted_task_is_never_mistaken(random: Random) -> None:
    """Of ten thousand tasks among decoys none is read as another."""
    check(planted(random))


@pytest.mark.parametrize("names", VIDEO_NAMES, ids=".".join)
@pytest.mark.parametrize("form", range(len(FORMS)))
@pytest.mark.parametrize("status", STATUS_NAMES)
def test_planted_task_without_decoys_is_found(names: list[str], form: int, status: str) -> None:
    """Every name of a status, every name of a video and every form of its URL is known."""
    task = read_any({status: "finished", **nested(names, FORMS[form](VIDEO))})
    assert task is not None
    assert (task.state, task.video_url) == (SUCCEEDED, VIDEO)


KEYS = [*STATUS_NAMES, *WRAPPERS, *STRANGE, *DECOYS, *OTHERS, "id", "url", "video", "videos", "code", "message", "done"]
LEAVES = [None, True, False, 0, 2, 404, *(word for words in WORDS.values() for word in words), VIDEO, "moo", ""]


def any_value(random: Random, depth: int) -> Any:
    """A JSON value of names and words that occur in responses."""
    kind = random.randint(0, 3) if depth else 0
    if kind == 3:
        return [any_value(random, depth - 1) for _ in range(random.randint(0, 3))]
    return any_object(random, depth - 1) if kind else random.choice(LEAVES)


def any_object(random: Random, depth: int = 3) -> dict[str, Any]:
    """A JSON object of names and words that occur in responses."""
    return {name: any_value(random, depth) for name in some(random, [*KEYS, "error"], 5)}


def words_in(value: Any) -> set[TaskState]:
    """The meanings of all texts in a JSON value."""
    if isinstance(value, str):
        return {state_of(value, has_url=True)}
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {state for child in children for state in words_in(child)}


def check_end(body: dict[str, Any]) -> None:
    """Assert that an end has its reason in the body."""
    task, text = read_any(body), json.dumps(body)
    if task is not None and task.is_failed:
        assert FAILED in words_in(body) or ('"done": true' in text and '"error"' in text)
    if task is not None and task.is_succeeded:
        assert SUCCEEDED in words_in(body) or '"done": true' in text or task.video_url
    if task is not None and task.is_done and task.status is not None:
        assert state_of(task.status, has_url=True) in {task.state, TaskState.UNKNOWN}


@given(RANDOMS.map(any_object) | st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=6))
@settings(FIXED, max_examples=examples(2000))
def test_random_body_is_no_end_without_reason(body: dict[str, Any]) -> None:
    """A random body ends no task unless a word for that end, or a video without a status, is in it."""
    check_end(body)


@pytest.mark.deep
@given(RANDOMS)
@settings(FIXED, max_examples=10_000)
def test_random_bodies_are_no_ends_without_reason(random: Random) -> None:
    """Of ten thousand random bodies none ends a task without a reason in it."""
    check_end(any_object(random))


@pytest.mark.parametrize(
    "members",
    [
        {"percent": "30%"},
        {"percentage": 30},
        {"progress": "rendering"},
        {"running": True},
        {"queue_position": 3},
        {"eta_seconds": 40},
        {"finished": 0},
        {"done": "false"},
        {"message": "still rendering"},
        {"msg": "生成失败"},
        {"code": 202},
        {"failReason": "nsfw"},
        {"errors": ["no worker"]},
    ],
    ids=str,
)
def test_url_beside_signs_of_work_or_failure_is_no_success(members: dict[str, object]) -> None:
    """A status that cannot be read is no success because of a URL if another member says otherwise."""
    task = read_task({"id": "a", "status": 2, "video_url": VIDEO} | members, "a", base_url=GATEWAY)
    assert task.state is not SUCCEEDED


@pytest.mark.parametrize(
    "members",
    [
        {"percent": 100},
        {"progress": "100%"},
        {"running": False},
        {"done": 1},
        {"code": 0},
        {"errMsg": "success"},
        {"seconds": 8},
        {"position": 1},
        {"processing_time": 12.5},
        {"_": "x"},
    ],
    ids=str,
)
def test_url_beside_signs_of_success_is_a_success(members: dict[str, object]) -> None:
    """A number for a status with a URL is a success if nothing says otherwise."""
    task = read_task({"id": "a", "status": 2, "video_url": VIDEO} | members, "a", base_url=GATEWAY)
    assert (task.state, task.video_url) == (SUCCEEDED, VIDEO)
