"""The entry point of the ``kkiai`` command, which also works, as far as it can, without the extra ``cli``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kkiai_sdk.cli.codes import Code
from kkiai_sdk.cli.streams import let_go, watched

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code.

    :param argv: the arguments without the program's name. Default: those of the process.
    """
    with watched() as (out, err):
        try:
            code = _run(sys.argv[1:] if argv is None else argv)
            out.flush()
            err.flush()
        except BrokenPipeError:
            code = Code.PIPE_CLOSED
        except KeyboardInterrupt:
            code = Code.INTERRUPTED
        except OSError as problem:
            if problem is not out.problem:
                raise
            code = Code.DOWNLOAD
            sys.stderr.write(f"kkiai: stdout cannot be written: {problem.strerror}\n")
    if err.problem is not None and code == Code.DONE:
        code = Code.DOWNLOAD
    if code == Code.PIPE_CLOSED or out.problem or err.problem:
        let_go()
    return code


def _run(argv: Sequence[str]) -> int:
    try:
        from kkiai_sdk.cli import app  # noqa: PLC0415 (needs the extra)

        return app.run(argv)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(f'kkiai: the command line needs {error.name}: pip install "kkiai-sdk[cli]"\n')
        return Code.USAGE


if __name__ == "__main__":
    raise SystemExit(main())
