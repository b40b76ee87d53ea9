"""The asynchronous session: :mod:`kkiai_sdk._http.session` with awaits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
from attrs import evolve

from kkiai_sdk._drive import run_async
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http import exceptions as faults
from kkiai_sdk._http.base_session import Ask, Checked, plain, raw_chunks_async, response_of, transmit_async, wired
from kkiai_sdk._http.client_pool import Owner
from kkiai_sdk._http.session import copied
from kkiai_sdk._responses.strict_json import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kkiai_sdk._effects import Call
    from kkiai_sdk._http.exchange import Good, Send
    from kkiai_sdk._http.session import Seam
    from kkiai_sdk._responses.error_parser import Answer
    from kkiai_sdk.errors import APIError


class AsyncSession(httpx.AsyncClient):
    """:class:`Session` with awaits."""

    def __init__(self, seam: Seam) -> None:
        seam.pool.check_args(httpx.AsyncBaseTransport)
        super().__init__(
            base_url=seam.config.base_url,
            headers=list(seam.fields.values()),
            transport=httpx.AsyncBaseTransport(),
            trust_env=False,
        )
        self.seam = seam

    def bound(self, call: Call) -> AsyncSession:
        """A copy over the same pool that makes its requests on these terms."""
        return copied(self, evolve(self.seam, call=call))

    def with_headers(self, fields: Mapping[str, str]) -> AsyncSession:
        """A copy over the same pool that sends these fields too."""
        return copied(self, self.seam, fields)

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Get the request answered. Streaming, redirects and authentication are the session's own affair."""
        await request.aread()
        return response_of(await self._good(self.seam.asked(request), self.seam.call), request)

    async def checked(self, ask: Ask, call: Call) -> Checked:
        """Get it answered, for the generated code."""
        return Checked(await self._good(ask, call))

    async def _good(self, ask: Ask, call: Call) -> Good:
        return await run_async(self.seam.exchange(ask, call), lambda step: self._perform(step, ask))

    async def _perform(self, step: Send | Sleep, ask: Ask) -> Answer | APIError | None:
        if isinstance(step, Sleep):
            await self.seam.runtime.sleep_until_async(step.until)
            return None
        try:
            return await self._attempt(step, ask)
        except faults.TRANSLATED as problem:
            error = faults.translate(problem, step.url, step.timeout)
        # If it broke off because the client was closed meanwhile, that is what to tell.
        self.seam.pool.check_open()
        return error

    async def _attempt(self, send: Send, ask: Ask) -> Answer:
        async with asyncio.timeout(send.timeout):
            response = await transmit_async(self.httpx_client(), wired(ask, send))
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
