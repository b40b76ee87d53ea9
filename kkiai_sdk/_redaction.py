"""Sanitizes untrusted text: redacts keys and signatures, escapes control characters, truncates."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

#: Keys of this family of gateways begin with sk-; their messages echo them whole or with stars in the middle.
_KEY = re.compile(r"\bsk-[\w*.\-…]+", re.ASCII)
_BEARER = re.compile(r"\bbearer\s+[\w\-.~+/=*]+", re.ASCII | re.IGNORECASE)
_URL_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
#: Categories that steer a terminal or hide text: controls, formats (bidi marks, zero widths), surrogates, private use.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

MAX_MESSAGE = 500
MAX_SNIPPET = 200


def redact(text: str, secret: str | None = None) -> str:
    """``text`` without the secret and without anything that looks like a key."""
    if secret:
        text = text.replace(secret, "***")
    return _BEARER.sub("Bearer ***", _KEY.sub("sk-***", text))


def redact_all(value: Any, secret: str | None = None) -> Any:
    """:func:`redact` for every text in a JSON value, names included."""
    if isinstance(value, str):
        return redact(value, secret)
    if isinstance(value, list):
        return [redact_all(item, secret) for item in value]
    if isinstance(value, dict):
        return {redact(name, secret): redact_all(item, secret) for name, item in value.items()}
    return value


def visible(text: str) -> str:
    """``text`` on one line, each character that would steer a terminal replaced by its escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if char in "\r\n\t":
        return " "
    if unicodedata.category(char) in _INVISIBLE:
        return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
    return char


def without_query(url: str) -> str:
    """A URL as far as it may be shown: signed query strings are as good as a key."""
    return visible(re.split(r"[?#]", url, maxsplit=1)[0])


def message(text: str, limit: int = MAX_MESSAGE) -> str:
    """Server text for an error message: one line, visible, without query strings, cut to ``limit`` characters."""
    # Cut before the slow steps: nothing behind the limit can come back, and texts can be megabytes.
    line = " ".join(visible(_URL_QUERY.sub(r"\1?…", text[: 4 * limit])).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def snippet(body: str) -> str:
    """The beginning of a body, for ``body_snippet``."""
    return message(body, MAX_SNIPPET)


def display_url(url: str) -> str:
    """A URL for a message: without its query, which is often a signature, and without credentials."""
    return message(re.sub(r"//[^/]*@", "//***@", without_query(url)), 200)
