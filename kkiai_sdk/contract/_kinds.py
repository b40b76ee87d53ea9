"""What kind of thing a value is: what stays the same from run to run, while the value itself does not.

A baseline knows a breach by its kind. Two breaches that a reader would tell apart are of two kinds, whatever their
values are; two answers with other values of one kind are one breach.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

#: What may stand in a URI unescaped (RFC 3986 section 2); everything else is the kind of fault that it is.
_NOT_URI = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+")
_FRACTION = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
#: Units in which moments are told: what one of them between 1973 and 5138 is at least, in milliseconds 10**11.
_UNITS = (("microseconds or finer", 10**14), ("milliseconds", 10**11), ("seconds", 10**8), ("days or a count", 1))


def of_value(value: Any) -> str:
    """The type of a JSON value and, for text, what is written in it."""
    return f"{type(value).__name__} {_of_text(value)}".rstrip() if isinstance(value, str) else type(value).__name__


def _of_text(text: str) -> str:
    if not text.strip():
        return "blank" if text else "empty"
    forms = {"digits": _NUMBER, "fraction": _FRACTION, "date": _DATE}
    form = next((name for name, pattern in forms.items() if pattern.fullmatch(text.strip())), "")
    if form:
        return form
    return "".join(sorted(set(_NOT_URI.findall(text)) & set(" \t\n`\"'<>{}\\|^"))) + (
        " relative" if not re.match("[A-Za-z][A-Za-z0-9+.-]*:", text) and text.startswith(("/", ".", "?")) else ""
    )


def of_words(text: str) -> str:
    """A text in which every number is the same number: a code, a status or a message that counts something."""
    return re.sub(r"\d+", "0", text)[:80]


def of_epoch(value: float) -> str:
    """The unit that a moment seems to be told in."""
    if value <= 0:
        return "zero" if value == 0 else "negative"
    return next(name for name, least in _UNITS if value >= least or least == 1)


def of_bytes(body: bytes) -> str:
    """How a body that is not JSON begins."""
    if not body.strip():
        return "nothing"
    first = body.lstrip()[:1].decode("ascii", "replace")
    return "a word" if first.isalpha() else "a number" if first.isdecimal() else f"{first!a}"


def fault_of_url(url: str) -> str | None:
    """What is wrong with an absolute URL that is to be fetched, or None. Relative ones are the schema's business."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", url, re.IGNORECASE)
    if scheme is None:
        return None
    if scheme[1].lower() not in {"https", "http"}:
        return f"the scheme {scheme[1].lower()}"
    if not re.match(r"[^:]+://[^/?#]", url):
        return "no host"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "a host or port that cannot be read"
    # RFC 9110 section 4.2.4 forbids credentials; an escaped ampersand spoils every signature.
    return "credentials" if "@" in parts.netloc else "an HTML escape" if "&amp;" in url else None
