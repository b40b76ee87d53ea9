"""A deferrable operator: the triggerer waits, with one fleet per process; a worker downloads the finished file."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from kkiai_sdk import AsyncKkiai, Kkiai, KkiaiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kkiai_sdk import AsyncFleet

#: The fleet of the event loop that runs the triggers, and the objects that it depends on.
_fleets: dict[asyncio.AbstractEventLoop, tuple[AsyncFleet, AsyncExitStack]] = {}
_opening = asyncio.Lock()


async def fleet_of_this_process(rate: float) -> AsyncFleet:
    """Return the fleet shared by all triggers of this process; the first one opens it."""
    loop = asyncio.get_running_loop()
    async with _opening:
        if loop not in _fleets:
            stack = AsyncExitStack()
            client = await stack.enter_async_context(AsyncKkiai())
            fleet = await stack.enter_async_context(client.fleet(max_requests_per_second=rate))
            _fleets[loop] = fleet, stack
        return _fleets[loop][0]


class KkiaiTrigger(BaseTrigger):
    """Waits for a task in the triggerer."""

    def __init__(self, task_id: str, rate: float = 50.0, timeout: float = 1800.0) -> None:
        super().__init__()
        self.video_id, self.rate, self.timeout = task_id, rate, timeout

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to recreate the trigger, also after a restart."""
        arguments = {"task_id": self.video_id, "rate": self.rate, "timeout": self.timeout}
        return f"{type(self).__module__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when the task has ended."""
        try:
            fleet = await fleet_of_this_process(self.rate)
            await fleet.wait(self.video_id, timeout=self.timeout)
            yield TriggerEvent({"status": "success"})
        except KkiaiError as error:
            yield TriggerEvent({"status": "error", "message": str(error)})


class KkiaiVideoOperator(BaseOperator):
    """Waits for a video without occupying a worker slot, then downloads it in one; returns the path."""

    template_fields = ("video_id", "folder")

    def __init__(
        self, *, video_id: str, folder: str, rate: float = 50.0, wait_timeout: float = 1800.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.video_id, self.folder, self.rate, self.wait_timeout = video_id, folder, rate, wait_timeout

    def execute(self, context: Any) -> None:  # noqa: ARG002 (Airflow's signature)
        """Free the slot until the trigger's event."""
        trigger = KkiaiTrigger(self.video_id, self.rate, self.wait_timeout)
        self.defer(trigger=trigger, method_name="save")

    def save(self, context: Any, event: dict[str, str]) -> str:  # noqa: ARG002 (Airflow's signature)
        """Download the video; a file that an earlier try finished counts as done."""
        if event["status"] != "success":
            raise RuntimeError(event["message"])
        with Kkiai() as client:
            return str(client.download(self.video_id, self.folder, overwrite="skip"))
