"""Errors as gateways send them, row by row: the class of each, and whether it is transient."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import (
    APIError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
    UnprocessableEntityError,
)
from kkiai_sdk._responses.error_parser import read_query, read_status
from tests.unit.support import answer, everything_in, refused

if TYPE_CHECKING:
    from collections.abc import Callable

HTML = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>cows</body></html>"


def flat(code: object, message: object = "m") -> dict[str, object]:
    """A flat error body."""
    return {"code": code, "message": message, "data": None}


def nested(code: object, message: str = "m", kind: str = "new_api_error") -> dict[str, object]:
    """An error body with an inner object."""
    return {"error": {"message": message, "type": kind, "code": code}}


def packed(inner: object, code: str = "fail_to_fetch_task") -> dict[str, object]:
    """An error body that holds another one as text."""
    return {"code": code, "message": json.dumps(inner), "data": None}


BUSY = "上游负载已饱和，请稍后再试"
ROWS: dict[str, tuple[int, object, type[APIError], bool]] = {
    "400 task_not_exist": (400, flat("task_not_exist"), TaskNotFoundError, False),
    "400 task_not_exist, other case": (400, flat("TASK_NOT_EXIST"), TaskNotFoundError, False),
    "404 task_not_exist": (404, nested("task_not_exist"), TaskNotFoundError, False),
    "404 task not found": (404, nested("", "Task not found"), TaskNotFoundError, False),
    "404 task not found, flat": (
        404,
        {"code": None, "message": "task not found", "param": "x"},
        TaskNotFoundError,
        False,
    ),
    "404 task does not exist": (404, {"message": "The task id does not exist"}, TaskNotFoundError, False),
    "404 任务不存在": (404, {"error": "任务不存在"}, TaskNotFoundError, False),
    "404 invalid URL": (404, nested("", "Invalid URL (GET /v1/video/query)"), NotFoundError, False),
    "404 empty": (404, b"", NotFoundError, False),
    "400 otherwise": (400, nested("bad", "id is required"), BadRequestError, False),
    "400 not completed yet": (400, nested("", "Task is not completed yet, status: NOT_START"), BadRequestError, False),
    "401 no token": (401, nested(None, "未提供令牌"), AuthenticationError, False),
    "401 bad token": (401, nested("", "无效的令牌"), AuthenticationError, False),
    "401 quota in the code": (401, nested("insufficient_user_quota"), QuotaExceededError, False),
    "401 quota in the text": (401, nested("", "该令牌额度已用尽"), QuotaExceededError, False),
    "401 quota in English": (401, nested("", "Your quota is exhausted"), QuotaExceededError, False),
    "402": (402, {"error": {"message": "Payment Required"}}, QuotaExceededError, False),
    "403 banned": (403, nested("", "用户已被封禁"), PermissionDeniedError, False),
    "403 address": (403, nested("access_denied", "当前 ip 不允许"), PermissionDeniedError, False),
    "403 model": (403, nested("", "no access to model cow-1"), PermissionDeniedError, False),
    "403 insufficient_user_quota": (403, flat("insufficient_user_quota"), QuotaExceededError, False),
    "403 quota_not_enough": (403, nested("quota_not_enough"), QuotaExceededError, False),
    "403 packed quota": (403, packed(flat("insufficient_user_quota", "余额")), QuotaExceededError, False),
    "403 packed saturation": (403, packed(nested("upstream_load_saturated", BUSY)), ServerError, True),
    "403 saturation as type": (403, nested("", BUSY, "upstream_load_saturated"), ServerError, True),
    "403 packed twice": (403, packed(packed(nested("upstream_load_saturated", BUSY))), ServerError, True),
    "409": (409, b"", ConflictError, True),
    "422": (422, {"detail": "id: too short"}, UnprocessableEntityError, False),
    "429": (429, nested("rate_limit_exceeded", "slow down"), RateLimitError, True),
    "429 empty": (429, b"", RateLimitError, True),
    "429 HTML": (429, HTML, RateLimitError, True),
    "429 two documents": (429, '{"error":{"message":"slow"}}\n{"error":{"code":"x"}}', RateLimitError, True),
    "429 insufficient_user_quota": (
        429,
        nested("insufficient_user_quota", "please slow down"),
        QuotaExceededError,
        False,
    ),
    "429 insufficient_quota as type": (429, nested("", BUSY, "insufficient_quota"), QuotaExceededError, False),
    "503 model_not_found": (503, nested("model_not_found", "no available channel"), ServerError, False),
    "404 model_not_found": (404, nested("model_not_found", "no such model"), NotFoundError, False),
    "503 saturated": (503, {"error": BUSY}, ServerError, True),
    "524 plain text": (524, "error code: 524", ServerError, True),
    "502 HTML": (502, HTML, ServerError, True),
    "504 empty": (504, b"", ServerError, True),
    "500 flat": (500, flat("do_request_failed"), ServerError, True),
    "200 fail_to_fetch_task": (
        200,
        {"code": 400, "message": "fail_to_fetch_task", "data": None},
        APIResponseError,
        True,
    ),
    "200 fail_to_fetch_task as code": (200, flat("fail_to_fetch_task", "boom"), APIResponseError, True),
    "200 internal server error": (200, flat("oops", "Internal Server Error"), APIResponseError, True),
    "200 success false": (200, {"success": False, "message": "no channel"}, APIResponseError, False),
    "200 success false, passing": (200, {"success": False, "message": "fail_to_fetch_task"}, APIResponseError, True),
    "200 error object": (200, nested("", "who are you"), APIResponseError, False),
    "200 error text": (200, {"error": "no"}, APIResponseError, False),
    "200 message only": (200, {"message": "no"}, APIResponseError, False),
    "200 task_not_exist": (200, flat("task_not_exist"), TaskNotFoundError, False),
    "200 no quota": (200, flat("insufficient_user_quota"), QuotaExceededError, False),
    "200 HTML": (200, HTML, APIResponseError, False),
    "200 not JSON": (200, "cow", APIResponseError, True),
    "200 a list": (200, [], APIResponseError, True),
    "200 null": (200, "null", APIResponseError, True),
    "200 a text": (200, '"hi"', APIResponseError, True),
    "200 a number": (200, "5", APIResponseError, True),
    "200 a boolean": (200, "true", APIResponseError, True),
    "200 empty": (200, b"", APIResponseError, True),
    "200 truncated": (200, '{"id": "x", "status": "comp', APIResponseError, True),
    "204": (204, b"", APIResponseError, True),
}


@pytest.mark.parametrize("row", ROWS)
def test_known_error_gets_its_class(row: str) -> None:
    """Every known error of a gateway has its class, and is transient or not."""
    status, body, expected, transient = ROWS[row]
    error = refused(status, body)
    assert (type(error), error.transient) == (expected, transient)
    assert getattr(error, "status_code", None) == status


STATUSES: dict[int, tuple[type[APIStatusError], bool]] = {
    **dict.fromkeys([500, 502, 503, 504, *range(520, 531), 599], (ServerError, True)),
    **dict.fromkeys([501, 505], (ServerError, False)),
    **dict.fromkeys([408, 425], (APIStatusError, True)),
    **dict.fromkeys([0, 99, 100, 199, 300, 301, 304, 308, 405, 406, 410, 413, 418, 451, 499], (APIStatusError, False)),
    **dict.fromkeys([600, 999], (APIStatusError, False)),
    400: (BadRequestError, False),
    401: (AuthenticationError, False),
    403: (PermissionDeniedError, False),
    404: (NotFoundError, False),
    409: (ConflictError, True),
    422: (UnprocessableEntityError, False),
    429: (RateLimitError, True),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", HTML.encode(), b"no"], ids=repr)
@pytest.mark.fault("H-01", "H-02", "H-03", "H-04", "J-17")
def test_unknown_error_body_is_classified_by_status(status: int, body: bytes) -> None:
    """Without a known code or text the status decides, whatever the body is; the status stays a number."""
    error = refused(status, body)
    assert isinstance(error, APIStatusError)
    assert (type(error), error.transient, error.status_code) == (*STATUSES[status], status)


def test_redirect_error_names_the_host_only() -> None:
    """A redirect is an error that names the target host, without path and query."""
    error = refused(302, b"", ("location", "https://login.example/in?token=abc"))
    assert str(error) == "HTTP 302: unexpected redirect to login.example"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"success": False, "message": "no channel"}, "no channel"),
        ({"success": False, "id": "x", "status": "queued"}, "no reason given"),
        ({"success": False, "message": "no", "data": {"id": "x", "status": "queued"}}, "no"),
        ({"msg": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"error": "no"}, "no"),
    ],
)
def test_error_under_a_success_status_keeps_the_message(body: object, told: str) -> None:
    """A success status with an error body is an error with its message, even if a task is named alongside it."""
    assert str(refused(200, body)) == f"HTTP 200 but the query failed: {told}"


@pytest.mark.parametrize(
    ("status", "told"),
    [(300, "unexpected redirect to x.example"), (399, "unexpected redirect to x.example"), (400, "no")],
)
def test_status_300_to_399_is_a_redirect(status: int, told: str) -> None:
    """Every status from 300 to 399 is reported as a redirect, and no other, whatever the headers are."""
    assert str(refused(status, {"message": "no"}, ("location", "https://x.example/in"))) == f"HTTP {status}: {told}"


def test_key_in_the_host_of_a_redirect_is_redacted() -> None:
    """A redirect that carries the key in its host does not show it."""
    error = refused(302, b"", ("location", "https://0ddkey.example/in"), secret="0ddkey")
    assert str(error) == "HTTP 302: unexpected redirect to ***.example"


def test_error_under_a_success_status_keeps_the_code() -> None:
    """An error with a success status keeps the gateway's code."""
    error = refused(200, {"code": "oops", "message": "no"})
    assert isinstance(error, APIResponseError)
    assert error.code == "oops"


