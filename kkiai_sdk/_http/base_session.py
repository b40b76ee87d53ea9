"""Logic shared by both sessions: headers, redirects, retries, conversion of requests and responses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias
from urllib.parse import urlencode, urljoin

import httpx
from attrs import evolve, field, frozen

from kkiai_sdk import _redaction
from kkiai_sdk._effects import RequestOptions, Sleep
from kkiai_sdk._http.client_pool import LOCATION, configuration_errors
from kkiai_sdk._http.exceptions import TRANSLATED, translate, was_sent
from kkiai_sdk._http.network import StreamObserver, in_request_scope
from kkiai_sdk._http.retry import RetryBudget, retry_time
from kkiai_sdk._http.transport import CLOSED
from kkiai_sdk._log import log
from kkiai_sdk._responses.error_parser import MAX_ERROR_BODY, read_status
from kkiai_sdk._responses.raw_response import MAX_REDIRECTS, REDIRECTS, RawResponse
from kkiai_sdk._responses.strict_json import parse_json
from kkiai_sdk.errors import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    Attempt,
    ConfigurationError,
    KkiaiError,
)

if TYPE_CHECKING:
    from types import TracebackType

    from kkiai_sdk._clock import Clock
    from kkiai_sdk._config import Config, Secret
    from kkiai_sdk._http.client_pool import ClientPool

    #: Pairs of name and value, by lower-case name.
    Headers: TypeAlias = dict[bytes, list[tuple[bytes, bytes]]]

#: Methods whose requests can be repeated, because they are safe (RFC 9110, section 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD"})
#: Packages whose frames refer to requests with the key; frames of an event hook are the caller's own.
HTTP_PACKAGES = frozenset({"kkiai_sdk", "kkiai_api", "httpx", "httpcore"})
#: Maximum seconds for connecting, within the timeout of the attempt: after that a retry is more likely to succeed.
CONNECT_TIMEOUT = 5.0
#: Called with a response, the key and the wall clock; returns an APIError, the parsed body of a success, or None for a
#: success whose body is not parsed.
ResponseParser: TypeAlias = Callable[[RawResponse, str | None, float], Any]


class SendRequest(NamedTuple):
    """Send the request to this URL once. Result: a RawResponse, or NoResponse."""

    url: str
    #: Seconds for the whole exchange.
    timeout: float
    #: The key to send, or None for a host other than the gateway.
    secret: Secret | None


class NoResponse(NamedTuple):
    """An attempt without a usable response."""

    error: APIError
    #: Whether the server may have received the request.
    was_sent: bool


class Success:
    """A successful response, with the interface that generated functions expect of an httpx response."""

    def __init__(self, response: RawResponse, parsed: Any) -> None:
        self.raw, self._parsed = response, parsed
        self.status_code = _registered_status(response.status)
        self.content = response.body

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by lower-case name."""
        return dict(self.raw.headers)

    def json(self) -> Any:
        """Return the parsed body. Raises APIResponseError if it is not JSON."""
        if self._parsed is not None:
            return self._parsed
        try:
            return parse_json(self.content)
        except ValueError as problem:
            status, text = self.raw.status, self.content[:2000].decode("utf-8", errors="replace")
            snippet = _redaction.message(text, _redaction.MAX_SNIPPET)
            raise APIResponseError(f"HTTP {status} with {problem}", status_code=status, body_snippet=snippet) from None


class ParsedResponse(httpx.Response):
    """A successful response as an httpx response, returned by ``send`` and ``request`` of a session."""

    success: Success

    @classmethod
    def make(cls, success: Success, request: httpx.Request) -> ParsedResponse:
        """Return the response to a request."""
        # The body is already decoded; with these headers httpx would decode it again.
        framing = {"content-encoding", "transfer-encoding", "content-length"}
        # As bytes: httpx decodes headers in any encoding, but encodes strings as ASCII only.
        headers = [(name.encode(), value.encode()) for name, value in success.raw.headers if name not in framing]
        response = cls(success.status_code, headers=headers, content=success.content, request=request)
        response.success = success
        return response

    def json(self, **_: Any) -> Any:
        """Return the parsed body. Raises APIResponseError if it is not JSON."""
        return self.success.json()


def _registered_status(status: int) -> int:
    """Return the status, or 200 for an unregistered 2xx, which generated code rejects (RFC 9110, section 15)."""
    try:
        return int(httpx.codes(status))
    except ValueError:
        return 200


