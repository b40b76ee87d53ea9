"""The synchronous session: sends requests over httpx within their timeouts."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from kkiai_sdk._effects import Sleep, run
from kkiai_sdk._http.base_session import (
    BaseSession,
    NoResponse,
    ParsedResponse,
    body_limit,
    finish_body,
    hook_body,
    request_arguments,
    to_raw_response,
)
from kkiai_sdk._http.client_pool import TransportTypes
from kkiai_sdk._http.file_body import BaseFileResponse, file_request
from kkiai_sdk._http.network import READ_SIZE, request_scope
from kkiai_sdk._http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from kkiai_sdk._effects import AllowedURL
    from kkiai_sdk._http.base_session import Exchange, RequestSpec, SendRequest, Success
    from kkiai_sdk._responses.raw_response import RawResponse


class Session(BaseSession, httpx.Client):
    """An httpx client that adds the key, enforces one deadline per attempt, retries, and raises typed errors.

    Each request returns the complete response of a success or raises APIError. The arguments of a request for
    authentication, redirects, streaming and timeouts have no effect.
    """

    def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        """Build a request and send it. Raises APIError, ConfigurationError."""
        return self.send(self.build_request(method, url, **request_arguments(options)))

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send a request with retries. Raises APIError, ConfigurationError."""
        request.read()
        spec = self.context.spec_of(request)
        return ParsedResponse.make(self.exchange(self.context.request_flow(spec), spec), request)

    def exchange(self, flow: Exchange, spec: RequestSpec) -> Success:
        """Run the flow of a request. Raises APIError, ConfigurationError."""
        return run(flow, partial(self._perform, spec))

    def _perform(self, spec: RequestSpec, step: SendRequest | Sleep) -> RawResponse | NoResponse | None:
        if isinstance(step, Sleep):
            self.context.clock.sleep_until(step.until)
            return None
        if self.context.pool.has_custom_transports:
            self.context.pool.check_open()
        try:
            with request_scope(step.timeout), closing(self.send_once(spec.build_request(step))) as response:
                return to_raw_response(response, _read_body(response, body_limit(response.status_code, spec.options)))
        except Exception as exception:
            failure = self.context.failure(exception, step)
        if isinstance(failure, NoResponse):
            return failure
        raise failure

    def send_once(self, request: httpx.Request) -> httpx.Response:
        """Send a request once; the body of the response is not read yet."""
        return super().send(request, stream=True, follow_redirects=False)

    def close(self) -> None:
        """Do nothing: the client of the session closes the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the encoded body, because httpx decodes without a limit. A body longer than ``limit`` is cut."""
    if (read := hook_body(response)) is not None:
        return read
    body = bytearray()
    for chunk in cast("httpx.SyncByteStream", response.stream):
        body += chunk
        if len(body) > limit:
            return bytes(body)
    finish_body(response)
    return bytes(body)


class FileResponse(BaseFileResponse):
    """The response to a request for a file."""

    @classmethod
    def open(cls, session: Session, target: AllowedURL, headers: Mapping[str, str]) -> Self:
        """Send the request. Raises APIError, UnsafeURLError, ConfigurationError."""
        context = session.context
        client = session if target.with_key else context.pool.file_client(context.config.allow_file_hosts)
        try:
            # The timeout applies to the head; the body is limited chunk by chunk.
            with request_scope(context.options.timeout):
                # The request is not in a variable: it holds the key.
                response = httpx.Client.send(
                    client, file_request(target, headers, context), stream=True, follow_redirects=False
                )
            return cls(context, target.url, response)
        except Exception as exception:
            error = context.to_error(exception, target.url, context.options.timeout)
        raise error

    def chunks(self) -> Generator[bytes]:
        """Yield the body chunk by chunk; then ``error`` is set if it was interrupted."""
        response = self._response
        try:
            if response.is_stream_consumed:
                yield response.content
                return
            # Kept until the end: httpcore closes the connection when the iterator is garbage-collected.
            parts = iter(cast("httpx.SyncByteStream", response.stream))
            for part in parts:
                yield part
                if self._goes_direct(part):
                    break
            else:
                finish_body(response)
            while self._left > 0:
                yield self._received(self._stream.read(READ_SIZE, self._timeout))
        except Exception as exception:
            self._interrupt(exception)

    def close(self) -> None:
        """Close the body."""
        self._response.close()


TRANSPORT_TYPES = TransportTypes(
    httpx.Client, Session, httpx.BaseTransport, Transport, os.getpid, lambda hook: hook, awaits=False
)
