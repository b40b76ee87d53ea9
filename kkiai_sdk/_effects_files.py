"""What the flow of a download asks its driver to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from kkiai_sdk._downloads.urls import Source


@frozen
class Local:
    """Do something with the file system that may take a while."""

    do: Callable[[], Any]


@frozen
class Open:
    """Send a GET for a file. Outcome: its Head, or an APIError when there was no answer. The body stays open."""

    source: Source
    headers: dict[str, str]


@frozen
class Copy:
    """Write the open body to ``write`` as it comes. Outcome: None when it ended well, else the APIError that cut it."""

    write: Callable[[bytes], None]
    #: Called before the first write, and after each.
    tell: Callable[[], object]