class RequestSpec(NamedTuple):
    """A request without the key, and its limits."""

    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    options: RequestOptions
    parser: ResponseParser = read_status
    content: bytes | None = None

    def build_request(self, step: SendRequest, *, has_outer_limit: bool = False) -> httpx.Request:
        """Return the request of one attempt. With an outer limit, the transport limits connecting only."""
        limits = httpx_timeouts(step.timeout)
        extensions = {"timeout": {"connect": limits["connect"]} if has_outer_limit else limits}
        # The key is not in a variable here: crash reporters record those of every frame in a traceback.
        headers = with_key(self.headers, step.secret)
        return httpx.Request(
            self.method, read_url(step.url), headers=headers, content=self.content, extensions=extensions
        )


def with_key(headers: list[tuple[bytes, bytes]], secret: Secret | None) -> list[tuple[bytes, bytes]]:
    return headers if secret is None else [*headers, (b"Authorization", f"Bearer {secret.known}".encode())]


#: Kinds of faults with which no connection is made.
UNREACHABLE = frozenset({"dns", "refused", "proxy", "connection"})
#: Cached, because a wait requests the same URL many times.
read_url = lru_cache(maxsize=128)(httpx.URL)


def httpx_timeouts(seconds: float) -> dict[str, float]:
    """Return the timeouts of one attempt for httpx."""
    return {"connect": min(seconds, CONNECT_TIMEOUT), "read": seconds, "write": seconds, "pool": seconds}


def to_raw_response(response: httpx.Response, body: bytes = b"") -> RawResponse:
    """Return a response as plain values."""
    headers = [(name.lower(), value) for name, value in response.headers.multi_items()]
    if LOCATION in response.extensions:
        headers.append(("location", response.extensions[LOCATION]))
    return RawResponse(response.status_code, headers, body, http_version=response.http_version)


def request_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``httpx.Client.build_request``, with headers of any type that a spec can declare."""
    kept = {name: value for name, value in arguments.items() if name not in {"auth", "follow_redirects"}}
    if isinstance(headers := kept.get("headers"), Mapping):
        kept["headers"] = flatten(merge_headers({}, headers.items()))
    return kept


def hook_body(response: httpx.Response) -> bytes | None:
    """Return the body if an event hook has read it, which makes httpx decode it."""
    if not response.is_stream_consumed:
        return None
    response.headers.pop("content-encoding", None)
    return response.content


def finish_body(response: httpx.Response) -> None:
    """Make the connection compare the bytes received with the length of the body, before it is reused."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, StreamObserver):
        has_body = response.request.method != "HEAD" and response.status_code not in {204, 304}
        length = response.headers.get("content-length", "0") if has_body else "0"
        is_chunked = has_body and "transfer-encoding" in response.headers
        stream.finish_response(None if is_chunked else int(length) if length.isdecimal() else -1)


Exchange: TypeAlias = Generator[SendRequest | Sleep, Any, Success]