def test_long_host_of_a_redirect_is_truncated() -> None:
    """Of the host of a redirect a hundred characters are shown."""
    error = refused(302, b"", ("location", f"https://{'a' * 300}/in"))
    assert str(error) == f"HTTP 302: unexpected redirect to {'a' * 99}…"


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (307, "http://[::1", "unexpected redirect to an invalid URL"),
        (307, "/in", "unexpected redirect to another path"),
        (302, "", "redirect without a Location header"),
        (302, None, "redirect without a Location header"),
        (304, None, "not modified"),
    ],
)
def test_redirect_without_a_valid_host_says_so(status: int, location: str | None, said: str) -> None:
    """The error of a redirect without a host or a target, or to an invalid URL, says so."""
    headers = [] if location is None else [("location", location)]
    assert str(refused(status, b"", *headers)) == f"HTTP {status}: {said}"


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "KKIAI_API_KEY"), (402, "top it up"), (403, "allowed models"), (404, "KKIAI_BASE_URL")],
)
def test_message_of_a_correctable_error_has_a_hint(status: int, advice: str) -> None:
    """The message of an error that the caller can correct says how."""
    assert advice in str(refused(status))


@pytest.mark.fault("J-01")
def test_page_under_a_success_status_hints_at_the_base_url() -> None:
    """A web page with a success status says that the base URL points at a site."""
    error = refused(200, HTML, ("content-type", "text/html; charset=utf-8"))
    told = "a web page: the base URL points to a web site, not to the API (check KKIAI_BASE_URL)"
    assert str(error) == f"HTTP 200 with {told}"


