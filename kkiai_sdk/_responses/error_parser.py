"""Converts a response to a typed error, or to the JSON object of a success.

Errors are classified by HTTP status, ``code`` and ``type``, and by text only as the last resort, because it is
translated, reworded and sometimes wrong ("please slow down" for an empty account). For a new error, add a row to
:data:`CODE_RULES`, or to :data:`TEXT_RULES` if it has nothing but text.

Gateways also report a rate limit, or a fault of a server behind them, with another status, such as 200 or 400. A
number, a code, a type or a text that stands for a transient status is therefore treated as that status: see
:data:`TRANSIENT_WORDS`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import evolve, frozen

from kkiai_sdk import _redaction, errors
from kkiai_sdk._responses.layers import (
    SUCCESS_CODES,
    TASK_IDS,
    find_layers,
    has_success_code,
    holds_task,
    is_about_task,
    is_failed_task,
    says_success,
)
from kkiai_sdk._responses.raw_response import RawResponse, parse_retry_after
from kkiai_sdk._responses.strict_json import parse_leniently, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Maximum bytes of the response to a query. Real ones have a few thousand, but embedded images and videos (``data:``
#: URLs) take megabytes.
MAX_BODY = 1 << 25
#: Bytes of an error body that are read.
MAX_ERROR_BODY = 1 << 20
#: Maximum characters of a body other than JSON that an error keeps.
MAX_TEXT_BODY = 2000
#: Maximum levels of JSON nested as text inside ``message``, one for each gateway behind a gateway.
MAX_NESTED = 3


@frozen
class ErrorFields:
    """Code, type and message of an error body of any form."""

    code: str | None = None
    type: str | None = None
    message: str = ""
    #: The first number from 400 to 599 under a name for a code or a status, the innermost object first.
    status: int | None = None


@frozen
class Rule:
    """Assigns an error class to codes, types or texts of gateways. The first matching rule counts."""

    error: type[errors.APIStatusError]
    transient: bool
    #: Codes or types, in lower case.
    words: frozenset[str] = frozenset()
    #: A pattern to search for in the message, compiled on demand because it is rarely needed.
    text: str = ""
    #: HTTP statuses to which the rule applies; empty for all.
    statuses: frozenset[int] = frozenset()

    def matches(self, status: int, fields: ErrorFields) -> bool:
        """Whether the rule applies to a response with this status and these fields."""
        if self.statuses and status not in self.statuses:
            return False
        codes = {(fields.code or "").lower(), (fields.type or "").lower()}
        return bool(self.words & codes) or bool(self.text and re.search(self.text, fields.message))


QUOTA_TEXT = (
    r"(?i)额度(?:已|已经)?(?:用尽|用完|不足)|余额不足"
    r"|\bquota\b.{0,40}\b(?:exhausted|used up|not enough|insufficient)"
    r"|\b(?:insufficient|not enough|exhausted)\b.{0,20}\b(?:quota|balance|credits?)\b"
)
CODE_RULES: Sequence[Rule] = (
    Rule(errors.TaskNotFoundError, False, words=frozenset({"task_not_exist", "task_not_found"})),
    Rule(
        errors.QuotaExceededError,
        False,
        words=frozenset({"insufficient_user_quota", "insufficient_quota", "quota_not_enough", "quota_exceeded"}),
    ),
    Rule(errors.ServerError, True, words=frozenset({"upstream_load_saturated"})),
    # "No available channel for this model": permanent for this key, unlike every other 503.
    Rule(errors.ServerError, False, words=frozenset({"model_not_found"}), statuses=frozenset({503})),
)
TEXT_RULES: Sequence[Rule] = (
    Rule(
        errors.TaskNotFoundError,
        False,
        text=r"(?i)\btask[ _]?(?:id )?(?:is |was |does |did )?not[ _](?:found|exist)|任务不存在",
        statuses=frozenset({400, 404}),
    ),
    Rule(errors.QuotaExceededError, False, text=QUOTA_TEXT, statuses=frozenset({401, 403})),
)
STATUS_ERRORS: Mapping[int, type[errors.APIStatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.QuotaExceededError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
}
#: 501 and 505 mean that the server lacks a feature; every other 5xx is transient.
PERMANENT_5XX = frozenset({501, 505})
TRANSIENT_4XX = frozenset({408, 409, 425, 429})


@frozen
class TransientWords:
    """Words that indicate a transient error, in codes, types and texts that no other rule covers."""

    error: type[errors.APIStatusError]
    #: A pattern to search for in a code or type in lower case whose words are joined by underscores.
    code: str
    #: A pattern to search for in a message.
    text: str
    #: HTTP statuses that take precedence over these words.
    except_statuses: frozenset[int] = frozenset()


#: Statuses about the key. A faulty server that checks keys can return them, but seldom with words about an upstream.
KEY_STATUSES = frozenset({401, 402, 403})
TRANSIENT_WORDS: Sequence[TransientWords] = (
    TransientWords(
        errors.RateLimitError,
        code=r"too_many|rate_?limit|throttl|frequen|(?:request|concurren)\w*_limit|resource_exhausted|slow_down",
        text=(
            r"(?i)too many (?:\w+ )?(?:requests|queries|calls)|\brate[ _-]?limit|too (?:frequent|fast|often)|slow down"
            r"|throttl|concurren\w+ .{0,20}\blimit|requests? limit"
            r"|[频頻]繁|限流|限速|(?:频率|并发).{0,6}(?:限制|过|超|上限)"
        ),
    ),
    TransientWords(
        errors.ServerError,
        code=(
            r"overload|saturat|unavailable|busy|maintenance|temporar|try_again|server_error|service_error|system_error"
            r"|internal|bad_gateway|gateway_time|time_?out|timed_out|deadline_exceeded"
        ),
        text=(
            r"(?i)(?:try|retry)(?: it| this| your request)? (?:again|later)|\bbusy\b|overload|saturat|under maintenance"
            r"|(?:server|service|system|upstream|gateway|temporarily|currently) .{0,20}\bunavailable"
            r"|internal (?:server |service )?error|\bserver (?:had an )?error|bad gateway|\btimed out|deadline exceeded"
            r"|(?:i/o|gateway|upstream|request|read|connect\w*) time-?out|connection (?:reset|refused|closed)"
            r"|稍[后後候]|请重试|[请請]再[试試]|[繁系].?忙|忙碌|服务(?:器)?(?:异常|不可用|错误)|系统(?:异常|错误|维护)"
            r"|网络(?:异常|错误)|负载|饱和|过载|超时|维护中|内部错误|too many connections|connection pool"
        ),
    ),
    TransientWords(
        errors.ServerError,
        code=r"upstream|bad_response|request_failed|fail(?:ed)?_to_(?:fetch|get|query)|get_\w+_failed|connection|network",
        text=r"(?i)\bupstream (?:request |connect )?(?:error|fail)|connect error",
        except_statuses=KEY_STATUSES,
    ),
    # The task is in progress.
    TransientWords(
        errors.ServerError,
        code=r"not_?(?:ready|finished|completed)|in_progress",
        text=(
            r"(?i)\b(?:is|still|being) (?:processing|processed|running|pending|queued|generat(?:ing|ed)|in progress)\b"
            r"|\bnot (?:yet )?(?:ready|finished|completed?)\b|(?:处理|生成|排队|进行)中|[未没](?:处理|生成)?完成"
        ),
        except_statuses=KEY_STATUSES | {400},
    ),
)
#: Codes in the same form that are final, whatever the type and the text say.
FINAL_CODE = (
    r"invalid|denied|forbidden|unauthori|authenti|permission|not_(?:found|exist|allowed|supported|implemented)|billing"
    r"|balance|credit|quota|arrear|overdue|banned|revoked|suspend|policy|moderat|sensitive|unsupported|missing"
)
#: Types in the same form that are final, whatever the text says. An invalid request is not: many gateways give every
#: error that type.
FINAL_TYPE = r"authenti|permission|billing|quota"
#: HTTP statuses in a body that are final, whatever the type and the text say.
FINAL_STATUSES = frozenset({401, 402})

#: Names of the objects and values of an error body, the surest first.
OBJECT_NAMES = ("error", "Error", "errors", "detail", "message", "base_resp", "Response", "data")
CODE_NAMES = ("code", "Code", "error_code", "errorCode", "err_code", "errcode", "status_code", "statusCode")
TYPE_NAMES = ("type", "error_type", "errorType")
MESSAGE_NAMES = (
    *("error", "message", "localized_message", "message_zh", "msg", "detail", "Message"),
    *("error_message", "errorMessage", "error_msg", "errmsg", "err_msg", "status_msg", "reason"),
)
STATUS_NAMES = (*CODE_NAMES, "status", "http_status", "http_code")

#: Hints appended to messages.
HINTS: Mapping[type[errors.APIStatusError], str] = {
    errors.AuthenticationError: "check the API key (KKIAI_API_KEY)",
    errors.QuotaExceededError: "the account or the key is out of quota: top it up",
    errors.PermissionDeniedError: "the key is not permitted to do this: check its allowed models and addresses",
    errors.NotFoundError: "check the base URL (KKIAI_BASE_URL)",
    errors.TaskNotFoundError: "check the id; a task that was just created may be unknown for a few seconds",
}

#: Codes and messages of queries that failed for a transient reason.
TRANSIENT_CODES = frozenset(
    {"fail_to_fetch_task", "internal server error", "not found", "get_task_failed", "do_request_failed"}
)
_REQUEST_ID = r"\(request id: ([\x21-\x28\x2a-\x7e]{1,200})\)"
_HTML = r"(?i)\s*<(?:!doctype|html)"
_TITLE = r"(?i)<title[^>]{0,200}>([^<]{1,300})"


def read_status(response: RawResponse, secret: str | None = None, wall_clock: float = 0.0) -> errors.APIError | None:
    """Return the error of a response, judged by its status, or None for a success with a complete body.

    ``secret`` is redacted in the error; ``wall_clock`` (epoch seconds) is compared with a ``Retry-After`` date if the
    server sent no ``Date``.
    """
    if response.is_success and not response.problem:
        return None
    found = ErrorResponse(response, secret, wall_clock)
    if response.is_success:
        return _unreadable(found, response.problem or "")
    error, transient = classify(response.status, found.fields)
    return _build(error, found, transient=transient)


def read_query(
    response: RawResponse, secret: str | None = None, wall_clock: float = 0.0
) -> dict[str, Any] | errors.APIError:
    """Return the JSON object in the response to a query, or the error of the response; see :func:`read_status`."""
    if error := read_status(response, secret, wall_clock):
        return error
    try:
        parsed = parse_object(response.body)
    except ValueError as problem:
        return _unreadable(ErrorResponse(response, secret, wall_clock), str(problem))
    return _failed_query(ErrorResponse(response, secret, wall_clock)) if is_error_object(parsed) else parsed


def is_error_object(parsed: Mapping[str, Any]) -> bool:
    """Whether an object under a success status says that the query failed."""
    if parsed.get("success") is False:
        return not is_failed_task(parsed)
    layers = [layer.members for layer in find_layers(parsed)]
    is_task = any(map(is_about_task, layers))
    if not is_task and holds_task(parsed):
        return False
    if not is_task and not has_success_code(parsed):
        return True
    texts = [parsed.get(key) for key in ("error", "message", "msg", "detail")]
    if not is_task and "data" not in parsed and any(text and not says_success(text) for text in texts):
        return True
    fields = read_fields(parsed)
    # An error can have its own id, but no status in words. Text next to an id is not that of an error.
    words = [value for layer in layers for name, value in layer.items() if _is_status(name, value)]
    # A task is ``failed``; with these words a response says that the query failed.
    if words and not all(isinstance(word, str) and word.strip().lower() in {"error", "fail"} for word in words):
        return False
    has_id = any(not TASK_IDS.isdisjoint(layer) for layer in layers)
    found = transient_class(200, evolve(fields, message="") if has_id else fields)
    return _is_passing(fields) if words and has_id else found is not None


def _is_status(name: str, value: object) -> bool:
    """Whether a member is the status of a task: text under any name for a status, or a boolean for completion."""
    if isinstance(value, str):
        return "stat" in name.lower() or "状态" in name
    return isinstance(value, bool) and bool(re.search(r"(?i)done|finished|completed", name))


def _is_passing(fields: ErrorFields) -> bool:
    """Whether a number, or a code or type for a rate limit, says that the query is to be repeated."""
    is_limited = transient_class(200, evolve(fields, message="", status=None)) is errors.RateLimitError
    return is_limited or (fields.status is not None and _status_class(fields.status)[1])


def classify(status: int, fields: ErrorFields) -> tuple[type[errors.APIStatusError], bool]:
    """Return the error class for a status and the fields of a body, and whether the error is transient."""
    if rule := _matching_rule(status, fields):
        return rule.error, rule.transient
    error, transient = _status_class(status)
    other = transient_class(status, fields)
    if other is not None and (not transient or other is errors.RateLimitError):
        return other, True
    return error, transient


def _matching_rule(status: int, fields: ErrorFields) -> Rule | None:
    # A success status says nothing about an error.
    status = fields.status or status if 200 <= status < 300 else status
    return next((rule for rule in (*CODE_RULES, *TEXT_RULES) if rule.matches(status, fields)), None)


def _status_class(status: int) -> tuple[type[errors.APIStatusError], bool]:
    if 500 <= status < 600:
        return errors.ServerError, status not in PERMANENT_5XX
    return STATUS_ERRORS.get(status, errors.APIStatusError), status in TRANSIENT_4XX


def transient_class(status: int, fields: ErrorFields) -> type[errors.APIStatusError] | None:
    """Return the class of the transient error that a code, a number, a type or a text stands for, or None."""
    rows = [row for row in TRANSIENT_WORDS if status not in row.except_statuses]
    code, kind, text = _joined(fields.code), _joined(fields.type), fields.message[:MAX_TEXT_BODY]
    if found := next((row.error for row in rows if re.search(row.code, code)), None):
        return found
    if re.search(FINAL_CODE, code):
        return None
    if fields.status is not None and _status_class(fields.status)[1]:
        return errors.RateLimitError if fields.status == 429 else errors.ServerError
    if found := next((row.error for row in rows if re.search(row.code, kind)), None):
        return found
    if FINAL_STATUSES & {status, fields.status} or re.search(FINAL_TYPE, kind) or re.search(QUOTA_TEXT, text):
        return None
    return next((row.error for row in rows if re.search(row.text, text)), None) if status < 500 else None


def _joined(word: str | None) -> str:
    """Return a code or type in lower case with underscores between its words, also from ``camelCase``."""
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word or "")).lower()


def read_fields(body: object, depth: int = MAX_NESTED) -> ErrorFields:
    """Return code, type, message and status of an error body of any form, also from JSON inside the message."""
    if not isinstance(body, dict):
        return ErrorFields(message=body) if isinstance(body, str) else ErrorFields()
    objects = _error_objects(body)
    message = next((text for text in _values(objects, MESSAGE_NAMES) if isinstance(text, str) and text.strip()), "")
    status = next(filter(None, map(_http_status, _values(objects, STATUS_NAMES))), None)
    fields = ErrorFields(_first_code(objects, CODE_NAMES), _first_code(objects, TYPE_NAMES), message, status)
    if depth and message.lstrip().startswith("{"):
        inner = read_fields(parse_leniently(message), depth - 1)
        code, kind, status = inner.code or fields.code, inner.type or fields.type, inner.status or fields.status
        return ErrorFields(code, kind, inner.message or message, status)
    return fields


def _error_objects(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the objects that describe an error, one inside the other, the innermost first."""
    objects = [body]
    while len(objects) <= MAX_NESTED:
        values = (objects[0].get(name) for name in OBJECT_NAMES)
        firsts = (value[0] if isinstance(value, list) and value else value for value in values)
        inner = next((value for value in firsts if isinstance(value, dict) and value), None)
        if inner is None:
            break
        objects.insert(0, inner)
    return objects