@frozen
class SessionContext:
    """Configuration and shared resources of a session."""

    config: Config
    clock: Clock
    pool: ClientPool
    budget: RetryBudget
    #: Parsers of responses by method and path; :func:`read_status` for all others.
    parsers: Mapping[tuple[str, str], ResponseParser] = field(factory=dict)
    options: RequestOptions = field(init=False)
    #: Headers of every request to the gateway except the key, by lower-case name.
    headers: Headers = field(init=False, repr=False)
    #: The Accept header of the caller, which replaces that of a generated function.
    _accept: tuple[tuple[str, str], ...] = field(init=False, repr=False)

    @options.default
    def _default_options(self) -> RequestOptions:
        return RequestOptions(self.config.timeout, self.config.max_retries)

    @headers.default
    def _all_headers(self) -> Headers:
        own = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "keep-alive"}
        own |= {"User-Agent": self.config.user_agent, "Host": httpx.URL(self.config.base_url).netloc.decode()}
        return merge_headers({}, own.items(), self.config.headers)

    @_accept.default
    def _caller_accept(self) -> tuple[tuple[str, str], ...]:
        return tuple(each for each in self.config.headers if each[0].lower() == "accept")

    def with_headers(self, headers: tuple[tuple[str, str], ...]) -> SessionContext:
        """Return a copy whose requests have these headers as well."""
        return evolve(self, config=evolve(self.config, headers=(*self.config.headers, *headers)))

    def spec(
        self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str], options: RequestOptions
    ) -> RequestSpec:
        """Return the spec of a request without a body to a path below the base URL."""
        method = method.upper()
        url = f"{self.config.base_url}{path}{'?' if params else ''}{urlencode(params)}"
        merged = self._merge(method, self.headers, headers.items(), options)
        return RequestSpec(method, url, merged, options, self._parser(method, path))

    def spec_of(self, request: httpx.Request) -> RequestSpec:
        """Return the spec of a request built by httpx."""
        merged = self._merge(request.method, {}, request.headers.raw, self.options)
        path = str(request.url).removeprefix(self.config.base_url).partition("?")[0]
        parser = self._parser(request.method, path)
        return RequestSpec(request.method, str(request.url), merged, self.options, parser, request.content or None)

    def _parser(self, method: str, path: str) -> ResponseParser:
        return self.parsers.get((method, path), read_status)

    def _merge(
        self, method: str, defaults: Headers, given: Iterable[tuple[Any, Any]], options: RequestOptions
    ) -> list[tuple[bytes, bytes]]:
        # The documentation of the gateway requires a Content-Type even without a body.
        own = (("Content-Type", "application/json"),) if method == "GET" else ()
        return flatten(merge_headers(defaults, own, given, self._accept, options.headers))

    def request_flow(self, spec: RequestSpec) -> Exchange:
        """Send a request until it succeeds; raise the last error if it is not to be repeated."""
        options, is_safe = spec.options, spec.method in SAFE_METHODS
        attempts: list[Attempt] = []
        fault: APIError | None = None
        while True:
            # The first attempt has the full timeout; a retry at most the time until the deadline.
            started = self.clock.monotonic()
            left = options.deadline - started if attempts else options.timeout
            outcome = yield from self._attempt(spec, min(options.timeout, left))
            if isinstance(outcome, Success):
                self.budget.refund()
                self.pool.is_unreachable = False
                self._log(spec.url, len(attempts), f"HTTP {outcome.raw.status}", started, "done")
                return outcome
            error = outcome.error
            retries = options.max_retries - len(attempts) if is_safe or not outcome.was_sent else 0
            time = self._retry_time(error, retries, len(attempts), options)
            delay = 0.0 if time is None else time - self.clock.monotonic()
            after = "giving up" if time is None else f"again in {delay:.2f} s"
            self._log(spec.url, len(attempts), str(error), started, after)
            self._note_reachability(error)
            attempts.append(_to_attempt(error, delay))
            if time is None:
                raise _with_attempts(error, fault, attempts, is_cut=left < options.timeout)
            fault = fault if fault and isinstance(error, APITimeoutError) else error
            yield Sleep(time)

    def _attempt(self, spec: RequestSpec, timeout: float) -> Generator[SendRequest, Any, Success | NoResponse]:
        """Make one attempt, following redirects on the gateway's own origin."""
        started, url = self.clock.monotonic(), spec.url
        for hop in range(MAX_REDIRECTS + 1):
            secret = self.config.secret.resolved() if self._is_gateway(url) else None
            left = timeout - (self.clock.monotonic() - started)
            if left <= 0:
                return NoResponse(translate(TimeoutError(), url, timeout), was_sent=hop > 0)
            response: RawResponse | NoResponse = yield SendRequest(url, left, secret)
            if isinstance(response, NoResponse):
                return response
            target = self._redirect(response, url) if spec.method in SAFE_METHODS and hop < MAX_REDIRECTS else None
            if target is None:
                return self._parse(response, spec, secret)
            url = target
        raise AssertionError("unreachable: the last hop has no target")  # pragma: no cover

    def _parse(self, response: RawResponse, spec: RequestSpec, secret: Secret | None) -> Success | NoResponse:
        response = response.decoded(body_limit(response.status, spec.options))
        parsed = spec.parser(response, secret.known if secret else None, self.clock.wall_clock())
        return NoResponse(parsed, was_sent=True) if isinstance(parsed, APIError) else Success(response, parsed)

    def _retry_time(self, error: APIError, retries_left: int, retry: int, options: RequestOptions) -> float | None:
        time = retry_time(
            error,
            retries_left=retries_left,
            retry=retry,
            now=self.clock.monotonic(),
            deadline=options.deadline,
            policy=self.config.retry,
            random=self.clock.random(),
        )
        return time if time is not None and self.budget.spend() else None

    def failure(self, exception: Exception, step: SendRequest) -> NoResponse | Exception:
        """Return the outcome of an attempt that raised an exception; see :meth:`to_error`."""
        error = self.to_error(exception, step.url, step.timeout)
        return NoResponse(error, was_sent(exception)) if isinstance(error, APIError) else error

    def to_error(self, exception: Exception, url: str, timeout: float) -> Exception:
        """Return the error for an exception of httpx; any other one, such as that of an event hook, unchanged.

        The caller must raise it outside the handler: the frames of the exception refer to the request, which contains
        the key.
        """
        if isinstance(exception, KkiaiError):
            exception.__cause__ = exception.__context__ = None
            return exception.with_traceback(None)
        if not (isinstance(exception, TRANSLATED) or self.pool.has_custom_transports):
            return exception.with_traceback(_foreign_frames(exception.__traceback__))
        # The request may have failed because another thread closed the client.
        closed = self.pool.closed.is_set()
        return ConfigurationError(CLOSED) if closed else translate(exception, url, timeout)

    def _redirect(self, response: RawResponse, url: str) -> str | None:
        """Return the target of a redirect if it is on the gateway's own origin, or None."""
        location = response.header("location") if response.status in REDIRECTS else None
        if not location:
            return None
        try:
            target = httpx.URL(urljoin(url, location))
        except (ValueError, httpx.InvalidURL):
            return None
        # httpx would replace the key by a user name in the URL.
        return str(target) if not target.userinfo and self._is_gateway(str(target)) else None

    def _is_gateway(self, url: str) -> bool:
        # Fast path: almost all URLs are built from the base URL.
        return url.startswith(f"{self.config.base_url}/") or _origin(url) == _origin(self.config.base_url)

    def _note_reachability(self, error: APIError) -> None:
        """Log a warning if no connection can be made, once until one is: a wait would otherwise be silent."""
        kind = error.kind if isinstance(error, APIConnectionError) else None
        if kind not in UNREACHABLE:
            self.pool.is_unreachable = False
        elif error.transient and not self.pool.is_unreachable:
            self.pool.is_unreachable = True
            log.warning("the gateway cannot be reached: %s", error)

    def _log(self, url: str, before: int, outcome: str, started: float, after: str) -> None:
        if log.isEnabledFor(logging.DEBUG):
            elapsed, where = self.clock.monotonic() - started, _redaction.display_url(url)
            log.debug("%s: attempt %d: %s after %.2f s, %s", where, before + 1, outcome, elapsed, after)


