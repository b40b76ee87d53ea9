"""A gateway that keeps the contract, and a way to change its replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from contract_tests.wire import TASK_ID, task
from kkiai_sdk.contract._messages import Request, values_of
from kkiai_sdk.mock.messages import End, ReceivedRequest, head
from kkiai_sdk.mock.server import Server, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-honest"
#: The time of every reply: shortly after the status of every task changed.
DATE = "Mon, 05 Jan 2026 09:30:00 GMT"
BEARER = {"WWW-Authenticate": "Bearer"}


@frozen
class Reply:
    """A reply whose body is a JSON value, or bytes. With the status 0 the connection is closed without one."""

    status: int
    value: Any
    headers: dict[str, str] = field(factory=dict)
    media_type: str = "application/json"
    #: Fields that are added even where one of that name is there.
    extra: tuple[tuple[str, str], ...] = ()

    def but(self, *, headers: dict[str, str] | None = None, **facts: Any) -> Reply:
        """The same with some facts replaced and some headers added."""
        return evolve(self, headers=self.headers | (headers or {}), **facts)

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        return self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()

    def encode(self, method: str) -> bytes:
        """The bytes on the wire. The connection ends with them, so that a wrong length breaks no later reply."""
        own = {"Date": DATE, "Content-Type": self.media_type, "Content-Length": str(len(self.body))} | self.headers
        fields = (*own.items(), *self.extra, ("Connection", "close"))
        return head(self.status, fields) + (b"" if method == "HEAD" else self.body)


#: The reply of a faulty gateway, from a request and the reply that the contract requires.
Mutation = Callable[[Request, Reply], Reply]


def conforming(request: Request) -> Reply:
    """The reply that the contract requires. The gateway knows one task."""
    if request.path != "/v1/video/query":
        return Reply(404, {"message": "no such path"})
    if request.method != "GET":
        return Reply(405, {"message": "only GET"}, {"Allow": "GET"})
    scheme, _, key = "".join(values_of(request.headers, "authorization")).partition(" ")
    if (scheme.lower(), key) != ("bearer", KEY):
        return Reply(401, {"error": "who are you?"}, BEARER)
    task_id = request.parameter("id") or ""
    if not 1 <= len(task_id) <= 256:
        return Reply(400, {"error": {"message": "id must have 1 to 256 characters", "code": "bad_id"}})
    if task_id != TASK_ID:
        return Reply(400, {"code": "task_not_exist", "message": "no such task", "data": None})
    return Reply(200, task(id=task_id))


@contextmanager
def gateway(mutation: Mutation = lambda _, reply: reply, prefix: str = "") -> Iterator[str]:
    """The address, below the path ``prefix``, of a gateway whose every reply is changed by ``mutation``."""

    async def answer(received: ReceivedRequest, writer: asyncio.StreamWriter) -> End:
        target = received.target
        target = target.removeprefix(prefix) if target.startswith(prefix) else f"/elsewhere{target}"
        request = Request.to(received.method, target, received.headers, received.body)
        reply = await asyncio.to_thread(mutation, request, conforming(request))
        if reply.status:
            writer.write(reply.encode(received.method))
        return End.FIN

    listener = listen()
    with Server(answer, {"faulty": listener}, name="faulty-gateway"):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}"
