"""The asynchronous session: sends requests over httpx within their timeouts."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from kkiai_sdk._effects import Sleep, run_async
from kkiai_sdk._http.async_network import require_asyncio
from kkiai_sdk._http.async_transport import AsyncTransport
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

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from kkiai_sdk._effects import AllowedURL
    from kkiai_sdk._http.base_session import Exchange, RequestSpec, SendRequest, Success
    from kkiai_sdk._responses.raw_response import RawResponse


def _context() -> object:
    return os.getpid(), asyncio.get_running_loop()


def _to_async_hook(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return an event hook that httpx can await, also from a plain function."""

    async def call(argument: Any) -> None:
        result = hook(argument)
        if isawaitable(result):
            await result

    return call


class AsyncSession(BaseSession, httpx.AsyncClient):
    """An asynchronous httpx client that adds the key, limits each attempt, retries, and raises typed errors.

    Each request returns the complete response of a success or raises APIError. The arguments of a request for
    authentication, redirects, streaming and timeouts have no effect.
    """

    async def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        """Build a request and send it. Raises APIError, ConfigurationError."""
        return await self.send(self.build_request(method, url, **request_arguments(options)))

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send a request with retries. Raises APIError, ConfigurationError."""
        await request.aread()
        spec = self.context.spec_of(request)
        return ParsedResponse.make(await self.exchange(self.context.request_flow(spec), spec), request)

    async def exchange(self, flow: Exchange, spec: RequestSpec) -> Success:
        """Run the flow of a request. Raises APIError, ConfigurationError."""
        require_asyncio()
        return await run_async(flow, partial(self._perform, spec))

    async def _perform(self, spec: RequestSpec, step: SendRequest | Sleep) -> RawResponse | NoResponse | None:
        if isinstance(step, Sleep):
            await self.context.clock.sleep_until_async(step.until)
            return None
        if self.context.pool.has_custom_transports:
            self.context.pool.check_open()
        try:
            with request_scope():
                async with (
                    asyncio.timeout(step.timeout),
                    aclosing(await self.send_once(spec.build_request(step, has_outer_limit=True))) as response,
                ):
                    body = await _read_body(response, body_limit(response.status_code, spec.options))
            return to_raw_response(response, body)
        except Exception as exception:
            failure = self.context.failure(exception, step)
        if isinstance(failure, NoResponse):
            return failure
        raise failure

    async def send_once(self, request: httpx.Request) -> httpx.Response:
        """Send a request once; the body of the response is not read yet."""
        return await super().send(request, stream=True, follow_redirects=False)

    async def aclose(self) -> None:
        """Do nothing: the client of the session closes the connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def _encoded(response: httpx.Response) -> AsyncGenerator[bytes]:
    return cast("AsyncGenerator[bytes]", aiter(cast("httpx.AsyncByteStream", response.stream)))


async def _read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the encoded body, because httpx decodes without a limit. A body longer than ``limit`` is cut."""
    if (read := hook_body(response)) is not None:
        return read
    body = bytearray()
    async with aclosing(_encoded(response)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                return bytes(body)
    finish_body(response)
    return bytes(body)


class AsyncFileResponse(BaseFileResponse):
    """The response to a request for a file."""

    @classmethod
    async def open(cls, session: AsyncSession, target: AllowedURL, headers: Mapping[str, str]) -> Self:
        """Send the request. Raises APIError, UnsafeURLError, ConfigurationError."""
        context = session.context
        client = session if target.with_key else context.pool.file_client(context.config.allow_file_hosts)
        try:
            # The timeout applies to the head; the body is limited chunk by chunk.
            with request_scope():
                async with asyncio.timeout(context.options.timeout):
                    # The request is not in a variable: it holds the key.
                    response = await httpx.AsyncClient.send(
                        client, file_request(target, headers, context), stream=True, follow_redirects=False
                    )
            return cls(context, target.url, response)
        except Exception as exception:
            error = context.to_error(exception, target.url, context.options.timeout)
        raise error

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body chunk by chunk; then ``error`` is set if it was interrupted."""
        response = self._response
        try:
            if response.is_stream_consumed:
                yield response.content
                return
            async with aclosing(_encoded(response)) as parts:
                async for part in parts:
                    yield part
                    if self._goes_direct(part):
                        break
                else:
                    finish_body(response)
                while self._left > 0:
                    yield self._received(await self._stream.read(READ_SIZE, self._timeout))
        except Exception as exception:
            self._interrupt(exception)

    async def aclose(self) -> None:
        """Close the body."""
        await self._response.aclose()


TRANSPORT_TYPES = TransportTypes(
    httpx.AsyncClient, AsyncSession, httpx.AsyncBaseTransport, AsyncTransport, _context, _to_async_hook, awaits=True
)
