"""Requests and replies as plain values, and the forms that gateways give to errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum, auto
from http.client import responses
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A JSON object.
Json = dict[str, object]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived."""

    #: The HTTP method, as sent.
    method: str
    #: The path as sent: percent escapes are kept, so that double encoding is visible.
    path: str
    #: The query string as sent, without ``?``; empty if there was none.
    query: str
    #: Names in lower case, in order of arrival. Contains the key, hence not in the repr.
    headers: Headers = field(repr=False)
    #: The server that received it: ``"gateway"`` or ``"cdn"``.
    server: str = "gateway"
    #: The body; empty if there was none.
    body: bytes = field(default=b"", repr=False)
    #: The number of the connection it came over, from 0.
    connection: int = 0

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """The first header field called ``name`` (any case), or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def parameter(self, name: str) -> str | None:
        """The first query parameter called ``name``, decoded, or None. Bytes that are not UTF-8 become U+FFFD."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return next((value for key, value in pairs if key == name), None)


class End(Enum):
    """The next state of a connection, chosen by the handler of its last request."""

    #: It waits for the next request, unless this one asked to close it.
    KEEP = auto()
    #: It is closed.
    FIN = auto()
    #: It is reset.
    RST = auto()
    #: It stays open and silent until the client closes it.
    HANG = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to be sent."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Headers = ()
    #: Gateway seconds to wait before answering.
    delay: float = 0.0
    #: The fault to apply when it is sent, a name from :func:`~kkiai_sdk.mock.faults`, or None.
    fault: str | None = None

    def head(self, *framing: tuple[str, str]) -> bytes:
        """Encode the status line and header fields. ``framing``: the fields that determine where the body ends."""
        return head(self.status, (("content-type", self.content_type), *self.headers, *framing))

    def encode(self, *more: tuple[str, str], length: int | None = None) -> bytes:
        """Encode the reply with its length, or another one, and with additional header fields."""
        size = len(self.body) if length is None else length
        return self.head(("content-length", str(size)), *more) + self.body


def head(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """Encode a status line and header fields."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def json_reply(status: int, value: object, headers: Headers = ()) -> Reply:
    """Make a JSON response."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers=headers)


def nested_error(
    status: int, message: str, request_id: str, *, kind: str, code: str = "", headers: Headers = ()
) -> Reply:
    """Make an error of the form ``{"error": {…}}``, whose message ends with the request id."""
    text = f"{message} (request id: {request_id})"
    return json_reply(status, {"error": {"message": text, "type": kind, "param": "", "code": code}}, headers)
