"""Options that several commands share, and the values read from them.

An invalid value raises a ConfigurationError that names the option and the accepted forms.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from attrs import field, frozen
from click.core import ParameterSource

import kkiai_sdk as sdk
from kkiai_sdk import ConfigurationError, KkiaiError, PollPolicy
from kkiai_sdk.cli.output import OutputOptions, log_level, logged, report_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kkiai_sdk.cli.exit_codes import ExitCode

    Function: TypeAlias = Callable[..., ExitCode]

#: Bytes read of a key file; a key has at most 512 characters.
KEY_FILE_LIMIT = 4096
#: Ids per command: more than a shell passes as arguments, and few enough to hold in memory.
MAX_IDS = 100_000
#: Characters per line of ids; an id has at most 256.
MAX_LINE = 4096
#: Seconds.
DAY = 86_400
YEAR = 365 * DAY
#: Invalid ids named in a message.
MAX_NAMED = 5

_ID = re.compile(r"[^ ]{1,256}")
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"(?=.)(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?|({_NUMBER})")
_SIZE = re.compile(rf"({_NUMBER}) ?([kmgt]?)(i?)b?")


def option(*names: str, **attributes: Any) -> click.Option:
    """Make an option: with a value if it has a metavar or a type, else a flag."""
    return click.Option(names, is_flag=not {"metavar", "type"} & attributes.keys(), **attributes)


IDS = click.Argument(["ids"], metavar="ID...", nargs=-1, required=True)
API_KEY_FILE = option(
    "--api-key-file", metavar="FILE", type=Path, help="File that contains the key. [default: $KKIAI_API_KEY]"
)
CONNECTION_OPTIONS = [
    option("--base-url", metavar="URL", help="Gateway URL. [default: $KKIAI_BASE_URL, else https://www.kkiai.com]"),
    API_KEY_FILE,
]
JSON = option("--json", help="Print one JSON object per line on stdout, errors included.")
COMMON_OPTIONS = [
    *CONNECTION_OPTIONS,
    JSON,
    option("--quiet", "-q", help="Show no progress on stderr."),
    option("--verbose", "-v", help="Log every request to stderr."),
]
WAIT_TIMEOUT = option(
    "--timeout", metavar="DURATION", default="30m", help="Time limit of the wait: 30s, 2h, 1h30m or none."
)
POLL_INTERVAL = option(
    "--poll-interval", metavar="DURATION", default="3s", help="Initial interval between queries; grows to 15s."
)
WAIT_OPTIONS = [WAIT_TIMEOUT, POLL_INTERVAL]


def request_timeout(default: str, subject: str) -> click.Option:
    """Make a ``--timeout`` option that does not accept ``none``."""
    return option("--timeout", "request_timeout", metavar="DURATION", default=default, help=f"Time limit of {subject}.")


def command(*examples: str, params: list[click.Parameter], notes: str = "") -> Callable[[Function], Command]:
    """Make a function a command whose help ends with ``notes`` and ``examples``."""
    epilog = f"{notes}\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)
    return click.command(cls=Command, params=params, epilog=epilog)


class Command(click.Command):
    """A command that returns an exit code, also for an SDK error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command's function with the values of :func:`read_params`."""
        assert self.callback is not None
        try:
            # A command with a live display writes the log itself, above the display.
            has_log = "KKIAI_LOG" in os.environ and not (self.name == "demo" or "quiet" in ctx.params)
            with logged(log_level(), {"kkiai_sdk": logging.StreamHandler()}) if has_log else nullcontext():
                return ctx.invoke(self.callback, **read_params(ctx.params))
        except KkiaiError as error:
            return report_error(error, as_json=ctx.params.get("json", False))