class BaseSession:
    """The part of both sessions that does not await."""

    context: SessionContext

    def __init__(self, context: SessionContext) -> None:
        headers = flatten(context.headers)
        with configuration_errors():
            super().__init__(base_url=context.config.base_url, headers=headers, **context.pool.gateway_arguments)  # type: ignore[call-arg]
        self.context = context

    def with_headers(self, headers: tuple[tuple[str, str], ...]) -> Self:
        """Return a session over the same connections that sends these headers as well."""
        return type(self)(self.context.with_headers(headers))


def merge_headers(defaults: Headers, *groups: Iterable[tuple[Any, Any]]) -> Headers:
    """Return headers by lower-case name; those of a group replace those of the groups before it."""
    merged = dict(defaults)
    for group in groups:
        added: Headers = {}
        for name, value in group:
            pair = header_bytes(name), header_bytes(value)
            added.setdefault(pair[0].lower(), []).append(pair)
        merged |= added
    return merged


def flatten(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers as pairs of name and value."""
    return [*chain.from_iterable(headers.values())]


def header_bytes(value: object) -> bytes:
    """Return a header name or value as bytes; unlike httpx, also from UUIDs, dates, numbers and booleans."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        # As in JSON.
        value = str(value).lower()
    return str(value.isoformat() if isinstance(value, date) else value).encode()


def _foreign_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback from its first frame outside the packages whose frames refer to requests with the key."""
    while traceback and traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] in HTTP_PACKAGES:
        traceback = traceback.tb_next
    return traceback


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _with_attempts(error: APIError, fault: APIError | None, attempts: list[Attempt], *, is_cut: bool) -> APIError:
    """Return the error to raise: the one before a timeout at the deadline; for other timeouts, it is the cause."""
    if isinstance(error, APITimeoutError) and fault is not None:
        if is_cut:
            error = fault
        elif not isinstance(fault, APITimeoutError):
            error.__cause__ = fault
    error.attempts = tuple(attempts)
    return error


def _to_attempt(error: APIError, delay: float) -> Attempt:
    fault = getattr(error, "kind", None) or getattr(error, "code", None)
    return Attempt(getattr(error, "status_code", None), fault, delay)


def body_limit(status: int, options: RequestOptions) -> int:
    """Return the maximum bytes of the body of a response with this status."""
    return options.max_body if 200 <= status < 300 else MAX_ERROR_BODY


def _redact_record(record: logging.LogRecord) -> bool:
    """Logging filter: keep keys and signatures of this package's requests out of the logs of other libraries."""
    if not in_request_scope():
        return True
    if isinstance(record.args, tuple):
        args = (_redaction.display_url(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
        record.args = tuple(args)
    return record.name == "httpx"


# At DEBUG httpcore logs response headers, such as a signed Location, and hpack logs request headers. httpx logs URLs
# with their queries.
for _name in ("httpx", "httpcore.http11", "httpcore.http2", "hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_redact_record)
