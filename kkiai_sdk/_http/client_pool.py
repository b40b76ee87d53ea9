"""Transports of a client and its copies, to the gateway and to file hosts."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from functools import cached_property, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from itertools import chain
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from kkiai_sdk import _validators
from kkiai_sdk._http import environment
from kkiai_sdk._http.exceptions import FD_LIMIT_ERRNOS, fd_limit_error
from kkiai_sdk._http.transport import CLOSED, PoolOptions
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kkiai_sdk._config import Config
    from kkiai_sdk._http.network import AddressPolicy


#: Extension of a response that holds its Location header.
LOCATION = "kkiai_sdk_location"


class TransportTypes(NamedTuple):
    """The types and functions that differ between the synchronous and the asynchronous client."""

    #: Creates an httpx client, and a session over a context.
    client: Callable[..., Any]
    session: Callable[[Any], Any]
    #: Base class of the transports that the caller may pass.
    base_transport: type[Any]
    #: Creates a transport of this package.
    transport: Callable[[PoolOptions], Any]
    #: Returns the process, or the process and the event loop, to which connections belong.
    current_context: Callable[[], object]
    #: Converts an event hook to one that the httpx client can call.
    adapt_hook: Callable[[Any], Any]
    #: Whether the results of the caller's functions are awaited.
    awaits: bool


@contextmanager
def configuration_errors() -> Iterator[None]:
    """Raise ConfigurationError for arguments that httpx, httpcore or ssl do not accept."""
    try:
        yield
    except ConfigurationError:
        raise
    except (AttributeError, TypeError, ValueError, OSError, ImportError, httpx.InvalidURL) as error:
        if isinstance(error, OSError) and error.errno in FD_LIMIT_ERRNOS:
            raise fd_limit_error(error) from error
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"httpx does not accept httpx_args: {reason}") from None


def hide_location(response: httpx.Response) -> None:
    """Event hook: keep httpx from building the request of a redirect, which raises for some Location headers."""
    location = response.headers.pop("location", None)
    if location is not None:
        response.extensions[LOCATION] = location


class ClientPool:
    """The transports behind a client and its copies; closing it closes all of them.

    ``file_policy`` is the address policy for files, which also takes the validated option ``allow_file_hosts``.
    """

    def __init__(self, config: Config, types: TransportTypes, file_policy: Callable[..., None]) -> None:
        self._args, self._types, self._file_policy = config.httpx_args, types, file_policy
        self._is_plain_http = config.base_url.startswith("http:")
        self._check_arguments()
        self._transports: list[Any] = []
        #: By the hosts that are allowed: a connection that one copy of the client may open is not used by another.
        self._file_clients: dict[tuple[str, ...], Any] = {}
        #: Whether the last attempt to reach the gateway made no connection.
        self.is_unreachable = False
        #: Set once the client is closed.
        self.closed = Event()
        #: Whether the caller passed a transport, which is then tied to the context in which it is first used.
        self.has_custom_transports = bool(self._args.keys() & {"transport", "mounts"})
        self._context: object = None
        #: Arguments of httpx clients for the gateway.
        self.gateway_arguments = self._arguments(_permit_all, files=False)

    def file_client(self, allowed: tuple[str, ...]) -> Any:
        """Return the httpx client for files on other hosts, without credentials and event hooks.

        ``allowed`` is the validated option ``allow_file_hosts``.
        """
        self.check_open()
        if allowed not in self._file_clients:
            with configuration_errors():
                arguments = self._arguments(partial(self._file_policy, allowed=allowed), files=True)
                self._file_clients[allowed] = self._types.client(**arguments)
        return self._file_clients[allowed]

    def check_open(self) -> None:
        """Raise ConfigurationError if the pool is closed, or its transports are tied to another context."""
        if self.closed.is_set():
            raise ConfigurationError(CLOSED)
        if self.has_custom_transports:
            self._context = self._context or self._types.current_context()
            if self._context != self._types.current_context():
                raise ConfigurationError(
                    "transport and mounts in httpx_args tie a client to one process and event loop; create another"
                )

    def begin_close(self) -> list[Any]:
        """Mark the pool as closed and return the transports that remain to be closed."""
        self.closed.set()
        transports, self._transports = self._transports, []
        return transports

    def _check_arguments(self) -> None:
        given = {"transport": self._args.get("transport")}
        given |= {f"mounts[{ascii(pattern)[:80]}]": each for pattern, each in self._args.get("mounts", {}).items()}
        for name, transport in given.items():
            if transport is not None and not isinstance(transport, self._types.base_transport):
                problem = f"must be an httpx.{self._types.base_transport.__name__}, not {type(transport).__name__}"
                raise ConfigurationError(f"{name} in httpx_args {problem}")
        hooks = chain.from_iterable(self._args.get("event_hooks", {}).values())
        if not self._types.awaits and any(map(_validators.must_be_awaited, hooks)):
            raise ConfigurationError(
                "event_hooks in httpx_args must be plain functions: the synchronous client cannot await"
            )

    def _arguments(self, policy: AddressPolicy, *, files: bool) -> dict[str, Any]:
        """Return the arguments of an httpx client without cookies and settings from the environment."""
        given, hooks = self._args.get("transport"), {} if files else self._args.get("event_hooks", {})
        mounts: dict[str, Any] = {}
        with configuration_errors():
            for pattern, proxy in self._proxies.items():
                # A proxy may have any address, and resolves host names itself: only URLs can be checked.
                mounts[pattern] = self._create(_permit_all, files=files, proxy=proxy) if proxy else None
            for pattern, transport in self._args.get("mounts", {}).items():
                mounts[pattern] = None if transport is None else self._register(transport)
            return {
                "transport": self._create(policy, files=files) if given is None else self._register(given),
                "mounts": mounts,
                "event_hooks": {
                    "request": [self._types.adapt_hook(hook) for hook in hooks.get("request", ())],
                    "response": [self._types.adapt_hook(hook) for hook in (*hooks.get("response", ()), hide_location)],
                },
                "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                "timeout": None,
                "trust_env": False,
            }

    @cached_property
    def _proxies(self) -> Mapping[str, httpx.Proxy | None]:
        """Proxies by URL pattern; None stands for a direct connection."""
        proxy = self._args.get("proxy")
        if proxy is not None:
            return {"all://": environment.to_proxy("proxy in httpx_args", proxy)}
        trusted = self._trust_env and self._args.get("transport") is None
        return environment.proxies_by_pattern() if trusted else {}

    @property
    def _trust_env(self) -> bool:
        return bool(self._args.get("trust_env", True))

    def _create(self, policy: AddressPolicy, *, files: bool, proxy: httpx.Proxy | None = None) -> Any:
        """Create a transport and register it for closing."""
        http1, http2 = self._args.get("http1", True), self._args.get("http2", False)
        if http2 and find_spec("h2") is None:
            raise ImportError('http2=True needs the package h2 (pip install "httpx[http2]")')
        options = PoolOptions(self._tls_context(files=files), policy, self.closed, proxy, http1, http2)
        return self._register(self._types.transport(options))

    def _register(self, transport: Any) -> Any:
        if transport not in self._transports:
            self._transports.append(transport)
        return transport

    def _tls_context(self, *, files: bool) -> ssl.SSLContext:
        # Loading the certificate store is the most expensive part of creating a client. It is not needed for a gateway
        # over http, whose redirects are only followed on its own origin. A context without certificates rejects every
        # server.
        if not files and self._is_plain_http and not self._args.keys() & {"verify", "cert"}:
            environment.check_tls_files(verify=True, cert=None, trust_env=self._trust_env)
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return self._full_tls_context

    @cached_property
    def _full_tls_context(self) -> ssl.SSLContext:
        verify, cert = self._args.get("verify", True), self._args.get("cert")
        return environment.tls_context(verify, cert, trust_env=self._trust_env)


def _permit_all(_host: str, _addresses: Sequence[str]) -> None:
    """Permit every address."""
