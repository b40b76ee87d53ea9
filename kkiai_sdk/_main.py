"""The entry point of the ``kkiai`` command, which also works, as far as it can, without the extra ``cli``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from kkiai_sdk._cli.codes import Code

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code.

    :param argv: the arguments without the program's name. Default: those of the process.
    """
    _replace_closed_streams()
    _never_fail_to_encode()
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        code = Code.PIPE_CLOSED
    except KeyboardInterrupt:
        code = Code.INTERRUPTED
    if code == Code.PIPE_CLOSED:
        _let_go_of_pipes()
    return code


def _run(argv: Sequence[str]) -> int:
    try:
        from kkiai_sdk import cli  # noqa: PLC0415 (needs the extra)

        return cli.run(argv)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(f'kkiai: the command line needs {error.name}: pip install "kkiai-sdk[cli]"\n')
        return Code.USAGE


def _replace_closed_streams() -> None:
    """A program that is started without one of its streams (``2>&-``) does its work and writes the other."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False))


def _never_fail_to_encode() -> None:
    """Text that the terminal's encoding lacks comes out escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _let_go_of_pipes() -> None:
    """The reader is gone. Python would complain about it once more when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    raise SystemExit(main())
