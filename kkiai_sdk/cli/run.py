"""From a piece of work to an exit code: runs it in the background and shows what it tells."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kkiai_sdk.cli.codes import Code, code_of, explain, most_serious
from kkiai_sdk.cli.output import Output, logging_to
from kkiai_sdk.cli.report import error_json
from kkiai_sdk.cli.stream import stream
from kkiai_sdk.cli.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kkiai_sdk import KkiaiError
    from kkiai_sdk.cli.events import Tell
    from kkiai_sdk.cli.report import Report
    from kkiai_sdk.cli.routes import Manner
    from kkiai_sdk.cli.work import Work


def execute(work: Work, ids: Sequence[str], report: Report, manner: Manner, *, again: str = "") -> Code:
    """Run the work to its end; gives the exit code.

    :param again: the command that goes on after Ctrl-C, with ``{}`` for the ids; empty for one that left nothing open.
    :raises KkiaiError: for what is about no task, such as a missing key.
    """

    def logged(tell: Tell) -> None:
        with logging_to(tell, manner):
            work(tell)

    codes = [Code.DONE]
    with Output(ids, report, manner) as output:
        try:
            for events in stream(logged):
                codes += output.take(events)
        except KeyboardInterrupt:
            hint = (
                f"; the tasks go on at the gateway, to go on here: {again.format(output.unfinished())}" if again else ""
            )
            output.say(f"interrupted{hint}")
            return Code.INTERRUPTED
    return most_serious(codes)


def refuse(error: KkiaiError, *, json: bool) -> Code:
    """Tell an error that is about no task in particular; gives its exit code."""
    if json:
        sys.stdout.write(f"{error_json(error)}\n")
    sys.stderr.write(f"kkiai: {visible(explain(error))}\n")
    return code_of(error)
