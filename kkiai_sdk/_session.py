"""The HTTP seam: the only module that talks to httpx.

The generated endpoint functions are handed a session in the place of their own httpx client. Every request of theirs
passes through :meth:`Session.send`, which adds the key, bounds the time and the size, repeats what is worth repeating,
and turns everything but a good answer into a typed error; the generated parser never meets anything else.

A session is a cheap copy around a shared pool. The pool holds two httpx clients over one TLS context: one for the
gateway, one without cookies or credentials for files on other hosts. It belongs to one process, and the asynchronous
one to one event loop: sockets shared across a fork mix up answers.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from attrs import evolve, frozen

from kkiai_sdk import _session_faults as faults
from kkiai_sdk._drive import run, run_async
from kkiai_sdk._exchange import Exchanger, Good, Send
from kkiai_sdk._json import MAX_BODY
from kkiai_sdk._refusals import Answer
from kkiai_sdk._session_deadline import within
from kkiai_sdk._session_pool import Owner, Pool
from kkiai_sdk._waiting import Sleep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from kkiai_sdk._config import Config
    from kkiai_sdk._effects import Call
    from kkiai_sdk._exchange import Exchange
    from kkiai_sdk._retry import RetryBudget
    from kkiai_sdk._runtime import Runtime
    from kkiai_sdk.errors import APIError

#: Seconds for connecting, within the timeout of the request: a host that does not answer by then is better asked again.
CONNECT_TIMEOUT = 5.0


class _Checked(httpx.Response):
    """A good answer; the generated parser gets the very object that was checked."""

    parsed: dict[str, Any]

    def json(self, **_: Any) -> Any:
        return self.parsed


@frozen
class Seam:
    """What both kinds of session know and do without waiting for anything."""

    config: Config
    runtime: Runtime
    pool: Pool
    budget: RetryBudget
    call: Call

    def exchange(self, request: httpx.Request) -> Exchange:
        """The flow that gets this request answered."""
        repeatable = request.method in {"GET", "HEAD"}
        return Exchanger(self.config, self.runtime, self.budget).run(str(request.url), self.call, repeatable=repeatable)

    def static_headers(self) -> httpx.Headers:
        """The fields of every request to the gateway, but for the key."""
        headers = httpx.Headers({"Accept": "application/json", "Content-Type": "application/json"})
        headers.update({"Accept-Encoding": "identity", "User-Agent": self.config.user_agent})
        headers.update(self.config.headers)
        return headers

    def wire(self, request: httpx.Request, send: Send) -> httpx.Request:
        """The request as it goes out: a copy of its own, because it holds the key."""
        headers = request.headers.copy()
        headers.update(self.call.headers)
        if send.secret is not None:
            headers["Authorization"] = f"Bearer {send.secret.reveal()}"
        return httpx.Request(
            request.method, send.url, headers=headers, stream=request.stream, extensions=timeouts(send.timeout)
        )

    def response(self, good: Good, request: httpx.Request) -> httpx.Response:
        """The answer for the generated code, around the object that was checked."""
        answer = good.answer
        # The body is decoded already; these fields would make httpx decode it again.
        framing = {"content-encoding", "transfer-encoding", "content-length"}
        # As bytes: httpx reads fields in any encoding, and makes them from ASCII texts only.
        headers = [(name.encode(), value.encode()) for name, value in answer.headers if name not in framing]
        # Every success is handed on as 200: gateways answer 201 or 202 for the same object, and the generated parsers
        # know the documented status only.
        response = _Checked(200, headers=headers, content=answer.body, request=request)
        response.parsed = good.parsed
        return response


def timeouts(seconds: float) -> dict[str, Any]:
    """The extension by which httpx learns the limits of one request."""
    return {"timeout": httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT)).as_dict()}


def plain(response: httpx.Response, body: bytes) -> Answer:
    """An answer without httpx."""
    return Answer(response.status_code, [(name.lower(), value) for name, value in response.headers.multi_items()], body)


def raw_chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body as it comes over the wire. Decoding is not left to httpx, which has no limit to its result."""
    if not response.is_stream_consumed:
        return response.iter_raw()
    # Made in memory, by a transport for tests: read, and decoded, from the start.
    response.headers.pop("content-encoding", None)
    return iter((response.content,))


async def raw_chunks_async(response: httpx.Response) -> AsyncIterator[bytes]:
    """:func:`raw_chunks`, asynchronously."""
    if response.is_stream_consumed:
        for chunk in raw_chunks(response):
            yield chunk
    else:
        async for chunk in response.aiter_raw():
            yield chunk


