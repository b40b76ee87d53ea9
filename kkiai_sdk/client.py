"""The synchronous client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, Self, Unpack

from kkiai_sdk import _defaults
from kkiai_sdk._base import BaseClient

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk import _config
    from kkiai_sdk.models import VideoTask, WaitResult
    from kkiai_sdk.policies import PollPolicy, RetryPolicy


class Kkiai(BaseClient):
    """Asks the gateway about video tasks, waits for them and fetches their videos.

    Safe to share between threads; after a fork the child gets connections of its own. Use it in a ``with`` statement or
    call :meth:`close`.

    :param api_key: the key, or a function that gives it and is asked once per request. Default: ``KKIAI_API_KEY``.
    :param base_url: the gateway. Default: ``KKIAI_BASE_URL``, else the documented server. https, or http for a
        loopback host.
    :param timeout: seconds for one try of one request, all of it. Default 30. One thing cannot be broken off: the
        system's look-up of a host name. Its time counts, and nothing is connected when none is left, but the error
        comes only after it (with glibc after 5 s for each server and attempt, see resolv.conf(5)).
    :param max_retries: how often a request that failed for a passing reason is sent again, 0 to 100. Default 3.
    :param retry: when it is sent again.
    :param poll: how often waits ask, and what they put up with.
    :param default_headers: fields for every request to the gateway.
    :param httpx_args: for httpx itself: ``proxy``, ``verify``, ``cert``, ``http1``, ``http2``, ``transport``,
        ``mounts``, ``event_hooks``, ``trust_env``.
    :param user_agent_suffix: put behind the SDK's own User-Agent, such as ``my-app/1.0``.
    :param allow_http: permit http for hosts other than loopback. The key then travels in the open.
    :raises ConfigurationError: for anything that cannot work. Nothing has been sent then.
    """

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        base_url: str | None = None,
        timeout: float | timedelta = _defaults.DEFAULT_TIMEOUT,
        max_retries: int = _defaults.DEFAULT_MAX_RETRIES,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
        httpx_args: Mapping[str, Any] | None = None,
        user_agent_suffix: str | None = None,
        allow_http: bool = False,
        **unknown: Never,
    ) -> None:
        # What a client is made of is loaded when one is made: naming the class costs next to nothing.
        from kkiai_sdk._base_client import Core  # noqa: PLC0415
        from kkiai_sdk._config import Secret  # noqa: PLC0415
        from kkiai_sdk._sync import Performer  # noqa: PLC0415

        secret = None if api_key is None else Secret(api_key)
        # Crash reporters show the variables of every frame in a traceback.
        del api_key
        self._core = Core.make(
            Kkiai,
            unknown,
            api_key=secret,
            base_url=base_url,
            allow_http=allow_http,
            httpx_args=httpx_args,
            timeout=timeout,
            max_retries=max_retries,
            retry=retry,
            poll=poll,
            default_headers=default_headers,
            user_agent_suffix=user_agent_suffix,
        )
        self._performer = Performer(self._core)

    def with_options(self, **changes: Unpack[_config.Options]) -> Self:
        """A copy with other options, over the same connections; closing either closes both.

        Takes ``api_key``, ``timeout``, ``max_retries``, ``retry``, ``poll``, ``default_headers`` and
        ``user_agent_suffix``. Raises ConfigurationError for anything else.
        """
        from kkiai_sdk._config import hide  # noqa: PLC0415 (as above)

        hide(changes)
        twin = type(self).__new__(type(self))
        twin._core = self._core.changed(changes)
        twin._performer = type(self._performer)(twin._core)
        return twin

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client over this client's session, for any endpoint of the spec:
        ``some_endpoint.sync_detailed(client=client.raw, …)`` with the same key, retries, timeout and errors.
        """
        return self._performer.raw()

    def query(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> VideoTask:
        """Ask once how a task is doing. A failed task is an answer, not an error.

        :param task_id: 1 to 256 printable characters, no spaces.
        :param timeout: seconds for each try. Default: the client's.
        :param max_retries: default: the client's.
        :param extra_headers: fields for this request, such as ``X-Forwarded-Host``.
        :raises ConfigurationError: before anything is sent.
        :raises APIError: when there is no answer.
        """
        fetch = self._core.fetch(task_id, timeout, max_retries, extra_headers)
        return self._performer.fetch(fetch).task

    def wait(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        raise_on_failure: bool = True,
    ) -> VideoTask:
        """Wait for a task to end; gives it with its ``video_url``.

        Passing errors do not end the wait; neither does a status that this version does not know.

        :param timeout: seconds for the whole wait, None for no limit, 0 for one try. Default 1800.
        :param poll: default: the client's.
        :param on_update: called with each snapshot that tells something new. What it raises ends the wait.
        :param raise_on_failure: False gives a failed task back.
        :raises TaskFailedError: the task ended without a video.
        :raises TaskTimeoutError: it did not end in time. It was not cancelled: wait for it again.
        :raises VideoMissingError: it succeeded, and no video was named within the grace period.
        :raises APIError: the gateway refused, or failed ``max_consecutive_errors`` times in a row.
        """
        flow = self._core.watching(task_id, timeout, poll, on_update)
        return self._performer.wait(flow, on_update, raise_on_failure=raise_on_failure)

    def watch(
        self,
        task_id: str,
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        every_poll: bool = False,
    ) -> Iterator[VideoTask]:
        """Snapshots of a task as they come: one per change (or per poll), the last one at its end.

        A failed task is the last snapshot, not an error. Otherwise raises what :meth:`wait` raises.
        """
        return self._performer.watch(self._core.watching(task_id, timeout, poll, every_poll=every_poll))

    def as_completed(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _defaults.DEFAULT_CONCURRENCY,
        max_requests_per_second: float | None = _defaults.DEFAULT_PER_SECOND,
        max_waiting: int = _defaults.DEFAULT_WAITING,
    ) -> Iterator[WaitResult]:
        """Wait for many tasks; gives each one's end as it comes. One bad id never stops the others.

        A task that waits costs no thread. A "too many requests" for one pauses all, and slows them down for a while.

        :param task_ids: duplicates have one result. An iterator may be endless: it is read as there is room.
        :param timeout: seconds for all of them together, None for no limit. Default 1800.
        :param max_concurrency: requests in flight at once, 1 to 1000. Default 8.
        :param max_requests_per_second: for all of them together, evenly spaced; None for no limit. Default 50.
        :param max_waiting: tasks that wait at a time, 1 to 10000000. Default 10000.
        :raises ConfigurationError: for the options. What is wrong with one task is in its ``WaitResult.error``.
        """
        limits = max_concurrency, max_requests_per_second, max_waiting
        flow = self._core.fleet(task_ids, timeout, poll, limits)
        return self._performer.complete(flow)

    def wait_many(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        max_concurrency: int = _defaults.DEFAULT_CONCURRENCY,
        max_requests_per_second: float | None = _defaults.DEFAULT_PER_SECOND,
        max_waiting: int = _defaults.DEFAULT_WAITING,
    ) -> list[WaitResult]:
        """:meth:`as_completed`, all at once: results in the order of the ids, one for each different id."""
        ids = self._core.ids(task_ids)
        limits = max_concurrency, max_requests_per_second, max_waiting
        flow = self._core.fleet(ids, timeout, poll, limits)
        return self._core.in_order(ids, self._performer.complete(flow))

    def download(
        self,
        task_or_id: VideoTask | str,
        dest: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """Fetch a finished task's video; gives the path of the whole file.

        The bytes go to ``NAME.part`` beside it first, so the name itself never holds less than the whole video; of a
        very long name a piece and a hash stand there. A URL that has expired is asked for again once. Does not wait:
        see :meth:`wait_and_download`.

        :param dest: a file, or a folder that exists: there the name is made from the id.
        :param overwrite: replace an existing file, at the very end.
        :param resume: go on from a part that an earlier download left, if the server proves that it is the same file.
        :param progress: called with the bytes on disk and the bytes of the whole file, or None when not known: at the
            start of each try and after each write. The first number grows, but for a 0 when what is there has to be
            thrown away. An exception ends the download and passes unchanged.
        :param max_bytes: refuse a larger file. Default: no limit.
        :raises ConfigurationError: before anything is sent.
        :raises DownloadError: and its subclasses: the file did not arrive.
        :raises TaskFailedError: the task has no video to fetch.
        :raises VideoMissingError: no answer names a video.
        :raises APIError: when the gateway had to be asked and did not answer.
        """
        job, task = self._core.job(
            task_or_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes
        )
        return self._performer.save(job, task)

    def wait_and_download(
        self,
        task_id: str,
        dest: str | os.PathLike[str],
        *,
        timeout: float | timedelta | None = _defaults.DEFAULT_WAIT_TIMEOUT,
        poll: PollPolicy | None = None,
        on_update: Callable[[VideoTask], object] | None = None,
        overwrite: bool = False,
        resume: bool = True,
        progress: Callable[[int, int | None], Any] | None = None,
        max_bytes: int | None = None,
    ) -> Path:
        """:meth:`wait`, then :meth:`download`; ``timeout`` is for the wait. The destination is checked first."""
        job, _ = self._core.job(
            task_id, dest, overwrite=overwrite, resume=resume, progress=progress, max_bytes=max_bytes
        )
        task = self.wait(task_id, timeout=timeout, poll=poll, on_update=on_update)
        return self._performer.save(job, task)

    def close(self) -> None:
        """Close the connections, also those of copies made by :meth:`with_options`. Closing twice does nothing."""
        self._performer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
