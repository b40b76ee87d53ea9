"""What both clients are before they do anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from kkiai_sdk._base_client import Core


class BaseClient:
    """The part of a client that needs no I/O."""

    _core: Core

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._core.config.base_url!r})"

    def __reduce__(self) -> Never:
        from kkiai_sdk.errors import ConfigurationError  # noqa: PLC0415 (naming a client loads nothing)

        raise ConfigurationError("a client holds a key and connections: it cannot be pickled or copied; make a new one")
