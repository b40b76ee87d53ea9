"""Work in the event loop that is awaited to its end."""

from __future__ import annotations

import asyncio
import gc

import pytest

from kkiai_sdk._http.async_network import finish


def test_error_of_work_that_was_cancelled_is_not_logged() -> None:
    """Work that is awaited to its end although it was cancelled leaves no error to the event loop."""
    seen: list[object] = []

    async def fail(release: asyncio.Event) -> None:
        await release.wait()
        raise ValueError

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        release = asyncio.Event()
        task = asyncio.create_task(finish(fail(release)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()

    asyncio.run(main())
    assert seen == []
