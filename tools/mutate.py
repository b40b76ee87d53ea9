"""Runs mutmut: changes the pure modules in small ways, one at a time, and sees whether a unit test notices.

`make mutate` runs it for every module, `python tools/mutate.py _text models` for some; mutants named in full are
tried again. What survives is judged by `tools/mutation_report.py`. Half a second for each of the 2,600 mutants.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from mutmut.__main__ import cli
from mutmut.runners.harness import PytestRunner

if TYPE_CHECKING:
    from collections.abc import Iterable

_run_tests = PytestRunner.run_tests

#: Test files that judge a module without being called after it.
ELSEWHERE = {"_pacing": ("test_fleet",), "_refusals": ("test_json_decoding",), "_saving": ("test_resuming",)}

#: Functions that run while their module is imported: the process that tries mutants has imported it unchanged.
AT_IMPORT = {"_config.x__policy", "policies.x__count", "policies.x__within"}


def chosen(module: str, tests: Iterable[str]) -> set[str]:
    """Of the tests that call a function of this module, those of the module's own files; all when it has none.

    Whole test functions: among the names of parametrised cases are some that pytest does not take back.
    """
    functions = {test.partition("[")[0] for test in tests}
    own = (f"test_{module.removeprefix('_')}", *ELSEWHERE.get(module, ()))
    return {test for test in functions if PurePath(test.partition("::")[0]).name.startswith(own)} or functions


def own_process(module: str, options: Iterable[str]) -> int:
    """Run a module's own tests in a new process, which imports the mutant that the environment names."""
    tests = sorted(str(path) for path in Path("tests/unit").glob(f"test_{module.removeprefix('_')}*.py"))
    command = [sys.executable, "-m", "pytest", "-x", "-q", *options, *tests]
    code = subprocess.run(command, cwd="mutants", check=False, capture_output=True).returncode
    # 2: it could not even be imported. What is neither that nor a failed test is mutmut's "suspicious".
    return {0: 0, 1: 1, 2: 1}.get(code, 35)


def _run_chosen(self: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    function = (mutant_name or "").removeprefix("kkiai_sdk.").partition("__mutmut_")[0]
    module = function.partition(".")[0]
    if function in AT_IMPORT:
        return own_process(module, self._pytest_add_cli_args)
    return _run_tests(self, mutant_name=mutant_name, tests=sorted(chosen(module, tests)))


def main() -> None:
    """Run it for the modules and mutants named on the command line, or for all that pyproject.toml names."""
    PytestRunner.run_tests = _run_chosen  # type: ignore[method-assign]
    cli(["run", *(name if "." in name else f"kkiai_sdk.{name}.*" for name in sys.argv[1:])])


if __name__ == "__main__":
    main()
