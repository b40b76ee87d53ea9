"""Consistency of `tests/faults.md` with the ids that tests carry."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.sources import ROOT, Function, dotted, python_files, shown, tree
from tests.support.faults import Row, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW = Row("X-01", "a fault", "the promise", "test")
EXCUSED = Row("X-01", "a fault", "nothing", "out of scope: nobody can do anything about it")
NOT_HELD = Row("X-01", "a fault", "nothing", "not held, because the library below does not report it")
#: The column "held by" of a row without a test: the kind, and a reason of more than a few words.
REASON = re.compile(r"(out of scope: |not held, because )\S.{20,}")
MARKS = """
pytestmark = [pytest.mark.fault("A-01")]
@pytest.mark.fault("A-02", "A-03")
def test_a(): ...
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.fault("A-04"))])
async def test_b(x): ...
class TestC:
    @pytest.mark.fault("A-05")
    def test_c(self): ...
"""


def read_marks(module: ast.Module, path: str) -> Iterator[str]:
    """Yield every id in a `pytest.mark.fault(…)`. Raises ValueError for other ids, or a mark on no test."""

    def is_mark(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and dotted(node.func) == "pytest.mark.fault"

    for node in ast.walk(module):
        place = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, Function) and not node.name.startswith("test_") and any(map(is_mark, node.decorator_list)):
            raise ValueError(f"{place}: {node.name} is marked and is no test")
        if isinstance(node, ast.Call) and is_mark(node):
            for argument in node.args:
                if not isinstance(argument, ast.Constant):
                    raise ValueError(f"{place}: an id is a literal, as in fault('N-01')")  # noqa: TRY004 (about a text)
                yield str(argument.value)


def problems(rows: list[Row], marks: set[str]) -> Iterator[str]:
    """Yield every inconsistency between the rows and the ids that tests carry."""
    ids = [row.id for row in rows]
    yield from (f"{one} is in the table twice" for one in {one for one in ids if ids.count(one) > 1})
    yield from (f"{mark} is carried by a test and not in the table" for mark in marks - set(ids))
    for row in rows:
        if row.held_by != "test" and not REASON.fullmatch(row.held_by):
            yield f"{row.id} has neither a test nor a reason: {row.held_by}"
        elif (row.held_by == "test") != (row.id in marks):
            yield f"{row.id} has no test, or a reason for having none and yet one"


def test_every_fault_has_a_test_or_a_reason() -> None:
    """Each row of the table has a test that carries its id, or the reason why it needs none; each id has its row."""
    rows = read_table((ROOT / "tests" / "faults.md").read_text("utf-8"))
    files = python_files("tests", "contract_tests")
    assert list(problems(rows, {mark for path in files for mark in read_marks(tree(path), shown(path))})) == []
    assert len(rows) > 190, "the table was not read whole"


@pytest.mark.parametrize(
    ("rows", "marks", "problem"),
    [
        ([ROW], {"X-01"}, None),
        ([EXCUSED], set(), None),
        ([NOT_HELD], set(), None),
        ([ROW], set(), "has no test"),
        ([EXCUSED], {"X-01"}, "a reason for having none"),
        ([NOT_HELD], {"X-01"}, "a reason for having none"),
        ([ROW, ROW], {"X-01"}, "in the table twice"),
        ([], {"X-01"}, "not in the table"),
        ([Row("X-01", "a fault", "nothing", "out of scope: no")], set(), "neither a test nor a reason"),
        ([Row("X-01", "a fault", "nothing", "not held")], set(), "neither a test nor a reason"),
    ],
)
def test_rows_and_marks_that_do_not_match_are_reported(rows: list[Row], marks: set[str], problem: str | None) -> None:
    """A row without a test, an id without a row, a row that is there twice, an empty reason: each is a problem."""
    assert [problem in one for one in problems(rows, marks) if problem] == [True] * bool(problem)
    assert bool(list(problems(rows, marks))) == bool(problem)


def test_marks_of_functions_methods_parameters_and_modules_are_read() -> None:
    """A mark counts on a function, on a method, on a parameter and on a whole module."""
    assert sorted(read_marks(ast.parse(MARKS), "x.py")) == ["A-01", "A-02", "A-03", "A-04", "A-05"]


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.fault("A-01")\ndef helper(): ...',
        "@pytest.mark.fault(ID)\ndef test_a(): ...",
        "@pytest.mark.fault(*IDS)\ndef test_a(): ...",
    ],
)
def test_mark_without_a_test_or_a_literal_id_is_an_error(source: str) -> None:
    """A mark on a function that is no test, and an id that is no literal, are errors."""
    with pytest.raises(ValueError, match=r"x\.py:\d"):
        list(read_marks(ast.parse(source), "x.py"))


@pytest.mark.parametrize("line", ["| X-1 | a | b | test |", "| X-01 | a | b |", "|X-01 | a | b | test |"])
def test_row_of_another_form_is_an_error(line: str) -> None:
    """A line of the table that cannot be read is an error."""
    with pytest.raises(ValueError, match="not four columns"):
        read_table(line)
