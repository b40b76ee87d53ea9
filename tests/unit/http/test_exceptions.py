"""Translation of httpx and operating system exceptions to errors of the SDK."""

from __future__ import annotations

import errno
import socket
import ssl

import httpx
import pytest

from kkiai_sdk import APIConnectionError, APIResponseError, APITimeoutError
from kkiai_sdk._http.exceptions import FAULTS, translate, was_sent

URL = "https://gateway.example/v1/video/query?task_id=grok:1"
TABLE: dict[str, tuple[Exception, str, bool]] = {
    "certificate": (ssl.SSLCertVerificationError("bad certificate"), "tls", False),
    "host name": (socket.gaierror(-2, "unknown host"), "dns", True),
    "connect timeout": (httpx.ConnectTimeout("late"), "timeout", True),
    "operating system timeout": (TimeoutError("late"), "timeout", True),
    "handshake cut": (ssl.SSLEOFError("cut"), "reset", True),
    "handshake": (ssl.SSLError("no common version"), "tls", False),
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused", True),
    "reset": (ConnectionResetError(errno.ECONNRESET, "reset"), "reset", True),
    "broken pipe": (BrokenPipeError(errno.EPIPE, "broken pipe"), "reset", True),
    "proxy": (httpx.ProxyError("403 Forbidden"), "proxy", True),
    "early end": (httpx.RemoteProtocolError("cut"), "protocol", True),
    "network": (httpx.ReadError("failed"), "connection", True),
    "scheme": (httpx.UnsupportedProtocol("no scheme"), "protocol", False),
    "URL": (httpx.InvalidURL("invalid"), "protocol", False),
    "international name": (UnicodeError("label too long"), "protocol", False),
    "blocked": (PermissionError(errno.EPERM, "not permitted"), "connection", False),
    "unknown": (RuntimeError("custom transport"), "connection", True),
}


def wrapped(cause: Exception) -> httpx.ConnectError:
    """An exception of httpx with a cause."""
    error = httpx.ConnectError("failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("case", TABLE)
def test_known_exception_gets_its_kind_and_transience(case: str) -> None:
    """Each known exception becomes a connection or timeout error of its kind, transient or not, naming the host."""
    exception, kind, is_transient = TABLE[case]
    error = translate(exception, URL, 30.0)
    assert isinstance(error, APITimeoutError if kind == "timeout" else APIConnectionError)
    assert (error.kind, error.transient) == (kind, is_transient)
    assert str(error).startswith("gateway.example:443: ")


@pytest.mark.parametrize("case", ["certificate", "host name", "operating system timeout", "refused", "reset"])
def test_root_cause_takes_precedence_over_its_wrapper(case: str) -> None:
    """An exception of httpx is translated by the operating system error that caused it."""
    cause, kind, is_transient = TABLE[case]
    error = translate(wrapped(cause), URL, 30.0)
    assert isinstance(error, APIConnectionError)
    assert (error.kind, error.transient) == (kind, is_transient)
    assert error.__cause__ is cause


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5"), (1.99998, "2"), (0.001, "0.001"), (86_400.0, "86400"), (86_399.99999, "86400")]
)
def test_timeout_error_names_the_timeout(seconds: float, text: str) -> None:
    """The message of a timeout names the limit in seconds, without the microseconds that were spent before."""
    error = translate(httpx.ReadTimeout("late"), URL, seconds)
    assert str(error) == f"gateway.example:443: no response in time ({text} s)"


def test_cause_of_a_translated_error_has_no_frames() -> None:
    """The cause keeps no traceback, cause and context: their frames hold the request, and that holds the key."""
    cause = ConnectionResetError(errno.ECONNRESET, "reset")
    cause.__context__ = ValueError("inner")
    try:
        raise wrapped(cause) from cause
    except httpx.ConnectError as exception:
        error = translate(exception, URL, 30.0)
    assert error.__cause__ is cause
    assert not any(getattr(cause, name) for name in ("__traceback__", "__cause__", "__context__"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_lack_of_file_descriptors_is_permanent(number: int) -> None:
    """Without a file descriptor a retry, which needs one, cannot succeed; the message says how to raise the limit."""
    error = translate(wrapped(OSError(number, "too many open files")), URL, 30.0)
    assert not error.transient
    assert "ulimit -n" in str(error)


def test_body_that_cannot_be_decoded_is_a_response_error() -> None:
    """A body with an invalid content coding is an invalid response, and transient."""
    error = translate(httpx.DecodingError("bad gzip"), URL, 30.0)
    assert isinstance(error, APIResponseError)
    assert error.transient


def test_invalid_url_is_not_shown() -> None:
    """The error for a URL that cannot be parsed does not repeat it."""
    assert str(translate(httpx.InvalidURL("x"), "https://host:secret/", 30.0)).startswith("an invalid URL: ")


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (httpx.ConnectError("x"), False),
        (httpx.ConnectTimeout("x"), False),
        (httpx.PoolTimeout("x"), False),
        (httpx.ProxyError("x"), False),
        (httpx.LocalProtocolError("x"), False),
        (UnicodeError("x"), False),
        (httpx.ReadTimeout("x"), True),
        (httpx.WriteError("x"), True),
        (httpx.RemoteProtocolError("x"), True),
        (RuntimeError("x"), True),
    ],
    ids=repr,
)
def test_request_counts_as_sent_unless_the_connection_failed(exception: Exception, expected: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A request may have reached the server unless it failed before or during the connection."""
    assert was_sent(exception) is expected


def test_every_exception_has_a_row() -> None:
    """The last row of the table matches any exception."""
    assert FAULTS[-1].cause is Exception