@pytest.mark.fault("J-01")
def test_page_is_recognised_by_its_content_type() -> None:
    """A body declared as HTML is a page even if it does not begin like one."""
    error = refused(200, "<div>cow</div>", ("content-type", "Text/HTML"))
    assert (error.transient, "web page" in str(error)) == (False, True)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "x", "status": "failed", "error": {"message": "m"}, "message": "m"},
        {"task_id": "x", "message": "ok"},
        {"status": "queued", "code": "whatever"},
        {"code": "success", "data": None},
        {"code": 0, "msg": "", "data": {"id": "x"}},
        {"code": 200, "message": "fine", "data": {}},
        {"code": "weird", "message": "m", "data": {"task_id": "x", "status": "queued"}},
        {"error": None, "message": ""},
        {"success": True, "message": "fine", "data": {"id": "x"}},
        {"success": True, "id": "x", "status": "queued"},
    ],
)
def test_task_with_error_fields_is_not_an_error(body: object) -> None:
    """An object about a task is an answer, even with error fields alongside it."""
    assert isinstance(read_query(answer(200, body)), dict)


def test_complete_success_has_no_error() -> None:
    """The status of a success with a complete body is no error, whatever the body is."""
    assert read_status(answer(200, {"error": "x"})) is None
    assert read_status(answer(206, b"\0")) is None


@pytest.mark.parametrize("reader", [read_status, read_query])
def test_success_with_an_incomplete_body_is_a_response_error(reader: Callable[..., object]) -> None:
    """A success whose body could not be decoded names the problem; it has the pause, and no key."""
    headers = (("content-encoding", "br"), ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("x-request-id", "canary"))
    error = reader(answer(200, b"x", *headers), secret="canary", wall_clock=784_111_757.0)
    assert isinstance(error, APIResponseError)
    assert "a body in the encoding br, which was not requested" in str(error)
    assert error.retry_after == 20.0
    assert "canary" not in everything_in(error)


def test_error_status_has_the_error_of_its_class() -> None:
    """The error of an error status has the class of the status and the pause, and no key."""
    response = answer(404, {"message": "no canary here"}, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"))
    error = read_status(response, secret="canary", wall_clock=784_111_757.0)
    assert isinstance(error, NotFoundError)
    assert error.retry_after == 20.0
    assert "canary" not in everything_in(error)
    assert "here" in str(error)


def test_wall_clock_of_read_status_is_the_epoch_by_default() -> None:
    """Without a wall clock a Retry-After date is relative to the epoch."""
    error = read_status(answer(503, b"", ("retry-after", "Thu, 01 Jan 1970 00:00:20 GMT")))
    assert isinstance(error, ServerError)
    assert error.retry_after == 20.0
