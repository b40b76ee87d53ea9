"""The catalog of scripted tasks. A script is a pure function of a query; a row has a name, a summary and a script.

To add the behavior of a gateway, add a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from kkiai_sdk.mock.files import FOLDERS, signed_query
from kkiai_sdk.mock.messages import Headers, Json, Reply, json_reply, nested_error
from kkiai_sdk.mock.tasks import ENDS_AT, NORMAL, RUNS_AT, Phase, TaskQuery, Timeline
from kkiai_sdk.mock.wire_faults import FAULTS

Script = Callable[[TaskQuery], Reply]
#: A summary of the script, and the script.
Row = tuple[str, Script]

#: Numbers of the queries that get the response of a hiccup; the first query finds the task.
HICCUP = range(2, 6)
#: Gateway seconds: the duration of an early fault, the delay of every response of ``slow``, and the time from
#: completion to a late URL.
EARLY, SLOW, URL_DELAY = 4.0, 2.0, 4.0
_PLACES = (
    "detail.upsample_video_url detail.video_url detail.url detail.draft_info.downloadable_url output.url "
    "output.video_url url result_url metadata.url data[0].url video.url"
)
#: Every place except ``video_url`` where gateways put the URL.
URL_PLACES = _PLACES.split()
BEARER: Headers = (("www-authenticate", "Bearer"),)
#: Type, code and message of the errors of ``http-<status>``.
STATUS_ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("invalid_request_error", "invalid_request", "the request is invalid"),
    401: ("gateway_error", "", "this token is not valid"),
    402: ("billing_error", "insufficient_quota", "the account is out of quota"),
    403: ("gateway_error", "access_denied", "this address may not use the token"),
    404: ("invalid_request_error", "", "Invalid URL (GET /v1/video/query)"),
    408: ("gateway_error", "request_timeout", "the request took too long to arrive"),
    409: ("gateway_error", "conflict", "another request holds this task"),
    422: ("invalid_request_error", "unprocessable", "the request was understood but refused"),
    425: ("gateway_error", "too_early", "the request came too early"),
    429: ("rate_limit_error", "rate_limit_exceeded", "too many requests, slow down"),
    500: ("gateway_error", "get_task_failed", "the task could not be read"),
    501: ("gateway_error", "not_implemented", "this gateway cannot do that"),
    502: ("upstream_error", "bad_gateway", "the upstream sent an invalid response"),
    503: ("upstream_error", "do_request_failed", "the upstream is not available"),
    504: ("upstream_error", "gateway_timeout", "the upstream did not respond in time"),
    **{n: ("upstream_error", "bad_response_status_code", f"the upstream returned {n}") for n in range(520, 530)},
}


def _always(status: int, body: bytes, content_type: str = "application/json") -> Script:
    return lambda _: Reply(status, body, content_type)


def _page(status: int, title: str) -> Script:
    text = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return _always(status, text.encode(), "text/html; charset=utf-8")


def _flat(status: int, code: str | int, message: str) -> Script:
    return lambda _: json_reply(status, {"code": code, "message": message, "data": None})


def _nested(status: int, kind: str, code: str, message: str, headers: Headers = ()) -> Script:
    return lambda query: nested_error(status, message, query.request_id, kind=kind, code=code, headers=headers)


def _status(status: int, *headers: tuple[str, str]) -> Script:
    return _nested(status, *STATUS_ERRORS[status], headers or (BEARER if status == 401 else ()))


def _when(is_faulty: Callable[[TaskQuery], bool], fault: Script) -> Script:
    return lambda query: fault(query) if is_faulty(query) else query.reply()


_early = partial(_when, lambda query: query.elapsed < EARLY)
_twice = partial(_when, lambda query: query.number <= 2)
_hiccup = partial(_when, lambda query: query.number in HICCUP)
_after_first = partial(_when, lambda query: query.number > 1)


def _ends(status: str, **fields: object) -> Script:
    return lambda query: query.ending(status).reply(**(fields if query.elapsed >= ENDS_AT else {}))


def _minimal(query: TaskQuery) -> Reply:
    names = ["id", "status", *(["video_url"] if query.is_completed else []), "status_update_time"]
    return json_reply(200, {name: query.task[name] for name in names})


_ENVELOPE: Json = {"code": "success", "message": "", "data": None}
#: The statuses that envelopes use for those of the task inside.
_ENVELOPE_STATUS = {"pending": "NOT_START", "processing": "IN_PROGRESS", "completed": "SUCCESS", "failed": "FAILURE"}


def _wrapped(query: TaskQuery) -> Reply:
    task, has_failed = query.task, query.phase.status == "failed"
    data = {
        "task_id": query.task_id,
        "status": _ENVELOPE_STATUS[query.phase.status],
        "fail_reason": "the picture could not be read" if has_failed else "",
        "progress": f"{task.get('progress', 100 if query.is_completed else 0)}%",
        "data": None if has_failed else task,
    }
    return json_reply(200, _ENVELOPE | {"data": data})


def _task_id(query: TaskQuery) -> Reply:
    return json_reply(200, {"task_id" if name == "id" else name: value for name, value in query.task.items()})


def _no_status(query: TaskQuery) -> Reply:
    return json_reply(200, {name: value for name, value in query.task.items() if name != "status"})


def _expired_url(query: TaskQuery) -> Reply:
    url = query.file_url("expired" if query.number == 1 else "")
    return replace(query, elapsed=max(query.elapsed, ENDS_AT)).reply(video_url=url)


def _error_text(query: TaskQuery) -> Reply:
    texts = {"error_message": "the first attempt was refused", "video_generation_error": "retried after an error"}
    more = {"fail_reason": query.task["video_url"], "error": {"message": "", "code": ""}, "detail": texts}
    return query.reply(**(more if query.is_completed else {}))


def _url(make: Callable[[TaskQuery], str]) -> Script:
    return lambda query: query.reply(video_url=make(query) if query.is_completed else None)


def _without_url(query: TaskQuery) -> Reply:
    return query.reply(video_url=None)


def _is_url_late(query: TaskQuery) -> bool:
    return query.elapsed < ENDS_AT + URL_DELAY


def _redirect_url(query: TaskQuery) -> str:
    return f"{query.gateway}/v1/videos/{query.file_name}/redirect"


def _signed_url(query: TaskQuery) -> str:
    return f"{query.files}{query.escaped_path}?{signed_query(query.escaped_path)}"


def _url_at(place: str) -> Script:
    first, *rest = re.findall(r"\w+", place)

    def script(query: TaskQuery) -> Reply:
        value: object = query.file_url()
        for name in reversed(rest):
            value = [value] if name.isdigit() else {name: value}
        return query.reply(**({"video_url": None, first: value} if query.is_completed else {}))

    return script


#: A vendor's words for the mock's statuses.
_VENDOR_WORDS = {"pending": "Queueing", "processing": "Generating", "completed": "Finished", "failed": "Aborted"}
_PICTURE = "https://pictures.example/cover.jpg"


def _form(make: Callable[[str, str, str | None], Json], words: dict[str, str] | None = None, end: str = "") -> Script:
    """Make a script with responses of another form, made from the id, the status and the final URL."""

    def script(query: TaskQuery) -> Reply:
        query = query.ending(end) if end else query
        status = (words or {}).get(query.phase.status, query.phase.status)
        return json_reply(200, make(query.task_id, status, query.file_url() if query.is_completed else None))

    return script


def _simple(name: str, value: Callable[[str], object]) -> Script:
    """Make a script with the URL in another form under one name."""
    return _form(lambda id_, status, url: {"id": id_, "status": status, name: value(url) if url else None})


def _operation(id_: str, status: str, url: str | None) -> Json:
    done = {"response": {"generatedVideos": [{"video": {"uri": url, "mimeType": "video/mp4"}}]}} if url else {}
    return {"name": f"operations/{id_}", "done": status == "completed", **done}


def _decoys(id_: str, status: str, url: str | None) -> Json:
    inputs = {"input": {"video_url": "https://inputs.example/a.mp4"}, "webhook": "https://me.example/v.mp4"}
    return {"id": id_, "status": status, "url": _PICTURE, **inputs, "result": {"video": url, "cover": _PICTURE}}


def _five_envelopes(id_: str, status: str, url: str | None) -> Json:
    task: Json = {"task_id": id_, "state": status, "result_url": url}
    return {"code": 0, "data": {"code": "success", "result": [{"task": {"success": True, "data": json.dumps(task)}}]}}


_FORMS: dict[str, Row] = {
    "list": ("the URL in a list", _simple("output", lambda url: [url])),
    "object": ("the URL in an object under video_url", _simple("video_url", lambda url: {"url": url})),
    "camel-case": ("the URL under videoUrl", _simple("videoUrl", str)),
    "markdown": ("the URL as a Markdown link", _simple("video_url", "[watch]({})".format)),
    "quoted": ("the URL in quotes", _simple("video_url", ' "{}" '.format)),
    "entity": ("the URL with &amp; in its query", _simple("video_url", "{}?a=1&amp;b=2".format)),
    "no-scheme": ("the URL without its scheme", _simple("video_url", lambda url: url.partition("://")[2])),
    "json-text": ("the result as JSON in a string", _simple("result", lambda url: json.dumps({"videos": [url]}))),
    "several": ("more than one", _simple("videos", lambda url: [{"url": url, "cover": _PICTURE}, {"url": f"{url}?2"}])),
    "state": ("different words for every status, under task_status", _form(
        lambda id_, status, url: {"id": id_, "task_status": status, "assets": {"video": url}}, _VENDOR_WORDS
    )),
    "chinese": ("Chinese words for every status", _form(
        lambda id_, status, url: {"id": id_, "status": status, "video_url": url},
        {"pending": "排队中", "processing": "生成中", "completed": "已完成"},
    )),
    "number": ("a number for every status", _form(
        lambda id_, status, url: {"id": id_, "status": len(status), "video_url": url}
    )),
    "operation": ("an operation with a boolean for completion", _form(_operation)),
    "envelopes": ("the task in five envelopes, a list and a string", _form(_five_envelopes)),
    "decoys": ("an input, an image and a callback next to the video", _form(_decoys)),
    "negation": ("a negated status every time", _form(
        lambda id_, status, url: {"id": id_, "status": f"not_{status}", "video_url": url}
    )),
    "fails": ("fails with another word; the reason is in failure_reason", _form(
        lambda id_, status, _: {"id": id_, "status": status, "failure_reason": "no cows"}, _VENDOR_WORDS, "failed"
    )),
    "fails-inside": ("a failed task inside success: false", _form(
        lambda id_, status, _: {"success": status != "failed", "data": {"task_id": id_, "status": status}}, end="failed"
    )),
    "large": ("an image of 2 MiB in every response", _form(
        lambda id_, status, url: {"id": id_, "status": status, "video_url": url, "preview": "A" * 2**21}
    )),
}  # fmt: skip

_REFUSED = {"message": "the prompt was refused by the filter", "code": "content_refused"}
_QUOTA = ("gateway_error", "insufficient_user_quota", "the quota of this user is exhausted")
_SATURATED = '{"error":{"message":"the upstream is saturated","type":"upstream_load_saturated"}}'
_NOT_FOUND = _nested(404, "invalid_request_error", "", "task not found")
_NOT_EXIST = _flat(400, "task_not_exist", "task_not_exist")
_NO_CHANNEL = _nested(503, "gateway_error", "model_not_found", "no available channel for this model")
_NEW_STATUS: Timeline = (NORMAL[0], Phase(RUNS_AT, "polishing_pixels"), Phase(6.0, "processing"), NORMAL[-1])

_TASKS: dict[str, Row] = {
    "normal": ("pending for 2 s, running for 8 s, then completed", TaskQuery.reply),
    "fails": ("ends as failed, with a message and a code", _ends("failed", error=_REFUSED)),
    "cancelled": ("ends as cancelled", _ends("cancelled")),
    "expires": ("ends as expired; the reason is in fail_reason", _ends("expired", fail_reason="no worker was free")),
    "stalls": ("runs forever and stays at 43%", lambda q: replace(q, elapsed=min(q.elapsed, 5.5)).reply()),
    "slow": ("a normal task; every response takes 2 s", lambda q: replace(q.reply(), delay=SLOW)),
}

_FIELDS: dict[str, Row] = {
    "minimal": ("only id, status and time while it runs, and the URL at the end", _minimal),
    "seconds": ("the time in seconds", lambda q: q.reply(status_update_time=int(q.started + q.phase.starts))),
    "wrapped": ("the task inside two nested envelopes", _wrapped),
    "wrapped-fails": ("a failed task in an envelope", lambda q: _wrapped(q.ending("failed"))),
    "wrapped-null": ("an envelope without data for 4 s, then normal", _early(lambda _: json_reply(200, _ENVELOPE))),
    "bare-id": ("the id without its prefix", lambda q: q.reply(id=q.task_id.partition(":")[2])),
    "other-id": ("an id other than that of the query", lambda q: q.reply(id="7c0e2f64-1d5b-4f0a-8a63-52b9d4c1e7aa")),
    "task-id": ("the id under task_id instead of id", _task_id),
    "odd-case": ("the status in capitals and spaces", lambda q: q.reply(status=f" {q.phase.status.upper()} ")),
    "new-status": ("a status that no client knows for 4 s", lambda q: replace(q, timeline=_NEW_STATUS).reply()),
    "unknown-status": ("status unknown for the first 4 s, then normal", _early(lambda q: q.reply(status="unknown"))),
    "missing-status": ("no status for the first 4 s, then normal", _early(_no_status)),
    "error-text-on-success": ("completed, with error messages left over from retries", _error_text),
}

_URLS: dict[str, Row] = {
    "no-url": ("completed, but without a URL", _without_url),
    "late-url": ("completed, but the URL is missing for 4 s", _when(_is_url_late, _without_url)),
    "relative-url": ("a relative URL that needs the key", _url(lambda q: f"/v1/videos/{q.file_name}/content")),
    "redirect-url": ("a URL that needs the key and redirects to the file", _url(_redirect_url)),
    "signed-url": ("a signed URL with an escaped slash, refused if it is altered", _url(_signed_url)),
    "spaced-url": ("a URL with spaces and backticks around it", _url(lambda q: f" `{q.file_url()}` ")),
    "expired-url": ("completed immediately; the first URL has expired, a new query returns a valid one", _expired_url),
    "html-video": ("the URL serves a web page", _url(lambda q: q.file_url("html"))),
    "truncated-video": ("the first download is cut off in the middle", _url(lambda q: q.file_url("short-body"))),
    "other-url": ("the URL in detail.video_url", _url_at("detail.video_url")),
    **{f"other-url-{re.sub('[^a-z0-9]+', '-', at).strip('-')}": (f"the URL in {at}", _url_at(at)) for at in URL_PLACES},
}


def _in_folder(folder: str) -> Script:
    return _url(lambda query: query.file_url(folder))


_FILES: dict[str, Row] = {
    **{f"file-{folder}": (f"the file {summary}", _in_folder(folder)) for folder, summary in FOLDERS.items()},
    "file-data-url": ("the URL contains the video itself", _url(lambda query: query.data_url)),
}

_ERRORS: dict[str, Row] = {
    "not-found-first": ("404 task not found for the first 4 s, then normal", _early(_NOT_FOUND)),
    "not-exist-first": ("400 task_not_exist for the first 4 s, then normal", _early(_NOT_EXIST)),
    "never-found": ("404 task not found every time", _NOT_FOUND),
    "flaky": ("every second response is a 503", _when(lambda q: q.number % 2 == 0, _status(503))),
    "http-401-quota": ("401 with a quota code every time", _nested(401, *_QUOTA, BEARER)),
    "http-403-quota": ("403 with a quota code every time", _nested(403, *_QUOTA)),
    "http-403-saturated": ("403 with an overload message twice", _twice(_flat(403, "fail_to_fetch_task", _SATURATED))),
    "http-429-quota": ("429 with a quota code every time", _nested(429, *_QUOTA)),
    "http-429-retry-after": ("429 with Retry-After: 1 twice, then normal", _twice(_status(429, ("retry-after", "1")))),
    "http-503-model-not-found": ("503 no available channel every time", _NO_CHANNEL),
    "html-502": ("502 with a web page every time", _page(502, "502 Bad Gateway")),
    "html-200": ("200 with a web page every time", _page(200, "Console")),
    "empty-200": ("200 without a body every time", _always(200, b"")),
    "not-json-200": ("200 with text that is not JSON every time", _always(200, b'{"id": "grok:')),
    "error-200": ("200 with a failed query twice, then normal", _twice(_flat(200, 400, "fail_to_fetch_task"))),
    **{f"http-{status}": (f"{status} every time", _status(status)) for status in STATUS_ERRORS},
}

#: A summary and a response for each kind of hiccup.
_FAULTS_OF_HICCUPS: dict[str, Row] = {
    "400": ("400", _status(400)),
    "401": ("401", _status(401)),
    "402": ("402 with a quota code", _status(402)),
    "403": ("403", _status(403)),
    "404": ("404 in plain text", _always(404, b"404 page not found\n", "text/plain; charset=utf-8")),
    "404-router": ("404 of a router", _flat(404, 404, "Application not found")),
    "not-exist": ("400 task_not_exist", _NOT_EXIST),
    "upstream": ("400 of the upstream", _nested(400, "upstream_error", "do_request_failed", "reset by peer")),
    "challenge": ("403 with the page of a firewall", _page(403, "Checking your browser")),
    "maintenance": ("200 with a page about maintenance", _page(200, "Back soon")),
    "empty-200": ("200 without a body", _always(200, b"")),
    "code-429": ("200 with a code 429", _flat(200, 429, "slower, please")),
    "code-500": ('200 with a code "500"', _flat(200, "500", "no luck")),
    "code-502": ("200 with a code 502", _flat(200, 502, "")),
    "rate-limit": ("200 with a rate_limit_error", _nested(200, "rate_limit_error", "", "the limit is reached")),
    "server-error": ("200 with a server_error", _nested(200, "server_error", "", "no luck")),
    "overloaded": ("200 with an overloaded_error", _nested(200, "overloaded_error", "", "no luck")),
    "busy": ("200 that asks to try again later", _flat(200, 1, "all workers are busy, try again later")),
    "busy-chinese": ("200 that says busy in Chinese", _flat(200, 1, "服务繁忙，请稍后再试")),
}

_HICCUPS: dict[str, Row] = {
    f"hiccup-{name}": (f"normal, but {summary} from the second query to the fifth", _hiccup(fault))
    for name, (summary, fault) in _FAULTS_OF_HICCUPS.items()
} | {
    f"hiccup-{name}-stays": (f"found by the first query, then {_FAULTS_OF_HICCUPS[name][0]} every time", script)
    for name in ("401", "402", "not-exist", "empty-200")
    for script in [_after_first(_FAULTS_OF_HICCUPS[name][1])]
}

SCENARIOS: dict[str, Row] = {
    **(_TASKS | _FIELDS | _URLS | _FILES | _ERRORS | _HICCUPS),
    **{f"forms-{name}": row for name, row in _FORMS.items()},
}


def scenarios() -> dict[str, str]:
    """Return every scripted task: its name, as in ``grok:scenario-<name>``, and a line that says what it does."""
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

    Every response about ``<model>:fault-<name>`` has the fault, as does the first download of the video of
    ``<model>:video-fault-<name>``. An id that ends with ``~<anything>``, as in ``grok:scenario-fails~2``, is another
    task with the same script. For any other id, there is no task.
    """
    found = _TASK_ID.fullmatch(task_id)
    if found is None:
        return _NOT_EXIST
    kind, name = (found["kind"] or "scenario").lower(), (found["name"] or "normal").lower()
    if name not in (SCENARIOS if kind == "scenario" else FAULTS):
        table = kind.removeprefix("video-")
        message = f"no {table} has this name: see kkiai mock --list"
        return _nested(400, "invalid_request_error", f"unknown_{table}", message)
    if kind == "scenario":
        return SCENARIOS[name][1]
    if kind == "fault":
        return lambda query: replace(query.reply(), fault=name)
    return _url(lambda query: query.file_url(name))
