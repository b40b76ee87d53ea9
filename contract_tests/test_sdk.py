"""The SDK against the spec: each call sends conforming requests, and each example of the spec can be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

import kkiai_sdk as sdk
from contract_tests.wire import BASE_URL, JSON_TYPE, TASK_ID, VIDEO_URL, Canned, answer, done, task
from kkiai_api.models import VideoTask as GeneratedTask
from kkiai_sdk import TaskState
from kkiai_sdk.contract import _spec
from kkiai_sdk.contract._messages import Response, values_of
from tests.support.adapter import raw_query

if TYPE_CHECKING:
    from pathlib import Path

    from contract_tests.wire import Wire
    from kkiai_sdk import Kkiai
    from kkiai_sdk.contract._spec import Spec
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

RESPONSES = _spec.load().document["paths"]["/v1/video/query"]["get"]["responses"]
BUSY = {"error": {"message": "busy", "type": "gateway_error", "code": "busy"}}
VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(range(200))

#: The state of each named example of a success.
STATES = {
    "pending": TaskState.PENDING,
    "running": TaskState.RUNNING,
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
}
#: The error that each named example of an error raises.
ERRORS: dict[str, type[sdk.APIStatusError]] = {
    "task_not_exist": sdk.TaskNotFoundError,
    "missing_id": sdk.BadRequestError,
    "invalid_key": sdk.AuthenticationError,
    "no_credit": sdk.QuotaExceededError,
    "address_not_allowed": sdk.PermissionDeniedError,
    "no_quota": sdk.QuotaExceededError,
    "task_not_found": sdk.TaskNotFoundError,
    "wrong_path": sdk.NotFoundError,
    "too_many_requests": sdk.RateLimitError,
    "overloaded": sdk.ServerError,
    "no_channel": sdk.ServerError,
}
EXAMPLES = [
    (int(status.replace("XX", "03")), name, example["value"])
    for status, declared in RESPONSES.items()
    for name, example in declared["content"]["application/json"]["examples"].items()
]


@pytest.mark.parametrize(
    "task_id",
    [TASK_ID, "a/b?c=1#d", "a&id=b", "a+b", "%2e%2e", "é中🐄", "x;y,z", "'\"<>`\\", "{}[]|^", "=", "a" * 256],
)
def test_query_sends_the_id_unchanged(client: Kkiai, wire: Wire, task_id: str) -> None:
    """A query conforms whatever the id is made of, and the id arrives as it was given."""
    wire.answers(answer(task()))
    client.query(task_id)
    assert parse_qsl(wire.requests[0].query) == [("id", task_id)]


def test_query_sends_each_documented_header_once(client: Kkiai, wire: Wire) -> None:
    """Accept, Content-Type and Authorization are there once, as documented."""
    wire.answers(answer(task()))
    client.query(TASK_ID)
    sent = wire.requests[0].headers
    assert values_of(sent, "accept") == ["application/json"]
    assert values_of(sent, "content-type") == ["application/json"]
    assert len(values_of(sent, "authorization")) == 1


def test_header_of_a_call_replaces_that_of_the_client(make: Maker, wire: Wire) -> None:
    """X-Forwarded-Host is sent once, wherever it was set."""
    wire.answers(answer(task()), answer(task()))
    client = make(BASE_URL, default_headers={"X-Forwarded-Host": "one.example.com"})
    client.query(TASK_ID)
    client.query(TASK_ID, extra_headers={"x-forwarded-host": "two.example.com"})
    assert [values_of(each.headers, "x-forwarded-host") for each in wire.requests] == [
        ["one.example.com"],
        ["two.example.com"],
    ]


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_base_url_in_any_form_leads_to_the_documented_path(make: Maker, wire: Wire, suffix: str) -> None:
    """The path is the documented one, with or without /v1 in the base URL."""
    wire.answers(answer(task()))
    make(BASE_URL + suffix).query(TASK_ID)
    assert wire.requests[0].path == "/v1/video/query"


def test_copied_client_sends_a_conforming_request(make: Maker, wire: Wire) -> None:
    """A client with other options, a key from a function and a longer User-Agent sends conforming requests."""
    wire.answers(answer(task()))
    client = make(BASE_URL, api_key=lambda: "sk-from-a-function", user_agent_suffix="app/1.0")
    client.with_options(timeout=5).query(TASK_ID)
    assert values_of(wire.requests[0].headers, "authorization") == ["Bearer sk-from-a-function"]


def test_generated_endpoint_sends_what_the_facade_sends(client: Kkiai, wire: Wire) -> None:
    """The generated function over the client's session sends what the facade sends."""
    wire.answers(answer(task()), answer(task()))
    client.query(TASK_ID)
    parsed = raw_query(client, TASK_ID).parsed
    assert isinstance(parsed, GeneratedTask)
    facade, generated = wire.requests
    assert (facade.query, sorted(facade.headers)) == (generated.query, sorted(generated.headers))


def test_retried_request_is_sent_unchanged(client: Kkiai, wire: Wire, time: FakeTime) -> None:
    """A request that is sent again is the same conforming request."""
    wire.answers(answer(BUSY, 503), answer(BUSY, 429, (("Retry-After", "2"),)), answer(BUSY, 500), answer(task()))
    assert client.query(TASK_ID).state is TaskState.PENDING
    assert [each.headers for each in wire.requests] == [wire.requests[0].headers] * 4
    assert time.sleeps[1] >= 2


