"""The process that is killed: ``python -m benchmarks.durable.worker NAME FOLDER LIMIT MAX_WAITING``.

The database is KKIAI_FLEET_DB; the address and the key are those of the SDK.
"""

from __future__ import annotations

import asyncio
import os
import sys

from kkiai_sdk import AsyncKkiai
from kkiai_sdk.dbos import VideoWorker


async def main(name: str, folder: str, limit: str, max_waiting: str) -> None:
    """Work until killed."""
    options = {"max_requests_per_second": float(limit), "max_waiting": int(max_waiting)}
    async with (
        AsyncKkiai() as client,
        VideoWorker(client, folder, os.environ["KKIAI_FLEET_DB"], name=name, **options) as work,  # type: ignore[arg-type]
    ):
        await work.serve()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
