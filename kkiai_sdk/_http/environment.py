"""Proxies and certificates from the environment or the caller.

If one cannot be used, an error that names the variable or option is raised when a client is created, not by its first
request. Messages never show the URL of a proxy, because it may contain a password.
"""

from __future__ import annotations

import os
import ssl
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import httpx

from kkiai_sdk import _redaction, _validators
from kkiai_sdk._http.exceptions import FD_LIMIT_ERRNOS
from kkiai_sdk._log import log
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def proxies_by_pattern() -> dict[str, httpx.Proxy | None]:
    """Return proxies by URL pattern, as httpx reads them from the environment; None stands for a direct connection.

    Entries of NO_PROXY that httpx cannot parse, or that match no host, are ignored with one warning. Raises
    ConfigurationError.
    """
    variables = getproxies()
    entries = [entry for part in variables.get("no", "").split(",") if (entry := part.strip())]
    if "*" in entries:
        return {}
    proxies: dict[str, httpx.Proxy | None] = {
        f"{scheme}://": to_proxy(_variable_name(scheme), value if "://" in value else f"http://{value}")
        for scheme in ("http", "https", "all")
        if (value := variables.get(scheme, "").strip())
    }
    patterns = {entry: _exception_pattern(entry) for entry in entries}
    dropped = [entry for entry, pattern in patterns.items() if not _is_effective(pattern)]
    if dropped:
        # An entry may be a URL that contains a password.
        shown = ", ".join(repr(entry.rpartition("@")[2]) for entry in dropped)
        log.warning("%s: httpx cannot apply %s; ignored", _variable_name("no"), _redaction.message(shown))
    return proxies | {pattern: None for entry, pattern in patterns.items() if entry not in dropped}


def to_proxy(name: str, value: Any) -> httpx.Proxy:
    """Return the proxy that the variable or option ``name`` holds. Raises ConfigurationError."""
    if isinstance(value, httpx.Proxy):
        proxy = value
    else:
        try:
            url = httpx.URL(value)
        except (TypeError, ValueError, httpx.InvalidURL):
            raise ConfigurationError(f"{name} is not a valid proxy URL") from None
        # Desktop environments write socks://.
        url = url.copy_with(scheme="socks5") if url.scheme == "socks" else url
        if url.scheme not in _PROXY_SCHEMES:
            raise ConfigurationError(f"{name} must have one of the schemes {', '.join(_PROXY_SCHEMES)}")
        proxy = httpx.Proxy(url)
    if not proxy.url.host:
        raise ConfigurationError(f"{name} has no host")
    if proxy.url.port is not None and not 0 < proxy.url.port < 1 << 16:
        raise ConfigurationError(f"{name} has the port {proxy.url.port}, which is not in the range 1 to 65535")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(f'{name}: a SOCKS proxy needs the package socksio (pip install "httpx[socks]")')
    return proxy


def _variable_name(scheme: str) -> str:
    """Return the variable from which ``getproxies`` has a value; it prefers lower case."""
    name = f"{scheme}_proxy"
    names = (name, *(each for each in os.environ if each.lower() == name))
    return next((each for each in names if os.environ.get(each)), f"the {scheme} proxy of the system settings")


def _exception_pattern(entry: str) -> str:
    if "://" in entry:
        return entry
    try:
        address = ip_address(entry.split("/", maxsplit=1)[0])
    except ValueError:
        # "example.com" includes its subdomains.
        return f"all://{entry}" if entry.lower() == "localhost" else f"all://*{entry.removeprefix('*')}"
    return f"all://[{entry}]" if address.version == 6 else f"all://{entry}"


def _is_effective(pattern: str) -> bool:
    """Whether httpx can parse a pattern, and it can match a host; networks and additional wildcards cannot."""
    try:
        url = httpx.URL(pattern)
    except (ValueError, httpx.InvalidURL):
        return False
    host = url.raw_host.decode("ascii").removeprefix("*").removeprefix(".")
    return url.path in {"", "/"} and (not host or _validators.is_host(host))


def check_tls_files(verify: Any, cert: Any, *, trust_env: bool) -> dict[str, str]:
    """Return the names and paths from which certificates are loaded, without loading them.

    Raises ConfigurationError that names a missing one, or a key log that cannot be written.
    """
    sources = dict(_tls_sources(verify, cert, trust_env=trust_env))
    for name, path in sources.items():
        # OpenSSL takes several directories.
        if not any(os.access(each, os.R_OK) for each in (path, *path.split(os.pathsep))):
            raise ConfigurationError(f"{name} names {path!r}, which does not exist or cannot be read")
    # Whatever trust_env says, the ssl module reads the variable for each default context.
    key_log = os.environ.get("SSLKEYLOGFILE") if verify is True or isinstance(verify, str) else None
    if key_log:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = key_log
        except OSError as error:
            if error.errno in FD_LIMIT_ERRNOS:
                raise
            problem = f"which cannot be written: {error.strerror}"
            raise ConfigurationError(f"SSLKEYLOGFILE names {key_log!r}, {problem}") from None
    return sources


def tls_context(verify: Any, cert: Any, *, trust_env: bool) -> ssl.SSLContext:
    """Return the TLS context of the options of httpx. Raises ConfigurationError, which names an unusable file."""
    sources = check_tls_files(verify, cert, trust_env=trust_env)
    try:
        return httpx.create_ssl_context(verify, cert, trust_env=trust_env)
    except OSError as error:
        if error.errno in FD_LIMIT_ERRNOS or not sources:
            raise
        named = ", ".join(f"{name} = {path!r}" for name, path in sources.items())
        raise ConfigurationError(f"{named}: no usable certificates ({type(error).__name__}: {error})") from None


def _tls_sources(verify: Any, cert: Any, *, trust_env: bool) -> Iterator[tuple[str, str]]:
    """Yield the names and paths from which httpx loads certificates."""
    if isinstance(verify, str):
        yield "verify in httpx_args", verify
    elif verify is True and trust_env:
        # httpx reads the second only without the first.
        yield from [(name, os.environ[name]) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)][:1]
    # The third item is a password.
    paths = (cert,) if isinstance(cert, str) else (cert or ())[:2]
    for name, path in zip(("cert in httpx_args", "the key of cert in httpx_args"), paths, strict=False):
        if isinstance(path, str):
            yield name, path
