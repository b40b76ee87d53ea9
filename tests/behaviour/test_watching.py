"""watch: the snapshots of a task, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from tests.support.wire import completed, error_reply, http, task

if TYPE_CHECKING:
    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

STEPS = [task("queued"), task("queued"), task(progress=10), http(503), task(progress=10), completed()]


@pytest.mark.parametrize("times", [1, 2], ids=["per change", "per poll"])
def test_watch_yields_one_snapshot_per_change_or_per_poll(make: Maker, serve: Serve, times: int) -> None:
    """A watch yields each change once, with every_poll each response; failed queries yield nothing."""
    snapshots = list(make(serve(*STEPS).url, max_retries=0).watch("t", every_poll=times == 2))
    assert [each.status for each in snapshots] == [*["queued"] * times, *["processing"] * times, "completed"]


def test_failed_task_is_the_last_snapshot_of_a_watch(make: Maker, serve: Serve) -> None:
    """A failure is the last snapshot, not an error."""
    snapshots = list(make(serve(task(), task("failed")).url).watch("t"))
    assert [each.is_failed for each in snapshots] == [False, True]


@pytest.mark.parametrize(
    ("last", "error"),
    [(task(), k.TaskTimeoutError), (error_reply(401), k.AuthenticationError), (error_reply(404), k.NotFoundError)],
)
def test_watch_that_ends_otherwise_raises_after_its_snapshots(
    make: Maker, serve: Serve, last: object, error: type[k.KkiaiError]
) -> None:
    """Any other end of a wait is raised after the snapshots that came before."""
    poll = k.PollPolicy(max_refusals=1, refusal_grace=0)
    items = make(serve(task("queued"), each=lambda _: last).url).watch("t", timeout=10, poll=poll)  # type: ignore[arg-type,return-value]
    assert next(items).status == "queued"
    with pytest.raises(error):
        list(items)


def test_watch_sends_a_request_only_when_a_snapshot_is_requested(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """A request is sent when the caller requests a snapshot, and never in between."""
    server = serve(*STEPS)
    items = make(server.url).watch("t")
    assert server.requests == []
    next(items)
    assert (len(server.requests), clock.sleeps) == (1, [])


def test_watch_that_is_left_early_leaves_a_working_client(make: Maker, serve: Serve) -> None:
    """A caller who stops watching leaves a client that works."""
    server = serve(*STEPS)
    client = make(server.url)
    for each in client.watch("t"):
        assert each.status == "queued"
        break
    assert client.query("t").status == "queued"
