"""The heap of items by due time, against a sorted list."""

from __future__ import annotations

import itertools
import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk._polling.due_heap import MAX_REMOVED, DueHeap
from tests.unit.support import FIXED


def heap(*items: tuple[str, float]) -> DueHeap[str]:
    """A heap of items that are their own keys."""
    made: DueHeap[str] = DueHeap(itertools.count())
    for key, due in items:
        made.push(key, due, key.upper())
    return made


def test_empty_heap_has_no_first_item() -> None:
    """It is due never."""
    made = heap()
    assert (len(made), made.first(), made.first_due, made.get("a"), made.remove("a")) == (0, None, math.inf, None, None)


def test_items_come_by_due_time_then_by_arrival() -> None:
    """Of equally due items the one that arrived first comes first."""
    made = heap(("b", 2.0), ("c", 1.0), ("a", 2.0))
    assert (made.first(), made.first_due, len(made)) == ("C", 1.0, 3)
    assert [made.pop() for _ in range(3)] == ["C", "B", "A"]


def test_removed_item_does_not_come() -> None:
    """It is returned once, and neither found nor popped any more."""
    made = heap(("a", 1.0), ("b", 2.0), ("c", 3.0))
    assert (made.remove("a"), made.remove("a"), "a" in made, "b" in made) == ("A", None, False, True)
    assert (made.get("b"), made.first(), made.first_due) == ("B", "B", 2.0)
    made.remove("b")
    assert [made.pop(), len(made)] == ["C", 0]


def test_item_that_is_pushed_again_has_the_last_due_time() -> None:
    """The entry before its removal is no longer valid."""
    made = heap(("a", 1.0), ("b", 2.0))
    made.remove("a")
    made.push("a", 3.0, "A")
    assert [entry[0] for entry in sorted(made.entries)] == [2.0, 3.0]
    assert [made.pop(), made.pop()] == ["B", "A"]


def test_removed_items_do_not_pile_up() -> None:
    """However many are removed, the heap holds few of them."""
    made = heap(("kept", 5.0))
    for number in range(10 * MAX_REMOVED):
        made.push("x", 100.0 + number, "X")
        made.remove("x")
        assert len(made._heap) <= 2 * len(made) + MAX_REMOVED
    assert made.pop() == "KEPT"


@given(st.integers(0, 2**32))
@FIXED
def test_heap_equals_a_sorted_list(seed: int) -> None:
    """After any calls the items come in the order of a list sorted by due time and arrival."""
    dice, made, model = Random(seed), heap(), dict[str, tuple[float, int]]()
    for number in range(dice.randrange(200)):
        key, due = dice.choice("abcdefgh"), float(dice.randrange(5))
        first = min(model, key=lambda each: model[each], default=None)
        assert (made.first(), made.first_due) == ((first.upper(), model[first][0]) if first else (None, math.inf))
        if dice.random() < 0.2 and first:
            assert made.pop() == first.upper()
            del model[first]
        elif dice.random() < 0.4 or key in model:
            assert made.remove(key) == (key.upper() if model.pop(key, None) else None)
        else:
            made.push(key, due, key.upper())
            model[key] = due, number
        assert (len(made), {entry[2] for entry in made.entries}) == (len(model), set(model))
