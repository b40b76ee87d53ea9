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
        if not coding and len(self.body) <= limit:
            return self
        try:
            body, problem = decode_body(self.body, coding or "", limit), None
        except ValueError as error:
            body, problem = b"", str(error)
        if len(body) > limit:
            body, problem = body[:limit], f"a body of more than {limit} bytes"
        return evolve(self, body=body, problem=problem)

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


def decode_body(body: bytes, coding: str, limit: int) -> bytes:
    """Return a body without its content coding, decompressing not much more than ``limit`` bytes.

    Supports one gzip or deflate coding, although none was requested, but no chain of codings. Raises ValueError.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError(f"a body in the encoding {_redaction.message(coding, 60)}, which was not asked for")
    plain = b""
    # A gzip file may have several members (RFC 1952, section 2.2), each with an end of its own.
    for _ in range(MAX_MEMBERS):
        # 32 is added to the window size to detect the format, gzip or zlib, from the header.
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            plain += inflater.decompress(body, limit + 1 - len(plain))
        except zlib.error:
            raise ValueError("a body that cannot be unpacked") from None
        if len(plain) > limit:
            return plain
        if not inflater.eof:
            raise ValueError("a packed body that is cut short")
        body = inflater.unused_data
        if not body:
            return plain
    raise ValueError(f"a packed body of more than {MAX_MEMBERS} members")
