"""The judge of mutation testing: what survives needs a reason, and a reason needs a survivor."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.mutation_report import REASONS, Change, Report, read_reasons

DIFF = """\
--- kkiai_sdk/_redaction.py
+++ kkiai_sdk/_redaction.py
@@ -1,3 +1,3 @@
 def f(a):
-    return a | `b`
+    return a & `b`
"""
CHANGE = Change("_redaction.f", "return a ¦ ´b´", "return a & ´b´")


def report(survivors: list[Change], excused: set[Change], **statuses: int) -> Report:
    """A report of results."""
    counted = Counter({name.replace("_", " "): count for name, count in statuses.items()})
    return Report("_redaction", counted, Counter(survivors), excused)


@pytest.mark.parametrize(
    ("mutant", "function"),
    [
        ("kkiai_sdk._redaction.x_f__mutmut_12", "_redaction.f"),
        ("kkiai_sdk._polling.scheduler.x__shown__mutmut_1", "_polling.scheduler._shown"),
        ("kkiai_sdk.models.xǁVideoTaskǁto_dict__mutmut_3", "models.VideoTask.to_dict"),
    ],
)
def test_change_of_a_mutant_is_named_by_its_text(mutant: str, function: str) -> None:
    """A change is named by function, old line and new line, in a form that fits into a table."""
    assert Change.from_diff(mutant, DIFF) == CHANGE._replace(function=function)


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        (report([CHANGE], {CHANGE}, killed=5, timeout=1, survived=1), None),
        (report([CHANGE], set(), killed=5, survived=1), f"survives without a reason: {CHANGE}"),
        (report([], {CHANGE}, killed=5), f"a reason without a survivor: {CHANGE}"),
        (report([], {CHANGE}, killed=5, not_checked=1), "1 mutants: not checked"),
        (report([], set(), no_tests=2), "2 mutants: no tests"),
        (report([], set(), suspicious=2), "2 mutants: suspicious"),
        (report([], set(), skipped=2), "2 mutants: skipped"),
    ],
)
def test_survivors_and_reasons_that_do_not_match_are_problems(results: Report, problem: str | None) -> None:
    """A survivor needs a reason; a reason needs a survivor, once all was tried; a mutant not tried is a problem."""
    assert list(results.problems()) == ([f"_redaction: {problem}"] if problem else [])


def test_row_of_a_module_counts_its_mutants() -> None:
    """The row has all mutants, those noticed, surviving with and without a reason, and those not tried."""
    results = report(
        [CHANGE, CHANGE, CHANGE._replace(function="g")], {CHANGE}, killed=4, timeout=1, survived=3, no_tests=2
    )
    assert results.row() == "| `_redaction` | 10 | 5 | 2 | 1 | 2 |\n"


def test_reasons_of_a_table_are_read_by_change() -> None:
    """A row of the table is the reason of its change; a line that looks like a row and is none is refused."""
    assert read_reasons(f"text\n{CHANGE} the same |\n") == {CHANGE: "the same"}
    with pytest.raises(ValueError, match="not a row"):
        read_reasons("| `_redaction.f` | no ticks | `b` | why |")


def test_reasons_of_the_project_have_words() -> None:
    """Every row of `tests/survivors.md` gives a reason of three words or more."""
    given = read_reasons(REASONS.read_text("utf-8"))
    assert given
    assert [change for change, why in given.items() if len(why.split()) < 3] == []
