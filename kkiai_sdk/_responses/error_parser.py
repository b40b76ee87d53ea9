"""From an answer to an error, or to the JSON object that it should be.

Classification goes by HTTP status, ``code`` and ``type``; text is the last resort, because it is translated, reworded
and sometimes plainly wrong ("please slow down" for an empty account). To teach the SDK a new gateway's error, add a
row to :data:`CODE_RULES` (or, when there is nothing but text, to :data:`TEXT_RULES`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from kkiai_sdk import _redaction as _text
from kkiai_sdk import errors
from kkiai_sdk._http.retry import parse_retry_after
from kkiai_sdk._responses.strict_json import MAX_BODY, decoded, parse_json, read_loosely
from kkiai_sdk._responses.task_parser import has_fine_code, is_about_task, layers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Characters of a body that is not JSON that an error keeps.
MAX_TEXT_BODY = 2000
#: How many times JSON may be packed as text inside ``message``: a gateway behind a gateway behind a gateway.
MAX_NESTED = 3


@frozen
class Answer:
    """An HTTP answer as plain values."""

    status: int
    #: Field names in lower case, in order, repeated as on the wire. Like the body, not in the repr: servers echo keys.
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The first value of a field, or None."""
        return next((value for field_name, value in self.headers if field_name == name), None)


@frozen
class Facts:
    """What an error body says, whichever form it has."""

    code: str | None = None
    type: str | None = None
    message: str = ""


@frozen
class Rule:
    """One way in which gateways say one thing. The first rule that matches decides."""

    error: type[errors.APIStatusError]
    transient: bool
    #: Codes or types, in lower case.
    words: frozenset[str] = frozenset()
    #: A pattern to be found in the message. Compiled when it is needed: most programs never see such an answer.
    text: str = ""
    #: HTTP statuses under which it counts; empty for all.
    statuses: frozenset[int] = frozenset()

    def matches(self, status: int, facts: Facts) -> bool:
        """Whether an answer with this status and these facts is meant."""
        if self.statuses and status not in self.statuses:
            return False
        said = {(facts.code or "").lower(), (facts.type or "").lower()}
        return bool(self.words & said) or bool(self.text and re.search(self.text, facts.message))


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
#: 501 and 505 are about what the server can do at all; every other 5xx passes.
PERMANENT_5XX = frozenset({501, 505})
TRANSIENT_4XX = frozenset({408, 409, 425, 429})

#: What to do about it, for people.
ADVICE: Mapping[type[errors.APIStatusError], str] = {
    errors.AuthenticationError: "check the API key (KKIAI_API_KEY)",
    errors.QuotaExceededError: "the account or the key is out of quota: top it up",
    errors.PermissionDeniedError: "this key may not do this: check its allowed models and addresses",
    errors.NotFoundError: "check the base URL (KKIAI_BASE_URL)",
    errors.TaskNotFoundError: "check the id; just after creation, ask again in some seconds",
}

#: Codes and messages of failed queries that pass.
PASSING = frozenset(
    {"fail_to_fetch_task", "internal server error", "not found", "get_task_failed", "do_request_failed"}
)
REQUEST_ID_HEADERS = ("x-oneapi-request-id", "x-request-id", "x-trace-id", "cf-ray")
_REQUEST_ID = r"\(request id: ([\x21-\x28\x2a-\x7e]{1,200})\)"
_HTML = r"(?i)\s*<(?:!doctype|html)"
_TITLE = r"(?i)<title[^>]{0,200}>([^<]{1,300})"


def read_answer(
    answer: Answer, *, secret: str | None = None, wall_clock: float = 0.0
) -> dict[str, Any] | errors.APIError:
    """The JSON object of a good answer, or the error that this answer is.

    ``secret`` is blotted out of everything that the error repeats; ``wall_clock`` (epoch seconds) is what a
    ``Retry-After`` date is measured from when the server sent no ``Date``.
    """
    if not 200 <= answer.status < 300:
        return _status_error(_Refused(legible(answer), secret, wall_clock))
    try:
        parsed = parse_json(decoded(answer.body, answer.header("content-encoding") or ""))
    except ValueError as problem:
        return _unreadable(_Refused(legible(answer), secret, wall_clock), str(problem))
    return _refusal(_Refused(legible(answer), secret, wall_clock)) if is_refusal(parsed) else parsed


def legible(answer: Answer) -> Answer:
    """The answer with its body decoded, or without one that cannot be: the status says enough."""
    try:
        return evolve(answer, body=decoded(answer.body, answer.header("content-encoding") or ""))
    except ValueError:
        return evolve(answer, body=b"")


def is_refusal(parsed: Mapping[str, Any]) -> bool:
    """Whether an object under a success status says that the query failed."""
    if parsed.get("success") is False:
        return True
    if any(map(is_about_task, layers_of(parsed))):
        return False
    if not has_fine_code(parsed):
        return True
    return "data" not in parsed and any(parsed.get(key) for key in ("error", "message", "msg", "detail"))


