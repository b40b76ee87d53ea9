"""Entry point of the ``kkiai`` command. Imports the standard library only, so that it can report a missing extra."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from kkiai_sdk.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    :param argv: arguments without the program name. Default: those of the process.
    """
    with guarded_streams() as (out, err):
        try:
            code = _run(sys.argv[1:] if argv is None else argv)
            out.flush()
            err.flush()
        except BrokenPipeError:
            code = ExitCode.PIPE_CLOSED
        except OSError as error:
            if error is not out.error:
                raise
            code = ExitCode.OUTPUT
            sys.stderr.write(f"kkiai: cannot write to stdout: {error.strerror}\n")
    return ExitCode.OUTPUT if err.error and code == ExitCode.SUCCESS else code


def _run(argv: Sequence[str]) -> int:
    try:
        from kkiai_sdk.cli import app  # noqa: PLC0415 (needs the extra)

        return app.run(argv)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write(f'kkiai: the command line needs {error.name}: pip install "kkiai-sdk[cli]"\n')
        return ExitCode.USAGE
    except KeyboardInterrupt:
        sys.stderr.write("kkiai: interrupted\n")
        return ExitCode.INTERRUPTED


class StreamGuard:
    """A text stream that records write errors, such as those of a full disk or a closed terminal.

    :param is_essential: whether write errors are raised too. An unwritable progress line must not stop a download.
    """

    def __init__(self, stream: TextIO, *, is_essential: bool) -> None:
        self._stream, self._is_essential = stream, is_essential
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        self._record_errors(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._record_errors(self._stream.flush)

    def _record_errors(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self.error = error
            if self._is_essential or isinstance(error, BrokenPipeError):
                raise

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            # Where the encoding is ASCII, click would write to the buffer and bypass the guard.
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextmanager
def guarded_streams() -> Iterator[tuple[StreamGuard, StreamGuard]]:
    """Replace stdout and stderr by guards while the context is open."""
    for name in ("stdout", "stderr"):
        # A process that was started without one of the streams (``2>&-``) can still write to the other one.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False))
        # Characters that the encoding lacks are escaped instead of raising UnicodeEncodeError.
        with suppress(AttributeError, ValueError):
            getattr(sys, name).reconfigure(errors="backslashreplace")
    before = sys.stdout, sys.stderr
    out, err = StreamGuard(sys.stdout, is_essential=True), StreamGuard(sys.stderr, is_essential=False)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before
        if out.error or err.error:
            _detach_streams()


def _detach_streams() -> None:
    # Otherwise the flush at the exit of Python reports the error again.
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(null, stream.fileno())
    os.close(null)
