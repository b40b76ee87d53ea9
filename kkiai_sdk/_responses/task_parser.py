"""Reads a task from a response: the documented fields and the known places first, then a search.

The documentation shows one flat object with five fields. Dozens of gateways use this format and deviate from it. To
support a deviation that the rules do not cover, add a row:

* a status word                 -> ``STATES`` in :mod:`kkiai_sdk._responses.status_words`
* another place for the URL     -> :data:`URL_PLACES`
* another place for the reason  -> :data:`REASON_PLACES`

Three rules apply everywhere. A word without a known meaning never ends a task. Error text means nothing unless the
status is a failure: finished tasks carry messages from retries inside the gateway. A value of the wrong type counts as
missing.

Some gateways wrap the object: ``{"code": "success", "data": {…, "data": {…}}}``. Each object inside is a layer; the
innermost is nearest to the task and is read first, and the outer ones fill in its gaps. The whole response is searched
only if the layers do not determine the state or the URL; see :mod:`kkiai_sdk._responses.json_search`.

Errors, including those with a success status, are parsed in :mod:`kkiai_sdk._responses.error_parser`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from kkiai_sdk import _redaction
from kkiai_sdk._responses import video_urls
from kkiai_sdk._responses.json_search import Path, opened, walk, words_of
from kkiai_sdk._responses.layers import (
    ENVELOPE_WORDS,
    SUCCESS_CODES,
    Found,
    Layer,
    Status,
    find_layers,
    has_error,
    has_error_code,
    is_open,
    says_success,
    search_layer,
    task_status,
    work_beside,
)
from kkiai_sdk._responses.status_words import FAILED, PENDING, RUNNING, SUCCEEDED, UNKNOWN, normalized, state_of
from kkiai_sdk._responses.video_urls import VideoURL
from kkiai_sdk.models import TaskFailure, VideoTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Members: TypeAlias = Mapping[str, Any]

#: Locations of the video's URL; the first match counts. A name steps into an object, a number into a list.
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
#: Locations of the reason of a failure. Only used if the status is a failure.
REASON_PLACES: Sequence[Path] = (
    ("error", "message"),
    ("error",),
    ("detail", "video_generation_error"),
    ("detail", "error_message"),
    ("fail_reason",),
    ("detail", "pending_info", "failure_reason"),
)
CODE_PLACES: Sequence[Path] = (("error", "code"),)
ID_PLACES: Sequence[Path] = (("id",), ("task_id",), ("taskId",))
PROMPT_PLACES: Sequence[Path] = (("enhanced_prompt",), ("detail", "enhanced_prompt"))
TIME_PLACES: Sequence[Path] = (("status_update_time",),)
PROGRESS_PLACES: Sequence[Path] = (("progress",),)

DOCUMENTED = frozenset({"id", "status", "video_url", "enhanced_prompt", "status_update_time"})
#: Members that an envelope adds around a task; they describe the query, not the task.
ENVELOPE = frozenset({"code", "message", "success"})
#: Words of names that mean a reason, the surest first.
_REASON_WORDS = ("reason", "failure", "message", "msg", "detail", "error", "err", "cause", "exception", "原因")
_NO_REASON_WORDS = frozenset(
    {"code", "type", "id", "time", "url", "count", "at", "num", "stack", "trace", "level", "retry"}
)
_CODE_WORDS = frozenset({"code", "error", "err", "fail", "failure", "errcode"})
#: Words of names under which no reason stands.
_OTHER_TEXT_WORDS = frozenset(
    {"input", "prompt", "request", "req", "param", "parameter", "reference", "image", "log", "history", "step", "user"}
)
#: Levels below the failure's layer at which a reason may stand.
_REASON_DEPTH = 4

_NUMBER = re.compile(r"\s*(\d{1,6}(?:\.\d{1,20})?)\s*(%?)\s*")
_WHOLE = re.compile(r"\s*(\d{1,18})\s*", re.ASCII)


def read_task(
    raw: dict[str, Any], task_id: str, *, base_url: str, request_id: str | None = None, secret: str | None = None
) -> VideoTask:
    """Return the task that a JSON object describes, whatever the object holds.

    ``task_id`` is the id of the query; ``base_url`` completes a relative URL; ``secret`` is redacted in texts that are
    shown.
    """
    layers, status, urls = read_fields(raw, task_id, base_url)
    return VideoTask(
        id=task_id,
        answered_id=_first_text(layers, ID_PLACES) or None,
        # Shown in messages and logs.
        status=_redaction.redact(status.text, secret) if status.text else status.text,
        state=status.state,
        video_url=urls[0].url if urls else None,
        more_urls=tuple(url.url for url in urls[1:]),
        enhanced_prompt=_first_text(layers, PROMPT_PLACES),
        status_update_time=_first(map(_integer, _everything_at(layers, TIME_PLACES))),
        # Some gateways leave the last progress before the end, or none.
        progress=1.0 if status.state is SUCCEEDED else _progress(layers),
        failure=_failure(layers, status, secret) if status.state is FAILED else None,
        request_id=_redaction.redact(request_id, secret) if request_id else None,
        extra=_undocumented(layers),
        raw=raw,
    )


def read_fields(raw: Members, task_id: str, base_url: str) -> tuple[list[Layer], Status, list[VideoURL]]:
    """Return the layers of a response, the status that counts, and the URLs of the videos."""
    layers = find_layers(raw)
    known = _known_url(layers, base_url)
    status = task_status(layers, has_url=known is not None)
    found = search_layer(raw, task_id, base_url) if is_open(status) else Found(None, is_ambiguous=False)
    if found.layer is not None:
        layers = [found.layer, *layers]
        known = _known_url(layers, base_url)
        status = task_status(layers, has_url=known is not None)
    if status.state is SUCCEEDED:
        urls = _videos(raw, layers, known, base_url)
        # Without a video, the word may be that of the query, with the task still running.
        is_doubtful = not urls and normalized(status.text) in ENVELOPE_WORDS
        inner = search_layer(raw, task_id, base_url).layer if is_doubtful else None
        beside = None if urls else next(filter(None, (work_beside(layer, status) for layer in layers)), None)
        word = beside or (task_status([inner], has_url=False) if inner else status)
        return layers, word if word.state in {PENDING, RUNNING} else status, urls
    if is_open(status) and not found.is_ambiguous and _may_have_succeeded(layers):
        urls = _videos(raw, layers, known, base_url)
        if urls and _is_sure(urls[0]):
            return layers, Status(status.text, SUCCEEDED, urls[0].path, "no readable status, and a video"), urls
    return layers, status, [known] if known else []


# The video


def _known_url(layers: Sequence[Layer], base_url: str) -> VideoURL | None:
    """Return the first URL at a known place that can be downloaded, else the first of any kind."""
    first = None
    for place in URL_PLACES:
        for path, members in layers:
            value = value_at(members, place) if place[0] in members else None
            url = None if value is None else _url_in(value, (*path, *place), base_url)
            if url and video_urls.is_web_url(url.url):
                return url
            first = first or url
    return first


def _url_in(value: Any, path: Path, base_url: str) -> VideoURL | None:
    value = opened(value)
    if isinstance(value, str):
        url = video_urls.read_url(value, base_url)
        return VideoURL(url, path, "a known place") if url else None
    found = video_urls.find_videos(value, base_url, path) if isinstance(value, dict | list) else None
    return found[0]._replace(rule="inside a known place") if found else None


def _videos(raw: Members, layers: Sequence[Layer], known: VideoURL | None, base_url: str) -> list[VideoURL]:
    """Return the videos of a task that succeeded, the best first. The search runs only if it can find more."""
    is_video = known is not None and not video_urls.is_other_file(known.url)
    is_certain = known is not None and (known.path[-1:] != ("url",) or video_urls.has_video_suffix(known.url))
    if known and is_video and is_certain and _is_flat(layers):
        return [known]
    found = video_urls.find_videos(raw, base_url)
    # A ``url`` that names no video file can be the address of the task.
    is_certain = is_certain or not found or not video_urls.has_video_suffix(found[0].url)
    if not (known and is_video and is_certain):
        urls = [each for each in found if each.rank[:2] == found[0].rank[:2]]
        return urls or ([known] if known else _url_as_reason(layers))
    rank = video_urls.rank_of(known.url, _names(known.path)) or (True, 1, False)
    others = [each for each in found if each.rank[:2] >= rank[:2]]
    return [known, *(url for url in others if url.url != known.url)]


def _is_flat(layers: Sequence[Layer]) -> bool:
    """Whether the layers hold nothing but plain values and each other."""
    containers = [value for _, members in layers for value in members.values() if value and type(value) in {dict, list}]
    return all(any(value is members for _, members in layers) for value in containers)


def _url_as_reason(layers: Sequence[Layer]) -> list[VideoURL]:
    """Return the URL of the video in ``fail_reason``, where some gateways put it when nothing failed."""
    for path, members in layers:
        text = members.get("fail_reason")
        url = video_urls.read_url(text, "", is_link=False) if isinstance(text, str) else None
        if url and video_urls.is_web_url(url) and not video_urls.is_other_file(url):
            return [VideoURL(url, (*path, "fail_reason"), "a URL in the place of a reason")]
    return []


#: Words in names, and text values, that show whether a task is running.
_PROGRESS_WORDS = frozenset({"progress", "percent", "percentage", "pct"})
_WORK_WORDS = frozenset({"running", "processing", "pending", "queued", "queue", "waiting", "eta"})
#: Words next to them; alone they mean nothing, as in ``seconds`` for a duration.
_WORK_DETAILS = frozenset({"is", "position", "second"})
_DONE_WORDS = frozenset({"done", "finished", "completed"})
_FAILURE_WORDS = frozenset({"fail", "failed", "failure", "error", "errors", "err"})
_MESSAGE_WORDS = frozenset({"message", "msg", "desc", "description", "info"})
_FULL = frozenset({"1", "1.0", "100", "100.0", "100%"})
_FALSE = frozenset({"", "0", "false", "no", "none", "null"})


def _may_have_succeeded(layers: Sequence[Layer]) -> bool:
    """Whether nothing in the layers says that the query or the task failed, or that the task is at work."""
    progress = _progress(layers)
    return (progress is None or progress == 1) and not any(
        has_error(layer.members)
        or has_error_code(layer.members)
        or _has_failure_word(layer.members)
        or any(_speaks_against_success(*member) for member in layer.members.items())
        for layer in layers
    )


def _speaks_against_success(name: str, value: object) -> bool:
    """Whether a member says that the task failed or is at work; a status that says neither does not outweigh it."""
    words, text = words_of(name), str(value).strip().lower()
    if isinstance(value, bool | int | float | str) and words & _PROGRESS_WORDS:
        return text not in _FULL
    if words & _WORK_WORDS and words <= _WORK_WORDS | _WORK_DETAILS:
        return bool(value) and text not in _FALSE
    if words & _DONE_WORDS:
        return text in _FALSE
    if words & _FAILURE_WORDS and isinstance(value, str | list):
        return bool(value) and "://" not in text and text not in _FALSE and not says_success(value)
    if name == "code":
        return text in {"201", "202"}
    is_text = isinstance(value, str) and words & _MESSAGE_WORDS
    return bool(is_text) and state_of(str(value), has_url=True) not in {SUCCEEDED, UNKNOWN}


def _has_failure_word(members: Members) -> bool:
    """Whether a status is a word for a failure, or neither a text nor a number."""
    words = (members.get(name) for name in ("status", "state", "success"))
    return any(
        word is False
        or isinstance(word, dict | list)
        or (isinstance(word, str) and state_of(word, has_url=True) is FAILED)
        for word in words
    )


def _is_sure(url: VideoURL) -> bool:
    """Whether a URL is that of the result even if no status says that there is one."""
    rank = video_urls.rank_of(url.url, _names(url.path))
    return video_urls.is_web_url(url.url) and rank is not None and rank[0] and (rank[1] > 1 or rank[2])


def _names(path: Path) -> list[str]:
    return [step for step in path if isinstance(step, str)]


# The reason of a failure


def _failure(layers: Sequence[Layer], status: Status, secret: str | None) -> TaskFailure:
    texts = (_shown(value, secret) for value, _ in reasons(layers, status))
    codes = (_shown(_code(value), secret) for value in _codes(layers, status))
    nothing = f"the gateway gave no reason (status {_shown(status.text, secret)!r})"
    return TaskFailure(next(filter(None, texts), nothing), next(filter(None, codes), None))


def reasons(layers: Sequence[Layer], status: Status) -> Iterator[tuple[str, Path]]:
    """Yield the texts that may be the reason, and where they stand: known places, then the failure's own layer."""
    for place in REASON_PLACES:
        for path, members in layers:
            if isinstance(value := value_at(members, place), str):
                yield value, (*path, *place)
    for layer in _nearest(layers, status):
        yield from sorted(_texts_in(layer), key=lambda found: (len(found[1]), _reason_rank(found[1])))


