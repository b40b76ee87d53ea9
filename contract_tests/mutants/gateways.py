"""Gateways with one defect each: functions from a request and its correct reply to the reply that is sent."""

from __future__ import annotations

import json
from gzip import compress
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from contract_tests.faulty_gateway import BEARER, KEY, Mutation, Reply, conforming
from contract_tests.wire import VIDEO_URL, task
from kkiai_sdk.contract._messages import values_of

if TYPE_CHECKING:
    from kkiai_sdk.contract._messages import Request

#: The tasks that these gateways know.
TASKS: dict[str, dict[str, Any]] = {
    "grok:1b0d9a52-3f2e-4c0b-9a76-2f6f0f8a1c41": {"status": "pending"},
    "grok:2b0d9a52-3f2e-4c0b-9a76-2f6f0f8a1c42": {"status": "processing", "progress": 40},
    "grok:3b0d9a52-3f2e-4c0b-9a76-2f6f0f8a1c43": {"status": "completed", "video_url": VIDEO_URL, "progress": 100},
    "grok:4b0d9a52-3f2e-4c0b-9a76-2f6f0f8a1c44": {"status": "failed", "error": {"code": "x", "message": "refused"}},
}
IDS = tuple(TASKS)
MILLISECONDS = 1_767_603_612_345
SECONDS = MILLISECONDS // 1000


def serve(defect: Mutation) -> Mutation:
    """The replies of a gateway that knows the four tasks and has one defect."""
    return lambda request, reply: defect(request, known(request, reply))


def known(request: Request, reply: Reply) -> Reply:
    """The correct reply of a gateway that knows the four tasks."""
    task_id = request.parameter("id") or ""
    is_asked = b"task_not_exist" in reply.body and task_id in TASKS
    return Reply(200, task(id=task_id, **TASKS[task_id])) if is_asked else reply


@frozen
class Defect:
    """The defect of one gateway, which may lie below a path."""

    group: str
    name: str
    mutation: Mutation
    prefix: str = ""


def _good(**facts: Any) -> Mutation:
    """Other fields in every task."""
    return _when(lambda _: True, **facts)


def _when(fits: Any, **facts: Any) -> Mutation:
    return lambda _, reply: reply.but(value=reply.value | facts) if reply.status == 200 and fits(reply.value) else reply


def _is(status: str) -> Any:
    return lambda value: value["status"] == status


def _without(name: str, fits: Any = lambda _: True) -> Mutation:
    def drop(_: Request, reply: Reply) -> Reply:
        if reply.status != 200 or not fits(reply.value):
            return reply
        return reply.but(value={key: value for key, value in reply.value.items() if key != name})

    return drop


def _on(which: int, /, **facts: Any) -> Mutation:
    """Other facts of every reply that has this status."""
    return lambda _, reply: reply.but(**facts) if reply.status == which else reply


def _unknown(**facts: Any) -> Mutation:
    """Other facts of every reply about a task that does not exist."""
    return lambda _, reply: reply.but(**facts) if b"task_not_exist" in reply.body else reply


def _bad_id(**facts: Any) -> Mutation:
    """Other facts of every reply that refuses an id."""
    return lambda _, reply: reply.but(**facts) if b"bad_id" in reply.body else reply


def _body(change: Any) -> Mutation:
    """Other bytes in place of every task."""
    return lambda _, reply: reply.but(value=change(reply.body)) if reply.status == 200 else reply


def _value(change: Any) -> Mutation:
    """Another JSON value in place of every task."""
    return lambda _, reply: reply.but(value=change(reply.value)) if reply.status == 200 else reply


def _with_key(answer: Mutation) -> Mutation:
    """The reply as if every key were good, if ``answer`` leaves it unchanged."""

    def let_in(request: Request, reply: Reply) -> Reply:
        good = (("Authorization", f"Bearer {KEY}"),)
        return known(request, conforming(evolve(request, headers=good))) if answer(request, reply) is reply else reply

    return let_in


def _only_without_key(request: Request, reply: Reply) -> Reply:
    return reply if not values_of(request.headers, "authorization") else reply.but()


def _only_wrong_key(request: Request, reply: Reply) -> Reply:
    return reply if values_of(request.headers, "authorization") else reply.but()


