"""What the SDK hands out: frozen, hashable, picklable values."""

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

#: From this value on a timestamp is in milliseconds, below it in seconds: 1e11 s is the year 5138, 1e11 ms is 1973.
MILLISECONDS_FROM = 10**11


class TaskState(StrEnum):
    """What a task's status means. Only SUCCEEDED and FAILED are ends."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: A status that is missing, empty or not known to this version. Never an end: the task may be doing well.
    UNKNOWN = "unknown"


@frozen
class TaskFailure:
    """Why a task failed, as far as the gateway says."""

    #: The gateway's text, cleaned of control characters, or our own words when it gave none.
    message: str = field(validator=instance_of(str))
    #: The gateway's error code, or None.
    code: str | None = field(default=None, validator=optional(instance_of(str)))

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" if self.code else self.message


@frozen(kw_only=True)
class VideoTask:
    """One answer about one task."""

    #: The id that was asked, as the caller gave it: the one to ask with again.
    id: str
    #: The id in the answer (gateways drop the prefix or answer another one), or None.
    answered_id: str | None = None
    #: The gateway's own word, as it came, or None.
    status: str | None = None
    #: What that word means.
    state: TaskState = TaskState.UNKNOWN
    #: Where the video is, absolute, or None. It expires: fetch it soon.
    video_url: str | None = None
    #: The prompt as the model rewrote it, or None.
    enhanced_prompt: str | None = None
    #: When the status last changed, as the gateway sent it: epoch milliseconds or seconds; see :attr:`updated_at`.
    status_update_time: int | None = None
    #: Fraction done, 0.0 to 1.0, or None. Gateways are not exact about it.
    progress: float | None = None
    #: Why it failed; None unless ``state`` is FAILED.
    failure: TaskFailure | None = None
    #: The gateway's id for the request that brought this answer, or None.
    request_id: str | None = None
    _extra: dict[str, Any] = field(factory=dict, repr=False, hash=False)
    #: The whole JSON object of the answer.
    raw: dict[str, Any] = field(factory=dict, repr=False, hash=False)

    @property
    def extra(self) -> Mapping[str, Any]:
        """Everything in the answer beside the five documented fields, read-only."""
        return MappingProxyType(self._extra)

    @property
    def is_succeeded(self) -> bool:
        """Whether the video was made."""
        return self.state is TaskState.SUCCEEDED

    @property
    def is_failed(self) -> bool:
        """Whether the task ended without a video."""
        return self.state is TaskState.FAILED

    @property
    def is_done(self) -> bool:
        """Whether the task ended, either way."""
        return self.is_succeeded or self.is_failed

    @property
    def updated_at(self) -> datetime | None:
        """``status_update_time`` in UTC, whichever unit the gateway uses; None when it is missing or absurd."""
        value = self.status_update_time
        if value is None or value <= 0:
            return None
        try:
            return datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS_FROM else value, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values, with ``updated_at`` in ISO 8601; :meth:`from_dict` reads it back."""
        values = asdict(self, recurse=False)
        values["extra"] = values.pop("_extra")
        values["failure"] = asdict(self.failure) if self.failure else None
        values["state"] = str(self.state)
        values["updated_at"] = self.updated_at.isoformat() if self.updated_at else None
        return values

    def to_json(self) -> str:
        """:meth:`to_dict` as one line of ASCII JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The task that :meth:`to_dict` described. Raises ConfigurationError for anything else."""
        try:
            values: dict[str, Any] = {name: data[name] for name in _KINDS if name in data}
            if not all(isinstance(value, _KINDS[name]) for name, value in values.items()):
                raise ConfigurationError(_NOT_A_TASK)
            values["state"] = TaskState(values.get("state", TaskState.UNKNOWN))
            if values.get("failure") is not None:
                values["failure"] = TaskFailure(**values["failure"])
            return cls(**values)
        except (KeyError, TypeError, ValueError):
            raise ConfigurationError(_NOT_A_TASK) from None


#: What each member of :meth:`VideoTask.to_dict` is, so that a mapping from elsewhere does not pass for one.
_KINDS: Mapping[str, Any] = {
    **{attribute.alias or attribute.name: str | None for attribute in fields(VideoTask)},
    "id": str,
    "state": str,
    "status_update_time": int | None,
    "progress": float | int | None,
    "failure": dict | None,
    "extra": dict,
    "raw": dict,
}
_NOT_A_TASK = "this is not a mapping made by VideoTask.to_dict()"


@frozen
class WaitResult:
    """How the wait for one of many tasks ended: what ``wait`` would have returned or raised.

    In one thing it may hold less. While many tasks wait, only the documented fields of each one's last snapshot are
    kept. So a task whose last query failed, or whose time ran out before its turn, ends with a ``task`` whose ``raw``
    and ``extra`` are empty, here and in ``error``. An answer that itself ends the wait is whole.
    """

    #: The id as the caller gave it.
    task_id: str
    #: The last snapshot, or None when there never was one.
    task: VideoTask | None = None
    #: What went wrong (a failed task counts), or None.
    error: KkiaiError | None = None

    @property
    def is_succeeded(self) -> bool:
        """Whether the video is there."""
        return self.error is None
