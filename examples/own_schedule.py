"""A schedule of your own: a subclass of PollPolicy that computes each gap.

``gap`` is called with the seconds since the wait began, and returns the seconds until the next poll, before jitter. The
result is validated. The rest of PollPolicy (tolerated errors, grace periods) is unchanged.

Runs against a mock gateway: ``python examples/own_schedule.py``
"""

from __future__ import annotations

from kkiai_sdk import Kkiai, PollPolicy
from kkiai_sdk.mock import MockGateway

#: Gateway seconds per second.
SPEED = 20


class AroundTheUsualTime(PollPolicy):
    """Polls rarely before a task can be done, often when it usually is, and rarely again when it is late."""

    #: The range of seconds in which tasks usually end.
    usual = (60 / SPEED, 180 / SPEED)

    def gap(self, elapsed: float) -> float:
        """Return the seconds to the next poll."""
        begin, end = self.usual
        if elapsed < begin:
            # Until the earliest end, but at most the longest gap.
            return min(max(begin - elapsed, self.min_interval), self.max_interval)
        return self.min_interval if elapsed < end else self.max_interval


def main() -> None:
    """Wait for a few tasks on such a schedule."""
    poll = AroundTheUsualTime(min_interval=2 / SPEED, max_interval=30 / SPEED)
    with MockGateway(speed=SPEED) as gateway, Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
        for result in client.as_completed(["grok:scenario-normal", "veo3:scenario-normal"], poll=poll):
            print(result.task_id, result.error or result.task, "after", len(gateway.requests), "requests in total")


if __name__ == "__main__":
    main()
