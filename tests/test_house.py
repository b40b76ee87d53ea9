"""The rules of the house, held by reading the sources."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.sources import PACKAGE, ROOT, Function, dotted, functions, python_files, shown, tree, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N = TypeVar("N", bound=ast.AST)

CODE = python_files("kkiai_sdk", "codegen", "tools")
SHIPPED = python_files("kkiai_sdk")
TESTS = [path for path in python_files("tests", "contract_tests") if path.stem.startswith("test_")]

#: Calls that have no place in the package, and why.
FORBIDDEN_CALLS = {
    "print": "data goes to stdout through the command line's own output, messages to the log",
    "time.time": "durations are measured by the monotonic clock, which comes in as an argument",
    "datetime.now": "as time.time",
    "datetime.datetime.now": "as time.time",
    "datetime.utcnow": "as time.time",
    "HTTPStatus": "it does not know 520 and its like; statuses are numbers",
    "http.HTTPStatus": "as HTTPStatus",
    "breakpoint": "left behind",
    "eval": "never",
    "exec": "never",
}

#: Where one of them is the very thing that is wanted: the doctor compares the wall clock with the server's, and the
#: processes of a durable wait have no other clock in common.
ALLOWED = {(f"kkiai_sdk/{name}.py", "time.time") for name in ("cli/doctor", "dbos/queue", "dbos/worker")}


def length(node: Function) -> int:
    """Lines of the body, without a docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def nodes(kind: type[N], paths: list[Path]) -> Iterator[tuple[str, N]]:
    """Every node of one kind in the files, with the place where it stands."""
    for path in paths:
        yield from (
            (f"{shown(path)}:{getattr(node, 'lineno', 0)}", node) for node in walk(path) if isinstance(node, kind)
        )


def test_files_have_at_most_500_lines() -> None:
    """No file has more than 500 lines."""
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in CODE}
    assert {path: lines for path, lines in lengths.items() if lines > 500} == {}


def test_functions_have_at_most_40_lines_of_code() -> None:
    """No function has more than 40 lines besides its signature and its docstring."""
    lengths = {f"{shown(path)}:{node.name}": length(node) for path in CODE for node in functions(path)}
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}


def test_package_makes_no_forbidden_call() -> None:
    """Nothing in the package prints, reads the wall clock behind a caller's back, or looks statuses up in a list."""
    calls = [(place, dotted(call.func)) for place, call in nodes(ast.Call, SHIPPED)]
    found = [(place, name) for place, name in calls if name in FORBIDDEN_CALLS]
    assert [f"{place}: {name}" for place, name in found if (place.split(":")[0], name) not in ALLOWED] == []


def test_code_has_no_bare_except() -> None:
    """No handler catches everything without saying so."""
    assert [place for place, handler in nodes(ast.ExceptHandler, CODE) if handler.type is None] == []


def _is_about_types(test: ast.expr) -> bool:
    """Whether an assertion only tells a type checker what is known: ``isinstance(…)`` or ``… is not None``."""
    if isinstance(test, ast.Call):
        return dotted(test.func) == "isinstance"
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot) and ast.unparse(test).endswith("None")


def test_assertions_of_the_code_only_narrow_types() -> None:
    """No check of the package vanishes under `python -O`: assertions are there for type checkers alone."""
    assert [place for place, node in nodes(ast.Assert, CODE) if not _is_about_types(node.test)] == []


def test_every_test_has_a_docstring_and_a_unique_name() -> None:
    """Every test function has a docstring, and no two in a file have one name."""
    for path in TESTS:
        tests = [node for node in functions(path) if node.name.startswith("test_")]
        assert [f"{shown(path)}:{node.name}" for node in tests if not ast.get_docstring(node)] == []
        names = [node.name for node in tree(path).body if isinstance(node, ast.FunctionDef)]
        assert sorted(names) == sorted(set(names)), shown(path)


def _sleeps(call: ast.Call) -> bool:
    """Whether a call sleeps for real; zero seconds only let others run."""
    is_nothing = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
    return dotted(call.func) in {"time.sleep", "asyncio.sleep"} and not is_nothing


def test_no_test_but_chaos_sleeps() -> None:
    """No test sleeps but in the lane that is there for it, which the ordinary run leaves out."""
    quick = [path for path in TESTS if path.parent.name != "chaos"]
    assert len(quick) < len(TESTS)
    assert [place for place, call in nodes(ast.Call, quick) if _sleeps(call)] == []
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert "chaos" in options["norecursedirs"]


#: Folders that are made by tools and never committed.
MADE = {"__pycache__", "mutants", "build", "dist", "demo", "node_modules", "htmlcov"}
#: Endings of files that are not text.
BINARY = {".mp4", ".png", ".gif", ".pyc", ".so", ".part", ".woff2", ".whl", ".gz"}

#: Words that have no place in the project, as patterns. The swung dashes keep this file from holding them.
FORBIDDEN_WORDS = {
    "package registries": r"py~pi\.org|python~hosted\.org|npm~js\.(?:com|org)|crates~\.io",
    "paths of one machine": r"(?<![\w.])/wo~rk/|(?<![\w.])/ro~ot/|/tmp/pro~be|/tmp/br~ief|\.py~env/",
    "how it was made": r"\bsub~agent|\bcla~ude\b|anth~ropic|chat~gpt|\biss~ue \d|\bas an a~i\b|\bl~lms?\b",
    "papers that are elsewhere": r"(?-i:\b(?:WI~RE|DES~IGN|RELIA~BILITY|HO~USE|AGE~NTS|CLA~UDE)\.md\b)",
}


def committed() -> Iterator[Path]:
    """Every file of the checkout that is committed or could be."""
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            is_hidden = path.name.startswith(".") and path.name not in {".ci", ".gitignore"}
            if is_hidden or path.name in MADE or path.name.endswith(".egg-info"):
                continue
            if path.is_dir():
                pending.append(path)
            elif path.suffix not in BINARY:
                yield path


@pytest.mark.parametrize("why", FORBIDDEN_WORDS)
def test_no_file_has_a_forbidden_word(why: str) -> None:
    """No file names a package registry, a path of somebody's machine, or anything about how the project was made."""
    pattern = re.compile(FORBIDDEN_WORDS[why].replace("~", ""), re.IGNORECASE)
    found = [
        f"{shown(path)}:{number}: {line.strip()[:80]}"
        for path in committed()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_forbidden_words_are_searched_in_all_files() -> None:
    """The search covers the code, the generated client, the tests, the documents and the locked requirements."""
    names = {shown(path) for path in committed()}
    assert {"pyproject.toml", "openapi.yaml", "kkiai_sdk/client.py", "tests/test_house.py"} <= names
    assert any(name.startswith("generated/") for name in names)
    assert not any("__pycache__" in name for name in names)
    assert PACKAGE.is_dir()
