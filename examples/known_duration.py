"""The numbers of the schedule when it is known how long tasks take, and how much delay does no harm.

Whoever knows that asks evenly: with a gap of twice the delay that does no harm, an end is noticed half a gap late on
average, and a task costs its duration over the gap in questions. The default, whose gap grows with the time waited, is
for those who do not know.

Runs against a mock gateway: ``python examples/known_duration.py``
"""

from __future__ import annotations

from kkiai_sdk import Kkiai, PollPolicy
from kkiai_sdk.mock import MockGateway

#: How many times faster than life the mock gateway's tasks are.
SPEED = 20


def even(delay: float) -> PollPolicy:
    """The schedule that notices an end ``delay`` seconds late on average."""
    return PollPolicy(min_interval=2 * delay, growth=0, max_interval=2 * delay)


def main() -> None:
    """Wait for one task on that schedule, and on the default one."""
    for poll in (even(delay=10 / SPEED), PollPolicy(min_interval=3 / SPEED, max_interval=15 / SPEED)):
        with (
            MockGateway(speed=SPEED) as gateway,
            Kkiai(gateway.api_key, base_url=gateway.base_url, poll=poll) as client,
        ):
            task = client.wait("grok:scenario-normal")
            print(task.state, "after", len(gateway.requests), "questions:", task.video_url)


if __name__ == "__main__":
    main()
