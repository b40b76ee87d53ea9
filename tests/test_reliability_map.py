"""The table of faults and the tests that stand for its rows belong together."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from tests.sources import ROOT, Function, dotted, python_files, shown, tree
from tests.support.faults import Row, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_REASON = re.compile(r"out of scope: \S.{20,}")


@frozen
class Mark:
    """An id that a test carries, and where."""

    id: str
    place: str


def read_marks(module: ast.Module, path: str) -> Iterator[Mark]:
    """The ids of every ``pytest.mark.fault(…)`` in a file: on tests, on their parameters, and for a whole module.

    Raises ValueError where an id is not written out, or where the mark is on what is no test.
    """
    for node in ast.walk(module):
        if isinstance(node, Function) and not node.name.startswith("test_"):
            marked = [one for one in node.decorator_list if _is_mark(one)]
            if marked:
                raise ValueError(f"{path}:{node.lineno}: {node.name} is marked and is no test")
        if isinstance(node, ast.Call) and _is_mark(node):
            for argument in node.args:
                if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                    raise ValueError(f"{path}:{node.lineno}: ids are written out, as in fault('N-01')")  # noqa: TRY004 (about a text)
                yield Mark(argument.value, f"{path}:{node.lineno}")


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func) == "pytest.mark.fault"


def problems(rows: Iterable[Row], marks: Iterable[Mark]) -> Iterator[str]:
    """What is wrong between a table and the marks, in words."""
    rows, marks = list(rows), list(marks)
    ids, carried = [row.id for row in rows], {mark.id for mark in marks}
    yield from (f"{one} is in the table {ids.count(one)} times" for one in sorted(set(ids)) if ids.count(one) > 1)
    yield from (f"{mark.place}: there is no fault {mark.id}" for mark in marks if mark.id not in ids)
    for row in rows:
        if row.held_by == "test":
            if row.id not in carried:
                yield f"{row.id} ({row.fault}) has no test"
        elif _REASON.fullmatch(row.held_by):
            if row.id in carried:
                yield f"{row.id} is out of scope and has a test"
        else:
            yield f"{row.id} is held neither by a test nor by a reason: {row.held_by}"


def test_every_fault_has_its_test() -> None:
    """Each row of the table has a test that carries its id, or the reason why it needs none; each id has its row."""
    rows = read_table((ROOT / "tests" / "faults.md").read_text("utf-8"))
    files = python_files("tests", "contract_tests")
    marks = [mark for path in files for mark in read_marks(tree(path), shown(path))]
    assert list(problems(rows, marks)) == []
    assert len(rows) > 190, "the table was not found whole"


ROW = Row("X-01", "a fault", "what is done", "test")
MARK = Mark("X-01", "tests/test_x.py:1")
REASON = "out of scope: nobody can do anything about it"


@pytest.mark.parametrize(
    ("rows", "marks", "problem"),
    [
        ([ROW], [MARK], None),
        ([ROW], [], "X-01 (a fault) has no test"),
        ([ROW, ROW], [MARK], "X-01 is in the table 2 times"),
        ([], [MARK], "tests/test_x.py:1: there is no fault X-01"),
        ([Row("X-01", "a fault", "nothing", REASON)], [], None),
        ([Row("X-01", "a fault", "nothing", REASON)], [MARK], "X-01 is out of scope and has a test"),
        ([Row("X-01", "a fault", "nothing", "out of scope: no")], [], "neither by a test nor by a reason"),
        ([Row("X-01", "a fault", "nothing", "open")], [MARK], "neither by a test nor by a reason"),
    ],
)
def test_what_does_not_belong_together_is_told(rows: list[Row], marks: list[Mark], problem: str | None) -> None:
    """A row without a test, an id without a row, a row that is there twice, an empty excuse: each is found."""
    found = list(problems(rows, marks))
    assert [problem in one for one in found if problem] == [True] * bool(problem)
    assert bool(found) == bool(problem)


MARKED = """
pytestmark = [pytest.mark.fault("A-01")]
@pytest.mark.fault("A-02", "A-03")
def test_a(): ...
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.fault("A-04"))])
async def test_b(x): ...
class TestC:
    @pytest.mark.slow
    @pytest.mark.fault("A-05")
    def test_c(self): ...
"""


def test_marks_are_found_wherever_they_stand() -> None:
    """A mark counts on a function, on a method, on a parameter and on a whole module."""
    marks = read_marks(ast.parse(MARKED), "x.py")
    assert sorted(mark.id for mark in marks) == ["A-01", "A-02", "A-03", "A-04", "A-05"]


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.fault("A-01")\ndef helper(): ...',
        "@pytest.mark.fault(ID)\ndef test_a(): ...",
        "@pytest.mark.fault(*IDS)\ndef test_a(): ...",
    ],
)
def test_marks_that_prove_nothing(source: str) -> None:
    """A mark on what is no test, and an id that cannot be read here, are errors."""
    with pytest.raises(ValueError, match=r"x\.py:\d"):
        list(read_marks(ast.parse(source), "x.py"))


@pytest.mark.parametrize("line", ["| X-1 | a | b | test |", "| X-01 | a | b |", "|X-01 | a | b | test |"])
def test_rows_that_are_none(line: str) -> None:
    """A line of the table that cannot be read is an error, and not passed over."""
    with pytest.raises(ValueError, match="not four columns"):
        read_table(line)
