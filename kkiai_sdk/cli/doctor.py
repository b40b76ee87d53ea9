"""``kkiai doctor``: one check after another on the way from this machine to an answer of the gateway."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import evolve, frozen
from rich.table import Table
from rich.text import Text

from kkiai_sdk import KkiaiError, TaskNotFoundError, __version__
from kkiai_sdk.cli.codes import Code, code_of, explain, most_serious
from kkiai_sdk.cli.output import console
from kkiai_sdk.cli.stream import stream
from kkiai_sdk.cli.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from urllib.parse import SplitResult

    from rich.console import Console

    from kkiai_sdk.cli.input import Connection, Limits

#: An id that no task has: it is not in the form that gateways give out.
NO_TASK = "kkiai-doctor:no-such-task"
#: Seconds between two clocks from which something that is signed for minutes begins to fail.
MAX_SKEW = 60
#: The module that shows that an extra is installed.
EXTRAS = {"cli": "typer", "contract": "schemathesis", "aiohttp": "httpx_aiohttp"}
#: Stand-ins, to check one of the two when the other may be wrong. Nothing is sent with them.
ANY_URL, ANY_KEY = "https://localhost", "any"
CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@frozen
class Finding:
    """What one check found."""

    check: str
    #: ``ok``, ``warn`` or ``fail``.
    result: str
    detail: str
    advice: str = ""
    #: The exit code that a failure leads to.
    code: Code = Code.DONE

    @property
    def text(self) -> str:
        """Detail and advice, on one line."""
        return visible(f"{self.detail} ({self.advice})" if self.advice else self.detail)

    def as_json(self) -> str:
        """One line of ASCII JSON."""
        return json.dumps({"check": self.check, "result": self.result, "detail": self.detail, "advice": self.advice})


def checks(connection: Connection, timeout: float) -> Iterator[Finding]:
    """All findings, in order. What needs something that has failed is left out. ``timeout``: seconds for each step."""
    yield _versions()
    yield _extras()
    key = _key(connection)
    yield key
    address = _address(connection)
    yield address
    yield from _certificates()
    if address.result == "fail":
        return
    url = urlsplit(address.detail)
    proxy = _proxy(url)
    if proxy is not None:
        yield Finding(
            "proxy", "warn", f"requests go through {_origin(proxy)}", "unset the proxy variables to go directly"
        )
    for finding in _network(proxy or url, timeout, with_tls=proxy is None and url.scheme == "https"):
        yield finding
        if finding.result == "fail":
            return
    if key.result == "ok":
        yield from _query(connection, timeout)


def _versions() -> Finding:
    found = [f"kkiai-sdk {__version__}", f"Python {platform.python_version()}", f"httpx {_version('httpx')}"]
    return Finding("versions", "ok", ", ".join(found))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def _extras() -> Finding:
    missing = [name for name, module in EXTRAS.items() if find_spec(module) is None]
    installed = ", ".join(name for name in EXTRAS if name not in missing)
    advice = f'if you need more: pip install "kkiai-sdk[{",".join(missing)}]"' if missing else ""
    return Finding("extras", "ok", installed, advice)


def _key(connection: Connection) -> Finding:
    source = "KKIAI_API_KEY" if connection.api_key is None else "--api-key-file"
    try:
        # A client checks its key when it is made; the address is looked at later.
        evolve(connection, base_url=ANY_URL).client().close()
    except KkiaiError as error:
        return Finding("key", "fail", explain(error), "the console of the gateway shows your keys", Code.USAGE)
    return Finding("key", "ok", f"present, from {source}; not shown")


def _address(connection: Connection) -> Finding:
    source = (
        "--base-url" if connection.base_url else "KKIAI_BASE_URL" if os.environ.get("KKIAI_BASE_URL") else "default"
    )
    try:
        with evolve(connection, api_key=ANY_KEY).client() as client:
            url = str(client.raw.get_httpx_client().base_url)
    except KkiaiError as error:
        return Finding(
            "base URL", "fail", f"{explain(error)} ({source})", "give the address up to the host", Code.USAGE
        )
    return Finding("base URL", "ok", url.rstrip("/"), f"from {source}")


def _certificates() -> Iterator[Finding]:
    for name in CA_VARIABLES:
        if place := os.environ.get(name):
            if Path(place).exists():
                yield Finding("certificates", "ok", f"{name}={place}")
            else:
                yield Finding("certificates", "warn", f"{name}={place}: no such place", f"correct or unset {name}")


def _proxy(url: SplitResult) -> SplitResult | None:
    """The proxy that the environment asks for, as HTTP libraries read it."""
    if proxy_bypass(url.netloc):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return urlsplit(found if "://" in found else f"http://{found}") if found else None


def _origin(url: SplitResult) -> str:
    """Scheme, host and port, without the credentials that proxies often carry."""
    return f"{url.scheme}://{url.hostname}:{_port(url)}"


def _port(url: SplitResult) -> int:
    # The address has been checked before; a proxy's may be anything.
    with suppress(ValueError):
        return url.port or PORTS.get(url.scheme, 443)
    return PORTS.get(url.scheme, 443)


def _network(url: SplitResult, timeout: float, *, with_tls: bool) -> Iterator[Finding]:
    host, port = url.hostname or "", _port(url)
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        yield Finding("DNS", "fail", f"{host}: {problem}", "check the name and the network", Code.GATEWAY)
        return
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    yield Finding("DNS", "ok", f"{host} is {', '.join(addresses[:3])}{_took(began)}")
    began = time.monotonic()
    try:
        said = _connect(host, port, timeout, with_tls=with_tls)
    except OSError as problem:
        advice = "a firewall or a proxy may be in the way; for certificates see SSL_CERT_FILE"
        yield Finding("connection", "fail", f"{host}:{port}: {problem}", advice, Code.GATEWAY)
        return
    yield Finding("connection", "ok", f"{host}:{port}, {said}{_took(began)}")


def _connect(host: str, port: int, timeout: float, *, with_tls: bool) -> str:
    import httpx  # noqa: PLC0415 (the same certificates as the client's, and --help does without)

    with socket.create_connection((host, port), timeout) as plain:
        if not with_tls:
            return "TCP"
        with httpx.create_ssl_context().wrap_socket(plain, server_hostname=host) as secure:
            return secure.version() or "TLS"


def _took(began: float) -> str:
    return f", {(time.monotonic() - began) * 1000:.0f} ms"


def _query(connection: Connection, timeout: float) -> Iterator[Finding]:
    """Ask for a task that cannot exist: to be told just that shows that address, key and gateway work."""
    dates: list[str] = []
    limits: Limits = {"timeout": timeout, "max_retries": 0}
    began = time.monotonic()
    try:
        with connection.client(
            on_answer=lambda answer: dates.append(answer.headers.get("date", "")), **limits
        ) as client:
            task = client.query(NO_TASK)
    except TaskNotFoundError:
        yield Finding("query", "ok", f"the gateway answers and takes the key{_took(began)}")
    except KkiaiError as error:
        yield Finding("query", "fail", explain(error), "see the message", code_of(error))
    else:
        status = visible(task.status or "no status")
        yield Finding("query", "warn", f"the gateway answered about a task that does not exist: {status}", "")
    if dates:
        yield from _skew(dates[-1])


def _skew(date: str) -> Iterator[Finding]:
    try:
        skew = time.time() - parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return
    result, advice = ("warn", "set this machine's clock") if abs(skew) > MAX_SKEW else ("ok", "")
    yield Finding("clock", result, f"{abs(skew):.0f} s {'ahead of' if skew >= 0 else 'behind'} the gateway's", advice)


def examine(connection: Connection, timeout: float, *, json: bool) -> Code:
    """Run all checks and print them; gives the exit code of the most serious failure."""
    codes = []
    out = console(sys.stdout)

    def work(tell: Callable[[Finding], object]) -> None:
        for finding in checks(connection, timeout):
            tell(finding)

    for finding in chain.from_iterable(stream(work)):
        codes.append(finding.code)
        _print(finding, out, as_json=json)
    return most_serious(codes)


def _print(finding: Finding, out: Console, *, as_json: bool) -> None:
    if as_json:
        out.file.write(f"{finding.as_json()}\n")
    elif out.is_terminal:
        line = Table.grid(padding=(0, 2))
        line.add_row(Text(f"{finding.result:4}", STYLES[finding.result]), f"{finding.check:12}", Text(finding.text))
        out.print(line)
    else:
        out.file.write(f"{finding.result:4}  {finding.check:12}  {finding.text}\n")
    out.file.flush()
