"""The mock gateway of the pytest plugin: fake time, scripts by task id, recordings, and checks of downloads."""

from __future__ import annotations

import gzip
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote

from kkiai_sdk import ConfigurationError
from kkiai_sdk._clock import replaced
from kkiai_sdk.mock import MockGateway, ReceivedRequest, Reply
from kkiai_sdk.testing.fake_time import FakeTime
from kkiai_sdk.testing.recordings import load
from kkiai_sdk.testing.steps import Script, named

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kkiai_sdk.mock import TaskQuery
    from kkiai_sdk.testing.steps import AnyStep

_FILE = re.compile(r"/files/(?:[\w-]+/)?(?P<file>[^/]+)\.mp4|/v1/videos/(?P<own>[^/]+)/\w+")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/\d+")
#: Faults that still send the complete body.
_WHOLE = {None, "unframed", "close-after", "drip-headers", "drip-body"}


class Gateway(MockGateway):
    """A mock gateway with fake time.

    Clients created in this process while it runs use its clock: their sleeps end immediately and advance the time of
    the tasks. Requests and their timeouts take real time. Use it as a context manager.

    Args:
        tasks: The script of each task; see :meth:`script`. The gateway knows only these ids and those of the mock
            gateway.
        faults: Faults for the first requests; see :class:`~kkiai_sdk.mock.MockGateway`.

    Raises:
        ConfigurationError: A script or a fault is invalid. The message lists the known names or keys.
    """

    def __init__(
        self, *, tasks: Mapping[str, str | Sequence[AnyStep]] | None = None, faults: Iterable[str | None] = ()
    ) -> None:
        self._time, self._cleanup = FakeTime(), ExitStack()
        self._by_id: dict[str, Callable[[TaskQuery], Reply]] = {}
        #: The requests with their replies.
        self._replies: list[tuple[ReceivedRequest, Reply]] = []
        super().__init__(
            faults=faults,
            clock=self._time.monotonic,
            scripts=self._by_id,
            on_reply=lambda request, reply: self._replies.append((request, reply)),
        )
        for task_id, script in (tasks or {}).items():
            self.script(task_id, script)

    @property
    def elapsed(self) -> float:
        """Seconds of fake time since the gateway was created."""
        return self._time.elapsed

    def advance(self, seconds: float) -> None:
        """Advance the fake time by seconds."""
        self._time.advance(seconds)

    def script(self, task_id: str, script: str | Sequence[AnyStep]) -> None:
        """Set how the gateway answers queries for a task from now on.

        Args:
            task_id: The id of the task, 1 to 256 characters.
            script: A name from :func:`~kkiai_sdk.mock.scenarios`, ``fault-`` or ``video-fault-`` with a name from
                :func:`~kkiai_sdk.mock.faults`, or a list of steps. A step is a state such as ``"completed"``, an HTTP
                status such as ``503``, or a mapping with the keys of :class:`Step`. Each step answers one query, or all
                queries for a number of ``seconds``; the last one is repeated forever.

        Raises:
            ConfigurationError: A name, a key or a value is invalid; the message says where.
        """
        if not _is_id(task_id):
            raise ConfigurationError(f"a task id must have 1 to 256 characters, not {task_id!r:.60}")
        try:
            self._by_id[task_id] = named(script) if isinstance(script, str) else Script(script)
        except ConfigurationError as error:
            raise ConfigurationError(f"script of {task_id!r:.60}: {error}") from None

    def play(self, folder: str | os.PathLike[str]) -> list[str]:
        """Replay the recordings in a folder, in order, for queries for their tasks; see :func:`record`.

        Returns the ids of the tasks. Raises ConfigurationError for a folder without recordings, or an invalid one.
        """
        found = {task_id: Script(steps) for task_id, steps in load(Path(folder)).items()}
        self._by_id.update(found)
        return [*found]

    def start(self) -> Self:
        """Start serving; from now on clients are created with fake time."""
        super().start()
        self._cleanup.enter_context(replaced(self._time.clock()))
        return self

    def close(self) -> None:
        """Stop serving; from now on clients are created with real time. Later calls have no effect."""
        self._cleanup.close()
        super().close()

    def _client_options(self) -> dict[str, Any]:
        return {"api_key": self.api_key, "base_url": self.base_url}  # fake time needs no fast schedule

    def succeeded(self) -> dict[str, str]:
        """The ids of the tasks for which this gateway has returned a video URL of its own, each with its file name."""
        found: dict[str, str] = {}
        for request, reply in self._replies:
            task_id = request.parameter("id") if request.path == "/v1/video/query" else None
            if task_id and reply.status == 200:
                name = _name(task_id)
                marks = f"{name}.mp4", f"{quote(task_id, safe='')}.mp4", f"/v1/videos/{name}/"
                found |= {task_id: name} if any(mark.encode() in reply.body for mark in marks) else {}
        return found

    def sent(self, name: str) -> bool:
        """Whether every byte of a file has been sent, in one response or in several."""
        spans = sorted(
            span for request, reply in self._replies if _file(request) == name for span in self._spans(reply)
        )
        end = 0
        for first, last in spans:
            end = max(end, last) if first <= end else end
        return end == len(self.video)

    def _spans(self, reply: Reply) -> list[tuple[int, int]]:
        """The half-open ranges of the video in a response. One that was cut lacks its end, which is requested again."""
        fields, missing = dict(reply.headers), reply.fault not in _WHOLE
        if reply.status == 206 and (part := _RANGE.fullmatch(fields.get("content-range", ""))):
            return [(int(part[1]), int(part[2]) + 1 - missing)]
        is_packed = fields.get("content-encoding") == "gzip"
        body = gzip.decompress(reply.body) if is_packed else reply.body
        return [(0, len(body) - missing)] if body == self.video else []


def assert_all_downloaded(gateway: Gateway, files: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Assert that at least one task succeeded, and that the video of every task that did was downloaded.

    A task has succeeded once the gateway has returned the URL of its video. The video has been downloaded once the
    gateway has sent all its bytes, in one response or in several, to any client. Tasks that were never queried do not
    count, nor do responses with a URL on another host.

    Args:
        gateway: The gateway.
        files: Files that must exist and contain the video. If any are given, there must be one per task.

    Raises:
        AssertionError: Something is missing. The message names each task and file.
    """
    __tracebackhide__ = True
    succeeded, paths = gateway.succeeded(), [Path(file) for file in files]
    problems = [] if succeeded else ["no task has succeeded"]
    problems += [f"{task_id} was not downloaded" for task_id, name in succeeded.items() if not gateway.sent(name)]
    if paths and len(paths) != len(succeeded):
        problems.append(f"{len(succeeded)} tasks have succeeded, but {len(paths)} files were given")
    problems += [f"{path} does not exist" for path in paths if not path.is_file()]
    problems += [f"{path} is not the video" for path in paths if path.is_file() and path.read_bytes() != gateway.video]
    if problems:
        raise AssertionError("; ".join(problems))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 256


def _name(task_id: str) -> str:
    """The name of a task's file, without its ending."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", task_id)


def _file(request: ReceivedRequest) -> str | None:
    """The name of the file that a GET requests."""
    found = _FILE.fullmatch(request.path) if request.method == "GET" else None
    return _name(unquote(found["file"] or found["own"]).rpartition("/")[2]) if found else None
