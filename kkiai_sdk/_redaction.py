"""Sanitizes untrusted text: redacts keys and signatures, escapes control characters, truncates."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

#: Keys of these gateways begin with ``sk-``; error messages repeat them in full or masked with asterisks.
_KEY = re.compile(r"\bsk-[\w*.\-…]+", re.ASCII)
_BEARER = re.compile(r"\bbearer\s+[\w\-.~+/=*]+", re.ASCII | re.IGNORECASE)
_URL_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
#: The body of a data URL is a whole file.
_DATA_URL = re.compile(r"\b(data:[^\s,\"'<>]{0,100}),[^\s\"'<>]*", re.IGNORECASE)
#: Unicode categories that control a terminal or hide text: controls, formats (bidi marks, zero-width characters),
#: surrogates, private use, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

MAX_MESSAGE = 500
#: Maximum characters of ``body_snippet``.
MAX_SNIPPET = 200


def redact(text: str, secret: str | None = None) -> str:
    """Return ``text`` with the secret, and anything that looks like a key, replaced by asterisks."""
    if secret:
        text = text.replace(secret, "***")
    return _BEARER.sub("Bearer ***", _KEY.sub("sk-***", text))


def redact_all(value: Any, secret: str | None = None) -> Any:
    """Return a JSON value with every string redacted, member names included; see :func:`redact`."""
    if isinstance(value, str):
        return redact(value, secret)
    if isinstance(value, list):
        return [redact_all(item, secret) for item in value]
    if isinstance(value, dict):
        return {redact(name, secret): redact_all(item, secret) for name, item in value.items()}
    return value


def visible(text: str) -> str:
    """Return ``text`` on one line, with control and invisible characters escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in "\r\n\t":
        return " "
    if unicodedata.category(char) in _INVISIBLE:
        return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
    return char


def without_query(url: str) -> str:
    """Return a URL without query and fragment: a signed query string is a credential. Of a data URL only the head."""
    if url[:5].lower() == "data:":
        return visible(url[: url.find(",", 0, 200) + 1] or "data:,") + "…"
    return visible(re.split(r"[?#]", url, maxsplit=1)[0])


def message(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return server text for a message: one line, escaped, without query strings, of at most ``limit`` characters."""
    # Truncated before the slow steps: texts can be megabytes.
    cut = _DATA_URL.sub(r"\1,…", _URL_QUERY.sub(r"\1?…", text[: 4 * limit]))
    line = " ".join(visible(cut).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def display_url(url: str) -> str:
    """Return a URL for a message: without its query, which may be a signature, and without credentials."""
    return message(re.sub(r"//[^/]*@", "//***@", without_query(url)), 200)
