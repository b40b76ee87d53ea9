"""Scripts, pure functions of a query, and the ways to make them: errors, pages, and task objects that are edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from kkiai_sdk.mock.messages import Headers, Json, Reply, flat_error, json_reply, nested_error
from kkiai_sdk.mock.tasks import NORMAL, TaskQuery, Timeline, task

Script = Callable[[TaskQuery], Reply]
#: A change of the task object before it is sent.
Edit = Callable[[TaskQuery, Json], Json]

#: Gateway seconds that an early fault lasts.
EARLY = 4.0
BEARER: Headers = (("www-authenticate", "Bearer"),)


class ErrorFields(NamedTuple):
    """The fields of an error: its type, code and message."""

    kind: str
    code: str
    message: str


#: The errors of ``http-<status>``.
STATUS_ERRORS: dict[int, ErrorFields] = {
    400: ErrorFields("invalid_request_error", "invalid_request", "the request makes no sense"),
    401: ErrorFields("gateway_error", "", "this token is not valid"),
    402: ErrorFields("billing_error", "insufficient_quota", "the account has no credit left"),
    403: ErrorFields("gateway_error", "access_denied", "this address may not use the token"),
    404: ErrorFields("invalid_request_error", "", "Invalid URL (GET /v1/video/query)"),
    408: ErrorFields("gateway_error", "request_timeout", "the request took too long to arrive"),
    409: ErrorFields("gateway_error", "conflict", "another request holds this task"),
    422: ErrorFields("invalid_request_error", "unprocessable", "the request is understood and refused"),
    425: ErrorFields("gateway_error", "too_early", "the request came too early"),
    429: ErrorFields("rate_limit_error", "rate_limit_exceeded", "too many requests, ask less often"),
    500: ErrorFields("gateway_error", "get_task_failed", "the task could not be read"),
    501: ErrorFields("gateway_error", "not_implemented", "this gateway cannot do that"),
    502: ErrorFields("upstream_error", "bad_gateway", "the upstream gave no sensible answer"),
    503: ErrorFields("upstream_error", "do_request_failed", "the upstream is not available"),
    504: ErrorFields("upstream_error", "gateway_timeout", "the upstream did not answer in time"),
    **{
        n: ErrorFields("upstream_error", "bad_response_status_code", f"the upstream answered {n}")
        for n in range(520, 530)
    },
}


def normal(query: TaskQuery) -> Reply:
    """Reply as a gateway without faults."""
    return json_reply(200, task(query))


def always(reply: Reply) -> Script:
    """Make a script of one reply."""
    return lambda _: reply


def page(status: int, title: str) -> Script:
    """Make a script of one HTML page."""
    text = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return always(Reply(status, text.encode(), "text/html; charset=utf-8"))


def flat(status: int, code: str | int, message: str) -> Script:
    """Make a script of one error ``{"code", "message", "data"}``."""
    return always(flat_error(status, code, message))


def nested(status: int, error: ErrorFields, headers: Headers = ()) -> Script:
    """Make a script of one error ``{"error": {…}}``, whose message ends with the request id."""
    kind, code, message = error
    return lambda query: nested_error(status, message, query.request_id, kind=kind, code=code, headers=headers)


def status_error(status: int, headers: Headers = ()) -> Script:
    """Make a script of the error of ``http-<status>``."""
    return nested(status, STATUS_ERRORS[status], headers or (BEARER if status == 401 else ()))


def packed(status: int, inner: object) -> Script:
    """Make a script of an error that holds another one as JSON text in its message."""
    return flat(status, "fail_to_fetch_task", json.dumps(inner, separators=(",", ":")))


def twice(fault: Script) -> Script:
    """Play the fault for the first two queries, then the normal task."""
    return lambda query: (fault if query.number <= 2 else normal)(query)


def early(fault: Script) -> Script:
    """Play the fault for the first four gateway seconds, then the normal task."""
    return lambda query: (fault if query.elapsed < EARLY else normal)(query)


def every_second(fault: Script) -> Script:
    """Play the fault for the second query, the fourth, and so on."""
    return lambda query: (normal if query.number % 2 else fault)(query)


def edited(edit: Edit, timeline: Timeline = NORMAL) -> Script:
    """Make a script whose every task object is changed by ``edit``."""
    return lambda query: json_reply(200, edit(query, task(query, timeline)))
