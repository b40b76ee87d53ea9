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


SESSION, RETRY = "kkiai_sdk/_http/base_session.py", "kkiai_sdk/_http/retry.py"
READING, REFUSALS = "kkiai_sdk/_responses/task_parser.py", "kkiai_sdk/_responses/error_parser.py"
WORDS, URLS = "kkiai_sdk/_responses/status_words.py", "kkiai_sdk/_responses/video_urls.py"
RESPONSE = "kkiai_sdk/_responses/raw_response.py"
ENDPOINT = "generated/kkiai_api/api/video/query_video_task.py"

#: No mistake at all: the suite must pass in a copy, or it would be the copying that is caught.
CONTROL = Mistake("no mistake", SESSION, '"Accept": "*/*"', '"Accept": "*/*"')
MISTAKES: tuple[Mistake, ...] = (
    Mistake("no Accept", ENDPOINT, 'headers["Accept"] = "application/json"', "pass"),
    Mistake("any Accept", ENDPOINT, 'headers["Accept"] = "application/json"', 'headers["Accept"] = "*/*"'),
    Mistake("no Content-Type", SESSION, '(("Content-Type", "application/json"),)', '(("X-Type", "application/json"),)'),
    Mistake("an undocumented header", SESSION, 'own = {"Accept"', 'own = {"X-Client": "kkiai", "Accept"'),
    Mistake("no key", SESSION, "return headers if secret is None else", "return headers if True else"),
    Mistake("the key in another header", SESSION, '(b"Authorization", f"Bearer ', '(b"X-Api-Key", f"'),
    Mistake("another scheme", SESSION, 'f"Bearer {secret', 'f"Token {secret'),
    Mistake("Bearer twice", SESSION, 'f"Bearer {secret', 'f"Bearer Bearer {secret'),
    Mistake("headers of a call are dropped", SESSION, "accept, options.headers)", "accept, ())"),
    Mistake(
        "answer headers are dropped",
        SESSION,
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
    Mistake("Retry-After is ignored", RETRY, "retry_after = error.retry_after or 0.0", "retry_after = 0.0"),
    Mistake("an error is swallowed", RESPONSE, "return 200 <= self.status < 300", "return self.status < 500"),
    Mistake(
        "a server error is swallowed",
        RESPONSE,
        "return 200 <= self.status < 300",
        "return not 300 <= self.status < 500",
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
    Mistake("completed is not an end", WORDS, '"completed": SUCCEEDED', '"completed": RUNNING'),
    Mistake("failed is a success", WORDS, '"failed": FAILED', '"failed": SUCCEEDED'),
    Mistake("pending is running", WORDS, '"pending": PENDING', '"pending": RUNNING'),
    Mistake(
        "the URL is looked for elsewhere",
        READING,
        "video_url=urls[0].url if urls else None",
        "video_url=urls[1].url if urls[1:] else None",
    ),
    Mistake(
        "the URL is changed",
        URLS,
        'and "&amp;" not in text:\n        return text',
        'and "&amp;" not in text:\n        return text.partition("?")[0]',
    ),
    Mistake(
        "the time is lost",
        READING,
        'TIME_PLACES: Sequence[Path] = (("status_update_time",),)',
        'TIME_PLACES: Sequence[Path] = (("time",),)',
    ),
    Mistake("the prompt is lost", READING, '(("enhanced_prompt",), ("detail"', '(("prompt",), ("detail"'),
    Mistake("the answer itself is lost", READING, "raw=raw,", "raw={},"),
    Mistake("other fields are lost", READING, "extra=_undocumented(layers)", "extra={}"),
    Mistake("any type is text", READING, "return isinstance(value, str)\n\n\ndef _pro", "return True\n\n\ndef _pro"),
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
        SESSION,
        "if not target.userinfo and self._is_gateway(str(target)) else None",
        "if True else None",
    ),
    Mistake("the request id is not read", RESPONSE, '("x-oneapi-request-id", "x-request-id"', '("x-request-id"'),
)  # fmt: skip
