"""Run mutmut on the pure modules: does a unit test fail for every small change?

`make mutants MODULES=all` runs it, `python tools/mutate.py _responses.strict_json models` for some; mutants named in
full are tried again. `tools/mutation_report.py` judges what survives.

mutmut would run pytest again for each of the 2,900 mutants, half a second each. Here the tests are collected once; each
mutant is tried in a fork, up to the first test that fails.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir
from functools import cache
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pytest
from _pytest.config import _prepareconfig
from mutmut.__main__ import cli
from mutmut.configuration import config
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.workers.isolation import run_in_fork

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Exit code that mutmut reports as "suspicious".
SUSPICIOUS = 35
#: Functions that run while their module is imported, which was before the fork.
AT_IMPORT = {"_config.x__policy", "_downloads.sniffing.x__known", "policies.x__count", "policies.x__within"}


@cache
def collected() -> pytest.Session:
    """All unit tests, collected in this process for all forks."""
    # No test should fail for files that mutmut leaves to the garbage collector.
    options = ["--rootdir=.", "--tb=native", "-q", "-s", "-pno:unraisableexception", *config().pytest_add_cli_args]
    made = _prepareconfig([*options, "tests/unit"])
    made._do_configure()  # noqa: SLF001 (pytest has no public way to keep a session)
    session = pytest.Session.from_config(made)
    made.hook.pytest_sessionstart(session=session)
    made.hook.pytest_collection(session=session)
    return session


def _file_name(module: str) -> str:
    """The start of the names of a module's own test files."""
    return f"test_{module.rpartition('.')[2].removeprefix('_')}"


def chosen(module: str, tests: Iterable[str]) -> set[str]:
    """Of the tests that call a function of a module, those in files named after it, or all; as names of functions."""
    functions = {test.partition("[")[0] for test in tests}
    own = {test for test in functions if PurePath(test.partition("::")[0]).name.startswith(_file_name(module))}
    return own or functions


def run_in_turn(items: list[pytest.Item], failed_before: Path) -> int:
    """Run tests up to the first failure; returns the exit code that pytest would.

    Tests that failed for mutants of the same function come first, then the shortest ones.
    """
    before = set(failed_before.read_text("utf-8").splitlines()) if failed_before.exists() else set()
    items = sorted(items, key=lambda item: (item.nodeid not in before, state().duration_by_test.get(item.nodeid, 0)))
    for item, following in zip_longest(items, items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            with failed_before.open("a", encoding="utf-8") as file:
                file.write(f"{item.nodeid}\n")
            return 1
    return 0 if items else 5


def run_in_new_process(module: str) -> int:
    """Run a module's own test files in a process that imports the mutant."""
    files = sorted(str(path) for path in Path("tests/unit").rglob(f"{_file_name(module)}*.py"))
    command = [sys.executable, "-m", "pytest", "-x", "-q", *config().pytest_add_cli_args, *files]
    code = subprocess.run(command, check=False, capture_output=True).returncode
    return {0: 0, 1: 1, 2: 1}.get(code, SUSPICIOUS)  # 2: the mutant could not be imported


def try_mutant(mutant: str, tests: Iterable[str]) -> int:
    """Try one mutant, in a fork of its own; returns the exit code for mutmut."""
    function = mutant.removeprefix("kkiai_sdk.").partition("__mutmut_")[0]
    module = function.rpartition(".")[0]
    try:
        if function in AT_IMPORT:
            return run_in_new_process(module)
        mine = chosen(module, tests)
        items = [item for item in collected().items if item.nodeid.partition("[")[0] in mine]
        return run_in_turn(items, Path(f"{function}.failed"))
    except BaseException:  # noqa: BLE001 (the mutant was not tried, whatever the reason)
        return SUSPICIOUS


def _run_tests(_runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    with chdir("mutants"):
        if mutant_name:
            return try_mutant(mutant_name, tests)
        # mutmut checks that the tests pass without a mutant, and fail when every function does.
        return run_in_fork(run_in_turn, collected().items, Path("all.failed"))


def main() -> None:
    """Run mutmut for the modules and mutants on the command line, or for all of pyproject.toml."""
    PytestRunner.run_tests = _run_tests  # type: ignore[assignment, method-assign]
    cli(["run", *(name if "__mutmut_" in name else f"kkiai_sdk.{name}.*" for name in sys.argv[1:])])


if __name__ == "__main__":
    main()
