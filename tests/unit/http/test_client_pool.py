"""Proxies from the environment, read as httpx reads them."""

from __future__ import annotations

import pytest

from kkiai_sdk._http.client_pool import environment_proxies


@pytest.mark.parametrize(
    ("variables", "proxies"),
    [
        ({}, {}),
        ({"http": "http://p:1"}, {"http://": "http://p:1"}),
        ({"https": "p:1"}, {"https://": "http://p:1"}),
        ({"all": "socks5://p:1"}, {"all://": "socks5://p:1"}),
        ({"ftp": "http://p:1", "http": ""}, {}),
    ],
    ids=["none", "http", "no scheme", "all", "others"],
)
def test_proxy_of_a_scheme_is_read(variables: dict[str, str], proxies: dict[str, str | None]) -> None:
    """The proxies for http, https and all schemes are read; one without a scheme is an HTTP proxy."""
    assert environment_proxies(variables) == proxies


@pytest.mark.parametrize(
    ("entry", "pattern"),
    [
        ("example.com", "all://*example.com"),
        (" .example.com ", "all://*.example.com"),
        ("localhost", "all://localhost"),
        ("LOCALHOST", "all://LOCALHOST"),
        ("10.0.0.1", "all://10.0.0.1"),
        ("10.0.0.0/8", "all://10.0.0.0/8"),
        ("::1", "all://[::1]"),
        ("http://a.example", "http://a.example"),
    ],
)
def test_exception_of_no_proxy_is_a_direct_connection(entry: str, pattern: str) -> None:
    """An entry of no_proxy is a pattern without a proxy: a domain with its subdomains, an address, or a URL."""
    variables = {"http": "http://p:1", "no": f"{entry},,"}
    assert environment_proxies(variables) == {"http://": "http://p:1", pattern: None}


def test_star_in_no_proxy_disables_all_proxies() -> None:
    """An entry ``*`` makes every connection direct."""
    assert environment_proxies({"all": "http://p:1", "no": "a.example, *"}) == {}
