"""From an answer to a task: what bodies look like in practice, and what each form means.

The documentation shows one flat object with five fields. Dozens of gateways speak this format and stray from it, so
reading is a set of tables. To teach the SDK a new gateway's habit, add a row:

* a status word                 -> :data:`STATES`
* another place for the URL     -> :data:`URL_PLACES`
* another place for the reason  -> :data:`REASON_PLACES`

Three rules hold everywhere. A word that is not in the table is never an end. Error text means nothing unless the
status is a failure: finished tasks carry messages from retries inside the gateway. What has the wrong type is absent.

Some gateways wrap the object: ``{"code": "success", "data": {…, "data": {…}}}``. Each ``data`` that is an object is a
layer; the innermost is nearest to the task and is read first, and the outer ones fill in what it lacks.

Errors, and errors dressed as answers, are read in :mod:`kkiai_sdk._responses.error_parser`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from kkiai_sdk import _redaction
from kkiai_sdk.models import TaskFailure, TaskState, VideoTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Layer: TypeAlias = Mapping[str, Any]
    Path: TypeAlias = Sequence[str | int]

PENDING, RUNNING, SUCCEEDED, FAILED = TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED

#: Status words in lower case, words joined by underscores.
STATES: Mapping[str, TaskState] = {
    "completed": SUCCEEDED,
    "success": SUCCEEDED,
    "succeeded": SUCCEEDED,
    "done": SUCCEEDED,
    "ready": SUCCEEDED,
    "failed": FAILED,
    "failure": FAILED,
    "error": FAILED,
    "cancelled": FAILED,
    "canceled": FAILED,
    "expired": FAILED,
    "rejected": FAILED,
    "video_generation_failed": FAILED,
    "video_upsampling_failed": FAILED,
    "processing": RUNNING,
    "in_progress": RUNNING,
    "running": RUNNING,
    "generating": RUNNING,
    "image_downloading": RUNNING,
    "video_generating": RUNNING,
    "video_generation_completed": RUNNING,
    "video_upsampling": RUNNING,
    # Gateways disagree about this one: see DONE_WITH_URL.
    "video_upsampling_completed": RUNNING,
    "pending": PENDING,
    "queued": PENDING,
    "submitted": PENDING,
    "not_start": PENDING,
}
#: Words that mean success when a URL came along, and work in progress without one.
DONE_WITH_URL = frozenset({"video_upsampling_completed"})

#: Where the video's URL stands, first come first served. A name steps into an object, a number into a list.
URL_PLACES: Sequence[Path] = (
    ("video_url",),
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
#: Where the reason of a failure stands. Only looked at when the status is a failure.
REASON_PLACES: Sequence[Path] = (
    ("error", "message"),
    ("error",),
    ("detail", "video_generation_error"),
    ("detail", "error_message"),
    ("fail_reason",),
    ("detail", "pending_info", "failure_reason"),
)
CODE_PLACES: Sequence[Path] = (("error", "code"),)
ID_PLACES: Sequence[Path] = (("id",), ("task_id",))
PROMPT_PLACES: Sequence[Path] = (("enhanced_prompt",), ("detail", "enhanced_prompt"))
TIME_PLACES: Sequence[Path] = (("status_update_time",),)
PROGRESS_PLACES: Sequence[Path] = (("progress",),)

DOCUMENTED = frozenset({"id", "status", "video_url", "enhanced_prompt", "status_update_time"})
#: What an envelope adds around a task; it says how the query went, not the task.
ENVELOPE = frozenset({"code", "message", "success", "data"})
#: Words with which an envelope says that the query, not the task, went well.
SUCCESS_CODES = frozenset({"", "0", "200", "none", "success", "ok", "succeeded"})
#: Status words that envelopes use, too, to say how the query went.
ENVELOPE_WORDS = frozenset({"success", "succeeded", "ok", "error", "fail", "failed", "failure"})
#: A layer with one of these is about a task, whatever else it says.
TASK_MARKS = frozenset(
    {"id", "task_id", "video_url", "status_update_time", "progress", "fail_reason", "object", "output", "url"}
)
#: The deepest nesting seen is an envelope around an envelope.
MAX_LAYERS = 3

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:|/)\S*")
_FETCHABLE = re.compile(r"https?://|/", re.IGNORECASE)
_NUMBER = re.compile(r"\s*(\d{1,6}(?:\.\d{1,20})?)\s*(%?)\s*")
_WHOLE = re.compile(r"\s*(\d{1,18})\s*", re.ASCII)


def read_task(
    raw: dict[str, Any], task_id: str, *, base_url: str, request_id: str | None = None, secret: str | None = None
) -> VideoTask:
    """The task that a JSON object describes, whatever the object holds.

    ``task_id`` is the id that was asked; ``base_url`` completes a URL that is relative to the gateway; ``secret`` is
    blotted out of texts that are shown.
    """
    layers = layers_of(raw)
    urls = [url for url in map(_url, _everything_at(layers, URL_PLACES)) if url]
    url = next(filter(_FETCHABLE.match, urls), urls[0] if urls else None)
    status, state = _status(layers, has_url=url is not None)
    return VideoTask(
        id=task_id,
        answered_id=_first_text(layers, ID_PLACES) or None,
        # It is told in messages and logs.
        status=_redaction.redact(status, secret) if status else status,
        state=state,
        video_url=_absolute(url, base_url) if url else None,
        enhanced_prompt=_first_text(layers, PROMPT_PLACES),
        status_update_time=_first(map(_integer, _everything_at(layers, TIME_PLACES))),
        progress=_first(map(_fraction, _everything_at(layers, PROGRESS_PLACES))),
        failure=_failure(layers, status, secret) if state is FAILED else None,
        request_id=_redaction.redact(request_id, secret) if request_id else None,
        extra=_undocumented(layers),
        raw=raw,
    )


def layers_of(raw: Layer) -> list[Layer]:
    """The objects that describe the task, the innermost first."""
    layers = [raw]
    while len(layers) < MAX_LAYERS and isinstance(inner := layers[0].get("data"), dict):
        layers.insert(0, inner)
    return layers


def is_about_task(layer: Layer) -> bool:
    """Whether a layer describes a task: a bare status word beside data or an error code can be the envelope's."""
    # As a text, `detail` is how some frameworks word an error.
    if TASK_MARKS & layer.keys() or isinstance(layer.get("detail"), dict):
        return True
    word = _word(layer.get("status"))
    wraps = "data" in layer and isinstance(layer["data"], dict | None)
    # Of a task that failed, the reason stands elsewhere: see REASON_PLACES.
    is_excused = layer.get("message") or layer.get("detail")
    excuses = bool(is_excused) and not layer.get("error") and STATES.get(word) is not SUCCEEDED
    is_envelope = word in ENVELOPE_WORDS and (wraps or excuses or not has_success_code(layer))
    return "status" in layer and not is_envelope


