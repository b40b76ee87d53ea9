"""Requests, responses and exchanges as plain values; strict JSON; removal of the API key."""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, urlsplit

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk.contract._violations import Violation

Headers = tuple[tuple[str, str], ...]
#: The body of a response that is not JSON.
UNREADABLE = object()
#: Replaces the key, so that a command line can be pasted into a shell.
PLACEHOLDER = "$KKIAI_API_KEY"
#: Keys of this family of gateways, which error messages echo, often with asterisks in the middle.
_LIKE_A_KEY = re.compile(rb"\bsk-[\w*.\-]+")


@frozen
class Request:
    """A request as sent: escapes are kept, the path has no query, and header names are case-insensitive."""

    method: str
    path: str
    query: str = ""
    #: May contain the key, hence not in the repr.
    headers: Headers = field(default=(), repr=False)
    body: bytes = b""

    @classmethod
    def to(cls, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Self:
        """Create a request to a URL."""
        parts = urlsplit(url)
        return cls(method, parts.path, parts.query, tuple(headers), body)

    def parameter(self, name: str) -> str | None:
        """The first query parameter of this name, or None."""
        return next((value for key, value in pairs(self.query) if key == name), None)


@frozen
class Response:
    """A response as received."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@frozen
class Exchange:
    """A request and its response. A status of 0, which HTTP does not define, means that there was no complete one."""

    request: Request
    response: Response = field(repr=False)


def values_of(headers: Headers, name: str) -> list[str]:
    """All values of a header field."""
    return [value for key, value in headers if key.lower() == name.lower()]


def media_type(headers: Headers) -> str:
    """The media type without parameters, in lower case; empty unless there is exactly one."""
    found = values_of(headers, "content-type")
    return found[0].partition(";")[0].strip().lower() if len(found) == 1 else ""


def pairs(query: str) -> list[tuple[str, str]]:
    """The names and values of a query string. Bytes that are not UTF-8 become lone surrogates."""
    return parse_qsl(query, keep_blank_values=True, errors="surrogateescape")


def milliseconds_of(date: str) -> int | None:
    """An HTTP date in milliseconds since 1970; None if it cannot be parsed."""
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def read_json(body: bytes) -> Any:
    """Decode JSON strictly (RFC 8259): UTF-8, no NaN, no duplicate names, no lone surrogates. Raises ValueError."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique_members)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise ValueError(f"the name {name[:40]!a} occurs twice in one object")
        found[name] = value
    return found


def read_body(response: Response) -> Any:
    """The JSON value of a body, or UNREADABLE."""
    try:
        return read_json(response.body)
    except ValueError:
        return UNREADABLE


@frozen
class Scrubber:
    """Removes an API key, in each encoding in which it may be echoed. Applied as soon as a response is received."""

    api_key: str = field(repr=False)

    @cached_property
    def _forms(self) -> list[str]:
        """The key as is, URL-encoded, in JSON (with and without escaped slashes) and as repr; the longest first."""
        in_json = json.dumps(self.api_key)[1:-1]
        forms = {self.api_key, quote(self.api_key, safe=""), in_json, in_json.replace("/", "\\/")}
        return sorted(filter(None, forms | {ascii(self.api_key)[1:-1]}), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without the key."""
        for form in self._forms:
            text = text.replace(form, PLACEHOLDER)
        return text

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without the key, and its response without anything that looks like a key."""
        asked, answered, body = exchange.request, exchange.response, exchange.response.body
        for form in self._forms:
            body = body.replace(form.encode(), b"***")
        sent, received = (tuple((name, self.text(value)) for name, value in each.headers) for each in (asked, answered))
        return Exchange(
            evolve(asked, path=self.text(asked.path), query=self.text(asked.query), headers=sent),
            Response(answered.status, received, _LIKE_A_KEY.sub(b"sk-***", body)),
        )

    def violation(self, violation: Violation) -> Violation:
        """The violation without the key. JSON can hide a key behind escapes that the raw body does not show."""
        return evolve(violation, expected=self.text(violation.expected), got=self.text(violation.got))
