"""The libraries to measure: their packages, their clients, and a query of one task by each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk-benchmark"
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
HEADERS = {"Authorization": f"Bearer {KEY}", "Accept": "application/json", "Content-Type": "application/json"}
PATH = "/v1/video/query"

#: Parts of the names of libraries that a user could choose instead.
PEERS = ("openai", "runwayml", "lumaai", "replicate", "fal", "huggingface")


class Library(NamedTuple):
    """A library, and functions that make its clients and query a task; None for a client that it does not have."""

    packages: tuple[str, ...]
    module: str
    #: Of module, base URL, key and timeout in seconds.
    client: Callable[[Any, str, str, float], Any] | None
    async_client: Callable[[Any, str, str, float], Any] | None
    #: Of client and task id; the asynchronous one returns an awaitable, and is the same function where it is None.
    query: Callable[[Any, str], Any]
    async_query: Callable[[Any, str], Any] | None = None


def make_client(runner: str, url: str, *, asynchronous: bool, key: str = KEY, timeout: float = 30.0) -> Any:
    """Make a client of a library; an asynchronous one within the event loop that is to use it."""
    library = LIBRARIES[runner]
    make = library.async_client if asynchronous else library.client
    assert make is not None
    return make(importlib.import_module(library.module), url, key, timeout)


def connect(runner: str, url: str, *, asynchronous: bool) -> Callable[[str], Any]:
    """Make a client of a library; returns its query as a function of the task id."""
    library, client = LIBRARIES[runner], make_client(runner, url, asynchronous=asynchronous)
    query = (library.async_query if asynchronous else None) or library.query
    return lambda task_id: query(client, task_id)


def _client(name: str, key_option: str = "api_key", prefix: str = "") -> Callable[[Any, str, str, float], Any]:
    return lambda module, url, key, timeout: getattr(module, name)(
        **{key_option: key}, base_url=url + prefix, timeout=timeout
    )


def _httpx(name: str) -> Callable[[Any, str, str, float], Any]:
    return lambda module, url, _key, timeout: getattr(module, name)(base_url=url, headers=HEADERS, timeout=timeout)


async def _httpx_query(client: Any, task_id: str) -> Any:
    return (await client.get(PATH, params={"id": task_id})).raise_for_status().json()


def _aiohttp_client(module: Any, url: str, _key: str, _timeout: float) -> Any:
    return module.ClientSession(url, headers=HEADERS, raise_for_status=True)


async def _aiohttp_query(session: Any, task_id: str) -> Any:
    async with session.get(PATH, params={"id": task_id}) as response:
        return await response.json()


def _kkiai_over_aiohttp(module: Any, url: str, key: str, timeout: float) -> Any:
    import httpx_aiohttp

    arguments = {"transport": httpx_aiohttp.AiohttpTransport()}
    return module.AsyncKkiai(key, base_url=url, timeout=timeout, httpx_args=arguments)


def _generated(operation: str) -> Callable[[Any, str], Any]:
    def query(client: Any, task_id: str) -> Any:
        from kkiai_api.api.video import query_video_task

        return getattr(query_video_task, operation)(client=client, id=task_id)

    return query


def _generated_client(module: Any, url: str, key: str, _timeout: float) -> Any:
    return module.AuthenticatedClient(base_url=url, token=key)


def _fal(name: str) -> Callable[[Any, str, str, float], Any]:
    def make(module: Any, url: str, key: str, timeout: float) -> Any:
        module.QUEUE_URL_FORMAT = f"{url}/"  # there is no option for it
        return getattr(module, name)(key=key, default_timeout=timeout)

    return make


_GENERATED = ("httpx", "attrs", "kkiai_api")
_SDK = (*_GENERATED, "sniffio", "kkiai_sdk")
_KKIAI = Library(_SDK, "kkiai_sdk", _client("Kkiai"), _client("AsyncKkiai"), lambda client, task: client.query(task))
_HTTPX = Library(
    ("httpx",), "httpx", _httpx("Client"), _httpx("AsyncClient"),
    lambda client, task: client.get(PATH, params={"id": task}).raise_for_status().json(), _httpx_query,
)  # fmt: skip

LIBRARIES = {
    "httpx": _HTTPX,
    "httpx with sniffio": _HTTPX._replace(packages=("httpx", "sniffio"), client=None),
    "aiohttp": Library(("aiohttp",), "aiohttp", None, _aiohttp_client, _aiohttp_query),
    "generated client alone": Library(
        _GENERATED, "kkiai_api.client", _generated_client, _generated_client,
        _generated("sync_detailed"), _generated("asyncio_detailed"),
    ),
    "kkiai": _KKIAI,
    "kkiai over aiohttp": _KKIAI._replace(
        packages=(*_SDK, "httpx-aiohttp"), client=None, async_client=_kkiai_over_aiohttp
    ),
    "openai": Library(
        ("openai",), "openai", _client("OpenAI", prefix="/v1"), _client("AsyncOpenAI", prefix="/v1"),
        lambda client, task: client.videos.retrieve(task),
    ),
    "runwayml": Library(
        ("runwayml",), "runwayml", _client("RunwayML"), _client("AsyncRunwayML"),
        lambda client, task: client.tasks.retrieve(task),
    ),
    "lumaai": Library(
        ("lumaai",), "lumaai", _client("LumaAI", "auth_token"), _client("AsyncLumaAI", "auth_token"),
        lambda client, task: client.generations.get(task),
    ),
    "replicate": Library(
        ("replicate",), "replicate", _client("Client", "api_token"), _client("Client", "api_token"),
        lambda client, task: client.predictions.get(task), lambda client, task: client.predictions.async_get(task),
    ),
    "fal-client": Library(
        ("fal-client",), "fal_client.client", _fal("SyncClient"), _fal("AsyncClient"),
        lambda client, task: client.status("owner/app", task),
    ),
    # Not a client of tasks: the nearest to a query is a question about a model.
    "huggingface_hub": Library(
        ("huggingface-hub",), "huggingface_hub",
        lambda module, url, key, _timeout: module.HfApi(endpoint=url, token=key), None,
        lambda client, task: client.model_info(f"owner/{task}", timeout=1.0),
    ),
}  # fmt: skip
SYNC = [name for name, library in LIBRARIES.items() if library.client and name != "huggingface_hub"]
ASYNC = [name for name, library in LIBRARIES.items() if library.async_client]
