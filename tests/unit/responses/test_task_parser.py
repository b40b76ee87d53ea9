"""Task answers as gateways send them, row by row: ids, missing fields, status words, URLs."""

from __future__ import annotations

import pytest

from kkiai_sdk import TaskFailure, TaskState
from tests.unit.support import ASKED, GATEWAY, read

URL = "https://cdn.example/videos/cow%2Fwings.mp4?sign=a%2Bb"

WORDS = {
    TaskState.SUCCEEDED: "completed success succeeded SUCCESS done Ready Completed! 完成 complete",
    TaskState.FAILED: "failed FAILURE failure error cancelled canceled expired EXPIRED rejected "
    "video_generation_failed video_upsampling_failed",
    TaskState.RUNNING: "processing in_progress IN_PROGRESS running generating image_downloading video_generating "
    "video_generation_completed video_upsampling",
    TaskState.PENDING: "pending queued QUEUED SUBMITTED NOT_START",
    TaskState.UNKNOWN: "unknown paused failed_over",
}
STATUSES = [(word, state) for state, words in WORDS.items() for word in words.split()]


@pytest.mark.parametrize(("word", "state"), STATUSES, ids=[word for word, _ in STATUSES])
def test_known_status_word_has_its_state(word: str, state: TaskState) -> None:
    """Every known status word has its state, and the raw word is kept."""
    task = read({"id": ASKED, "status": word})
    assert (task.state, task.status) == (state, word)


@pytest.mark.parametrize("word", [" completed ", "COMPLETED\n", "Completed", "\tcompleted"])
@pytest.mark.fault("J-12")
def test_status_ignores_case_and_surrounding_spaces(word: str) -> None:
    """Case and surrounding spaces of a status are ignored."""
    assert read({"status": word}).state is TaskState.SUCCEEDED


@pytest.mark.parametrize("word", ["In Progress", "in-progress", "IN  PROGRESS", "in - progress"])
def test_spaces_and_hyphens_in_a_status_are_underscores(word: str) -> None:
    """Spaces and hyphens between the words of a status count as underscores."""
    assert read({"status": word}).state is TaskState.RUNNING


@pytest.mark.parametrize(
    ("url", "state"), [(URL, TaskState.SUCCEEDED), (None, TaskState.RUNNING), ("", TaskState.RUNNING)]
)
def test_upsampling_completed_succeeds_only_with_a_url(url: str | None, state: TaskState) -> None:
    """`video_upsampling_completed` is a success with a URL and work in progress without one."""
    assert read({"status": "video_upsampling_completed", "video_url": url}).state is state


@pytest.mark.parametrize(
    "body",
    [
        {"id": ASKED},
        {"id": ASKED, "status": None},
        {"id": ASKED, "status": ""},
        {"id": ASKED, "status": "   "},
        {"id": ASKED, "status": 5},
        {"id": ASKED, "status": ["completed"]},
        {"id": ASKED, "status": True},
        {"code": "success", "message": "", "data": None},
        {},
    ],
    ids=["missing", "null", "empty", "blank", "number", "list", "boolean", "data-null", "empty-object"],
)
@pytest.mark.fault("J-12")
def test_missing_or_invalid_status_is_unknown(body: object) -> None:
    """A status that is missing, empty or of another type is UNKNOWN, which ends nothing."""
    task = read(body)
    assert task.state is TaskState.UNKNOWN
    assert not task.is_done
    assert task.failure is None


@pytest.mark.parametrize(
    ("body", "answered"),
    [
        ({"id": ASKED}, ASKED),
        ({"id": "7f3c"}, "7f3c"),
        ({"id": "another-id-altogether"}, "another-id-altogether"),
        ({"task_id": "7f3c"}, "7f3c"),
        ({"id": "", "task_id": "7f3c"}, "7f3c"),
        ({"id": 7, "status": "queued"}, None),
        ({"status": "queued"}, None),
    ],
    ids=["echoed", "prefix-dropped", "another", "task_id", "empty-id", "number", "missing"],
)
@pytest.mark.fault("J-15")
def test_task_keeps_the_requested_id(body: object, answered: str | None) -> None:
    """The id of the task is always the caller's; the id in the answer is kept alongside it."""
    task = read(body)
    assert (task.id, task.answered_id) == (ASKED, answered)


def test_running_answer_with_three_fields_is_read() -> None:
    """A running answer with only id, status and a time is read; missing fields are None."""
    task = read({"id": ASKED, "status": "processing", "status_update_time": 1764756435})
    assert (task.state, task.video_url, task.enhanced_prompt, task.progress) == (TaskState.RUNNING, None, None, None)
    assert task.extra == {}


