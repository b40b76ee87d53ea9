"""The catalog of scripted tasks: one row for each, with its name, a line on what it does, and its script.

To add the behaviour of some gateway, add a row.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kkiai_sdk.mock import scripts as s
from kkiai_sdk.mock.files import signed_query
from kkiai_sdk.mock.messages import Json, Reply, json_reply
from kkiai_sdk.mock.scripts import ErrorFields, Script, edited
from kkiai_sdk.mock.tasks import ENDS_AT, NORMAL, RUNS_AT, Phase, TaskQuery, ending, phase, task
from kkiai_sdk.mock.wire_faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

#: One line on the script, and the script.
Row = tuple[str, Script]

#: Gateway seconds that every answer of ``slow`` takes.
SLOW = 2.0
#: Gateway seconds from a completion to its URL, where the URL comes late.
URL_DELAY = 4.0
#: Every place but ``video_url`` where gateways put the URL; a number is an index of a list.
URL_PLACES: tuple[tuple[str | int, ...], ...] = (
    ("detail", "upsample_video_url"),
    ("detail", "video_url"),
    ("detail", "url"),
    ("detail", "draft_info", "downloadable_url"),
    ("output", "url"),
    ("output", "video_url"),
    ("url",),
    ("result_url",),
    ("metadata", "url"),
    ("data", 0, "url"),
    ("video", "url"),
)

_REFUSED = {"message": "the prompt was refused by the filter", "code": "content_refused"}
_NOT_FOUND = s.nested(404, ErrorFields("invalid_request_error", "", "task not found"))
_NOT_EXIST = s.flat(400, "task_not_exist", "task_not_exist")
_QUOTA = ErrorFields("gateway_error", "insufficient_user_quota", "the quota of this user is used up")
_SATURATED = {"error": {"message": "the upstream is saturated", "type": "upstream_load_saturated"}}
_NO_CHANNEL = ErrorFields("gateway_error", "model_not_found", "no available channel for this model")
_NO_SCENARIO = s.nested(
    400, ErrorFields("invalid_request_error", "unknown_scenario", "no scenario has this name: see kkiai mock --list")
)
_NO_FAULT = s.nested(
    400, ErrorFields("invalid_request_error", "unknown_fault", "no fault has this name: see kkiai mock --list")
)
_NEW_STATUS = (NORMAL[0], Phase(RUNS_AT, "polishing_pixels"), Phase(6.0, "processing"), NORMAL[-1])
_OTHER_ID = "7c0e2f64-1d5b-4f0a-8a63-52b9d4c1e7aa"
#: The body of an envelope without a task, and the statuses that envelopes use for those of the task inside.
_ENVELOPE: Json = {"code": "success", "message": "", "data": None}
_ENVELOPE_STATUS = {"pending": "NOT_START", "processing": "IN_PROGRESS", "completed": "SUCCESS", "failed": "FAILURE"}


def _stalls(query: TaskQuery) -> Reply:
    return s.normal(replace(query, elapsed=min(query.elapsed, 5.5)))


def _slow(query: TaskQuery) -> Reply:
    return replace(s.normal(query), delay=SLOW)


def _expired_url(query: TaskQuery) -> Reply:
    done = task(replace(query, elapsed=max(query.elapsed, ENDS_AT)))
    return json_reply(200, done | {"video_url": query.file_url("expired" if query.number == 1 else "")})


def _faulty(name: str) -> Script:
    return lambda query: replace(s.normal(query), fault=name)


def _ends(status: str, **fields: object) -> Script:
    return edited(lambda _, body: body | fields if body["status"] == status else body, ending(status))


def _is_completed(body: Json) -> bool:
    return body["status"] == "completed"


def _minimal(_query: TaskQuery, body: Json) -> Json:
    names = ["id", "status", *(["video_url"] if _is_completed(body) else []), "status_update_time"]
    return {name: body[name] for name in names}


def _seconds(query: TaskQuery, body: Json) -> Json:
    return body | {"status_update_time": int(query.started + phase(query, NORMAL).starts)}


def _wrapped(query: TaskQuery, body: Json) -> Json:
    progress = f"{body.get('progress', 100 if _is_completed(body) else 0)}%"
    status, failed = _ENVELOPE_STATUS[str(body["status"])], body["status"] == "failed"
    reason = "the picture could not be read" if failed else ""
    data = {"task_id": query.task_id, "status": status, "fail_reason": reason, "progress": progress}
    return _ENVELOPE | {"data": data | {"data": None if failed else body}}


def _task_id(_query: TaskQuery, body: Json) -> Json:
    return {"task_id" if name == "id" else name: value for name, value in body.items()}


def _early_status(status: str | None) -> Script:
    def edit(query: TaskQuery, body: Json) -> Json:
        if query.elapsed >= s.EARLY:
            return body
        rest = {name: value for name, value in body.items() if name != "status"}
        return rest if status is None else rest | {"status": status}

    return edited(edit)


def _late_url(query: TaskQuery, body: Json) -> Json:
    return body if query.elapsed >= ENDS_AT + URL_DELAY else body | {"video_url": None}


def _error_text(_query: TaskQuery, body: Json) -> Json:
    texts = {"error_message": "the first attempt was refused", "video_generation_error": "retried after an error"}
    more = {"fail_reason": body["video_url"], "error": {"message": "", "code": ""}, "detail": texts}
    return body | more if _is_completed(body) else body


def _url(make: Callable[[TaskQuery], str]) -> Script:
    return edited(lambda query, body: body | {"video_url": make(query)} if _is_completed(body) else body)


def _url_at(*place: str | int) -> Script:
    def edit(query: TaskQuery, body: Json) -> Json:
        value: object = query.file_url()
        for name in reversed(place[1:]):
            value = [value] if isinstance(name, int) else {name: value}
        return body | {"video_url": None, str(place[0]): value} if _is_completed(body) else body

    return edited(edit)


def _other_urls() -> dict[str, Row]:
    rows = {}
    for place in URL_PLACES:
        name = "-".join(map(str, place)).replace("_", "-")
        dotted = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place)[1:]
        rows[f"other-url-{name}"] = (f"the URL in {dotted}", _url_at(*place))
    return rows


_TASKS: dict[str, Row] = {
    "normal": ("pending for 2 s, running for 8 s, then completed", s.normal),
    "fails": ("ends as failed, with a message and a code", _ends("failed", error=_REFUSED)),
    "cancelled": ("ends as cancelled", _ends("cancelled")),
    "expires": ("ends as expired, the reason in fail_reason", _ends("expired", fail_reason="no worker was free")),
    "stalls": ("runs for ever and never gets past 43 %", _stalls),
    "slow": ("lives normally, but every answer takes 2 s", _slow),
}

_FIELDS: dict[str, Row] = {
    "minimal": ("only id, status and time while it runs, and the URL at the end", edited(_minimal)),
    "seconds": ("the time in seconds instead of milliseconds", edited(_seconds)),
    "wrapped": ("the task inside an envelope inside an envelope", edited(_wrapped)),
    "wrapped-fails": ("an envelope that tells of a failure", edited(_wrapped, ending("failed"))),
    "wrapped-null": ("an envelope without data for 4 s, then normal", s.early(s.always(json_reply(200, _ENVELOPE)))),
    "bare-id": (
        "answers the id without its prefix",
        edited(lambda query, body: body | {"id": query.task_id.partition(":")[2]}),
    ),
    "other-id": ("answers another id altogether", edited(lambda _, body: body | {"id": _OTHER_ID})),
    "task-id": ("says task_id instead of id", edited(_task_id)),
    "odd-case": (
        "the status in capitals, with spaces around it",
        edited(lambda _, body: body | {"status": f" {str(body['status']).upper()} "}),
    ),
    "new-status": ("a status that nobody has heard of for 4 s, then normal", edited(lambda _, body: body, _NEW_STATUS)),
    "unknown-status": ("status unknown for the first 4 s, then normal", _early_status("unknown")),
    "missing-status": ("no status for the first 4 s, then normal", _early_status(None)),
    "error-text-on-success": ("completed, with error texts left over from retries", edited(_error_text)),
}

_URLS: dict[str, Row] = {
    "no-url": ("completed, and never a URL", edited(lambda _, body: body | {"video_url": None})),
    "late-url": ("completed, and the URL comes 4 s later", edited(_late_url)),
    "relative-url": (
        "a URL that starts at the gateway and needs the key",
        _url(lambda query: f"/v1/videos/{query.file_name}/content"),
    ),
    "redirect-url": (
        "a URL at the gateway that needs the key and redirects to the file",
        _url(lambda query: f"{query.gateway}/v1/videos/{query.file_name}/redirect"),
    ),
    "signed-url": (
        "a signed URL with an escaped slash, refused once it is altered",
        _url(lambda query: f"{query.files}{query.escaped_path}?{signed_query(query.escaped_path)}"),
    ),
    "spaced-url": ("a URL with spaces and back-ticks around it", _url(lambda query: f" `{query.file_url()}` ")),
    "expired-url": ("completed at once; the first URL has expired, a new query gives a good one", _expired_url),
    "html-video": ("the URL answers a web page", _url(lambda query: query.file_url("html"))),
    "truncated-video": ("the first download is cut in the middle", _url(lambda query: query.file_url("short-body"))),
    "other-url": ("the URL in detail.video_url", _url_at("detail", "video_url")),
    **_other_urls(),
}

_ERRORS: dict[str, Row] = {
    "not-found-first": ("404 task not found for the first 4 s, then normal", s.early(_NOT_FOUND)),
    "not-exist-first": ("400 task_not_exist for the first 4 s, then normal", s.early(_NOT_EXIST)),
    "never-found": ("404 task not found every time", _NOT_FOUND),
    "flaky": ("every second answer is a 503", s.every_second(s.status_error(503))),
    "http-401-quota": ("401 with a quota code every time", s.nested(401, _QUOTA, s.BEARER)),
    "http-403-quota": ("403 with a quota code every time", s.nested(403, _QUOTA)),
    "http-403-saturated": ("403 around an overload twice, then normal", s.twice(s.packed(403, _SATURATED))),
    "http-429-quota": ("429 with a quota code every time", s.nested(429, _QUOTA)),
    "http-429-retry-after": (
        "429 with Retry-After: 1 twice, then normal",
        s.twice(s.status_error(429, (("retry-after", "1"),))),
    ),
    "http-503-model-not-found": ("503 no available channel every time", s.nested(503, _NO_CHANNEL)),
    "html-502": ("502 with a web page every time", s.page(502, "502 Bad Gateway")),
    "html-200": ("200 with a web page every time", s.page(200, "Console")),
    "empty-200": ("200 without a body every time", s.always(Reply(200))),
    "not-json-200": ("200 with text that is not JSON every time", s.always(Reply(200, b'{"id": "grok:'))),
    "error-200": ("200 around a failed query twice, then normal", s.twice(s.flat(200, 400, "fail_to_fetch_task"))),
    **{f"http-{status}": (f"{status} every time", s.status_error(status)) for status in s.STATUS_ERRORS},
}

SCENARIOS: dict[str, Row] = _TASKS | _FIELDS | _URLS | _ERRORS


def scenarios() -> dict[str, str]:
    """List every scripted task: the name, as in ``grok:scenario-<name>``, and one line on what it does."""
    return {name: summary for name, (summary, _) in SCENARIOS.items()}


_TASK_ID = re.compile(
    r"[\w.-]{1,64}:(?:"
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?P<kind>scenario|fault|video-fault)-(?P<name>[a-z0-9-]{1,64})(?:~[\w.-]{1,64})?"
    r")",
    re.ASCII | re.IGNORECASE,
)


def script_of(task_id: str) -> Script:
    """Find the script of a task: the normal one for ``<model>:<uuid>``, or that of ``<model>:scenario-<name>``.

    Every answer about ``<model>:fault-<name>`` has the fault, and so has the first download of the video of
    ``<model>:video-fault-<name>``. An id with ``~<anything>`` at its end, as in ``grok:scenario-fails~2``, is another
    task of the same script. Any other id is one of a task that does not exist.
    """
    found = _TASK_ID.fullmatch(task_id)
    if found is None:
        return _NOT_EXIST
    kind, name = (found["kind"] or "scenario").lower(), (found["name"] or "normal").lower()
    if kind == "scenario":
        return SCENARIOS[name][1] if name in SCENARIOS else _NO_SCENARIO
    if name not in FAULTS:
        return _NO_FAULT
    return _url(lambda query: query.file_url(name)) if kind == "video-fault" else _faulty(name)
