"""Validators of arguments: each returns the value in its normal form or raises ConfigurationError.

Messages name the option and the accepted range. They never repeat a key, and repeat other text only cut and escaped.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from kkiai_sdk.errors import ConfigurationError

MAX_TASK_ID = 256
MAX_KEY = 512
#: A day: longer than any request and any sensible pause; keeps clocks and sleep functions far from overflow.
MAX_SECONDS = 86_400.0

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def number(name: str, value: object, *, low: float, high: float, above: bool = False) -> float:
    """A finite number from ``low`` (or ``above`` it) to ``high``; a timedelta counts as its seconds."""
    span = f"a number {'above' if above else 'from'} {low:g} {'up ' if above else ''}to {high:g}"
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{name} must be {span}, not {type(value).__name__}")
    # Comparisons with NaN are false, so it falls out here as well.
    if not (low <= value <= high) or (above and value == low):
        raise ConfigurationError(f"{name} must be {span}, not {_display(value)}")
    return float(value)


def _display(value: float) -> str:
    # Python refuses to write out an integer of thousands of digits.
    return "one far outside" if isinstance(value, int) and abs(value) > 10**18 else repr(value)


def whole(name: str, value: object, *, low: int, high: int) -> int:
    """An integer from ``low`` to ``high``."""
    span = f"a whole number from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be {span}, not {type(value).__name__}")
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be {span}, not {_display(value)}")
    return value


def wait_timeout(value: object) -> float:
    """Seconds that a wait may take: 0 or more; None and infinity mean no limit and come back as infinity."""
    if value is None or (isinstance(value, float) and math.isinf(value) and value > 0):
        return math.inf
    return number("timeout", value, low=0, high=365 * MAX_SECONDS)


def task_id(value: object) -> str:
    """An id that can be sent: 1 to 256 printable characters, no spaces, not ``.`` or ``..``."""
    rule = f"a task id must be 1 to {MAX_TASK_ID} printable characters without spaces"
    if not isinstance(value, str):
        raise ConfigurationError(f"{rule}, not {type(value).__name__}")
    if not 1 <= len(value) <= MAX_TASK_ID:
        raise ConfigurationError(f"{rule}; this one has {len(value)}")
    bad = next((i for i, char in enumerate(value) if char.isspace() or not char.isprintable()), None)
    if bad is not None:
        raise ConfigurationError(f"{rule}; character {bad + 1} of {ascii(value)[:80]} is not allowed")
    if value in {".", ".."}:
        raise ConfigurationError(f"{rule}, and not {value!r}")
    return value


def api_key(value: object) -> str:
    """A key that can be sent in a header, without the white space that files and shells leave around it."""
    problem = _key_problem(value)
    if problem is None and isinstance(value, str):
        return value.strip()
    # Crash reporters show the variables of every frame in a traceback.
    del value
    raise ConfigurationError(problem)


def _key_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"api_key must be text or a function that returns text, not {type(value).__name__}"
    key = value.strip()
    if not key:
        return "api_key is empty; pass api_key=… or set KKIAI_API_KEY"
    if len(key) > MAX_KEY:
        return f"api_key must have at most {MAX_KEY} characters; this one has {len(key)}"
    bad = next((i for i, char in enumerate(key) if not "\x21" <= char <= "\x7e"), None)
    return None if bad is None else f"character {bad + 1} of api_key is not allowed: only visible ASCII characters are"


def base_url(value: object, *, allow_http: bool = False) -> str:
    """The gateway's address in one form: no trailing slash, no trailing ``/v1``.

    https, or http for loopback hosts and with ``allow_http``; no credentials, query or fragment.
    """
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError("base_url must be a URL such as 'https://www.kkiai.com'")
    text = value.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(
            "base_url is not a valid URL; expected something like 'https://www.kkiai.com'"
        ) from None
    problem = _base_url_problem(parts.scheme, host, text, allow_http=allow_http)
    if problem or port == 0:
        raise ConfigurationError(f"base_url {problem or 'must not have port 0'}")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url must not hold a user name or password")
    if "?" in text or "#" in text:
        raise ConfigurationError("base_url must not hold a query or a fragment")
    # Base URLs of OpenAI-style gateways are often quoted with /v1, which the endpoint's own path already has.
    return text.rstrip("/").removesuffix("/v1").rstrip("/")


def _base_url_problem(scheme: str, host: str | None, text: str, *, allow_http: bool) -> str | None:
    if scheme not in {"http", "https"}:
        return "must start with https:// (or http:// for a loopback host)"
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in text):
        return "must not hold spaces, control characters or backslashes"
    if not host or not is_host(host):
        return "must name a host in plain ASCII, as in 'https://www.kkiai.com' (others in their xn-- form)"
    if scheme == "http" and not allow_http and not is_loopback(host):
        return "must be https:// unless the host is this machine: the key would travel in the open (see allow_http)"
    return None


# Underscores are no part of host names and occur all the same.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)


def is_host(host: str) -> bool:
    """Whether this can be looked up: an address, or a name of labels of 1 to 63 ASCII characters."""
    if ":" in host:
        return True
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def is_loopback(host: str) -> bool:
    """Whether a host name or address literal means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def id_list(value: object) -> list[Any]:
    """Return several ids as a list; an invalid one is the result of that one alone, and not checked here."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigurationError(f"task_ids must be an iterable of strings, not {type(value).__name__}")
    return [_hashable(one) for one in value]


def _hashable(one: Any) -> Any:
    return one if isinstance(one, Hashable) else ascii(one)[:MAX_TASK_ID]


def unique_ids(value: object) -> Iterable[Any]:
    """Return several ids without duplicates; those of an iterator are read one by one, on demand."""
    if isinstance(value, Iterator):
        return map(_hashable, value)
    pending = list(dict.fromkeys(id_list(value)))
    pending.reverse()
    # Taken off the end: what has been handed out is not kept a second time.
    return (pending.pop() for _ in range(len(pending)))


def mapping(name: str, value: object) -> Mapping[Any, Any]:
    """A mapping; None counts as an empty one."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be a mapping, such as a dict, and not {type(value).__name__}")
    return value or {}


