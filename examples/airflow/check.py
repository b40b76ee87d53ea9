"""Run the recipe with the real Airflow against a mock gateway: ``make recipes AIRFLOW=1``."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from airflow.sdk.exceptions import TaskDeferred
from kkiai_operator import KkiaiTrigger, KkiaiVideoOperator, fleet_of_this_process

from kkiai_sdk.mock import MockGateway


async def _events(ids: list[str]) -> list[dict[str, str]]:
    """Recreate each trigger from its serialized form, as the triggerer does, and collect their events."""
    made = [KkiaiTrigger(task_id).serialize() for task_id in ids]
    assert {path for path, _ in made} == {"kkiai_operator.KkiaiTrigger"}
    triggers = [KkiaiTrigger(**arguments) for _, arguments in made]
    events = await asyncio.gather(*[anext(trigger.run()) for trigger in triggers])
    fleets = {await fleet_of_this_process(50.0) for _ in ids}
    assert len(fleets) == 1
    return [event.payload for event in events]


def main(folder: str) -> None:
    """The operator defers, its trigger waits, and the operator saves the file once."""
    operator = KkiaiVideoOperator(task_id="save", video_id="grok:scenario-normal", folder=folder)
    trigger = None
    try:
        operator.execute({})
    except TaskDeferred as deferred:
        trigger = deferred.trigger
    assert isinstance(trigger, KkiaiTrigger)
    events = asyncio.run(_events(["grok:scenario-normal", "grok:scenario-fails"]))
    assert events[0] == {"status": "success"}
    assert events[1]["status"] == "error"
    path = operator.save({}, events[0])
    assert operator.save({}, events[0]) == path
    assert [str(each) for each in Path(folder).iterdir()] == [path]
    print("airflow: deferred, waited, saved")


if __name__ == "__main__":
    with MockGateway(speed=10) as gateway, tempfile.TemporaryDirectory() as target:
        os.environ |= {"KKIAI_BASE_URL": gateway.base_url, "KKIAI_API_KEY": gateway.api_key}
        main(target)
