"""The catalog of scripted tasks, without a network: the answers of each, early and late."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk.mock import scenarios
from kkiai_sdk.mock.catalog import STATUS_ERRORS, URL_PLACES

if TYPE_CHECKING:
    from kkiai_sdk.mock.messages import Reply
    from tests.mock.app_client import AppClient

FILES = "http://files.test/files"
TIMES = (0.0, 3.0, 5.0, 11.0, 15.0)
HAPPY = ["pending", "processing", "processing", "completed+url", "completed+url"]


def summary_of(reply: Reply) -> str:
    """An answer in a word or two: the status of a task, or the HTTP status with the error's code or text."""
    if reply.status == 200 and reply.content_type != "application/json":
        return "200 page"
    try:
        body = json.loads(reply.body)
    except ValueError:
        return f"{reply.status} unreadable"
    if reply.status == 200:
        url = "+url" if any(start in reply.body.decode() for start in ("http:", "/v1/videos/")) else ""
        return f"{body.get('status', list(body))}{url}"
    error = body.get("error", body)
    return f"{reply.status} {error['code'] or error['message'].partition(' (')[0]}"


def fault(text: str, *, times: int = 5) -> list[str]:
    """A trace that begins with the same fault some times and goes on normally."""
    return [text] * times + HAPPY[times:]


def ended(word: str) -> list[str]:
    """A trace that ends with another word."""
    return [*HAPPY[:3], word, word]


#: Forms in which the status of the mock stands under its name.
PLAIN_FORMS = "list object camel-case markdown quoted entity json-text several decoys large"
_ENVELOPE = "['code', 'message', 'data']"
#: The answer of each hiccup to the second query and the three after it.
HICCUPS = {
    "400": "400 invalid_request",
    "401": "401 this token is not valid",
    "402": "402 insufficient_quota",
    "403": "403 access_denied",
    "404": "404 unreadable",
    "404-router": "404 404",
    "not-exist": "400 task_not_exist",
    "upstream": "400 do_request_failed",
    "challenge": "403 unreadable",
    "maintenance": "200 page",
    "empty-200": "200 unreadable",
    **dict.fromkeys(["code-429", "code-500", "code-502", "busy", "busy-chinese"], _ENVELOPE),
    **dict.fromkeys(["rate-limit", "server-error", "overloaded"], "['error']"),
}
#: The answers about a task at each of TIMES.
TRACES: dict[str, list[str]] = {
    "normal": HAPPY,
    "fails": ended("failed"),
    "cancelled": ended("cancelled"),
    "expires": ended("expired"),
    "stalls": ["pending", *["processing"] * 4],
    "slow": HAPPY,
    "minimal": HAPPY,
    "seconds": HAPPY,
    "wrapped": [*["['code', 'message', 'data']"] * 3, *["['code', 'message', 'data']+url"] * 2],
    "wrapped-fails": ["['code', 'message', 'data']"] * 5,
    "wrapped-null": fault("['code', 'message', 'data']", times=2),
    "bare-id": HAPPY,
    "other-id": HAPPY,
    "task-id": HAPPY,
    "odd-case": [" PENDING ", " PROCESSING ", " PROCESSING ", " COMPLETED +url", " COMPLETED +url"],
    "new-status": ["pending", "polishing_pixels", "polishing_pixels", *HAPPY[3:]],
    "unknown-status": fault("unknown", times=2),
    "missing-status": [
        "['id', 'video_url', 'enhanced_prompt', 'status_update_time']",
        "['id', 'video_url', 'enhanced_prompt', 'status_update_time', 'progress']",
        *HAPPY[2:],
    ],
    "error-text-on-success": HAPPY,
    "no-url": ended("completed"),
    "late-url": [*HAPPY[:3], "completed", "completed+url"],
    "relative-url": HAPPY,
    "redirect-url": HAPPY,
    "signed-url": HAPPY,
    "spaced-url": HAPPY,
    "expired-url": ["completed+url"] * 5,
    "html-video": HAPPY,
    "truncated-video": HAPPY,
    "other-url": HAPPY,
    **{name: HAPPY for name in scenarios() if name.startswith("other-url-")},
    **{name: HAPPY for name in scenarios() if name.startswith("file-")},
    "file-data-url": ended("completed"),
    "not-found-first": fault("404 task not found", times=2),
    "not-exist-first": fault("400 task_not_exist", times=2),
    "never-found": fault("404 task not found"),
    "flaky": ["pending", "503 do_request_failed", "processing", "503 do_request_failed", "completed+url"],
    "http-401-quota": fault("401 insufficient_user_quota"),
    "http-403-quota": fault("403 insufficient_user_quota"),
    "http-403-saturated": fault("403 fail_to_fetch_task", times=2),
    "http-429-quota": fault("429 insufficient_user_quota"),
    "http-429-retry-after": fault("429 rate_limit_exceeded", times=2),
    "http-503-model-not-found": fault("503 model_not_found"),
    "html-502": fault("502 unreadable"),
    "html-200": fault("200 page"),
    "empty-200": fault("200 unreadable"),
    "not-json-200": fault("200 unreadable"),
    "error-200": fault("['code', 'message', 'data']", times=2),
    **{f"http-{n}": fault(f"{n} {code or text.partition(' (')[0]}") for n, (_, code, text) in STATUS_ERRORS.items()},
    **{f"forms-{name}": HAPPY for name in PLAIN_FORMS.split()},
    "forms-no-scheme": ended("completed"),
    "forms-state": [f"['id', 'task_status', 'assets']{url}" for url in ("", "", "", "+url", "+url")],
    "forms-chinese": ["排队中", "生成中", "生成中", "已完成+url", "已完成+url"],
    "forms-number": ["7", "10", "10", "9+url", "9+url"],
    "forms-operation": [*["['name', 'done']"] * 3, *["['name', 'done', 'response']+url"] * 2],
    "forms-envelopes": [f"['code', 'data']{url}" for url in ("", "", "", "+url", "+url")],
    "forms-negation": [f"not_{word}" for word in HAPPY],
    "forms-fails": ["Queueing", "Generating", "Generating", "Aborted", "Aborted"],
    "forms-fails-inside": ["['success', 'data']"] * 5,
    **{f"hiccup-{name}": ["pending", *[answer] * 4] for name, answer in HICCUPS.items()},
    **{f"hiccup-{name}-stays": ["pending", *[HICCUPS[name]] * 4] for name in ("401", "402", "not-exist", "empty-200")},
}