def headers(name: str, value: object) -> tuple[tuple[str, str], ...]:
    """Extra header fields as pairs; names are tokens, values visible ASCII; not the ones that the SDK owns."""
    pairs = []
    for field, content in mapping(name, value).items():
        if not isinstance(field, str) or not _HEADER_NAME.fullmatch(field):
            raise ConfigurationError(f"{name} has an invalid field name {ascii(field)[:80]}")
        if not isinstance(content, str) or not _HEADER_VALUE.fullmatch(content):
            raise ConfigurationError(f"{name}[{field!r}] must be text of visible ASCII characters, spaces and tabs")
        if field.lower() in {"authorization", "host", "content-length", "transfer-encoding", "connection"}:
            raise ConfigurationError(f"{name} must not set {field}; the key goes in api_key, the rest is the SDK's")
        pairs.append((field, content))
    return tuple(pairs)


def callback(name: str, value: object) -> None:
    """Something callable, or None."""
    if value is not None and not callable(value):
        raise ConfigurationError(f"{name} must be callable or None, not {type(value).__name__}")


def event_hooks(name: str, value: object) -> dict[Any, list[Any]]:
    """What httpx is to call: lists of functions for ``request`` and ``response``."""
    given = mapping(name, value)
    for event, hooks in given.items():
        if event not in {"request", "response"}:
            raise ConfigurationError(f"{name} may name 'request' and 'response', and not {ascii(event)[:80]}")
        if not isinstance(hooks, list | tuple):
            raise ConfigurationError(f"{name}[{event!r}] must be a list of functions, not {type(hooks).__name__}")
        for hook in hooks:
            if not callable(hook):
                raise ConfigurationError(f"{name}[{event!r}] must hold functions, not {type(hook).__name__}")
    return {event: list(hooks) for event, hooks in given.items()}
