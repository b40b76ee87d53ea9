"""Runs mutmut: changes the pure modules in small ways, one at a time, and sees whether a unit test notices.

`make mutants MODULES=all` runs it for every module, `python tools/mutate.py _redaction models` for some; mutants that
are named in full are tried again. What survives is judged by `tools/mutation_report.py`.

The unit tests are collected once; each of the 2,900 mutants is tried in a fork that has them, and is done with at the
first test that notices: a tenth of a second instead of half of one, which mutmut's own way takes.
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

#: What mutmut makes of an exit code: "suspicious".
SUSPICIOUS = 35
#: Test files that judge a module without being called after it.
ELSEWHERE = {
    "_pacing": ("test_fleet",),
    "_reading": ("test_refusals",),
    "_refusals": ("test_json_decoding",),
    "_saving": ("test_resuming",),
}

#: Functions that run while their module is imported: the process that tries mutants has imported it unchanged.
AT_IMPORT = {"_config.x__policy", "policies.x__count", "policies.x__within"}


def chosen(module: str, tests: Iterable[str]) -> set[str]:
    """Of the tests that call a function of this module, those of the module's own files; all when it has none.

    Whole test functions: among the names of parametrised cases are some that pytest does not take back.
    """
    functions = {test.partition("[")[0] for test in tests}
    own = (f"test_{module.removeprefix('_')}", *ELSEWHERE.get(module, ()))
    return {test for test in functions if PurePath(test.partition("::")[0]).name.startswith(own)} or functions


@cache
def collected() -> pytest.Session:
    """All unit tests, in this process. Its children have them, too, and need not collect them again."""
    # Files that mutmut leaves to the garbage collector are nothing to fail a test for.
    options = ["--rootdir=.", "--tb=native", "-q", "-s", "-pno:unraisableexception", *config().pytest_add_cli_args]
    made = _prepareconfig([*options, "tests/unit"])
    made._do_configure()  # noqa: SLF001 (pytest has no public way to keep a session)
    session = pytest.Session.from_config(made)
    made.hook.pytest_sessionstart(session=session)
    made.hook.pytest_collection(session=session)
    return session


def in_turn(items: list[pytest.Item], notes: Path) -> int:
    """Run tests until one fails: the exit code that pytest would give.

    Those that failed for mutants of the same function come first, and then the shortest.
    """
    before = set(notes.read_text("utf-8").splitlines()) if notes.exists() else set()
    items = sorted(items, key=lambda item: (item.nodeid not in before, state().duration_by_test.get(item.nodeid, 0)))
    for item, following in zip_longest(items, items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            with notes.open("a", encoding="utf-8") as file:
                file.write(f"{item.nodeid}\n")
            return 1
    return 0 if items else 5


def own_process(module: str) -> int:
    """Run a module's own tests in a new process, which imports the mutant that the environment names."""
    tests = sorted(str(path) for path in Path("tests/unit").glob(f"test_{module.removeprefix('_')}*.py"))
    command = [sys.executable, "-m", "pytest", "-x", "-q", *config().pytest_add_cli_args, *tests]
    code = subprocess.run(command, check=False, capture_output=True).returncode
    # 2: it could not even be imported.
    return {0: 0, 1: 1, 2: 1}.get(code, SUSPICIOUS)


def tried(mutant: str, tests: set[str]) -> int:
    """Try one mutant, in a process that is for nothing else."""
    function = mutant.removeprefix("kkiai_sdk.").partition("__mutmut_")[0]
    module = function.partition(".")[0]
    try:
        if function in AT_IMPORT:
            return own_process(module)
        mine = chosen(module, tests)
        items = [item for item in collected().items if item.nodeid.partition("[")[0] in mine]
        return in_turn(items, Path(f"{function}.notes"))
    except BaseException:  # noqa: BLE001 (whatever it is, the mutant was not tried)
        return SUSPICIOUS


def _run_tests(_runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    with chdir("mutants"):
        if mutant_name:
            return tried(mutant_name, set(tests))
        # Whether the tests pass without a mutant, and fail when every function does.
        return run_in_fork(in_turn, collected().items, Path("all.notes"))


def main() -> None:
    """Run it for the modules and mutants named on the command line, or for all that pyproject.toml names."""
    PytestRunner.run_tests = _run_tests  # type: ignore[assignment, method-assign]
    cli(["run", *(name if "." in name else f"kkiai_sdk.{name}.*" for name in sys.argv[1:])])


if __name__ == "__main__":
    main()
