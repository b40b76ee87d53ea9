"""Validators of arguments: each returns the normalized value or raises ConfigurationError.

Messages name the option and the accepted range. They never contain a key; other values are truncated and escaped.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any, Literal
from urllib.parse import urlsplit

from kkiai_sdk.errors import ConfigurationError

MAX_TASK_ID = 256
MAX_KEY = 512
#: One day: longer than any request and any sensible delay, far below what overflows clocks and sleep functions.
MAX_SECONDS = 86_400.0

#: Upper limits that are durations in seconds, and their names in messages.
_PERIODS = {3600.0: "an hour", MAX_SECONDS: "a day", 365 * MAX_SECONDS: "a year"}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def number(name: str, value: object, *, low: float, high: float, above: bool = False) -> float:
    """Validate a finite number from ``low`` (excluded if ``above``) to ``high``; a timedelta counts in seconds."""
    period = _PERIODS.get(high)
    least = f"greater than {low:g} and at most" if above else f"from {low:g} to"
    span = f"a number {'of seconds ' if period else ''}{least} {high:,.10g}{f' ({period})' if period else ''}"
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{name} must be {span}, not {type(value).__name__}")
    # Comparisons with NaN are false, so it is rejected as well.
    if not (low <= value <= high) or (above and value == low):
        raise ConfigurationError(f"{name} must be {span}, not {_display(value)}")
    return float(value)


def _display(value: float) -> str:
    # repr() raises ValueError for an integer of thousands of digits.
    return "a number far outside that range" if isinstance(value, int) and abs(value) > 10**18 else repr(value)


def whole(name: str, value: object, *, low: int, high: int) -> int:
    """Validate an integer from ``low`` to ``high``."""
    span = f"a whole number from {low:,} to {high:,}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be {span}, not {type(value).__name__}")
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be {span}, not {_display(value)}")
    return value


def wait_timeout(value: object) -> float:
    """Validate the timeout of a wait: 0 to 365 days in seconds; None and infinity mean no limit."""
    if value is None or (isinstance(value, float) and math.isinf(value) and value > 0):
        return math.inf
    return number("timeout", value, low=0, high=365 * MAX_SECONDS)


def task_id(value: object) -> str:
    """Validate a task id: 1 to 256 printable characters, no spaces, not ``.`` or ``..``."""
    rule = f"a task id must be 1 to {MAX_TASK_ID} printable characters without spaces"
    if not isinstance(value, str):
        raise ConfigurationError(f"{rule}, not {type(value).__name__}")
    if not 1 <= len(value) <= MAX_TASK_ID:
        raise ConfigurationError(f"{rule}; this one has {len(value)}")
    # Of all white space only the space counts as printable.
    if not value.isprintable() or " " in value:
        bad = next(i for i, char in enumerate(value, 1) if char == " " or not char.isprintable())
        raise ConfigurationError(f"{rule}; character {bad} of {ascii(value)[:80]} is not allowed")
    if value in {".", ".."}:
        raise ConfigurationError(f"{rule}, and not {value!r}")
    return value


def api_key(value: object) -> str:
    """Validate a key for use in a header, without surrounding white space, such as the newline of a key file."""
    problem = _key_problem(value)
    if problem is None and isinstance(value, str):
        return value.strip()
    # Crash reporters record the variables of every frame in a traceback.
    del value
    raise ConfigurationError(problem)


def _key_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"api_key must be a string or a function that returns one, not {type(value).__name__}"
    key = value.strip()
    if not key:
        return "api_key is empty; pass api_key=… or set KKIAI_API_KEY"
    if len(key) > MAX_KEY:
        return f"api_key must have at most {MAX_KEY} characters; this one has {len(key):,}"
    bad = next((i for i, char in enumerate(key) if not "\x21" <= char <= "\x7e"), None)
    return None if bad is None else f"character {bad + 1} of api_key is not allowed; use visible ASCII characters only"


def base_url(value: object, *, allow_http: bool = False) -> str:
    """Validate the URL of a gateway; return it without a trailing slash or ``/v1``.

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
        raise ConfigurationError("base_url must not contain a user name or password")
    if "?" in text or "#" in text:
        raise ConfigurationError("base_url must not contain a query or a fragment")
    # Base URLs of OpenAI-style gateways often end in /v1, with which the path of the endpoint begins.
    return text.rstrip("/").removesuffix("/v1").rstrip("/")


def _base_url_problem(scheme: str, host: str | None, text: str, *, allow_http: bool) -> str | None:
    if scheme not in {"http", "https"}:
        return "must start with https:// (or http:// for a loopback host)"
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in text):
        return "must not contain spaces, control characters or backslashes"
    if not host or not is_host(host):
        return "must contain a host in ASCII, as in 'https://www.kkiai.com' (write other names in their xn-- form)"
    if scheme == "http" and not allow_http and not is_loopback(host):
        return "must be https:// unless the host is loopback: the key would be sent unencrypted (see allow_http)"
    return None


