"""Validation of server-supplied URLs, and the decision whether the key is sent."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import UnsafeURLError
from kkiai_sdk._downloads.urls import (
    check_addresses,
    check_url,
    origin,
    private_address_reason,
    private_host_reason,
)
from kkiai_sdk._effects import AllowedURL
from tests.unit.support import FIXED, GATEWAY

LOCAL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/a%2Fb.mp4?sig=a%2Bb&e=1",
        "http://cdn.example/a.mp4",
        "HTTPS://CDN.EXAMPLE/a.mp4",
        "https://cdn.example:443/a",
        "https://cdn.example:8443/a",
        "https://cdn.example:1024/a",
        "http://cdn.example:443/a",
        "https://cdn.example./a",
        "https://xn--mnchen-3ya.example/a",
        "https://8.8.8.8/a",
        "https://[2606:4700:4700::1111]/a",
        "https://1password.com/a",
        "https://cdn.example/a#fragment",
    ],
)
def test_public_url_is_allowed_unchanged_without_the_key(url: str) -> None:
    """A public http(s) URL is allowed byte for byte, without the key."""
    assert check_url(url, GATEWAY) == AllowedURL(url, with_key=False)


REFUSED: dict[str, str] = {
    "file:///etc/passwd": "is neither https nor http",
    "data:video/mp4;base64,AAAA": "is neither https nor http",
    "ftp://cdn.example/a": "is neither https nor http",
    "javascript:alert(1)": "is neither https nor http",
    "//cdn.example/a": "is neither https nor http",
    "/a": "is neither https nor http",
    "": "is neither https nor http",
    "https:///a": "has no host in ASCII",
    "https://": "has no host in ASCII",
    "https://cdn.exämple/a": "has no host in ASCII",
    "https://\u0430pple.example/a": "has no host in ASCII",
    "https://user@cdn.example/a": "contains a user name or password",
    "https://user:pass@cdn.example/a": "contains a user name or password",
    "https://@cdn.example/a": "contains a user name or password",
    "https://:pass@cdn.example/a": "contains a user name or password",
    "https://gateway.example@cdn.example/a": "contains a user name or password",
    "https://cdn.example\\@gateway.example/a": "contains spaces, control characters or backslashes",
    "https://cdn.example/a b": "contains spaces, control characters or backslashes",
    "https://cdn.example/a\tb": "contains spaces, control characters or backslashes",
    "https://cdn.exa\nmple/a": "contains spaces, control characters or backslashes",
    "https://cdn.example/a\r\nX: y": "contains spaces, control characters or backslashes",
    "https://cdn.example/\0": "contains spaces, control characters or backslashes",
    "https://cdn.example/\x7f": "contains spaces, control characters or backslashes",
    "https://cdn.example:22/a": "uses port 22",
    "https://cdn.example:1023/a": "uses port 1023",
    "https://cdn.example:99999/a": "is not a valid URL",
    "https://cdn.example:x/a": "is not a valid URL",
    "https://[::1/a": "is not a valid URL",
}


@pytest.mark.fault("S-04")
@pytest.mark.parametrize("url", REFUSED, ids=ascii)
def test_unsafe_url_is_rejected(url: str) -> None:
    """A URL with another scheme, no host, credentials, hidden characters or an unusual port is rejected."""
    with pytest.raises(UnsafeURLError) as caught:
        check_url(url, GATEWAY)
    assert str(caught.value).endswith(f" was not fetched: it {REFUSED[url]}")
    assert str(caught.value).isprintable()


PRIVATE = {
    "names": "localhost LOCALHOST localhost. foo.localhost printer.local db.internal router.lan nas.home.arpa intranet",
    "loopback": "127.0.0.1 127.255.255.254 127.0.0.1. ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1",
    "odd spellings": "127.1 0 2130706433 0x7f.1 0x7f000001 0177.0.0.1 017700000001 1.2.3 127.0x1 10.0xaf",
    "private networks": "10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 100.127.255.254 ::ffff:10.0.0.1 fc00::1 fd00::1",
    "link and site": "169.254.169.254 fe80::1 fe80::1%eth0 fec0::1",
    "reserved": "0.0.0.0 :: 192.0.0.8 192.0.0.171 192.0.2.1 198.18.0.1 203.0.113.5 240.0.0.1 100::1 2001:db8::1",
    "multicast": "224.0.0.1 239.255.255.250 255.255.255.255 ff02::1",
    "translated": "64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:7f00:1:: 2001::1 64:ff9b:2::1",
}
PUBLIC = {
    "names": "cdn.example a.b.cdn.example local.example localhost.example 127.0.0.1.example x.1a 0x7f.example",
    "endings": "printer.localX",
    "addresses": "8.8.8.8 1.1.1.1 2606:4700:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8",
}


def hosts(table: dict[str, str]) -> list[str]:
    """All hosts of a table."""
    return " ".join(table.values()).split()


@pytest.mark.fault("S-05")
@pytest.mark.parametrize("host", hosts(PRIVATE))
def test_private_host_is_rejected_in_every_spelling(host: str) -> None:
    """Every spelling of an address inside a private network is recognized and rejected."""
    assert private_host_reason(host)
    with pytest.raises(UnsafeURLError, match=r": it points into private address space: "):
        check_url(f"https://[{host}]/a" if ":" in host else f"https://{host}/a", GATEWAY)


@pytest.mark.parametrize("host", hosts(PUBLIC))
def test_public_host_is_not_private(host: str) -> None:
    """A public name or address is not classified as private."""
    assert not private_host_reason(host)


def test_zone_or_malformed_address_is_classified() -> None:
    """An IPv6 address with an empty zone is private if it is without; a malformed address is not private."""
    assert private_host_reason("fe80::1%")
    assert not private_host_reason("1::2::3")


#: The networks of the two registries that are not for the public, each with the addresses just before and after it.
REGISTRIES = {
    "0.0.0.0/8": ("", "1.0.0.0"),
    "10.0.0.0/8": ("9.255.255.255", "11.0.0.0"),
    "100.64.0.0/10": ("100.63.255.255", "100.128.0.0"),
    "127.0.0.0/8": ("126.255.255.255", "128.0.0.0"),
    "169.254.0.0/16": ("169.253.255.255", "169.255.0.0"),
    "172.16.0.0/12": ("172.15.255.255", "172.32.0.0"),
    "192.0.0.0/24": ("191.255.255.255", "192.0.1.0"),
    "192.0.2.0/24": ("192.0.1.255", "192.0.3.0"),
    "192.88.99.0/24": ("192.88.98.255", "192.88.100.0"),
    "192.168.0.0/16": ("192.167.255.255", "192.169.0.0"),
    "198.18.0.0/15": ("198.17.255.255", "198.20.0.0"),
    "198.51.100.0/24": ("198.51.99.255", "198.51.101.0"),
    "203.0.113.0/24": ("203.0.112.255", "203.0.114.0"),
    "224.0.0.0/4": ("223.255.255.255", ""),
    "240.0.0.0/4": ("", ""),
    "::/128": ("", ""),
    "::1/128": ("", ""),
    "::/96": ("", ""),
    "64:ff9b::/96": ("", ""),
    "64:ff9b:1::/48": ("", ""),
    "100::/64": ("", ""),
    "100:0:0:1::/64": ("", ""),
    "2001::/23": ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
    "2001::/32": ("", ""),
    "2001:2::/48": ("", ""),
    "2001:10::/28": ("", ""),
    "2001:20::/28": ("", ""),
    "2001:db8::/32": ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"),
    "2002::/16": ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
    "3fff::/20": ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
    "5f00::/16": ("", ""),
    "fc00::/7": ("", ""),
    "fe80::/10": ("", ""),
    "fec0::/10": ("", ""),
    "ff00::/8": ("", ""),
}


@pytest.mark.fault("S-07")
@pytest.mark.parametrize("network", REGISTRIES)
def test_special_network_is_rejected_from_first_to_last_address(network: str) -> None:
    """Each network of the registries is rejected from its first address to its last, and not one address more."""
    first, last = ipaddress.ip_network(network)[0], ipaddress.ip_network(network)[-1]
    assert private_address_reason(first)
    assert private_address_reason(last)
    assert not any(private_address_reason(ipaddress.ip_address(other)) for other in REGISTRIES[network] if other)


@pytest.mark.fault("S-06")
@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1", "2606:4700:4700::1111"], ["fe80::1%eth0"]]
)
def test_host_with_one_private_address_is_rejected(addresses: list[str]) -> None:
    """A host is rejected if any of its addresses is private, whatever its name."""
    with pytest.raises(UnsafeURLError, match=r"cdn\.example.*private address space"):
        check_addresses("cdn.example", addresses, GATEWAY)


@pytest.mark.fault("S-06")
def test_public_or_own_addresses_are_allowed() -> None:
    """A host with only public addresses is allowed, and so is the gateway's own at any address."""
    check_addresses("cdn.example", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"], GATEWAY)
    check_addresses("gateway.example", ["10.0.0.1", "::1"], GATEWAY)


@given(st.ip_addresses())
@FIXED
def test_address_that_python_calls_private_is_rejected(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Every address that Python calls private, reserved or multicast is rejected, mapped into IPv6 or not."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_private or mapped.is_multicast or mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified:
        assert private_address_reason(address)


@pytest.mark.fault("S-07")
@given(st.ip_addresses(v=4))
@FIXED
def test_mapped_ipv4_address_is_as_private_as_itself(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address mapped into IPv6 is classified like the IPv4 address."""
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert (private_address_reason(mapped) is None) is (private_address_reason(address) is None)


@pytest.mark.parametrize(
    ("url", "base_url", "with_key"),
    [
        (f"{GATEWAY}/v1/videos/x/content", GATEWAY, True),
        ("HTTPS://GATEWAY.EXAMPLE:443/x", GATEWAY, True),
        (f"{GATEWAY}/x", f"{GATEWAY}:443/proxy", True),
        (f"{GATEWAY}:8443/x", GATEWAY, False),
        (f"{GATEWAY}:22/x", GATEWAY, False),
        ("http://gateway.example/x", GATEWAY, False),
        ("https://gateway.example.evil.example/x", GATEWAY, False),
        ("https://sub.gateway.example/x", GATEWAY, False),
        ("https://gateway.example./x", GATEWAY, False),
        (f"{LOCAL}/x", LOCAL, True),
        ("http://127.0.0.1:9090/x", LOCAL, False),
        ("https://127.0.0.1/x", LOCAL, False),
    ],
)
def test_key_is_sent_to_the_origin_of_the_gateway_only(url: str, base_url: str, with_key: bool) -> None:  # noqa: FBT001 (a column of the table)
    """The key is sent only to the gateway's own scheme, host and port; that host may be private."""
    assert check_url(url, base_url) == AllowedURL(url, with_key=with_key)


@pytest.mark.fault("S-05")
def test_private_gateway_allows_no_other_private_host() -> None:
    """A gateway in a private network makes no other private host acceptable."""
    with pytest.raises(UnsafeURLError, match="private"):
        check_url("http://127.0.0.2:8080/x", LOCAL)
    with pytest.raises(UnsafeURLError, match="private"):
        check_url("http://localhost:8080/x", LOCAL)


@pytest.mark.fault("H-07")
@pytest.mark.parametrize("came_from", ["https://cdn.example/a", "HTTPS://cdn.example/a", "https://gateway.example/a"])
def test_redirect_from_https_to_http_is_rejected(came_from: str) -> None:
    """A redirect from https to http is rejected, in any case of letters."""
    with pytest.raises(UnsafeURLError, match=r": it is a redirect from https to http$"):
        check_url("http://cdn.example/b", GATEWAY, came_from=came_from)


@pytest.mark.parametrize(
    ("url", "came_from"), [("http://b.example/", "http://a.example/"), ("https://b.example/", "http://a.example/")]
)
def test_redirect_without_downgrade_is_allowed(url: str, came_from: str) -> None:
    """A redirect that keeps its scheme, or goes from http to https, is allowed."""
    assert check_url(url, GATEWAY, came_from=came_from).url == url


def test_error_shows_the_url_without_its_query() -> None:
    """The error about a URL shows it without its query, in the text and in the attribute."""
    with pytest.raises(UnsafeURLError) as caught:
        check_url("https://10.0.0.1/a?sig=Canary#Canary", GATEWAY)
    assert "Canary" not in f"{caught.value}{vars(caught.value)}"
    assert caught.value.url == "https://10.0.0.1/a"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example", "https://A.example:443/x?y", True),
        ("http://a.example:80", "http://a.example", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://b.example", False),
        ("https://a.example:8443", "https://a.example", False),
    ],
)
def test_origins_are_equal_with_default_ports(one: str, other: str, same: bool) -> None:  # noqa: FBT001 (a column of the table)
    """Two URLs have the same origin if scheme, host and port are equal, default ports included."""
    assert (origin(urlsplit(one)) == origin(urlsplit(other))) is same


@given(st.text(st.characters(), max_size=60) | st.text(max_size=30).map("https://{}".format))
@FIXED
def test_any_text_is_allowed_unchanged_or_rejected(url: str) -> None:
    """Any text is allowed unchanged, or rejected with UnsafeURLError."""
    with suppress(UnsafeURLError):
        assert check_url(url, GATEWAY).url == url


def test_long_url_is_truncated_in_the_error() -> None:
    """Of a URL, and of a host, no more than 200 characters are shown."""
    with pytest.raises(UnsafeURLError) as caught:
        check_url(f"ftp://cdn.example/{'x' * 500}", GATEWAY)
    assert caught.value.url == f"ftp://cdn.example/{'x' * 181}…"
    with pytest.raises(UnsafeURLError, match=f"^nothing was fetched from '{'x' * 199}…': it resolves to 10.0.0.1, "):
        check_addresses("x" * 500, ["10.0.0.1"], GATEWAY)


@pytest.mark.parametrize("user", ["joe", "joe:s3cret", "joe:s3@cret"])
def test_error_hides_the_credentials_of_the_url(user: str) -> None:
    """The error for a URL with credentials does not show them."""
    with pytest.raises(UnsafeURLError) as caught:
        check_url(f"https://{user}@cdn.example/v.mp4?x=1", "https://gateway.example")
    assert caught.value.url == "https://***@cdn.example/v.mp4"
    assert user not in str(caught.value)
