"""Finds the objects in a response that describe the task, and the status that counts.

Gateways wrap the task in envelopes, which have their own words for the outcome of the query. A word of an envelope is
never the state of the task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kkiai_sdk._responses import status_words, video_urls
from kkiai_sdk._responses.json_search import Path, opened, walk, words_of
from kkiai_sdk._responses.status_words import FAILED, PENDING, RUNNING, STATES, SUCCEEDED, UNKNOWN, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kkiai_sdk.models import TaskState

    Members: TypeAlias = Mapping[str, Any]

#: Names under which an envelope holds the task, the surest first.
LAYER_NAMES = ("data", "result", "task", "output", "response")
#: Words with which an envelope says that the query, not the task, succeeded.
SUCCESS_CODES = frozenset({"", "0", "200", "none", "success", "ok", "succeeded"})
#: Status words of the table that no envelope uses for a success.
_SURE_WORDS = STATES.keys() - SUCCESS_CODES
#: Status words that envelopes also use for the outcome of the query.
ENVELOPE_WORDS = frozenset({"success", "succeeded", "ok", "error", "fail", "failed", "failure"})
#: A layer with one of these is about a task, whatever else it says.
TASK_MARKS = frozenset(
    {"id", "task_id", "taskId", "video_id", "video_url", "videoUrl", "status_update_time", "progress", "fail_reason"}
    | {"object", "output", "url"}
)
#: Of those, the ones with which a layer names the task.
TASK_IDS = frozenset({"id", "task_id", "taskId", "video_id"})
#: More than any chain of gateways produces; each adds one or two.
MAX_LAYERS = 32

#: Words next to ``status`` or ``state`` in the name of the task's status; others, as in ``audio_status``, are about
#: something else.
_STATUS_OWNERS_WORDS = """
    task video job generation generate gen work process order prediction render run operation creation execution exec
    current final overall
"""
_STATUS_OWNERS = frozenset(_STATUS_OWNERS_WORDS.split())
_STATUS_FORMS = frozenset({"text", "name", "str", "label", "display", "value"})
_STATUS_NAMES = frozenset({"status", "state", "状态", "任务状态"})
#: Names for the current step of a task. Next to a status, it can say that the task is running, but never that it ended.
_STEP_NAMES = frozenset({"stage", "phase"})
#: Names of booleans that say whether a task has ended.
DONE_NAMES = ("done", "isDone", "is_done", "finished", "isFinished", "is_finished", "completed", "is_completed")


class Layer(NamedTuple):
    """An object that describes the task, and its location in the response."""

    path: Path
    members: Members


class Status(NamedTuple):
    """The status that counts. ``text`` is None if it is not a text or missing."""

    text: str | None
    state: TaskState
    path: Path = ()
    rule: str = ""


def find_layers(raw: Members) -> list[Layer]:
    """Return the objects that describe the task, the innermost first."""
    return _chain(Layer((), raw), 1)[0]


def _chain(layer: Layer, depth: int) -> tuple[list[Layer], bool]:
    """Return a layer and those inside it, the innermost first, and whether one of them has a status.

    An object under ``data`` is a layer; in any other form or under another name, only if it has a status.
    """
    fallback: list[Layer] = []
    for name in LAYER_NAMES:
        value = layer.members.get(name)
        inner = _object_in(value, (*layer.path, name)) if value else None
        if inner is None or depth >= MAX_LAYERS:
            continue
        is_plain = name == "data" and isinstance(value, dict)
        if not is_plain and _has_own_word(layer.members):
            continue
        layers, has_status = _chain(inner, depth + 1)
        if has_status:
            return [*layers, layer], True
        fallback = layers if is_plain else fallback
    return [*fallback, layer], _has_status(layer.members)


def _object_in(value: Any, path: Path) -> Layer | None:
    """Return the object that a value is, that is alone in a list, or that a text holds as JSON."""
    value = opened(value)
    if isinstance(value, list) and len(value) == 1:
        value, path = opened(value[0]), (*path, 0)
    return Layer(path, value) if isinstance(value, dict) else None


def _has_status(members: Members) -> bool:
    return "status" in members or any(map(_is_status_name, members)) or any(name in members for name in DONE_NAMES[:3])


def _has_own_word(members: Members) -> bool:
    """Whether a layer has a status word that no envelope uses: objects inside it are parts of the task."""
    words = [members.get("status"), members.get("state")]
    known = (status_words.normalized(word) for word in words if status_words.is_readable(word))
    return any(word not in ENVELOPE_WORDS and state_of(word, has_url=True) is not UNKNOWN for word in known)


def _is_status_name(name: str) -> bool:
    """Whether a name means the status of the task."""
    if name in _STATUS_NAMES or name in _STEP_NAMES:
        return True
    if "stat" not in name.lower():
        return False
    words = words_of(name)
    return not words.isdisjoint({"status", "state"}) and words <= _STATUS_OWNERS | _STATUS_FORMS | {"status", "state"}


def is_about_task(layer: Members) -> bool:
    """Whether a layer describes a task: a bare status word next to data or an error code can be the envelope's."""
    # As a text, `detail` is how some frameworks word an error.
    if TASK_MARKS & layer.keys() or isinstance(layer.get("detail"), dict):
        return True
    names = [name for name in layer if _is_status_name(name)]
    if not names or any(not words_of(name).isdisjoint(_STATUS_OWNERS) for name in names):
        return bool(names) or any(isinstance(layer.get(name), bool) for name in DONE_NAMES)
    word = status_words.normalized(layer[names[0]])
    state = STATES.get(word)
    # An envelope's success is about the query, whatever it holds; its failure only if it holds a layer or null data.
    wraps = isinstance(layer.get("data"), dict) or ("data" in layer and layer["data"] is None)
    wraps = wraps or (state is SUCCEEDED and any(_may_hold_task(*member) for member in layer.items()))
    # For a failed task, the reason is elsewhere: see REASON_PLACES.
    is_excused = layer.get("message") or layer.get("detail")
    excuses = bool(is_excused) and not layer.get("error") and state is not SUCCEEDED
    if word not in ENVELOPE_WORDS:
        return True
    return not wraps and not excuses and has_success_code(layer) and len(find_layers(layer)) == 1


