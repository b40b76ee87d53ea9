"""Habits of gateways: changes made to the task object before it is sent."""

from __future__ import annotations

from collections.abc import Callable

from kkiai_sdk.mock._errors import EARLY, Script, ok
from kkiai_sdk.mock._files import signed_query
from kkiai_sdk.mock._messages import Json
from kkiai_sdk.mock._tasks import ENDS_AT, NORMAL, Life, Poll, is_completed, phase, task

Habit = Callable[[Poll, Json], Json]
#: Where in the task object something lies; a number is a place in a list.
Place = tuple[str | int, ...]
UrlMaker = Callable[[Poll], str]

#: Gateway seconds between a completion and its URL, where the URL comes late.
URL_DELAY = 4.0
#: What an envelope says while it knows nothing of the task.
EMPTY_ENVELOPE: Json = {"code": "success", "message": "", "data": None}
#: The words that an envelope uses where the task object inside uses others.
_ENVELOPE_WORDS = {"pending": "NOT_START", "processing": "IN_PROGRESS", "completed": "SUCCESS", "failed": "FAILURE"}


def with_habit(habit: Habit, life: Life = NORMAL) -> Script:
    """A life whose every answer went through ``habit``."""
    return lambda poll: ok(habit(poll, task(poll, life)))


def unchanged(_poll: Poll, body: Json) -> Json:
    """The task object as it is."""
    return body


def minimal(_poll: Poll, body: Json) -> Json:
    """Nothing but id, status and time, and the URL once there is one."""
    names = ["id", "status", *(["video_url"] if is_completed(body) else []), "status_update_time"]
    return {name: body[name] for name in names}


def when_failed(status: str, **fields: object) -> Habit:
    """Fields that come with the failure ``status``."""
    return lambda _, body: body | fields if body["status"] == status else body


def seconds(poll: Poll, body: Json) -> Json:
    """The time in seconds, not milliseconds."""
    return body | {"status_update_time": int(poll.began + phase(poll, NORMAL).starts)}


def wrapped(poll: Poll, body: Json) -> Json:
    """An envelope, in it another word for the status, and in that the task object."""
    return EMPTY_ENVELOPE | {"data": _wrapping(poll, body)}


def wrapped_failure(poll: Poll, body: Json) -> Json:
    """An envelope that tells of a failure and holds no task object then."""
    failed = {"fail_reason": "the picture could not be read", "data": None} if body["status"] == "failed" else {}
    return EMPTY_ENVELOPE | {"data": _wrapping(poll, body) | failed}


def _wrapping(poll: Poll, body: Json) -> Json:
    return {
        "task_id": poll.task_id,
        "status": _ENVELOPE_WORDS[str(body["status"])],
        "fail_reason": "",
        "progress": f"{body.get('progress', 100 if is_completed(body) else 0)}%",
        "data": body,
    }


def bare_id(poll: Poll, body: Json) -> Json:
    """The id without its prefix."""
    return body | {"id": poll.task_id.partition(":")[2]}


def under_task_id(_poll: Poll, body: Json) -> Json:
    """``task_id`` instead of ``id``."""
    return {"task_id" if name == "id" else name: value for name, value in body.items()}


def odd_case(_poll: Poll, body: Json) -> Json:
    """The status in capitals, with spaces around it."""
    return body | {"status": f" {str(body['status']).upper()} "}


def early_status(word: str | None) -> Habit:
    """Another status for the first four gateway seconds; None leaves it out."""

    def habit(poll: Poll, body: Json) -> Json:
        if poll.elapsed >= EARLY:
            return body
        rest = {name: value for name, value in body.items() if name != "status"}
        return rest if word is None else rest | {"status": word}

    return habit


def no_url(_poll: Poll, body: Json) -> Json:
    """Never a URL."""
    return body | {"video_url": None}


def late_url(poll: Poll, body: Json) -> Json:
    """The URL comes some time after the completion."""
    return body if poll.elapsed >= ENDS_AT + URL_DELAY else no_url(poll, body)


def url_made_by(make: UrlMaker) -> Habit:
    """A completed task whose URL is ``make(poll)``."""
    return lambda poll, body: body | {"video_url": make(poll)} if is_completed(body) else body


def relative_url(poll: Poll) -> str:
    """A URL that starts at the gateway, where it needs the key."""
    return f"/v1/videos/{poll.file_name}/content"


def redirecting_url(poll: Poll) -> str:
    """A URL at the gateway that needs the key and leads to the file elsewhere."""
    return f"{poll.gateway}/v1/videos/{poll.file_name}/redirect"


def signed_url(poll: Poll) -> str:
    """A URL with an escaped slash in its path and a signature over all of it."""
    return f"{poll.files}{poll.escaped_path}?{signed_query(poll.escaped_path)}"


def spaced_url(poll: Poll) -> str:
    """A URL between back-ticks and spaces."""
    return f" `{poll.file_url()}` "


def error_text(_poll: Poll, body: Json) -> Json:
    """Left-overs of retries inside: error texts beside a success, and the URL where the reason of a failure goes."""
    if not is_completed(body):
        return body
    texts = {"error_message": "the first attempt was refused", "video_generation_error": "retried after an error"}
    return body | {"fail_reason": body["video_url"], "error": {"message": "", "code": ""}, "detail": texts}


def url_at(*place: str | int) -> Habit:
    """The URL of a completed task under another name; a number is a place in a list that holds one item."""

    def habit(poll: Poll, body: Json) -> Json:
        if not is_completed(body):
            return body
        value: object = poll.file_url()
        for name in reversed(place[1:]):
            value = [value] if isinstance(name, int) else {name: value}
        return body | {"video_url": None, str(place[0]): value}

    return habit


def dotted(place: Place) -> str:
    """A place as people write it: ``data[0].url``."""
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in place)[1:]


def hyphenated(place: Place) -> str:
    """A place as part of a name: ``data-0-url``."""
    return "-".join(str(name) for name in place).replace("_", "-")
