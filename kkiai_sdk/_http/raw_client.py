"""The clients passed to generated functions: the generated client over a session, and the client of one query."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Never, Self

from kkiai_api.client import AuthenticatedClient
from kkiai_sdk import _validators
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from kkiai_sdk._effects import RequestOptions
    from kkiai_sdk._http.base_session import Exchange, Success


class RawClient(AuthenticatedClient):
    """A generated client whose copies keep the session. Those of its base class would create a plain httpx client, with
    the placeholder for a key and without retries, timeouts and typed errors.
    """

    def with_headers(self, headers: dict[str, str]) -> Self:
        """Return a copy that sends these headers as well. Raises ConfigurationError for invalid headers."""
        pairs = _validators.headers("headers", headers)
        clone = copy.copy(self)
        for name in ("_client", "_async_client"):
            session = getattr(self, name)
            if session is not None:
                setattr(clone, name, session.with_headers(pairs))
        return clone

    def get_httpx_client(self) -> httpx.Client:
        """Return the session. Raises ConfigurationError on the raw client of AsyncKkiai."""
        if self._client is None:
            raise ConfigurationError(
                "this raw client is asynchronous: use asyncio_detailed(), or the raw client of Kkiai"
            )
        return self._client

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        """Return the session. Raises ConfigurationError on the raw client of Kkiai."""
        if self._async_client is None:
            raise ConfigurationError(
                "this raw client is synchronous: use sync_detailed(), or the raw client of AsyncKkiai"
            )
        return self._async_client

    def with_cookies(self, cookies: object) -> Never:  # noqa: ARG002 (the parameters are the generated ones)
        """Raise ConfigurationError: the SDK stores no cookies."""
        raise ConfigurationError("a raw client stores no cookies; to send one, use with_headers()")

    def with_timeout(self, timeout: object) -> Never:  # noqa: ARG002
        """Raise ConfigurationError: the session sets the timeout."""
        raise ConfigurationError("a raw client uses the timeout of its client: use client.with_options(timeout=…).raw")


class RequestAdapter:
    """The client that a generated function receives: sends its request with the options of one query."""

    #: Read by the generated function; the session raises for error statuses itself.
    raise_on_unexpected_status = False
    success: Success

    def __init__(self, session: Any, options: RequestOptions) -> None:
        self._session, self._options = session, options

    def get_httpx_client(self) -> Self:
        """Return itself."""
        return self

    get_async_httpx_client = get_httpx_client

    def request(self, method: str, url: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Send a request without a body, or return a coroutine that does. The response is also kept in ``success``."""
        spec = self._session.context.spec(method, url, params, headers, self._options)
        return self._session.exchange(self._keep(self._session.context.request_flow(spec)), spec)

    def _keep(self, flow: Exchange) -> Exchange:
        self.success = yield from flow
        return self.success
