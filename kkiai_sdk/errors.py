"""Everything that can go wrong, as one tree.

::

    KkiaiError
    ├─ ConfigurationError (ValueError)         the caller's fault: nothing was sent
    ├─ APIError                                the query could not be answered
    │  ├─ APIConnectionError                   no HTTP answer: DNS, refused, reset, TLS, protocol
    │  │  └─ APITimeoutError (TimeoutError)    no HTTP answer in time
    │  ├─ APIResponseError                     a success status whose body is not an answer
    │  └─ APIStatusError                       the gateway refused, with a status
    │     ├─ BadRequestError (400)
    │     ├─ AuthenticationError (401)
    │     ├─ QuotaExceededError (402, and the same thing under 401, 403 or 429)
    │     ├─ PermissionDeniedError (403)
    │     ├─ NotFoundError (404)               most often a wrong base URL
    │     │  └─ TaskNotFoundError              the gateway does not know the task (yet)
    │     ├─ ConflictError (409)
    │     ├─ UnprocessableEntityError (422)
    │     ├─ RateLimitError (429)
    │     └─ ServerError (5xx)                 the gateway or something behind it is in trouble
    ├─ TaskError                               the task, not the query
    │  ├─ TaskFailedError                      it ended without a video
    │  ├─ TaskTimeoutError (TimeoutError)      it did not end in time; it may still be running
    │  └─ VideoMissingError                    it succeeded and the gateway names no video
    └─ DownloadError                           the task is fine, its file did not arrive
       ├─ UnsafeURLError                       the URL must not be fetched
       ├─ IncompleteDownloadError              fewer bytes than the file has; the part is kept
       ├─ NotAVideoError                       something else was served in its place
       └─ TargetExistsError                    the destination is there and ``overwrite`` is false

Every error can be pickled and copied, and holds plain values only: no key, no request, no response. Text that came
from a server is cleaned of anything that looks like a key before it gets here, and of control characters unless it is
the ``body`` of an APIStatusError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk.models import TaskFailure, VideoTask


@frozen
class Attempt:
    """One try of one request, as kept in :attr:`APIError.attempts`."""

    #: The HTTP status that came back, or None when nothing did.
    status: int | None
    #: What went wrong in a word or two (``"refused"``, ``"timeout"``, an error code), or None.
    fault: str | None
    #: Seconds that were slept after it, 0.0 after the last.
    delay: float


def _rebuild(cls: type[KkiaiError], args: tuple[Any, ...], state: dict[str, Any]) -> KkiaiError:
    error = cls.__new__(cls)
    # Set by hand: TimeoutError is an OSError, which takes its arguments in a constructor that is not called here.
    error.args = args
    error.__dict__.update(state)
    return error


class KkiaiError(Exception):
    """The root: catching it catches everything this package raises on purpose."""

    @property
    def message(self) -> str:
        """The text of the error, for people."""
        return str(self.args[0]) if self.args else ""

    # The default protocol calls the class with `args` alone, which keyword-only arguments do not survive.
    def __reduce__(self) -> tuple[Callable[..., KkiaiError], tuple[Any, ...]]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


class ConfigurationError(KkiaiError, ValueError):
    """An option, a key, a URL or an id that cannot work. Names it and what is accepted. Nothing was sent."""


class APIError(KkiaiError):
    """The query itself failed; what became of the task is not known from this answer."""

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
        #: The gateway's id for the request, to quote to its support, or None.
        self.request_id = request_id
        #: Whether the same request may well succeed a little later.
        self.transient = transient
        #: Seconds that the server asked to wait, as it said them, or None.
        self.retry_after = retry_after
        #: Every try of this request, oldest first.
        self.attempts = attempts


class APIConnectionError(APIError):
    """No HTTP answer arrived."""

    def __init__(self, message: str, *, kind: str = "connection", **facts: Any) -> None:
        super().__init__(message, **facts)
        #: ``dns``, ``refused``, ``reset``, ``tls``, ``protocol``, ``proxy``, ``timeout`` or ``connection``.
        self.kind = kind


class APITimeoutError(APIConnectionError, TimeoutError):
    """No whole HTTP answer arrived within ``timeout`` seconds."""


class APIResponseError(APIError):
    """An answer with a success status that is not an answer to the question."""

    def __init__(
        self, message: str, *, status_code: int = 200, code: str | None = None, body_snippet: str = "", **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        #: The HTTP status, a 2xx.
        self.status_code = status_code
        #: The gateway's own error code when the body is an error in disguise, or None.
        self.code = code
        #: The first 200 characters of the body, cleaned for a terminal.
        self.body_snippet = body_snippet


class APIStatusError(APIError):
    """The gateway answered with an error status. Subclasses name the common ones."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        type: str | None = None,  # noqa: A002 (the wire's own word for it)
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
        #: The decoded JSON body, or its text, with keys blotted out. Not cleaned otherwise: print its repr.
        self.body = body


