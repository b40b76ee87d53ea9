"""The life of a task in plain values: what one query is told, by how long the task has been known.

A task begins with its first query and lives in gateway seconds: seconds of the gateway's clock, times its speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from kkiai_sdk.mock._messages import Json

RUNS_AT = 2.0
ENDS_AT = 10.0
PROMPT = "```\nA cow with broad white wings glides over green fields.\nSmall clouds drift past.\n```"


class Phase(NamedTuple):
    """A stretch of a task's life: the gateway second in which it begins, and the status from then on."""

    starts: float
    status: str


Life = tuple[Phase, ...]

NORMAL: Life = (Phase(0.0, "pending"), Phase(RUNS_AT, "processing"), Phase(ENDS_AT, "completed"))


def ending(status: str) -> Life:
    """A life like the normal one that ends with another word."""
    return (*NORMAL[:-1], Phase(ENDS_AT, status))


@dataclass(frozen=True, slots=True)
class Poll:
    """One query for one task: all that a script may look at."""

    #: The id that was asked.
    task_id: str
    #: 1 for the first query of this id.
    number: int
    #: Gateway seconds since the first query of this id.
    elapsed: float
    #: When the first query came: gateway seconds since 1970.
    began: float
    #: The gateway's base URL.
    gateway: str
    #: The base URL of the server that holds the files: the stand-in for a CDN, or the gateway.
    files: str
    #: The id of this request.
    request_id: str

    @property
    def file_name(self) -> str:
        """The task's id with nothing in it that a path could mind."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.task_id)

    def file_url(self, fault: str = "") -> str:
        """Where the task's file lies; ``fault`` names a folder whose files misbehave."""
        return f"{self.files}/files/{f'{fault}/' if fault else ''}{self.file_name}.mp4"

    @property
    def escaped_path(self) -> str:
        """A file path in which the id keeps its percent escapes, one of them a slash."""
        return f"/files/signed/videos%2F{quote(self.task_id, safe='')}.mp4"


def phase(poll: Poll, life: Life) -> Phase:
    """The phase that the task is in."""
    return [each for each in life if each.starts <= poll.elapsed][-1]


def progress(elapsed: float) -> int:
    """Percent done of a task that runs, rounded down."""
    return int(100 * (elapsed - RUNS_AT) / (ENDS_AT - RUNS_AT))


def task(poll: Poll, life: Life = NORMAL) -> Json:
    """The task object: the five documented fields, and ``progress`` while it runs."""
    now = phase(poll, life)
    body: Json = {
        "id": poll.task_id,
        "status": now.status,
        "video_url": poll.file_url() if now.status == "completed" else None,
        "enhanced_prompt": PROMPT,
        "status_update_time": round((poll.began + now.starts) * 1000),
    }
    if now.status == "processing":
        body["progress"] = progress(poll.elapsed)
    return body


def is_completed(body: Json) -> bool:
    """Whether the task object tells of a success."""
    return body["status"] == "completed"
