"""Outages as many waits see them: their beginning, their probes and their end."""

from __future__ import annotations

from kkiai_sdk import AuthenticationError, PollPolicy
from kkiai_sdk._polling.outage import MIN_TASKS, Outage
from tests.unit.polling.wait_simulation import FATAL
from tests.unit.support import START


def test_outage_begins_when_enough_tasks_are_refused() -> None:
    """It begins with MIN_TASKS different tasks, or with all of fewer; one task refused often is no outage."""
    outage, states = Outage(PollPolicy()), []
    for task_id in ("a", "a", "a", "b"):
        outage.on_refusal(task_id, FATAL, START, waiting=2)
        states.append(outage.is_on)
    assert states == [False, False, False, True]
    outage.end()
    for number in range(MIN_TASKS):
        states.append(outage.is_on)
        outage.on_refusal(str(number), FATAL, START, waiting=1000)
    assert [*states[4:], outage.is_on] == [*[False] * MIN_TASKS, True]


def test_snapshot_of_any_task_ends_the_outage() -> None:
    """After its end nothing of it is left: the next refusal is the first."""
    outage = Outage(PollPolicy(max_refusals=1, refusal_grace=5))
    outage.on_refusal("a", FATAL, START, waiting=2)
    assert outage.last_error() is None
    outage.on_refusal("b", FATAL, START, waiting=2)
    assert outage.last_error() is not None
    outage.end()
    assert (outage.is_on, outage.last_error(), outage.has_lasted(START + 99)) == (False, None, False)
    outage.on_refusal("b", FATAL, START + 99, waiting=2)
    assert not outage.is_on
    outage.on_refusal("a", FATAL, START + 100, waiting=2)
    assert [outage.has_lasted(START + seconds) for seconds in (103.5, 104.0)] == [False, True]


def test_probes_are_min_interval_apart() -> None:
    """The first poll in an outage can be made at once, each further one min_interval after the last."""
    outage = Outage(PollPolicy(min_interval=7))
    outage.on_poll(START - 1)
    outage.on_refusal("a", FATAL, START, waiting=1)
    assert outage.probe_at == START
    outage.on_poll(START + 2)
    outage.on_refusal("a", FATAL, START + 3, waiting=1)
    assert outage.probe_at == START + 9


def test_outage_has_lasted_with_both_limits() -> None:
    """It must have max_refusals and refusal_grace, as for one task."""
    outage = Outage(PollPolicy(max_refusals=3, refusal_grace=10))
    for now in (START, START + 4):
        outage.on_refusal("a", FATAL, now, waiting=1)
    assert not outage.has_lasted(START + 10)
    outage.on_refusal("a", FATAL, START + 9, waiting=1)
    assert [outage.has_lasted(START + seconds) for seconds in (9.0, 10.0)] == [False, True]


def test_error_of_an_outage_is_a_copy() -> None:
    """Each task gets an error of its own, because notes are added to it."""
    outage = Outage(PollPolicy())
    error = AuthenticationError("bad key", status_code=401)
    outage.on_refusal("a", error, START, waiting=1)
    first, second = outage.last_error(), outage.last_error()
    assert first is not None
    first.add_note("about one task")
    assert (str(first), type(first)) == (str(error), type(error))
    assert not hasattr(second, "__notes__")
    assert not hasattr(error, "__notes__")
