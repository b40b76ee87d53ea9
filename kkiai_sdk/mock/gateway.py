"""The mock gateway as a context manager: its options, its addresses and the requests that it received."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Self

from kkiai_sdk import AsyncKkiai, ConfigurationError, Kkiai, PollPolicy, RetryPolicy
from kkiai_sdk.mock.app import GatewayApp
from kkiai_sdk.mock.messages import End, ReceivedRequest, Reply
from kkiai_sdk.mock.server import Server, listen
from kkiai_sdk.mock.wire_faults import FAULTS, play

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from kkiai_sdk.mock.catalog import Script

#: The key to use with a gateway that accepts any key.
ANY_KEY = "sk-mock"
#: The minimum number of requests that are kept. Older ones are dropped, so that a gateway can run for days.
KEPT_REQUESTS = 100_000


class MockGateway:
    """A gateway on this machine whose tasks follow scripts, for tests and demonstrations.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. It runs in its own thread, so it can be used
    from any thread and alongside other gateways. An instance can be started only once.

    A task begins with the first query for its id. ``<model>:<uuid>`` is pending for 2 s, runs for 8 s and is then
    completed; ``<model>:scenario-<name>`` follows a script from :func:`~kkiai_sdk.mock.scenarios`. With a name from
    :func:`~kkiai_sdk.mock.faults`, every response about ``<model>:fault-<name>`` has that fault, as does the first
    download of the video of ``<model>:video-fault-<name>``. An id that ends with ``~<anything>`` is another task with
    the same script.

    Args:
        speed: Gateway seconds per second; any positive number.
        port: The TCP port, or 0 for a free one.
        host: The address to listen on; a loopback address.
        api_key: The only key that is accepted; None accepts every ``sk-…``, and the very first key whatever it is.
        faults: Faults for the first requests, in order of arrival and whatever they are for: names from
            :func:`~kkiai_sdk.mock.faults`, or None for a normal response. Later requests are answered normally. Pauses
            in faults are in gateway seconds. The ``json-`` faults do not change responses that are not JSON.
        cdn: Whether a second port stands in for a CDN. It serves the files and refuses requests with a credential.
        clock: Returns monotonic seconds with any origin. If a test controls the clock, it controls the tasks.
        scripts: Functions from a :class:`TaskQuery` to a :class:`Reply`, by task id, which replace those of the
            catalog. The mapping may change while the gateway runs.
        on_reply: Called with each request and the reply to it, in the gateway's thread, before the reply is sent.

    Raises:
        ConfigurationError: An option is out of range, or (from ``start``) the port cannot be used.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        port: int = 0,
        host: str = "127.0.0.1",
        api_key: str | None = None,
        faults: Iterable[str | None] = (),
        cdn: bool = False,
        clock: Callable[[], float] = time.monotonic,
        scripts: Mapping[str, Script] | None = None,
        on_reply: Callable[[ReceivedRequest, Reply], object] = lambda _request, _reply: None,
    ) -> None:
        _require("speed", speed, "a number above 0", _is(speed, int, float) and 0 < speed < math.inf)
        _require("port", port, "a whole number from 0 (any free one) to 65535", _is(port, int) and 0 <= port <= 65_535)
        _require("host", host, "a loopback address such as 127.0.0.1", _is_loopback(host))
        _require("clock", clock, "a function that returns seconds", callable(clock))
        if not (api_key is None or (_is(api_key, str) and re.fullmatch(r"[\x21-\x7e]{1,512}", api_key))):
            raise ConfigurationError("api_key must be 1 to 512 visible ASCII characters, or None to accept any sk-…")
        is_list = _is(faults, Iterable) and not _is(faults, str)
        _require("faults", faults, 'names in order, such as ["close", "stall"]', is_list)
        self._speed, self._port, self._accepted, self._clock, self._has_cdn = float(speed), port, api_key, clock, cdn
        self._host = "127.0.0.1" if host == "localhost" else host
        self._faults = iter([_checked_fault(name) for name in faults])
        self._scripts, self._on_reply = {} if scripts is None else scripts, on_reply
        self._lock = threading.Lock()
        self._server: Server | None = None
        #: Every request that arrived, oldest first: the gateway's and the CDN's. May be cleared.
        self.requests: list[ReceivedRequest] = []

    @property
    def api_key(self) -> str:
        """A key that this gateway accepts."""
        return self._accepted or ANY_KEY

    @property
    def base_url(self) -> str:
        """The gateway's URL, such as ``http://127.0.0.1:54321``. Available once ``start`` has returned."""
        self._started_server()
        return self._app.url

    @property
    def cdn_url(self) -> str | None:
        """The URL of the stand-in for a CDN, or None if there is none."""
        self._started_server()
        return self._app.files_url if self._has_cdn else None

    @property
    def video(self) -> bytes:
        """The bytes of the file of every task."""
        return _sample()

    def client(self, **options: Any) -> Kkiai:
        """Return a synchronous client for this gateway that polls often, for tests.

        Args:
            options: Options of :class:`~kkiai_sdk.Kkiai`, which override those of this method: the URL, the key, and a
                ``PollPolicy`` and a ``RetryPolicy`` with delays of hundredths of a second.

        Raises:
            ConfigurationError: An option is invalid, or the gateway was not started.
        """
        return Kkiai(**(self._client_options() | options))

    def async_client(self, **options: Any) -> AsyncKkiai:
        """Return an asynchronous client for this gateway that polls often; see :meth:`client`."""
        return AsyncKkiai(**(self._client_options() | options))

    def _client_options(self) -> dict[str, Any]:
        poll = PollPolicy(min_interval=0.02, growth=0.0, max_interval=0.02, jitter=0.0)
        retry = RetryPolicy(initial_delay=0.02, max_delay=0.02, jitter=0.0)
        return {"api_key": self.api_key, "base_url": self.base_url, "poll": poll, "retry": retry}

    def start(self) -> Self:
        """Start serving. Connections are accepted once this returns. Raises if it was started before."""
        with self._lock:
            if self._server is not None:
                raise ConfigurationError("this mock gateway was started before; create a new one")
            self._start_time = self._clock()
            listeners = {"gateway": self._listen(self._port)} | ({"cdn": self._listen(0)} if self._has_cdn else {})
            urls = [self._url(listener) for listener in listeners.values()]
            self._app = GatewayApp(urls[0], urls[-1], _sample(), self._accepted, self._scripts)
            self._server = Server(self._respond, listeners, name="kkiai-mock")
            self._server.start()
        return self

    def close(self) -> None:
        """Stop serving, and wait until the thread has ended and the sockets are closed. Later calls have no effect."""
        with self._lock:
            if self._server is not None:
                self._server.close()

    def wait(self) -> None:
        """Block until the gateway is closed by another thread, or until Ctrl-C."""
        self._started_server().wait()

    def banner(self) -> str:
        """Return a few lines for people: the URLs and a command to try. A key passed by the caller is not shown."""
        key = "<your key>" if self._accepted else ANY_KEY
        files = f"Video files:  {self.cdn_url}\n" if self._has_cdn else ""
        return (
            f"Mock gateway: {self.base_url} (speed {self._speed:g})\n{files}"
            "Try:\n"
            f"  KKIAI_BASE_URL={self.base_url} KKIAI_API_KEY={key} kkiai wait grok:scenario-normal\n"
            "  kkiai mock --list\n"
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MockGateway({self._app.url if self._server else 'not started'}, speed={self._speed:g})"

    def _started_server(self) -> Server:
        if self._server is None:
            raise ConfigurationError("the mock gateway was not started: call start() or use `with`")
        return self._server

    def _listen(self, port: int) -> socket.socket:
        try:
            return listen(self._host, port)
        except OSError as error:
            raise ConfigurationError(f"port {port} of {self._host} cannot be used: {error.strerror}") from error

    def _url(self, listener: socket.socket) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{listener.getsockname()[1]}"

    async def _respond(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> End:
        reply = self._reply(request)
        if reply.delay:
            # A gateway that is being closed answers at once.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(reply.delay / self._speed)
        played = play(reply)
        if isinstance(played, Reply):
            sent = replace(played, body=b"") if request.method == "HEAD" else played
            writer.write(sent.encode(("date", formatdate(usegmt=True)), length=len(played.body)))
            return End.KEEP
        for step in played:
            if isinstance(step, End):
                return step
            if isinstance(step, float):
                await asyncio.sleep(step / self._speed)
            else:
                writer.write(step)
                await writer.drain()
        return End.KEEP

    def _reply(self, request: ReceivedRequest) -> Reply:
        if len(self.requests) >= 2 * KEPT_REQUESTS:
            del self.requests[:KEPT_REQUESTS]
        self.requests.append(request)
        reply = self._app.answer(request, (self._clock() - self._start_time) * self._speed)
        fault = next(self._faults, None)
        reply = reply if fault is None else replace(reply, fault=fault)
        self._on_reply(request, reply)
        return reply


@cache
def _sample() -> bytes:
    return resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()


def _require(option: str, value: object, kind: str, is_valid: object) -> None:
    if not is_valid:
        raise ConfigurationError(f"{option} must be {kind}, not {value!r:.60}")


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _is_loopback(host: object) -> bool:
    with suppress(ValueError):
        return host == "localhost" or (isinstance(host, str) and ipaddress.ip_address(host).is_loopback)
    return False


def _checked_fault(name: object) -> str | None:
    if name is None or (isinstance(name, str) and name in FAULTS):
        return name
    raise ConfigurationError(f"faults must not contain {name!r:.60}; known: {', '.join(FAULTS)}")
