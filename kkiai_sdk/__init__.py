"""Query, wait for and download the video tasks of a kkiai gateway.

>>> from kkiai_sdk import Kkiai
>>> with Kkiai() as client:                                  # doctest: +SKIP
...     path = client.wait_and_download("grok:…", "video.mp4")

Names are loaded when they are first used: ``import kkiai_sdk`` alone brings in no HTTP library.
"""

from __future__ import annotations

from importlib import import_module

# The real one stands in `typing`, whose import would be most of the cost of importing this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from kkiai_sdk._version import __version__
    from kkiai_sdk.async_client import AsyncKkiai
    from kkiai_sdk.client import Kkiai
    from kkiai_sdk.errors import (
        APIConnectionError,
        APIError,
        APIResponseError,
        APIStatusError,
        APITimeoutError,
        Attempt,
        AuthenticationError,
        BadRequestError,
        ConfigurationError,
        ConflictError,
        DownloadError,
        IncompleteDownloadError,
        KkiaiError,
        NotAVideoError,
        NotFoundError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitError,
        ServerError,
        TargetExistsError,
        TaskError,
        TaskFailedError,
        TaskNotFoundError,
        TaskTimeoutError,
        UnprocessableEntityError,
        UnsafeURLError,
        VideoMissingError,
    )
    from kkiai_sdk.models import TaskFailure, TaskState, VideoTask, WaitResult
    from kkiai_sdk.policies import PollPolicy, RetryPolicy

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncKkiai",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "DownloadError",
    "IncompleteDownloadError",
    "Kkiai",
    "KkiaiError",
    "NotAVideoError",
    "NotFoundError",
    "PermissionDeniedError",
    "PollPolicy",
    "QuotaExceededError",
    "RateLimitError",
    "RetryPolicy",
    "ServerError",
    "TargetExistsError",
    "TaskError",
    "TaskFailedError",
    "TaskFailure",
    "TaskNotFoundError",
    "TaskState",
    "TaskTimeoutError",
    "UnprocessableEntityError",
    "UnsafeURLError",
    "VideoMissingError",
    "VideoTask",
    "WaitResult",
    "__version__",
]

#: Where each public name lives, unless it is an error.
_HOMES = {
    "AsyncKkiai": "async_client",
    "Kkiai": "client",
    "PollPolicy": "policies",
    "RetryPolicy": "policies",
    "TaskFailure": "models",
    "TaskState": "models",
    "VideoTask": "models",
    "WaitResult": "models",
    "__version__": "_version",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    # The next look-up finds it without coming here.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