def _values(objects: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Any]:
    return (each.get(name) for each in objects for name in names)


def _first_code(objects: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str | None:
    codes = map(_code, _values(objects, names))
    return next((code for code in codes if code and code.lower() not in SUCCESS_CODES), None)


def _http_status(value: object) -> int | None:
    """Return a number from 400 to 599, also from text, or None."""
    return int(value) if isinstance(value, int | str) and re.fullmatch(r"\s*[45][0-9]{2}\s*", str(value)) else None


class ErrorResponse:
    """An error response: its fields, and its text with keys redacted."""

    def __init__(self, response: RawResponse, secret: str | None, wall_clock: float) -> None:
        self.status, self.is_too_large = response.status, response.is_too_large
        text = response.body[:MAX_ERROR_BODY].decode("utf-8-sig", errors="replace")
        self.is_html = "html" in (response.header("content-type") or "").lower() or bool(re.match(_HTML, text))
        # "502 Bad Gateway" is text, although it begins with a number.
        document = parse_leniently(text) if text.lstrip()[:1] in set('{["') else None
        #: For classification only: redaction can change a code, and JSON can hide a key behind escapes.
        self.fields = read_fields(text.strip() if document is None and not self.is_html else document)
        self.shown = ErrorFields(
            *_redaction.redact_all([self.fields.code, self.fields.type, self.fields.message], secret)
        )
        self.text, self.body = _redaction.redact(text, secret), _redaction.redact_all(document, secret)
        self.location = _redaction.redact(response.header("location") or "", secret)
        match = re.search(_REQUEST_ID, self.fields.message)
        request_id = response.request_id or (match[1] if match else "")
        self.common: dict[str, Any] = {
            "request_id": _redaction.redact(request_id, secret) or None,
            "retry_after": parse_retry_after(response.headers, wall_clock),
        }

    @property
    def server_message(self) -> str:
        """The message of the gateway in one line."""
        title = re.search(_TITLE, self.text[:4096]) if self.is_html else None
        text = self.shown.message or (title[1] if title else "")
        line = _redaction.message(text) or ("a web page" if self.is_html else "no reason given")
        return f"{line} [{self.shown.code}]" if self.shown.code and self.shown.code not in line else line


def _build(error: type[errors.APIStatusError], response: ErrorResponse, *, transient: bool) -> errors.APIStatusError:
    is_redirect = 300 <= response.status < 400
    reason = _redirect_reason(response) if is_redirect else response.server_message
    hint = HINTS.get(error)
    return error(
        f"HTTP {response.status}: {reason}" + (f"; {hint}" if hint else ""),
        status_code=response.status,
        code=response.shown.code,
        type=response.shown.type,
        body=response.text[:MAX_TEXT_BODY] if response.body is None else response.body,
        transient=transient,
        **response.common,
    )


def _redirect_reason(response: ErrorResponse) -> str:
    if response.location:
        return f"unexpected redirect to {_host(response.location)}"
    return "not modified" if response.status == 304 else "redirect without a Location header"


def _failed_query(response: ErrorResponse) -> errors.APIError:
    if rule := _matching_rule(response.status, response.fields):
        return _build(rule.error, response, transient=rule.transient)
    text = re.sub(_REQUEST_ID, "", response.fields.message).strip().lower()
    transient = bool({(response.fields.code or "").lower(), text} & TRANSIENT_CODES)
    error = None if transient else transient_class(response.status, response.fields)
    if error is not None:
        return _build(error, response, transient=True)
    return _response_error(response, f"but the query failed: {response.server_message}", transient=transient)


def _unreadable(response: ErrorResponse, problem: str) -> errors.APIResponseError:
    if response.is_html:
        problem = "a web page: the base URL points to a web site, not to the API (check KKIAI_BASE_URL)"
    # A retry would read the same amount again.
    is_final = response.is_html or response.is_too_large
    return _response_error(response, f"with {problem}", transient=not is_final)


def _response_error(response: ErrorResponse, problem: str, *, transient: bool) -> errors.APIResponseError:
    return errors.APIResponseError(
        f"HTTP {response.status} {problem}",
        status_code=response.status,
        code=response.shown.code,
        body_snippet=_redaction.message(response.text, _redaction.MAX_SNIPPET),
        transient=transient,
        is_too_large=response.is_too_large,
        **response.common,
    )


def _host(location: str) -> str:
    try:
        return _redaction.message(urlsplit(location).hostname or "another path", 100)
    except ValueError:
        return "an invalid URL"


def _code(value: object) -> str | None:
    """Return a code or type as text, or None if it is empty or neither text nor an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:100]
    return _redaction.message(value, 100) or None if isinstance(value, str) else None