class BadRequestError(APIStatusError):
    """400: the gateway does not accept the request as it stands."""


class AuthenticationError(APIStatusError):
    """401: no key, a wrong key or an expired one."""


class QuotaExceededError(APIStatusError):
    """Out of money or quota, under whatever status the gateway says so. Waiting does not help."""


class PermissionDeniedError(APIStatusError):
    """403: the key is valid and may not do this (banned, address not allowed, model not allowed)."""


class NotFoundError(APIStatusError):
    """404: there is nothing under this URL; most often the base URL is wrong."""


class TaskNotFoundError(NotFoundError):
    """The gateway does not know the task. Just after creation that may change within seconds."""


class ConflictError(APIStatusError):
    """409."""


class UnprocessableEntityError(APIStatusError):
    """422."""


class RateLimitError(APIStatusError):
    """429: too many requests; ``retry_after`` says how long to wait when the gateway does."""


class ServerError(APIStatusError):
    """5xx, or the same trouble under another status. ``transient`` says whether to expect better soon."""


class TaskError(KkiaiError):
    """The queries worked; the task did not come to a usable end."""

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
        #: The id as the caller gave it.
        self.task_id = task_id
        #: The last snapshot, or None when there never was one.
        self.task = task
        #: Seconds from the start of the wait to its end.
        self.elapsed = elapsed
        #: How many times the gateway was asked.
        self.polls = polls
        #: The last failed query of the wait, or None.
        self.last_error = last_error


class TaskFailedError(TaskError):
    """The task ended without a video; ``failure`` says why as far as the gateway does."""

    @property
    def failure(self) -> TaskFailure | None:
        """The gateway's reason, or None."""
        return self.task.failure if self.task else None


class TaskTimeoutError(TaskError, TimeoutError):
    """The task did not end within the wait. It was not cancelled: wait for the same id again."""


class VideoMissingError(TaskError):
    """The task succeeded, and no answer named a video within the grace period."""


class DownloadError(KkiaiError):
    """The file did not arrive. An older file under the same name is untouched."""

    def __init__(
        self, message: str, *, url: str | None = None, path: str | None = None, errno: int | None = None
    ) -> None:
        super().__init__(message)
        #: Where it was fetched from, without its query string, or None.
        self.url = url
        #: The destination, or None.
        self.path = path
        #: The operating system's error number, or None when it was not the file system's doing.
        self.errno = errno


class UnsafeURLError(DownloadError):
    """A URL from the server that must not be fetched: its scheme, its credentials or its address."""


class IncompleteDownloadError(DownloadError):
    """The transfer broke off. Call again: it goes on from what arrived if the server proves that the file is the same
    (a strong ETag, or a date that is old enough), and begins anew otherwise.
    """

    def __init__(self, message: str, *, received: int = 0, expected: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        #: Bytes that are on disk.
        self.received = received
        #: Bytes that the file has, or None when the server never said.
        self.expected = expected


class NotAVideoError(DownloadError):
    """What the URL serves is not a video: a web page, an error document, nothing."""


class TargetExistsError(DownloadError):
    """There is already a file under this name; pass ``overwrite=True`` to replace it."""
