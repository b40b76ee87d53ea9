"""One fleet per process: requests wait for ids, and all polls share one rate-limited queue."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request

from kkiai_sdk import AsyncKkiai, KkiaiError, TaskFailedError, TaskTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
    """Open the fleet in the event loop that serves the requests."""
    async with AsyncKkiai() as client, client.fleet(max_requests_per_second=50) as fleet:
        yield {"fleet": fleet}


app = FastAPI(lifespan=lifespan)


async def until_gone(request: Request) -> None:
    """Return when the client has gone away. Neither FastAPI nor its server ends the request then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


@app.get("/videos/{task_id}")
async def video(task_id: str, request: Request) -> dict[str, str | None]:
    """Respond when the task has ended; a client that disconnects ends only its own wait."""
    wait = asyncio.create_task(request.state.fleet.wait(task_id, timeout=600))
    gone = asyncio.create_task(until_gone(request))
    try:
        await asyncio.wait([wait, gone], return_when=asyncio.FIRST_COMPLETED)
        if not wait.done():
            raise HTTPException(499, "the client has gone away")
        task = wait.result()
    except TaskFailedError as error:
        raise HTTPException(422, str(error.failure or error)) from None
    except TaskTimeoutError as error:
        raise HTTPException(504, str(error)) from None
    except KkiaiError as error:
        raise HTTPException(502, str(error)) from None
    finally:
        wait.cancel()
        gone.cancel()
    return {"video_url": task.video_url}
