"""Converts a response to a typed error, or to the JSON object of a success.

Errors are classified by HTTP status, ``code`` and ``type``, and by text only as the last resort, because it is
translated, reworded and sometimes wrong ("please slow down" for an empty account). For a new error, add a row to
:data:`CODE_RULES`, or to :data:`TEXT_RULES` if it has nothing but text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from kkiai_sdk import _redaction, errors
from kkiai_sdk._responses.layers import has_success_code, is_about_task, is_failed_task, layers_of
from kkiai_sdk._responses.raw_response import RawResponse, parse_retry_after
from kkiai_sdk._responses.strict_json import parse_leniently, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Maximum bytes of the response to a query. Real ones have a few thousand, but pictures and videos inside of one
#: (``data:`` URLs) have megabytes.
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
    Rule(
        errors.QuotaExceededError,
        False,
        text=(
            r"(?i)额度(?:已|已经)?(?:用尽|用完|不足)|余额不足"
            r"|\bquota\b.{0,40}\b(?:exhausted|used up|not enough|insufficient)"
            r"|\b(?:insufficient|not enough|exhausted)\b.{0,20}\b(?:quota|balance|credits?)\b"
        ),
        statuses=frozenset({401, 403}),
    ),
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
    if response.is_success:
        return _unreadable(ErrorResponse(response, secret, wall_clock), response.problem) if response.problem else None
    return _status_error(ErrorResponse(response, secret, wall_clock))


def read_query(
    response: RawResponse, secret: str | None = None, wall_clock: float = 0.0
) -> dict[str, Any] | errors.APIError:
    """Return the JSON object in the response to a query, or the error of the response; see :func:`read_status`."""
    if not response.is_success:
        return _status_error(ErrorResponse(response, secret, wall_clock))
    if response.problem:
        return _unreadable(ErrorResponse(response, secret, wall_clock), response.problem)
    try:
        parsed = parse_object(response.body)
    except ValueError as problem:
        return _unreadable(ErrorResponse(response, secret, wall_clock), str(problem))
    return _failed_query(ErrorResponse(response, secret, wall_clock)) if is_error_object(parsed) else parsed


def is_error_object(parsed: Mapping[str, Any]) -> bool:
    """Whether an object under a success status says that the query failed."""
    if parsed.get("success") is False:
        return not is_failed_task(parsed)
    if any(map(is_about_task, layers_of(parsed))):
        return False
    if not has_success_code(parsed):
        return True
    return "data" not in parsed and any(parsed.get(key) for key in ("error", "message", "msg", "detail"))


def classify(status: int, fields: ErrorFields) -> tuple[type[errors.APIStatusError], bool]:
    """Return the error class for a status and the fields of a body, and whether the error is transient."""
    for rule in (*CODE_RULES, *TEXT_RULES):
        if rule.matches(status, fields):
            return rule.error, rule.transient
    if 500 <= status < 600:
        return errors.ServerError, status not in PERMANENT_5XX
    return STATUS_ERRORS.get(status, errors.APIStatusError), status in TRANSIENT_4XX


def read_fields(body: object, depth: int = MAX_NESTED) -> ErrorFields:
    """Return code, type and message of an error body of any form, also from JSON nested inside the message."""
    if not isinstance(body, dict):
        return ErrorFields()
    error = body.get("error")
    members = error if isinstance(error, dict) else body
    message = _first_text(
        error, *(members.get(key) for key in ("message", "localized_message", "message_zh", "msg", "detail"))
    )
    fields = ErrorFields(_code(members.get("code")), _code(members.get("type")), message)
    if depth and message.lstrip().startswith("{"):
        inner = read_fields(parse_leniently(message), depth - 1)
        return ErrorFields(inner.code or fields.code, inner.type or fields.type, inner.message or message)
    return fields


class ErrorResponse:
    """An error response: its fields, and its text with keys redacted."""

    def __init__(self, response: RawResponse, secret: str | None, wall_clock: float) -> None:
        self.status, self.is_too_large = response.status, response.is_too_large
        text = response.body[:MAX_ERROR_BODY].decode("utf-8-sig", errors="replace")
        document = parse_leniently(text)
        #: For classification only: redaction can change a code, and JSON can hide a key behind escapes.
        self.fields = read_fields(document)
        self.shown = ErrorFields(
            *_redaction.redact_all([self.fields.code, self.fields.type, self.fields.message], secret)
        )
        self.text, self.body = _redaction.redact(text, secret), _redaction.redact_all(document, secret)
        self.location = _redaction.redact(response.header("location") or "", secret)
        self.is_html = "html" in (response.header("content-type") or "").lower() or bool(re.match(_HTML, self.text))
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
        text = self.shown.message or (title[1] if title else "" if self.is_html or self.body is not None else self.text)
        line = _redaction.message(text) or ("a web page" if self.is_html else "no reason given")
        return f"{line} [{self.shown.code}]" if self.shown.code and self.shown.code not in line else line


def _status_error(response: ErrorResponse) -> errors.APIStatusError:
    error, transient = classify(response.status, response.fields)
    return _build(error, response, transient=transient)


def _build(error: type[errors.APIStatusError], response: ErrorResponse, *, transient: bool) -> errors.APIStatusError:
    is_redirect = 300 <= response.status < 400
    reason = f"unexpected redirect to {_host(response.location)}" if is_redirect else response.server_message
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


def _failed_query(response: ErrorResponse) -> errors.APIError:
    rule = next((rule for rule in CODE_RULES if rule.matches(response.status, response.fields)), None)
    if rule:
        return _build(rule.error, response, transient=rule.transient)
    text = re.sub(_REQUEST_ID, "", response.fields.message).strip().lower()
    transient = bool({(response.fields.code or "").lower(), text} & TRANSIENT_CODES)
    return _response_error(response, f"but the query failed: {response.server_message}", transient=transient)


def _unreadable(response: ErrorResponse, problem: str) -> errors.APIResponseError:
    if response.is_html:
        problem = "a web page: the base URL points at a site, not at the API (check KKIAI_BASE_URL)"
    # A retry would read as much again.
    is_final = response.is_html or response.is_too_large
    return _response_error(response, f"with {problem}", transient=not is_final)


def _response_error(response: ErrorResponse, problem: str, *, transient: bool) -> errors.APIResponseError:
    return errors.APIResponseError(
        f"HTTP {response.status} {problem}",
        status_code=response.status,
        code=response.shown.code,
        body_snippet=_redaction.snippet(response.text),
        transient=transient,
        **response.common,
    )


def _host(location: str) -> str:
    try:
        return _redaction.message(urlsplit(location).hostname or "nowhere", 100)
    except ValueError:
        return "an invalid URL"


def _first_text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _code(value: object) -> str | None:
    """Return a code or type as text, or None if it is empty or neither text nor an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:100]
    return _redaction.message(value, 100) or None if isinstance(value, str) else None
