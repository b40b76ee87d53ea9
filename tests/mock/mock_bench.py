"""What the tests of the mock gateway share: a clock that they move, and the gateway without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from kkiai_sdk.mock import ReceivedRequest
from kkiai_sdk.mock._files import Video
from kkiai_sdk.mock._gateway import Gateway

if TYPE_CHECKING:
    from kkiai_sdk.mock._messages import Json, Reply

VIDEO = Video(bytes(range(256)) * 40)


@dataclass
class Clock:
    """Seconds that pass only when told to."""

    now: float = 1000.25

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Bench:
    """The gateway without a network: requests reach it at ``now`` gateway seconds."""

    gateway: Gateway = field(
        default_factory=lambda: Gateway("http://gateway.test", "http://files.test", VIDEO, api_key="sk-good")
    )

    def send(self, path: str, query: str = "", *, now: float = 50.5, method: str = "GET", **headers: str) -> Reply:
        """Send any request; the key goes along unless another ``authorization`` is given."""
        fields = {"authorization": "Bearer sk-good"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.gateway.answer(ReceivedRequest(method, path, query, tuple(fields.items())), now)

    def ask(self, task_id: str, now: float) -> Reply:
        """Query a task."""
        return self.send("/v1/video/query", urlencode({"id": task_id}), now=now)

    def body(self, task_id: str, now: float) -> Json:
        """Query a task and give the JSON of the answer."""
        reply = self.ask(task_id, now)
        body: Json = json.loads(reply.body)
        return body