def read_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a command line, with shared options as ``connection``, ``output`` and seconds."""
    values = dict(params)
    poll = poll_policy(values.pop("poll_interval")) if "poll_interval" in values else PollPolicy()
    if "api_key_file" in values:
        key_file = values.pop("api_key_file")
        values["connection"] = Connection(values.pop("base_url", None), api_key(key_file) if key_file else None, poll)
    if "json" in values:
        values["output"] = OutputOptions(*(values.pop(name, False) for name in ("json", "quiet", "verbose")))
    for name in {"timeout", "request_timeout"} & values.keys():
        values[name] = duration("--timeout", values[name], unlimited=name == "timeout")
    if values.get("request_timeout") == 0:
        raise ConfigurationError("--timeout must be above 0 and at most a day")
    if "ids" in values:
        values["ids"] = read_ids(values["ids"])
    if values.get("task_id"):
        check_ids([values["task_id"]])
    return values


@frozen
class Connection:
    """The gateway, the key and the poll schedule of a command."""

    base_url: str | None = None
    #: None takes the key from the environment.
    api_key: str | None = field(default=None, repr=False)
    poll: PollPolicy = field(factory=PollPolicy)

    def client(self, **options: Any) -> sdk.Kkiai:
        """Make a client with these and further options."""
        return sdk.Kkiai(self.api_key, base_url=self.base_url, poll=self.poll, **options)

    def async_client(self, **options: Any) -> sdk.AsyncKkiai:
        """Make an asynchronous client with these and further options."""
        return sdk.AsyncKkiai(self.api_key, base_url=self.base_url, poll=self.poll, **options)


def words_to_resume() -> list[str]:
    """Return the words of the command line without its ids: the command, and each option that was given."""
    context = click.get_current_context()
    words = [context.info_name or ""]
    for parameter in context.command.params:
        name = parameter.name or ""
        if isinstance(parameter, click.Option) and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            value = context.params[name]
            values = value if isinstance(value, tuple) else [] if parameter.is_flag else [value]
            words += [word for each in values for word in (parameter.opts[0], str(each))] or [parameter.opts[0]]
    return words


def duration(name: str, text: str, *, unlimited: bool = False) -> float:
    """Return the seconds of ``30s``, ``10m``, ``2h``, ``1h30m`` or a number; infinity for ``none`` if ``unlimited``.

    At most a year, or a day unless ``unlimited``: the limits of the SDK.
    """
    text = text.strip().lower()
    if unlimited and text == "none":
        return math.inf
    match = _DURATION.fullmatch(text)
    if match is None:
        limit = ", or none for no limit" if unlimited else ""
        raise ConfigurationError(f"{name} must be a duration such as 30s, 10m, 2h or 1h30m{limit}, not {text[:40]!a}")
    seconds = sum(float(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1, 1), strict=True))
    if seconds > (YEAR if unlimited else DAY):
        longest = "a year, or none for no limit" if unlimited else "a day"
        raise ConfigurationError(f"{name} must be at most {longest}, not {text[:40]!a}")
    return seconds


def byte_count(name: str, text: str) -> int:
    """Return the bytes of ``500``, ``20MB`` (decimal) or ``20MiB`` (binary)."""
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or not float(match[1]):
        raise ConfigurationError(f"{name} must be a size above 0, such as 500kB, 20MB or 2GiB, not {text[:40]!a}")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " "))


def poll_policy(text: str) -> PollPolicy:
    """Return the usual poll schedule, starting with this interval."""
    interval = duration("--poll-interval", text)
    try:
        return PollPolicy(min_interval=interval, max_interval=max(interval, PollPolicy().max_interval))
    except ConfigurationError:
        raise ConfigurationError(f"--poll-interval must be more than 0 and at most 1h, not {text[:40]!a}") from None


def read_ids(arguments: Iterable[str]) -> list[str]:
    """Return the distinct ids of the command line; ``-`` stands for stdin, one id per line, ``#`` starts a comment."""
    ids: dict[str, None] = {}
    for argument in arguments:
        ids.update(dict.fromkeys(_ids_from_stdin() if argument == "-" else [argument]))
        if len(ids) > MAX_IDS:
            raise ConfigurationError(f"at most {MAX_IDS:,} ids are accepted at once")
    if not ids:
        raise ConfigurationError("no task id on stdin")
    check_ids(ids)
    return list(ids)


def check_ids(ids: Iterable[str]) -> None:
    """Raise ConfigurationError if an id cannot be that of a task."""
    if invalid := [each for each in ids if not (each.isprintable() and _ID.fullmatch(each)) or each in {".", ".."}]:
        named = ", ".join(ascii(each)[:80] for each in invalid[:MAX_NAMED])
        more = f" and {len(invalid) - MAX_NAMED} more" if len(invalid) > MAX_NAMED else ""
        rule = "a task id must be 1 to 256 printable characters without spaces"
        raise ConfigurationError(f"{rule}; invalid: {named}{more}")


def _ids_from_stdin() -> Iterable[str]:
    if sys.stdin is None:
        raise ConfigurationError("cannot read ids from stdin: it is closed")
    try:
        while line := sys.stdin.readline(MAX_LINE):
            text = line.strip()
            if text and not text.startswith("#"):
                yield text
    except UnicodeDecodeError:
        raise ConfigurationError("cannot read ids from stdin: it is not text") from None


def api_key(path: Path) -> str:
    """Return the key in a file with a single line."""
    if str(path) == "-":
        raise ConfigurationError("--api-key-file must be a file: stdin is reserved for ids")
    try:
        with path.open("rb") as file:
            key = _only_line(file.read(KEY_FILE_LIMIT + 1))
    except OSError as error:
        raise ConfigurationError(f"--api-key-file: cannot read {str(path)!a}: {error.strerror}") from None
    if not key:
        raise ConfigurationError(f"--api-key-file: {str(path)!a} must contain the key on one line, and nothing else")
    return key


def _only_line(content: bytes) -> str:
    # The content may be another secret, so no error is raised here: its traceback would contain it.
    text = content.decode("utf-8-sig", "replace").strip()
    is_key = len(content) <= KEY_FILE_LIMIT and len(text.splitlines()) == 1 and "\ufffd" not in text
    return text if is_key else ""