def test_finished_answer_with_many_fields_keeps_them_in_extra() -> None:
    """A finished answer with many undocumented fields is read; they are all in `extra`, the whole body in `raw`."""
    more = {f"field_{number}": number for number in range(15)} | {"prompt": "a cow", "progress": 100, "error": ""}
    body = {"id": ASKED, "status": "completed", "video_url": URL, "status_update_time": 1764745713, **more}
    task = read(body)
    assert (task.state, task.video_url, task.enhanced_prompt) == (TaskState.SUCCEEDED, URL, None)
    assert task.extra == more
    assert task.raw == body


PLACES: dict[str, dict[str, object]] = {
    "video_url": {"video_url": URL},
    "detail.upsample_video_url": {"detail": {"upsample_video_url": URL}},
    "detail.video_url": {"detail": {"video_url": URL}},
    "detail.url": {"detail": {"url": URL}},
    "detail.draft_info.downloadable_url": {"detail": {"draft_info": {"downloadable_url": URL}}},
    "output.url": {"output": {"url": URL}},
    "output.video_url": {"output": {"video_url": URL}},
    "url": {"url": URL},
    "result_url": {"result_url": URL},
    "metadata.url": {"metadata": {"url": URL}},
    "data[0].url": {"data": [{"url": URL}]},
    "video.url": {"video": {"url": URL}},
}


@pytest.mark.parametrize("place", PLACES)
def test_url_is_found_in_each_known_place(place: str) -> None:
    """The URL is found in every place where gateways put it, byte for byte."""
    nowhere: dict[str, object] = {"status": "completed", "video_url": None}
    assert read(nowhere | PLACES[place]).video_url == URL


def _numbered(place: str, number: int) -> dict[str, object]:
    value: object = f"https://cdn.example/{number}.mp4"
    for step in reversed(place.replace("[0]", ".0").split(".")):
        value = [value] if step == "0" else {step: value}
    assert isinstance(value, dict)
    return value


def _merged(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    merged = one | other
    for key in one.keys() & other.keys():
        left, right = one[key], other[key]
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        merged[key] = _merged(left, right)
    return merged


@pytest.mark.parametrize("first", range(len(PLACES) - 1))
def test_first_url_in_the_order_of_places_counts(first: int) -> None:
    """Of several URLs the one whose place is first in the list counts."""
    body: dict[str, object] = {"status": "completed"}
    for number, place in list(enumerate(PLACES))[first:]:
        body = _merged(body, _numbered(place, number))
    assert read(body).video_url == f"https://cdn.example/{first}.mp4"


@pytest.mark.parametrize("nothing", [None, "", "   ", 5, [], {"id": URL}, "not ready yet", "``"])
@pytest.mark.fault("J-16")
def test_invalid_url_is_skipped(nothing: object) -> None:
    """Null, an empty text, another type or plain words are no URL, and the next place is tried."""
    assert read({"status": "completed", "video_url": nothing}).video_url is None
    assert read({"status": "completed", "video_url": nothing, "result_url": URL}).video_url == URL


@pytest.mark.parametrize("body", [{"data": []}, {"data": ["text"]}, {"data": {}}, {"data": 5}, {"video": [5]}])
@pytest.mark.fault("J-13")
def test_unexpected_shape_of_a_url_place_is_skipped(body: dict[str, object]) -> None:
    """A list in place of an object, an empty list, an object in place of a list: no URL is found."""
    assert read({"status": "completed"} | body).video_url is None


@pytest.mark.parametrize("sent", [f" {URL}", f"{URL}\n", f"`{URL}`", f" ` {URL} ` "])
def test_spaces_and_backticks_around_a_url_are_removed(sent: str) -> None:
    """Spaces and backticks around a URL are removed, and nothing else of it is changed."""
    assert read({"status": "completed", "video_url": sent}).video_url == URL


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("/v1/videos/x%2Fy/content?a=b%20c", f"{GATEWAY}/v1/videos/x%2Fy/content?a=b%20c"),
        ("//host/x", "https://host/x"),
    ],
)
@pytest.mark.fault("J-16")
def test_path_is_resolved_against_the_gateway(sent: str, expected: str) -> None:
    """A path is resolved against the gateway, and a URL without a scheme has the scheme of the gateway."""
    assert read({"status": "completed", "video_url": sent}).video_url == expected


def test_completed_without_a_url_is_a_success() -> None:
    """`completed` with no URL is a success without a URL, not a failure."""
    task = read({"status": "completed", "video_url": None})
    assert (task.state, task.video_url, task.failure) == (TaskState.SUCCEEDED, None, None)


def test_failed_task_under_200_is_a_task() -> None:
    """A failed task under HTTP 200 is a task, not an error."""
    task = read({"status": "failed", "error": {"message": "no cows here", "code": "policy"}})
    assert task.is_failed
    assert task.failure == TaskFailure("no cows here", "policy")
