"""Requests and replies as plain values, and the shapes that replies have on the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

#: A JSON object.
Json = dict[str, object]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived."""

    #: The HTTP method, as sent.
    method: str
    #: The path as sent: percent escapes are kept, so a path that was encoded again shows.
    path: str
    #: The query string as sent, without ``?``; empty if there was none.
    query: str
    #: Names in lower case, in the order of arrival. Holds the key, hence not in the repr.
    headers: Headers = field(repr=False)
    #: Who received it: ``"gateway"`` or ``"cdn"``.
    server: str = "gateway"

    def header(self, name: str) -> str | None:
        """The first header field called ``name`` (any case), or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def parameter(self, name: str) -> str | None:
        """The first query parameter called ``name``, decoded, or None. Bytes that are not UTF-8 become U+FFFD."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return next((value for key, value in pairs if key == name), None)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to be sent."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Headers = ()
    #: Gateway seconds to wait before answering.
    delay: float = 0.0
    #: What goes wrong when it is sent: a name of :func:`~kkiai_sdk.mock.faults`, or None.
    fault: str | None = None


def json_reply(status: int, value: object, headers: Headers = ()) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers=headers)


def nested_error(
    status: int, message: str, request_id: str, *, kind: str, code: str = "", headers: Headers = ()
) -> Reply:
    """An error in the shape ``{"error": {…}}``, whose message ends with the request id."""
    text = f"{message} (request id: {request_id})"
    return json_reply(status, {"error": {"message": text, "type": kind, "param": "", "code": code}}, headers)


def flat_error(status: int, code: str | int, message: str) -> Reply:
    """An error in the shape ``{"code", "message", "data"}``."""
    return json_reply(status, {"code": code, "message": message, "data": None})
