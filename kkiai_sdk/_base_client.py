"""Behavior shared by both clients: validates arguments, builds flows, converts responses to tasks."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Never, Self, Unpack

from attrs import evolve

from kkiai_sdk import _clock, _config, _validators
from kkiai_sdk._downloads.flow import DownloadRequest
from kkiai_sdk._downloads.part_file import is_saved, resolve_target
from kkiai_sdk._downloads.urls import check_addresses
from kkiai_sdk._effects import QueryResult, QueryTask, RequestOptions
from kkiai_sdk._http.base_session import SessionContext
from kkiai_sdk._http.client_pool import ClientPool
from kkiai_sdk._http.raw_client import RawClient
from kkiai_sdk._http.retry import RetryBudget
from kkiai_sdk._polling.base_fleet import FleetOptions
from kkiai_sdk._polling.flows import WaitOptions, wait_flow, wait_many_flow
from kkiai_sdk._polling.scheduler import SchedulerLimits
from kkiai_sdk._responses.error_parser import MAX_BODY, read_query
from kkiai_sdk._responses.raw_response import parse_retry_after
from kkiai_sdk._responses.task_parser import read_task
from kkiai_sdk.errors import ConfigurationError
from kkiai_sdk.models import VideoTask, WaitResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from kkiai_api.client import AuthenticatedClient
    from kkiai_sdk._effects import Flow
    from kkiai_sdk._http.base_session import Success
    from kkiai_sdk._http.client_pool import TransportTypes
    from kkiai_sdk.policies import PollPolicy, RetryPolicy

#: Path of the endpoint whose responses are tasks; a test compares it with openapi.yaml.
QUERY_PATH = "/v1/video/query"


class BaseClient:
    """Base class of the clients, without I/O."""

    #: The types that differ between the clients.
    _transport_types: TransportTypes
    _query: Callable[..., Any]
    _perform: Callable[..., Any]
    _download: Callable[..., Any]

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        base_url: str | None = None,
        timeout: float | timedelta = _config.DEFAULT_TIMEOUT,
        max_retries: int = _config.DEFAULT_MAX_RETRIES,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        default_headers: Mapping[str, str] | None = None,
        httpx_args: Mapping[str, Any] | None = None,
        user_agent_suffix: str | None = None,
        allow_file_hosts: Iterable[str] | None = None,
        allow_http: bool = False,
        **unknown: Never,
    ) -> None:
        """Create a client; nothing is sent.

        :param api_key: the key, or a function that returns it and is called once per request. Default:
            ``KKIAI_API_KEY``.
        :param base_url: the URL of the gateway, https, or http for a loopback host. Default: ``KKIAI_BASE_URL``, else
            ``https://www.kkiai.com``.
        :param timeout: seconds for one attempt of one request: DNS lookup, connecting, sending, headers and body.
            Default 30.
        :param max_retries: retries of a request that failed for a transient reason, 0 to 100. Default 3.
        :param retry: the delays between retries. Default: ``RetryPolicy()``.
        :param poll: the schedule of polls, and the errors that a wait tolerates. Default: ``PollPolicy()``.
        :param default_headers: headers of every request to the gateway.
        :param httpx_args: arguments for httpx: ``proxy``, ``verify``, ``cert``, ``http1``, ``http2``, ``transport``,
            ``mounts``, ``event_hooks``, ``trust_env``.
        :param user_agent_suffix: appended to the User-Agent of the SDK, such as ``my-app/1.0``.
        :param allow_file_hosts: hosts outside the public internet from which files may be fetched anyway: host names,
            ``*.`` with a domain for its subdomains, IP addresses and networks such as ``10.0.0.0/8``. They are never
            sent the key. Default: only the gateway's own host.
        :param allow_http: permit http for hosts other than loopback. The key is then sent unencrypted.
        :raises ConfigurationError: an argument is missing or invalid. Nothing was sent.
        """
        secret = None if api_key is None else _config.Secret(api_key)
        # Crash reporters record the variables of every frame in a traceback.
        del api_key
        _config.reject_unknown(unknown, type(self))
        config = _config.make(
            os.environ,
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
            allow_file_hosts=allow_file_hosts,
        )
        pool = ClientPool(config, self._transport_types, partial(check_addresses, base_url=config.base_url))
        budget, parsers = RetryBudget(config.retry.budget), {("GET", QUERY_PATH): read_query}
        self._set_context(SessionContext(config, _clock.SYSTEM, pool, budget, parsers))

    def _set_context(self, context: SessionContext) -> None:
        self._context, self._session = context, self._transport_types.session(context)

    def with_options(self, **changes: Unpack[_config.Options]) -> Self:
        """Return a copy with other options that shares the connections; closing either closes both.

        Accepts ``api_key``, ``timeout``, ``max_retries``, ``retry``, ``poll``, ``default_headers``,
        ``user_agent_suffix`` and ``allow_file_hosts``. Raises ConfigurationError for any other option and for invalid
        values.
        """
        _config.wrap_secret(changes)
        old = self._context
        config = _config.change(old.config, changes)
        budget = old.budget if config.retry == old.config.retry else RetryBudget(config.retry.budget)
        client = type(self).__new__(type(self))
        client._set_context(evolve(old, config=config, budget=budget))  # noqa: SLF001 (its own class)
        return client

    def _raw_client(self) -> AuthenticatedClient:
        # The generated client requires a token; the session sends the key.
        return RawClient(base_url=self._context.config.base_url, token="added-per-request")  # noqa: S106

    def _request_options(
        self,
        timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> RequestOptions:
        """Return the validated options of one query; defaults are the client's."""
        config = self._context.config
        return RequestOptions(
            config.timeout if timeout is None else _config.request_timeout("timeout", timeout),
            config.max_retries if max_retries is None else _config.retries("max_retries", max_retries),
            () if extra_headers is None else _validators.headers("extra_headers", extra_headers),
            max_body=MAX_BODY,
        )

    def _query_task(self, task_id: str, *options: Any) -> QueryTask:
        return QueryTask(_validators.task_id(task_id), self._request_options(*options))

    def _to_result(self, success: Success, task_id: str) -> QueryResult:
        """Convert a response to a snapshot and its Retry-After."""
        config, raw = self._context.config, success.raw
        task = read_task(
            success.json(), task_id, base_url=config.base_url, request_id=raw.request_id, secret=config.secret.known
        )
        return QueryResult(task, parse_retry_after(raw.headers, self._context.clock.wall_clock()))

    def _wait_flow(
        self,
        task_id: str,
        timeout: float | timedelta | None,
        poll: PollPolicy | None,
        on_update: Callable[[VideoTask], object] | None = None,
        *,
        every_poll: bool = False,
        raise_on_failure: bool = True,
    ) -> Flow[VideoTask]:
        self._check_callback("on_update", on_update)
        task_id, options = _validators.task_id(task_id), self._wait_options(timeout, poll)
        return wait_flow(task_id, options, every_poll=every_poll, raise_on_failure=raise_on_failure)

    def _check_callback(self, name: str, value: object) -> None:
        _validators.callback(name, value, is_awaited=self._transport_types.awaits)

    def _wait_options(self, timeout: float | timedelta | None, poll: PollPolicy | None) -> WaitOptions:
        context, limit = self._context, _validators.wait_timeout(timeout)
        return WaitOptions(limit, self._poll_policy(poll), self._request_options(), context.clock, context.budget)

    def _poll_policy(self, poll: PollPolicy | None) -> PollPolicy:
        config = self._context.config
        return config.poll if poll is None else _config.change(config, {"poll": poll}).poll

    def _wait_many_flow(
        self,
        task_ids: Iterable[str],
        timeout: float | timedelta | None,
        poll: PollPolicy | None,
        limits: tuple[int, float | None, int],
        on_update: Callable[[VideoTask], object] | None,
    ) -> Flow[None]:
        """Return the flow of many waits. An invalid id becomes a result; a closed client raises ConfigurationError."""
        self._check_callback("on_update", on_update)
        self._context.pool.check_open()
        checked = SchedulerLimits.of(*limits)
        return wait_many_flow(_validators.unique_ids(task_ids), self._wait_options(timeout, poll), checked)

    def _fleet_options(
        self,
        limits: tuple[int, float | None, int],
        max_downloads: int,
        poll: PollPolicy | None,
        gate: Callable[[], object] | None,
    ) -> FleetOptions:
        """Return the validated options of a fleet."""
        self._check_callback("gate", gate)
        return FleetOptions(
            self._wait_options(None, poll),
            SchedulerLimits.of(*limits),
            _validators.whole("max_downloads", max_downloads, low=1, high=1000),
            gate,
            self._query,
            self._perform,
            self._check_download,
            self._download,
            self._context.pool.check_open,
            self._check_callback,
            self._transport_types.current_context,
        )

    @staticmethod
    def _in_order(ids: list[str], results: Iterable[WaitResult]) -> list[WaitResult]:
        """Return results in the order of the ids, one per distinct id."""
        by_id = {result.task_id: result for result in results}
        return [by_id[task_id] for task_id in dict.fromkeys(ids)]

    def _download_request(
        self,
        task_or_id: VideoTask | str,
        dest: str | os.PathLike[str],
        *,
        overwrite: bool | Literal["skip"],
        resume: bool,
        progress: Callable[[int, int | None], Any] | None,
        max_bytes: int | None,
        poll: PollPolicy | None = None,
    ) -> DownloadRequest:
        """Return the validated arguments of a download. Raises ConfigurationError, TargetExistsError, DownloadError."""
        task_id = _validators.task_id(task_or_id.id if isinstance(task_or_id, VideoTask) else task_or_id)
        self._check_callback("progress", progress)
        overwrite = _validators.overwrite(overwrite)
        context, target = self._context, resolve_target(dest, task_id, overwrite=overwrite)
        return DownloadRequest(
            task_id=task_id,
            target=target,
            overwrite=overwrite,
            is_done=overwrite == "skip" and is_saved(target),
            resume=resume,
            max_bytes=None if max_bytes is None else _validators.whole("max_bytes", max_bytes, low=1, high=1 << 62),
            progress=progress,
            config=context.config,
            options=self._request_options(),
            file_grace=self._poll_policy(poll).file_grace,
            clock=context.clock,
        )

    #: Replaced in AsyncKkiai by one that accesses the file system in a thread.
    _check_download: Callable[..., Any] = _download_request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._context.config.base_url!r})"

    def __reduce__(self) -> Never:
        raise ConfigurationError("a client holds a key and connections: it cannot be pickled or copied")
