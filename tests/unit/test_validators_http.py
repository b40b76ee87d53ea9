"""Validation of base URLs and header fields: the normal form, or a ConfigurationError without secrets."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType

import pytest

from kkiai_sdk import ConfigurationError, _validators


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://www.kkiai.com", "https://www.kkiai.com"),
        (" https://www.kkiai.com/ ", "https://www.kkiai.com"),
        ("https://www.kkiai.com/v1", "https://www.kkiai.com"),
        ("https://www.kkiai.com/v1/", "https://www.kkiai.com"),
        ("https://www.kkiai.com//", "https://www.kkiai.com"),
        ("https://gateway.example:8443/proxy/v1", "https://gateway.example:8443/proxy"),
        ("https://gateway.example//v1", "https://gateway.example"),
        ("https://gateway.example/X/v1/", "https://gateway.example/X"),
        ("https://gateway.example/X/", "https://gateway.example/X"),
        ("https://gateway.example./", "https://gateway.example."),
        (f"https://{'a.' * 125}bcd", f"https://{'a.' * 125}bcd"),
        ("https://gateway.example/apiv1", "https://gateway.example/apiv1"),
        ("HTTPS://gateway.example", "HTTPS://gateway.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://gateway.localhost", "http://gateway.localhost"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://[::1]:9", "http://[::1]:9"),
    ],
)
def test_base_url_is_normalized(value: str, url: str) -> None:
    """A base URL loses trailing slashes and a version that the endpoint's path has already."""
    assert _validators.base_url(value) == url


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "must be a URL such as"),
        ("  ", "must be a URL such as"),
        (None, "must be a URL such as"),
        (b"https://x.example", "must be a URL such as"),
        ("www.kkiai.com", "must start with https://"),
        ("ftp://x.example", "must start with https://"),
        ("//x.example", "must start with https://"),
        ("file:///etc/passwd", "must start with https://"),
        ("https://", "must contain a host"),
        ("https:///v1", "must contain a host"),
        ("https://:443", "must contain a host in ASCII, as in 'https://www.kkiai.com'"),
        (f"https://{'a.' * 126}bc", "must contain a host"),
        ("https://.x.example", "must contain a host"),
        ("https://x..example", "must contain a host"),
        ("https://x.example:99999", "is not a valid URL"),
        ("https://x.example:port", "is not a valid URL"),
        ("https://[::1", "is not a valid URL"),
        ("https://x.example:0", "must not have port 0"),
        ("https://x.exa mple", "must not contain spaces"),
        ("https://x.example\\@y.example", "must not contain spaces"),
        ("https://x.exam\nple", "must not contain spaces"),
        ("https://x.example/\0", "must not contain spaces"),
        ("http://x.example", "must be https:// unless"),
        ("http://localhost.evil.example", "must be https:// unless"),
        ("http://127.0.0.1.evil.example", "must be https:// unless"),
        ("http://10.0.0.1", "must be https:// unless"),
        ("https://Canary:Canary@x.example", "must not contain a user name or password"),
        ("https://Canary@x.example", "must not contain a user name or password"),
        ("https://@x.example", "must not contain a user name or password"),
        ("https://x.example?key=Canary", "must not contain a query or a fragment"),
        ("https://x.example#Canary", "must not contain a query or a fragment"),
        ("https://x.example/?", "must not contain a query or a fragment"),
        ("https://x.example/#", "must not contain a query or a fragment"),
    ],
)
def test_invalid_base_url_is_rejected_without_showing_it(value: object, told: str) -> None:
    """A base URL that is invalid, or would send the key unencrypted, is rejected without being shown."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.base_url(value)
    assert str(caught.value).startswith(f"base_url {told}")
    assert "Canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_allow_http_accepts_any_host() -> None:
    """With `allow_http` any host may be queried over http."""
    assert _validators.base_url("http://10.0.0.1:3000/v1/", allow_http=True) == "http://10.0.0.1:3000"


@pytest.mark.parametrize(
    "value",
    [{"X-Forwarded-Host": "localhost:5173", "x_y~": "a\tb c"}, MappingProxyType({"A": ""}), UserDict({"A": "b"})],
)
def test_headers_of_any_mapping_become_pairs(value: dict[str, str]) -> None:
    """Header fields are returned as pairs, in order, from any mapping."""
    assert _validators.headers("extra_headers", value) == tuple(value.items())


def test_none_or_empty_mapping_is_no_headers() -> None:
    """None and an empty mapping are no header fields."""
    assert _validators.headers("extra_headers", None) == _validators.headers("extra_headers", {}) == ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([("A", "b")], "must be a mapping such as a dict, not list"),
        ("A: b", "must be a mapping such as a dict, not str"),
        ({"": "b"}, "has an invalid field name ''"),
        ({"A b": "c"}, "has an invalid field name 'A b'"),
        ({"A\r\nB": "c"}, r"has an invalid field name 'A\r\nB'"),
        ({"Å": "c"}, r"has an invalid field name '\xc5'"),
        ({"A" * 100 + " ": "c"}, f"has an invalid field name '{'A' * 79}"),
        ({5: "c"}, "has an invalid field name 5"),
        ({"A": "Canary\r\nB: c"}, "['A'] must be a string of visible ASCII"),
        ({"A": "Canary\0"}, "['A'] must be a string of visible ASCII"),
        ({"A": "Canaryé"}, "['A'] must be a string of visible ASCII"),
        ({"A": b"Canary"}, "['A'] must be a string of visible ASCII"),
        ({"A": None}, "['A'] must be a string of visible ASCII"),
        ({"Authorization": "Bearer Canary"}, "must not set Authorization"),
        ({"HOST": "x"}, "must not set HOST"),
        ({"content-length": "5"}, "must not set content-length"),
        ({"Transfer-Encoding": "chunked"}, "must not set Transfer-Encoding"),
        ({"Connection": "close"}, "must not set Connection"),
    ],
)
@pytest.mark.fault("S-03")
def test_invalid_header_is_rejected_without_its_value(value: object, told: str) -> None:
    """A field that cannot be sent or is reserved is rejected; its value is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.headers("extra_headers", value)
    assert f"extra_headers{' ' * (told[0] != '[')}{told}" in str(caught.value)
    assert len(str(caught.value)) < 125
    assert "Canary" not in str(caught.value)


def test_long_field_name_is_truncated() -> None:
    """Of a field name no more than 80 characters are shown."""
    with pytest.raises(ConfigurationError, match=f"^extra_headers has an invalid field name '{'A' * 79}$"):
        _validators.headers("extra_headers", {"A" * 100 + " ": "c"})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"x" * 100: []}, f"may only have the keys 'request' and 'response', not '{'x' * 79}"),
        ({"request": print}, "['request'] must be a list of functions, not builtin_function_or_method"),
        ({"response": [print, 5]}, "['response'] must contain functions only, not int"),
    ],
    ids=["event", "function", "number"],
)
def test_invalid_event_hooks_are_rejected(value: object, told: str) -> None:
    """Event hooks that are not lists of functions for known events are rejected, with the reason."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.event_hooks("event_hooks", value)
    assert str(caught.value) == f"event_hooks{' ' * (told[0] != '[')}{told}"


def test_valid_event_hooks_are_copied_as_lists() -> None:
    """Event hooks are returned as new lists."""
    assert _validators.event_hooks("event_hooks", {"request": (print,)}) == {"request": [print]}
