"""Requests, answers and what is wrong with them, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = tuple[tuple[str, str], ...]


@frozen
class Request:
    """The facts of a request."""

    method: str
    #: As sent: escapes are kept, and there is no query.
    path: str
    #: As sent, without the question mark.
    query: str = ""
    #: In the order sent; names in any case. May hold the key, hence not in the repr.
    headers: Headers = field(default=(), repr=False)
    body: bytes = b""

    @classmethod
    def to(cls, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Self:
        """A request to a URL."""
        parts = urlsplit(url)
        return cls(method, parts.path, parts.query, tuple(headers), body)

    def parameter(self, name: str) -> str | None:
        """The first query parameter of this name, or None."""
        return next((value for key, value in pairs(self.query) if key == name), None)


@frozen
class Response:
    """The facts of an answer."""

    status: int
    #: In the order received; names in any case.
    headers: Headers = ()
    body: bytes = b""


@frozen
class Problem:
    """One breach: which rule, where the spec says it, what it asks for and what there was."""

    rule: str
    address: str
    expected: str
    got: str
    #: What tells this breach from others of its rule at its place, whatever the values were: a field, a type, a word.
    key: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: expected {self.expected}, got {self.got} (#{self.address})"


def values_of(headers: Headers, name: str) -> list[str]:
    """All values of a header field."""
    return [value for key, value in headers if key.lower() == name.lower()]


def pairs(query: str) -> list[tuple[str, str]]:
    """The names and values of a query string."""
    # What is not UTF-8 turns into half surrogates, which no schema accepts.
    return parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