def test_every_scenario_has_one_trace() -> None:
    """Every row of the catalog has a trace here, and every trace a row."""
    assert set(TRACES) == set(scenarios())


@pytest.mark.parametrize("name", scenarios())
def test_scenario_at_five_times_follows_its_trace(app: AppClient, name: str) -> None:
    """At 0, 3, 5, 11 and 15 s after its first query, a task answers as its script has it."""
    assert [summary_of(app.query(f"grok:scenario-{name}", 7.5 + time)) for time in TIMES] == TRACES[name]


STATUSES = (400, 401, 402, 403, 404, 408, 409, 422, 425, 429, *range(500, 505), *range(520, 530))


@pytest.mark.parametrize("status", STATUSES)
def test_every_known_status_has_scenario_of_its_name(app: AppClient, status: int) -> None:
    """Every status that the SDK reads has a scenario of its name."""
    assert f"http-{status}" in scenarios()
    assert app.query(f"grok:scenario-http-{status}", 0.5).status == status


@pytest.mark.parametrize(
    ("name", "second"),
    [("unknown-status", 4.0), ("not-found-first", 4.0), ("wrapped-null", 4.0), ("new-status", 6.0), ("late-url", 14.0)],
)
def test_timed_script_changes_at_its_second(app: AppClient, name: str, second: float) -> None:
    """A fault that lasts some seconds ends at that second, neither before nor after."""
    answers = [summary_of(app.query(f"grok:scenario-{name}", time)) for time in (0.5, second + 0.499, second + 0.5)]
    assert answers[1] != answers[2] == {"late-url": "completed+url"}.get(name, "processing")


@pytest.mark.parametrize(("stays", "last"), [(False, "pending"), (True, "401 this token is not valid")])
def test_hiccup_ends_before_the_sixth_query(app: AppClient, *, stays: bool, last: str) -> None:
    """A hiccup is over at the sixth query, whenever that is sent, unless its name says that it stays."""
    name = f"grok:scenario-hiccup-401{'-stays' if stays else ''}"
    assert [summary_of(app.query(name, 20.0)) for _ in range(6)] == [
        "pending",
        *["401 this token is not valid"] * 4,
        last,
    ]


