"""The mock gateway as users hold it: options, a thread, two addresses, and the list of what was received."""

from __future__ import annotations

import ipaddress
import math
import re
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Self

from kkiai_sdk import ConfigurationError
from kkiai_sdk.mock._asgi import Server
from kkiai_sdk.mock._faults import FAULTS
from kkiai_sdk.mock._files import Video
from kkiai_sdk.mock._gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from kkiai_sdk.mock._messages import ReceivedRequest, Reply

#: A key for gateways that take any.
ANY_KEY = "sk-mock"
#: Requests that are remembered at least; older ones are forgotten, so that a gateway can run for days.
REMEMBERED = 100_000


class MockGateway:
    """A gateway on this machine whose tasks follow scripts, for tests and demonstrations.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. It serves from a thread of its own, so it
    works from any thread and beside others of its kind; one instance is started once.

    A task begins with the first query for its id. ``<model>:<uuid>`` is pending for 2 s, runs for 8 s and is then
    completed; ``<model>:scenario-<name>`` plays a script of :func:`~kkiai_sdk.mock.scenarios`. With a name of
    :func:`~kkiai_sdk.mock.faults`, every answer about ``<model>:fault-<name>`` goes wrong in that way, and so does the
    first download of the video of ``<model>:video-fault-<name>``. With ``~<anything>`` behind it, each is another task
    of the same script.

    Args:
        speed: Gateway seconds that pass in one second; any positive number.
        port: The TCP port, or 0 for a free one.
        host: The address to listen on; a loopback address.
        api_key: The one key that is accepted; None accepts every ``sk-…``, and the very first key whatever it is.
        faults: What befalls the first requests, in order of arrival and whatever they ask for: names of
            :func:`~kkiai_sdk.mock.faults`, or None for a good answer. After them service is normal. Their pauses are
            in gateway seconds. The ``json-`` ones leave answers that are not JSON as they are.
        cdn: Whether a second port stands in for a CDN. It serves the files and refuses requests with a credential.
        clock: Seconds from any origin, never going back. A clock that the test moves makes the tasks move with it.

    Raises:
        ConfigurationError: An option is out of its range, or (from ``start``) the port cannot be used.
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
    ) -> None:
        self._speed = _checked_speed(speed)
        self._port = _checked_port(port)
        self._host = _checked_host(host)
        self._accepted = _checked_key(api_key)
        self._faults = iter(_checked_faults(faults))
        self._has_cdn = cdn
        self._clock = _checked_clock(clock)
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._thread: threading.Thread | None = None
        # Waited for instead of the thread: a join that Ctrl-C interrupts can take a living thread for an ended one.
        self._ended = threading.Event()
        #: Everything that was received, oldest first: the gateway's requests and the CDN's. Yours to clear.
        self.requests: list[ReceivedRequest] = []

    @property
    def api_key(self) -> str:
        """A key that this gateway accepts."""
        return self._accepted or ANY_KEY

    @property
    def base_url(self) -> str:
        """The gateway's address, such as ``http://127.0.0.1:54321``. Known, and good, once ``start`` returned."""
        self._require_start()
        return self._gateway.url

    @property
    def cdn_url(self) -> str | None:
        """The address of the stand-in for a CDN, or None if there is none."""
        self._require_start()
        return self._gateway.files_url if self._has_cdn else None

    def start(self) -> Self:
        """Begin to serve. Connections are taken from the moment this returns. Raises if it was started before."""
        with self._lock:
            if self._thread is not None:
                raise ConfigurationError("this mock gateway was started before; make a new one")
            urls = [self._listen(self._port), *([self._listen(0)] if self._has_cdn else [])]
            self._gateway = Gateway(urls[0], urls[-1], Video(_sample()), self._accepted)
            self._cdn_port = self._sockets[1].getsockname()[1] if self._has_cdn else None
            self._started = self._clock()
            self._server = Server(self._answer, self._speed)
            self._thread = threading.Thread(target=self._serve, name="kkiai-mock", daemon=True)
            self._thread.start()
        return self

    def _serve(self) -> None:
        try:
            self._server.run(self._sockets)
        finally:
            self._ended.set()

    def close(self) -> None:
        """Stop serving and wait until the thread and the sockets are gone. Harmless when repeated or never started."""
        with self._lock:
            if self._thread is not None:
                self._server.stop()
                self._ended.wait()
                self._thread.join()
            for each in self._sockets:
                each.close()

    def wait(self) -> None:
        """Block until the gateway is closed by another thread, or until Ctrl-C."""
        self._require_start()
        self._ended.wait()

    def banner(self) -> str:
        """A few lines for people: the addresses and a command to try. A key of the caller's own is not shown."""
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MockGateway({self._gateway.url if self._thread else 'not started'}, speed={self._speed:g})"

    def _require_start(self) -> None:
        if self._thread is None:
            raise ConfigurationError("the mock gateway was not started: call start() or use `with`")

    def _listen(self, port: int) -> str:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            # Bound and listening before anything serves it: early connections wait in the kernel's queue.
            listener = socket.create_server((self._host, port), family=family)
        except OSError as error:
            raise ConfigurationError(f"port {port} of {self._host} cannot be used: {error.strerror}") from error
        # Head and body are two writes: without this, accepted connections may hold the body back for 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(listener)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{listener.getsockname()[1]}"

    def _answer(self, request: ReceivedRequest, port: int) -> Reply:
        if port == self._cdn_port:
            request = replace(request, server="cdn")
        if len(self.requests) >= 2 * REMEMBERED:
            del self.requests[:REMEMBERED]
        self.requests.append(request)
        reply = self._gateway.answer(request, (self._clock() - self._started) * self._speed)
        fault = next(self._faults, None)
        return reply if fault is None else replace(reply, fault=fault)


@cache
def _sample() -> bytes:
    return resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()


def _checked_speed(speed: object) -> float:
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < math.inf:
        raise ConfigurationError(f"speed must be a number above 0, not {speed!r:.40}")
    return float(speed)


def _checked_clock(clock: Callable[[], float]) -> Callable[[], float]:
    if not callable(clock):
        raise ConfigurationError(f"clock must be a function that gives seconds, not {clock!r:.40}")
    return clock


def _checked_faults(faults: object) -> list[str | None]:
    if isinstance(faults, str) or not isinstance(faults, Iterable):
        raise ConfigurationError(f'faults must be names in order, such as ["close", "stall"], not {faults!r:.60}')
    names = list(faults)
    wrong = next(
        (name for name in names if name is not None and (not isinstance(name, str) or name not in FAULTS)), None
    )
    if wrong is not None:
        raise ConfigurationError(f"faults must not hold {wrong!r:.60}; known: {', '.join(FAULTS)}")
    return names


def _checked_port(port: object) -> int:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
        raise ConfigurationError(f"port must be a whole number from 0 (any free one) to 65535, not {port!r:.40}")
    return port


def _checked_host(host: object) -> str:
    with suppress(ValueError):
        name = "127.0.0.1" if host == "localhost" else host
        if isinstance(name, str) and ipaddress.ip_address(name).is_loopback:
            return name
    raise ConfigurationError(f"host must be a loopback address such as 127.0.0.1, not {host!r:.60}")


def _checked_key(api_key: object) -> str | None:
    if api_key is None or (isinstance(api_key, str) and re.fullmatch(r"[\x21-\x7e]{1,512}", api_key)):
        return api_key
    raise ConfigurationError("api_key must be 1 to 512 visible ASCII characters, or None to accept any sk-…")
