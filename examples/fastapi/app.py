"""One fleet per process: requests wait for ids, and all polls share one rate-limited queue. ``uvicorn app:app``"""

from __future__ import annotations

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


@app.get("/videos/{task_id}")
async def video(task_id: str, request: Request) -> dict[str, str | None]:
    """Respond when the task has ended; a client that disconnects ends only its own wait."""
    try:
        task = await request.state.fleet.wait(task_id, timeout=600)
    except TaskFailedError as error:
        raise HTTPException(422, str(error.failure or error)) from None
    except TaskTimeoutError as error:
        raise HTTPException(504, str(error)) from None
    except KkiaiError as error:
        raise HTTPException(502, str(error)) from None
    return {"video_url": task.video_url}
