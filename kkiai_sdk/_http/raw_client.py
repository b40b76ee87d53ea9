"""The generated client over a session of the SDK."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Never, Self

from kkiai_api.client import AuthenticatedClient
from kkiai_sdk import _validators
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

#: The generated client requires a token; the session sends the key.
PLACEHOLDER = "added-per-request"


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


def raw_client(base_url: str) -> RawClient:
    """Return a generated client without a session, which the caller sets."""
    return RawClient(base_url=base_url, token=PLACEHOLDER)
