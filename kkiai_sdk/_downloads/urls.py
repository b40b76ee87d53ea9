"""Validates server-supplied URLs (SSRF) and decides whether the key is sent.

The key is sent to the gateway's own origin only. A URL must be http(s), without credentials, and must not point into
private address space unless it has the gateway's host.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from attrs import frozen

from kkiai_sdk import _redaction, _validators
from kkiai_sdk.errors import UnsafeURLError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}

#: Addresses that are not on the public internet, from the special-purpose address registries of IANA (RFC 6890 and its
#: updates). Not Python's ``is_global``, which differs between patch releases and includes multicast.
_IPV4_REFUSED = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space of providers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link local, and metadata of cloud machines"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relays, deprecated"),
    ("192.168.0.0/16", "private use"),
    ("198.18.0.0/15", "benchmarks"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, and broadcast"),
)
#: The only public part of IPv6 so far. Outside of it are loopback, unique local, link local, site local, multicast,
#: discard-only, segment routing, and NAT64 and other forms that hold an IPv4 address.
_IPV6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_IPV6_REFUSED = (
    ("2001::/23", "protocol assignments: Teredo, benchmarks, ORCHID"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4, which holds an IPv4 address"),
    ("3fff::/20", "documentation"),
)
_REFUSED_NETWORKS = tuple(ipaddress.ip_network(network) for network, _ in _IPV4_REFUSED + _IPV6_REFUSED)
_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".home.arpa", ".lan")


@frozen
class AllowedURL:
    """A URL that may be fetched."""

    url: str
    #: Whether to send the key: the URL has the gateway's origin.
    with_key: bool


def check_url(url: str, base_url: str, *, came_from: str | None = None) -> AllowedURL:
    """Return a URL that may be fetched. Raises UnsafeURLError.

    ``came_from`` is the URL that redirected to this one.
    """
    try:
        parts, gateway = urlsplit(url), urlsplit(base_url)
        problem = _problem(url, parts, gateway, came_from)
    except ValueError:
        problem = "is not a valid URL"
    if problem:
        display_url = _redaction.display_url(url)
        raise UnsafeURLError(f"the video URL {display_url!r} was not fetched: it {problem}", url=display_url)
    return AllowedURL(url, with_key=origin(parts) == origin(gateway))


def _problem(url: str, parts: SplitResult, gateway: SplitResult, came_from: str | None) -> str | None:
    host = parts.hostname or ""
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    is_other_host = host != gateway.hostname
    downgraded = urlsplit(came_from or "").scheme == "https" and parts.scheme == "http"
    problems = (
        (any(char <= " " or char in "\\\x7f" for char in url), "holds spaces, control characters or backslashes"),
        (parts.scheme not in DEFAULT_PORTS, "is neither https nor http"),
        (not _validators.is_host(host), "names no host in plain ASCII"),
        (parts.username is not None or parts.password is not None, "holds a user name or password"),
        (downgraded, "is a redirect from https to http"),
        (is_other_host and port < 1024 and port not in DEFAULT_PORTS.values(), f"asks for port {port}"),
        (is_other_host and is_private_host(host), "points into private address space"),
    )
    return next((text for applies, text in problems if applies), None)


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Return the origin of a URL: scheme, host and port."""
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def is_private_host(host: str) -> bool:
    """Whether a host is not on the public internet, as far as its name tells without resolving it."""
    name = host.rstrip(".").lower()
    if name.endswith(_PRIVATE_NAMES) or ("." not in name and ":" not in name):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        # Some resolvers take 127.1, 0x7f.1 and 0177.0.0.1 for addresses; no public name ends in a number.
        return bool(re.fullmatch(r"(?:\d+|0x[0-9a-f]*)", name.rsplit(".", 1)[-1]))
    return is_private_address(address)


def is_private_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is not on the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_private_address(address.ipv4_mapped)
        if address not in _IPV6_PUBLIC:
            return True
    return any(address in network for network in _REFUSED_NETWORKS)


def check_addresses(host: str, addresses: Iterable[str], base_url: str) -> None:
    """Raise UnsafeURLError if any address of a file host is not on the public internet.

    All addresses are checked, because any of them may be connected to. The gateway's own host may have any address.
    """
    if host == urlsplit(base_url).hostname:
        return
    private = next((text for text in addresses if is_private_address(ipaddress.ip_address(text))), None)
    if private is not None:
        name = _redaction.message(host, 200)
        raise UnsafeURLError(f"nothing was fetched from {name!r}: it resolves to {private}, in private address space")
