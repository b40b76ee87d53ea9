"""The scripts that tasks can play: one table, from a name to what every query is told.

A script is a pure function of a :class:`Poll`. To add a habit of some gateway, add a row.
"""

from __future__ import annotations

import re
from dataclasses import replace

from kkiai_sdk.mock import _errors as f
from kkiai_sdk.mock import _habits as h
from kkiai_sdk.mock._errors import Fault, Script
from kkiai_sdk.mock._faults import FAULTS
from kkiai_sdk.mock._messages import Reply
from kkiai_sdk.mock._tasks import ENDS_AT, NORMAL, RUNS_AT, Phase, Poll, ending, task

#: Gateway seconds that every answer of ``slow`` takes.
SLOW = 2.0

#: Every place but ``video_url`` where gateways put the URL.
URL_PLACES: tuple[h.Place, ...] = (
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
_NOT_FOUND = f.nested(404, Fault("invalid_request_error", "", "task not found"))
_NOT_EXIST = f.flat(400, "task_not_exist", "task_not_exist")
_QUOTA = Fault("gateway_error", "insufficient_user_quota", "the quota of this user is used up")
_SATURATED = {"error": {"message": "the upstream is saturated", "type": "upstream_load_saturated"}}
_NO_CHANNEL = Fault("gateway_error", "model_not_found", "no available channel for this model")
_NO_SCENARIO = f.nested(
    400, Fault("invalid_request_error", "unknown_scenario", "no scenario has this name: see kkiai mock --list")
)
_NO_FAULT = f.nested(
    400, Fault("invalid_request_error", "unknown_fault", "no fault has this name: see kkiai mock --list")
)
_NEW_WORD = (NORMAL[0], Phase(RUNS_AT, "polishing_pixels"), Phase(6.0, "processing"), NORMAL[-1])
_OTHER_ID = "7c0e2f64-1d5b-4f0a-8a63-52b9d4c1e7aa"


def _stalls(poll: Poll) -> Reply:
    return f.ok(task(replace(poll, elapsed=min(poll.elapsed, 5.5))))


def _slow(poll: Poll) -> Reply:
    return replace(f.normal(poll), delay=SLOW)


def _expired_url(poll: Poll) -> Reply:
    done = task(replace(poll, elapsed=max(poll.elapsed, ENDS_AT)))
    return f.ok(done | {"video_url": poll.file_url("expired" if poll.number == 1 else "")})


def _retry_after(poll: Poll) -> Reply:
    return replace(f.status_fault(429)(poll), headers=(("retry-after", "1"),))


def _faulty(name: str) -> Script:
    return lambda poll: replace(f.normal(poll), fault=name)


def _ends(status: str, **fields: object) -> Script:
    return h.with_habit(h.when_failed(status, **fields), ending(status))


def _url(make: h.UrlMaker) -> Script:
    return h.with_habit(h.url_made_by(make))


Row = tuple[str, Script]

_LIVES: dict[str, Row] = {
    "normal": ("pending for 2 s, running for 8 s, then completed", f.normal),
    "fails": ("ends as failed, with a message and a code", _ends("failed", error=_REFUSED)),
    "cancelled": ("ends as cancelled", _ends("cancelled")),
    "expires": ("ends as expired, the reason in fail_reason", _ends("expired", fail_reason="no worker was free")),
    "stalls": ("runs for ever and never gets past 43 %", _stalls),
    "slow": ("lives normally, but every answer takes 2 s", _slow),
}

_FIELDS: dict[str, Row] = {
    "minimal": ("only id, status and time while it runs, and the URL at the end", h.with_habit(h.minimal)),
    "seconds": ("the time in seconds instead of milliseconds", h.with_habit(h.seconds)),
    "wrapped": ("the task inside an envelope inside an envelope", h.with_habit(h.wrapped)),
    "wrapped-fails": ("an envelope that tells of a failure", h.with_habit(h.wrapped_failure, ending("failed"))),
    "wrapped-null": ("an envelope without data for 4 s, then normal", f.early(f.always(f.ok(h.EMPTY_ENVELOPE)))),
    "bare-id": ("answers the id without its prefix", h.with_habit(h.bare_id)),
    "other-id": ("answers another id altogether", h.with_habit(lambda _, body: body | {"id": _OTHER_ID})),
    "task-id": ("says task_id instead of id", h.with_habit(h.under_task_id)),
    "odd-case": ("the status in capitals, with spaces around it", h.with_habit(h.odd_case)),
    "new-status": ("a status that nobody has heard of for 4 s, then normal", h.with_habit(h.unchanged, _NEW_WORD)),
    "unknown-status": ("status unknown for the first 4 s, then normal", h.with_habit(h.early_status("unknown"))),
    "missing-status": ("no status for the first 4 s, then normal", h.with_habit(h.early_status(None))),
    "error-text-on-success": ("completed, with error texts left over from retries", h.with_habit(h.error_text)),
}

_URLS: dict[str, Row] = {
    "no-url": ("completed, and never a URL", h.with_habit(h.no_url)),
    "late-url": ("completed, and the URL comes 4 s later", h.with_habit(h.late_url)),
    "relative-url": ("a URL that starts at the gateway and needs the key", _url(h.relative_url)),
    "redirect-url": ("a URL at the gateway that needs the key and redirects to the file", _url(h.redirecting_url)),
    "signed-url": ("a signed URL with an escaped slash, refused once it is altered", _url(h.signed_url)),
    "spaced-url": ("a URL with spaces and back-ticks around it", _url(h.spaced_url)),
    "expired-url": ("completed at once; the first URL has expired, a new query gives a good one", _expired_url),
    "html-video": ("the URL answers a web page", _url(lambda poll: poll.file_url("html"))),
    "truncated-video": ("the first download is cut in the middle", _url(lambda poll: poll.file_url("short-body"))),
    "other-url": ("the URL in detail.video_url", h.with_habit(h.url_at("detail", "video_url"))),
    **{
        f"other-url-{h.hyphenated(place)}": (f"the URL in {h.dotted(place)}", h.with_habit(h.url_at(*place)))
        for place in URL_PLACES
    },
}

_ERRORS: dict[str, Row] = {
    "not-found-first": ("404 task not found for the first 4 s, then normal", f.early(_NOT_FOUND)),
    "not-exist-first": ("400 task_not_exist for the first 4 s, then normal", f.early(_NOT_EXIST)),
    "never-found": ("404 task not found every time", _NOT_FOUND),
    "flaky": ("every second answer is a 503", f.every_second(f.status_fault(503))),
    "http-401-quota": ("401 with a quota code every time", f.nested(401, _QUOTA, f.BEARER)),
    "http-403-quota": ("403 with a quota code every time", f.nested(403, _QUOTA)),
    "http-403-saturated": ("403 around an overload twice, then normal", f.at_first(f.packed(403, _SATURATED))),
    "http-429-quota": ("429 with a quota code every time", f.nested(429, _QUOTA)),
    "http-429-retry-after": ("429 with Retry-After: 1 twice, then normal", f.at_first(_retry_after)),
    "http-503-model-not-found": ("503 no available channel every time", f.nested(503, _NO_CHANNEL)),
    "html-502": ("502 with a web page every time", f.page(502, "502 Bad Gateway")),
    "html-200": ("200 with a web page every time", f.page(200, "Console")),
    "empty-200": ("200 without a body every time", f.always(Reply(200))),
    "not-json-200": ("200 with text that is not JSON every time", f.always(Reply(200, b'{"id": "grok:'))),
    "error-200": ("200 around a failed query twice, then normal", f.at_first(f.flat(200, 400, "fail_to_fetch_task"))),
    **{f"http-{status}": (f"{status} every time", f.status_fault(status)) for status in f.STATUS_FAULTS},
}

SCENARIOS: dict[str, Row] = _LIVES | _FIELDS | _URLS | _ERRORS


def scenarios() -> dict[str, str]:
    """Every scripted task: the name, as in ``grok:scenario-<name>``, and one line on what it does."""
    return {name: summary for name, (summary, _) in SCENARIOS.items()}


_TASK_ID = re.compile(
    r"[\w.-]{1,64}:(?:"
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?P<kind>scenario|fault|video-fault)-(?P<name>[a-z0-9-]{1,64})(?:~[\w.-]{1,64})?"
    r")",
    re.ASCII | re.IGNORECASE,
)


def script_of(task_id: str) -> Script:
    """What the task plays: ``<model>:<uuid>`` a normal life, ``<model>:scenario-<name>`` the named script.

    ``<model>:fault-<name>`` lives normally, but the fault befalls every answer about it; for
    ``<model>:video-fault-<name>`` it befalls the first download of its video. ``~<anything>`` at the end, as in
    ``grok:scenario-fails~2``, makes another task of the same script. Any other id is one of a task that does not exist.
    """
    found = _TASK_ID.fullmatch(task_id)
    if found is None:
        return _NOT_EXIST
    kind, name = (found["kind"] or "scenario").lower(), (found["name"] or "normal").lower()
    if kind == "scenario":
        return SCENARIOS[name][1] if name in SCENARIOS else _NO_SCENARIO
    if name not in FAULTS:
        return _NO_FAULT
    return _url(lambda poll: poll.file_url(name)) if kind == "video-fault" else _faulty(name)
