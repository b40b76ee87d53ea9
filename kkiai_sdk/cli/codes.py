"""Exit codes: one table, from the errors of the package to what a script sees."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk import KkiaiError


class Code(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 3
    REFUSED = 4
    GATEWAY = 5
    DOWNLOAD = 6
    # What a shell sees of a program that SIGINT or SIGPIPE ended: 128 and the signal's number.
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANINGS = {
    Code.DONE: "done",
    Code.FAILED: "a task failed",
    Code.USAGE: "wrong usage or configuration; nothing was sent",
    Code.TIMED_OUT: "a task did not end in time; it goes on",
    Code.REFUSED: "the key is refused or out of quota",
    Code.GATEWAY: "network or gateway; also an unknown task, or one without a video",
    Code.DOWNLOAD: "a video did not arrive, or what is printed could not be written",
    Code.INTERRUPTED: "interrupted with Ctrl-C; the tasks go on",
    Code.PIPE_CLOSED: "the reader of the output went away",
}

#: By name, so that `--help` loads no errors. The row of the nearest class counts; what has none is about the network or
#: the gateway.
_CODES = {
    "ConfigurationError": Code.USAGE,
    "TaskFailedError": Code.FAILED,
    "TaskTimeoutError": Code.TIMED_OUT,
    "AuthenticationError": Code.REFUSED,
    "PermissionDeniedError": Code.REFUSED,
    "QuotaExceededError": Code.REFUSED,
    "DownloadError": Code.DOWNLOAD,
    "KkiaiError": Code.GATEWAY,
}

#: Most serious first: what every other task would run into as well, then what is lost, then what only takes longer.
SERIOUSNESS = (
    Code.INTERRUPTED,
    Code.USAGE,
    Code.REFUSED,
    Code.GATEWAY,
    Code.DOWNLOAD,
    Code.FAILED,
    Code.TIMED_OUT,
    Code.DONE,
)


def code_of(error: KkiaiError | None) -> Code:
    """The exit code for an error, or for none."""
    if error is None:
        return Code.DONE
    return next(_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _CODES)


def most_serious(codes: Iterable[Code]) -> Code:
    """The one exit code of several outcomes; DONE for none."""
    return min(codes, key=SERIOUSNESS.index, default=Code.DONE)


def explain(error: KkiaiError) -> str:
    """The error in words that fit the command line."""
    from kkiai_sdk import TargetExistsError  # noqa: PLC0415 (as above)

    if isinstance(error, TargetExistsError) and error.path:
        return f"{error.path} exists; --overwrite replaces it"
    return error.message
