"""What people type, read into values. Raises ConfigurationError that names the option and what it accepts."""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from attrs import field, frozen

from kkiai_sdk import ConfigurationError, PollPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import httpx

    from kkiai_sdk import Kkiai

#: Bytes of a key file that are looked at. A key has at most 512 characters.
KEY_FILE_LIMIT = 4096
#: Ids that one command takes; more than a shell passes, and few enough to hold in memory.
MAX_IDS = 100_000
#: Characters of a line of ids; an id has at most 256.
MAX_LINE = 4096

_AMOUNT = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_SECONDS = re.compile(rf"{_AMOUNT}")
_DURATION = re.compile(rf"(?=.)(?:({_AMOUNT})h)?(?:({_AMOUNT})m)?(?:({_AMOUNT})s)?")
_SIZE = re.compile(rf"({_AMOUNT}) ?([kmgt]?)(i?)b?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def duration(option: str, text: str, *, unlimited: bool = False) -> float:
    """Seconds for ``30s``, ``10m``, ``2h``, ``1h30m`` or a plain number; infinity for ``none`` where allowed."""
    text = text.strip().lower()
    if unlimited and text == "none":
        return math.inf
    if _SECONDS.fullmatch(text):
        return float(text)
    if found := _DURATION.fullmatch(text):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return 3600 * hours + 60 * minutes + seconds
    limit = ", or none for no limit" if unlimited else ""
    raise ConfigurationError(f"{option} must be a duration such as 30s, 10m, 2h or 1h30m{limit}, not {text[:40]!a}")


def byte_count(option: str, text: str | None) -> int | None:
    """Bytes for ``500``, ``20MB`` (decimal) or ``20MiB`` (binary); None for None."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or not float(found[1]):
        raise ConfigurationError(f"{option} must be a size above 0 such as 500kB, 20MB or 2GiB, not {text[:40]!a}")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2]])


def pace(text: str) -> PollPolicy:
    """The schedule of polls that begins with this interval, slowing down as usual."""
    interval = duration("--poll-interval", text)
    try:
        return PollPolicy(min_interval=interval, max_interval=max(interval, PollPolicy().max_interval))
    except ConfigurationError:
        raise ConfigurationError(f"--poll-interval must be above 0 up to 1h, not {text[:40]!a}") from None


def task_ids(words: Iterable[str]) -> list[str]:
    """The ids of the command line, each once; ``-`` stands for those on stdin, one per line, ``#`` begins a comment."""
    ids: dict[str, None] = {}
    for word in words:
        ids.update(dict.fromkeys(_from_stdin() if word == "-" else [word]))
        if len(ids) > MAX_IDS:
            raise ConfigurationError(f"at most {MAX_IDS} ids at once")
    if not ids:
        raise ConfigurationError("no task id: stdin held none")
    return list(ids)


def _from_stdin() -> Iterable[str]:
    if sys.stdin is None:
        raise ConfigurationError("there is no stdin to read ids from")
    try:
        while line := sys.stdin.readline(MAX_LINE):
            text = line.strip()
            if text and not text.startswith("#"):
                yield text
    except UnicodeDecodeError:
        raise ConfigurationError("the ids on stdin are not text") from None


class Limits(TypedDict, total=False):
    """What some commands ask of a client beyond the usual."""

    #: Seconds of one request.
    timeout: float
    max_retries: int


@frozen
class Connection:
    """Which gateway, with which key, and how it is to be asked."""

    base_url: str | None = None
    #: None: from the environment.
    api_key: str | None = field(default=None, repr=False)
    poll: PollPolicy = field(factory=PollPolicy)

    def client(
        self, *, on_answer: Callable[[httpx.Response], object] | None = None, **options: Unpack[Limits]
    ) -> Kkiai:
        """A client. ``on_answer`` gets every answer of the gateway before it is read."""
        from kkiai_sdk import Kkiai  # noqa: PLC0415 (brings in the HTTP library, which --help can do without)

        if self.api_key is None and not os.environ.get("KKIAI_API_KEY"):
            raise ConfigurationError("no API key: set KKIAI_API_KEY, or name a file that holds it with --api-key-file")
        hooks = {"event_hooks": {"response": [on_answer]}} if on_answer else None
        return Kkiai(self.api_key, base_url=self.base_url, poll=self.poll, httpx_args=hooks, **options)


def connection(base_url: str | None, api_key_file: Path | None, poll_interval: str | None = None) -> Connection:
    """The connection that the options of a command describe."""
    poll = PollPolicy() if poll_interval is None else pace(poll_interval)
    return Connection(base_url, None if api_key_file is None else key_in(api_key_file), poll)


def key_in(path: Path) -> str:
    """The key that a file holds, and nothing else."""
    if str(path) == "-":
        raise ConfigurationError("--api-key-file must be a file: stdin is for ids")
    try:
        with path.open("rb") as file:
            key = _only_line(file.read(KEY_FILE_LIMIT + 1))
    except OSError as problem:
        raise ConfigurationError(f"--api-key-file: cannot read {str(path)!a}: {problem.strerror}") from None
    if not key:
        raise ConfigurationError(f"--api-key-file: {str(path)!a} must hold the key on one line, and nothing else")
    return key


def _only_line(content: bytes) -> str:
    """The one line of a key file; the empty text for anything else, which could be any secret and is not kept."""
    try:
        line = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""
    return line if len(content) <= KEY_FILE_LIMIT and len(line.splitlines()) == 1 else ""


def destination(text: str, *, many: bool) -> Path:
    """Where videos go: a file, or a folder, which is made if ``many`` need it or if it is written with a slash."""
    if text == "-":
        raise ConfigurationError(
            "-o must be a file or a folder: a video that is streamed to stdout could not be resumed"
        )
    path = Path(text)
    if many or text.endswith(("/", os.sep)):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigurationError(f"-o: cannot make the folder {text!a}: {problem.strerror}") from None
    return path
