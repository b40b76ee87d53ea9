"""Work in the background: order, ends and errors."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.cli.stream import Ordered, spread, stream

if TYPE_CHECKING:
    from collections.abc import Callable


class Trouble(Exception):  # noqa: N818
    """What a test raises."""


def test_everything_told_arrives_in_order() -> None:
    """What the work tells arrives once and in order, and the stream ends with the work."""

    def work(tell: Callable[[int], None]) -> None:
        for number in range(1000):
            tell(number)

    assert [item for batch in stream(work) for item in batch] == list(range(1000))


def test_what_the_work_raises_comes_last() -> None:
    """An error of the work is raised in the foreground, after all that was told before it."""

    def work(tell: Callable[[int], None]) -> None:
        tell(7)
        raise Trouble

    told = chain.from_iterable(stream(work))
    assert next(told) == 7
    with pytest.raises(Trouble):
        next(told)


@pytest.mark.parametrize("hands", [1, 3, 20])
def test_every_item_is_worked_on_once(hands: int) -> None:
    """However many hands there are, each item is done once, and all are done at the end."""
    done: list[int] = []
    spread(range(50), done.append, hands)
    assert sorted(done) == list(range(50))


def test_trouble_with_one_item_is_raised() -> None:
    """What is raised for one item is raised in the end, and the others were not given up."""
    done = []

    def work(item: int) -> None:
        if item == 2:
            raise Trouble
        done.append(item)

    with pytest.raises(Trouble):
        spread(range(3), work, 1)
    assert done == [0, 1]


def test_results_are_put_in_order() -> None:
    """Results that come early wait for those before them, and no longer."""
    told: list[str] = []
    ordered = Ordered(told.append)
    seen = []
    for number in (2, 0, 1, 4, 3):
        ordered.put(number, str(number))
        seen.append("".join(told))
    assert seen == ["", "0", "012", "012", "01234"]
