"""The synchronous driver: performs the effects of flows, one after another, and knows nothing about any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from kkiai_api.api.video import query_video_task
from kkiai_sdk._drive import iterate, run
from kkiai_sdk._effects import Emit, Fetch, Reply, Sleep
from kkiai_sdk._http.raw_client import raw_client
from kkiai_sdk._http.session import Caller, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk._base_client import Core
    from kkiai_sdk._downloads.flow import Job
    from kkiai_sdk._effects import Effect, Flow
    from kkiai_sdk._polling.poll_state import History
    from kkiai_sdk.models import VideoTask, WaitResult


class Performer:
    """Performs what one client is asked for."""

    def __init__(self, core: Core) -> None:
        self._core, self._session = core, Session(core.seam())

    def raw(self) -> AuthenticatedClient:
        """The generated client over the session."""
        return raw_client(self._core.config.base_url).set_httpx_client(self._session.bound(self._core.call()))

    def fetch(self, fetch: Fetch) -> Reply:
        """Query a task."""
        caller = cast("AuthenticatedClient", Caller(self._session, fetch.call))
        return self._core.reply(query_video_task.sync_detailed(client=caller, id=fetch.task_id), fetch.task_id)

    def wait(
        self, flow: Flow[History], on_update: Callable[[VideoTask], object] | None, *, raise_on_failure: bool
    ) -> VideoTask:
        """Wait for a task."""
        history = run(flow, lambda effect: self._perform(effect, on_update))
        return self._core.conclude(history, raise_on_failure=raise_on_failure)

    def watch(self, flow: Flow[History]) -> Iterator[VideoTask]:
        """Watch a task."""
        history = yield from iterate(flow, self._perform)
        self._core.conclude(history, raise_on_failure=False)

    def complete(self, flow: Flow[None]) -> Iterator[WaitResult]:
        """Wait for many tasks."""
        from kkiai_sdk._polling.workers import ThreadCrew  # noqa: PLC0415 (threads are for many)

        with ThreadCrew(self.fetch, self._core.runtime) as crew:
            yield from iterate(flow, crew.perform)

    def save(self, job: Job, task: VideoTask | None) -> Path:
        """Download a file."""
        from kkiai_sdk._downloads import flow as _downloads  # noqa: PLC0415 (a query needs nothing of it)
        from kkiai_sdk._http.files import Transfer  # noqa: PLC0415 (as above)

        with Transfer(self._session.bound(job.call)) as transfer:
            return run(_downloads.saving(job, task), lambda effect: transfer.perform(effect, self._perform))

    def _perform(self, effect: Effect, on_update: Callable[[VideoTask], object] | None = None) -> Any:
        match effect:
            case Fetch():
                return self.fetch(effect)
            case Sleep():
                return self._core.runtime.sleep_until(effect.until)
            case Emit() if on_update is not None:
                return on_update(effect.value)  # type: ignore[arg-type]
        return None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