def _may_hold_task(name: str, value: Any) -> bool:
    """Whether a member is an object or a list, or null where one is expected."""
    return isinstance(opened(value), dict | list | None) and (value is not None or name in LAYER_NAMES)


def has_success_code(layer: Members) -> bool:
    """Whether a layer's code, if it has one, says that all is well."""
    return str(layer.get("code")).strip().lower() in SUCCESS_CODES


def has_error_code(layer: Members) -> bool:
    """Whether a layer's code is a word, or an HTTP status, for an error."""
    code = str(layer.get("code") or "0").strip().lower()
    return not has_success_code(layer) and (not code.isdigit() or 400 <= int(code[:9]) < 600)


def says_success(text: object) -> bool:
    """Whether a text is a word of success."""
    is_word = isinstance(text, str) and (text.strip().lower() in SUCCESS_CODES)
    return is_word or (isinstance(text, str) and state_of(text, has_url=True) is SUCCEEDED)


def holds_task(raw: Members) -> bool:
    """Whether an object without an error's code holds one that is a task, wherever it stands."""
    return not has_error_code(raw) and search_layer(raw, "", "").layer is not None


def is_failed_task(raw: Members) -> bool:
    """Whether an object with ``success: false`` is about a task that failed, and not a failed query.

    The failure is inside the envelope, or next to the id of a task.
    """
    layers = [layer for layer in find_layers(raw) if is_about_task(layer.members)]
    status = task_status(layers, has_url=False)
    return status.state is FAILED and (len(status.path) > 1 or not TASK_IDS.isdisjoint(raw))


class Found(NamedTuple):
    """The result of a search for the object that is the task."""

    layer: Layer | None
    #: Whether there is a status, but it cannot be said that it is the task's.
    is_ambiguous: bool


def search_layer(raw: Members, task_id: str, base_url: str) -> Found:
    """Return the object with a known status that has the id of the query, or the only one nearest to the surface.

    After a name with an unknown word, the object needs that id, or a success its video. Objects that disagree about the
    state are not trusted.
    """
    nodes = (Layer(*node) for node in walk(raw, skips=video_urls.is_excluded) if isinstance(node.value, dict))
    layers = [layer for layer in nodes if layer.path and is_about_task(layer.members)]
    found = [
        (layer, status) for layer in layers if (status := layer_status(layer, has_url=True)) and not is_open(status)
    ]
    known = [layer for layer, status in found if status.state is not UNKNOWN]
    ids = {task_id, task_id.partition(":")[2]} - {""}
    asked = [layer for layer in known if any(str(layer.members.get(name)) in ids for name in TASK_IDS)]
    if len(asked) == 1:
        return Found(asked[0], is_ambiguous=False)
    disagree = len({status.state for _, status in found}) > 1
    near = [] if disagree else [layer for layer in known if _is_near(layer, base_url)]
    nearest = [layer for layer in near if len(layer.path) == len(near[0].path)]
    layer = nearest[0] if len(nearest) == 1 else None
    return Found(layer, is_ambiguous=layer is None and bool(found))


