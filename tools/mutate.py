"""Runs mutmut: changes the pure modules in small ways, one at a time, and sees whether a unit test notices.

`make mutate` runs it for every module; `python tools/mutate.py _text models` for some. What survives is judged by
`tools/mutation_report.py`. Needs the development set-up; about a second for each of the 2,500 mutants.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mutmut.__main__ import cli
from mutmut.runners.harness import PytestRunner

if TYPE_CHECKING:
    from collections.abc import Iterable

_arguments = PytestRunner._pytest_args_regular_run  # noqa: SLF001 (there is no public way)


def _by_function(self: PytestRunner, tests: Iterable[str]) -> list[str]:
    """Name tests by function: among the names of parametrised cases are some that pytest does not take back."""
    return _arguments(self, sorted({test.partition("[")[0] for test in tests}))


def main() -> None:
    """Run it for the modules named on the command line, or for all that pyproject.toml names."""
    PytestRunner._pytest_args_regular_run = _by_function  # type: ignore[method-assign]  # noqa: SLF001
    cli(["run", *(f"kkiai_sdk.{module}.*" for module in sys.argv[1:])])


if __name__ == "__main__":
    main()
