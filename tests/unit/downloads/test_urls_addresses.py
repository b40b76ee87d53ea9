"""Which addresses a file host may have: public ones, placeholders of a local proxy, those that the caller allows."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import UnsafeURLError
from kkiai_sdk._downloads.urls import check_addresses, check_url, private_address_reason, private_host_reason
from kkiai_sdk._validators import file_hosts
from tests.unit.support import FIXED, GATEWAY

ACCEPTED = [
    "8.8.8.8",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "64:ff9b::808:808",
    "198.18.0.0",
    "198.18.0.7",
    "198.19.255.255",
    "::ffff:198.18.0.7",
    "64:ff9b::198.18.0.7",
]
REASONS = {
    "10.0.0.1": "reserved (private use)",
    "127.0.0.1": "reserved (loopback)",
    "169.254.169.254": "reserved (link-local, including cloud metadata)",
    "198.17.255.255": None,
    "198.20.0.0": None,
    "::1": "reserved (loopback)",
    "fd00::1": "reserved (unique local)",
    "fe80::1%eth0": "reserved (link-local)",
    "ff02::1": "reserved (multicast)",
    "100::1": "outside 2000::/3, the public part of IPv6",
    "::ffff:10.0.0.1": "10.0.0.1 in IPv6: reserved (private use)",
    "64:ff9b::10.0.0.1": "10.0.0.1 in IPv6: reserved (private use)",
    "64:ff9b::7f00:1": "127.0.0.1 in IPv6: reserved (loopback)",
    "64:ff9b::a9fe:a9fe": "169.254.169.254 in IPv6: reserved (link-local, including cloud metadata)",
    "64:ff9b:0:0:0:1:808:808": "outside 2000::/3, the public part of IPv6",
    "64:ff9b:1::808:808": "reserved (local-use NAT64, whose embedded IPv4 address cannot be located)",
    "2002:808:808::1": "reserved (6to4, deprecated)",
    "2002:a00:1::1": "reserved (6to4, deprecated)",
    "2001:0:808:808::f7f7:f7f7": "reserved (Teredo, deprecated)",
    "2001:2::1": "reserved (protocol assignments: benchmarks, ORCHID)",
}


@pytest.mark.fault("S-17")
@pytest.mark.parametrize("address", ACCEPTED)
def test_public_and_placeholder_addresses_of_a_name_are_accepted(address: str) -> None:
    """A name may resolve to a public address, also behind NAT64, and to one with which a local proxy stands in."""
    check_addresses("cdn.example", [address], GATEWAY)


@pytest.mark.fault("S-17")
@pytest.mark.parametrize("address", [address for address, reason in REASONS.items() if reason])
def test_inward_address_of_a_name_is_refused_with_its_reason(address: str) -> None:
    """The error names the host, the address, why it is refused, and the option, but not for a link-local one."""
    with pytest.raises(UnsafeURLError) as caught:
        check_addresses("cdn.example", ["198.18.0.1", "8.8.8.8", address], GATEWAY)
    advice = "" if "link-local" in str(REASONS[address]) else "; pass allow_file_hosts=['cdn.example'] to allow it"
    assert str(caught.value) == (
        f"nothing was fetched from 'cdn.example': it resolves to {address}, in private address space: "
        f"{REASONS[address]}{advice}"
    )


@pytest.mark.parametrize("address", REASONS)
def test_reason_of_an_address(address: str) -> None:
    """Each reserved address has the reason of the registry, and a neighbour of a reserved network has none."""
    assert private_address_reason(ipaddress.ip_address(address)) == REASONS[address]


@pytest.mark.fault("S-17")
@given(st.ip_addresses(v=4))
@FIXED
def test_nat64_address_is_judged_by_its_ipv4_address(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address behind the well-known prefix of NAT64 is as private as it is alone."""
    behind = ipaddress.IPv6Address(f"64:ff9b::{address}")
    assert (private_address_reason(behind) is None) is (private_address_reason(address) is None)


@pytest.mark.fault("S-17")
@pytest.mark.parametrize("host", ["198.18.0.1", "198.19.255.255", "64:ff9b::198.18.0.1", "::ffff:198.18.0.1"])
def test_placeholder_address_in_a_url_is_refused(host: str) -> None:
    """An address of 198.18.0.0/15 stands in for a name only: in a URL it is refused, when vetted and when connected."""
    with pytest.raises(UnsafeURLError, match=r"reserved \(benchmarks\); pass allow_file_hosts=\['"):
        check_url(f"https://[{host}]/a" if ":" in host else f"https://{host}/a", GATEWAY)
    with pytest.raises(UnsafeURLError, match=r"reserved \(benchmarks\)"):
        check_addresses(host, [host], GATEWAY)


MESSAGES = {
    "10.0.0.1": "10.0.0.1 is reserved (private use); pass allow_file_hosts=['10.0.0.1'] to allow it",
    "LOCALHOST.": "localhost. is a local network name; pass allow_file_hosts=['localhost'] to allow it",
    "minio.internal": "minio.internal is a local network name; pass allow_file_hosts=['minio.internal'] to allow it",
    "[::1]": "::1 is reserved (loopback); pass allow_file_hosts=['::1'] to allow it",
    "[fe80::1%eth0]": "fe80::1%eth0 is reserved (link-local)",
    "169.254.169.254": "169.254.169.254 is reserved (link-local, including cloud metadata)",
    "169.254.170.2": "169.254.170.2 is reserved (link-local, including cloud metadata)",
    "[fd00:ec2::254]": "fd00:ec2::254 is reserved (unique local)",
    "100.100.100.200": "100.100.100.200 is reserved (shared address space for carrier-grade NAT)",
    "Metadata.google.internal.": "metadata.google.internal. is a local network name",
    "[::ffff:a9fe:a9fe]": "::ffff:a9fe:a9fe is 169.254.169.254 in IPv6: reserved (link-local, including cloud "
    "metadata)",
    "[fd00:ec3::254]": "fd00:ec3::254 is reserved (unique local); pass allow_file_hosts=['fd00:ec3::254'] to allow it",
    "127.1": "127.1 is a number, which resolvers may read as an address",
}


