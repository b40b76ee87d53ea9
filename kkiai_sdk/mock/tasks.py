"""The timeline of a task, and the task object at each point of it.

A task starts with its first query. Its times are gateway seconds: seconds of the gateway's clock, times its speed.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import quote

from kkiai_sdk.mock.messages import Json, Reply, json_reply

RUNS_AT = 2.0
ENDS_AT = 10.0
PROMPT = "```\nA cow with broad white wings glides over green fields.\nSmall clouds drift past.\n```"


class Phase(NamedTuple):
    """A part of a timeline: its first gateway second, and its status."""

    starts: float
    status: str


Timeline = tuple[Phase, ...]

NORMAL: Timeline = (Phase(0.0, "pending"), Phase(RUNS_AT, "processing"), Phase(ENDS_AT, "completed"))


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """One query for a task: everything that a script may use."""

    task_id: str
    #: 1 for the first query of this id.
    number: int
    #: Gateway seconds since the first query of this id.
    elapsed: float
    #: The time of the first query: gateway seconds since 1970.
    started: float
    #: The gateway's base URL.
    gateway: str
    #: The base URL of the file server: the stand-in for a CDN, or the gateway.
    files: str
    request_id: str
    timeline: Timeline = NORMAL
    #: The bytes of the task's file.
    video: bytes = field(default=b"", repr=False)

    @property
    def phase(self) -> Phase:
        """The phase that the task is in."""
        return [each for each in self.timeline if each.starts <= self.elapsed][-1]

    @property
    def is_completed(self) -> bool:
        """Whether the task has its video."""
        return self.phase.status == "completed"

    def ending(self, status: str) -> TaskQuery:
        """The same query, for a task that ends with another status."""
        return replace(self, timeline=(*NORMAL[:-1], Phase(ENDS_AT, status)))

    @property
    def task(self) -> Json:
        """The task object: the five documented fields, and ``progress`` while it runs."""
        body: Json = {
            "id": self.task_id,
            "status": self.phase.status,
            "video_url": self.file_url() if self.is_completed else None,
            "enhanced_prompt": PROMPT,
            "status_update_time": round((self.started + self.phase.starts) * 1000),
        }
        if self.phase.status == "processing":
            body["progress"] = int(100 * (self.elapsed - RUNS_AT) / (ENDS_AT - RUNS_AT))
        return body

    def reply(self, **changes: object) -> Reply:
        """Reply with the task object, some of its fields changed or added."""
        return json_reply(200, self.task | changes)

    @property
    def file_name(self) -> str:
        """The task's id, with only the characters that paths allow."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.task_id)

    def file_url(self, folder: str = "") -> str:
        """Make the URL of the task's file, or of the one in a folder whose files fail."""
        return f"{self.files}/files/{f'{folder}/' if folder else ''}{self.file_name}.mp4"

    @property
    def data_url(self) -> str:
        """A URL that contains the task's file itself."""
        return f"data:video/mp4;base64,{base64.b64encode(self.video).decode()}"

    @property
    def escaped_path(self) -> str:
        """A file path in which the id keeps its percent escapes, one of them a slash."""
        return f"/files/signed/videos%2F{quote(self.task_id, safe='')}.mp4"
