"""Exceptions of httpx become errors of ours, by one table. Beside ``_session`` the only module that knows httpx."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import TYPE_CHECKING

import httpx
from attrs import frozen

from kkiai_sdk import _redaction as _text
from kkiai_sdk.errors import APIConnectionError, APIResponseError, APITimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kkiai_sdk.errors import APIError


@frozen
class Fault:
    """One kind of failure below HTTP."""

    #: Matches when this class is anywhere in the exception's chain of causes.
    cause: type[BaseException]
    kind: str
    transient: bool
    says: str


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
)
#: No file descriptor is left, in this process or on this machine: each further try takes one more.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
#: How h11, by way of httpx, describes a head that is no head of an HTTP answer, and how ``_session_streams`` does. h11
#: has no other word for it, and the same class for a connection that broke off. Its messages quote the server's bytes;
#: ours do not.
_NO_HEAD = re.compile(
    "illegal (status|header) line|(conflicting|bad) Content-Length|Receive buffer too long|continuation line"
    "|(multiple|Only) Transfer-Encoding|status_code should be|interim answers without end"
)
#: What the SDK translates; anything else is a bug and passes unchanged.
TRANSLATED = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, OSError)


def translate(problem: BaseException, url: str, timeout: float) -> APIError:
    """The error for an exception of httpx or the operating system while asking ``url``."""
    chain = list(_chain(problem))
    if any(isinstance(link, httpx.DecodingError) for link in chain):
        return APIResponseError(f"{_place(url)}: a body that cannot be decoded", transient=True)
    if any(isinstance(link, httpx.RemoteProtocolError) and _NO_HEAD.search(str(link)) for link in chain):
        return APIResponseError(f"{_place(url)}: the server does not speak HTTP, or breaks its rules")
    fault = next(fault for fault in FAULTS if any(isinstance(link, fault.cause) for link in chain))
    root = next((link for link in reversed(chain) if isinstance(link, OSError)), None)
    if root is not None and root.errno in EXHAUSTED:
        return exhausted(root)
    detail = _text.message(_text.redact(getattr(root, "strerror", None) or ""), 200)
    text = f"{_place(url)}: {fault.says}"
    if fault.kind == "timeout":
        error: APIError = APITimeoutError(f"{text} ({timeout:g} s)", kind=fault.kind, transient=True)
    else:
        text += f" ({detail})" if detail else ""
        error = APIConnectionError(text, kind=fault.kind, transient=fault.transient)
    # The root cause helps; what lies between holds the request, and the request holds the key.
    error.__cause__ = root and _bare(root)
    return error


def exhausted(root: OSError) -> APIConnectionError:
    """The error for the want of file descriptors."""
    error = APIConnectionError(
        f"no file descriptor is left ({root.strerror}): close what is open, or raise the limit (ulimit -n)",
        kind="connection",
    )
    error.__cause__ = _bare(root)
    return error


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """An exception and what caused it, outermost first."""
    link: BaseException | None = problem
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _bare(root: OSError) -> OSError:
    """The exception without its traceback and its own chain, whose frames hold the request."""
    root.__traceback__ = root.__cause__ = root.__context__ = None
    return root


def _place(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        return f"{parsed.host}:{parsed.port or {'http': 80, 'https': 443}.get(parsed.scheme, 0)}"
    except (httpx.InvalidURL, UnicodeError):
        return "an invalid URL"
