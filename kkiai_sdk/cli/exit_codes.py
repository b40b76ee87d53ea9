"""Exit codes of the command line, and the SDK errors that lead to them."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """The exit code of a command, with its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> Self:
        """Make a member."""
        code = int.__new__(cls, value)
        code._value_, code.meaning = value, meaning
        return code

    SUCCESS = 0, "success"
    TASK_FAILED = 1, "a task failed"
    USAGE = 2, "invalid usage or configuration; nothing was sent"
    TIMED_OUT = 3, "a task did not end in time; it was not cancelled"
    ACCESS_DENIED = 4, "the key was rejected, or its quota is exhausted"
    GATEWAY = 5, "network or gateway error, unknown task, or no video in the response"
    OUTPUT = 6, "a download failed, or output could not be written"
    # A shell reports a process that SIGINT or SIGPIPE ended as 128 plus the signal number.
    INTERRUPTED = 130, "interrupted by Ctrl-C; the tasks keep running"
    PIPE_CLOSED = 141, "the reader of the output closed the pipe"


#: Keyed by class name, so that ``--help`` does not import the errors. The nearest class of an error's MRO decides.
_BY_ERROR = {
    "ConfigurationError": ExitCode.USAGE,
    "TaskFailedError": ExitCode.TASK_FAILED,
    "TaskTimeoutError": ExitCode.TIMED_OUT,
    "AuthenticationError": ExitCode.ACCESS_DENIED,
    "PermissionDeniedError": ExitCode.ACCESS_DENIED,
    "QuotaExceededError": ExitCode.ACCESS_DENIED,
    "DownloadError": ExitCode.OUTPUT,
    "KkiaiError": ExitCode.GATEWAY,
}

#: Most serious first: problems that affect every task, then lost results, then tasks that only take longer.
SEVERITY_ORDER = [130, 2, 4, 5, 6, 1, 3, 0]


def exit_code_of(error: Exception | None) -> ExitCode:
    """Return the exit code for an SDK error, or for None."""
    return ExitCode.SUCCESS if error is None else exit_code_of_class(type(error))


def exit_code_of_class(error: type[Exception]) -> ExitCode:
    """Return the exit code for a class of SDK errors."""
    return next(_BY_ERROR[kind.__name__] for kind in error.__mro__ if kind.__name__ in _BY_ERROR)


def most_serious(*codes: ExitCode) -> ExitCode:
    """Return the exit code of a command with several outcomes."""
    return min(codes, key=SEVERITY_ORDER.index, default=ExitCode.SUCCESS)