def _nearest(layers: Sequence[Layer], status: Status) -> list[Layer]:
    return sorted(layers, key=lambda layer: layer.path != status.path[:-1])


def _texts_in(layer: Layer) -> Iterator[tuple[str, Path]]:
    for path, value in walk(layer.members, layer.path, skips=lambda name: bool(words_of(name) & _OTHER_TEXT_WORDS)):
        is_near = 0 < len(path) - len(layer.path) <= _REASON_DEPTH
        is_named = isinstance(value, str) and is_near and _reason_rank(path) is not None
        if is_named and not says_success(value) and not video_urls.is_web_url(value.strip()):
            yield value, path


def _reason_rank(path: Path) -> int | None:
    """Return how surely the last name of a path means a reason, 0 for the surest; None if it does not."""
    words = words_of(_names(path)[-1])
    ranks = (rank for rank, word in enumerate(_REASON_WORDS) if word in words)
    return next(ranks, None) if words.isdisjoint(_NO_REASON_WORDS) else None


def _codes(layers: Sequence[Layer], status: Status) -> Iterator[Any]:
    yield from _everything_at(layers, CODE_PLACES)
    for layer in _nearest(layers, status):
        named = (value for name, value in layer.members.items() if _is_code_name(name))
        yield from (value for value in named if str(value).strip().lower() not in SUCCESS_CODES)


