"""Validates server-supplied URLs (SSRF) and decides whether the key is sent.

The key is sent to the gateway's own origin only. A URL must be http(s), without credentials, and must not point into
private address space unless it has the gateway's host or a host that the option ``allow_file_hosts`` permits.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import SplitResult, urlsplit

from kkiai_sdk import _redaction, _validators
from kkiai_sdk._effects import AllowedURL
from kkiai_sdk.errors import UnsafeURLError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}

#: Addresses that are not on the public internet, from the special-purpose address registries of IANA (RFC 6890 and its
#: updates). Not Python's ``is_global``, which differs between patch releases and includes multicast.
_IPV4_REFUSED = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space for carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local, including cloud metadata"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relays, deprecated"),
    ("192.168.0.0/16", "private use"),
    ("198.18.0.0/15", "benchmarks"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, including broadcast"),
)
#: The only public part of IPv6 so far. Site-local, discard-only and segment-routing addresses, among others, are
#: outside it.
_IPV6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_IPV6_REFUSED = (
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "local-use NAT64, whose embedded IPv4 address cannot be located"),
    ("2001::/32", "Teredo, deprecated"),
    ("2001::/23", "protocol assignments: benchmarks, ORCHID"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4, deprecated"),
    ("3fff::/20", "documentation"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
)
_REFUSED_NETWORKS = tuple((ipaddress.ip_network(network), use) for network, use in _IPV4_REFUSED + _IPV6_REFUSED)
#: RFC 6052: the last 32 bits are the IPv4 address that a translator connects to.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Proxies that intercept all traffic of a machine answer DNS queries with addresses of this network, as placeholders.
_PLACEHOLDERS = ipaddress.IPv4Network("198.18.0.0/15")
#: Link-local addresses and those of metadata services, which give the credentials of a cloud machine to anyone who
#: asks. Messages do not mention the option that would permit them.
_UNADVISED = tuple(
    ipaddress.ip_network(each)
    for each in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128", "100.100.100.200/32")
)
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"})
_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".home.arpa", ".lan")
#: Some resolvers take 127.1, 0x7f.1 and 0177.0.0.1 for addresses; no public name ends in a number.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


def check_url(url: str, base_url: str, *, came_from: str | None = None, allowed: Sequence[str] = ()) -> AllowedURL:
    """Return a URL that may be fetched. Raises UnsafeURLError.

    ``came_from`` is the URL that redirected to this one; ``allowed`` is the validated option ``allow_file_hosts``.
    """
    try:
        parts, gateway = urlsplit(url), urlsplit(base_url)
        problem = _problem(url, parts, gateway, came_from) or _host_problem(parts, gateway, allowed)
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
        (any(char <= " " or char in "\\\x7f" for char in url), "contains spaces, control characters or backslashes"),
        (parts.scheme not in DEFAULT_PORTS, "is neither https nor http"),
        (not _validators.is_host(host), "has no host in ASCII"),
        (parts.username is not None or parts.password is not None, "contains a user name or password"),
        (downgraded, "is a redirect from https to http"),
        (is_other_host and port < 1024 and port not in DEFAULT_PORTS.values(), f"uses port {port}"),
    )
    return next((text for applies, text in problems if applies), None)


def _host_problem(parts: SplitResult, gateway: SplitResult, allowed: Sequence[str]) -> str | None:
    host = parts.hostname or ""
    reason = None if host == gateway.hostname else private_host_reason(host)
    if reason is None or _is_allowed(host, _literal(host), allowed):
        return None
    problem = f"points into private address space: {_redaction.message(host, 200)} is {reason}"
    return problem if _is_number(host) else problem + _advice(host, _literal(host))


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Return the origin of a URL: scheme, host and port."""
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def private_host_reason(host: str) -> str | None:
    """Return why a host is not on the public internet, as far as its name tells without resolving it, or None."""
    address, name = _literal(host), _normalized(host)
    if address is not None:
        return private_address_reason(address)
    if _is_number(host):
        return "a number, which resolvers may read as an address"
    if name.endswith(_PRIVATE_NAMES) or ("." not in name and ":" not in name):
        return "a local network name"
    return None


def private_address_reason(address: Address) -> str | None:
    """Return why an address is not on the public internet, or None. A mapped or NAT64 one is judged by its IPv4."""
    ipv4 = _embedded(address)
    if ipv4 != address:
        reason = private_address_reason(ipv4)
        return reason and f"{ipv4} in IPv6: {reason}"
    use = next((use for network, use in _REFUSED_NETWORKS if address in network), None)
    if use is None and address.version == 6 and address not in _IPV6_PUBLIC:
        return "outside 2000::/3, the public part of IPv6"
    return use and f"reserved ({use})"


def _embedded(address: Address) -> Address:
    """Return the IPv4 address that a mapped or NAT64 address stands for; any other address is returned unchanged."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address
    return address


def check_addresses(host: str, addresses: Iterable[str], base_url: str, allowed: Sequence[str] = ()) -> None:
    """Raise UnsafeURLError if any address of a file host is neither on the public internet nor allowed.

    All addresses are checked, because any of them may be connected to. The gateway's own host may have any address. An
    address of 198.18.0.0/15 to which a name resolves is accepted: a local proxy connects to the name in its place.
    """
    if host == urlsplit(base_url).hostname:
        return
    for text in addresses:
        address = ipaddress.ip_address(text)
        reason = private_address_reason(address)
        is_placeholder = _literal(host) is None and _embedded(address) in _PLACEHOLDERS
        if reason and not is_placeholder and not _is_allowed(host, address, allowed):
            name = _redaction.message(host, 200)
            problem = f"it resolves to {text}, in private address space: {reason}"
            raise UnsafeURLError(f"nothing was fetched from {name!r}: {problem}{_advice(host, address)}")


def _is_allowed(host: str, address: Address | None, allowed: Sequence[str]) -> bool:
    """Whether an entry permits the host, or a network of the entries holds the address or the one embedded in it."""
    name, found = _normalized(host), set() if address is None else {address, _embedded(address)}
    networks = [ipaddress.ip_network(entry) for entry in allowed if "/" in entry]
    return (
        name in allowed
        or any(entry.startswith("*.") and name.endswith(entry[1:]) for entry in allowed)
        or any(each in network for each in found for network in networks)
    )


def _literal(host: str) -> Address | None:
    """Return the address that a host is in standard notation, without the name of its network card, or None."""
    try:
        return ipaddress.ip_address(_normalized(host).split("%")[0])
    except ValueError:
        return None


def _is_number(host: str) -> bool:
    return _literal(host) is None and _NUMBER.fullmatch(_normalized(host).rsplit(".", 1)[-1]) is not None


def _normalized(host: str) -> str:
    return host.rstrip(".").lower()


def _advice(host: str, address: Address | None) -> str:
    """Return the advice to permit a host, except a metadata service."""
    found = () if address is None else (address, _embedded(address))
    if _normalized(host) in _METADATA_NAMES or any(each in network for each in found for network in _UNADVISED):
        return ""
    entry = _redaction.message(str(_literal(host) or _normalized(host)), 200)
    return f"; pass allow_file_hosts=[{entry!r}] to allow it"
