"""Run the recipe with the real Procrastinate and PostgreSQL against a mock gateway: ``make recipes``."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import psycopg

from benchmarks.durable import postgres
from kkiai_sdk.mock import MockGateway

IDS = [f"grok:scenario-normal~{number}" for number in range(50)]


async def main(folder: str) -> None:
    """Ids that are added twice are waited for only once, and each has its file."""
    from worker import add, app, work  # noqa: PLC0415 (reads the address of the database)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        assert await add([*IDS, *IDS, "grok:scenario-fails"]) == len(IDS) + 1
    await work(folder, "one", wait=False)
    async with app.open_async():
        jobs = [job.status for job in await app.job_manager.list_jobs_async(task="kkiai.video")]
    assert jobs == ["succeeded"] * (len(IDS) + 1)
    print(f"procrastinate: {len(jobs)} jobs, {len(IDS)} files")


if __name__ == "__main__":
    with postgres.server() as url, tempfile.TemporaryDirectory() as target, MockGateway(speed=10) as gateway:
        with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE kkiai_fleet")
        addresses = {"DATABASE_URL": url, "KKIAI_BASE_URL": gateway.base_url, "KKIAI_API_KEY": gateway.api_key}
        os.environ |= addresses
        asyncio.run(main(target))
        assert len(list(Path(target).iterdir())) == len(IDS)