S = TypeVar("S", "Session", "AsyncSession")


def _copied(session: S, seam: Seam, fields: Mapping[str, str] | None = None) -> S:
    twin = copy.copy(session)
    # Setting them copies them: the fields of the one must not be those of the other.
    twin.headers = session.headers
    twin.headers.update(fields)
    twin.seam = seam
    return twin


class Session(httpx.Client):
    """An httpx client for the generated code, which gives good answers or raises APIError."""

    def __init__(self, seam: Seam) -> None:
        # The transport is never used: requests go out through the pool.
        super().__init__(
            base_url=seam.config.base_url,
            headers=seam.static_headers(),
            transport=httpx.BaseTransport(),
            trust_env=False,
        )
        self.seam = seam

    def bound(self, call: Call) -> Session:
        """A copy over the same pool that makes its requests on these terms."""
        return _copied(self, evolve(self.seam, call=call))

    def with_headers(self, fields: Mapping[str, str]) -> Session:
        """A copy over the same pool that sends these fields too."""
        return _copied(self, self.seam, fields)

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Get the request answered. Streaming, redirects and authentication are the session's own affair."""
        request.read()
        good = run(self.seam.exchange(request), lambda step: self._perform(step, request))
        return self.seam.response(good, request)

    def _perform(self, step: Send | Sleep, request: httpx.Request) -> Answer | APIError | None:
        if isinstance(step, Sleep):
            self.seam.runtime.sleep_until(step.until)
            return None
        try:
            return self._attempt(step, request)
        except faults.TRANSLATED as problem:
            return faults.translate(problem, step.url, step.timeout)

    def _attempt(self, send: Send, request: httpx.Request) -> Answer:
        with within(send.timeout):
            response = self.httpx_client().send(self.seam.wire(request, send), stream=True)
            try:
                body = bytearray()
                for chunk in raw_chunks(response):
                    body += chunk
                    if len(body) > MAX_BODY:
                        break
                return plain(response, bytes(body))
            finally:
                response.close()

    def httpx_client(self, *, files: bool = False) -> httpx.Client:
        """The client that does the work here and now: for the gateway, or for files elsewhere."""
        return self.seam.pool.client(httpx.Client, Owner.now(asynchronous=False), files=files)

    def close(self) -> None:
        """Close the pool, for this session and all copies of it. Closing twice does nothing."""
        for client in self.seam.pool.drain(Owner.now(asynchronous=False)):
            client.close()


class AsyncSession(httpx.AsyncClient):
    """:class:`Session` with awaits."""

    def __init__(self, seam: Seam) -> None:
        super().__init__(
            base_url=seam.config.base_url,
            headers=seam.static_headers(),
            transport=httpx.AsyncBaseTransport(),
            trust_env=False,
        )
        self.seam = seam

    def bound(self, call: Call) -> AsyncSession:
        """A copy over the same pool that makes its requests on these terms."""
        return _copied(self, evolve(self.seam, call=call))

    def with_headers(self, fields: Mapping[str, str]) -> AsyncSession:
        """A copy over the same pool that sends these fields too."""
        return _copied(self, self.seam, fields)

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Get the request answered. Streaming, redirects and authentication are the session's own affair."""
        await request.aread()
        good = await run_async(self.seam.exchange(request), lambda step: self._perform(step, request))
        return self.seam.response(good, request)

    async def _perform(self, step: Send | Sleep, request: httpx.Request) -> Answer | APIError | None:
        if isinstance(step, Sleep):
            await self.seam.runtime.sleep_until_async(step.until)
            return None
        try:
            return await self._attempt(step, request)
        except faults.TRANSLATED as problem:
            return faults.translate(problem, step.url, step.timeout)

    async def _attempt(self, send: Send, request: httpx.Request) -> Answer:
        async with asyncio.timeout(send.timeout):
            response = await self.httpx_client().send(self.seam.wire(request, send), stream=True)
            try:
                body = bytearray()
                async for chunk in raw_chunks_async(response):
                    body += chunk
                    if len(body) > MAX_BODY:
                        break
                return plain(response, bytes(body))
            finally:
                await response.aclose()

    def httpx_client(self, *, files: bool = False) -> httpx.AsyncClient:
        """The client that does the work here and now: for the gateway, or for files elsewhere."""
        return self.seam.pool.client(httpx.AsyncClient, Owner.now(asynchronous=True), files=files)

    async def aclose(self) -> None:
        """Close the pool, for this session and all copies of it. Closing twice does nothing."""
        for client in self.seam.pool.drain(Owner.now(asynchronous=True)):
            await client.aclose()
