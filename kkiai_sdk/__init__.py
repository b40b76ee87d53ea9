"""Query, wait for and download the video tasks of a kkiai gateway.

>>> from kkiai_sdk import Kkiai
>>> with Kkiai() as client:                                  # doctest: +SKIP
...     path = client.wait_and_download("grok:…", "video.mp4")

Public names are imported on first use (PEP 562), so ``import kkiai_sdk`` loads no HTTP library.
"""

from __future__ import annotations

from importlib import import_module

# Not from `typing`, whose import would take most of the time that importing this package takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from kkiai_sdk._polling.async_fleet import AsyncFleet
    from kkiai_sdk._polling.fleet import Fleet
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
        FleetClosedError,
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
    "AsyncFleet",
    "AsyncKkiai",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "DownloadError",
    "Fleet",
    "FleetClosedError",
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

#: Modules of the public names that are not errors.
_MODULES = {
    "AsyncFleet": "_polling.async_fleet",
    "AsyncKkiai": "async_client",
    "Fleet": "_polling.fleet",
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
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    # Later lookups do not call this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
