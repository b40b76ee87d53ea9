"""One question about one task, as each library asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY = "sk-benchmark"
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
HEADERS = {"Authorization": f"Bearer {KEY}", "Accept": "application/json", "Content-Type": "application/json"}


def _httpx(url: str) -> Callable[[], Any]:
    import httpx

    client = httpx.Client(base_url=url, headers=HEADERS, timeout=30.0)
    return lambda: client.get("/v1/video/query", params={"id": TASK}).raise_for_status().json()


def _generated(url: str) -> Callable[[], Any]:
    from kkiai_api.api.video import query_video_task
    from kkiai_api.client import AuthenticatedClient

    client = AuthenticatedClient(base_url=url, token=KEY)
    return lambda: query_video_task.sync_detailed(client=client, id=TASK).parsed


def _kkiai(url: str) -> Callable[[], Any]:
    from kkiai_sdk import Kkiai

    client = Kkiai(KEY, base_url=url)
    return lambda: client.query(TASK)


def _openai(url: str) -> Callable[[], Any]:
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=f"{url}/v1")
    return lambda: client.videos.retrieve(TASK)


def _runwayml(url: str) -> Callable[[], Any]:
    import runwayml

    client = runwayml.RunwayML(api_key=KEY, base_url=url)
    return lambda: client.tasks.retrieve(TASK)


def _lumaai(url: str) -> Callable[[], Any]:
    import lumaai

    client = lumaai.LumaAI(auth_token=KEY, base_url=url)
    return lambda: client.generations.get(TASK)


def _replicate(url: str) -> Callable[[], Any]:
    import replicate

    client = replicate.Client(api_token=KEY, base_url=url)
    return lambda: client.predictions.get(TASK)


def fal(url: str) -> Any:
    """fal-client, turned to a server of one's own the only way there is."""
    import fal_client
    import fal_client.client as internals

    internals.QUEUE_URL_FORMAT = f"{url}/"
    return fal_client


def _fal(url: str) -> Callable[[], Any]:
    client = fal(url).SyncClient(key=KEY)
    return lambda: client.status("owner/app", TASK)


SYNC: dict[str, Callable[[str], Callable[[], Any]]] = {
    "httpx": _httpx,
    "generated client alone": _generated,
    "kkiai": _kkiai,
    "openai": _openai,
    "runwayml": _runwayml,
    "lumaai": _lumaai,
    "replicate": _replicate,
    "fal-client": _fal,
}


async def _httpx_async(url: str) -> Callable[[], Awaitable[Any]]:
    import httpx

    client = httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30.0)

    async def ask() -> Any:
        return (await client.get("/v1/video/query", params={"id": TASK})).raise_for_status().json()

    return ask


async def _aiohttp(url: str) -> Callable[[], Awaitable[Any]]:
    import aiohttp

    session = aiohttp.ClientSession(headers=HEADERS, raise_for_status=True)

    async def ask() -> Any:
        async with session.get(f"{url}/v1/video/query", params={"id": TASK}) as response:
            return await response.json()

    return ask


async def _generated_async(url: str) -> Callable[[], Awaitable[Any]]:
    from kkiai_api.api.video import query_video_task
    from kkiai_api.client import AuthenticatedClient

    client = AuthenticatedClient(base_url=url, token=KEY)
    return lambda: query_video_task.asyncio_detailed(client=client, id=TASK)


async def _kkiai_async(url: str) -> Callable[[], Awaitable[Any]]:
    from kkiai_sdk import AsyncKkiai

    client = AsyncKkiai(KEY, base_url=url)
    return lambda: client.query(TASK)


async def _openai_async(url: str) -> Callable[[], Awaitable[Any]]:
    import openai

    client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1")
    return lambda: client.videos.retrieve(TASK)


async def _runwayml_async(url: str) -> Callable[[], Awaitable[Any]]:
    import runwayml

    client = runwayml.AsyncRunwayML(api_key=KEY, base_url=url)
    return lambda: client.tasks.retrieve(TASK)


async def _lumaai_async(url: str) -> Callable[[], Awaitable[Any]]:
    import lumaai

    client = lumaai.AsyncLumaAI(auth_token=KEY, base_url=url)
    return lambda: client.generations.get(TASK)


async def _replicate_async(url: str) -> Callable[[], Awaitable[Any]]:
    import replicate

    client = replicate.Client(api_token=KEY, base_url=url)
    return lambda: client.predictions.async_get(TASK)


async def _fal_async(url: str) -> Callable[[], Awaitable[Any]]:
    client = fal(url).AsyncClient(key=KEY)
    return lambda: client.status("owner/app", TASK)


ASYNC: dict[str, Callable[[str], Awaitable[Callable[[], Awaitable[Any]]]]] = {
    "httpx": _httpx_async,
    "httpx with sniffio": _httpx_async,
    "aiohttp": _aiohttp,
    "generated client alone": _generated_async,
    "kkiai": _kkiai_async,
    "kkiai[aiohttp]": _kkiai_async,
    "openai": _openai_async,
    "runwayml": _runwayml_async,
    "lumaai": _lumaai_async,
    "replicate": _replicate_async,
    "fal-client": _fal_async,
}
