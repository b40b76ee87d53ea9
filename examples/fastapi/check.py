"""Run the recipe with the real FastAPI against a mock gateway: ``make recipes``."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app import app, lifespan
from fastapi.testclient import TestClient

from kkiai_sdk.mock import MockGateway


async def leave(path: str) -> int:
    """Send a request, go away, and return the status with which it ends."""
    messages = [{"type": "http.request"}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async with lifespan(app) as state:
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "state": state}
        await asyncio.wait_for(app(scope, receive, send), 10)
    return int(sent[0]["status"])


def main() -> None:
    """Many requests for one id share its polls; a failed task is reported to the client."""
    with MockGateway(speed=10) as gateway:
        os.environ |= {"KKIAI_BASE_URL": gateway.base_url, "KKIAI_API_KEY": gateway.api_key}
        with TestClient(app) as client, ThreadPoolExecutor(20) as threads:
            found = list(threads.map(client.get, ["/videos/grok:scenario-normal"] * 20))
            failed = client.get("/videos/grok:scenario-fails")
        left = asyncio.run(leave("/videos/grok:scenario-stalls"))
        queries = sum("scenario-normal" in request.query for request in gateway.requests)
    assert {each.status_code for each in found} == {200}
    assert found[0].json()["video_url"]
    assert failed.status_code == 422
    assert left == 499
    assert queries < 10, queries
    print(f"fastapi: 20 requests for one task, {queries} queries")


if __name__ == "__main__":
    main()
