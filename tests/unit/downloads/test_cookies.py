"""Cookies that file hosts set on the way to a file."""

from __future__ import annotations

import pytest

from kkiai_sdk._downloads.cookies import MAX_COOKIES, Cookies
from kkiai_sdk._responses.raw_response import RawResponse

CDN = "https://files.cdn.example/a/v.mp4"


def jar(*values: str, url: str = CDN) -> Cookies:
    """The cookies after a response with these Set-Cookie headers."""
    cookies = Cookies()
    cookies.store(url, RawResponse(403, [("set-cookie", value) for value in values]))
    return cookies


@pytest.mark.fault("D-29")
@pytest.mark.parametrize(
    ("cookie", "url", "is_sent"),
    [
        ("a=1; Path=/", CDN, True),
        ("a=1", CDN, True),
        ("a=1; Path=/", "https://files.cdn.example/other", True),
        ("a=1; Path=/", "https://files.cdn.example:443/v", True),
        ("a=1; Path=/", "https://files.cdn.example:8443/v", False),
        ("a=1; Path=/a", "https://files.cdn.example/other", False),
        ("a=1; Path=/", "https://other.cdn.example/v", False),
        ("a=1; Path=/; Domain=cdn.example", "https://other.cdn.example/v", True),
        ("a=1; Path=/; Domain=cdn.example", "https://gateway.example/v", False),
        ("a=1; Path=/; Domain=gateway.example", "https://gateway.example/v", False),
        ("a=1; Path=/; Secure", "http://files.cdn.example/v", False),
        ("a=1; Path=/; Max-Age=0", CDN, False),
        ("a=\x01; Path=/", CDN, False),
        ("a=é; Path=/", CDN, False),
    ],
)
def test_cookie_goes_to_the_site_that_set_it(cookie: str, url: str, is_sent: bool) -> None:  # noqa: FBT001 (a column)
    """A cookie goes back to its own site, path and scheme, and to nobody else."""
    assert jar(cookie).headers(url) == ({"Cookie": "a=1"} if is_sent else {})


@pytest.mark.fault("D-29")
def test_cookies_of_a_suffix_are_not_kept() -> None:
    """No host sets a cookie for a whole suffix, such as .co.uk."""
    assert jar("a=1; Domain=co.uk", url="https://cdn.co.uk/v").headers("https://other.co.uk/v") == {}


def test_two_cookies_make_one_header_of_limited_length() -> None:
    """Cookies are sent together, unless they are longer than servers take."""
    assert jar("a=1", "b=2").headers(CDN) == {"Cookie": "a=1; b=2"}
    assert jar(f"a={'x' * MAX_COOKIES}").headers(CDN) == {}
