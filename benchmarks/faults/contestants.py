"""The SDK and its peers behind the few words that the cases know. Runs in the child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.faults.words import KEY, TASK

#: Seconds that one request may take where a library lets its user say so.
TIMEOUT = 1.0


class Kkiai:
    """The SDK."""

    def __init__(self, base: str, key: str = KEY) -> None:
        import kkiai_sdk

        self._module = kkiai_sdk
        self.client = kkiai_sdk.Kkiai(key, base_url=base, timeout=TIMEOUT)

    def query(self, task_id: str = TASK) -> Any:
        """One question about one task."""
        return self.client.query(task_id)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end of the task."""
        return self.client.wait(TASK) if timeout is None else self.client.wait(TASK, timeout=timeout)

    def download(self, dest: Path, url: str) -> Any:
        """Fetch the video to a file; where it stands says the answer of the gateway, and not ``url``."""
        del url
        return self.client.download(TASK, dest, overwrite=True)

    def create(self) -> Any:
        """Send what costs money."""
        return self.client.raw.get_httpx_client().post("/v1/video/create", json={"prompt": "a pond"})

    def gone_elsewhere(self) -> Any:
        """Take up what the answer of the gateway says to fetch from somewhere else."""
        return self.client.download(TASK, Path("elsewhere.mp4"))

    @staticmethod
    def identity(answer: Any) -> str:
        """The id in an answer."""
        return str(answer.answered_id)

    def in_two_loops(self, base: str) -> list[Any]:
        """Ask with one client in two event loops, one after the other."""
        client = self._module.AsyncKkiai(KEY, base_url=base, timeout=TIMEOUT)
        return _twice(lambda: client.query(TASK))

    async def wait_async(self, base: str) -> Any:
        """Wait for the end of the task, asynchronously."""
        async with self._module.AsyncKkiai(KEY, base_url=base, timeout=TIMEOUT) as client:
            return await client.wait(TASK)


def _twice(ask: Any) -> list[Any]:
    import asyncio

    async def once() -> Any:
        return await ask()

    return [asyncio.run(once()) for _ in range(2)]


class OpenAI:
    """openai: videos.retrieve, videos.poll, videos.download_content."""

    def __init__(self, base: str, key: str = KEY) -> None:
        import openai

        self._module = openai
        self.client = openai.OpenAI(api_key=key, base_url=f"{base}/v1", timeout=TIMEOUT)

    def query(self, task_id: str = TASK) -> Any:
        """One question about one task."""
        return self.client.videos.retrieve(task_id)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end of the task; there is no time limit to set."""
        if timeout is not None:
            raise NotImplementedError
        return self.client.videos.poll(TASK)

    def download(self, dest: Path, url: str) -> Any:
        """Fetch the video to a file."""
        del url
        with self.client.videos.with_streaming_response.download_content(TASK) as response:
            response.stream_to_file(dest)

    def create(self) -> Any:
        """Send what costs money."""
        return self.client.videos.create(prompt="a pond")

    @staticmethod
    def identity(answer: Any) -> str:
        """The id in an answer."""
        return str(answer.id)

    def in_two_loops(self, base: str) -> list[Any]:
        """Ask with one client in two event loops, one after the other."""
        client = self._module.AsyncOpenAI(api_key=KEY, base_url=f"{base}/v1", timeout=TIMEOUT)
        return _twice(lambda: client.videos.retrieve(TASK))

    async def wait_async(self, base: str) -> Any:
        """Wait for the end of the task, asynchronously."""
        return await self._module.AsyncOpenAI(api_key=KEY, base_url=f"{base}/v1", timeout=TIMEOUT).videos.poll(TASK)


class RunwayML:
    """runwayml: tasks.retrieve, wait_for_task_output."""

    def __init__(self, base: str, key: str = KEY) -> None:
        import runwayml

        self._module = runwayml
        self.client = runwayml.RunwayML(api_key=key, base_url=base, timeout=TIMEOUT)

    def query(self, task_id: str = TASK) -> Any:
        """One question about one task."""
        return self.client.tasks.retrieve(task_id)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end of the task."""
        task = self.client.tasks.retrieve(TASK)
        return task.wait_for_task_output() if timeout is None else task.wait_for_task_output(timeout=timeout)

    def create(self) -> Any:
        """Send what costs money."""
        return self.client.post("/v1/text_to_video", cast_to=object, body={"promptText": "a pond"})

    @staticmethod
    def identity(answer: Any) -> str:
        """The id in an answer."""
        return str(answer.id)

    def in_two_loops(self, base: str) -> list[Any]:
        """Ask with one client in two event loops, one after the other."""
        client = self._module.AsyncRunwayML(api_key=KEY, base_url=base, timeout=TIMEOUT)
        return _twice(lambda: client.tasks.retrieve(TASK))

    async def wait_async(self, base: str) -> Any:
        """Wait for the end of the task, asynchronously."""
        client = self._module.AsyncRunwayML(api_key=KEY, base_url=base, timeout=TIMEOUT)
        return await (await client.tasks.retrieve(TASK)).wait_for_task_output()


