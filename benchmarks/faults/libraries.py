"""What else each library can do with a task: wait, download, create, follow an answer to another origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.faults.wire import TASK

APP = "owner/app"


class Operations(NamedTuple):
    """Functions of a client; None for what a library cannot do."""

    #: Module whose import loads everything that the functions need.
    preload: str
    wait: Any = None
    async_wait: Any = None
    #: Of client, target and URL; most libraries take the URL from an answer.
    download: Any = None
    create: Any = None
    #: Fetches what an answer points to.
    follow: Any = None
    #: A query whose answer holds the id, where it is another one than usual, and the id in it.
    identify: Any = None
    identity: Any = lambda answer: answer.id


def _openai_download(client: Any, dest: Path, _url: str) -> None:
    with client.videos.with_streaming_response.download_content(TASK) as response:
        response.stream_to_file(dest)


async def _runwayml_wait(client: Any) -> Any:
    return await (await client.tasks.retrieve(TASK)).wait_for_task_output()


def _replicate_file(client: Any, url: str) -> Any:
    from replicate.helpers import FileOutput

    return FileOutput(url, client).read()


def _replicate_wait(client: Any) -> Any:
    prediction = client.predictions.get(TASK)
    prediction.wait()
    return prediction


async def _replicate_async_wait(client: Any) -> None:
    await (await client.predictions.async_get(TASK)).async_wait()


def _fal_wait(client: Any, **options: Any) -> Any:
    if options:
        return client.subscribe(APP, {"prompt": "a pond"}, client_timeout=options["timeout"])
    return client.get_handle(APP, TASK).get()


async def _fal_async_wait(client: Any) -> Any:
    return await (await client.get_handle(APP, TASK)).get()


OPERATIONS = {
    "kkiai": Operations(
        preload="kkiai_sdk.client",
        wait=lambda client, **options: client.wait(TASK, **options),
        async_wait=lambda client: client.wait(TASK),
        download=lambda client, dest, _url: client.download(TASK, dest, overwrite=True),
        create=lambda client: client.raw.get_httpx_client().post("/v1/video/create", json={"prompt": "a pond"}),
        follow=lambda client: client.download(TASK, Path("elsewhere.mp4")),
        identity=lambda answer: answer.answered_id,
    ),
    "openai": Operations(
        preload="openai.resources.videos",
        wait=lambda client: client.videos.poll(TASK),
        async_wait=lambda client: client.videos.poll(TASK),
        download=_openai_download,
        create=lambda client: client.videos.create(prompt="a pond"),
    ),
    "runwayml": Operations(
        preload="runwayml.resources.tasks",
        wait=lambda client, **options: client.tasks.retrieve(TASK).wait_for_task_output(**options),
        async_wait=_runwayml_wait,
        create=lambda client: client.post("/v1/text_to_video", cast_to=object, body={"promptText": "a pond"}),
    ),
    "replicate": Operations(
        preload="replicate",
        wait=_replicate_wait,
        async_wait=_replicate_async_wait,
        download=lambda client, dest, url: dest.write_bytes(_replicate_file(client, url)),
        create=lambda client: client.predictions.create(version="v", input={"prompt": "a pond"}),
        follow=lambda client: _replicate_file(client, client.predictions.get(TASK).output[0]),
    ),
    "fal-client": Operations(
        preload="fal_client",
        wait=_fal_wait,
        async_wait=_fal_async_wait,
        create=lambda client: client.submit(APP, {"prompt": "a pond"}),
        follow=lambda client: client.submit(APP, {"prompt": "a pond"}).status(),
        identify=lambda client, task_id: client.result(APP, task_id),
        identity=lambda answer: answer["id"],
    ),
    "huggingface_hub": Operations(
        preload="huggingface_hub.file_download",
        download=lambda client, dest, _url: client.hf_hub_download(
            "owner/repo", dest.name, local_dir=dest.parent, force_download=True
        ),
    ),
}
PEERS = tuple(name for name in OPERATIONS if name != "kkiai")
ALL = ("kkiai", *PEERS)
QUERYING = tuple(name for name in ALL if name != "huggingface_hub")
