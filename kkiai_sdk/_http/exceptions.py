"""Maps exceptions of httpx and of the operating system to errors of this package, by one table."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, TypeVar

import httpx
from attrs import frozen

from kkiai_sdk import _redaction
from kkiai_sdk.errors import APIConnectionError, APIResponseError, APITimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kkiai_sdk.errors import APIError


E = TypeVar("E", bound=BaseException)


@frozen
class Fault:
    """One kind of failure below HTTP."""

    #: Matches when this class is anywhere in the exception's chain of causes.
    cause: type[BaseException]
    kind: str
    transient: bool
    text: str


#: The first match counts, so the roots of a failure stand before what httpx wraps them in.
FAULTS: Sequence[Fault] = (
    Fault(ssl.SSLCertVerificationError, "tls", False, "the server's certificate was not accepted"),
    Fault(socket.gaierror, "dns", True, "the host name could not be resolved"),
    Fault(httpx.TimeoutException, "timeout", True, "no answer in time"),
    Fault(TimeoutError, "timeout", True, "no answer in time"),
    Fault(ssl.SSLEOFError, "reset", True, "the connection was cut during the TLS handshake"),
    Fault(ssl.SSLZeroReturnError, "reset", True, "the connection was closed during the TLS handshake"),
    Fault(ssl.SSLError, "tls", False, "the TLS handshake failed"),
    Fault(ConnectionRefusedError, "refused", True, "the connection was refused"),
    Fault(ConnectionResetError, "reset", True, "the connection was reset"),
    Fault(BrokenPipeError, "reset", True, "the connection was reset"),
    Fault(httpx.ProxyError, "proxy", True, "the proxy did not pass the request on"),
    Fault(httpx.RemoteProtocolError, "protocol", True, "the server broke off or does not speak HTTP"),
    Fault(httpx.NetworkError, "connection", True, "the connection failed"),
    Fault(httpx.UnsupportedProtocol, "protocol", False, "the URL has no scheme that can be fetched"),
    Fault(httpx.InvalidURL, "protocol", False, "the URL is not valid"),
    # Including idna's own errors: "a..b", a label of 70 characters.
    Fault(UnicodeError, "protocol", False, "the host name is not valid"),
    Fault(httpx.StreamError, "protocol", True, "the body could not be read"),
    Fault(httpx.HTTPError, "protocol", False, "the request could not be made"),
    # Files exhausted, no route from a sandbox …: asking again at once makes it worse.
    Fault(OSError, "connection", False, "the operating system refused"),
    Fault(Exception, "connection", True, "the transport failed"),
)
#: No file descriptor is left, in this process or on this machine: each further try takes one more.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
#: Exceptions that are translated; any other is a bug and passes unchanged.
TRANSLATED = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, OSError)
#: Exceptions that come before the server can have received anything.
_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    UnicodeError,
)


def was_sent(problem: BaseException) -> bool:
    """Whether the server may have received the request that failed with this exception."""
    return not isinstance(problem, _UNSENT)


def translate(problem: BaseException, url: str, timeout: float) -> APIError:
    """Return the error for an exception raised while a request to ``url`` was made."""
    chain = list(_chain(problem))
    if any(isinstance(link, httpx.DecodingError) for link in chain):
        return APIResponseError(f"{_place(url)}: a body that cannot be decoded", transient=True)
    fault = next(fault for fault in FAULTS if any(isinstance(link, fault.cause) for link in chain))
    root = next((link for link in reversed(chain) if isinstance(link, OSError)), None)
    if root is not None and root.errno in EXHAUSTED:
        return exhausted(root)
    foreign = None if isinstance(problem, TRANSLATED) else problem
    reason = getattr(root, "strerror", None) or (type(foreign).__name__ if foreign else "")
    detail = _redaction.message(_redaction.redact(reason), 200)
    text = f"{_place(url)}: {fault.text}"
    if fault.kind == "timeout":
        error: APIError = APITimeoutError(f"{text} ({timeout:g} s)", kind=fault.kind, transient=True)
    else:
        text += f" ({detail})" if detail else ""
        error = APIConnectionError(text, kind=fault.kind, transient=fault.transient)
    # The root cause helps; what lies between holds the request, and the request holds the key.
    cause = root or foreign
    error.__cause__ = cause and _bare(cause)
    return error


def exhausted(root: OSError) -> APIConnectionError:
    """Return the error for a lack of file descriptors."""
    error = APIConnectionError(
        f"no file descriptor is left ({root.strerror}): close what is open, or raise the limit (ulimit -n)",
        kind="connection",
    )
    error.__cause__ = _bare(root)
    return error


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, outermost first."""
    link: BaseException | None = problem
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _bare(root: E) -> E:
    """Return the exception without its traceback and its chain, whose frames hold the request."""
    root.__traceback__ = root.__cause__ = root.__context__ = None
    return root


def _place(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        return f"{parsed.host}:{parsed.port or {'http': 80, 'https': 443}.get(parsed.scheme, 0)}"
    except (httpx.InvalidURL, UnicodeError):
        return "an invalid URL"