# Underscores are not allowed in host names, but they occur.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)


def is_host(host: str) -> bool:
    """Whether ``host`` is an IP address, or a name with labels of 1 to 63 ASCII characters."""
    if ":" in host:
        return True
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address is a loopback one."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def file_hosts(name: str, value: object) -> tuple[str, ...]:
    """Validate hosts and networks; return names in lower case and addresses as networks. None counts as no host."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable | None):
        raise ConfigurationError(f"{name} must be a list of hosts and networks, not {type(value).__name__}")
    return tuple(_file_host(f"{name}[{position}]", item) for position, item in enumerate(value or ()))


def _file_host(name: str, value: object) -> str:
    rule = f"{name} must be a host name, '*.' followed by a domain, an IP address, or a network such as '10.0.0.0/8'"
    if not isinstance(value, str):
        raise ConfigurationError(f"{rule}, not {type(value).__name__}")
    text = value.strip().lower()
    try:
        return str(ipaddress.ip_network(text[1:-1] if text.startswith("[") and text.endswith("]") else text))
    except ValueError:
        host = text.removesuffix(".")
    domain = host.removeprefix("*.")
    # No host name ends in a number, so this is a mistyped address. The value is not shown: a URL may hold a password.
    if ":" in domain or not is_host(domain) or domain.rsplit(".", 1)[-1].isdigit():
        raise ConfigurationError(f"{rule}, without a scheme, port or path")
    return host


def id_list(value: object) -> list[Any]:
    """Return several ids as a list, not validated: an invalid id becomes an error in its own WaitResult."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigurationError(f"task_ids must be an iterable of strings, not {type(value).__name__}")
    return [_hashable(item) for item in value]


def _hashable(item: Any) -> Any:
    return item if isinstance(item, Hashable) else ascii(item)[:MAX_TASK_ID]


def unique_ids(value: object) -> Iterable[Any]:
    """Return several ids without duplicates; an iterator is consumed on demand, without removing duplicates."""
    if isinstance(value, Iterator):
        return map(_hashable, value)
    pending = list(dict.fromkeys(id_list(value)))
    pending.reverse()
    # Popped, so that an id is not kept here as well as by the wait.
    return (pending.pop() for _ in range(len(pending)))


def mapping(name: str, value: object) -> Mapping[Any, Any]:
    """Validate a mapping; None counts as an empty one."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be a mapping such as a dict, not {type(value).__name__}")
    return value or {}


def headers(name: str, value: object) -> tuple[tuple[str, str], ...]:
    """Validate extra headers, and return them as pairs: tokens and visible ASCII text, none that the SDK sets."""
    pairs = []
    for field, content in mapping(name, value).items():
        if not isinstance(field, str) or not _HEADER_NAME.fullmatch(field):
            raise ConfigurationError(f"{name} has an invalid field name {ascii(field)[:80]}")
        if not isinstance(content, str) or not _HEADER_VALUE.fullmatch(content):
            raise ConfigurationError(f"{name}[{field!r}] must be a string of visible ASCII characters, spaces and tabs")
        if field.lower() in {"authorization", "host", "content-length", "transfer-encoding", "connection"}:
            raise ConfigurationError(f"{name} must not set {field}: the SDK sets it itself (pass the key as api_key)")
        pairs.append((field, content))
    return tuple(pairs)


def callback(name: str, value: object, *, is_awaited: bool) -> None:
    """Validate a callable or None; a coroutine function only if its result is awaited."""
    if value is None:
        return
    if not callable(value):
        raise ConfigurationError(f"{name} must be callable or None, not {type(value).__name__}")
    if not is_awaited and must_be_awaited(value):
        raise ConfigurationError(f"{name} must be a plain function: the synchronous client cannot await")


def must_be_awaited(function: Callable[..., object]) -> bool:
    """Whether the result of a function must be awaited: of a coroutine function, or an object with one."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def overwrite(value: object) -> bool | Literal["skip"]:
    """Validate the option that says what happens to an existing file."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value == "skip":
        return "skip"
    shown = ascii(value)[:80] if isinstance(value, str) else type(value).__name__
    raise ConfigurationError(f"overwrite must be True, False or 'skip', not {shown}")


def event_hooks(name: str, value: object) -> dict[Any, list[Any]]:
    """Validate httpx's event hooks: lists of functions for ``request`` and ``response``."""
    given = mapping(name, value)
    for event, hooks in given.items():
        if event not in {"request", "response"}:
            raise ConfigurationError(f"{name} may only have the keys 'request' and 'response', not {ascii(event)[:80]}")
        if not isinstance(hooks, list | tuple):
            raise ConfigurationError(f"{name}[{event!r}] must be a list of functions, not {type(hooks).__name__}")
        for hook in hooks:
            if not callable(hook):
                raise ConfigurationError(f"{name}[{event!r}] must contain functions only, not {type(hook).__name__}")
    return {event: list(hooks) for event, hooks in given.items()}