def test_wait_polls_for_the_id_of_the_caller(client: Kkiai, wire: Wire, time: FakeTime) -> None:
    """Waiting sends nothing but conforming queries for the caller's id, also when another id is answered."""
    wire.answers(
        answer({"code": "task_not_exist", "message": "not yet", "data": None}, 400),
        answer(task(id="another")),
        answer(task(status="processing", progress=40)),
        done(),
    )
    assert client.wait(TASK_ID).video_url == VIDEO_URL
    assert {each.parameter("id") for each in wire.requests} == {TASK_ID}


def test_watch_polls_with_conforming_queries(client: Kkiai, wire: Wire, time: FakeTime) -> None:
    """Watching sends nothing but conforming queries."""
    wire.answers(answer(task()), answer(task(status="processing")), done())
    assert [each.status for each in client.watch(TASK_ID)] == ["pending", "processing", "completed"]


def test_wait_many_queries_each_id_once(make: Maker, wire: Wire) -> None:
    """Waiting for many sends one conforming query for each different id."""
    wire.answers(done(), done(), done())
    results = make(BASE_URL).wait_many(["grok:1", "grok:2", "grok:1", "veo:3"], max_concurrency=1)
    assert [each.task_id for each in results if each.is_succeeded] == ["grok:1", "grok:2", "veo:3"]
    assert sorted(str(each.parameter("id")) for each in wire.requests) == ["grok:1", "grok:2", "veo:3"]


@pytest.mark.parametrize("call", ["download", "wait_and_download"])
def test_download_sends_no_credential_to_the_file_host(client: Kkiai, wire: Wire, tmp_path: Path, call: str) -> None:
    """Before a download the query conforms; the file's host gets no credential and no header of the contract."""
    wire.answers(done())
    wire.file(VIDEO_URL, VIDEO)
    assert getattr(client, call)(TASK_ID, tmp_path / "cow.mp4").read_bytes() == VIDEO
    sent = {name for name, _ in wire.file_requests[0].headers}
    assert not sent & {"authorization", "cookie", "content-type", "x-forwarded-host"}


@pytest.mark.parametrize(("status", "name", "value"), EXAMPLES, ids=[f"{s}-{name}" for s, name, _ in EXAMPLES])
def test_example_of_the_spec_is_read_as_meant(make: Maker, wire: Wire, status: int, name: str, value: Any) -> None:
    """Each named example becomes the task or the error that it shows."""
    client = make(BASE_URL, max_retries=0)
    wire.answers(answer(value, status, (("X-Oneapi-Request-Id", "r-17"),)))
    if status == 200:
        found = client.query(TASK_ID)
        assert (found.state, found.raw, found.request_id) == (STATES[name], value, "r-17")
        return
    with pytest.raises(sdk.APIStatusError) as caught:
        client.query(TASK_ID)
    assert (type(caught.value), caught.value.status_code) == (ERRORS[name], status)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 505, 520, 524, 529, 599])
def test_status_in_5xx_raises_a_server_error(make: Maker, wire: Wire, status: int) -> None:
    """Any status that the range 5XX covers is a ServerError, through the facade and the generated function."""
    client = make(BASE_URL, max_retries=0)
    wire.answers(answer(BUSY, status), answer(BUSY, status))
    for ask in (lambda: client.query(TASK_ID), lambda: raw_query(client, TASK_ID)):
        with pytest.raises(sdk.ServerError) as caught:
            ask()
        assert caught.value.status_code == status


OFF_CONTRACT = {
    "three fields": answer({"id": "x", "status": "processing", "status_update_time": 1_767_603_612}, off_contract=True),
    "no fields": answer({}, off_contract=True),
    "a list": answer([], off_contract=True),
    "created": answer(task(), 201, off_contract=True),
    "relative URL": answer(task(status="completed", video_url="/v1/videos/x/content"), off_contract=True),
    "HTML": Canned(Response(200, (("Content-Type", "text/html"),), b"<html></html>"), off_contract=True),
    "nothing": Canned(Response(200, (JSON_TYPE,)), off_contract=True),
    "cut": Canned(Response(200, (JSON_TYPE,), json.dumps(task()).encode()[:40]), off_contract=True),
    "timeout": answer(BUSY, 408, off_contract=True),
    "text error": Canned(Response(524, (("Content-Type", "text/plain"),), b"error code: 524"), off_contract=True),
    "redirect": Canned(Response(302, (("Location", "https://else.example.com/"),)), off_contract=True),
}


@pytest.mark.parametrize("canned", OFF_CONTRACT.values(), ids=OFF_CONTRACT.keys())
def test_answer_off_the_contract_becomes_a_task_or_an_error(make: Maker, wire: Wire, canned: Canned) -> None:
    """An answer that breaks the contract becomes a task or an APIError, and no request strays because of it."""
    client = make(BASE_URL, max_retries=0)
    wire.answers(canned)
    try:
        got: object = client.query(TASK_ID)
    except sdk.APIError as error:
        got = error
    assert isinstance(got, sdk.VideoTask | sdk.APIError)


def test_tables_know_every_example_of_the_spec(spec: Spec) -> None:
    """The tables above know every example of the spec, and no other."""
    named = {name for _, name, _ in EXAMPLES}
    assert named == STATES.keys() | ERRORS.keys()
