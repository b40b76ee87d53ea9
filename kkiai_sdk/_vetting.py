"""Which URL may be fetched at a server's word, and whether the key may go there.

The key goes to the gateway's own origin and nowhere else. A URL must be http(s), without credentials, and must not
point into private address space unless it shares the gateway's host.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from attrs import frozen

from kkiai_sdk import _checks, _text
from kkiai_sdk.errors import UnsafeURLError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Redirects that are followed, by downloads and by queries.
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}

#: Networks beyond what Python's ``is_global`` refuses; that property changes between patch releases and lets
#: multicast, site-local addresses and the IPv6 forms of private IPv4 addresses through.
_IPV4_REFUSED = ("224.0.0.0/4", "192.0.0.0/24", "100.64.0.0/10")
_IPV6_REFUSED = ("ff00::/8", "fec0::/10", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
_REFUSED_NETWORKS = tuple(map(ipaddress.ip_network, _IPV4_REFUSED + _IPV6_REFUSED))
_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".home.arpa", ".lan")


@frozen
class Source:
    """A URL that may be fetched."""

    url: str
    #: Whether it is on the gateway's own origin and gets the key.
    with_key: bool


def vet(url: str, base_url: str, *, came_from: str | None = None) -> Source:
    """The URL as something to fetch. Raises UnsafeURLError; ``came_from`` is the URL that redirected here."""
    try:
        parts, gateway = urlsplit(url), urlsplit(base_url)
        problem = _problem(url, parts, gateway, came_from)
    except ValueError:
        problem = "is not a valid URL"
    if problem:
        raise UnsafeURLError(f"the video URL {shown(url)!r} was not fetched: it {problem}", url=shown(url))
    return Source(url, with_key=origin(parts) == origin(gateway))


def _problem(url: str, parts: SplitResult, gateway: SplitResult, came_from: str | None) -> str | None:
    host = parts.hostname or ""
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    elsewhere = host != gateway.hostname
    downgraded = urlsplit(came_from or "").scheme == "https" and parts.scheme == "http"
    problems = (
        (any(char <= " " or char in "\\\x7f" for char in url), "holds spaces, control characters or backslashes"),
        (parts.scheme not in DEFAULT_PORTS, "is neither https nor http"),
        (not _checks.is_host(host), "names no host in plain ASCII"),
        (parts.username is not None or parts.password is not None, "holds a user name or password"),
        (downgraded, "is a redirect from https to http"),
        (elsewhere and port < 1024 and port not in DEFAULT_PORTS.values(), f"asks for port {port}"),
        (elsewhere and is_private_host(host), "points into private address space"),
    )
    return next((text for applies, text in problems if applies), None)


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what decides whether the key may be sent."""
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def same_origin(url: str, other: str) -> bool:
    """Whether two URLs have one origin. Raises ValueError for what is no URL."""
    return origin(urlsplit(url)) == origin(urlsplit(other))


def is_private_host(host: str) -> bool:
    """Whether a host, by its spelling alone, is not on the public internet."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(_PRIVATE_NAMES) or ("." not in name and ":" not in name):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        # 127.1, 0x7f.1 and 0177.0.0.1 are addresses to some resolvers: no public name ends in a number.
        return bool(re.fullmatch(r"(?:\d+|0x[0-9a-f]*)", name.rsplit(".", 1)[-1]))
    return is_private_address(address)


def is_private_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address must not be fetched from at a server's word."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_private_address(mapped)
    refused = any(address.version == network.version and address in network for network in _REFUSED_NETWORKS)
    return refused or not address.is_global


def vet_addresses(host: str, addresses: Iterable[str], base_url: str) -> None:
    """Raises UnsafeURLError if any address of a file's host is not on the public internet: which one of several a
    connection would go to is not for the server to choose. The gateway's own host may be anywhere.
    """
    if host == urlsplit(base_url).hostname:
        return
    inside = next((text for text in addresses if is_private_address(ipaddress.ip_address(text))), None)
    if inside is not None:
        place = _text.message(host, 200)
        raise UnsafeURLError(f"nothing was fetched from {place!r}: it resolves to {inside}, in private address space")


def shown(url: str) -> str:
    """A URL as it may stand in a message: without its query, which is often a signature."""
    return _text.message(_text.without_query(url), 200)
