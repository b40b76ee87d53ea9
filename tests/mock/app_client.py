"""The gateway without a network, as tests of it use it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from kkiai_sdk.mock import ReceivedRequest
from kkiai_sdk.mock.app import GatewayApp

if TYPE_CHECKING:
    from kkiai_sdk.mock.messages import Json, Reply

VIDEO = bytes(range(256)) * 40


@dataclass
class AppClient:
    """Sends requests to a gateway without a network, each at a gateway second of its own."""

    app: GatewayApp = field(
        default_factory=lambda: GatewayApp("http://gateway.test", "http://files.test", VIDEO, api_key="sk-good")
    )

    def send(self, path: str, query: str = "", *, now: float = 50.5, method: str = "GET", **headers: str) -> Reply:
        """Send any request; the key goes along unless another ``authorization`` is given."""
        fields = {"authorization": "Bearer sk-good"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.app.answer(ReceivedRequest(method, path, query, tuple(fields.items())), now)

    def query(self, task_id: str, now: float) -> Reply:
        """Query a task."""
        return self.send("/v1/video/query", urlencode({"id": task_id}), now=now)

    def body(self, task_id: str, now: float) -> Json:
        """Query a task and give the JSON of the answer."""
        body: Json = json.loads(self.query(task_id, now).body)
        return body
