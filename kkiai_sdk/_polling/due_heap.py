"""Heap of items by due time, in which items can be found and removed by key.

A removed item stays in the heap until its turn comes, or until removed items outnumber the others. Pure.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

T = TypeVar("T")
#: Due time, number of the arrival, key, item.
Entry: TypeAlias = "tuple[float, int, Hashable, T]"
#: Number of removed items that a heap may hold in excess of the others.
MAX_REMOVED = 64


class DueHeap(Generic[T]):
    """Items by due time, then by arrival. ``arrivals`` numbers them; heaps can share it."""

    def __init__(self, arrivals: Iterator[int]) -> None:
        self._arrivals = arrivals
        self._heap: list[Entry[T]] = []
        self._entries: dict[Hashable, Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    @property
    def entries(self) -> Iterable[Entry[T]]:
        """The entries, in no order."""
        return self._entries.values()

    @property
    def first_due(self) -> float:
        """The due time of the first item, or infinity."""
        return self._heap[0][0] if self._drop_removed() else math.inf

    def first(self) -> T | None:
        """Return the first item, or None."""
        return self._heap[0][3] if self._drop_removed() else None

    def get(self, key: Hashable) -> T | None:
        """Return the item of a key, or None."""
        entry = self._entries.get(key)
        return None if entry is None else entry[3]

    def push(self, key: Hashable, due: float, item: T) -> None:
        """Add an item. Its key must not be in the heap."""
        entry = self._entries[key] = due, next(self._arrivals), key, item
        heapq.heappush(self._heap, entry)

    def pop(self) -> T:
        """Remove and return the first item; there must be one."""
        self._drop_removed()
        _, _, key, item = heapq.heappop(self._heap)
        del self._entries[key]
        return item

    def remove(self, key: Hashable) -> T | None:
        """Remove and return the item of a key, or None."""
        entry = self._entries.pop(key, None)
        if len(self._heap) > 2 * len(self._entries) + MAX_REMOVED:
            self._heap = sorted(self._entries.values())
        return None if entry is None else entry[3]

    def _drop_removed(self) -> bool:
        """Drop removed items from the top. Return whether an item is left."""
        while self._heap and self._entries.get(self._heap[0][2]) is not self._heap[0]:
            heapq.heappop(self._heap)
        return bool(self._heap)
