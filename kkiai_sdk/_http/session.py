"""The HTTP seam: the only module that talks to httpx.

The generated endpoint functions are handed a session in the place of their own httpx client. Every request of theirs
passes through :meth:`Session.send`, which adds the key, bounds the time and the size, repeats what is worth repeating,
and turns everything but a good answer into a typed error; the generated parser never meets anything else.

A session is a cheap copy around a shared pool. The pool holds two httpx clients over one TLS context: one for the
gateway, one without cookies or credentials for files on other hosts. It belongs to one process, and the asynchronous
one to one event loop: sockets shared across a fork mix up answers.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlencode

import httpx
from attrs import evolve, field, frozen

from kkiai_sdk._drive import run
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http import exceptions as faults
from kkiai_sdk._http.base_session import (
    Ask,
    Checked,
    plain,
    raw_chunks,
    response_of,
    transmit,
    wired,
)
from kkiai_sdk._http.client_pool import Owner, Pool
from kkiai_sdk._http.deadline import within
from kkiai_sdk._http.exchange import Exchanger, Good, Send
from kkiai_sdk._responses.strict_json import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kkiai_sdk._clock import Runtime
    from kkiai_sdk._config import Config
    from kkiai_sdk._effects import Call
    from kkiai_sdk._http.async_session import AsyncSession
    from kkiai_sdk._http.exchange import Exchange
    from kkiai_sdk._http.retry import RetryBudget
    from kkiai_sdk._responses.error_parser import Answer
    from kkiai_sdk.errors import APIError


@frozen
class Seam:
    """What both kinds of session know and do without waiting for anything."""

    config: Config
    runtime: Runtime
    pool: Pool
    budget: RetryBudget
    call: Call
    #: The fields of every request to the gateway, but for the key, by their names in lower case.
    fields: dict[str, tuple[bytes, bytes]] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        own = {"Accept": "application/json", "Content-Type": "application/json", "Accept-Encoding": "identity"}
        own |= {"User-Agent": self.config.user_agent, "Host": httpx.URL(self.config.base_url).netloc.decode()}
        own |= {"Connection": "keep-alive"}
        object.__setattr__(self, "fields", _fields(own.items()) | _fields(self.config.headers))

    def exchange(self, ask: Ask, call: Call) -> Exchange:
        """The flow that gets this request answered."""
        repeatable = ask.method in {"GET", "HEAD"}
        return Exchanger(self.config, self.runtime, self.budget).run(ask.url, call, repeatable=repeatable)

    def ask(self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str], call: Call) -> Ask:
        """A request without a body to a path below the base URL."""
        url = f"{self.config.base_url}{path}{'?' if params else ''}{urlencode(params)}"
        fields = self.fields
        if headers or call.headers:
            fields = fields | _fields(headers.items()) | _fields(self._accept) | _fields(call.headers)
        return Ask(method.upper(), url, list(fields.values()))

    @property
    def _accept(self) -> list[tuple[str, str]]:
        """The Accept of the client's own headers, which replaces the one that a generated function sets."""
        return [each for each in self.config.headers if each[0].lower() == "accept"]

    def asked(self, request: httpx.Request) -> Ask:
        """A request that somebody else built."""
        headers = request.headers.copy()
        headers.update([*self._accept, *self.call.headers])
        return Ask(request.method, str(request.url), headers.raw, request.stream)


def _fields(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[bytes, bytes]]:
    return {name.lower(): (name.encode(), value.encode()) for name, value in pairs}


class Caller:
    """What a generated function takes for its client: makes one request, on the terms of one call."""

    #: The session lets nothing through that the generated code would not know.
    raise_on_unexpected_status = False

    def __init__(self, session: Session | AsyncSession, call: Call) -> None:
        self._session, self._call = session, call

    def get_httpx_client(self) -> Self:
        """Itself."""
        return self

    get_async_httpx_client = get_httpx_client

    def request(self, method: str, url: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Get it answered: a Checked, or from an asynchronous session an awaitable of one."""
        ask = self._session.seam.ask(method, url, params, headers, self._call)
        return self._session.checked(ask, self._call)


S = TypeVar("S", "Session", "AsyncSession")


def copied(session: S, seam: Seam, fields: Mapping[str, str] | None = None) -> S:
    """A session over the same pool, with another seam and more fields."""
    twin = copy.copy(session)
    # Setting them copies them: the fields of the one must not be those of the other.
    twin.headers = session.headers
    twin.headers.update(fields)
    twin.seam = seam
    return twin


class Session(httpx.Client):
    """An httpx client for the generated code, which gives good answers or raises APIError."""

    def __init__(self, seam: Seam) -> None:
        seam.pool.check_args(httpx.BaseTransport)
        # The transport is never used: requests go out through the pool.
        super().__init__(
            base_url=seam.config.base_url,
            headers=list(seam.fields.values()),
            transport=httpx.BaseTransport(),
            trust_env=False,
        )
        self.seam = seam

    def bound(self, call: Call) -> Session:
        """A copy over the same pool that makes its requests on these terms."""
        return copied(self, evolve(self.seam, call=call))

    def with_headers(self, fields: Mapping[str, str]) -> Session:
        """A copy over the same pool that sends these fields too."""
        return copied(self, self.seam, fields)

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Get the request answered. Streaming, redirects and authentication are the session's own affair."""
        request.read()
        return response_of(self._good(self.seam.asked(request), self.seam.call), request)

    def checked(self, ask: Ask, call: Call) -> Checked:
        """Get it answered, for the generated code."""
        return Checked(self._good(ask, call))

    def _good(self, ask: Ask, call: Call) -> Good:
        return run(self.seam.exchange(ask, call), lambda step: self._perform(step, ask))

    def _perform(self, step: Send | Sleep, ask: Ask) -> Answer | APIError | None:
        if isinstance(step, Sleep):
            self.seam.runtime.sleep_until(step.until)
            return None
        try:
            return self._attempt(step, ask)
        except faults.TRANSLATED as problem:
            error = faults.translate(problem, step.url, step.timeout)
        # If it broke off because the client was closed meanwhile, that is what to tell.
        self.seam.pool.check_open()
        return error

    def _attempt(self, send: Send, ask: Ask) -> Answer:
        with within(send.timeout):
            response = transmit(self.httpx_client(), wired(ask, send))
            try:
                body = bytearray()
                for chunk in raw_chunks(response):
                    body += chunk
                    if len(body) > MAX_BODY:
                        break
                return plain(response, bytes(body))
            finally:
                response.close()

    def httpx_client(self, *, files: bool = False) -> httpx.Client:
        """The client that does the work here and now: for the gateway, or for files elsewhere."""
        return self.seam.pool.client(httpx.Client, Owner.now(asynchronous=False), files=files)

    def close(self) -> None:
        """Close the pool, for this session and all copies of it. Closing twice does nothing."""
        for client in self.seam.pool.drain(Owner.now(asynchronous=False)):
            client.close()
