"""Cookies of one download, which some file hosts set in redirects and require for the file."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import Request

from kkiai_sdk._downloads.urls import DEFAULT_PORTS

if TYPE_CHECKING:
    from kkiai_sdk._responses.raw_response import RawResponse

#: Maximum characters of a Cookie header; servers refuse longer ones.
MAX_COOKIES = 8192


class Cookies:
    """The cookies of one download: sent to the site that set them, and discarded with the download.

    Unlike in a browser, the port is part of the site, because servers of different owners may share a host.
    """

    def __init__(self) -> None:
        self._jars: dict[int, CookieJar] = {}

    def store(self, url: str, response: RawResponse) -> None:
        """Store the cookies that a response to ``url`` sets."""
        fields = _Fields()
        for name, value in response.headers:
            if name == "set-cookie" and value.isascii() and value.isprintable():
                fields[name] = value
        if fields:
            self._jar(url).extract_cookies(cast("Any", fields), Request(url))  # noqa: S310 (not opened)

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers with which cookies are sent to ``url``."""
        request = Request(url)  # noqa: S310 (not opened)
        self._jar(url).add_cookie_header(request)
        text = request.get_header("Cookie") or ""
        return {"Cookie": text} if 0 < len(text) <= MAX_COOKIES else {}

    def _jar(self, url: str) -> CookieJar:
        port = urlsplit(url).port or 0
        # strict_domain: no cookie for a whole suffix such as .co.uk.
        policy = DefaultCookiePolicy(strict_domain=True)
        return self._jars.setdefault(0 if port in DEFAULT_PORTS.values() else port, CookieJar(policy))


class _Fields(Message):
    """Header fields as the response of urllib that a CookieJar reads."""

    def info(self) -> Message:
        return self
