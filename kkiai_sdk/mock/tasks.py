"""The timeline of a task, and the task object at each time of it.

A task starts with its first query. Its times are gateway seconds: seconds of the gateway's clock, times its speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from kkiai_sdk.mock.messages import Json

RUNS_AT = 2.0
ENDS_AT = 10.0
PROMPT = "```\nA cow with broad white wings glides over green fields.\nSmall clouds drift past.\n```"


class Phase(NamedTuple):
    """A part of a timeline: its first gateway second, and the status in it."""

    starts: float
    status: str


Timeline = tuple[Phase, ...]

NORMAL: Timeline = (Phase(0.0, "pending"), Phase(RUNS_AT, "processing"), Phase(ENDS_AT, "completed"))


def ending(status: str) -> Timeline:
    """Make a timeline like the normal one with another status at its end."""
    return (*NORMAL[:-1], Phase(ENDS_AT, status))


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """One query for one task: everything that a script may look at."""

    task_id: str
    #: 1 for the first query of this id.
    number: int
    #: Gateway seconds since the first query of this id.
    elapsed: float
    #: The time of the first query: gateway seconds since 1970.
    started: float
    #: The gateway's base URL.
    gateway: str
    #: The base URL of the server that holds the files: the stand-in for a CDN, or the gateway.
    files: str
    request_id: str

    @property
    def file_name(self) -> str:
        """The task's id with characters that paths allow."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.task_id)

    def file_url(self, folder: str = "") -> str:
        """Make the URL of the task's file, or of the one in a folder whose files fail."""
        return f"{self.files}/files/{f'{folder}/' if folder else ''}{self.file_name}.mp4"

    @property
    def escaped_path(self) -> str:
        """A file path in which the id keeps its percent escapes, one of them a slash."""
        return f"/files/signed/videos%2F{quote(self.task_id, safe='')}.mp4"


def phase(query: TaskQuery, timeline: Timeline) -> Phase:
    """Find the phase that the task is in."""
    return [each for each in timeline if each.starts <= query.elapsed][-1]


def task(query: TaskQuery, timeline: Timeline = NORMAL) -> Json:
    """Make the task object: the five documented fields, and ``progress`` while it runs."""
    now = phase(query, timeline)
    body: Json = {
        "id": query.task_id,
        "status": now.status,
        "video_url": query.file_url() if now.status == "completed" else None,
        "enhanced_prompt": PROMPT,
        "status_update_time": round((query.started + now.starts) * 1000),
    }
    if now.status == "processing":
        body["progress"] = int(100 * (query.elapsed - RUNS_AT) / (ENDS_AT - RUNS_AT))
    return body
