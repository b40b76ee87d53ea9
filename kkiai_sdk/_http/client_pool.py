"""The connections behind a session, and who may use them."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import import_module
from inspect import iscoroutinefunction
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.request import getproxies

import httpcore
import httpx
from attrs import frozen

from kkiai_sdk._downloads import urls as _vetting
from kkiai_sdk._http.exceptions import EXHAUSTED, exhausted
from kkiai_sdk._http.network import guard, is_proxied
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from kkiai_sdk._config import Config

C = TypeVar("C", httpx.Client, httpx.AsyncClient)

#: None: whoever makes many requests at once has bounds of their own. What is idle goes after 5 s.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)

#: Not public, but found by this name by anyio itself, at the first connection.
_ANYIO = "anyio._backends._asyncio"

#: What aiohttp cannot do, or does in another way: with one of these the transport is httpx's own.
NOT_FOR_AIOHTTP = frozenset({"transport", "mounts", "proxy", "http1", "http2"})


def _suits_aiohttp(args: Mapping[str, Any]) -> bool:
    """Whether these arguments, and the environment, ask for nothing that the extra ``aiohttp`` cannot do."""
    proxies = getproxies().keys() if args.get("trust_env", True) else set()
    return not args.keys() & NOT_FOR_AIOHTTP and not proxies & {"http", "https", "all"}


def _aiohttp_if_installed(tls: ssl.SSLContext) -> httpx.AsyncBaseTransport | None:
    try:
        from kkiai_sdk._http.aiohttp_transport import Transport  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        return None
    return Transport(tls)


#: Makes the transport between an asynchronous client and the gateway; None stands for httpx's own. Tests set it.
gateway_transport: Callable[[ssl.SSLContext], httpx.AsyncBaseTransport | None] = _aiohttp_if_installed


@frozen
class Owner:
    """Who may use a connection: one process, and for an asynchronous one an event loop in it."""

    pid: int
    loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def now(cls, *, asynchronous: bool) -> Self:
        """Whoever is running this."""
        if not asynchronous:
            return cls(os.getpid())
        from asyncio import get_running_loop  # noqa: PLC0415 (a synchronous client does without)

        return cls(os.getpid(), get_running_loop())

    @property
    def is_gone(self) -> bool:
        """Whether it is another process, or a finished loop."""
        return self.pid != os.getpid() or (self.loop is not None and self.loop.is_closed())


def _no_cookies() -> CookieJar:
    """A jar that takes nothing: nothing may come back to a server, and httpx stumbles over what is not ASCII."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _anywhere(_host: str, _addresses: Sequence[str]) -> None:
    """No address is refused."""


