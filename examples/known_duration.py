"""A schedule for tasks whose duration is known.

If you know how long tasks take and how much delay is acceptable, poll at a constant interval of twice that delay: the
end is detected half an interval late on average, and a task costs its duration divided by the interval in requests. The
default schedule, whose interval grows with the time waited, is for unknown durations.

Runs against a mock gateway: ``python examples/known_duration.py``
"""

from __future__ import annotations

from kkiai_sdk import Kkiai, PollPolicy
from kkiai_sdk.mock import MockGateway

#: Gateway seconds per second.
SPEED = 20


def even(delay: float) -> PollPolicy:
    """Return the schedule that detects the end ``delay`` seconds late on average."""
    return PollPolicy(min_interval=2 * delay, growth=0, max_interval=2 * delay)


def main() -> None:
    """Wait for one task on that schedule, and on the default one."""
    for poll in (even(delay=10 / SPEED), PollPolicy(min_interval=3 / SPEED, max_interval=15 / SPEED)):
        with (
            MockGateway(speed=SPEED) as gateway,
            Kkiai(gateway.api_key, base_url=gateway.base_url, poll=poll) as client,
        ):
            task = client.wait("grok:scenario-normal")
            print(task.state, "after", len(gateway.requests), "requests:", task.video_url)


if __name__ == "__main__":
    main()
