"""The driver of the basic questions: one request after another over httpx, not faster than a rate allows."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Self

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._messages import Request, Response
from kkiai_sdk.contract._seen import Exchange

if TYPE_CHECKING:
    import threading

#: Seconds that an answer may take.
REQUEST_TIMEOUT = 10.0
_RATE = re.compile(r"([1-9][0-9]{0,4})/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class BrokenAnswerError(Exception):
    """A connection was there, and no whole answer came over it."""


class UnreachableError(Exception):
    """No connection came about, or nothing came over it in time."""

    @property
    def is_late(self) -> bool:
        """Whether there was a connection, and only the answer did not come."""
        return type(self.__cause__).__name__ in {"ReadTimeout", "WriteTimeout", "RemoteProtocolError"}


def gap(rate: str | None) -> float:
    """Seconds between two requests for a rate such as ``5/s`` or ``100/m``; 0 for None. Raises ConfigurationError."""
    if rate is None:
        return 0.0
    found = _RATE.fullmatch(rate.strip())
    if found is None:
        raise ConfigurationError(f"rate must be a number of requests per s, m or h such as 5/s, not {rate[:40]!a}")
    return _SECONDS[found[2]] / int(found[1])


class Asker:
    """Sends requests to a gateway, through the proxies that the environment names. A context manager.

    Nothing but the headers of a request says who asks: unlike requests, httpx reads no ``.netrc`` unless it is told to.

    :param seconds: between the beginnings of two requests.
    :param stopped: once set, no further request waits for its turn.
    """

    def __init__(self, base_url: str, seconds: float, stopped: threading.Event) -> None:
        import httpx  # noqa: PLC0415 (the check can be imported without it)

        self._base_url, self._seconds, self._stopped = base_url, seconds, stopped
        self._http = httpx.Client(timeout=REQUEST_TIMEOUT, follow_redirects=False)
        self._next = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, request: Request) -> Exchange:
        """Send a request. Raises BrokenAnswerError and UnreachableError, whose cause is httpx's error."""
        import httpx  # noqa: PLC0415 (as above)

        self._stopped.wait(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._seconds
        query = f"?{request.query}" if request.query else ""
        try:
            response = self._http.request(
                request.method, f"{self._base_url}{request.path}{query}", headers=list(request.headers)
            )
        except (httpx.ConnectError, httpx.TimeoutException, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        except httpx.RemoteProtocolError as error:
            # RFC 9112 section 9.3.1: a connection may be closed at any time. Nothing was answered: it can be repeated.
            is_silent = "without sending a response" in str(error)
            raise (UnreachableError if is_silent else BrokenAnswerError)(str(error)) from error
        except httpx.HTTPError as error:
            raise BrokenAnswerError(str(error) or type(error).__name__) from error
        headers = tuple(response.headers.multi_items())
        return Exchange(request, Response(response.status_code, headers, response.content))
