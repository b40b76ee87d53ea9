"""Exceptions of the SDK.

::

    KkiaiError
    ├─ ConfigurationError (ValueError)         invalid argument: nothing was sent
    ├─ APIError                                the query failed
    │  ├─ APIConnectionError                   no HTTP response: DNS, refused, reset, TLS, protocol
    │  │  └─ APITimeoutError (TimeoutError)    no complete HTTP response in time
    │  ├─ APIResponseError                     a success status with an unusable body
    │  └─ APIStatusError                       an error status
    │     ├─ BadRequestError (400)
    │     ├─ AuthenticationError (401)
    │     ├─ QuotaExceededError (402, or a quota error under 401, 403 or 429)
    │     ├─ PermissionDeniedError (403)
    │     ├─ NotFoundError (404)               most often a wrong base URL
    │     │  └─ TaskNotFoundError              the gateway does not know the task (yet)
    │     ├─ ConflictError (409)
    │     ├─ UnprocessableEntityError (422)
    │     ├─ RateLimitError (429)
    │     └─ ServerError (5xx)                 the gateway or a server behind it failed
    ├─ TaskError                               the queries succeeded, the task did not
    │  ├─ TaskFailedError                      the task ended without a video
    │  ├─ TaskTimeoutError (TimeoutError)      the task did not end in time; it may still be running
    │  └─ VideoMissingError                    the task succeeded, but no response named a video
    ├─ FleetClosedError                        the fleet was closed or has crashed, during or before the wait
    └─ DownloadError                           the file could not be downloaded
       ├─ UnsafeURLError                       the URL must not be fetched
       ├─ IncompleteDownloadError              the transfer was interrupted; the partial file is kept
       ├─ NotAVideoError                       the server sent something other than a video
       └─ TargetExistsError                    the destination exists and ``overwrite`` is false

Every error can be pickled and copied, and holds plain values only: no key, no request, no response. In text from a
server, anything that looks like a key is redacted, and control characters are escaped unless it is the ``body`` of an
APIStatusError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk.models import TaskFailure, VideoTask


@frozen
class Attempt:
    """One attempt of a request, as listed in :attr:`APIError.attempts`."""

    #: The HTTP status, or None without a response.
    status: int | None
    #: The kind of failure (``"refused"``, ``"timeout"``) or the gateway's error code, or None.
    fault: str | None
    #: Seconds slept afterwards, 0.0 after the last attempt.
    delay: float


def _rebuild(cls: type[KkiaiError], args: tuple[Any, ...], state: dict[str, Any]) -> KkiaiError:
    error = cls.__new__(cls)
    # Set directly: TimeoutError is an OSError, whose constructor sets them and is not called here.
    error.args = args
    error.__dict__.update(state)
    return error


class KkiaiError(Exception):
    """Base class of all exceptions of the SDK."""

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self.args[0]) if self.args else ""

    # The default calls the class with `args` alone, without the keyword-only arguments.
    def __reduce__(self) -> tuple[Callable[..., KkiaiError], tuple[Any, ...]]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


class ConfigurationError(KkiaiError, ValueError):
    """An invalid option, key, URL or id; the message names it and the accepted values.

    Nothing was sent, unless the client was closed during the call.
    """


class APIError(KkiaiError):
    """A query failed. The state of the task is unknown: it may still be running."""

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        transient: bool = False,
        retry_after: float | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message)
        #: The gateway's id of the request, to quote to its support, or None.
        self.request_id = request_id
        #: Whether the same request may succeed later.
        self.transient = transient
        #: The server's ``Retry-After`` in seconds, without a limit, or None.
        self.retry_after = retry_after
        #: Every attempt of the request, oldest first.
        self.attempts = attempts


class APIConnectionError(APIError):
    """No HTTP response was received."""

    def __init__(self, message: str, *, kind: str = "connection", **facts: Any) -> None:
        super().__init__(message, **facts)
        #: ``dns``, ``refused``, ``reset``, ``tls``, ``protocol``, ``proxy``, ``timeout`` or ``connection``.
        self.kind = kind


class APITimeoutError(APIConnectionError, TimeoutError):
    """No complete HTTP response was received within ``timeout`` seconds."""


class APIResponseError(APIError):
    """A response with a success status whose body cannot be used: not JSON, not a task, or an error."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 200,
        code: str | None = None,
        body_snippet: str = "",
        is_too_large: bool = False,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        #: The HTTP status, a 2xx.
        self.status_code = status_code
        #: The gateway's error code if the body is an error, or None.
        self.code = code
        #: The first 200 characters of the body, with control characters escaped.
        self.body_snippet = body_snippet
        #: Whether the body exceeds the limit of 32 MiB. The next one would, too, so such an error ends a wait at once.
        self.is_too_large = is_too_large


