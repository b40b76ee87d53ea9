"""The libraries to measure: their packages, their clients, and what each can do with a task."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Of module, base URL, key and timeout in seconds.
    Make = Callable[[Any, str, str, float], Any]

KEY = "sk-benchmark"
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
PATH = "/v1/video/query"
#: Parts of the names of libraries that a user could choose instead.
PEERS = ("openai", "runwayml", "lumaai", "replicate", "fal", "huggingface")


def headers(key: str = KEY) -> dict[str, str]:
    """The fields of a query that is sent without the SDK."""
    return {"Authorization": f"Bearer {key}", "Accept": "application/json", "Content-Type": "application/json"}


class Library(NamedTuple):
    """A library, and functions of its clients; None for what it cannot do, or what the benchmarks do not use."""

    packages: tuple[str, ...]
    #: A module that has the classes of clients, and one whose import loads all else, where it is another one.
    module: str
    client: Make | None
    async_client: Make | None
    #: Of client and task id, as are the others without a comment.
    query: Callable[[Any, str], Any]
    #: The functions of the asynchronous client, where they are not the same.
    async_query: Callable[[Any, str], Any] | None = None
    preload: str = ""
    #: With the options that the library has for the time limit of a wait.
    wait: Any = None
    async_wait: Any = None
    #: Of client, task id, target and URL; most libraries take the URL from an answer.
    download: Callable[[Any, str, Path, str], Any] | None = None
    #: Of the client: send a request that costs money.
    create: Callable[[Any], Any] | None = None
    #: Fetch what an answer points to.
    follow: Callable[[Any, str], Any] | None = None
    #: A query whose answer holds the id, where it is another one than usual, and the id in it.
    identify: Callable[[Any, str], Any] | None = None
    identity: Callable[[Any], Any] = lambda answer: answer.id


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


def _client(name: str, key_option: str = "api_key", prefix: str = "") -> Make:
    return lambda module, url, key, timeout: getattr(module, name)(
        **{key_option: key}, base_url=url + prefix, timeout=timeout
    )


def _httpx(name: str) -> Make:
    return lambda module, url, key, timeout: getattr(module, name)(base_url=url, headers=headers(key), timeout=timeout)


async def _httpx_query(client: Any, task_id: str) -> Any:
    return (await client.get(PATH, params={"id": task_id})).raise_for_status().json()


def _aiohttp_client(module: Any, url: str, key: str, _timeout: float) -> Any:
    return module.ClientSession(url, headers=headers(key), raise_for_status=True)


async def _aiohttp_query(session: Any, task_id: str) -> Any:
    async with session.get(PATH, params={"id": task_id}) as response:
        return await response.json()


def _generated(operation: str) -> Callable[[Any, str], Any]:
    def query(client: Any, task_id: str) -> Any:
        from kkiai_api.api.video import query_video_task

        return getattr(query_video_task, operation)(client=client, id=task_id)

    return query


def _generated_client(module: Any, url: str, key: str, _timeout: float) -> Any:
    return module.AuthenticatedClient(base_url=url, token=key)


def _kkiai_over_aiohttp(module: Any, url: str, key: str, timeout: float) -> Any:
    import httpx_aiohttp

    arguments = {"transport": httpx_aiohttp.AiohttpTransport()}
    return module.AsyncKkiai(key, base_url=url, timeout=timeout, httpx_args=arguments)


def _openai_download(client: Any, task_id: str, dest: Path, _url: str) -> None:
    with client.videos.with_streaming_response.download_content(task_id) as response:
        response.stream_to_file(dest)


async def _runwayml_wait(client: Any, task_id: str, **options: Any) -> Any:
    return await (await client.tasks.retrieve(task_id)).wait_for_task_output(**options)


def _replicate_file(client: Any, url: str) -> Any:
    from replicate.helpers import FileOutput

    return FileOutput(url, client).read()


async def _replicate_wait(client: Any, task_id: str) -> None:
    await (await client.predictions.async_get(task_id)).async_wait()


def _fal(name: str) -> Make:
    def make(module: Any, url: str, key: str, timeout: float) -> Any:
        module.QUEUE_URL_FORMAT = f"{url}/"  # there is no option for it
        return getattr(module, name)(key=key, default_timeout=timeout)

    return make


def _fal_wait(client: Any, task_id: str, **options: Any) -> Any:
    if options:
        return client.subscribe(_APP, _PROMPT, client_timeout=options["timeout"])
    return client.get_handle(_APP, task_id).get()


async def _fal_async_wait(client: Any, task_id: str) -> Any:
    return await (await client.get_handle(_APP, task_id)).get()


_APP, _PROMPT = "owner/app", {"prompt": "a pond"}
_GENERATED = ("httpx", "attrs", "kkiai_api")
_KKIAI = Library(
    (*_GENERATED, "sniffio", "kkiai_sdk"), "kkiai_sdk", _client("Kkiai"), _client("AsyncKkiai"),
    lambda client, task_id: client.query(task_id),
    preload="kkiai_sdk.client",
    wait=lambda client, task_id, **options: client.wait(task_id, **options),
    async_wait=lambda client, task_id: client.wait(task_id),
    download=lambda client, task_id, dest, _url: client.download(task_id, dest, overwrite=True),
    create=lambda client: client.raw.get_httpx_client().post("/v1/video/create", json=_PROMPT),
    follow=lambda client, task_id: client.download(task_id, "elsewhere.mp4"),
    identity=lambda answer: answer.answered_id,
)  # fmt: skip
_HTTPX = Library(
    ("httpx",), "httpx", _httpx("Client"), _httpx("AsyncClient"),
    lambda client, task_id: client.get(PATH, params={"id": task_id}).raise_for_status().json(), _httpx_query,
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
        packages=(*_KKIAI.packages, "httpx-aiohttp"), client=None, async_client=_kkiai_over_aiohttp
    ),
    "openai": Library(
        ("openai",), "openai", _client("OpenAI", prefix="/v1"), _client("AsyncOpenAI", prefix="/v1"),
        lambda client, task_id: client.videos.retrieve(task_id),
        preload="openai.resources.videos",
        wait=lambda client, task_id: client.videos.poll(task_id),
        async_wait=lambda client, task_id, **options: client.videos.poll(task_id, **options),
        download=_openai_download,
        create=lambda client: client.videos.create(**_PROMPT),
    ),
    "runwayml": Library(
        ("runwayml",), "runwayml", _client("RunwayML"), _client("AsyncRunwayML"),
        lambda client, task_id: client.tasks.retrieve(task_id),
        preload="runwayml.resources.tasks",
        wait=lambda client, task_id, **options: client.tasks.retrieve(task_id).wait_for_task_output(**options),
        async_wait=_runwayml_wait,
        create=lambda client: client.post("/v1/text_to_video", cast_to=object, body={"promptText": "a pond"}),
    ),
    "lumaai": Library(
        ("lumaai",), "lumaai", _client("LumaAI", "auth_token"), _client("AsyncLumaAI", "auth_token"),
        lambda client, task_id: client.generations.get(task_id),
    ),
    "replicate": Library(
        ("replicate",), "replicate", _client("Client", "api_token"), _client("Client", "api_token"),
        lambda client, task_id: client.predictions.get(task_id),
        lambda client, task_id: client.predictions.async_get(task_id),
        wait=lambda client, task_id: client.predictions.get(task_id).wait(),
        async_wait=_replicate_wait,
        download=lambda client, _task_id, dest, url: dest.write_bytes(_replicate_file(client, url)),
        create=lambda client: client.predictions.create(version="v", input=_PROMPT),
        follow=lambda client, task_id: _replicate_file(client, client.predictions.get(task_id).output[0]),
    ),
    "fal-client": Library(
        ("fal-client",), "fal_client.client", _fal("SyncClient"), _fal("AsyncClient"),
        lambda client, task_id: client.status(_APP, task_id),
        wait=_fal_wait,
        async_wait=_fal_async_wait,
        create=lambda client: client.submit(_APP, _PROMPT),
        follow=lambda client, _task_id: client.submit(_APP, _PROMPT).status(),
        identify=lambda client, task_id: client.result(_APP, task_id),
        identity=lambda answer: answer["id"],
    ),
    # It has no tasks: the nearest to a query is a question about a model.
    "huggingface_hub": Library(
        ("huggingface-hub",), "huggingface_hub",
        lambda module, url, key, _timeout: module.HfApi(endpoint=url, token=key), None,
        lambda client, task_id: client.model_info(f"owner/{task_id}", timeout=1.0),
        preload="huggingface_hub.file_download",
        download=lambda client, _task_id, dest, _url: client.hf_hub_download(
            "owner/repo", dest.name, local_dir=dest.parent, force_download=True
        ),
    ),
}  # fmt: skip
SYNC = [name for name, library in LIBRARIES.items() if library.client and name != "huggingface_hub"]
ASYNC = [name for name, library in LIBRARIES.items() if library.async_client]
