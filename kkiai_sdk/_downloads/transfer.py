"""Performs the effects of a download in the synchronous client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kkiai_sdk._effects import OpenDownload, RunBlocking, WriteBody
from kkiai_sdk._http.session import FileResponse
from kkiai_sdk.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kkiai_sdk._effects import Effect
    from kkiai_sdk._http.session import Session
    from kkiai_sdk._responses.raw_response import RawResponse


class Transfer:
    """Performs effects with at most one open response."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._response: FileResponse | None = None

    def perform(self, effect: Effect, fallback: Callable[[Effect], Any]) -> Any:
        """Perform an effect of a download; pass any other on to ``fallback``."""
        if isinstance(effect, RunBlocking):
            return effect.function()
        if isinstance(effect, WriteBody):
            return self._write(effect)
        # A response that is no longer read must not occupy its connection.
        self.close()
        return self._open(effect) if isinstance(effect, OpenDownload) else fallback(effect)

    def _open(self, effect: OpenDownload) -> RawResponse | APIError:
        try:
            self._response = FileResponse.open(self._session, effect.target, effect.headers)
        except APIError as error:
            return error
        return self._response.head

    def _write(self, effect: WriteBody) -> Exception | None:
        response = self._response
        chunks: Iterable[bytes] | None = effect.source
        if chunks is None:
            assert response is not None
            chunks = response.chunks()
        effect.report()
        for chunk in chunks:
            effect.write(chunk)
            effect.report()
        return response.error if response else None

    def close(self) -> None:
        """Close the response."""
        if self._response is not None:
            self._response.close()
            self._response = None