class APIStatusError(APIError):
    """A response with an error status. The common ones have subclasses."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        type: str | None = None,  # noqa: A002 (its name in the body)
        body: Any = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        #: The HTTP status.
        self.status_code = status_code
        #: The gateway's error code (``task_not_exist``), or None.
        self.code = code
        #: The gateway's error type (``new_api_error``), or None.
        self.type = type
        #: The parsed JSON body, or its text, with keys redacted. May contain control characters: print its repr.
        self.body = body


class BadRequestError(APIStatusError):
    """400: the request is invalid."""


class AuthenticationError(APIStatusError):
    """401: the key is missing, wrong or expired."""


class QuotaExceededError(APIStatusError):
    """402, or a quota error under another status: the account or the key is out of quota. Never transient."""


class PermissionDeniedError(APIStatusError):
    """403: the key is valid but not permitted to do this (banned, address or model not allowed)."""


class NotFoundError(APIStatusError):
    """404: nothing exists at this URL; usually the base URL is wrong."""


class TaskNotFoundError(NotFoundError):
    """The gateway does not know the task, which may be temporary within seconds of its creation."""


class ConflictError(APIStatusError):
    """409: the request conflicts with the state of the gateway."""


class UnprocessableEntityError(APIStatusError):
    """422: the content of the request is invalid."""


class RateLimitError(APIStatusError):
    """429: too many requests; ``retry_after`` is the pause in seconds, if the gateway specified one."""


class ServerError(APIStatusError):
    """5xx, or a server error under another status; ``transient`` says whether a later request may succeed."""


class TaskError(KkiaiError):
    """The queries succeeded, but the task did not end with a video."""

    def __init__(
        self,
        message: str,
        *,
        task_id: str,
        task: VideoTask | None = None,
        elapsed: float = 0.0,
        polls: int = 0,
        last_error: APIError | None = None,
    ) -> None:
        super().__init__(message)
        #: The id as passed by the caller.
        self.task_id = task_id
        #: The last snapshot, or None if there was none.
        self.task = task
        #: Seconds from the start of the wait to its end.
        self.elapsed = elapsed
        #: Number of polls.
        self.polls = polls
        #: The last failed query of the wait, or None.
        self.last_error = last_error


class TaskFailedError(TaskError):
    """The task ended without a video; ``failure`` is the reason."""

    @property
    def failure(self) -> TaskFailure | None:
        """The gateway's reason, or None."""
        return self.task.failure if self.task else None


class TaskTimeoutError(TaskError, TimeoutError):
    """The task did not end within the timeout of the wait. It was not cancelled: wait for the same id again."""


class VideoMissingError(TaskError):
    """The task succeeded, but no response named a video within ``PollPolicy.url_grace``."""


class FleetClosedError(KkiaiError):
    """The fleet was closed or has crashed, during or before the wait. No task was cancelled: wait again."""


class DownloadError(KkiaiError):
    """The file could not be downloaded. An existing file of the same name is unchanged."""

    def __init__(
        self, message: str, *, url: str | None = None, path: str | None = None, errno: int | None = None
    ) -> None:
        super().__init__(message)
        #: The URL of the file without its query string, or None.
        self.url = url
        #: The destination, or None.
        self.path = path
        #: The operating system's error number, or None if the file system did not fail.
        self.errno = errno


class UnsafeURLError(DownloadError):
    """A URL from the server that must not be fetched, because of its scheme, credentials, port or address."""


class IncompleteDownloadError(DownloadError):
    """The transfer was interrupted. Another call resumes it if the server proves that the file is unchanged (with a
    strong ETag, or a Last-Modified at least 60 seconds before the Date), and starts over otherwise.
    """

    def __init__(self, message: str, *, received: int = 0, expected: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        #: Bytes of the file on disk.
        self.received = received
        #: Size of the file in bytes, or None if unknown.
        self.expected = expected


class NotAVideoError(DownloadError):
    """The server sent something other than a video: a web page, an error, an image, a playlist, an archive, nothing."""


class TargetExistsError(DownloadError):
    """The destination exists; pass ``overwrite=True`` to replace it, or ``"skip"`` to keep it."""
