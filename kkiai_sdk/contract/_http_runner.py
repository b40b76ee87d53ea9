"""Sends single requests over httpx at a limited rate, and decides which of them to repeat."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from attrs import define

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._messages import Exchange, Request, Response, milliseconds_of, read_body, values_of
from kkiai_sdk.contract._rules import code_of

if TYPE_CHECKING:
    import threading

#: Seconds that a response may take.
REQUEST_TIMEOUT = 10.0
#: Repeats of a request that was answered with 429; others are repeated once.
MAX_REPEATS = 2
#: Consecutive requests whose repeats did not help, after which no request is repeated.
MAX_USELESS = 2
#: Maximum seconds of a pause, whatever the time limit is.
MAX_PAUSE = 60.0
#: Codes of a 429 for which repeating is useless: the quota is exhausted.
QUOTA_CODES = {"insufficient_quota", "insufficient_user_quota", "quota_exceeded", "billing_hard_limit_reached"}
_RATE = re.compile(r"([1-9][0-9]{0,4})/([smh])")


class NoResponseError(Exception):
    """No complete response was received. ``is_broken``: part of one was, a defect that a repeat does not cure."""

    def __init__(self, error: Exception, *, is_broken: bool) -> None:
        self.kind, self.is_broken = type(error).__name__, is_broken
        super().__init__(str(error) or self.kind)
        self.is_connected = is_broken or self.kind in {"ReadTimeout", "WriteTimeout", "RemoteProtocolError"}


def interval_of(rate: str | None) -> float:
    """Seconds between two requests for a rate such as ``5/s`` or ``100/m``; 0 for None. Raises ConfigurationError."""
    if rate is None:
        return 0.0
    found = _RATE.fullmatch(rate.strip())
    if found is None:
        raise ConfigurationError(f"rate must be a number of requests per s, m or h such as 5/s, not {rate[:40]!a}")
    return {"s": 1, "m": 60, "h": 3600}[found[2]] / int(found[1])


class HttpRunner:
    """Sends requests to a gateway, through the proxies set in the environment.

    Credentials come from the request only: unlike the library requests, httpx does not read ``.netrc`` by default.

    :param interval: seconds between the starts of two requests.
    :param stopped: once set, requests no longer wait for their turn.
    """

    def __init__(self, base_url: str, interval: float, stopped: threading.Event) -> None:
        import httpx  # noqa: PLC0415 (the check can be imported without it)

        self._base_url, self._interval, self._stopped = base_url, interval, stopped
        self._http = httpx.Client(timeout=REQUEST_TIMEOUT, follow_redirects=False)
        self._next = time.monotonic()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def send(self, request: Request) -> Exchange:
        """Send a request. Raises NoResponseError."""
        import httpx  # noqa: PLC0415 (as above)

        self._stopped.wait(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._interval
        url = f"{self._base_url}{request.path}{f'?{request.query}' if request.query else ''}"
        try:
            fields = [(name.encode(), value.encode("latin-1", "replace")) for name, value in request.headers]
            response = self._http.request(request.method, url, headers=fields, content=request.body or None)
        except (httpx.ConnectError, httpx.TimeoutException, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise NoResponseError(error, is_broken=False) from error
        except httpx.HTTPError as error:
            # RFC 9112 section 9.3.1: a connection may be closed at any time; a request without a response is repeated.
            raise NoResponseError(error, is_broken="without sending a response" not in str(error)) from error
        return Exchange(
            request, Response(response.status_code, tuple(response.headers.multi_items()), response.content)
        )


def inconclusive_reason(response: Response) -> str | None:
    """The reason why a response says nothing about the contract (too many requests, no quota left), or None."""
    if response.status == 402 or (response.status == 429 and code_of(read_body(response)) in QUOTA_CODES):
        return f"the account is out of quota ({response.status})"
    return "the gateway rejects requests as too many (429); lower --rate" if response.status == 429 else None


def _may_pass(response: Response | None) -> bool:
    """Whether a repeat may return another response. None: there was none in time."""
    if response is None or response.status >= 500:
        return True
    return response.status == 429 and code_of(read_body(response)) not in QUOTA_CODES


def pause_after(response: Response | None) -> float:
    """Seconds to wait before a repeat: Retry-After as a number or date if it can be parsed, else 1."""
    after, sent = (values_of(response.headers, name) if response else [] for name in ("retry-after", "date"))
    text = after[0].strip() if after else ""
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    until, now = (milliseconds_of(each[0]) if each else None for each in (after, sent))
    return 1.0 if until is None or now is None else max(0.0, (until - now) / 1000)


@define
class RetryBudget:
    """Decides about repeats. ``left``: the number that remains; None for no limit."""

    left: int | None = None
    _useless: int = 0

    def pause(self, response: Response | None, repeats: int, remaining: float) -> float | None:
        """Seconds until a request is repeated; None if it is not. ``remaining``: seconds until the time limit."""
        most = MAX_REPEATS if response is not None and response.status == 429 else 1
        is_over = repeats >= most or self.left == 0 or self._useless >= MAX_USELESS or not _may_pass(response)
        seconds = pause_after(response)
        return None if is_over or seconds > min(remaining, MAX_PAUSE) else seconds

    def spend(self) -> None:
        """Count one repeat."""
        self.left = None if self.left is None else self.left - 1

    def note(self, response: Response | None, repeats: int) -> None:
        """Count the outcome of a request that was repeated."""
        if repeats:
            self._useless = self._useless + 1 if _may_pass(response) else 0
