"""Errors that stand for a rate limit or a server error under another HTTP status, and those that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import (
    APIError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
)
from kkiai_sdk._responses.error_parser import read_query
from tests.unit.support import FIXED, JSON_VALUES, TEXTS, answer, refused

TRANSIENT: dict[str, tuple[object, type[APIError]]] = {
    "number": ({"code": 429, "msg": "m", "data": None}, RateLimitError),
    "number as text": ({"code": " 500 ", "message": "m"}, ServerError),
    "number without text": ({"code": 502, "data": None}, ServerError),
    "number in an error object": ({"error": {"code": 503, "message": "m"}}, ServerError),
    "number beside an error object": ({"code": 504, "error": {"message": "m", "type": "x"}}, ServerError),
    "number beside an error text": ({"code": 529, "error": "m"}, ServerError),
    "number two levels down": ({"detail": {"error": {"code": 429}}}, RateLimitError),
    "number three levels down": ({"error": {"error": {"error": {"code": 429}}}}, RateLimitError),
    "code with other separators": ({"code": "too-many requests"}, RateLimitError),
    "number in data": ({"code": "fail", "data": {"code": 429}}, RateLimitError),
    "number in a list of errors": ({"errors": [{"code": 500, "title": "m"}]}, ServerError),
    "number in a message object": ({"code": "error", "message": {"code": 429}}, RateLimitError),
    "number in JSON text": ({"message": json.dumps({"error": {"code": 503}})}, ServerError),
    "number under status": ({"status": 500, "error": "m", "path": "/v1/video/query"}, ServerError),
    "number under statusCode": ({"statusCode": 429, "message": "m"}, RateLimitError),
    "number under success false": ({"success": False, "code": 503}, ServerError),
    "number beside the id of the request": ({"id": "r-1", "code": 429, "message": "m"}, RateLimitError),
    "number beside an error of the request": ({"id": "r-1", "status": "error", "code": 429}, RateLimitError),
    "number beside a fail of the request": ({"id": "r-1", "status": "fail", "code": "503"}, ServerError),
    "rate limit beside an error of the request": (
        {"id": "r-1", "status": "error", "error": {"type": "rate_limit_error"}},
        RateLimitError,
    ),
    "text beside an error of the request": ({"status": "error", "error": "connection reset by peer"}, ServerError),
    "type, rate limit": ({"error": {"message": "m", "type": "rate_limit_error"}}, RateLimitError),
    "type, server": ({"error": {"message": "m", "type": "server_error", "code": None}}, ServerError),
    "type, overload": ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, ServerError),
    "number beside a flag": ({"id": "r-1", "done": None, "retry": True, "code": 429}, RateLimitError),
    "type beside an id": ({"id": "r-1", "error": {"type": "api_internal_error"}}, ServerError),
    "code, rate limit": ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, RateLimitError),
    "code, dotted": ({"code": "Throttling.RateQuota", "message": "m"}, RateLimitError),
    "code, camel case": ({"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "m"}}}, RateLimitError),
    "code, camel case, server": ({"error": {"code": "ServiceUnavailable"}}, ServerError),
    "code, capitals": ({"error": {"code": "RESOURCE_EXHAUSTED", "message": "check quota"}}, RateLimitError),
    "code, gateway": ({"code": "GatewayTimeout", "message": "m"}, ServerError),
    "code, upstream": ({"code": "get_channel_failed", "message": "m"}, ServerError),
    "text, too many": ({"message": "Too Many Requests"}, RateLimitError),
    "text, database": ({"code": 1, "message": "Error 1040: Too many connections"}, ServerError),
    "text, connections": ({"success": False, "message": "redis: connection pool timeout"}, ServerError),
    "text, too often": ({"message": "You are sending requests too fast"}, RateLimitError),
    "text, later": ({"code": 1, "message": "Please try again later."}, ServerError),
    "text, busy": ({"code": -1, "msg": "all workers are busy"}, ServerError),
    "text, Chinese, busy": ({"code": 1, "msg": "服务繁忙"}, ServerError),
    "text, Chinese, later": ({"code": 1, "msg": "请稍后再试"}, ServerError),
    "text, Chinese, old script": ({"code": 1, "msg": "系統忙碌中，請稍後再試"}, ServerError),
    "text, Chinese, too often": ({"code": 1, "msg": "请求过于频繁"}, RateLimitError),
    "text, status message": ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, RateLimitError),
    "text, detail": ({"detail": "upstream timeout"}, ServerError),
    "text beside empty data": ({"error": "connection reset by peer", "data": None}, ServerError),
    "text under a number that is none of a status": ({"code": 50429, "message": "rate limited"}, RateLimitError),
}


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize("row", TRANSIENT)
@pytest.mark.fault("H-12")
def test_transient_error_is_transient_under_any_ambiguous_status(row: str, status: int) -> None:
    """A number, code, type or text of a rate limit or a server error makes the error that, with the status as sent."""
    body, expected = TRANSIENT[row]
    error = refused(status, body)
    assert (type(error), error.transient) == (expected, True)
    assert isinstance(error, APIStatusError)
    assert error.status_code == status


@pytest.mark.parametrize("row", [row for row in TRANSIENT if not row.startswith(("text", "code, upstream"))])
@pytest.mark.parametrize("status", [401, 402, 403])
def test_transient_number_code_or_type_counts_more_than_a_status_about_the_key(row: str, status: int) -> None:
    """Under 401, 402 and 403 too, a number, code or type of a transient error decides."""
    body, expected = TRANSIENT[row]
    assert type(refused(status, body)) is expected


FINAL: dict[str, tuple[int, object, type[APIError]]] = {
    "401 with an invitation": (401, {"message": "invalid token, please try again later"}, AuthenticationError),
    "401 with a final code": (401, {"code": "invalid_api_key", "message": "try again later"}, AuthenticationError),
    "401 from upstream": (401, {"error": {"type": "upstream_error", "message": "bad key"}}, AuthenticationError),
    "402 with an invitation": (402, {"message": "try again later"}, QuotaExceededError),
    "403 from upstream": (403, {"error": {"code": "do_request_failed", "message": "m"}}, PermissionDeniedError),
    "403 of a type about permission": (
        403,
        {"error": {"type": "permission_error", "message": "busy"}},
        PermissionDeniedError,
    ),
    "400 with a final code": (400, {"code": "invalid_id", "type": "server_error", "message": "busy"}, BadRequestError),
    "400 with a number of its own": (400, {"code": 400, "message": "id is required"}, BadRequestError),
    "400 without a channel": (400, {"code": "model_not_found", "type": "server_error"}, BadRequestError),
    "400 without quota": (400, {"message": "quota not enough, try again later"}, BadRequestError),
    "404 with an id of five digits": (404, {"code": 50429, "message": "no such path"}, NotFoundError),
    "404 about the task": (404, {"message": "task not found", "type": "server_error"}, TaskNotFoundError),
    "403 about the task": (403, {"code": 404, "message": "task not found"}, PermissionDeniedError),
    "300 about the task": (300, {"code": 404, "message": "task not found"}, APIStatusError),
    "400 without quota, in text in text": (
        400,
        {"message": json.dumps({"message": json.dumps({"code": "quota_not_enough", "message": "m"})})},
        QuotaExceededError,
    ),
    "429 without quota": (429, {"code": "insufficient_quota", "message": "too many requests"}, QuotaExceededError),
    "200 with 401": (200, {"code": 401, "message": "busy"}, APIResponseError),
    "200 with 400": (200, {"code": 400, "message": "id is required"}, APIResponseError),
    "200 with 404 about the task": (200, {"code": 404, "message": "task not found"}, TaskNotFoundError),
    "200 without quota": (200, {"code": 1, "msg": "余额不足，请稍后再试"}, APIResponseError),
    "200 with a quota code": (200, {"code": "quota_exceeded", "type": "rate_limit_error"}, QuotaExceededError),
    "200 with 501": (200, {"code": 501, "message": "m"}, APIResponseError),
    "200 with 503 and no channel": (200, {"code": 503, "type": "model_not_found"}, ServerError),
    "200 with a boolean": (200, {"success": False, "code": True}, APIResponseError),
}


@pytest.mark.parametrize("row", FINAL)
@pytest.mark.fault("H-12")
def test_final_error_stays_final_beside_words_of_a_transient_one(row: str) -> None:
    """A code about key, quota or request, and a status about the key, count more than an invitation to try again."""
    status, body, expected = FINAL[row]
    error = refused(status, body)
    assert (type(error), error.transient) == (expected, False)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_rate_limit_under_a_server_status_is_a_rate_limit(status: int) -> None:
    """A rate limit under 5xx is a RateLimitError, so that many waits slow down; a server error under 429 is one too."""
    assert type(refused(status, {"code": 429})) is RateLimitError
    assert type(refused(status, "too many requests")) is ServerError
    assert type(refused(429, {"code": 500, "type": "server_error"})) is RateLimitError


@pytest.mark.parametrize("status", [501, 505])
def test_text_does_not_make_a_missing_feature_transient(status: int) -> None:
    """501 and 505 stay final, whatever their text."""
    assert refused(status, "not implemented, try again later").transient is False


@pytest.mark.parametrize(
    "body",
    [
        {"id": "x", "status": "processing", "code": 429, "message": "too many requests before"},
        {"id": "x", "status": "failed", "error": {"code": 500, "message": "internal error"}},
        {"code": "success", "data": {"task_id": "x", "status": "queued", "error": {"type": "server_error"}}},
        {"id": "x", "message": "busy"},
        {"id": "x", "status": "error", "error": {"type": "server_error", "message": "busy"}},
        {"id": "x", "status": "failed", "code": 429, "message": "too many requests"},
        {"status": "error", "error": "the prompt was refused"},
        {"status": "failed", "error": "connection reset by peer"},
        {"id": "x", "status": "error", "task_status": "queued", "code": 429},
        {"id": "x", "progress": 500},
        {"id": "x", "taskStatus": "failed", "error": {"code": 500}},
        {"data": {"task_state": "FAILED", "error": {"code": "internal_error"}}},
        {"id": "x", "任务状态": "失败", "error": {"code": 500}},
        {"id": "x", "isDone": True, "error": {"code": 500}},
        {"code": "success", "message": "", "data": None},
        {"code": 200, "data": {"id": "x"}},
    ],
)
def test_task_with_words_of_a_transient_error_is_a_task(body: object) -> None:
    """An object with a status in words, or an id without an error code, is a response about the task."""
    assert read_query(answer(200, body)) == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("502 Bad Gateway", "502 Bad Gateway"),
        ("404 page not found\n", "404 page not found"),
        ('"no such thing"', "no such thing"),
        ("-1 is no id", "-1 is no id"),
        (' \n{"message": "in JSON"}', "in JSON"),
        ("nothing\nfound", "nothing found"),
    ],
)
@pytest.mark.parametrize("status", [404, 502])
@pytest.mark.fault("H-13")
def test_plain_text_is_the_reason(body: str, reason: str, status: int) -> None:
    """An error in plain text shows it, also if it begins like JSON."""
    assert str(refused(status, body)).startswith(f"HTTP {status}: {reason}")


@pytest.mark.parametrize("text", ["Too Many Requests", "upstream connect error or disconnect/reset before headers"])
def test_plain_text_is_classified_like_a_message(text: str) -> None:
    """The words of a plain text count as those of a message do; those of a web page do not."""
    assert refused(400, text).transient
    assert not refused(400, f"<html><body>{text}").transient
    assert type(refused(404, "task not found")) is TaskNotFoundError


def test_code_of_an_envelope_that_means_success_is_no_code() -> None:
    """A code for the success of the query, in any case, is not the code of an error inside."""
    error = refused(418, {"code": "Success", "error": {"message": "m"}})
    assert (str(error), getattr(error, "code", None)) == ("HTTP 418: m", None)


def test_text_of_the_error_object_comes_before_that_around_it() -> None:
    """Code, type and text come from the innermost object that has them, or else from the one around it."""
    error = refused(418, {"code": "outer", "message": "around", "error": {"type": "t", "message": "inside"}})
    assert (str(error), getattr(error, "code", None), getattr(error, "type", None)) == (
        "HTTP 418: inside [outer]",
        "outer",
        "t",
    )


@given(st.dictionaries(st.sampled_from(["code", "type", "error", "message", "data", "detail", "status"]), JSON_VALUES))
@FIXED
def test_any_error_object_is_read_without_exception(body: dict[str, Any]) -> None:
    """Whatever an error object holds, the result is an error under 400, and an object or an error under 200."""
    assert isinstance(refused(400, body), APIError)
    assert isinstance(read_query(answer(200, body)), dict | APIError)


@given(TEXTS, TEXTS)
@FIXED
def test_quota_code_is_never_transient(text: str, kind: str) -> None:
    """A quota code is final under any status of a refusal, whatever type and text say."""
    body = {"error": {"code": "insufficient_quota", "type": kind, "message": f"{text} try again later"}}
    for status in (200, 400, 401, 403, 429):
        assert type(refused(status, body)) is QuotaExceededError


AT_WORK: dict[str, object] = {
    "text, at work": {"id": "t", "success": False, "message": "Task is still processing"},
    "text, at work, number": {"code": 202, "message": "task is processing", "data": None},
    "text, not ready": {"code": "E1", "message": "video is not ready yet"},
    "text, Chinese, at work": {"code": 1, "msg": "任务处理中", "data": None},
    "code, at work": {"error": {"code": "task_not_finished", "message": "m"}},
}


@pytest.mark.parametrize("case", AT_WORK)
def test_refusal_with_words_for_a_task_at_work_is_transient(case: str) -> None:
    """A query that is refused because the task is still at work is repeated."""
    error = refused(200, AT_WORK[case])
    assert (type(error), error.transient) == (ServerError, True)