@pytest.mark.fault("S-17")
@pytest.mark.parametrize("host", MESSAGES)
def test_inward_url_is_refused_with_its_reason(host: str) -> None:
    """The error names the host, why it is refused, and the option that allows it, but not for metadata services."""
    with pytest.raises(UnsafeURLError) as caught:
        check_url(f"https://{host}/a", GATEWAY)
    assert str(caught.value).endswith(f": it points into private address space: {MESSAGES[host]}")


@pytest.mark.fault("S-18")
@pytest.mark.parametrize("host", [host for host, message in MESSAGES.items() if "to allow it" in message])
def test_entry_that_a_message_names_permits_the_url(host: str) -> None:
    """The option as the message writes it permits the URL, without the key."""
    entry = MESSAGES[host].split("['")[1].split("']")[0]
    allowed = file_hosts("allow_file_hosts", [entry])
    assert not check_url(f"https://{host}/a", GATEWAY, allowed=allowed).with_key


#: The entry, a host, one of its addresses, and whether it is permitted.
CONNECTIONS = [
    ("minio.internal", "minio.internal", "10.0.0.1", True),
    ("MinIO.internal.", "MINIO.internal.", "10.0.0.1", True),
    ("minio.internal", "a.minio.internal", "10.0.0.1", False),
    ("minio.internal", "xminio.internal", "10.0.0.1", False),
    ("*.corp.example", "a.b.corp.example", "10.0.0.1", True),
    ("*.corp.example", "corp.example", "10.0.0.1", False),
    ("*.corp.example", "xcorp.example", "10.0.0.1", False),
    ("10.0.0.0/8", "cdn.example", "10.255.255.255", True),
    ("10.0.0.0/8", "cdn.example", "::ffff:10.0.0.1", True),
    ("10.0.0.0/8", "cdn.example", "64:ff9b::10.0.0.1", True),
    ("10.0.0.0/8", "cdn.example", "192.168.0.1", False),
    ("10.0.0.0/8", "cdn.example", "fd00::1", False),
    ("10.0.0.1", "cdn.example", "10.0.0.1", True),
    ("10.0.0.1", "cdn.example", "10.0.0.2", False),
    ("64:ff9b::/96", "cdn.example", "64:ff9b::10.0.0.1", True),
    ("64:ff9b:1::/48", "cdn.example", "64:ff9b:1::10.0.0.1", True),
    ("fd00::/8", "cdn.example", "fd12::1", True),
    ("198.18.0.0/15", "198.18.0.1", "198.18.0.1", True),
]


@pytest.mark.fault("S-18")
@pytest.mark.parametrize(("entry", "host", "address", "permitted"), CONNECTIONS)
def test_allowed_hosts_and_networks(entry: str, host: str, address: str, permitted: bool) -> None:  # noqa: FBT001
    """An entry permits the host that it names, subdomains or a network, and nothing alongside it."""
    allowed = file_hosts("allow_file_hosts", ["other.internal", entry])
    if permitted:
        check_addresses(host, [address], GATEWAY, allowed)
    else:
        with pytest.raises(UnsafeURLError):
            check_addresses(host, [address], GATEWAY, allowed)


@pytest.mark.fault("S-18")
def test_one_address_outside_of_the_allowed_network_is_enough() -> None:
    """A host is refused if one of its addresses is private and not allowed, whatever the others are."""
    with pytest.raises(UnsafeURLError, match=r"resolves to 192\.168\.0\.1"):
        check_addresses("cdn.example", ["10.0.0.1", "192.168.0.1"], GATEWAY, ["10.0.0.0/8"])


@pytest.mark.fault("S-18")
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "https://u:p@10.0.0.1/a", "https://10.0.0.1:22/a", "https://127.1/a", "http://cdn/a"]
)
def test_other_rules_hold_for_allowed_hosts(url: str) -> None:
    """An allowed network permits no other scheme, credential, port, spelling or local name."""
    with pytest.raises(UnsafeURLError):
        check_url(url, GATEWAY, allowed=["0.0.0.0/0", "::/0"])


@pytest.mark.fault("S-18")
def test_redirect_from_https_to_an_allowed_host_by_http_is_refused() -> None:
    """An allowed host is no exception to the rule about redirects from https to http."""
    with pytest.raises(UnsafeURLError, match="redirect from https to http"):
        check_url("http://10.0.0.1/a", GATEWAY, came_from="https://cdn.example/a", allowed=["10.0.0.0/8"])


@pytest.mark.parametrize("host", ["cdn.example", "8.8.8.8", "x.1a", "1::2::3", "64:ff9b::8.8.8.8"])
def test_public_host_has_no_reason(host: str) -> None:
    """A host that is public by its name or address has no reason to be refused."""
    assert private_host_reason(host) is None
