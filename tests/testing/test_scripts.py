"""Scripts of a user's own: the words of a step, their order in time, and errors that name the place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kkiai_sdk import ConfigurationError, KkiaiError
from kkiai_sdk.testing import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk import Kkiai

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that knows no task."""
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Kkiai]:
    """A client of the gateway that retries nothing."""
    with gateway.client(max_retries=0) as client:
        yield client


def ask(gateway: Gateway) -> httpx.Response:
    """The plain answer about grok:a."""
    headers = {"authorization": f"Bearer {gateway.api_key}"}
    return httpx.get(f"{gateway.base_url}/v1/video/query", params={"id": "grok:a"}, headers=headers, trust_env=False)


def states(gateway: Gateway, *times: float) -> list[str]:
    """The statuses of grok:a, each asked for after some more seconds."""
    found = []
    for seconds in times:
        gateway.advance(seconds)
        found.append(str(ask(gateway).json()["status"]))
    return found


def test_step_without_length_answers_one_query(gateway: Gateway) -> None:
    """States follow each other with every query, whatever the time; the last one stays."""
    gateway.script("grok:a", ["pending", "processing", "completed"])
    assert states(gateway, 0, 50, 0, 0, 1000) == ["pending", "processing", "completed", "completed", "completed"]


def test_step_with_seconds_lasts_for_that_time(gateway: Gateway) -> None:
    """Times begin with the first query, and follow each other without a gap; one that nobody saw is left out."""
    steps: list[Any] = [{"state": state, "seconds": 10} for state in ("a", "b", "c")]
    gateway.script("grok:a", [*steps, "d"])
    assert states(gateway, 500, 9, 1, 9.5, 0.25, 0.5, 9.75, 0) == ["a", "a", "b", "b", "b", "c", "d", "d"]
    gateway.script("grok:a", [*steps, "d"])
    assert states(gateway, 0, 25, 100) == ["a", "c", "d"]


def test_timed_step_after_a_single_one_begins_with_that(gateway: Gateway) -> None:
    """A step with a length begins when the one before it was answered."""
    gateway.script("grok:a", ["a", {"state": "b", "seconds": 10}, "c", "d"])
    assert states(gateway, 7, 5, 4, 1, 0) == ["a", "b", "b", "c", "d"]


def test_task_of_a_step_has_the_documented_fields(gateway: Gateway) -> None:
    """A state alone makes a task with all five fields, and a URL if it is completed; `fields` change it."""
    gateway.script("grok:a", ["odd", {"state": "completed", "fields": {"progress": 7, "enhanced_prompt": None}}])
    first, second = ask(gateway).json(), ask(gateway).json()
    assert {*first} == {"id", "status", "video_url", "enhanced_prompt", "status_update_time"}
    assert (first["id"], first["status"], first["video_url"]) == ("grok:a", "odd", None)
    assert (second["progress"], second["enhanced_prompt"]) == (7, None)
    assert httpx.get(second["video_url"], trust_env=False).content == gateway.video


def test_status_update_time_is_the_beginning_of_the_step(gateway: Gateway) -> None:
    """The time of a task's last change does not move within a step."""
    gateway.script("grok:a", [{"state": "a", "seconds": 10}, "b"])
    times = []
    for seconds in (0, 5, 6):
        gateway.advance(seconds)
        times.append(ask(gateway).json()["status_update_time"])
    assert [time - times[0] for time in times] == [0, 0, 10_000]