def has_success_code(layer: Layer) -> bool:
    """Whether a layer's code, if it has one, says that all is well."""
    return str(layer.get("code")).strip().lower() in SUCCESS_CODES


def state_of(status: str, *, has_url: bool) -> TaskState:
    """What a status word means; UNKNOWN for one that is not in the table."""
    word = _word(status)
    if word in DONE_WITH_URL and has_url:
        return SUCCEEDED
    return STATES.get(word, TaskState.UNKNOWN)


def _word(status: object) -> str:
    return re.sub(r"[\s\-]+", "_", status.strip().lower()) if isinstance(status, str) else ""


def _status(layers: Sequence[Layer], *, has_url: bool) -> tuple[str | None, TaskState]:
    """The word that counts: a failure unless a layer nearer the task succeeded, then the nearest known word, then any.

    An outer failure is the gateway's last word where the inner task was left at work. An outer success beside an inner
    task at work is believed when the URL is there.
    """
    words = _everything_at([layer for layer in layers if is_about_task(layer)], (("status",),))
    found = [(word, state_of(word, has_url=has_url)) for word in words if _is_text(word)]
    ends = {FAILED, SUCCEEDED} if has_url else {FAILED}
    known = [pair for pair in found if pair[1] is not TaskState.UNKNOWN]
    if known and known[0][1] is SUCCEEDED:
        return known[0]
    ended = (pair for pair in known if pair[1] in ends)
    return next(ended, None) or next(iter(known or found), (None, TaskState.UNKNOWN))


def _failure(layers: Sequence[Layer], status: str | None, secret: str | None) -> TaskFailure:
    texts = (_shown(value, secret) for value in _everything_at(layers, REASON_PLACES) if _is_text(value))
    codes = (_shown(_code(value), secret) for value in _everything_at(layers, CODE_PLACES))
    nothing = f"the gateway gave no reason (status {_shown(status, secret)!r})"
    return TaskFailure(next(filter(None, texts), nothing), next(filter(None, codes), None))


def _shown(text: str | None, secret: str | None) -> str:
    return _redaction.message(_redaction.redact(text or "", secret))


def _code(value: object) -> str | None:
    """An error code as text; numbers are codes too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _undocumented(layers: Sequence[Layer]) -> dict[str, Any]:
    hidden = DOCUMENTED if len(layers) == 1 else DOCUMENTED | ENVELOPE
    merged = {key: value for layer in reversed(layers) for key, value in layer.items()}
    return {key: value for key, value in merged.items() if key not in hidden}


def _everything_at(layers: Sequence[Layer], places: Sequence[Path]) -> Iterator[Any]:
    """The values at the places, place by place, each in the innermost layer first."""
    return (value for place in places for layer in layers if (value := _at(layer, place)) is not None)


def _at(value: Any, place: Path) -> Any:
    for step in place:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _first(values: Iterator[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _first_text(layers: Sequence[Layer], places: Sequence[Path]) -> str | None:
    """The first text that is not empty, else the empty one if there was one."""
    texts = [value for value in _everything_at(layers, places) if _is_text(value)]
    return next((text for text in texts if text), texts[0] if texts else None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _url(value: object) -> str | None:
    """A URL without the spaces and back-ticks that some gateways leave around it; None for other text.

    What kind of URL it is, and whether it may be fetched, is judged when it is fetched.
    """
    if not isinstance(value, str):
        return None
    text = value.strip(" \t\r\n`")
    return text if _URL.fullmatch(text) else None


def _absolute(url: str, base_url: str) -> str:
    """The URL itself, byte for byte, unless it is a path on the gateway. (``//host/path`` is left for the vetting.)"""
    if not url.startswith("/") or url.startswith("//"):
        return url
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}{url}"


def _integer(value: object) -> int | None:
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value)):
        return int(match[1])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fraction(value: object) -> float | None:
    """Progress as a fraction: whole numbers and a % sign mean per cent, a decimal up to 1 is a fraction already."""
    percent = False
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value)):
        percent = bool(match[2])
        value = float(match[1]) if "." in match[1] else int(match[1])
    # Comparisons with NaN are false, so it falls out here as well.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return value if isinstance(value, float) and value <= 1 and not percent else value / 100