def test_listing_has_names_for_ids_and_summaries() -> None:
    """The listing has names that can be put into an id, each with one short line."""
    listing = scenarios()
    assert listing["fails"] == "ends as failed, with a message and a code"
    assert listing["other-url-data-0-url"] == "the URL in data[0].url"
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in listing)
    assert all(10 < len(text) < 90 and "\n" not in text for text in listing.values())


def test_normal_task_has_documented_fields_at_all_times(app: AppClient) -> None:
    """A task has the five documented fields always, and progress while it runs."""
    task_id = "veo3.1-fast:0b7c1a52-3f2e-4c0b-9a76-2f6f0f8a1c44"
    answers = [app.body(task_id, 7.5 + time) for time in (0.0, 1.9, 2.0, 6.0, 9.99, 10.0, 500.0)]
    assert [body["status"] for body in answers] == ["pending"] * 2 + ["processing"] * 3 + ["completed"] * 2
    assert [body.get("progress") for body in answers] == [None, None, 0, 50, 99, None, None]
    fields = ["id", "status", "video_url", "enhanced_prompt", "status_update_time"]
    assert all(list(body)[:5] == fields for body in answers)
    assert {body["id"] for body in answers} == {task_id}
    url = f"{FILES}/veo3.1-fast-0b7c1a52-3f2e-4c0b-9a76-2f6f0f8a1c44.mp4"
    assert [body["video_url"] for body in answers] == [None] * 5 + [url] * 2


def test_update_time_changes_only_with_status(app: AppClient) -> None:
    """status_update_time is in milliseconds and is the moment at which the status last changed."""
    times = [app.body("grok:scenario-normal", 7.5 + time)["status_update_time"] for time in (0, 1, 3, 9, 11, 99)]
    start = 1_767_225_600_000 + 7_500
    assert times == [start, start, start + 2_000, start + 2_000, start + 10_000, start + 10_000]


def test_task_starts_with_first_query_of_its_id(app: AppClient) -> None:
    """Ids of one script that end differently are different tasks, each as old as its first query."""
    assert app.body("grok:scenario-normal~a", 5.5)["status"] == "pending"
    assert app.body("grok:scenario-normal~b", 20.5)["status"] == "pending"
    assert app.body("grok:scenario-normal~a", 20.5)["status"] == "completed"


def test_queries_are_counted_for_each_id(app: AppClient) -> None:
    """A script that counts answers counts those of its own task."""
    answers = [summary_of(app.query(f"grok:scenario-flaky~{n}", 1.5)) for n in (1, 2, 1, 2)]
    assert answers == ["pending", "pending", "503 do_request_failed", "503 do_request_failed"]


@pytest.mark.parametrize("place", URL_PLACES)
def test_other_url_scenario_puts_url_at_its_place(app: AppClient, place: str) -> None:
    """The scenario of each other place puts the URL there, and null into video_url."""
    steps = re.findall(r"\w+", place)
    name = "other-url-" + "-".join(steps).replace("_", "-")
    app.query(f"grok:scenario-{name}", 7.5)
    body = app.body(f"grok:scenario-{name}", 20.5)
    value: Any = body
    for step in steps:
        value = value[int(step) if step.isdigit() else step]
    assert value == f"{FILES}/grok-scenario-{name}.mp4"
    assert body["video_url"] is None


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("fails", {"error": {"message": "the prompt was refused by the filter", "code": "content_refused"}}),
        ("expires", {"fail_reason": "no worker was free"}),
        ("seconds", {"status_update_time": 1_767_225_617}),
        ("bare-id", {"id": "scenario-bare-id"}),
        ("other-id", {"id": "7c0e2f64-1d5b-4f0a-8a63-52b9d4c1e7aa"}),
        ("task-id", {"task_id": "grok:scenario-task-id"}),
        ("relative-url", {"video_url": "/v1/videos/grok-scenario-relative-url/content"}),
        ("redirect-url", {"video_url": "http://gateway.test/v1/videos/grok-scenario-redirect-url/redirect"}),
        ("spaced-url", {"video_url": f" `{FILES}/grok-scenario-spaced-url.mp4` "}),
        ("html-video", {"video_url": f"{FILES}/html/grok-scenario-html-video.mp4"}),
        ("error-text-on-success", {"fail_reason": f"{FILES}/grok-scenario-error-text-on-success.mp4"}),
    ],
)
def test_ended_task_has_fields_of_its_scenario(app: AppClient, name: str, fields: dict[str, object]) -> None:
    """An ended task holds the fields of its scenario."""
    app.query(f"grok:scenario-{name}", 7.5)
    assert app.body(f"grok:scenario-{name}", 20.5).items() >= fields.items()


