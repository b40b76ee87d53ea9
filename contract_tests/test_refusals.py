"""Refusals: how often the SDK repeats the request, and the error that it raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as sdk
from contract_tests.test_sdk import EXAMPLES
from contract_tests.wire import BASE_URL, TASK_ID, answer, done, task
from kkiai_sdk import TaskState

if TYPE_CHECKING:
    from contract_tests.wire import Wire
    from kkiai_sdk import Kkiai
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

#: Refusals that pass, so that asking again is worth while.
PASSING = {"too_many_requests", "overloaded"}
REFUSED = [(status, name, value) for status, name, value in EXAMPLES if status != 200]


@pytest.mark.parametrize(("status", "name", "value"), REFUSED, ids=[name for _, name, _ in REFUSED])
def test_refusal_is_repeated_if_it_may_pass(client: Kkiai, wire: Wire, status: int, name: str, value: object) -> None:
    """A permanent refusal is raised after one request; a transient one is followed by another request."""
    wire.answers(answer(value, status, (("X-Oneapi-Request-Id", "r-17"),)))
    if name in PASSING:
        wire.answers(answer(task()))
        assert client.query(TASK_ID).state is TaskState.PENDING
        return
    with pytest.raises(sdk.APIStatusError) as caught:
        client.query(TASK_ID)
    assert caught.value.request_id == "r-17"
    assert len(caught.value.attempts) == 1


BARE = {
    400: sdk.BadRequestError,
    401: sdk.AuthenticationError,
    402: sdk.QuotaExceededError,
    403: sdk.PermissionDeniedError,
    404: sdk.NotFoundError,
    429: sdk.RateLimitError,
    500: sdk.ServerError,
}


@pytest.mark.parametrize(("status", "error"), BARE.items())
def test_status_alone_raises_its_error(make: Maker, wire: Wire, status: int, error: type[sdk.APIStatusError]) -> None:
    """A declared status means the same when the body says nothing."""
    wire.answers(answer({}, status))
    with pytest.raises(sdk.APIStatusError) as caught:
        make(BASE_URL, max_retries=0).query(TASK_ID)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [429, 500])
def test_status_alone_is_repeated_if_it_may_pass(client: Kkiai, wire: Wire, status: int) -> None:
    """A transient status is followed by another request when the body says nothing."""
    wire.answers(answer({}, status), answer(task()))
    assert client.query(TASK_ID).state is TaskState.PENDING


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("code", ["insufficient_user_quota", "insufficient_quota"])
def test_quota_code_counts_more_than_the_status(make: Maker, wire: Wire, status: int, code: str) -> None:
    """A quota that is used up raises its error, whatever the status, after one request."""
    wire.answers(answer({"error": {"code": code, "message": "no"}}, status))
    with pytest.raises(sdk.QuotaExceededError):
        make(BASE_URL).query(TASK_ID)


def test_retry_after_is_waited_for_before_the_repeat(client: Kkiai, wire: Wire, time: FakeTime) -> None:
    """Retry-After is waited for before the next request."""
    wire.answers(answer({"error": "slow down"}, 429, (("Retry-After", "20"),)), answer(task()))
    client.query(TASK_ID)
    assert time.sleeps[0] >= 20


def test_documented_and_other_fields_arrive_unchanged(client: Kkiai, wire: Wire) -> None:
    """Every documented field arrives as it was sent, under the asked id, with the undocumented ones alongside them."""
    wire.answers(done(id="another", enhanced_prompt="two\nlines", seed=7))
    found = client.query(TASK_ID)
    assert (found.id, found.answered_id, found.enhanced_prompt) == (TASK_ID, "another", "two\nlines")
    assert (found.status_update_time, dict(found.extra)) == (1_767_603_612_345, {"seed": 7})


def test_signed_url_arrives_byte_for_byte(client: Kkiai, wire: Wire) -> None:
    """A URL keeps its query string and its escapes."""
    url = "https://media.example.com/a%2Fb.mp4?Expires=1&Signature=x%3D"
    wire.answers(answer(task(status="completed", video_url=url)))
    assert client.query(TASK_ID).video_url == url


@pytest.mark.parametrize("field", ["status", "video_url", "enhanced_prompt", "status_update_time", "id"])
def test_value_of_another_type_is_read_as_missing(client: Kkiai, wire: Wire, field: str) -> None:
    """A documented field that holds an object is read as missing, not handed on."""
    wire.answers(answer(task(**{field: {"a": 1}}), off_contract=True))
    found = client.query(TASK_ID)
    read = {"id": "answered_id"}.get(field, field)
    assert getattr(found, read) is None
