"""Getting files through a session: one open body at a time, on the key's terms."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from kkiai_sdk._downloads.range_requests import Head
from kkiai_sdk._effects_files import Copy, Local, Open
from kkiai_sdk._http import exceptions as faults
from kkiai_sdk._http.base_session import plain, timeouts, transmit, transmit_async
from kkiai_sdk._http.bodies import chunks, chunks_async
from kkiai_sdk._http.deadline import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kkiai_sdk._config import Secret
    from kkiai_sdk._effects import Effect
    from kkiai_sdk._http.async_session import AsyncSession
    from kkiai_sdk._http.session import Seam, Session
    from kkiai_sdk.errors import APIError

T = TypeVar("T")

#: Bytes that are collected before they are handed to a thread for writing: a hop costs more than a small write. A
#: quarter of it costs a fourth more CPU time, four times of it save nothing. A thread for the whole file would save a
#: quarter, but could not be cancelled, and would need connections of its own.
BATCH = 1 << 20


def file_request(seam: Seam, effect: Open, secret: Secret | None) -> httpx.Request:
    """A request for a file; with nothing that identifies the caller unless the file is on the gateway itself."""
    headers = {"User-Agent": seam.config.user_agent} | effect.headers
    request = httpx.Request("GET", effect.source.url, headers=headers, extensions=timeouts(seam.call.timeout))
    if secret is not None:
        # Not kept in a variable: crash reporters show those of every frame in a traceback.
        request.headers["Authorization"] = f"Bearer {secret.reveal()}"
    return request


def _secret_for(seam: Seam, effect: Open) -> Secret | None:
    return seam.config.secret.resolved() if effect.source.with_key else None


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread. A cancellation waits for its end: else it would go on writing behind our back."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            # Some cancel again and again until they are heard.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise


async def _told(effect: Copy) -> None:
    told = effect.tell()
    if inspect.isawaitable(told):
        await told


def _head(response: httpx.Response) -> Head:
    return Head(response.status_code, plain(response, b"").headers, response.http_version)


class Transfer:
    """The open body of a synchronous download."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._response: httpx.Response | None = None
        self._url = ""

    def perform(self, effect: Effect, otherwise: Callable[[Effect], Any]) -> Any:
        """Perform an effect, or leave it to somebody else."""
        match effect:
            case Open():
                return self._open(effect)
            case Copy():
                return self._copy(effect)
            case Local():
                return effect.do()
        # An answer that nobody reads any more must not hold its place while the gateway is asked, or time passes.
        self.close()
        return otherwise(effect)

    def _open(self, effect: Open) -> Head | APIError:
        """Send the request; the body stays open until the next one."""
        self.close()
        self._url = effect.source.url
        client = self._session.httpx_client(files=not effect.source.with_key)
        # Asks for the key: what that raises is not the network's doing.
        secret = _secret_for(self._session.seam, effect)
        try:
            # The head has the time of one request, however it comes; the body takes what it needs.
            with within(self._session.seam.call.timeout):
                self._response = transmit(client, file_request(self._session.seam, effect, secret))
        except faults.TRANSLATED as problem:
            return faults.translate(problem, self._url, self._session.seam.call.timeout)
        return _head(self._response)

    def _copy(self, effect: Copy) -> APIError | None:
        """Hand the body over as it comes. What ``effect`` itself raises passes."""
        assert self._response is not None
        timeout = self._session.seam.call.timeout
        effect.tell()
        with closing(chunks(self._response, timeout)) as body:
            while True:
                try:
                    chunk = next(body, None)
                except faults.TRANSLATED as problem:
                    return faults.translate(problem, self._url, timeout)
                if chunk is None:
                    return None
                effect.write(chunk)
                effect.tell()

    def close(self) -> None:
        """Drop the body."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Writer:
    """Writes in a thread, in batches: while one is being written the next comes in."""

    def __init__(self, effect: Copy) -> None:
        self._effect = effect
        self._batch: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Take in a chunk. Raises what went wrong with an earlier one."""
        self._batch.append(chunk)
        self._size += len(chunk)
        if self._size >= BATCH:
            await self._hand_over()

    async def flush(self) -> None:
        """See everything written."""
        await self._hand_over()
        await self._written()

    async def _hand_over(self) -> None:
        await self._written()
        data, self._size = b"".join(self._batch), 0
        self._batch.clear()
        if data:
            self._writing = asyncio.create_task(in_thread(partial(self._effect.write, data)))

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing
            await _told(self._effect)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            # Whatever ended the transfer is what the caller hears of; the file must be nobody's any more by then.
            with suppress(Exception):
                await self._writing


class AsyncTransfer:
    """:class:`Transfer` with awaits; writing happens in a thread."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._response: httpx.Response | None = None
        self._url = ""

    async def perform(self, effect: Effect, otherwise: Callable[[Effect], Awaitable[Any]]) -> Any:
        """Perform an effect, or leave it to somebody else."""
        match effect:
            case Open():
                return await self._open(effect)
            case Copy():
                return await self._copy(effect)
            case Local():
                return await in_thread(effect.do)
        await self.close()
        return await otherwise(effect)

    async def _open(self, effect: Open) -> Head | APIError:
        """Send the request; the body stays open until the next one."""
        await self.close()
        self._url = effect.source.url
        client = self._session.httpx_client(files=not effect.source.with_key)
        secret = _secret_for(self._session.seam, effect)
        try:
            async with asyncio.timeout(self._session.seam.call.timeout):
                self._response = await transmit_async(client, file_request(self._session.seam, effect, secret))
        except faults.TRANSLATED as problem:
            return faults.translate(problem, self._url, self._session.seam.call.timeout)
        return _head(self._response)

    async def _copy(self, effect: Copy) -> APIError | None:
        """Hand the body over in batches. What ``effect`` itself raises passes."""
        assert self._response is not None
        timeout, fault = self._session.seam.call.timeout, None
        await _told(effect)
        async with aclosing(chunks_async(self._response, timeout)) as body, _Writer(effect) as writer:
            while True:
                try:
                    chunk = await anext(body, None)
                except faults.TRANSLATED as problem:
                    chunk, fault = None, faults.translate(problem, self._url, timeout)
                if chunk is None:
                    await writer.flush()
                    return fault
                await writer.add(chunk)

    async def close(self) -> None:
        """Drop the body."""
        if self._response is not None:
            await self._response.aclose()
            self._response = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