def test_minimal_task_has_three_fields_then_url(app: AppClient) -> None:
    """The minimal task has three fields while it runs and a fourth, the URL, at the end."""
    answers = [list(app.body("grok:scenario-minimal", time)) for time in (0.5, 5.5, 20.5)]
    assert answers[:2] == [["id", "status", "status_update_time"]] * 2
    assert answers[2] == ["id", "status", "video_url", "status_update_time"]


def test_wrapped_task_is_inside_two_envelopes(app: AppClient) -> None:
    """A wrapped task is in data.data; the envelope itself uses other words and percent texts."""
    waiting, running, done = (app.body("grok:scenario-wrapped", time)["data"] for time in (0.5, 6.5, 20.5))
    assert isinstance(waiting, dict)
    assert isinstance(running, dict)
    assert isinstance(done, dict)
    assert (waiting["status"], waiting["progress"]) == ("NOT_START", "0%")
    assert (running["status"], running["progress"], running["data"]["progress"]) == ("IN_PROGRESS", "50%", 50)
    assert (done["status"], done["progress"], done["data"]["status"]) == ("SUCCESS", "100%", "completed")


def test_failed_task_in_envelope_has_reason_and_no_object(app: AppClient) -> None:
    """A failed task in an envelope has a reason and no task object."""
    app.query("grok:scenario-wrapped-fails", 0.5)
    data = app.body("grok:scenario-wrapped-fails", 20.5)["data"]
    assert isinstance(data, dict)
    assert (data["status"], data["fail_reason"], data["data"]) == ("FAILURE", "the picture could not be read", None)


def test_saturated_error_is_json_text_inside_message(app: AppClient) -> None:
    """The overload of http-403-saturated is JSON text inside the message."""
    message = app.body("grok:scenario-http-403-saturated", 0.5)["message"]
    assert isinstance(message, str)
    assert json.loads(message)["error"]["type"] == "upstream_load_saturated"


def test_error_200_has_code_and_message_in_body(app: AppClient) -> None:
    """The failed query of error-200 has a numeric code and a message in its body."""
    body = app.body("grok:scenario-error-200", 0.5)
    assert body == {"code": 400, "message": "fail_to_fetch_task", "data": None}


def test_stalled_task_keeps_its_progress_for_ever(app: AppClient) -> None:
    """A task that stalls has the same progress forever."""
    app.query("grok:scenario-stalls", 0.5)
    assert [app.body("grok:scenario-stalls", time)["progress"] for time in (6.5, 1e6)] == [43, 43]


def test_slow_task_delays_every_answer_by_two_seconds(app: AppClient) -> None:
    """Every answer of slow is delayed by two gateway seconds, and no answer of a normal task is."""
    assert [app.query("grok:scenario-slow", time).delay for time in (0.5, 20.5)] == [2.0, 2.0]
    assert app.query("grok:scenario-normal", 0.5).delay == 0


def test_first_two_answers_carry_retry_after(app: AppClient) -> None:
    """The first two answers of http-429-retry-after carry Retry-After: 1, later ones do not."""
    headers = [dict(app.query("grok:scenario-http-429-retry-after", 0.5).headers) for _ in range(3)]
    assert [each.get("retry-after") for each in headers] == ["1", "1", None]


@pytest.mark.parametrize("name", ["http-401", "http-401-quota"])
def test_scripted_401_has_authentication_challenge(app: AppClient, name: str) -> None:
    """A scripted 401 names the authentication scheme."""
    assert ("www-authenticate", "Bearer") in app.query(f"grok:scenario-{name}", 0.5).headers


def test_nested_error_message_ends_with_request_id(app: AppClient) -> None:
    """The request id of the header stands at the end of the message as well."""
    reply = app.query("grok:scenario-http-500", 0.5)
    request_id = dict(reply.headers)["x-oneapi-request-id"]
    assert json.loads(reply.body)["error"]["message"] == f"the task could not be read (request id: {request_id})"


def test_expired_url_is_replaced_by_second_query(app: AppClient) -> None:
    """The first answer of expired-url names a file that is refused, the next one a good file."""
    urls = [str(app.body("grok:scenario-expired-url", 0.5)["video_url"]) for _ in range(2)]
    paths = [url.removeprefix("http://files.test") for url in urls]
    assert [app.send(path).status for path in paths] == [403, 200]
