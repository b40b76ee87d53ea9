"""``kkiai doctor``: checks every step between this machine and a response from the gateway."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import click
from attrs import evolve, frozen
from rich.text import Text

from kkiai_sdk import APITimeoutError, ConfigurationError, KkiaiError, TaskNotFoundError, TaskState, __version__
from kkiai_sdk.cli.exit_codes import ExitCode, exit_code_of, most_serious
from kkiai_sdk.cli.options import CONNECTION_OPTIONS, JSON, Connection, command, option, request_timeout
from kkiai_sdk.cli.output import OutputOptions, in_background, make_console
from kkiai_sdk.cli.results import error_message, visible
from kkiai_sdk.cli.traffic import proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kkiai_sdk import VideoTask

#: An id that no task has: gateways use ids of another form.
NO_TASK = "kkiai-doctor:no-such-task"
#: Difference between two clocks, in seconds, from which signed URLs, which are valid for minutes, begin to fail.
MAX_CLOCK_SKEW = 60
#: Valid values, so that the key and the URL are checked one at a time. Nothing is sent with them.
ANY_URL, ANY_KEY = "https://localhost", "any"
NO_NETWORK = {"trust_env": False, "verify": False}
ADVICE = {
    "DNS": "check the host name and the network",
    "connection": "check for a firewall or a proxy; for a private CA, set SSL_CERT_FILE",
    "query": "connections are accepted but not answered: check the port and proxy, or ask the gateway's operator",
}
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@command(
    "kkiai doctor",
    "kkiai doctor --json --base-url http://127.0.0.1:8000",
    "kkiai doctor grok:eee6faa8-9dee-455c-aa82-02ac623adf3a --explain",
    params=[
        click.Argument(["task_id"], metavar="[ID]", required=False),
        option("--explain", help="Show where each field of the task with this ID was found."),
        request_timeout("10s", "each step"),
        *CONNECTION_OPTIONS,
        JSON,
    ],
)
def doctor(
    task_id: str | None, *, explain: bool, request_timeout: float, connection: Connection, output: OutputOptions
) -> ExitCode:
    """Diagnose the connection to the gateway, step by step.

    Checks versions, key, address and network. If there is a key, sends one query: for the task with this ID, or else
    for a task that cannot exist. Neither costs anything. Every line begins with ok, warn or fail. The output of
    --explain contains no keys or signatures, so you can paste it into a bug report about a misread response.
    """
    if explain and task_id is None:
        raise ConfigurationError("--explain needs the ID of a task")
    out, codes = make_console(sys.stdout), [ExitCode.SUCCESS]

    def work(emit: Callable[[Check], None]) -> None:
        for check in checks(connection, request_timeout, task_id, explain=explain):
            emit(check)

    for check in filter(None, in_background(work)):
        codes.append(check.exit_code)
        if output.json:
            data = {"check": check.name, "result": check.result, "detail": check.detail, "advice": check.advice}
            out.file.write(f"{json.dumps(data)}\n")
        else:
            detail = visible(f"{check.detail} ({check.advice})" if check.advice else check.detail)
            line = Text.assemble((f"{check.result:4}", STYLES[check.result]), f"  {check.name:12}  {detail}")
            out.print(line, soft_wrap=not out.is_terminal)
        out.file.flush()
    return most_serious(*codes)


@frozen
class Check:
    """The result of one step: ``ok``, ``warn`` or ``fail``."""

    result: str
    name: str
    detail: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.SUCCESS


def checks(
    connection: Connection, timeout: float, task_id: str | None = None, *, explain: bool = False
) -> Iterator[Check]:
    """Yield all checks in order, except those that depend on a failed one. ``timeout``: seconds for each step."""
    packages = f"kkiai-sdk {__version__}, Python {platform.python_version()}, httpx {version('httpx')}"
    yield Check("ok", "versions", packages)
    source = "KKIAI_API_KEY" if connection.api_key is None else "--api-key-file"
    advice = "find your keys in the gateway's console"
    yield (key := _configured("key", evolve(connection, base_url=ANY_URL), source, advice))
    source = (
        "--base-url" if connection.base_url else "KKIAI_BASE_URL" if os.environ.get("KKIAI_BASE_URL") else "default"
    )
    advice = "use the scheme and the host, without a path"
    yield (base_url := _configured("base URL", evolve(connection, api_key=ANY_KEY), source, advice))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if (path := os.environ.get(name)) and not Path(path).exists():
            yield Check("warn", "certificates", f"{name}={path} does not exist", f"correct or unset {name}")
    if base_url.result == "fail":
        return
    url = urlsplit(base_url.detail)
    proxy = proxy_for(url)
    if proxy is not None:
        # Without credentials, which proxy URLs often contain.
        origin = f"{proxy.scheme}://{proxy.netloc.rpartition('@')[2]}"
        yield Check("warn", "proxy", f"requests go through {origin}", "unset the proxy variables to connect directly")
    for check in _network(proxy or url, timeout, is_proxy=proxy is not None):
        yield check
        if check.result == "fail":
            return
    if key.result == "ok":
        yield from _query(connection, timeout, task_id, explain=explain)


def _configured(name: str, connection: Connection, source: str, advice: str) -> Check:
    """Check the key or the base URL, with a valid value in place of the other."""
    try:
        with connection.client(httpx_args=NO_NETWORK) as client:
            url = str(client.raw.get_httpx_client().base_url).rstrip("/")
    except KkiaiError as error:
        return Check("fail", name, f"{error_message(error)} ({source})", advice, ExitCode.USAGE)
    return Check("ok", name, "present, not shown" if name == "key" else url, f"from {source}")


def _network(url: SplitResult, timeout: float, *, is_proxy: bool) -> Iterator[Check]:
    import httpx  # noqa: PLC0415 (--help does not need it)

    host, step, start = url.hostname or "", "DNS", time.monotonic()
    name = f"the proxy {host}" if is_proxy else host
    try:
        # The port of a proxy may be invalid.
        port = url.port or PORTS.get(url.scheme, 443)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        yield Check("ok", step, f"{name} resolves to {', '.join(addresses[:3])}, {_since(start)}")
        step, start, protocol, name = "connection", time.monotonic(), "TCP", f"{name}:{port}"
        with socket.create_connection((host, port), timeout) as connection:
            if url.scheme == "https" and not is_proxy:
                with httpx.create_ssl_context().wrap_socket(connection, server_hostname=host) as secure:
                    protocol = secure.version() or "TLS"
        yield Check("ok", step, f"{name}, {protocol}, {_since(start)}")
    except (OSError, ValueError) as error:
        yield Check("fail", step, f"{name}: {error}", ADVICE[step], ExitCode.GATEWAY)


def _since(start: float) -> str:
    return f"{(time.monotonic() - start) * 1000:.0f} ms"


def _query(connection: Connection, timeout: float, task_id: str | None, *, explain: bool) -> Iterator[Check]:
    # Without an id, the error "task not found" proves that address, key and gateway work.
    dates: list[str] = []
    hooks = {"response": [lambda response: dates.append(response.headers.get("date", ""))]}
    start = time.monotonic()
    try:
        with connection.client(timeout=timeout, max_retries=0, httpx_args={"event_hooks": hooks}) as client:
            task = client.query(task_id or NO_TASK)
    except KkiaiError as error:
        if task_id is None and isinstance(error, TaskNotFoundError):
            yield Check("ok", "query", f"the gateway responds and accepts the key, {_since(start)}")
        else:
            advice = ADVICE["query"] if isinstance(error, APITimeoutError) else ""
            yield Check("fail", "query", error_message(error), advice, exit_code_of(error))
    else:
        yield from _task_checks(task, _since(start), is_known=task_id is not None, explain=explain)
    with suppress(IndexError, ValueError, OverflowError):
        skew = time.time() - parsedate_to_datetime(dates[-1]).timestamp()
        is_large, direction = abs(skew) > MAX_CLOCK_SKEW, "ahead of" if skew >= 0 else "behind"
        advice = "set this machine's clock" if is_large else ""
        yield Check("warn" if is_large else "ok", "clock", f"{abs(skew):.0f} s {direction} the gateway's clock", advice)


def _task_checks(task: VideoTask, elapsed: str, *, is_known: bool, explain: bool) -> Iterator[Check]:
    status = visible(task.status or "no status")
    if not is_known:
        yield Check("warn", "query", f"the gateway reports a task for an id that does not exist: {status}")
        return
    is_unclear = task.state is TaskState.UNKNOWN or (task.is_succeeded and task.video_url is None)
    advice = "if this is wrong, report it with the output of --explain" if is_unclear else ""
    yield Check("warn" if is_unclear else "ok", "query", f"task state: {task.state} ({status}), {elapsed}", advice)
    for line in task.explain().splitlines() if explain else ():
        yield Check("ok", "explain", line)