def _on_forwarded(request: Request, reply: Reply) -> Reply:
    has_field = bool(values_of(request.headers, "x-forwarded-host"))
    return reply.but(status=502, value={"error": "no such host"}) if has_field else reply


def _on_letters(request: Request, reply: Reply) -> Reply:
    return reply.but(status=500, value={"error": "oops"}) if "%C3%A9" in request.query else reply


def _on_quotes(request: Request, reply: Reply) -> Reply:
    is_injected = "%27" in request.query or "'" in request.query
    return reply.but(status=200, value=task()) if is_injected and reply.status == 400 else reply


def _on_empty_id(request: Request, reply: Reply) -> Reply:
    return reply.but(status=500, value={"error": "oops"}) if request.query == "id=" else reply


def _post_with_key(request: Request, reply: Reply) -> Reply:
    if request.method != "POST":
        return reply
    is_known = _credential(request) == f"Bearer {KEY}"
    return reply.but(status=200, value=task()) if is_known else Reply(401, {"error": "no token"}, BEARER)


def _on_method(method: str, **facts: Any) -> Mutation:
    return lambda request, reply: reply.but(**facts) if request.method == method else reply


def _every_second(change: Any) -> Mutation:
    """Another JSON value in place of every second task; ``change`` gets the number of the answer, too."""
    numbers = count(1)

    def turn(_: Request, reply: Reply) -> Reply:
        number = next(numbers) if reply.status == 200 else 0
        return reply.but(value=reply.value | change(reply.value, number)) if number else reply

    return turn


def _with_credential(fits: Any) -> Mutation:
    """As if the key were good where ``fits`` says so of the request."""

    def let_in(request: Request, reply: Reply) -> Reply:
        good = (("Authorization", f"Bearer {KEY}"),)
        is_let_in = reply.status == 401 and fits(request)
        return known(request, conforming(evolve(request, headers=good))) if is_let_in else reply

    return let_in


def _credential(request: Request) -> str:
    return "".join(values_of(request.headers, "authorization"))


def _forwarded(change: Any) -> Mutation:
    """Another JSON value in place of every task that is asked for with X-Forwarded-Host."""

    def pass_on(request: Request, reply: Reply) -> Reply:
        hosts = values_of(request.headers, "x-forwarded-host")
        return reply.but(value=reply.value | change(hosts[0])) if hosts and reply.status == 200 else reply

    return pass_on


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def _small_letters(request: Request, reply: Reply) -> Reply:
    is_small = _credential(request).startswith("bearer ")
    return Reply(401, {"error": "no token"}, BEARER) if is_small else reply


HTML = b"<!doctype html><title>Sign in</title>"
NO_TASK = {"code": "task_not_exist", "message": "no such task", "data": None}
_TIME, _ID, _URL = "status_update_time", "id", "video_url"

