"""Copies of the SDK with one mistake each: a place in a file, and what stands there instead."""

from __future__ import annotations

from attrs import frozen


@frozen
class Mistake:
    """One replacement in one file. The text must be there exactly once."""

    name: str
    file: str
    old: str
    new: str


SESSION, RETRY, READING = (
    "kkiai_sdk/_http/session.py",
    "kkiai_sdk/_http/retry.py",
    "kkiai_sdk/_responses/task_parser.py",
)
REFUSALS, EXCHANGE, JSON = (
    "kkiai_sdk/_responses/error_parser.py",
    "kkiai_sdk/_http/exchange.py",
    "kkiai_sdk/_responses/strict_json.py",
)
ENDPOINT = "generated/kkiai_api/api/video/query_video_task.py"
WIRE = "kkiai_sdk/_http/base_session.py"

#: No mistake at all: the suite must pass in a copy, or it would be the copying that is caught.
CONTROL = Mistake("no mistake", SESSION, '"Accept": "application/json"', '"Accept": "application/json"')
MISTAKES: tuple[Mistake, ...] = (
    Mistake("no Accept", SESSION, '"Accept": "application/json", ', ""),
    Mistake("any Accept", SESSION, '"Accept": "application/json"', '"Accept": "*/*"'),
    Mistake("no Content-Type", SESSION, ', "Content-Type": "application/json"', ""),
    Mistake("an undocumented header", SESSION, 'own = {"Accept"', 'own = {"X-Client": "kkiai", "Accept"'),
    Mistake("no key", WIRE, "if send.secret is None:", "if True:"),
    Mistake("the key in another header", WIRE, '(b"Authorization", f"Bearer ', '(b"X-Api-Key", f"'),
    Mistake("another scheme", WIRE, 'f"Bearer {send', 'f"Token {send'),
    Mistake("Bearer twice", WIRE, 'f"Bearer {send', 'f"Bearer Bearer {send'),
    Mistake("headers of a call are dropped", SESSION, " | _fields(call.headers)", ""),
    Mistake(
        "answer headers are dropped",
        WIRE,
        "for name, value in response.headers.multi_items()",
        "for name, value in ()",
    ),
    Mistake("another parameter", ENDPOINT, 'params["id"] = id', 'params["task_id"] = id'),
    Mistake("the id without its prefix", ENDPOINT, 'params["id"] = id', 'params["id"] = id.rpartition(":")[2]'),
    Mistake("the id in lower case", ENDPOINT, 'params["id"] = id', 'params["id"] = id.swapcase()'),
    Mistake("another path", ENDPOINT, '"/v1/video/query"', '"/v1/video/status"'),
    Mistake("another method", ENDPOINT, '"method": "get"', '"method": "post"'),
    Mistake("one parameter too many", ENDPOINT, 'params["id"] = id', 'params["id"] = id; params["v"] = "1"'),
    Mistake("a 401 is sent again", REFUSALS, "frozenset({408, 409, 425, 429})", "frozenset({401, 408, 409, 425, 429})"),
    Mistake("a 404 is sent again", REFUSALS, "frozenset({408, 409, 425, 429})", "frozenset({404, 408, 409, 425, 429})"),
    Mistake("a 429 is not sent again", REFUSALS, "frozenset({408, 409, 425, 429})", "frozenset({408, 409, 425})"),
    Mistake(
        "a 503 is not sent again",
        REFUSALS,
        "errors.ServerError, status not in PERMANENT_5XX",
        "errors.ServerError, False",
    ),
    Mistake("Retry-After is ignored", RETRY, "asked = error.retry_after or 0.0", "asked = 0.0"),
    Mistake("an error is swallowed", REFUSALS, "if not 200 <= answer.status < 300:", "if answer.status >= 500:"),
    Mistake(
        "a server error is swallowed",
        REFUSALS,
        "if not 200 <= answer.status < 300:",
        "if 300 <= answer.status < 500:",
    ),
    Mistake("401 is another error", REFUSALS, "401: errors.AuthenticationError", "401: errors.BadRequestError"),
    Mistake("402 is another error", REFUSALS, "402: errors.QuotaExceededError", "402: errors.PermissionDeniedError"),
    Mistake("429 is another error", REFUSALS, "429: errors.RateLimitError", "429: errors.ConflictError"),
    Mistake("an unknown task is a bad request", REFUSALS, '{"task_not_exist", "task_not_found"}', '{"task_not_found"}'),
    Mistake(
        "a used-up quota is a refusal",
        REFUSALS,
        '{"insufficient_user_quota", "insufficient_quota"',
        '{"insufficient_quota"',
    ),
    Mistake(
        "no channel is asked again",
        REFUSALS,
        "Rule(errors.ServerError, False, words",
        "Rule(errors.ServerError, True, words",
    ),
    Mistake("completed is not an end", READING, '"completed": SUCCEEDED', '"completed": RUNNING'),
    Mistake("failed is a success", READING, '"failed": FAILED', '"failed": SUCCEEDED'),
    Mistake("pending is running", READING, '"pending": PENDING', '"pending": RUNNING'),
    Mistake("the URL is looked for elsewhere", READING, '    ("video_url",),\n', ""),
    Mistake("the URL is changed", READING, 'text = value.strip(" \\t\\r\\n`")', 'text = value.partition("?")[0]'),
    Mistake(
        "the time is lost",
        READING,
        'TIME_PLACES: Sequence[Path] = (("status_update_time",),)',
        'TIME_PLACES: Sequence[Path] = (("time",),)',
    ),
    Mistake("the prompt is lost", READING, '(("enhanced_prompt",), ("detail"', '(("prompt",), ("detail"'),
    Mistake("the answer itself is lost", READING, "raw=raw,", "raw={},"),
    Mistake("other fields are lost", READING, "extra=_undocumented(layers)", "extra={}"),
    Mistake("any type is text", READING, "return isinstance(value, str)\n\n\ndef _url", "return True\n\n\ndef _url"),
    Mistake(
        "any type is a time",
        READING,
        "return value if isinstance(value, int) and not isinstance(value, bool) else None\n\n\ndef _fraction",
        "return value\n\n\ndef _fraction",
    ),
    Mistake(
        "polls go on with the answered id",
        READING,
        "id=task_id,",
        "id=_first_text(layers, ID_PLACES) or task_id,",
    ),
    Mistake(
        "redirects are followed anywhere",
        EXCHANGE,
        "at_home = _vetting.same_origin(target, self.config.base_url)",
        "at_home = True",
    ),
    Mistake("the request id is not read", REFUSALS, '("x-oneapi-request-id", "x-request-id"', '("x-request-id"'),
)  # fmt: skip
