"""A small honest gateway, and a way to make it do one thing wrong."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve, field, frozen

from contract_tests.wire import TASK_ID, task
from kkiai_sdk.contract._messages import Request, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-honest"
#: When these gateways answer: shortly after the statuses that they tell changed.
DATE = "Mon, 05 Jan 2026 09:30:00 GMT"
BEARER = {"WWW-Authenticate": "Bearer"}


@frozen
class Reply:
    """What is sent back: the body as a JSON value, or as bytes. A status of 0: nothing, the connection is closed."""

    status: int
    value: Any
    headers: dict[str, str] = field(factory=dict)
    media_type: str = "application/json"
    #: Fields that come besides, be they there already.
    extra: tuple[tuple[str, str], ...] = ()

    def but(self, *, headers: dict[str, str] | None = None, **facts: Any) -> Reply:
        """The same with some facts replaced and some headers added."""
        return evolve(self, headers=self.headers | (headers or {}), **facts)

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        return self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()


Crook = Callable[[Request, Reply], Reply]


def honest(request: Request) -> Reply:
    """What the contract asks for. The gateway knows one task."""
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    crook: ClassVar[Crook]
    prefix: ClassVar[str]

    def _answer(self) -> None:
        prefix = type(self).prefix
        path = self.path.removeprefix(prefix) if self.path.startswith(prefix) else f"/elsewhere{self.path}"
        request = Request.to(self.command, path, self.headers.items())
        reply = type(self).crook(request, honest(request))
        if reply.status == 0:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        sent = {"Date": DATE, "Content-Type": reply.media_type, "Content-Length": str(len(reply.body))} | reply.headers
        for name, value in (*sent.items(), *reply.extra):
            self.send_header(name, value)
        # What may follow a body that was not read is not another request.
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_PATCH = do_TRACE = do_QUERY = do_HEAD = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of what went wrong here, and not of an asker who went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def gateway(crook: Crook = lambda _, reply: reply, prefix: str = "") -> Iterator[str]:
    """The address of a gateway whose every reply went through ``crook``. It lies below the path ``prefix``."""
    handler = type("Handler", (_Handler,), {"crook": staticmethod(crook), "prefix": prefix})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{prefix}"
        finally:
            server.shutdown()
            thread.join()
