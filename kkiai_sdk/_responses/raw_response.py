"""HTTP responses as plain values: headers, ``Retry-After``, request id, content coding."""

from __future__ import annotations

import re
import zlib
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from kkiai_sdk import _redaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Maximum redirects that one request follows.
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Maximum members of a compressed body, for each of which the rest is copied; real bodies have one.
MAX_MEMBERS = 16
#: Bytes that are decompressed at a time, and that are kept of a body over the limit.
MAX_PIECE, MAX_BEGINNING = 1 << 20, 1 << 20
#: Content codings that can be undone, although none is requested.
PACKINGS = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP = b"\x1f\x8b"
#: 32 is added to the window size to detect the format, gzip or zlib, from the header.
_ANY_WBITS = zlib.MAX_WBITS | 32
REQUEST_ID_HEADERS = ("x-oneapi-request-id", "x-request-id", "x-trace-id", "cf-ray")
# ASCII digits with at most one decimal point: str.isdigit() and float() accept more than HTTP permits.
_SECONDS = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*", re.ASCII)


@frozen
class RawResponse:
    """The status, headers and body of a response."""

    status: int
    #: Pairs of lower-case name and value, in order of receipt. Like the body, not in the repr: servers repeat keys.
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    #: The reason why the body is incomplete or cannot be decoded, or None.
    problem: str | None = None
    #: Whether the problem is the size of the body, of which only the beginning is kept.
    is_too_large: bool = False
    http_version: str = "HTTP/1.1"

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        for header, value in self.headers:
            if header == name:
                return value
        return None

    def decoded(self, limit: int) -> RawResponse:
        """Return the response with a decoded body. ``problem`` is set if this fails or exceeds ``limit`` bytes."""
        coding = self.header("content-encoding")
        try:
            body = decode_body(self.body, coding or "", limit)
            return self if body is self.body else evolve(self, body=body)
        except BodyTooLargeError as error:
            return evolve(self, body=error.beginning, problem=str(error), is_too_large=True)
        except ValueError as error:
            return evolve(self, body=b"", problem=str(error))

    @property
    def request_id(self) -> str | None:
        """The gateway's id for the request, from the first header that carries one."""
        for name in REQUEST_ID_HEADERS:
            if value := self.header(name):
                return _redaction.message(value, 200)
        return None


def parse_retry_after(headers: Sequence[tuple[str, str]], wall_clock: float) -> float | None:
    """Return the Retry-After of a response in seconds, or None if there is none or it cannot be parsed.

    Reads ``retry-after-ms``, and ``Retry-After`` as seconds or as an HTTP date. A date is compared with the ``Date`` of
    the response, else with ``wall_clock`` (epoch seconds). Of several values the longest counts.
    """
    return max(_retry_after_values(headers, wall_clock), default=None)


def _retry_after_values(headers: Sequence[tuple[str, str]], wall_clock: float) -> Iterator[float]:
    for name, value in headers:
        number = _SECONDS.fullmatch(value) if name in {"retry-after", "retry-after-ms"} else None
        if number:
            yield float(number[1]) / (1000 if name == "retry-after-ms" else 1)
        elif name == "retry-after" and (date := _epoch(value)) is not None:
            server_now = next((_epoch(text) for key, text in headers if key == "date"), None)
            yield max(date - (wall_clock if server_now is None else server_now), 0.0)


def _epoch(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # The asctime format has no zone; it is UTC (RFC 9110, section 5.6.7).
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class BodyTooLargeError(ValueError):
    """Raised for a body over the limit."""

    def __init__(self, beginning: bytes | bytearray, limit: int) -> None:
        super().__init__(f"a body of more than {limit:,} bytes")
        self.beginning = bytes(beginning[:MAX_BEGINNING])


def decode_body(body: bytes, coding: str, limit: int) -> bytes:
    """Return a body without its content coding, which takes the memory of ``limit`` bytes at most.

    Supports one gzip or deflate coding, although none was requested, but no chain of codings. Raises ValueError.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        if len(body) > limit:
            raise BodyTooLargeError(body, limit)
        return body
    plain, decompressor = bytearray(), Decompressor(coding, body)
    for piece in decompressor.pieces(body, MAX_PIECE):
        plain += piece
        if len(plain) > limit:
            raise BodyTooLargeError(plain, limit)
    decompressor.check_end()
    return bytes(plain)


class Decompressor:
    """Decompresses a body of one gzip or deflate coding. Raises ValueError for another coding and for a damaged body.

    ``beginning`` is that of the body: some servers send deflate without the header of zlib.
    """

    def __init__(self, coding: str, beginning: bytes) -> None:
        if coding not in PACKINGS:
            raise ValueError(f"a body in the encoding {_redaction.message(coding, 60)}, which was not requested")
        is_raw = coding == "deflate" and beginning and beginning[0] & 15 != zlib.DEFLATED and beginning[:2] != _GZIP
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else _ANY_WBITS)
        self._members = 1

    def pieces(self, chunk: bytes, size: int) -> Iterator[bytes]:
        """Yield the contents of the next chunk of the body in pieces of at most ``size`` bytes."""
        while chunk:
            if self._inflater.eof:
                # NULs after the end are padding, as for gzip(1).
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._begin_member()
            try:
                piece = self._inflater.decompress(chunk, size)
            except zlib.error:
                raise ValueError("a compressed body that cannot be decompressed") from None
            yield piece
            chunk = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail

    def check_end(self) -> None:
        """Raise ValueError if the body has been cut short."""
        if not self._inflater.eof:
            raise ValueError("a truncated compressed body")

    def _begin_member(self) -> None:
        # A gzip file may have several members (RFC 1952, section 2.2), each with its own end.
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise ValueError(f"a compressed body of more than {MAX_MEMBERS:,} members")
        self._inflater = zlib.decompressobj(_ANY_WBITS)
