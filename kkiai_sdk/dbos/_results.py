"""Records about a task in the database, and the conversion of SDK errors to recorded results."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from attrs import asdict, frozen

import kkiai_sdk as sdk

State: TypeAlias = Literal["saved", "failed", "timeout", "error"]

#: Errors that are about the key, the network or this machine, and not about the task. A later attempt may succeed, so
#: they do not end a durable wait before its timeout.
_PASSING = (
    sdk.AuthenticationError,
    sdk.PermissionDeniedError,
    sdk.QuotaExceededError,
    sdk.APIConnectionError,
    sdk.APIResponseError,
)
#: Download errors that would occur again in another attempt.
_FINAL_DOWNLOAD = (sdk.UnsafeURLError, sdk.NotAVideoError, sdk.TargetExistsError)


@frozen
class VideoResult:
    """The recorded end of a wait."""

    task_id: str
    #: ``saved``, ``failed`` (the task failed), ``timeout`` (it did not end in time) or ``error`` (there is no video to
    #: save).
    state: State
    #: The file of a saved video, on the machine of its worker.
    path: str | None = None
    #: The reason, unless saved.
    error: str | None = None
    #: The class name of the error, such as ``TaskFailedError``.
    error_type: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)


@frozen
class WorkerStatus:
    """A worker that has unfinished waits."""

    name: str
    #: Waits that it has started but not finished.
    waiting: int
    #: Whether a process with this name is currently running.
    is_running: bool


@frozen
class QueueStatus:
    """Numbers of tasks by outcome."""

    #: Not started by any worker.
    queued: int
    workers: list[WorkerStatus]
    saved: int
    failed: int
    timeout: int
    error: int

    @property
    def waiting(self) -> int:
        """The tasks that workers are waiting for."""
        return sum(worker.waiting for worker in self.workers)


def is_passing(error: sdk.KkiaiError) -> bool:
    """Whether another attempt for the same task may succeed."""
    if isinstance(error, sdk.DownloadError):
        return not isinstance(error, _FINAL_DOWNLOAD)
    return isinstance(error, _PASSING) or (isinstance(error, sdk.APIError) and error.transient)


def result_of(task_id: str, error: sdk.KkiaiError) -> VideoResult:
    """Return the result for an error."""
    text, state = str(error), "error"
    match error:
        case sdk.TaskFailedError():
            text, state = str(error.failure or error), "failed"
        case sdk.TaskTimeoutError():
            state = "timeout"
    return VideoResult(task_id, state, error=text, error_type=type(error).__name__)  # type: ignore[arg-type]