async def _holding(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await client.aclose()


def _until_its_loop_ends(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Holds a client until it is closed itself, which the event loop does with open generators when it ends.

    Connections that outlive their loop cannot be closed any more and are left to the garbage collector.
    """
    holder = _holding(client)
    # The first step makes the generator known to the loop; it awaits nothing.
    with suppress(StopIteration):
        holder.asend(None).send(None)
    return holder


class Pool:
    """The connections of a client and of all its copies."""

    def __init__(self, config: Config) -> None:
        self._args = dict(config.httpx_args)
        self._base_url = config.base_url
        self._clients: dict[tuple[Owner, bool], Any] = {}
        self._holders: dict[tuple[Owner, bool], AsyncGenerator[None]] = {}
        self._tls: Any = None
        self.is_closed = False

    def client(self, build: Callable[..., C], owner: Owner, *, files: bool = False) -> C:
        """The owner's httpx client, for the gateway or for files elsewhere."""
        self.check_open()
        found: C | None = self._clients.get((owner, files))
        if found is None:
            self._forget_strangers(owner)
            # Of two threads that get here at once, one finds the other's client; the spare has opened nothing.
            found = self._clients.setdefault((owner, files), self._build(build, files=files))
            # What comes after another thread's drain() is closed by nobody, and has opened nothing either.
            self.check_open()
            if isinstance(found, httpx.AsyncClient):
                self._holders[owner, files] = _until_its_loop_ends(found)
        return found

    def check_args(self, kind: type[httpx.BaseTransport | httpx.AsyncBaseTransport]) -> None:
        """Raise ConfigurationError for what a client that takes transports of this kind can do nothing with."""
        named = {"transport": self._args.get("transport")}
        named |= {f"mounts[{ascii(pattern)[:80]}]": each for pattern, each in self._args.get("mounts", {}).items()}
        for name, transport in named.items():
            if transport is not None and not isinstance(transport, kind):
                told = f"must be an httpx.{kind.__name__}, not {type(transport).__name__}"
                raise ConfigurationError(f"{name} in httpx_args {told}")
        hooks = chain.from_iterable(self._args.get("event_hooks", {}).values())
        if kind is httpx.BaseTransport and any(map(iscoroutinefunction, hooks)):
            raise ConfigurationError("event_hooks in httpx_args must be plain functions: this client awaits nothing")

    def load_ahead(self) -> None:
        """Load what an asynchronous client uses: the first request would stop its event loop for it, up to 300 ms."""
        for name in (
            "kkiai_sdk._polling.workers",
            "kkiai_sdk._polling.flows",
            "kkiai_sdk._http.async_connections",
            _ANYIO,
        ):
            import_module(name)
        if _suits_aiohttp(self._args):
            with suppress(ModuleNotFoundError):
                import_module("kkiai_sdk._http.aiohttp_transport")

    def check_open(self) -> None:
        """Raise ConfigurationError if it is closed."""
        if self.is_closed:
            raise ConfigurationError("this client is closed; make a new one")

    def _forget_strangers(self, owner: Owner) -> None:
        """What was inherited by fork, or left by a finished loop, is not ours to use nor to close."""
        if self._args.keys() & {"transport", "mounts"} and any(other != owner for other, _ in list(self._clients)):
            raise ConfigurationError(
                "transport and mounts in httpx_args tie a client to one process and event loop; make another client"
            )
        for key in list(self._clients):
            if key[0].is_gone:
                self._clients.pop(key, None)
                self._holders.pop(key, None)

    def _build(self, build: Callable[..., C], *, files: bool) -> C:
        args = dict(self._args)
        if files:
            args.pop("event_hooks", None)
        try:
            if "transport" not in args:
                args["verify"] = self._tls_context(args.pop("verify", True), args.pop("cert", None), files=files)
            if not files and build is httpx.AsyncClient and _suits_aiohttp(args):
                args["transport"] = gateway_transport(args["verify"])
            client = build(**args, cookies=_no_cookies(), limits=LIMITS, timeout=None, follow_redirects=False)
        except (AttributeError, TypeError, ValueError, OSError, ImportError, httpx.InvalidURL) as problem:
            if isinstance(problem, OSError) and problem.errno in EXHAUSTED:
                raise exhausted(problem) from problem
            what = f"{type(problem).__name__}: {problem}"
            if isinstance(problem, FileNotFoundError):
                what += " (a file of certificates: of verify, cert, SSL_CERT_FILE or SSL_CERT_DIR)"
            raise ConfigurationError(f"httpx does not accept httpx_args: {what}") from None
        self._guard(client, files=files)
        return client

    def _guard(self, client: httpx.Client | httpx.AsyncClient, *, files: bool) -> None:
        given = [self._args.get("transport"), *(self._args.get("mounts") or {}).values()]
        for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 (not to be had otherwise)
            # Where a file is fetched from, the server says; where else to connect to, the user.
            at_a_servers_word = files and not is_proxied(transport)
            own = self._vet_file_host if at_a_servers_word else self._vet
            guard(transport, _anywhere if transport in given else own)

    def _vet(self, _host: str, _addresses: Sequence[str]) -> None:
        """Any address will do, unless another thread has closed the pool meanwhile."""
        if self.is_closed:
            # As httpcore would: an error of ours would take its frames along, which hold the key.
            raise httpcore.ConnectError("closed")

    def _vet_file_host(self, host: str, addresses: Sequence[str]) -> None:
        self._vet(host, addresses)
        _vetting.vet_addresses(host, addresses, self._base_url)

    def _tls_context(self, verify: Any, cert: Any, *, files: bool) -> Any:
        # Loading the certificate store is the dearest part of a client: once for all, and not at all for a gateway
        # without TLS (its redirects stay on its origin). A bare context trusts nobody.
        if not files and verify is True and cert is None and self._base_url.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._tls is None:
            self._tls = httpx.create_ssl_context(verify=verify, cert=cert, trust_env=self._args.get("trust_env", True))
        return self._tls

    def drain(self, owner: Owner) -> list[Any]:
        """Mark as closed; gives what this owner has to close: httpx clients, or what holds them."""
        # In this order, and from a copy: another thread may be about to add a client.
        self.is_closed = True
        mine = [self._holders.get(key, client) for key, client in list(self._clients.items()) if key[0] == owner]
        self._clients.clear()
        self._holders.clear()
        return mine
