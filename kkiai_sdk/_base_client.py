"""A client without its I/O: what was asked for becomes checked terms and flows; answers become tasks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from kkiai_api.models import VideoTask as GeneratedVideoTask
from kkiai_sdk import _clock as _runtime
from kkiai_sdk import _config
from kkiai_sdk import _validators as _checks
from kkiai_sdk._effects import Call, Fetch, Reply
from kkiai_sdk._http import retry as _retry
from kkiai_sdk._http.client_pool import Pool
from kkiai_sdk._http.session import Seam
from kkiai_sdk._responses import error_parser as _refusals
from kkiai_sdk._responses import task_parser as _reading
from kkiai_sdk.errors import APIResponseError, ConfigurationError
from kkiai_sdk.models import VideoTask, WaitResult
from kkiai_sdk.policies import PollPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from kkiai_api.types import Response
    from kkiai_sdk._clock import Runtime
    from kkiai_sdk._downloads import flow as _downloads
    from kkiai_sdk._effects import Flow
    from kkiai_sdk._http.base_session import Fields
    from kkiai_sdk._polling import flows as _flows
    from kkiai_sdk._polling.poll_state import History


@frozen
class Core:
    """A client without its httpx side."""

    config: _config.Config
    runtime: Runtime
    pool: Pool
    budget: _retry.RetryBudget

    @classmethod
    def make(cls, client: Callable[..., object], unknown: Mapping[str, object], **options: Any) -> Core:
        """A new core, with a pool of its own, for a client of this class. Raises ConfigurationError."""
        _config.refuse(unknown, client)
        config = _config.make(os.environ, **options)
        return cls(config, _runtime.SYSTEM, Pool(config), _retry.RetryBudget(config.retry.budget))

    def changed(self, options: Mapping[str, Any]) -> Core:
        """A copy with other options, over the same pool."""
        config = _config.change(self.config, options)
        budget = _retry.RetryBudget(config.retry.budget) if config.retry != self.config.retry else self.budget
        return evolve(self, config=config, budget=budget)

    def seam(self) -> Seam:
        """What a session needs to know."""
        return Seam(self.config, self.runtime, self.pool, self.budget, self.call())

    def call(
        self,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> Call:
        """The terms of one query: the client's own where nothing else is given."""
        config = self.config
        return Call(
            config.timeout if timeout is None else _config.request_timeout("timeout", timeout),
            config.max_retries if max_retries is None else _config.retries("max_retries", max_retries),
            _checks.headers("extra_headers", extra_headers),
        )

    def fetch(
        self,
        task_id: str,
        timeout: float | timedelta | None,
        max_retries: int | None,
        extra_headers: Mapping[str, str] | None,
    ) -> Fetch:
        """One query, checked."""
        call = self.call(timeout, max_retries, extra_headers)
        return Fetch(_checks.task_id(task_id), call)

    def watching(
        self,
        task_id: str,
        timeout: float | timedelta | None,
        poll: PollPolicy | None,
        on_update: Callable[[VideoTask], object] | None = None,
        *,
        every_poll: bool = False,
    ) -> Flow[History]:
        """The flow of one wait, checked."""
        from kkiai_sdk._polling import flows as _flows  # noqa: PLC0415 (a query needs nothing of it)

        _checks.callback("on_update", on_update)
        return _flows.watching(_checks.task_id(task_id), self.terms(timeout, poll), every_poll=every_poll)

    def conclude(self, history: History, *, raise_on_failure: bool) -> VideoTask:
        """The task of a wait that is over; raises the error that this end is."""
        from kkiai_sdk._polling import flows as _flows  # noqa: PLC0415 (as above)

        return _flows.conclude(history, self.runtime.monotonic(), raise_on_failure=raise_on_failure)

    def terms(self, timeout: float | timedelta | None, poll: PollPolicy | None) -> _flows.Terms:
        """The terms of a wait."""
        if poll is not None and not isinstance(poll, PollPolicy):
            raise ConfigurationError(f"poll must be a PollPolicy, not {type(poll).__name__}")
        from kkiai_sdk._polling import flows as _flows  # noqa: PLC0415 (as above)

        limit = _checks.wait_timeout(timeout)
        return _flows.Terms(limit, poll or self.config.poll, self.call(), self.runtime, self.budget)

    def reply(self, response: Response[Any], task_id: str) -> Reply:
        """What the generated function brought, as a task of ours."""
        headers = cast("Fields", response.headers).pairs
        if not isinstance(
            response.parsed, GeneratedVideoTask
        ):  # pragma: no cover (the session lets nothing else through)
            raise APIResponseError("the generated client did not read a task")
        task = _reading.read_task(
            response.parsed.to_dict(),
            task_id,
            base_url=self.config.base_url,
            request_id=_refusals.request_id(headers),
            secret=self.config.secret.known,
        )
        return Reply(task, _retry.parse_retry_after(headers, self.runtime.wall_clock()))

    def fleet(
        self,
        task_ids: Iterable[str],
        timeout: float | timedelta | None,
        poll: PollPolicy | None,
        limits: tuple[int, float | None, int],
    ) -> Flow[None]:
        """The flow for many tasks, checked. What is wrong with one of the ids is its result; a closed client is not."""
        self.pool.check_open()
        from kkiai_sdk._polling import flows as _flows  # noqa: PLC0415 (as above)
        from kkiai_sdk._polling.scheduler import Limits  # noqa: PLC0415 (as above)

        checked = Limits.of(*limits)
        return _flows.completing(_checks.ids_in_turn(task_ids), self.terms(timeout, poll), checked)

    def job(
        self,
        task_or_id: VideoTask | str,
        dest: str | os.PathLike[str],
        *,
        overwrite: bool,
        resume: bool,
        progress: Callable[[int, int | None], Any] | None,
        max_bytes: int | None,
    ) -> tuple[_downloads.Job, VideoTask | None]:
        """One download, checked before anything is sent, and the snapshot at hand."""
        from kkiai_sdk._downloads import flow as _downloads  # noqa: PLC0415 (a query needs nothing of it)
        from kkiai_sdk._downloads.part_file import resolve_target  # noqa: PLC0415 (as above)

        task = task_or_id if isinstance(task_or_id, VideoTask) else None
        task_id = _checks.task_id(task.id if task else task_or_id)
        _checks.callback("progress", progress)
        job = _downloads.Job(
            task_id=task_id,
            target=resolve_target(dest, task_id, overwrite=overwrite),
            overwrite=overwrite,
            resume=resume,
            max_bytes=None if max_bytes is None else _checks.whole("max_bytes", max_bytes, low=1, high=1 << 62),
            progress=progress,
            base_url=self.config.base_url,
            call=self.call(),
            retry=self.config.retry,
            runtime=self.runtime,
        )
        return job, task

    def ids(self, task_ids: Iterable[str]) -> list[str]:
        """The ids as a list, checked to be one of texts."""
        return list(_checks.task_ids(task_ids))

    @staticmethod
    def in_order(ids: list[str], results: Iterable[WaitResult]) -> list[WaitResult]:
        """Results in the order of the ids, one for each different id."""
        by_id = {result.task_id: result for result in results}
        return [by_id[task_id] for task_id in dict.fromkeys(ids)]
