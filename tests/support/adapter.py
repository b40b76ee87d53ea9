"""Test adapters: one blocking interface for the synchronous and the asynchronous client."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import AsyncGenerator
from functools import cache
from typing import TYPE_CHECKING, Any, Self, cast

from kkiai_api.api.video import query_video_task
from kkiai_sdk import AsyncKkiai, Kkiai
from tests.support.canary import KEY
from tests.support.leaks import other_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    import httpx

    from kkiai_api.client import AuthenticatedClient
    from kkiai_api.types import Response

KINDS = ("sync", "async")
_END = object()


@cache
def default_tls() -> ssl.SSLContext:
    """Return one TLS context for all tests: loading the certificate store takes longer than most of them."""
    return ssl.create_default_context()


class SyncAdapter:
    """Wraps an AsyncKkiai as a blocking client on one event loop."""

    def __init__(self, runner: asyncio.Runner, target: AsyncKkiai) -> None:
        self.runner, self.target = runner, target

    def __getattr__(self, name: str) -> Any:
        return self._blocking(getattr(self.target, name))

    def _blocking(self, value: Any) -> Any:
        if isinstance(value, AsyncKkiai):
            return SyncAdapter(self.runner, value)
        if isinstance(value, AsyncGenerator):
            return self._items(value)
        if inspect.isawaitable(value):
            return self.run(value)
        return (lambda *args, **kwargs: self._blocking(value(*args, **kwargs))) if callable(value) else value

    def _items(self, items: AsyncGenerator[Any]) -> Iterator[Any]:
        try:
            while (item := self.run(anext(items, _END))) is not _END:
                yield item
        finally:
            self.run(items.aclose())

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Run the awaitable and return its result."""

        async def main() -> Any:
            return await awaitable

        return self.runner.run(main())

    def __enter__(self) -> Self:
        self.run(self.target.__aenter__())
        return self

    def __exit__(self, *details: object) -> None:
        self.run(self.target.__aexit__(*details))

    def __repr__(self) -> str:
        return repr(self.target)


class Maker:
    """Makes clients of one kind and closes them all."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.runner = asyncio.Runner()
        #: The clients so far.
        self.made: list[Kkiai] = []

    def __call__(self, base_url: str | None = None, **options: Any) -> Kkiai:
        """A client with the test's key for the gateway at ``base_url``."""
        options = {"api_key": KEY, "httpx_args": {"verify": default_tls()}} | options
        if self.kind == "sync":
            client = Kkiai(base_url=base_url, **options)
        else:
            client = cast("Kkiai", SyncAdapter(self.runner, AsyncKkiai(base_url=base_url, **options)))
        self.made.append(client)
        return client

    def run_event_loop(self) -> None:
        """Run the event loop until its tasks are done or its turns are used up."""
        self.runner.run(other_tasks())

    def close(self) -> None:
        """Close the clients and the event loop."""
        for client in self.made:
            client.close()
        left = self.runner.run(other_tasks())
        self.runner.close()
        assert left == set(), "tasks were left running"


def raw_query(client: Kkiai, task_id: str, raw: AuthenticatedClient | None = None) -> Response[Any]:
    """Call the generated endpoint function over the client's session."""
    raw = raw or client.raw
    if isinstance(client, SyncAdapter):
        return cast("Response[Any]", client.run(query_video_task.asyncio_detailed(client=raw, id=task_id)))
    return query_video_task.sync_detailed(client=raw, id=task_id)


def raw_request(client: Kkiai, method: str, url: str, **options: Any) -> httpx.Response:
    """Send any request through the client's session."""
    if isinstance(client, SyncAdapter):
        return cast("httpx.Response", client.run(client.raw.get_async_httpx_client().request(method, url, **options)))
    return client.raw.get_httpx_client().request(method, url, **options)
