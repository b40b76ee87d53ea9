"""The judge of mutation testing: what survives needs a reason, and a reason needs a survivor."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.mutation_report import REASONS, Judgement, Survivor, reasons, survivor

DIFF = """\
--- kkiai_sdk/_redaction.py
+++ kkiai_sdk/_redaction.py
@@ -1,3 +1,3 @@
 def f(a):
-    return a | `b`
+    return a & `b`
"""
CHANGE = Survivor("_redaction.f", "return a ¦ ´b´", "return a & ´b´")


def judged(changes: dict[Survivor, int], given: set[Survivor], **statuses: int) -> list[str]:
    """What is wrong with these results."""
    counted = Counter({name.replace("_", " "): count for name, count in statuses.items()})
    return list(Judgement("_text", counted, changes, frozenset(given)).problems())


@pytest.mark.parametrize(
    ("mutant", "where"),
    [
        ("kkiai_sdk._redaction.x_f__mutmut_12", "_redaction.f"),
        ("kkiai_sdk._redaction.x__shown__mutmut_1", "_redaction._shown"),
        ("kkiai_sdk.models.xǁVideoTaskǁto_dict__mutmut_3", "models.VideoTask.to_dict"),
    ],
)
def test_a_survivor_is_known_by_its_change(mutant: str, where: str) -> None:
    """A survivor is named by function, old line and new line, in a form that fits into a table."""
    assert survivor(mutant, DIFF) == Survivor(where, CHANGE.was, CHANGE.becomes)


def test_a_survivor_needs_a_reason() -> None:
    """Without a reason a survivor is wrong; with one it is not, and what was noticed never is."""
    assert judged({CHANGE: 1}, set(), killed=5, timeout=1, survived=1) == [
        f"_text: survives without a reason: {CHANGE}"
    ]
    assert judged({CHANGE: 1}, {CHANGE}, killed=5, survived=1) == []


def test_a_reason_needs_a_survivor() -> None:
    """A reason for what does not survive any more is wrong, unless not everything has been tried."""
    assert judged({}, {CHANGE}, killed=5) == [f"_text: a reason without a survivor: {CHANGE}"]
    assert judged({}, {CHANGE}, killed=5, not_checked=1) == ["_text: 1 mutants: not checked"]


@pytest.mark.parametrize("status", ["no tests", "not checked", "suspicious", "skipped"])
def test_what_was_not_tried_is_no_success(status: str) -> None:
    """A mutant that no test ran for, or that came to no result, is wrong."""
    assert judged({}, set(), **{status.replace(" ", "_"): 2}) == [f"_text: 2 mutants: {status}"]


def test_the_figures() -> None:
    """The row says how many there were, were noticed, survive with and without a reason, and were not tried."""
    other = Survivor("_text.g", "a", "b")
    counted = Counter({"killed": 4, "timeout": 1, "survived": 3, "no tests": 2})
    assert (
        Judgement("_text", counted, {CHANGE: 2, other: 1}, frozenset({CHANGE})).row()
        == "| `_text` | 10 | 5 | 2 | 1 | 2 |\n"
    )


def test_the_table_is_read_back() -> None:
    """A row of the table is the reason of its change; what looks like a row and is none is refused."""
    assert reasons(f"text\n{CHANGE} the same |\n") == {CHANGE: "the same"}
    with pytest.raises(ValueError, match="not a row"):
        reasons("| `_text.f` | no ticks | `b` | why |")


def test_every_survivor_has_a_reason_that_says_something() -> None:
    """The reasons of the project are rows with words in them."""
    given = reasons(REASONS.read_text("utf-8"))
    assert given
    assert [change for change, why in given.items() if len(why.split()) < 3] == []
