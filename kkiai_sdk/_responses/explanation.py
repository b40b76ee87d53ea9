"""Explains where each field of a task was found and by which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kkiai_sdk import _redaction
from kkiai_sdk._responses import status_words
from kkiai_sdk._responses.json_search import Path, format_path, opened
from kkiai_sdk._responses.task_parser import (
    ID_PLACES,
    PROGRESS_PLACES,
    PROMPT_PLACES,
    TIME_PLACES,
    read_fields,
    reasons,
    value_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kkiai_sdk._responses.layers import Layer
    from kkiai_sdk.models import VideoTask


def explain(task: VideoTask) -> str:
    """Return where each field of a task was found and by which rule, one line each; see :meth:`VideoTask.explain`."""
    if not task.raw:
        return f"task {_brief(task.id)}: {task.state}\nthe response was not kept"
    layers, status, urls = read_fields(task.raw, task.id, "https://gateway.invalid")
    rule = status.rule or (status_words.rule_of(status.text) if status.text else "no status")
    lines = [f"task {_brief(task.id)}: {task.state}", f"state: {task.state} {_at_path(status.path)}, {rule}"]
    lines[1] = lines[1] if task.status is None else f"{lines[1]}: {_brief(task.status)}"
    lines += [f"video: {_redaction.display_url(url.url)} {_at_path(url.path)}, {url.rule}" for url in urls]
    for name, places in _SIMPLE_FIELDS.items():
        lines += [f"{name}: {_at_path((*path, *place))}" for place, path in _places_of(layers, places)][:1]
    if status.state is status_words.FAILED:
        found = next((path for text, path in reasons(layers, status) if text.strip()), None)
        lines.append(f"failure: {_brief(str(task.failure))}" + (f" {_at_path(found)}" if found else ""))
    wrappers = [_at_path(layer.path) for layer in reversed(layers[:-1])]
    lines += [f"layers: the response, {', '.join(wrappers)}"] if wrappers else []
    return "\n".join([*lines, f"response: {_redaction.message(_redaction.redact(_outline(task.raw)))}"])


_SIMPLE_FIELDS: Mapping[str, Sequence[Path]] = {
    "answered_id": ID_PLACES,
    "enhanced_prompt": PROMPT_PLACES,
    "status_update_time": TIME_PLACES,
    "progress": PROGRESS_PLACES,
}


def _places_of(layers: Sequence[Layer], places: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    return ((place, path) for place in places for path, members in layers if value_at(members, place) not in (None, ""))


def _at_path(path: Path) -> str:
    return f"at {_brief(format_path(path))}" if path else "nowhere"


def _brief(text: str) -> str:
    return _redaction.message(_redaction.redact(text), 120)


def _outline(value: Any, depth: int = 4) -> str:
    """Return the names in a JSON value and the types of what they name."""
    value = opened(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{name}: {_outline(child, depth - 1)}" for name, child in [*value.items()][:40])
        return f"{{{inner}}}" if depth else "{…}"
    if isinstance(value, list):
        return f"[{_outline(value[0], depth - 1)} × {len(value)}]" if value and depth else "[]"
    return "text" if isinstance(value, str) else "null" if value is None else type(value).__name__
