"""The synchronous session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from kkiai_sdk._effects import RequestOptions, Sleep, run
from kkiai_sdk._http.base_session import (
    NoResponse,
    ParsedResponse,
    Success,
    body_limit,
    file_request,
    finish_body,
    merge_headers,
    to_raw_response,
)
from kkiai_sdk._http.client_pool import TransportTypes, configuration_errors
from kkiai_sdk._http.exceptions import was_sent
from kkiai_sdk._http.file_body import read_chunks
from kkiai_sdk._http.network import request_scope
from kkiai_sdk._http.transport import Transport
from kkiai_sdk.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Generator

    from kkiai_sdk._downloads.urls import AllowedURL
    from kkiai_sdk._http.base_session import RequestSpec, SendRequest, SessionContext
    from kkiai_sdk._responses.raw_response import RawResponse
    from kkiai_sdk.errors import KkiaiError

TRANSPORT_TYPES = TransportTypes(httpx.Client, httpx.BaseTransport, Transport, os.getpid, lambda hook: hook)


class Session(httpx.Client):
    """An httpx client that adds the key, enforces one deadline per attempt, retries, and raises typed errors.

    Each request returns the complete response of a success or raises APIError. The arguments of a request for
    authentication, redirects, streaming and timeouts have no effect.
    """

    def __init__(self, context: SessionContext) -> None:
        headers = list(context.headers.values())
        with configuration_errors():
            super().__init__(base_url=context.config.base_url, headers=headers, **context.pool.gateway_arguments)
        self.context = context

    def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        """Build a request and send it. Raises APIError, ConfigurationError."""
        for name in ("auth", "follow_redirects"):
            options.pop(name, None)
        if isinstance(headers := options.get("headers"), Mapping):
            options["headers"] = [*merge_headers({}, headers.items()).values()]
        return self.send(self.build_request(method, url, **options))

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send a request with retries. Raises APIError, ConfigurationError."""
        request.read()
        return ParsedResponse.make(self.exchange(self.context.spec_of(request), self.context.options), request)

    def exchange(self, spec: RequestSpec, options: RequestOptions) -> Success:
        """Send a request with retries. Raises APIError, ConfigurationError."""
        flow = self.context.request_flow(spec, options)
        return run(flow, partial(self._perform, spec, options))

    def _perform(
        self, spec: RequestSpec, options: RequestOptions, step: SendRequest | Sleep
    ) -> RawResponse | NoResponse | None:
        if isinstance(step, Sleep):
            self.context.clock.sleep_until(step.until)
            return None
        if self.context.pool.has_custom_transports:
            self.context.pool.check_open()
        try:
            with request_scope(step.timeout), closing(self.send_once(spec.build_request(step))) as response:
                return to_raw_response(response, _read_body(response, body_limit(response.status_code, options)))
        except Exception as exception:
            error, sent = self.context.to_error(exception, step.url, step.timeout), was_sent(exception)
        if isinstance(error, APIError):
            return NoResponse(error, sent)
        raise error

    def send_once(self, request: httpx.Request) -> httpx.Response:
        """Send a request once; the body of the response is not read yet."""
        return super().send(request, stream=True, follow_redirects=False)

    def with_headers(self, headers: tuple[tuple[str, str], ...]) -> Session:
        """Return a session over the same connections that sends these headers as well."""
        return Session(self.context.with_headers(headers))

    def close(self) -> None:
        """Do nothing: the client of the session closes the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the encoded body, because httpx decodes without a limit. A body longer than ``limit`` is cut."""
    if response.is_stream_consumed:
        # Read by an event hook, and thereby decoded.
        response.headers.pop("content-encoding", None)
        return response.content
    body = bytearray()
    for chunk in cast("httpx.SyncByteStream", response.stream):
        body += chunk
        if len(body) > limit:
            return bytes(body)
    finish_body(response)
    return bytes(body)


class RequestAdapter:
    """The client that a generated function receives: sends its request with the options of one query."""

    #: Read by the generated function; the session raises for error statuses itself.
    raise_on_unexpected_status = False
    success: Success

    def __init__(self, session: Session, options: RequestOptions) -> None:
        self._session, self._options = session, options

    def get_httpx_client(self) -> Self:
        """Return itself."""
        return self

    def request(self, method: str, url: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> Success:
        """Send a request without a body, and store the response in ``success``."""
        spec = self._session.context.spec(method, url, params, headers, self._options)
        self.success = self._session.exchange(spec, self._options)
        return self.success


class FileResponse:
    """The response to a request for a file, with a body that is read chunk by chunk."""

    error: KkiaiError | None = None

    def __init__(self, session: Session, target: AllowedURL, headers: Mapping[str, str]) -> None:
        self._context, self._url = session.context, target.url
        client = session if target.with_key else self._context.pool.file_client()
        error: KkiaiError | None = None
        try:
            # The timeout applies to the head; the body is limited chunk by chunk.
            with request_scope(self._context.options.timeout):
                # The request is not in a variable: it holds the key.
                self._response = httpx.Client.send(
                    client, file_request(target, headers, self._context), stream=True, follow_redirects=False
                )
        except Exception as exception:
            error = self._to_error(exception)
        if error is not None:
            raise error
        self.head = to_raw_response(self._response)

    def chunks(self) -> Generator[bytes]:
        """Yield the body chunk by chunk; then ``error`` is the error that interrupted it, or None."""
        try:
            yield from read_chunks(self._response, self._context.options.timeout)
        except Exception as exception:
            self.error = self._to_error(exception)

    def close(self) -> None:
        """Close the body."""
        self._response.close()

    def _to_error(self, exception: Exception) -> KkiaiError:
        return self._context.to_error(exception, self._url, self._context.options.timeout)
