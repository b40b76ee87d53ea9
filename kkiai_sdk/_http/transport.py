"""Synchronous transport: that of httpx over pools of httpcore, with the network backend of this package.

Only the backend is replaced, so tools that patch httpx or httpcore see every request.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import httpcore
import httpx

from kkiai_sdk._http.exceptions import PROXY_ERRORS, name_proxy
from kkiai_sdk._http.network import Backend
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from threading import Event

    from kkiai_sdk._http.network import AddressPolicy

#: As httpcore says it of a tunnel.
PROXY_AUTH = "407 Proxy Authentication Required"
CLOSED = "this client is closed; create a new one"
#: Seconds that an idle connection is kept, as in httpx.
KEEPALIVE_EXPIRY = 5.0


class PoolOptions(NamedTuple):
    """Options of a connection pool of unlimited size: callers limit the requests in flight."""

    ssl_context: ssl.SSLContext
    policy: AddressPolicy
    #: Set once the client is closed.
    closed: Event
    proxy: httpx.Proxy | None = None
    http1: bool = True
    http2: bool = False

    def arguments(self, backend: object) -> dict[str, Any]:
        """Return the arguments of an httpcore pool."""
        arguments = {
            "ssl_context": self.ssl_context,
            "max_connections": None,
            "keepalive_expiry": KEEPALIVE_EXPIRY,
            "http1": self.http1,
            "http2": self.http2,
            "network_backend": backend,
        }
        if self.proxy is not None:
            url = self.proxy.url
            address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
            auth, headers = self.proxy.raw_auth, self.proxy.headers.raw
            arguments["proxy"] = httpcore.Proxy(address, auth, headers, self.proxy.ssl_context)
        return arguments


class ProcessPools:
    """A connection pool for each process: on a socket shared across a fork responses would be mixed up."""

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._pools: dict[int, tuple[httpcore.ConnectionPool, Backend]] = {}

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._options.closed.is_set():
            raise ConfigurationError(CLOSED)
        pool, proxy = (self._pools.get(os.getpid()) or self._open())[0], self._options.proxy
        try:
            response = pool.handle_request(request)
            if proxy is not None and response.status == 407:
                response.close()
                raise httpcore.ProxyError(PROXY_AUTH)
        except PROXY_ERRORS as error:
            name_proxy(error, proxy)
            raise
        return response

    def _open(self) -> tuple[httpcore.ConnectionPool, Backend]:
        pid, backend = os.getpid(), Backend(self._options.policy)
        pool = httpcore.ConnectionPool(**self._options.arguments(backend))
        # setdefault resolves a race between threads; the pool that loses has no connections.
        found = self._pools.setdefault(pid, (pool, backend))
        for inherited in [*self._pools]:
            if inherited != pid:
                self._pools.pop(inherited, None)
        return found

    def close(self) -> None:
        found = self._pools.pop(os.getpid(), None)
        if found is not None:
            pool, backend = found
            backend.close()
            pool.close()


class Transport(httpx.HTTPTransport):
    """The transport of httpx over pools with the backend of this package."""

    def __init__(self, options: PoolOptions) -> None:
        # The only private name of another library in this package: httpx has no argument for a network backend.
        self._pool = ProcessPools(options)  # type: ignore[assignment]
