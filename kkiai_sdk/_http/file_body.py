"""Requests for files, and their responses, whose bodies are read chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from kkiai_sdk._http.base_session import flatten, httpx_timeouts, merge_headers, to_raw_response, with_key
from kkiai_sdk._http.network import StreamObserver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kkiai_sdk._effects import AllowedURL
    from kkiai_sdk._http.base_session import SessionContext


def file_request(target: AllowedURL, headers: Mapping[str, str], context: SessionContext) -> httpx.Request:
    """Return a request for a file; only one to the gateway has the key, and none has the caller's default headers."""
    merged = merge_headers({}, [("User-Agent", context.config.user_agent)], headers.items())
    secret = context.config.secret.resolved() if target.with_key else None
    extensions = {"timeout": httpx_timeouts(context.options.timeout)}
    return httpx.Request("GET", target.url, headers=with_key(flatten(merged), secret), extensions=extensions)


class BaseFileResponse:
    """The response to a request for a file.

    Over HTTP/1.1, a body of known length is all that follows the head on its connection, so it is read from the
    connection itself, through httpx's documented extension ``network_stream``; this takes half the CPU time of h11. The
    part that h11 received with the head is read from httpx first. Closing the response, which httpx considers unread,
    closes the connection.
    """

    #: The error that interrupted the body, or None.
    error: Exception | None = None

    def __init__(self, context: SessionContext, url: str, response: httpx.Response) -> None:
        self._context, self._url, self._response = context, url, response
        self._timeout = context.options.timeout
        self.head = to_raw_response(response)
        stream, length = response.extensions.get("network_stream"), response.headers.get("content-length", "")
        is_plain = response.http_version == "HTTP/1.1" and "transfer-encoding" not in response.headers
        is_direct = isinstance(stream, StreamObserver) and is_plain and length.isdecimal() and len(length) <= 18
        #: The connection from which the body is read, or None.
        self._stream: Any = stream if is_direct else None
        #: Bytes of the body that are still to be received over the connection.
        self._left = int(length) if is_direct else 0

    def _goes_direct(self, part: bytes) -> bool:
        """Whether the rest of the body is read from the connection, after a part received from httpx.

        A body that was received with the head is left to httpx, so that the connection can be reused.
        """
        self._left -= len(part)
        return self._stream is not None and self._left > 0

    def _received(self, chunk: bytes) -> bytes:
        if not chunk:
            raise httpx.RemoteProtocolError(f"the connection was closed {self._left} bytes before the end")
        chunk = chunk[: self._left]
        self._left -= len(chunk)
        return chunk

    def _interrupt(self, exception: Exception) -> None:
        self.error = self._context.to_error(exception, self._url, self._timeout)
