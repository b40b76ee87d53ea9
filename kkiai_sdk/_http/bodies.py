"""The body of a file, as it comes over the wire.

A body of known length over HTTP/1.1 has no framing of its own: after the head, what the connection gives is the file.
So it is read from the connection itself, in large pieces, which takes about half the CPU time of passing every 64 KiB
through the layers of httpx. What h11 has received together with the head comes out of httpx as the first chunk, all of
it (RFC 9112, section 6.3, leaves nothing else in a body that Content-Length ends); from there on httpx is no longer
asked. It finds the answer unread and so closes the connection, which nobody else must use.
"""

from __future__ import annotations

import re
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import httpcore
import httpx

from kkiai_sdk._http.base_session import raw_chunks, raw_chunks_async

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator

S = TypeVar("S", httpcore.NetworkStream, httpcore.AsyncNetworkStream)

#: Bytes asked of the connection at once: 64 KiB cost a third more CPU time, half a megabyte saves a tenth of it.
PIECE = 1 << 18


def _connection(response: httpx.Response, kind: type[S]) -> tuple[S, int] | None:
    """The connection and the length of the body, where the one gives nothing but the other."""
    stream, length = response.extensions.get("network_stream"), response.headers.get("content-length", "")
    is_plain = response.http_version == "HTTP/1.1" and "transfer-encoding" not in response.headers
    if isinstance(stream, kind) and is_plain and re.fullmatch(r"\d{1,18}", length, re.ASCII):
        return stream, int(length)
    return None


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Errors of the connection as httpx would have raised them."""
    try:
        yield
    except httpcore.TimeoutException as problem:
        raise httpx.ReadTimeout(str(problem)) from problem
    except (httpcore.NetworkError, httpcore.ProtocolError) as problem:
        raise httpx.ReadError(str(problem)) from problem


def _piece(chunk: bytes, left: int) -> bytes:
    """What of a chunk belongs to the body, of which ``left`` bytes are missing; a connection may give more."""
    if not chunk:
        raise httpx.RemoteProtocolError(f"the connection was closed {left} bytes before the end")
    return chunk[:left]


def chunks(response: httpx.Response, timeout: float) -> Generator[bytes]:
    """The body, piece by piece, each in at most ``timeout`` seconds."""
    parts, direct = raw_chunks(response), _connection(response, httpcore.NetworkStream)
    if direct is None:
        yield from parts
        return
    stream, left = direct
    for chunk in parts:
        left -= len(chunk)
        yield chunk
        # A short body that is whole already is left to httpx to the end, so that the connection can be used again.
        if left:
            break
    while left:
        with _as_httpx():
            piece = _piece(stream.read(min(left, PIECE), timeout), left)
        left -= len(piece)
        yield piece


async def chunks_async(response: httpx.Response, timeout: float) -> AsyncGenerator[bytes]:
    """:func:`chunks`, asynchronously."""
    direct = _connection(response, httpcore.AsyncNetworkStream)
    async with aclosing(raw_chunks_async(response)) as parts:
        if direct is None:
            async for chunk in parts:
                yield chunk
            return
        stream, left = direct
        async for chunk in parts:
            left -= len(chunk)
            yield chunk
            if left:
                break
        while left:
            with _as_httpx():
                piece = _piece(await stream.read(min(left, PIECE), timeout), left)
            left -= len(piece)
            yield piece
