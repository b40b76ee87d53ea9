"""Run the recipe with the real FastAPI against a mock gateway: ``make recipes``."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from app import app
from fastapi.testclient import TestClient

from kkiai_sdk.mock import MockGateway


def main() -> None:
    """Many requests for one id share its polls; a failed task is reported to the client."""
    with MockGateway(speed=10) as gateway:
        os.environ |= {"KKIAI_BASE_URL": gateway.base_url, "KKIAI_API_KEY": gateway.api_key}
        with TestClient(app) as client, ThreadPoolExecutor(20) as threads:
            found = list(threads.map(client.get, ["/videos/grok:scenario-normal"] * 20))
            failed = client.get("/videos/grok:scenario-fails")
        queries = sum("scenario-normal" in request.query for request in gateway.requests)
    assert {each.status_code for each in found} == {200}
    assert found[0].json()["video_url"]
    assert failed.status_code == 422
    assert queries < 10, queries
    print(f"fastapi: 20 requests for one task, {queries} queries")


if __name__ == "__main__":
    main()
