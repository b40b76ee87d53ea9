"""Memory of tasks that wait, with all that the event loop and the threads keep for them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk import AsyncKkiai, Kkiai, PollPolicy, TaskState, VideoTask
from kkiai_sdk._effects import QueryResult
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kkiai_sdk._effects import QueryTask

pytestmark = pytest.mark.no_cover

#: No task is polled twice, so that none is in flight when the memory is measured.
RARELY = PollPolicy(min_interval=3600, max_interval=3600)
OPTIONS: dict[str, Any] = {"max_requests_per_second": None, "poll": RARELY}
COUNTS = [pytest.param(500), pytest.param(10_000, marks=pytest.mark.deep)]
#: KiB for each task that waits by as_completed, and for each wait of a fleet.
AS_COMPLETED, FLEET = 0.85, 4.0


class Gateway:
    """Answers that each task runs, in place of the queries of a client."""

    def __init__(self, client: Any, count: int) -> None:
        self.ids, self.polls = [f"grok:{number:012}" for number in range(count)], 0
        client._query = self._query_async if isinstance(client, AsyncKkiai) else self._query

    def _query(self, query: QueryTask) -> QueryResult:
        self.polls += 1
        raw = {"id": query.task_id, "status": "processing", "progress": 50, "eta": 60}
        task = VideoTask(
            id=query.task_id,
            answered_id=str(raw["id"]),
            status=f"{'process'}ing",
            state=TaskState.RUNNING,
            progress=self.polls / 1e6,
            request_id=f"request-{self.polls}",
            extra={"eta": 60},
            raw=raw,
        )
        return QueryResult(task)

    async def _query_async(self, query: QueryTask) -> QueryResult:
        return self._query(query)

    def is_quiet(self) -> bool:
        """Whether every task was polled."""
        return self.polls == len(self.ids)

    async def quiet(self) -> None:
        """Return when every task was polled."""
        await asyncio.to_thread(wait_until, self.is_quiet)
        for _ in range(100):
            await asyncio.sleep(0)


@pytest.fixture
def measure() -> Iterator[Callable[[int], Callable[[], float]]]:
    """Return a function that returns a function of the KiB per task allocated since the call."""

    def start(count: int) -> Callable[[], float]:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]

        def kib() -> float:
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / 1024 / count

        return kib

    yield start
    tracemalloc.stop()


def asynchronous() -> AsyncKkiai:
    """A client that sends nothing."""
    return AsyncKkiai("key-of-a-test", base_url="http://127.0.0.1:9")


@pytest.mark.parametrize("count", COUNTS)
def test_task_of_as_completed_takes_little_memory(measure: Any, count: int) -> None:
    """A waiting task is a few numbers and its last snapshot, also with an on_update."""

    async def main() -> float:
        async with asynchronous() as client:
            gateway, kib = Gateway(client, count), measure(count)

            async def wait() -> None:
                async for _ in client.as_completed(gateway.ids, on_update=lambda _: None, **OPTIONS):
                    pass

            task = asyncio.create_task(wait())
            await gateway.quiet()
            taken = float(kib())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return taken

    assert asyncio.run(main()) <= AS_COMPLETED


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("on_update", [None, lambda _: None], ids=["", "on_update"])
def test_wait_of_an_asynchronous_fleet_takes_little_memory(measure: Any, count: int, on_update: Any) -> None:
    """The limit holds with the coroutine and the asyncio task of each wait."""

    async def main() -> float:
        client = asynchronous()
        gateway = Gateway(client, count)
        async with client, client.fleet(**OPTIONS) as fleet:
            kib = measure(count)
            tasks = [asyncio.create_task(fleet.wait(each, on_update=on_update)) for each in gateway.ids]
            await gateway.quiet()
            taken = float(kib())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return taken

    assert asyncio.run(main()) <= FLEET


@pytest.mark.parametrize("count", COUNTS)
def test_future_of_a_fleet_takes_little_memory(measure: Any, count: int) -> None:
    """The limit holds with the future of each wait."""
    client = Kkiai("key-of-a-test", base_url="http://127.0.0.1:9")
    gateway = Gateway(client, count)
    with client, client.fleet(**OPTIONS) as fleet:
        kib = measure(count)
        futures = [fleet.submit(each) for each in gateway.ids]
        wait_until(gateway.is_quiet)
        assert kib() <= FLEET
        for future in futures:
            future.cancel()
