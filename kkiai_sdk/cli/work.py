"""What the commands do with the package: they ask, wait and fetch, and tell about it. They print nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from kkiai_sdk import KkiaiError, WaitResult
from kkiai_sdk.cli.events import Event, Received, Saved, Tell, failure
from kkiai_sdk.cli.stream import Ordered, spread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kkiai_sdk import Kkiai
    from kkiai_sdk.cli.input import Connection

#: Queries at once, as many as the package itself makes when it waits for many.
QUERIES = 4
#: Videos that are fetched at once: enough to fill a line, few enough not to look like an attack.
DOWNLOADS = 3

Work: TypeAlias = Callable[[Tell], object]


@frozen
class Fetching:
    """How videos are to be stored."""

    dest: Path
    overwrite: bool = False
    #: The largest that is accepted, or None for no limit.
    max_bytes: int | None = None


def query(connection: Connection, ids: Sequence[str], timeout: float) -> Work:
    """Ask once about each id; tells a snapshot or a failure for each, in the order of the ids."""

    def ask(client: Kkiai, task_id: str) -> Event:
        try:
            return client.query(task_id)
        except KkiaiError as error:
            return failure(task_id, error)

    def work(tell: Tell) -> None:
        results = Ordered[Event](tell)
        with connection.client(timeout=timeout) as client:
            spread(enumerate(ids), lambda job: results.put(job[0], ask(client, job[1])), min(QUERIES, len(ids)))

    return work


def watch(connection: Connection, task_id: str, timeout: float) -> Work:
    """Tell every change of a task until it ends."""

    def work(tell: Tell) -> None:
        with connection.client() as client:
            try:
                for task in client.watch(task_id, timeout=timeout):
                    tell(task)
            except KkiaiError as error:
                tell(failure(task_id, error))

    return work


def wait(connection: Connection, ids: Sequence[str], timeout: float) -> Work:
    """Wait for every id; tells each one's end as it comes and, for a single id, the changes on the way."""

    def work(tell: Tell) -> None:
        with connection.client() as client:
            if len(ids) == 1:
                tell(_wait_for_one(client, ids[0], timeout, tell))
                return
            for result in client.as_completed(ids, timeout=timeout):
                tell(result)

    return work


def _wait_for_one(client: Kkiai, task_id: str, timeout: float, tell: Tell) -> WaitResult:
    try:
        return WaitResult(task_id, client.wait(task_id, timeout=timeout, on_update=tell))
    except KkiaiError as error:
        return failure(task_id, error)


def download(connection: Connection, ids: Sequence[str], timeout: float, fetching: Fetching) -> Work:
    """Wait for every id and fetch its video; tells everything on the way, and Saved or a failure for each."""

    def work(tell: Tell) -> None:
        with connection.client() as client:
            if len(ids) == 1:
                fetch = partial(client.wait_and_download, ids[0], timeout=timeout, on_update=tell)
                _save(ids[0], fetch, fetching, tell)
                return
            results = client.as_completed(ids, timeout=timeout)
            spread(results, lambda result: _save_result(client, result, fetching, tell), min(DOWNLOADS, len(ids)))

    return work


def _save_result(client: Kkiai, result: WaitResult, fetching: Fetching, tell: Tell) -> None:
    tell(result)
    if result.error is None and result.task is not None:
        _save(result.task_id, partial(client.download, result.task), fetching, tell)


def _save(task_id: str, fetch: Callable[..., Path], fetching: Fetching, tell: Tell) -> None:
    is_first = chain([True], repeat(False))
    try:
        path = fetch(
            fetching.dest,
            progress=lambda count, total: tell(Received(task_id, count, total, next(is_first))),
            overwrite=fetching.overwrite,
            max_bytes=fetching.max_bytes,
        )
        tell(Saved(task_id, str(path), path.stat().st_size))
    except KkiaiError as error:
        tell(failure(task_id, error))
