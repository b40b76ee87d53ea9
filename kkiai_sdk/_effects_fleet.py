"""What the flow of a fleet asks its driver to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from kkiai_sdk._effects import Fetch


@frozen
class Launch:
    """Start a Fetch and go on at once."""

    fetch: Fetch


@frozen
class Gather:
    """Wait for launched fetches, at most until this time. Outcome: a list of pairs, id and Reply or error."""

    until: float