def _is_near(layer: Layer, base_url: str) -> bool:
    if all(video_urls.is_neutral(name) for name in layer.path if isinstance(name, str)):
        return True
    status = layer_status(layer, has_url=True)
    is_success = status is not None and status.state is SUCCEEDED
    return is_success and bool(video_urls.find_videos(layer.members, base_url))


def task_status(layers: Sequence[Layer], *, has_url: bool) -> Status:
    """Return the status that counts: a failure unless a layer nearer the task succeeded, then the nearest known word.

    An outer failure is the gateway's final verdict if the inner task was left running. An outer success around an inner
    running task is accepted if there is a URL.
    """
    words = [layer_status(layer, has_url=has_url) for layer in layers if is_about_task(layer.members)]
    found = [status for status in words if status is not None]
    if len(found) == 1:
        return found[0]
    ends = {FAILED, SUCCEEDED} if has_url else {FAILED}
    known = [status for status in found if status.state is not UNKNOWN]
    if known and known[0].state is SUCCEEDED:
        return known[0]
    ended = (status for status in known if status.state in ends)
    return next(ended, None) or next(iter(known or found), Status(None, UNKNOWN))


def layer_status(layer: Layer, *, has_url: bool) -> Status | None:
    """Return the status of one layer: ``status`` if its word is known, else the other names that mean one."""
    text = layer.members.get("status")
    own = _word_at(layer, "status", text, has_url=has_url) if isinstance(text, str) else None
    is_known = own is not None and own.state is not UNKNOWN
    # An envelope may use these words in addition to the task's own status.
    if is_known and (text in _SURE_WORDS or status_words.normalized(text) not in SUCCESS_CODES):
        return own
    others = [
        _word_at(layer, name, value, has_url=has_url)
        for name, value in layer.members.items()
        if name != "status" and isinstance(value, str) and _is_status_name(name)
    ]
    known = [status for status in others if status.state is not UNKNOWN and _counts(status, layer)]
    if is_known:
        return next((status for status in known if status.state is not SUCCEEDED), own)
    if len({status.state for status in known}) > 1:
        at_work = (status for status in known if status.state in {PENDING, RUNNING})
        return next(at_work, Status(known[0].text, UNKNOWN, known[0].path, "status words that disagree"))
    return next(iter(known), own or next(iter(others), None) or _done(layer))


def work_beside(layer: Layer, status: Status) -> Status | None:
    """Return a word for work next to a success: under another name for the status, or as a text instead of the task."""
    words = (
        _word_at(layer, name, value, has_url=False)
        for name, value in layer.members.items()
        if isinstance(value, str) and (name in LAYER_NAMES or _is_status_name(name)) and layer.path == status.path[:-1]
    )
    return next((word for word in words if word.state in {PENDING, RUNNING}), None)


def _counts(status: Status, layer: Layer) -> bool:
    """Whether a word is that of the task: next to a status, a step that has ended is only a step."""
    is_step = status.path[-1] in _STEP_NAMES and not _STATUS_NAMES.isdisjoint(layer.members)
    return not is_step or status.state in {PENDING, RUNNING}


def _word_at(layer: Layer, name: str, text: str, *, has_url: bool) -> Status:
    return Status(text, state_of(text, has_url=has_url), (*layer.path, name))


def _done(layer: Layer) -> Status | None:
    """Return the status of a layer that says by a boolean whether the task has ended."""
    name = next((name for name in DONE_NAMES if isinstance(layer.members.get(name), bool)), None)
    if name is None:
        return None
    state = RUNNING if not layer.members[name] else FAILED if has_error(layer.members) else SUCCEEDED
    return Status(None, state, (*layer.path, name), "a boolean for completion")


def has_error(members: Members) -> bool:
    error = members.get("error")
    return any(error.values()) if isinstance(error, dict) else bool(error)


def is_open(status: Status) -> bool:
    """Whether there is no status, or one that is not a word."""
    return status.state is UNKNOWN and not status_words.is_readable(status.text)
