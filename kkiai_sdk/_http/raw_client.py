"""The generated client, over a session of ours."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Never, Self

from kkiai_api.client import AuthenticatedClient
from kkiai_sdk import _validators
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

#: The generated client holds no key: the session adds it to each request.
PLACEHOLDER = "added-per-request"


class RawClient(AuthenticatedClient):
    """The generated client, whose copies keep the session: the generated ones would make an httpx client of their own,
    with the placeholder for a key and without retries, limits and typed errors.
    """

    def with_headers(self, headers: dict[str, str]) -> Self:
        """A copy that sends these fields too. Raises ConfigurationError for fields that cannot be sent."""
        pairs = _validators.headers("headers", headers)
        twin = copy.copy(self)
        for name in ("_client", "_async_client"):
            session = getattr(self, name)
            if session is not None:
                setattr(twin, name, session.with_headers(pairs))
        return twin

    def get_httpx_client(self) -> httpx.Client:
        """The session. Raises ConfigurationError on the raw client of AsyncKkiai, which has another kind of session."""
        if self._client is None:
            raise ConfigurationError("this raw client is asynchronous: use asyncio_detailed(), or the raw of Kkiai")
        return self._client

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        """The session. Raises ConfigurationError on the raw client of Kkiai, which has another kind of session."""
        if self._async_client is None:
            raise ConfigurationError("this raw client is synchronous: use sync_detailed(), or the raw of AsyncKkiai")
        return self._async_client

    def with_cookies(self, cookies: object) -> Never:  # noqa: ARG002 (the parameters are the generated ones)
        """Not supported: the SDK keeps and sends no cookies. Raises ConfigurationError."""
        raise ConfigurationError("a raw client sends no cookies; a gateway that needs one gets it by with_headers()")

    def with_timeout(self, timeout: object) -> Never:  # noqa: ARG002
        """Not supported: time limits are the session's. Raises ConfigurationError."""
        raise ConfigurationError("a raw client takes its timeout from the client: client.with_options(timeout=…).raw")


def raw_client(base_url: str) -> RawClient:
    """A generated client that has yet to be given its session."""
    return RawClient(base_url=base_url, token=PLACEHOLDER)