@pytest.mark.parametrize(
    ("step", "status", "kind", "text"),
    [
        (503, 503, "application/json", '{"error": {'),
        ({"status": 202}, 202, "application/json", '"status": "pending"'),
        ({"body": "<h1>Hello</h1>"}, 200, "text/html", "<h1>Hello</h1>"),
        ({"body": '{"id": "gr'}, 200, "application/json", '{"id": "gr'),
        ({"body": "moo", "status": 404}, 404, "text/plain", "moo"),
        ({"body": [1, None]}, 200, "application/json", "[1, null]"),
        ({"body": "moo \ud800"}, 200, "text/plain", "moo"),
        ({"body": None}, 200, "application/json", "null"),
        ({"body": "x", "headers": {"Content-Type": "a/b"}}, 200, "a/b", "x"),
        ({"status": 500, "state": "failed"}, 500, "application/json", '"status": "failed"'),
    ],
)
def test_step_is_answered_as_it_says(gateway: Gateway, step: Any, status: int, kind: str, text: str) -> None:
    """Status, body and content type are those of the step."""
    gateway.script("grok:a", [step])
    answer = ask(gateway)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    assert text in answer.text


def test_body_may_name_the_video(gateway: Gateway, client: Kkiai) -> None:
    """`$VIDEO_URL` in a body, also inside a text, is the URL of the task's file."""
    gateway.script("grok:a", [{"body": json.dumps({"status": "done", "data": {"url": "$VIDEO_URL"}})}])
    assert client.query("grok:a").video_url == f"{gateway.base_url}/files/grok-a.mp4"


def test_headers_faults_and_names_reach_the_client(gateway: Gateway, client: Kkiai) -> None:
    """Header fields, a fault, and scripts by name are what the client meets."""
    gateway.script("grok:a", [{"status": 429, "headers": {"Retry-After": "7"}}, {"fault": "close", "delay": 0.001}])
    with pytest.raises(KkiaiError) as limited:
        client.query("grok:a")
    assert getattr(limited.value, "retry_after", None) == 7
    with pytest.raises(KkiaiError, match="closed"):
        client.query("grok:a")
    for name in ("fault-json-null", "http-402"):
        gateway.script("grok:a", name)
        with pytest.raises(KkiaiError):
            client.query("grok:a")
    gateway.script("grok:a", "video-fault-close")
    assert not client.query("grok:a").is_done


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("moo", "there is no script named 'moo'; known: normal, fails"),
        ("video-fault-", "there is no script named 'video-fault-'"),
        ([], "a script must be a name or a list with at least one step"),
        (None, "a script must be a name or a list with"),
        ([None], "step 1 must be a state, an HTTP status or a mapping"),
        ([True], "step 1 must be a state, an HTTP status or a mapping"),
        (["a", {"statuss": 1}], "step 2 has the unknown key 'statuss'; known: state, fields, status, body, headers"),
        ([{"state": 1}], "state of step 1 must be text"),
        ([{"fields": []}], "fields of step 1 must be a mapping of JSON"),
        ([{"fields": {"a": object()}}], "fields of step 1 must be a mapping of JSON"),
        ([{"status": 600}], "status of step 1 must be a whole number from 200 to 599"),
        ([99], "status of step 1 must be"),
        ([{"body": object()}], "body of step 1 must be JSON or text"),
        ([{"headers": {"a": "b\r\nc: d"}}], "headers of step 1 must be a mapping of strings"),
        ([{"seconds": 0}], "seconds of step 1 must be a number above 0"),
        ([{"seconds": float("nan")}], "seconds of step 1 must be"),
        ([{"delay": -1}], "delay of step 1 must be a number of at least 0"),
        ([{"fault": "moo"}], "fault of step 1 must be one of close, "),
        ([{"body": 1, "state": "a"}], "step 1 must have a body or a task"),
    ],
)
def test_invalid_script_is_refused_at_once(gateway: Gateway, script: Any, error: str) -> None:
    """A script that cannot be played is an error with the place, the word and what it must be; the old one stays."""
    gateway.script("grok:a", ["old"])
    with pytest.raises(ConfigurationError, match=error):
        gateway.script("grok:a", script)
    assert ask(gateway).json()["status"] == "old"


@pytest.mark.parametrize("task_id", ["", "x" * 257, None])
def test_invalid_task_id_is_refused(gateway: Gateway, task_id: Any) -> None:
    """An id that cannot be queried has no script."""
    with pytest.raises(ConfigurationError, match="a task id must have 1 to 256 characters"):
        gateway.script(task_id, "normal")
