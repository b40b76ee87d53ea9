"""Values that the SDK returns: frozen, hashable, picklable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from attrs import asdict, field, fields, frozen
from attrs.validators import instance_of, optional

from kkiai_sdk.errors import ConfigurationError, KkiaiError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Timestamps from this value on are in milliseconds, smaller ones in seconds: 1e11 s is the year 5138, 1e11 ms is 1973.
MILLISECONDS_FROM = 10**11


class TaskState(StrEnum):
    """Meaning of a task's status. Only SUCCEEDED and FAILED are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: A status that is missing, empty or unknown to this version. Never final: the task may still be running.
    UNKNOWN = "unknown"


@frozen
class TaskFailure:
    """Reason of a failed task, as given by the gateway."""

    #: The gateway's text, with control characters escaped, or the SDK's own text if the gateway gave none.
    message: str = field(validator=instance_of(str))
    #: The gateway's error code, or None.
    code: str | None = field(default=None, validator=optional(instance_of(str)))

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" if self.code else self.message


@frozen(kw_only=True)
class VideoTask:
    """Snapshot of a task: one response to a query for it."""

    #: The id as passed by the caller, with which the task can be queried again.
    id: str
    #: The id in the response (some gateways drop the prefix or return another id), or None.
    answered_id: str | None = None
    #: The gateway's status, unchanged, or None.
    status: str | None = None
    #: The meaning of the status.
    state: TaskState = TaskState.UNKNOWN
    #: The absolute URL of the video, or None. It expires, so download the video soon.
    video_url: str | None = None
    #: URLs of the other videos, see :attr:`video_urls`.
    _more_urls: tuple[str, ...] = field(default=(), repr=False)
    #: The prompt as the model rewrote it, or None.
    enhanced_prompt: str | None = None
    #: Time of the last change, unchanged from the gateway: epoch milliseconds or seconds; see :attr:`updated_at`.
    status_update_time: int | None = None
    #: Fraction done, 0.0 to 1.0, or None. Gateways report it inexactly; for a task that succeeded it is 1.0.
    progress: float | None = None
    #: Reason of the failure; None unless ``state`` is FAILED.
    failure: TaskFailure | None = None
    #: The gateway's id of the request, or None.
    request_id: str | None = None
    _extra: dict[str, Any] = field(factory=dict, repr=False, hash=False)
    #: The whole JSON object of the response.
    raw: dict[str, Any] = field(factory=dict, repr=False, hash=False)

    def __str__(self) -> str:
        """Return the id and the state in one line, with the progress of a running task or the reason of a failure."""
        if self.failure:
            return f"{self.id}: {self.state}: {self.failure}"
        is_at_work = self.progress is not None and not self.is_done
        return f"{self.id}: {self.state}, {self.progress:.0%}" if is_at_work else f"{self.id}: {self.state}"

    @property
    def extra(self) -> Mapping[str, Any]:
        """The members of the response other than the five documented fields, read-only."""
        return MappingProxyType(self._extra)

    @property
    def video_urls(self) -> tuple[str, ...]:
        """The absolute URLs of all videos, ``video_url`` first; empty if there is none."""
        return () if self.video_url is None else (self.video_url, *self._more_urls)

    @property
    def is_succeeded(self) -> bool:
        """Whether the task succeeded."""
        return self.state is TaskState.SUCCEEDED

    @property
    def is_failed(self) -> bool:
        """Whether the task failed."""
        return self.state is TaskState.FAILED

    @property
    def is_done(self) -> bool:
        """Whether the task succeeded or failed."""
        return self.is_succeeded or self.is_failed

    @property
    def updated_at(self) -> datetime | None:
        """``status_update_time`` as a UTC datetime, from either unit; None if it is missing or out of range."""
        value = self.status_update_time
        if value is None or value <= 0:
            return None
        try:
            return datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS_FROM else value, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    def explain(self) -> str:
        """Return where in the response each field was found and by which rule, for reports about misread responses.

        A few lines of text: names, types and status words from the response, without prompts. Keys and signatures are
        redacted. Locations are missing if ``raw`` is empty.
        """
        from kkiai_sdk._responses.explanation import explain  # noqa: PLC0415 (the parsers import this module)

        return explain(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values, and ``updated_at`` in ISO 8601; the inverse of :meth:`from_dict`."""
        values = asdict(self, recurse=False)
        values["extra"] = values.pop("_extra")
        del values["_more_urls"]
        values["video_urls"] = [*self.video_urls]
        values["failure"] = asdict(self.failure) if self.failure else None
        values["state"] = str(self.state)
        values["updated_at"] = self.updated_at.isoformat() if self.updated_at else None
        return values

    def to_json(self) -> str:
        """Return :meth:`to_dict` as one line of ASCII JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task from the result of :meth:`to_dict`. Raises ConfigurationError for anything else."""
        try:
            values: dict[str, Any] = {name: data[name] for name in _TYPES if name in data}
            urls = [*data["video_urls"]] if "video_urls" in data else []
            are_valid = all(isinstance(value, _TYPES[name]) for name, value in values.items())
            if not are_valid or not all(isinstance(url, str) for url in urls):
                raise ConfigurationError(_NOT_A_TASK)
            values["more_urls"] = tuple(urls[1:])
            values["state"] = TaskState(values.get("state", TaskState.UNKNOWN))
            if values.get("failure") is not None:
                values["failure"] = TaskFailure(**values["failure"])
            return cls(**values)
        except (KeyError, TypeError, ValueError):
            raise ConfigurationError(_NOT_A_TASK) from None


#: Types of the members of :meth:`VideoTask.to_dict` that :meth:`VideoTask.from_dict` reads.
_TYPES: Mapping[str, Any] = {
    **{attribute.alias or attribute.name: str | None for attribute in fields(VideoTask) if attribute.repr},
    "id": str,
    "state": str,
    "status_update_time": int | None,
    "progress": float | int | None,
    "failure": dict | None,
    "extra": dict,
    "raw": dict,
}
_NOT_A_TASK = "this is not a mapping created by VideoTask.to_dict()"


@frozen
class WaitResult:
    """Result of the wait for one of many tasks: the task that ``wait`` would have returned, or its error.

    ``task.raw`` and ``task.extra`` may be empty, here and in ``error``: between polls, only the documented fields of a
    snapshot are kept. Nothing else is available if the last query failed or the timeout passed before the last poll.
    The snapshot that ends a wait is complete.
    """

    #: The id as passed by the caller.
    task_id: str
    #: The last snapshot, or None if there was none.
    task: VideoTask | None = None
    #: The error (TaskFailedError for a failed task), or None.
    error: KkiaiError | None = None

    @property
    def is_succeeded(self) -> bool:
        """Whether the wait ended without an error."""
        return self.error is None
