"""Custom scripts: a list of steps, each the response to a query.

:meth:`Gateway.script <kkiai_sdk.testing.Gateway.script>` describes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from kkiai_sdk import ConfigurationError
from kkiai_sdk.mock import Reply, faults, scenarios, script_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk.mock import TaskQuery

#: In a body, stands for the URL of the task's file at the gateway.
VIDEO_URL = "$VIDEO_URL"


class Step(TypedDict, total=False):
    """The response to one query, or to all queries for a number of seconds. Every key is optional."""

    #: The status of the task: ``pending``, ``completed``, or any other text. With ``completed``, there is a video.
    state: str
    #: Fields of the task to add or change.
    fields: Mapping[str, Any]
    #: The HTTP status, 200 to 599. Default 200.
    status: int
    #: The body instead of a task: JSON, or text sent unchanged. ``$VIDEO_URL`` is replaced with the URL of the task's
    #: file.
    body: Any
    #: Header fields, including ``content-type``.
    headers: Mapping[str, str]
    #: Seconds of the gateway's time during which every query gets this response. Default: one query.
    seconds: float
    #: Real seconds before the response is sent.
    delay: float
    #: A name from :func:`kkiai_sdk.mock.faults`.
    fault: str


#: A step, or a state alone, or an HTTP status alone.
AnyStep: TypeAlias = "Step | str | int"


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _are_texts(value: Mapping[Any, Any]) -> bool:
    pairs = [*value.items()]
    return all(isinstance(text, str) and text.isascii() and text.isprintable() for pair in pairs for text in pair)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and bool(value)


def _is_number(value: object) -> bool:
    return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "state": ("text", lambda value: isinstance(value, str)),
    "fields": ("a mapping of JSON values", lambda value: isinstance(value, Mapping) and _is_json(dict(value))),
    "status": ("a whole number from 200 to 599", lambda value: type(value) is int and 200 <= value <= 599),
    "body": ("JSON or text", _is_json),
    "headers": ("a mapping of strings", lambda value: isinstance(value, Mapping) and _are_texts(value)),
    "seconds": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "delay": ("a number of at least 0", lambda value: _is_number(value) and value >= 0),
    "fault": (f"one of {', '.join(faults())}", lambda value: isinstance(value, str) and value in faults()),
}


def checked(where: str, step: object) -> Step:
    """Return a step as a mapping. Raises ConfigurationError for an unknown key or an invalid value, saying where."""
    if isinstance(step, str):
        return {"state": step}
    if type(step) is int:
        step = {"status": step}
    if not isinstance(step, Mapping):
        raise ConfigurationError(f"{where} must be a state, an HTTP status or a mapping, not {step!r:.60}")
    for word, value in step.items():
        kind, is_valid = _KINDS.get(word, ("", None))
        if is_valid is None:
            raise ConfigurationError(f"{where} has the unknown key {word!r:.60}; known: {', '.join(_KINDS)}")
        if not is_valid(value):
            raise ConfigurationError(f"{word} of {where} must be {kind}, not {value!r:.60}")
    if "body" in step and step.keys() & {"state", "fields"}:
        raise ConfigurationError(f"{where} must have a body or a task (state, fields), not both")
    return Step(**step)  # type: ignore[typeddict-item]


def named(name: str) -> Callable[[TaskQuery], Reply]:
    """Return the mock gateway's script of that name. Raises ConfigurationError, which lists the names."""
    if name in scenarios():
        return script_of(f"mock:scenario-{name}")
    if name.removeprefix("video-").startswith("fault-") and name.rpartition("fault-")[2] in faults():
        return script_of(f"mock:{name}")
    raise ConfigurationError(
        f"there is no script named {name!r:.60}; known: {', '.join(scenarios())}; and fault- or video-fault- with one "
        f"of {', '.join(faults())}"
    )


class Script:
    """Answers the queries for one task step by step; the last step is repeated forever."""

    def __init__(self, steps: Sequence[AnyStep]) -> None:
        if not _is_list(steps):
            raise ConfigurationError(f"a script must be a name or a list with at least one step, not {steps!r:.60}")
        self._steps = [checked(f"step {number}", step) for number, step in enumerate(steps, 1)]
        self._number = -1
        #: The time at which the current step began, and the one at which it ends.
        self._began, self._ends = 0.0, -math.inf

    def __call__(self, query: TaskQuery) -> Reply:
        """Answer a query."""
        while query.elapsed >= self._ends and self._number < len(self._steps) - 1:
            self._number += 1
            seconds = self._steps[self._number].get("seconds")
            self._began = self._ends if self._number else query.elapsed
            self._ends = query.elapsed if seconds is None else self._began + seconds
            if seconds is None:
                break  # it answers this query, and ends with it
        return _reply(self._steps[self._number], query, self._began)


def _reply(step: Step, query: TaskQuery, began: float) -> Reply:
    body, kind = _body(step, query, began)
    fields = {name.lower(): text for name, text in step.get("headers", {}).items()}
    reply = Reply(step.get("status", 200), body, fields.pop("content-type", kind), tuple(fields.items()))
    return replace(reply, delay=step.get("delay", 0.0), fault=step.get("fault"))


def _body(step: Step, query: TaskQuery, began: float) -> tuple[bytes, str]:
    """Return the body of a response, and its content type."""
    body = step.get("body")
    if "body" not in step:
        is_task = step.get("status", 200) < 300 or step.keys() & {"state", "fields"}
        body = _task(step, query, began) if is_task else {"error": {"message": "scripted", "type": "", "code": ""}}
    text = body if isinstance(body, str) else json.dumps(body)
    kinds = {"<": "text/html", "{": "application/json", "[": "application/json"}
    kind = kinds.get(body.lstrip()[:1], "text/plain") if isinstance(body, str) else "application/json"
    return text.replace(VIDEO_URL, query.file_url()).encode("utf-8", "surrogatepass"), kind


def _task(step: Step, query: TaskQuery, began: float) -> dict[str, Any]:
    state = step.get("state", "pending")
    # At its start, the task of a query is pending.
    task = replace(query, elapsed=0.0).task | {"status": state, "video_url": None}
    task["status_update_time"] = round((query.started + began) * 1000)
    return task | ({"video_url": VIDEO_URL} if state == "completed" else {}) | dict(step.get("fields", {}))