class Replicate:
    """replicate: predictions.get, wait, FileOutput.read."""

    def __init__(self, base: str, key: str = KEY) -> None:
        import httpx
        import replicate

        self._module = replicate
        self.client = replicate.Client(api_token=key, base_url=base, timeout=httpx.Timeout(TIMEOUT))

    def query(self, task_id: str = TASK) -> Any:
        """One question about one task."""
        return self.client.predictions.get(task_id)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end of the task; there is no time limit to set."""
        if timeout is not None:
            raise NotImplementedError
        prediction = self.client.predictions.get(TASK)
        prediction.wait()
        return prediction

    def download(self, dest: Path, url: str) -> Any:
        """Fetch the video and write it to a file."""
        from replicate.helpers import FileOutput

        dest.write_bytes(FileOutput(url, self.client).read())

    def create(self) -> Any:
        """Send what costs money."""
        return self.client.predictions.create(version="v", input={"prompt": "a pond"})

    def gone_elsewhere(self) -> Any:
        """Take up what the answer of the service says to fetch from somewhere else."""
        from replicate.helpers import FileOutput

        return FileOutput(self.query().output[0], self.client).read()

    @staticmethod
    def identity(answer: Any) -> str:
        """The id in an answer."""
        return str(answer.id)

    def in_two_loops(self, base: str) -> list[Any]:
        """Ask with one client in two event loops, one after the other."""
        client = self._module.Client(api_token=KEY, base_url=base)
        return _twice(lambda: client.predictions.async_get(TASK))

    async def wait_async(self, base: str) -> Any:
        """Wait for the end of the task, asynchronously."""
        prediction = await self._module.Client(api_token=KEY, base_url=base).predictions.async_get(TASK)
        await prediction.async_wait()
        return prediction


class Fal:
    """fal-client: status, result, the handle's get, subscribe."""

    APP = "owner/app"

    def __init__(self, base: str, key: str = KEY) -> None:
        import fal_client
        import fal_client.client as internals

        # The only way to a server of one's own: the environment names a host, and the scheme is fixed.
        internals.QUEUE_URL_FORMAT = f"{base}/"
        self._module = fal_client
        self.client = fal_client.SyncClient(key=key, default_timeout=TIMEOUT)

    def query(self, task_id: str = TASK) -> Any:
        """One question about one task."""
        return self.client.status(self.APP, task_id)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end of the task."""
        if timeout is None:
            return self.client.get_handle(self.APP, TASK).get()
        return self.client.subscribe(self.APP, {"prompt": "a pond"}, client_timeout=timeout)

    def create(self) -> Any:
        """Send what costs money."""
        return self.client.submit(self.APP, {"prompt": "a pond"})

    def gone_elsewhere(self) -> Any:
        """Take up what the answer of the service says to fetch from somewhere else."""
        return self.client.submit(self.APP, {"prompt": "a pond"}).status()

    def identify(self, task_id: str) -> Any:
        """One question whose answer carries the id."""
        return self.client.result(self.APP, task_id)

    @staticmethod
    def identity(answer: Any) -> str:
        """The id in an answer."""
        return str(answer["id"])

    def in_two_loops(self, base: str) -> list[Any]:
        """Ask with one client in two event loops, one after the other."""
        del base
        client = self._module.AsyncClient(key=KEY, default_timeout=TIMEOUT)
        return _twice(lambda: client.status(self.APP, TASK))

    async def wait_async(self, base: str) -> Any:
        """Wait for the end of the task, asynchronously."""
        del base
        client = self._module.AsyncClient(key=KEY, default_timeout=TIMEOUT)
        return await (await client.get_handle(self.APP, TASK)).get()


class HuggingFace:
    """huggingface_hub: model_info, hf_hub_download."""

    def __init__(self, base: str, key: str = KEY) -> None:
        import huggingface_hub

        self._key, self._base = key, base
        self._module = huggingface_hub
        self.client = huggingface_hub.HfApi(endpoint=base, token=key)

    def query(self, task_id: str = TASK) -> Any:
        """The nearest to a question about a thing with an id."""
        return self.client.model_info(f"owner/{task_id}", timeout=TIMEOUT)

    def download(self, dest: Path, url: str) -> Any:
        """Fetch a file of a repository."""
        del url
        return self._module.hf_hub_download(
            "owner/repo", dest.name, endpoint=self._base, token=self._key, local_dir=dest.parent, force_download=True
        )

    @staticmethod
    def identity(answer: Any) -> str:
        """The id in an answer."""
        return str(answer.id).removeprefix("owner/")


CONTESTANTS: dict[str, Any] = {
    "kkiai": Kkiai,
    "openai": OpenAI,
    "runwayml": RunwayML,
    "replicate": Replicate,
    "fal-client": Fal,
    "huggingface_hub": HuggingFace,
}

#: What to import for each.
MODULES = {
    "kkiai": "kkiai_sdk.client",
    "openai": "openai.resources.videos",
    "runwayml": "runwayml.resources.tasks",
    "replicate": "replicate",
    "fal-client": "fal_client",
    "huggingface_hub": "huggingface_hub.file_download",
}
