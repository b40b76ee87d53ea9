"""The synchronous fleet: waits that share one paced queue, in one thread."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from kkiai_sdk import _config
from kkiai_sdk._effects import CollectResults, Deliver, Idle, QueryTask, run
from kkiai_sdk._log import log
from kkiai_sdk._polling.base_fleet import BaseFleet, FleetOptions, gate_error, to_query_result
from kkiai_sdk._polling.fleet_state import NotAwaitedError
from kkiai_sdk._polling.flows import task_or_raise
from kkiai_sdk._polling.workers import ThreadWorkers
from kkiai_sdk.errors import FleetClosedError
from kkiai_sdk.models import VideoTask

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from pathlib import Path

    from kkiai_sdk._downloads.flow import DownloadRequest
    from kkiai_sdk._effects import Effect, QueryResult
    from kkiai_sdk._polling.fleet_state import Waiter
    from kkiai_sdk.models import WaitResult


class _FutureReceiver:
    """Passes snapshots and the result of one wait to the thread that serves futures."""

    __slots__ = ("_deliveries", "_future", "_on_update", "_raise_on_failure")

    def __init__(
        self,
        future: Future[VideoTask],
        deliveries: queue.SimpleQueue[Callable[[], object]],
        on_update: Callable[[VideoTask], object] | None,
        *,
        raise_on_failure: bool,
    ) -> None:
        self._future: Future[VideoTask] | None = future
        self._deliveries, self._on_update, self._raise_on_failure = deliveries, on_update, raise_on_failure

    def put(self, value: VideoTask | WaitResult) -> None:
        self._deliveries.put(partial(self._deliver, value))

    def _deliver(self, value: VideoTask | WaitResult) -> None:
        future = self._future
        if future is None or future.done():
            return
        try:
            if isinstance(value, VideoTask):
                if self._on_update:
                    self._on_update(value)
                return
            task = task_or_raise(value, raise_on_failure=self._raise_on_failure)
        except BaseException as error:  # raised by the future
            self._end(partial(future.set_exception, error))
        else:
            self._end(partial(future.set_result, task))
        finally:
            # They hold the error, whose traceback holds this frame.
            del future, value

    def _end(self, end: Callable[[], None]) -> None:
        # The future holds this object.
        self._future = None
        try:
            end()
        except InvalidStateError:
            pass  # cancelled meanwhile
        except BaseException as error:  # the other futures are served all the same
            log.exception("a callback of a future raised %s", type(error).__name__)


def _run_all(functions: queue.SimpleQueue[Callable[[], object]]) -> None:
    with suppress(queue.Empty):
        while True:
            functions.get_nowait()()


class Fleet(BaseFleet):
    """Waits for any number of tasks with one shared, rate-limited queue; returned by :meth:`Kkiai.fleet`.

    Any thread can add an id. Waits for the same id share its polls. At the end of the ``with`` statement, the remaining
    waits raise FleetClosedError; no task is cancelled. A query that is in flight then ends in the background.
    """

    def __init__(self, options: FleetOptions) -> None:
        super().__init__(options)
        self._workers = ThreadWorkers(self._query, self._clock)
        # Run by the thread of the fleet, which alone touches the state until it ends.
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kkiai-fleet", daemon=True)
        self._has_ended, self._end_lock = False, threading.RLock()
        # Run by a separate thread, because they call functions of the caller.
        self._deliveries: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._delivery_thread = threading.Thread(target=self._serve_futures, name="kkiai-futures", daemon=True)
        self._places, self._free_places = threading.Condition(), options.max_downloads

    def submit(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> Future[VideoTask]:
        """Add a task, and return a future for the ended task.

        The parameters are those of :meth:`wait`; the future raises its errors. ``on_update`` and the callbacks of all
        futures are called in a single thread: one that blocks delays the others, and one that waits for another future
        of the fleet waits until the fleet is closed. Cancelling the future frees its slot immediately.

        :raises ConfigurationError: an argument is invalid, or the fleet has not been entered or was entered in another
            process.
        :raises FleetClosedError: the fleet was closed or has crashed.
        """
        future: Future[VideoTask] = Future()
        receiver = _FutureReceiver(future, self._deliveries, on_update, raise_on_failure=raise_on_failure)
        waiter = self._new_waiter(task_id, receiver, timeout, waited, on_update)
        future.add_done_callback(partial(self._on_done, waiter))
        self._post(partial(self._state.join, waiter))
        if self._has_ended:
            self._serve_rest()
        return future

    def wait(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> VideoTask:
        """Wait for a task to end, and return it with its ``video_url``.

        :param timeout: seconds for the whole wait, None for no limit, 0 for one poll. Default 1800. Without a response
            the wait ends at most 5 seconds later, however busy the fleet is; with 0, after the timeout of one request.
        :param waited: seconds already waited for the task, for instance by another process. The poll schedule and the
            timeout continue from there. Default 0.
        :param on_update: called with each snapshot that differs from the last one. An exception raised by it ends this
            wait.
        :param raise_on_failure: False to return a failed task. Default True.
        :raises FleetClosedError: the fleet was closed or has crashed. The task was not cancelled.
        :raises ConfigurationError: an argument is invalid, the fleet has not been entered or was entered in another
            process, or its gate raised an exception.
        :raises TaskFailedError: the task ended without a video. Like ``Kkiai.wait``, also raises TaskTimeoutError,
            VideoMissingError and APIError.
        """
        # Not in a variable: it holds the error, whose traceback holds this frame.
        return task_or_raise(self._wait(task_id, timeout, waited, on_update), raise_on_failure=raise_on_failure)

    def wait_and_download(
        self,
        task_id: str,
        dest: str | os.PathLike[str],
        *,
        timeout: float | timedelta | None = _config.DEFAULT_WAIT_TIMEOUT,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        overwrite: bool | Literal["skip"] = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """Wait for a task to end, then download its video; see :meth:`wait` and ``Kkiai.download``.

        At most ``max_downloads`` run at the same time. If the URL has expired, the query for a new one goes through the
        fleet, in addition to ``max_waiting``. If ``overwrite="skip"`` keeps a file, nothing is sent. Closing the fleet
        ends downloads that have not started; the others continue, but a query raises FleetClosedError.
        """
        self._check_open()
        poll = self._options.wait.policy
        request: DownloadRequest = self._options.check_download(
            task_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes, poll=poll
        )
        if request.is_done:
            return request.target
        task = self.wait(task_id, timeout=timeout, waited=waited, on_update=on_update)
        with self._download_place():
            path: Path = self._options.download(request, task, self._perform_download)
            return path

    def _wait(
        self,
        task_id: str,
        timeout: float | timedelta | None,
        waited: float = 0.0,
        on_update: Callable[[VideoTask], object] | None = None,
        *,
        is_query: bool = False,
    ) -> WaitResult:
        values: queue.SimpleQueue[VideoTask | WaitResult] = queue.SimpleQueue()
        waiter = self._new_waiter(task_id, values, timeout, waited, on_update, is_query=is_query)
        self._post(partial(self._state.join, waiter))
        try:
            while isinstance(value := values.get(), VideoTask):
                if on_update:
                    on_update(value)
            return value
        except BaseException:
            self._post(partial(self._state.leave, waiter, self._clock.monotonic()))
            raise

    @contextmanager
    def _download_place(self) -> Iterator[None]:
        with self._places:
            self._places.wait_for(lambda: self._is_closed or self._free_places)
            self._check_open()
            self._free_places -= 1
        try:
            yield
        finally:
            with self._places:
                self._free_places += 1
                self._places.notify()

    def _perform_download(self, effect: Effect) -> Any:
        if not isinstance(effect, QueryTask):
            return self._options.perform(effect)
        timeout = effect.options.timeout * (1 + effect.options.max_retries)
        return to_query_result(self._wait(effect.task_id, timeout, is_query=True))

    def _query(self, query: QueryTask) -> QueryResult:
        if self._options.gate is not None:
            try:
                self._options.gate()
            except Exception as exception:
                raise gate_error(exception) from exception
            if not self._state.is_awaited(query.task_id):
                raise NotAwaitedError
        result: QueryResult = self._options.query(query)
        return result

    def _on_done(self, waiter: Waiter, future: Future[VideoTask]) -> None:
        """Remove the waiter of a future that was cancelled, or whose ``on_update`` raised."""
        if future.cancelled():
            # Lets concurrent.futures.wait() notice it.
            future.set_running_or_notify_cancel()
        elif future.exception() is None:
            return
        self._post(partial(self._state.leave, waiter, self._clock.monotonic()))

    def _post(self, command: Callable[[], object]) -> None:
        """Run a command in the thread of the fleet, or in the current thread if that has ended."""
        self._commands.put(command)
        self._workers.wake()
        if self._has_ended:
            self._end_waits()

    def _end_waits(self) -> None:
        with self._end_lock:
            _run_all(self._commands)
            super()._end_waits()
        with self._places:
            self._places.notify_all()

    def _run(self) -> None:
        with closing(self._workers):
            try:
                run(self._flow, self._perform)
            except FleetClosedError:
                pass
            except BaseException as error:  # reported to the waiters
                self._crashed(error)
            finally:
                self._has_ended = True
                self._end_waits()
                self._serve_rest()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Deliver):
            return effect.receiver.put(effect.value)
        result = self._workers.perform(effect, self._options.perform)
        if isinstance(effect, CollectResults | Idle):
            _run_all(self._commands)
            if self._is_closed:
                raise self._closed_error()
        return result

    def _serve_futures(self) -> None:
        while not self._has_ended:
            self._deliveries.get()()

    def _serve_rest(self) -> None:
        """Serve the futures after the end: the thread for it may have stopped, or be in a callback that blocks."""
        _run_all(self._deliveries)
        # Wakes up the thread.
        self._deliveries.put(bool)

    def __enter__(self) -> Self:
        self._enter()
        self._delivery_thread.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        if self._is_elsewhere():
            # A forked process has neither the threads nor the waits.
            return
        self._workers.wake()
        threads = self._thread, self._delivery_thread
        # A callback that closes the fleet cannot wait for the thread that calls it.
        if threading.current_thread() not in threads:
            for thread in threads:
                thread.join()
