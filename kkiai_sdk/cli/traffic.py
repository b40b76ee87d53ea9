"""Records the requests and responses of a command, to report a silent gateway and the last error of each task."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import click

from kkiai_sdk.cli.results import clock, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

#: Seconds without a response after which that is shown: a gateway answers a query in a fraction of one.
PATIENCE = 2.0
#: Seconds between two lines of a log while nothing else happens.
HEARTBEAT = 60.0
#: Words of the log of the SDK, when no connection can be made.
UNREACHABLE = "cannot be reached"


def proxy_for(url: SplitResult) -> SplitResult | None:
    """Return the URL of the proxy that the environment names for a URL, as HTTP libraries read it."""
    if proxy_bypass(url.netloc):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return urlsplit(found if "://" in found else f"http://{found}") if found else None


def doctor_command() -> str:
    """Return the command that checks the gateway of the present command, with its options for address and key."""
    context, words = click.get_current_context(silent=True), ["kkiai", "doctor"]
    for name in ("base_url", "api_key_file"):
        if context is not None and (value := context.params.get(name)):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return visible(shlex.join(words))


def _name(url: SplitResult) -> str:
    """Return the host and the port of a URL, and those of the proxy on the way to it."""
    proxy = proxy_for(url)
    # Without the credentials that proxies often have.
    way = f" through the proxy {proxy.netloc.rpartition('@')[2]}" if proxy else ""
    return visible(url.netloc + way)


class Traffic:
    """The requests and responses of a client, recorded by event hooks of httpx in any of its threads."""

    def __init__(self, get_time: Callable[[], float] = time.monotonic, *, doctor: str = "kkiai doctor") -> None:
        self._get_time = get_time
        #: The command that finds the cause of a silence.
        self.doctor = doctor
        # The URL of the last request, its time, and that of the first request since the last response.
        self._url, self._last = urlsplit(""), 0.0
        self._first: float | None = None
        # Whether the last response came within PATIENCE, and whether the log already reports the silence.
        self._is_prompt = self._is_silence_logged = False
        #: The status of the last response about each task, if it is that of an error.
        self.errors: dict[str, int] = {}

    @property
    def event_hooks(self) -> dict[str, list[Callable[[Any], None]]]:
        """The hooks, for the ``httpx_args`` of the client."""
        return {"request": [self._on_request], "response": [self._on_response]}

    def notice(self) -> str:
        """Return since when nothing has been answered; nothing if that is no longer than usual."""
        first = self._first
        if first is None or (silence := self._get_time() - first) < PATIENCE:
            return ""
        return f"no response from {_name(self._url)} for {clock(silence)}, still trying; see `{self.doctor}`"

    def log_line(self, summary: str, elapsed: float, *, idle: float) -> str:
        """Return the line that is due in a log, or nothing.

        One line reports an outage or a slow gateway, and one that it responds as usual again. After ``idle`` seconds
        without a line, the summary is due, with the seconds since the start.
        """
        notice = self.notice()
        if notice and not self._is_silence_logged:
            self._is_silence_logged = True
            return f"warning: {notice}"
        if self._is_silence_logged and self._is_prompt and self._first is None:
            self._is_silence_logged = False
            return f"{_name(self._url)} is responding again"
        return f"{summary}, {clock(elapsed)} elapsed{notice and '; '}{notice}" if idle >= HEARTBEAT else ""

    def note_line(self, text: str) -> None:
        """Take into account that a line was logged, which may already report the outage."""
        self._is_silence_logged |= UNREACHABLE in text

    def _on_request(self, request: httpx.Request) -> None:
        self._last, self._url = self._get_time(), urlsplit(str(request.url))
        if self._first is None:
            self._first = self._last

    def _on_response(self, response: httpx.Response) -> None:
        self._is_prompt, self._first = self._get_time() - self._last < PATIENCE, None
        task_id = response.request.url.params.get("id", "")
        if response.is_error:
            self.errors[task_id] = response.status_code
        else:
            self.errors.pop(task_id, None)
