"""A schedule of your own: a subclass of PollPolicy that says how long each gap is.

``gap`` is given the seconds since the wait began, and returns the seconds to the next question, before jitter. What it
returns is checked. Everything else that PollPolicy holds (patience with errors, grace periods) stays as it is.

Runs against a mock gateway: ``python examples/own_schedule.py``
"""

from __future__ import annotations

from kkiai_sdk import Kkiai, PollPolicy
from kkiai_sdk.mock import MockGateway

#: How many times faster than life the mock gateway's tasks are.
SPEED = 20


class AroundTheUsualTime(PollPolicy):
    """Asks rarely before a task can be done, often when it usually is, and rarely again when it is late."""

    #: Seconds from and until which tasks usually end.
    usual = (60 / SPEED, 180 / SPEED)

    def gap(self, elapsed: float) -> float:
        """Seconds to the next question."""
        begin, end = self.usual
        if elapsed < begin:
            # Up to the time at which it may end, but not longer than the longest gap.
            return min(max(begin - elapsed, self.min_interval), self.max_interval)
        return self.min_interval if elapsed < end else self.max_interval


def main() -> None:
    """Wait for a few tasks on such a schedule."""
    poll = AroundTheUsualTime(min_interval=2 / SPEED, max_interval=30 / SPEED)
    with MockGateway(speed=SPEED) as gateway, Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
        for result in client.as_completed(["grok:scenario-normal", "veo3:scenario-normal"], poll=poll):
            print(result.task_id, result.error or result.task, "after", len(gateway.requests), "questions in all")


if __name__ == "__main__":
    main()