_TABLE: dict[str, dict[str, Mutation]] = {
    "fields": {
        **{f"no {name}": _without(name) for name in task()},
        "an undocumented field": _good(model="veo"),
        "progress as text": _when(_is("processing"), progress="40%"),
        "an error beside a task that runs": _when(_is("processing"), error={"code": "x", "message": "oops"}),
        "the id under another name": _value(lambda v: {"task_id": v["id"], **{k: v[k] for k in v if k != "id"}}),
        "the URL in another place": _when(_is("completed"), video_url=None, output={"url": VIDEO_URL}),
    },
    "types": {
        "a number for the id": _good(id=7),
        "null for the id": _good(id=None),
        "a number for the status": _good(status=3),
        "null for the status": _good(status=None),
        "a list for the URL": _good(video_url=[VIDEO_URL]),
        "an object for the URL": _good(video_url={"url": VIDEO_URL}),
        "false for the URL": _good(video_url=False),
        "null for the prompt": _good(enhanced_prompt=None),
        "a list for the prompt": _good(enhanced_prompt=["a"]),
        "text for the time": _good(status_update_time=str(MILLISECONDS)),
        "an ISO date for the time": _good(status_update_time="2026-01-05T09:00:12Z"),
        "a fraction for the time": _good(status_update_time=MILLISECONDS + 0.5),
        "a whole number with a fraction for the time": _good(status_update_time=float(MILLISECONDS)),
        "null for the time": _good(status_update_time=None),
    },
    "values": {
        "seconds": _good(status_update_time=SECONDS),
        "microseconds": _good(status_update_time=MILLISECONDS * 1000),
        "no time yet": _good(status_update_time=0),
        "a time before 1970": _good(status_update_time=-1),
        "a time beyond 64 bits": _good(status_update_time=2**64),
        "a new status": _good(status="polishing"),
        "a status in capitals": _value(lambda v: v | {"status": v["status"].upper()}),
        "a status with spaces": _value(lambda v: v | {"status": f" {v['status']} "}),
        "an empty status": _good(status=""),
        "an empty URL": _good(video_url=""),
        "a relative URL": _when(_is("completed"), video_url="/v1/videos/x/content"),
        "a URL in back-ticks": _when(_is("completed"), video_url=f"`{VIDEO_URL}`"),
        "a URL with spaces": _when(_is("completed"), video_url="https://media.example.com/a cow.mp4"),
        "a URL of a file": _when(_is("completed"), video_url="file:///srv/cow.mp4"),
        "text for no URL": _good(video_url="null"),
        "a URL of data": _when(_is("completed"), video_url="data:video/mp4;base64,AAAA"),
        "a URL with a password": _when(_is("completed"), video_url="https://a:b@media.example.com/a.mp4"),
        "a URL made for a page": _when(_is("completed"), video_url=f"{VIDEO_URL}&amp;b=2"),
        "a URL of another network": _when(_is("completed"), video_url="http://10.0.0.3/a.mp4"),
        "a URL for a task that waits": _when(_is("pending"), video_url=VIDEO_URL),
        "the local time of another place": _good(status_update_time=MILLISECONDS + 8 * 3_600_000),
        "text that was decoded wrongly": _good(enhanced_prompt="caf\ufffd"),
    },
    "ids": {
        "an empty id": _good(id=""),
        "an id of spaces": _good(id="  "),
        "the id in capitals": _value(lambda v: v | {"id": v["id"].upper()}),
        "one id for all tasks": _good(id=IDS[0]),
        "the id of another task": _when(lambda v: v["id"] == IDS[3], id=IDS[1]),
        "another id": _good(id="7d3c"),
        "the id without its prefix": _value(lambda v: v | {"id": v["id"].partition(":")[2]}),
        "crashes on letters beyond ASCII": _on_letters,
        "believes what is in quotes": _on_quotes,
        "no id needed": _bad_id(status=200, value=task()),
        "no limit for ids": _bad_id(status=200, value=task(id="a")),
        "crashes without an id": _bad_id(status=500, value={"error": "oops"}),
        "crashes on an empty id": _on_empty_id,
        "invents unknown tasks": _unknown(status=200, value=task()),
        "forgets known tasks": _on(200, status=400, value=NO_TASK),
    },
    "envelopes": {
        "data around the task": _value(lambda v: {"code": "success", "message": "", "data": v}),
        "two envelopes": _value(lambda v: {"code": "success", "data": {"data": v}}),
        "a list around the task": _value(lambda v: [v]),
        "JSON in JSON": _value(lambda v: json.dumps(json.dumps(v)).encode()),
        "null": _body(lambda _: b"null"),
        "an error under 200": _on(401, status=200),
        "a refusal under 200": _unknown(status=200, value={"code": 400, "message": "fail_to_fetch_task", "data": None}),
    },
    "over time": {
        "times go back": _every_second(lambda _, n: {"status_update_time": MILLISECONDS - n}),
        "the time of the answer": _every_second(lambda _, n: {"status_update_time": MILLISECONDS + n}),
        "another id each time": _every_second(lambda _, n: {"id": f"7d3c{n}"}),
        "a URL on another host each time": _every_second(
            lambda v, n: {"video_url": f"https://m{n}.example.com/a.mp4"} if v["video_url"] else {}
        ),
        "another prompt each time": _every_second(lambda _, n: {"enhanced_prompt": f"a boat {n}"}),
        "finished tasks run again": _every_second(
            lambda v, n: {"status": "processing", "video_url": None} if v["status"] == "completed" and n > 4 else {}
        ),
        "finished tasks fail": _every_second(
            lambda v, n: {"status": "failed", "video_url": None} if v["status"] == "completed" and n > 4 else {}
        ),
        "a type that changes": _every_second(lambda _, n: {"enhanced_prompt": 7} if n > 4 else {}),
    },
    "errors": {
        "null for an error": _unknown(status=404, value=None),
        "an empty error": _unknown(status=404, value={}),
        "an error without words": _on(401, value={"error": {"message": "", "code": None}}),
        "a list of errors": _on(401, value={"error": ["no key"]}),
        "false for a code": _on(401, value={"error": "no key", "code": False}),
        "nothing for an error": _on(401, value=b""),
        "a code in another place": _unknown(value={"message": "task_not_exist"}),
        "text for an error": _unknown(status=404, value=b"task not found"),
    },
    "only when completed": {
        "a number for the prompt": _when(_is("completed"), enhanced_prompt=7),
        "no URL": _when(_is("completed"), video_url=None),
        "no prompt": _without("enhanced_prompt", _is("completed")),
        "seconds": _when(_is("completed"), status_update_time=SECONDS),
        "progress in another form, undeclared": _when(_is("completed"), result={"percent": "100%"}),
        "a page": lambda _, r: r.but(value=HTML) if r.status == 200 and r.value["status"] == "completed" else r,
        "an error status for a failed task": lambda _, r: (
            r.but(status=500, value={"error": "failed"}) if r.status == 200 and r.value["status"] == "failed" else r
        ),
        "404 for a failed task": lambda _, r: (
            r.but(status=404, value={"message": "task not found"})
            if r.status == 200 and r.value["status"] == "failed"
            else r
        ),
    },
    "statuses": {
        "201 for 200": _on(200, status=201),
        "202 for 200": _on(200, status=202),
        "206 for 200": _on(200, status=206),
        "204 and nothing": _on(200, status=204, value=b""),
        "a redirect": _on(200, status=302, headers={"Location": "/v2/video/query"}, value=b""),
        "500 for unknown tasks": _unknown(status=500, value={"error": "no rows"}),
        "422 for unknown tasks": _unknown(status=422),
        "410 for unknown tasks": _unknown(status=410),
        "another code for unknown tasks": _unknown(value={"code": "bad", "message": "no"}),
        "422 for a missing id": _bad_id(status=422),
        "404 for the path": lambda _, r: Reply(404, {"message": "no such path"}) if r.status < 401 else r,
        "200 and an empty object for everything": _value(lambda _: {}),
        "500 for every second known task": lambda q, r: (
            r.but(status=500, value={"error": "busy"}) if r.status == 200 and "%3A2" in q.query else r
        ),
    },
    "keys": {
        "no key needed": _with_key(_only_without_key),
        "any key does": _with_key(_only_wrong_key),
        "403 for no key": _on(401, status=403),
        "400 for no key": _on(401, status=400),
        "404 for no key": _on(401, status=404, value={"message": "task not found"}),
        "a redirect to a sign-in page": _on(401, status=302, headers={"Location": "/login"}, value=b""),
        "an empty token does": _with_credential(lambda q: _credential(q) == "Bearer"),
        "any other scheme does": _with_credential(lambda q: _credential(q).startswith("Basic")),
        "the bare key does": _with_credential(lambda q: _credential(q) == KEY),
        "the word Token does": _with_credential(lambda q: _credential(q) == f"Token {KEY}"),
        "the key in another header does": _with_credential(lambda q: values_of(q.headers, "x-api-key") == [KEY]),
        "the key in the query does": _with_credential(lambda q: q.parameter("access_token") == KEY),
        "bearer in small letters is refused": _small_letters,
        "no challenge": lambda _, r: evolve(r, headers={}) if r.status == 401 else r,
        "another challenge": _on(401, headers={"WWW-Authenticate": "Basic realm=x"}),
    },
    "methods": {
        "POST does the same": _on_method("POST", status=200, value=task()),
        "every method does the same without a key": _on(405, status=200, value=task()),
        "POST does the same with a key": _post_with_key,
        "DELETE answers 204": _on_method("DELETE", status=204, value=b"", media_type=""),
        "HEAD is a page": _on_method("HEAD", status=200, value=HTML, media_type="text/html"),
        "HEAD crashes": _on_method("HEAD", status=500, value={"error": "oops"}),
        "PUT crashes": _on_method("PUT", status=500, value={"error": "oops"}),
        "405 without Allow": lambda _, r: evolve(r, headers={}) if r.status == 405 else r,
        "Allow names too many": _on(405, headers={"Allow": "GET, POST"}),
        "404 for other methods": _on(405, status=404),
    },
    "media types": {
        "text/plain": _on(200, media_type="text/plain"),
        "no media type": _on(200, media_type=""),
        "octets": _on(200, media_type="application/octet-stream"),
        "text/json": _on(200, media_type="text/json"),
        "another alphabet": _on(200, media_type="application/json; charset=gbk"),
        "a page for a task": _on(200, value=HTML, media_type="text/html"),
        "a page for no key": _on(401, value=HTML, media_type="text/html"),
        "plain text for unknown tasks": _unknown(value=b"not found", media_type="text/plain"),
        "a page that says it is JSON": _on(200, value=HTML),
    },
    "headers": {
        "an undocumented header": _on(200, headers={"X-Powered-By": "steam"}),
        "a cookie": _on(200, headers={"Set-Cookie": "session=1"}),
        "Retry-After with a word": _unknown(status=429, headers={"Retry-After": "soon"}),
        "X-Forwarded-Host is used": _on_forwarded,
        "X-Forwarded-Host is in the URL": _forwarded(lambda host: {"video_url": f"https://{host}/a.mp4"}),
        "X-Forwarded-Host changes the prompt": _forwarded(lambda host: {"enhanced_prompt": host}),
        "two dates": _on(200, extra=(("Date", "Mon, 05 Jan 2026 11:00:00 GMT"),)),
        "two media types": _on(200, extra=(("Content-Type", "text/plain"),)),
        "two request ids": _on(200, extra=(("X-Oneapi-Request-Id", "a"), ("X-Oneapi-Request-Id", "b"))),
    },
    "framing": {
        "nothing": _body(lambda _: b""),
        "a length and chunks": lambda _, r: (
            r.but(value=_chunked(r.body), headers={"Transfer-Encoding": "chunked"}) if r.status == 200 else r
        ),
        "two lengths": _on(200, extra=(("Content-Length", "9"),)),
        "packed unasked": lambda _, r: (
            r.but(value=compress(r.body), headers={"Content-Encoding": "gzip"}) if r.status == 200 else r
        ),
        "packed in silence": _body(compress),
        "packed in another way": _on(200, headers={"Content-Encoding": "br"}),
        "a zero behind it": _body(lambda body: body + b"\0"),
        "cut in the middle": _body(lambda body: body[: len(body) // 2]),
        "two documents": _body(lambda body: body * 2),
        "a byte order mark": _body(lambda body: b"\xef\xbb\xbf" + body),
        "a call around it": _body(lambda body: b"callback(" + body + b")"),
        "a guard before it": _body(lambda body: b")]}',\n" + body),
        "a comma too many": _body(lambda body: body[:-1] + b",}"),
        "NaN": _body(lambda body: body.replace(str(MILLISECONDS).encode(), b"NaN")),
        "single quotes": _body(lambda body: body.replace(b'"', b"'")),
        "a name twice": _body(lambda body: b'{"id": "x",' + body[1:]),
        "UTF-16": _body(lambda body: body.decode().encode("utf-16")),
        "not UTF-8": _body(lambda body: body.replace(b"pending", b"p\xe9nding").replace(b"completed", b"\xe9")),
        "half a surrogate pair": _body(lambda body: body.replace(b'prompt": ""', b'prompt": "\\ud800"')),
        "a length that is too long": lambda _, r: r.but(headers={"Content-Length": str(len(r.body) + 9)}),
        "a length that is too short": _on(200, headers={"Content-Length": "40"}),
        "packed, it says": _on(200, headers={"Content-Encoding": "gzip"}),
        "in chunks, it says": _on(200, headers={"Transfer-Encoding": "chunked"}),
    },
}  # fmt: skip
#: Defects that are tried once more below a path.
_BELOW = frozenset(
    {"over time: times go back", "keys: the bare key does", "methods: POST does the same", "ids: another id"}
    | {"values: seconds", "ids: crashes on letters beyond ASCII", "only when completed: no URL", "framing: NaN"}
)
_AT_THE_TOP = tuple(Defect(group, name, mutation) for group, rows in _TABLE.items() for name, mutation in rows.items())
DEFECTS = (
    *_AT_THE_TOP,
    *(
        Defect("below a path", each.name, each.mutation, "/proxy/video")
        for each in _AT_THE_TOP
        if f"{each.group}: {each.name}" in _BELOW
    ),
)
