"""One request and its answer on the wire, between plain values and httpx: what a session does for each try."""

from __future__ import annotations

import re
from functools import lru_cache
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, cast

import httpx
from attrs import field, frozen

from kkiai_sdk._responses.error_parser import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from kkiai_sdk._http.exchange import Good, Send

#: Seconds for connecting, within the timeout of the request: a host that does not answer by then is better asked again.
CONNECT_TIMEOUT = 5.0


#: What httpx would leave as it is in a query.
_PLAIN_QUERY = re.compile(r"[A-Za-z0-9._~%=&+-]+")

_read = lru_cache(maxsize=128)(httpx.URL)


def read_url(text: str) -> httpx.URL:
    """``httpx.URL(text)``, at a fifth of the price: the URLs of one gateway differ in their queries only."""
    base, _, query = text.partition("?")
    if not _PLAIN_QUERY.fullmatch(query):
        return _read(text)
    url = httpx.URL.__new__(httpx.URL)
    # Not public: how it keeps its parts. To change one by ``copy_with`` is to read all of it again.
    url._uri_reference = _read(base)._uri_reference._replace(query=query)  # noqa: SLF001
    return url


class Fields(dict[str, str]):
    """The fields of an answer as the generated code hands them on; ``pairs`` has them as they came, in order."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


class Checked:
    """A good answer as far as the generated functions look at one. They get the very object that was checked."""

    #: Every success is handed on as 200: gateways answer 201 or 202 for the same object, and the generated parsers know
    #: the documented status only.
    status_code = 200

    def __init__(self, good: Good) -> None:
        self.headers, self.content = Fields(good.answer.headers), good.answer.body
        self._parsed = good.parsed

    def json(self) -> dict[str, Any]:
        """The object."""
        return self._parsed


class CheckedResponse(httpx.Response):
    """The same for callers who hold the session as the httpx client that it is."""

    parsed: dict[str, Any]

    def json(self, **_: Any) -> Any:
        return self.parsed


@frozen
class Ask:
    """A request before anybody has given it a key."""

    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    stream: Any = field(factory=lambda: httpx.ByteStream(b""))


def wired(ask: Ask, send: Send) -> httpx.Request:
    """The request as it goes out: a new one for each try, because it holds the key."""
    url, extensions = read_url(send.url), timeouts(send.timeout)
    # The key is in no variable here: crash reporters show those of every frame in a traceback.
    return httpx.Request(ask.method, url, headers=_with_key(ask, send), stream=ask.stream, extensions=extensions)


def _with_key(ask: Ask, send: Send) -> list[tuple[bytes, bytes]]:
    if send.secret is None:
        return ask.headers
    return [*ask.headers, (b"Authorization", f"Bearer {send.secret.reveal()}".encode())]


def response_of(good: Good, request: httpx.Request) -> httpx.Response:
    """The answer for whoever built the request, around the object that was checked."""
    # The body is decoded already; these fields would make httpx decode it again.
    framing = {"content-encoding", "transfer-encoding", "content-length"}
    # As bytes: httpx reads fields in any encoding, and makes them from ASCII texts only.
    headers = [(name.encode(), value.encode()) for name, value in good.answer.headers if name not in framing]
    response = CheckedResponse(Checked.status_code, headers=headers, content=good.answer.body, request=request)
    response.parsed = good.parsed
    return response


def timeouts(seconds: float) -> dict[str, Any]:
    """The extension by which the transport learns the limits of one request."""
    return {"timeout": {"connect": min(seconds, CONNECT_TIMEOUT), "read": seconds, "write": seconds, "pool": seconds}}


def plain(response: httpx.Response, body: bytes) -> Answer:
    """An answer without httpx."""
    return Answer(response.status_code, [(name.lower(), value) for name, value in response.headers.multi_items()], body)


# The two functions below do what httpx's own `send` does, less what is not wanted: credentials from URLs, cookies,
# redirects, and a line in httpx's log with the whole URL, whose query can be a signature. That is a third of its cost.


def transmit(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request over the client's transport for its URL. The body is still to come."""
    for hook in client.event_hooks["request"]:
        hook(request)
    response = client._transport_for_url(request.url).handle_request(request)  # noqa: SLF001 (proxies, mounts)
    response.request = request
    try:
        for hook in client.event_hooks["response"]:
            hook(response)
    except BaseException:
        response.close()
        raise
    return response


async def transmit_async(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """:func:`transmit` with awaits. Hooks may be plain functions, too."""
    for hook in client.event_hooks["request"]:
        if isawaitable(told := hook(request)):
            await told
    response = await client._transport_for_url(request.url).handle_async_request(request)  # noqa: SLF001 (as above)
    response.request = request
    try:
        for hook in client.event_hooks["response"]:
            if isawaitable(told := hook(response)):
                await told
    except BaseException:
        await response.aclose()
        raise
    return response


def raw_chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body as it comes over the wire. Decoding is not left to httpx, which has no limit to its result."""
    if not response.is_stream_consumed:
        return iter(cast("httpx.SyncByteStream", response.stream))
    # Made in memory, by a transport for tests: read, and decoded, from the start.
    response.headers.pop("content-encoding", None)
    return iter((response.content,))


async def raw_chunks_async(response: httpx.Response) -> AsyncGenerator[bytes]:
    """:func:`raw_chunks`, asynchronously."""
    if response.is_stream_consumed:
        for chunk in raw_chunks(response):
            yield chunk
    else:
        async for chunk in cast("httpx.AsyncByteStream", response.stream):
            yield chunk
