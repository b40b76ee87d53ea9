"""Maps exceptions of httpx and of the operating system to errors of the SDK, by one table."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import httpcore
import httpx

from kkiai_sdk import _redaction
from kkiai_sdk.errors import APIConnectionError, APIResponseError, APITimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kkiai_sdk.errors import APIError


E = TypeVar("E", bound=BaseException)


class Fault(NamedTuple):
    """A row of the table."""

    #: Matches if an instance of this class, or of one of these, is in the exception's chain of causes.
    cause: type[BaseException] | tuple[type[BaseException], ...]
    kind: str
    transient: bool
    text: str


#: Note on an exception of a TLS handshake behind a proxy, with the server.
IN_TUNNEL = "in a tunnel"
#: Beginnings of the note on an exception of a request through a proxy, whose host and port follow: the proxy is the
#: cause, or it may be.
_PROXY, _THROUGH = "the proxy ", " through the proxy "
#: Exceptions of a connection to a proxy, or of its refusal.
_CAUSED_BY_PROXY = (httpcore.ProxyError, httpcore.ConnectError, httpcore.ConnectTimeout)
#: The same, and those of a server behind it or of a proxy that accepts a connection and sends nothing.
PROXY_ERRORS = (httpcore.ProxyError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)

#: Exceptions of httpcore that httpx does not wrap, because the body of a file is read from the connection.
_DIRECT = (httpcore.TimeoutException, httpcore.NetworkError)
#: The first match counts, so root causes stand before the httpx exceptions that wrap them.
FAULTS: Sequence[Fault] = (
    Fault(ssl.SSLCertVerificationError, "tls", False, "the server's certificate was not accepted"),
    Fault(socket.gaierror, "dns", True, "the host name could not be resolved"),
    Fault((httpx.TimeoutException, httpcore.TimeoutException, TimeoutError), "timeout", True, "no response in time"),
    Fault(ssl.SSLEOFError, "reset", True, "the connection was cut during the TLS handshake"),
    Fault(ssl.SSLZeroReturnError, "reset", True, "the connection was closed during the TLS handshake"),
    Fault(ssl.SSLError, "tls", False, "the TLS handshake failed"),
    Fault(ConnectionRefusedError, "refused", True, "the connection was refused"),
    Fault((ConnectionResetError, BrokenPipeError), "reset", True, "the connection was reset"),
    Fault(httpx.ProxyError, "proxy", True, "the proxy did not pass the request on"),
    Fault(httpx.RemoteProtocolError, "protocol", True, "the server closed the connection early or does not speak HTTP"),
    Fault((httpx.NetworkError, *_DIRECT), "connection", True, "the connection failed"),
    Fault(httpx.UnsupportedProtocol, "protocol", False, "the URL has no scheme that can be fetched"),
    Fault(httpx.InvalidURL, "protocol", False, "the URL is not valid"),
    # Includes errors of idna, for "a..b" or a label of 70 characters.
    Fault(UnicodeError, "protocol", False, "the host name is not valid"),
    Fault(httpx.StreamError, "protocol", True, "the body could not be read"),
    Fault(httpx.HTTPError, "protocol", False, "the request could not be made"),
    # Such as a network blocked by a sandbox: a retry does not help.
    Fault(OSError, "connection", False, "the operating system refused"),
    Fault(Exception, "connection", True, "the transport failed"),
)
#: No file descriptor is left, in the process or on the machine: not transient, because each retry needs one more.
FD_LIMIT_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE})
#: Exceptions that are translated; any other is a bug and is raised unchanged.
TRANSLATED = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, OSError, *_DIRECT)
#: Exceptions raised before the server can have received anything.
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


def was_sent(exception: BaseException) -> bool:
    """Whether the server may have received the request that failed with this exception."""
    return not isinstance(exception, _UNSENT)


def translate(exception: BaseException, url: str, timeout: float) -> APIError:
    """Return the error for an exception raised by a request to ``url``; ``timeout`` in seconds, for the message."""
    chain = list(_chain(exception))
    if any(isinstance(link, httpx.DecodingError) for link in chain):
        return APIResponseError(f"{_host_and_port(url)}: a body that cannot be decoded", transient=True)
    fault = next(fault for fault in FAULTS if any(isinstance(link, fault.cause) for link in chain))
    root = next((link for link in reversed(chain) if isinstance(link, OSError)), None)
    if root is not None and root.errno in FD_LIMIT_ERRNOS:
        return fd_limit_error(root)
    unknown = None if isinstance(exception, TRANSLATED) else exception
    refusal = next((str(link) for link in chain if isinstance(link, httpx.ProxyError)), "")
    reason = _reason(root) or refusal or (type(unknown).__name__ if unknown else "")
    detail = _redaction.message(_redaction.redact(reason), 200)
    notes = [note for link in chain for note in _notes(link)]
    proxy = next((note for note in notes if note.startswith(_PROXY)), None)
    way = next((note for note in notes if note.startswith(_THROUGH)), "")
    text = fault.text.replace("the proxy", "it").replace("the server's", "its") if proxy else fault.text
    text = f"{proxy or _host_and_port(url) + way}: {text}"
    if fault.kind == "timeout":
        error: APIError = APITimeoutError(f"{text} ({round(timeout, 3):g} s)", kind=fault.kind, transient=True)
    else:
        text += f" ({detail})" if detail else ""
        transient = fault.transient and not refusal.startswith("407")
        error = APIConnectionError(text, kind="proxy" if proxy else fault.kind, transient=transient)
    # Not the whole chain: its frames refer to the request, which contains the key.
    cause = root or unknown
    error.__cause__ = cause and _without_traceback(cause)
    return error


def _reason(root: OSError | None) -> str:
    if root is None or not isinstance(root.errno, int) or isinstance(root, ssl.SSLError | socket.gaierror):
        return getattr(root, "strerror", None) or ""
    # asyncio puts the address in the place of the text.
    return os.strerror(root.errno)


def name_proxy(error: BaseException, proxy: httpx.Proxy | None) -> None:
    """Add the proxy's host and port to an exception: the cause, or only on the way to the server."""
    if proxy is None:
        return
    is_tls = any(isinstance(link, ssl.SSLError) for link in _chain(error))
    is_behind = IN_TUNNEL in _notes(error) or (is_tls and proxy.url.scheme != "https")
    is_cause = isinstance(error, _CAUSED_BY_PROXY) and not is_behind
    error.add_note(f"{_PROXY if is_cause else _THROUGH}{_host_and_port(str(proxy.url))}")


def _notes(error: BaseException) -> Sequence[str]:
    return getattr(error, "__notes__", ())


def fd_limit_error(root: OSError) -> APIConnectionError:
    """Return the error for a lack of file descriptors."""
    error = APIConnectionError(
        f"no file descriptor is left ({root.strerror}): close files or connections, or raise the limit (ulimit -n)",
        kind="connection",
    )
    error.__cause__ = _without_traceback(root)
    return error


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, outermost first, at most ten."""
    link: BaseException | None = exception
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _without_traceback(root: E) -> E:
    """Remove traceback, cause and context from an exception, because their frames refer to the request."""
    root.__traceback__ = root.__cause__ = root.__context__ = None
    return root


def _host_and_port(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        return f"{parsed.host}:{parsed.port or {'http': 80, 'https': 443}.get(parsed.scheme, 1080)}"
    except (httpx.InvalidURL, UnicodeError):
        return "an invalid URL"
