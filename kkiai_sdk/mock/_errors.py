"""Scripts for answers that are not a task: errors, pages and rubbish; and ways to mix them with a normal life."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from kkiai_sdk.mock._messages import Headers, Reply, flat_error, json_reply, nested_error
from kkiai_sdk.mock._tasks import Poll, task

Script = Callable[[Poll], Reply]

#: Gateway seconds for which a fault at the beginning of a life lasts.
EARLY = 4.0
#: Answers that are faulty where a script says "at first".
AT_FIRST = 2
BEARER: Headers = (("www-authenticate", "Bearer"),)


class Fault(NamedTuple):
    """An error that a status stands for."""

    kind: str
    code: str
    message: str


#: What ``http-<status>`` answers.
STATUS_FAULTS: dict[int, Fault] = {
    400: Fault("invalid_request_error", "invalid_request", "the request makes no sense"),
    401: Fault("gateway_error", "", "this token is not valid"),
    402: Fault("billing_error", "insufficient_quota", "the account has no credit left"),
    403: Fault("gateway_error", "access_denied", "this address may not use the token"),
    404: Fault("invalid_request_error", "", "Invalid URL (GET /v1/video/query)"),
    408: Fault("gateway_error", "request_timeout", "the request took too long to arrive"),
    409: Fault("gateway_error", "conflict", "another request holds this task"),
    422: Fault("invalid_request_error", "unprocessable", "the request is understood and refused"),
    425: Fault("gateway_error", "too_early", "the request came too early"),
    429: Fault("rate_limit_error", "rate_limit_exceeded", "too many requests, ask less often"),
    500: Fault("gateway_error", "get_task_failed", "the task could not be read"),
    501: Fault("gateway_error", "not_implemented", "this gateway cannot do that"),
    502: Fault("upstream_error", "bad_gateway", "the upstream gave no sensible answer"),
    503: Fault("upstream_error", "do_request_failed", "the upstream is not available"),
    504: Fault("upstream_error", "gateway_timeout", "the upstream did not answer in time"),
    **{n: Fault("upstream_error", "bad_response_status_code", f"the upstream answered {n}") for n in range(520, 530)},
}


def ok(value: object) -> Reply:
    """A 200 with a JSON body."""
    return json_reply(200, value)


def normal(poll: Poll) -> Reply:
    """The life of a task when nothing goes wrong."""
    return ok(task(poll))


def always(reply: Reply) -> Script:
    """The same answer every time."""
    return lambda _: reply


def page(status: int, title: str) -> Script:
    """An HTML page every time."""
    text = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return always(Reply(status, text.encode(), "text/html; charset=utf-8"))


def flat(status: int, code: str | int, message: str) -> Script:
    """An error ``{"code", "message", "data"}`` every time."""
    return always(flat_error(status, code, message))


def nested(status: int, fault: Fault, headers: Headers = ()) -> Script:
    """An error ``{"error": {…}}`` every time, whose message ends with the request id."""
    return lambda poll: nested_error(
        status, fault.message, poll.request_id, kind=fault.kind, code=fault.code, headers=headers
    )


def status_fault(status: int) -> Script:
    """The error that ``status`` stands for, every time."""
    return nested(status, STATUS_FAULTS[status], BEARER if status == 401 else ())


def packed(status: int, inner: object) -> Script:
    """An error that carries another one as JSON text inside its message, every time."""
    return flat(status, "fail_to_fetch_task", json.dumps(inner, separators=(",", ":")))


def at_first(fault: Script, then: Script = normal) -> Script:
    """The fault for the first two answers."""
    return lambda poll: (fault if poll.number <= AT_FIRST else then)(poll)


def early(fault: Script, then: Script = normal) -> Script:
    """The fault for the first four gateway seconds."""
    return lambda poll: (fault if poll.elapsed < EARLY else then)(poll)


def every_second(fault: Script, then: Script = normal) -> Script:
    """The fault for the second answer, the fourth, and so on."""
    return lambda poll: (then if poll.number % 2 else fault)(poll)
