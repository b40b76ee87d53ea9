"""Reads the body of a file.

Over HTTP/1.1, a body of known length is all that follows the head on its connection, so it is read from the connection
itself, through httpx's documented extension ``network_stream``; this takes half the CPU time of h11. The part that h11
received with the head is read from httpx first. Closing the response, which httpx considers unread, closes the
connection.
"""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import httpcore
import httpx

from kkiai_sdk._http.base_session import finish_body
from kkiai_sdk._http.network import READ_SIZE, StreamObserver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator


def _direct_stream(response: httpx.Response) -> tuple[Any, int]:
    """Return the connection and the length of the body; None and 0 if it cannot be read from the connection."""
    stream, length = response.extensions.get("network_stream"), response.headers.get("content-length", "")
    is_plain = response.http_version == "HTTP/1.1" and "transfer-encoding" not in response.headers
    is_direct = isinstance(stream, StreamObserver) and is_plain and length.isdecimal() and len(length) <= 18
    return (stream, int(length)) if is_direct and not response.is_stream_consumed else (None, 0)


@contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.ReadError(str(error)) from error


def _check_chunk(chunk: bytes, left: int) -> bytes:
    if not chunk:
        raise httpx.RemoteProtocolError(f"the connection was closed {left} bytes before the end")
    return chunk[:left]


def read_chunks(response: httpx.Response, timeout: float) -> Generator[bytes]:
    """Yield the body chunk by chunk, each within ``timeout`` seconds."""
    stream, left = _direct_stream(response)
    if response.is_stream_consumed:
        yield response.content
        return
    # Kept until the end: httpcore closes the connection when the iterator is garbage-collected.
    parts = iter(cast("httpx.SyncByteStream", response.stream))
    for part in parts:
        yield part
        left -= len(part)
        # A body that was received with the head is left to httpx, so that the connection can be reused.
        if stream and left > 0:
            break
    else:
        finish_body(response)
    while stream and left > 0:
        with _httpx_errors():
            chunk = _check_chunk(stream.read(READ_SIZE, timeout), left)
        left -= len(chunk)
        yield chunk


async def aread_chunks(response: httpx.Response, timeout: float) -> AsyncGenerator[bytes]:
    """Yield the body chunk by chunk; see :func:`read_chunks`."""
    stream, left = _direct_stream(response)
    if response.is_stream_consumed:
        yield response.content
        return
    async with aclosing(cast("AsyncGenerator[bytes]", aiter(cast("httpx.AsyncByteStream", response.stream)))) as parts:
        async for part in parts:
            yield part
            left -= len(part)
            if stream and left > 0:
                break
        else:
            finish_body(response)
        while stream and left > 0:
            with _httpx_errors():
                chunk = _check_chunk(await stream.read(READ_SIZE, timeout), left)
            left -= len(chunk)
            yield chunk