def _is_code_name(name: str) -> bool:
    words = words_of(name)
    return not words.isdisjoint({"code", "errcode"}) and words <= _CODE_WORDS


def _shown(text: str | None, secret: str | None) -> str:
    return _redaction.message(_redaction.redact(text or "", secret))


def _code(value: object) -> str | None:
    """Return an error code as text; numbers are codes too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


# Values at places


def _undocumented(layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the members of all layers that are not documented, without those that only wrap another layer."""
    hidden = (
        DOCUMENTED if len(layers) == 1 else DOCUMENTED | ENVELOPE | {step for each in layers for step in each.path[-2:]}
    )
    merged = {key: value for layer in reversed(layers) for key, value in layer.members.items()}
    return {key: value for key, value in merged.items() if key not in hidden}


def _everything_at(layers: Sequence[Layer], places: Sequence[Path]) -> Iterator[Any]:
    """Yield the values at the places, place by place, each in the innermost layer first."""
    return (
        value
        for place in places
        for _, members in layers
        if place[0] in members and (value := value_at(members, place)) is not None
    )


def value_at(value: Any, place: Path) -> Any:
    for step in place:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _first_text(layers: Sequence[Layer], places: Sequence[Path]) -> str | None:
    """Return the first text that is not empty, else the empty one if there was one."""
    texts = [value for value in _everything_at(layers, places) if _is_text(value)]
    return next((text for text in texts if text), texts[0] if texts else None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _progress(layers: Sequence[Layer]) -> float | None:
    progress: float | None = _first(map(_fraction, _everything_at(layers, PROGRESS_PLACES)))
    return progress


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