def classify(status: int, facts: Facts) -> tuple[type[errors.APIStatusError], bool]:
    """The error class for a status and what the body says, and whether the trouble passes."""
    for rule in (*CODE_RULES, *TEXT_RULES):
        if rule.matches(status, facts):
            return rule.error, rule.transient
    if 500 <= status < 600:
        return errors.ServerError, status not in PERMANENT_5XX
    return STATUS_ERRORS.get(status, errors.APIStatusError), status in TRANSIENT_4XX


def read_facts(body: object, depth: int = MAX_NESTED) -> Facts:
    """Code, type and message of an error body of any form, looking into JSON that is packed inside the message."""
    if not isinstance(body, dict):
        return Facts()
    error = body.get("error")
    members = error if isinstance(error, dict) else body
    message = _first_text(
        error, *(members.get(key) for key in ("message", "localized_message", "message_zh", "msg", "detail"))
    )
    facts = Facts(_word(members.get("code")), _word(members.get("type")), message)
    if depth and message.lstrip().startswith("{"):
        inner = read_facts(read_loosely(message), depth - 1)
        return Facts(inner.code or facts.code, inner.type or facts.type, inner.message or message)
    return facts


class _Refused:
    """An answer that will be an error: its text with keys blotted out, and what every error repeats of it."""

    def __init__(self, answer: Answer, secret: str | None, wall_clock: float) -> None:
        self.status = answer.status
        text = answer.body[:MAX_BODY].decode("utf-8-sig", errors="replace")
        body = read_loosely(text)
        #: For judging only: blotting out can change a code, and JSON can hide a key behind escapes.
        self.facts = read_facts(body)
        self.shown = Facts(*_text.redact_all([self.facts.code, self.facts.type, self.facts.message], secret))
        self.text, self.body = _text.redact(text, secret), _text.redact_all(body, secret)
        self.location = _text.redact(answer.header("location") or "", secret)
        self.is_html = "html" in (answer.header("content-type") or "").lower() or bool(re.match(_HTML, self.text))
        self.common: dict[str, Any] = {
            "request_id": _text.redact(_request_id(answer, self.facts.message) or "", secret) or None,
            "retry_after": parse_retry_after(answer.headers, wall_clock),
        }

    @property
    def told(self) -> str:
        """What the gateway said, in one line."""
        title = re.search(_TITLE, self.text[:4096]) if self.is_html else None
        said = self.shown.message or (title[1] if title else "" if self.is_html or self.body is not None else self.text)
        line = _text.message(said) or ("a web page" if self.is_html else "no reason given")
        return f"{line} [{self.shown.code}]" if self.shown.code and self.shown.code not in line else line


def _status_error(refused: _Refused) -> errors.APIStatusError:
    error, transient = classify(refused.status, refused.facts)
    return _build(error, refused, transient=transient)


def _build(error: type[errors.APIStatusError], refused: _Refused, *, transient: bool) -> errors.APIStatusError:
    told = f"unexpected redirect to {_host(refused.location)}" if 300 <= refused.status < 400 else refused.told
    advice = ADVICE.get(error)
    return error(
        f"HTTP {refused.status}: {told}" + (f"; {advice}" if advice else ""),
        status_code=refused.status,
        code=refused.shown.code,
        type=refused.shown.type,
        body=refused.text[:MAX_TEXT_BODY] if refused.body is None else refused.body,
        transient=transient,
        **refused.common,
    )


def _refusal(refused: _Refused) -> errors.APIError:
    rule = next((rule for rule in CODE_RULES if rule.matches(refused.status, refused.facts)), None)
    if rule:
        return _build(rule.error, refused, transient=rule.transient)
    said = {(refused.facts.code or "").lower(), re.sub(_REQUEST_ID, "", refused.facts.message).strip().lower()}
    return _response_error(refused, f"but the query failed: {refused.told}", transient=bool(said & PASSING))


def _unreadable(refused: _Refused, problem: str) -> errors.APIResponseError:
    if refused.is_html:
        problem = "a web page: the base URL points at a site, not at the API (check KKIAI_BASE_URL)"
    return _response_error(refused, f"with {problem}", transient=not refused.is_html)


def _response_error(refused: _Refused, problem: str, *, transient: bool) -> errors.APIResponseError:
    return errors.APIResponseError(
        f"HTTP {refused.status} {problem}",
        status_code=refused.status,
        code=refused.shown.code,
        body_snippet=_text.snippet(refused.text),
        transient=transient,
        **refused.common,
    )


def request_id(headers: Sequence[tuple[str, str]]) -> str | None:
    """The gateway's id for a request, from the first header that carries one."""
    found = dict(reversed(headers))
    value = next((found[name] for name in REQUEST_ID_HEADERS if found.get(name)), None)
    return _text.message(value, 200) if value else None


def _request_id(answer: Answer, message: str) -> str | None:
    match = re.search(_REQUEST_ID, message)
    return request_id(answer.headers) or (match[1] if match else None)


def _host(location: str) -> str:
    try:
        return _text.message(urlsplit(location).hostname or "nowhere", 100)
    except ValueError:
        return "an invalid URL"


def _first_text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _word(value: object) -> str | None:
    """A code or type as text; numbers are codes too, empty ones are none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:100]
    return _text.message(value, 100) or None if isinstance(value, str) else None
