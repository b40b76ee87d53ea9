"""The transport of the extra ``aiohttp``: httpx-aiohttp's, at half of httpcore's CPU, held to the rules of the session.

aiohttp keeps cookies, reads ``.netrc``, writes URLs in its own way, sends again what it thinks fit, and has names
of its own for what goes wrong; none of this gets through here.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

import aiohttp
import httpx
import yarl
from httpx_aiohttp import AiohttpTransport

from kkiai_sdk._http.aiohttp_answers import ATTEMPT, MAX_HEAD, Attempt, Connector
from kkiai_sdk._http.connections import REPEATABLE
from kkiai_sdk._log import log

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator, Sequence

    from aiohttp.client_middlewares import ClientHandlerType

#: Seconds that an idle connection is kept, as in httpx.
KEPT = 5.0
#: How a connection ends that the other side closed.
GONE = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError)
#: What aiohttp's exceptions mean; the first match counts.
MEANINGS: Sequence[tuple[type[Exception], type[httpx.TransportError]]] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
)


@contextmanager
def _translated(attempt: Attempt) -> Iterator[None]:
    """Aiohttp's exceptions, and the bridge's guesses at them, as the exceptions of httpx that they are."""
    try:
        yield
    except httpx.TransportError as guess:
        problem = guess.__cause__ or guess
    except aiohttp.ClientError as unknown:
        problem = unknown
    else:
        return
    # Of a connection that was reset in the middle of a body, aiohttp says only that the body is not whole.
    lost = None if attempt.handler is None else attempt.handler.lost
    raise _meant(problem) from lost or problem


def _meant(problem: BaseException) -> httpx.TransportError:
    if isinstance(problem, aiohttp.ClientResponseError):
        # In the words of h11, by which such a head is known.
        return httpx.RemoteProtocolError("illegal status line")
    meaning = next((known for kind, known in MEANINGS if isinstance(problem, kind)), httpx.ReadError)
    return meaning(str(problem))


class _Stream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, attempt: Attempt) -> None:
        self._inner, self._attempt = inner, attempt

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(self._attempt):
            async for chunk in self._inner:
                yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class Transport(AiohttpTransport):
    """One session of aiohttp's, made where it is used: it belongs to that event loop."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        # As httpcore does it: what is not offered cannot be agreed upon.
        tls.set_alpn_protocols(["http/1.1"])
        super().__init__(verify=tls, client=lambda: _session(tls))
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # A body that has been read is sent with its length; others, even empty ones, in chunks.
        await request.aread()
        if self._is_closed:
            # The bridge would make a new session, which nobody would close.
            raise httpx.ReadError("closed")
        if request.url.userinfo:
            request.url = request.url.copy_with(userinfo=b"")
        attempt = Attempt(_exact(request.url))
        token = ATTEMPT.set(attempt)
        try:
            with _translated(attempt):
                response = await super().handle_async_request(request)
        except BaseException as problem:
            # In aiohttp's frames the key stands among the fields, and crash reporters show the variables of a frame.
            problem.__traceback__ = None
            raise
        finally:
            ATTEMPT.reset(token)
        response.stream = _Stream(cast("httpx.AsyncByteStream", response.stream), attempt)
        return response

    async def aclose(self) -> None:
        self._is_closed = True
        connector = self.client.connector if isinstance(self.client, aiohttp.ClientSession) else None
        await super().aclose()
        if isinstance(connector, Connector):
            await connector.hang_up()


def _exact(url: httpx.URL) -> yarl.URL:
    """The URL as httpx would send it: aiohttp would turn ``%3A`` into a colon."""
    return yarl.URL(str(url), encoded=True)


async def _send(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request to its exact URL; when a kept connection turns out to be closed, once more over a new one."""
    attempt = ATTEMPT.get()
    request.url = attempt.url
    try:
        response = await send(request)
    except GONE:
        if not _is_stale(attempt, request.method):
            raise
        log.debug("%s: the kept connection had been closed; sent again at once", attempt.url.host)
        attempt.is_fresh = True
        response = await send(request)
    # Nobody needs it, and the bridge stumbles over one that is not in UTF-8.
    response.reason = ""
    return response


def _is_stale(attempt: Attempt, method: str) -> bool:
    """Whether it went over a kept connection on which nothing came back."""
    handler, attempt.handler = attempt.handler, None
    is_kept = handler is not None and handler.requests > 1 and not handler.is_answering
    return is_kept and method.encode() in REPEATABLE


def _session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    # No limit: the callers' own bounds are kept, and a limited pool would only add waiting that nobody asked for.
    connector = Connector(
        limit=0, ssl=tls, keepalive_timeout=KEPT, use_dns_cache=False, resolver=aiohttp.ThreadedResolver()
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        middlewares=(_send,),
        max_line_size=MAX_HEAD,
        max_field_size=MAX_HEAD,
        max_headers=MAX_HEAD,
    )
    # There is no public way to have a request tried once.
    session._retry_connection = False  # noqa: SLF001
    _SESSIONS.add(session)
    return session


#: The sessions of this process.
_SESSIONS: WeakSet[aiohttp.ClientSession] = WeakSet()
#: In a child, what its parent had. To close that would reach into the parent's event loop, so it is kept as it is.
_INHERITED: list[object] = []


def _leave_alone() -> None:
    for session in _SESSIONS:
        connector = session.connector
        session.detach()
        if connector is not None:
            # Else it closes its connections when it is collected, however that comes about.
            connector._closed = True  # noqa: SLF001
            _INHERITED.append(connector)
    _SESSIONS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_alone)
