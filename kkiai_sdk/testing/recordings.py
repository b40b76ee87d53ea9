"""Recorded responses: a folder with one JSON file per response, in the order of their names.

A file contains a step of a script (see :meth:`Gateway.script <kkiai_sdk.testing.Gateway.script>`) and ``task_id``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kkiai_sdk import ConfigurationError
from kkiai_sdk.testing.steps import VIDEO_URL, checked

if TYPE_CHECKING:
    import os

    from kkiai_sdk import Kkiai, VideoTask
    from kkiai_sdk.testing.steps import Step


def record(client: Kkiai, task_id: str, folder: str | os.PathLike[str], *, timeout: float | None = 1800.0) -> VideoTask:
    """Wait for a task, and save every response about it to a folder, for ``gateway.play(folder)``.

    The URL of the video is replaced with ``$VIDEO_URL``. Prompts and other URLs are saved unchanged, so review the
    files before you share them. Error responses are not recorded; write a file for them by hand.

    Args:
        client: A client for the gateway whose responses are recorded.
        task_id: The task.
        folder: The folder; it is created if it does not exist. Existing files are kept.
        timeout: Seconds for the whole wait; None for no limit.

    Returns:
        The task as it ended.

    Raises:
        KkiaiError: The wait failed; see ``client.watch``.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    first = max((int(each.stem) for each in path.glob("*.json") if each.stem.isdecimal()), default=0)
    for number, task in enumerate(client.watch(task_id, timeout=timeout, every_poll=True), first + 1):
        text = json.dumps({"task_id": task_id, "body": _without_urls(task.raw, task.video_urls)}, indent=2)
        path.joinpath(f"{number:04d}.json").write_text(f"{text}\n", "utf-8")
    return task


def _without_urls(value: Any, urls: tuple[str, ...]) -> Any:
    """Return JSON with the placeholder for the URLs, also inside strings."""
    if isinstance(value, dict):
        return {name: _without_urls(item, urls) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_urls(item, urls) for item in value]
    for url in urls:
        value = value.replace(url, VIDEO_URL) if isinstance(value, str) else value
    return value


def load(folder: Path) -> dict[str, list[Step]]:
    """Return the steps of each task. Raises ConfigurationError for an invalid file, naming it, or if there is none."""
    found: dict[str, list[Step]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            answer = json.loads(path.read_text("utf-8"))
        except ValueError:
            answer = None
        task_id = answer.pop("task_id", None) if isinstance(answer, dict) else None
        if not isinstance(task_id, str):
            raise ConfigurationError(f"{path} must be a JSON object with a task_id")
        found.setdefault(task_id, []).append(checked(str(path), answer))
    if not found:
        raise ConfigurationError(f"{folder} contains no recorded responses (*.json)")
    return found
