"""``kkiai mock`` and ``kkiai demo``: the commands that start a mock gateway."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kkiai_sdk import PollPolicy
from kkiai_sdk.cli.exit_codes import ExitCode
from kkiai_sdk.cli.options import CONNECTION_OPTIONS, WAIT_TIMEOUT, Connection, command, option, words_to_resume
from kkiai_sdk.cli.output import OutputOptions, run
from kkiai_sdk.cli.results import visible
from kkiai_sdk.cli.tasks import download_videos, wait_for_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The task of a demonstration: at speed 1 it is pending for 2 s and runs for 8 s.
DEMO_TASK = "grok:scenario-normal"
#: Short enough for a bar that moves.
DEMO_POLL = PollPolicy(min_interval=0.5)
WITH_OWN_TASK = "  KKIAI_API_KEY=... kkiai demo ID   the same with your own task\n"
NEXT_STEPS = """\
  kkiai mock                        a gateway on this machine for your tests
  kkiai --help                      all commands
"""
FAULT_HELP = "Fault for the first request; repeatable for the next ones. NAME as in grok:fault-NAME of --list."
SPEED_HELP = "How many times faster than real time the mock's tasks run."
SPEED = option("--speed", metavar="FACTOR", type=float, default=1.0, help=SPEED_HELP)


@command(
    "kkiai mock --speed 10",
    "kkiai mock --fault close --fault reset-mid-body",
    "kkiai mock --list",
    params=[
        option("--port", metavar="PORT", type=click.IntRange(0, 65_535), default=0, help="Port; 0 picks a free one."),
        option("--host", metavar="ADDRESS", default="127.0.0.1", help="Loopback address to listen on."),
        SPEED,
        option("--fault", "faults", metavar="NAME", multiple=True, help=FAULT_HELP),
        option("--cdn", help="Serve the videos from a second port, as a CDN would."),
        option("--list", "is_list", help="Print the scripted tasks and faults, and exit."),
        option(
            "--api-key-file", metavar="FILE", type=Path, help="Accept only the key in this file. [default: any key]"
        ),
    ],
)
def mock(*, is_list: bool, connection: Connection, **gateway_options: Any) -> ExitCode:
    """Run a mock gateway on this machine until Ctrl-C.

    Its tasks follow scripts; --list shows them. Prints its address and a command to try.
    """
    from kkiai_sdk import mock as gateways  # noqa: PLC0415 (--help needs no server)

    if is_list:
        found = {f"grok:scenario-{name}": summary for name, summary in gateways.scenarios().items()}
        found |= {f"grok:fault-{name}": summary for name, summary in gateways.faults().items()}
        width = max(map(len, found))
        sys.stdout.write("".join(f"{task_id:{width}}  {summary}\n" for task_id, summary in found.items()))
        return ExitCode.SUCCESS
    with suppress(KeyboardInterrupt), gateways.MockGateway(api_key=connection.api_key, **gateway_options) as gateway:
        sys.stdout.write(f"{gateway.banner()}Press Ctrl-C to stop it.\n")
        sys.stdout.flush()
        gateway.wait()
    return ExitCode.SUCCESS


@command(
    "kkiai demo",
    "kkiai demo grok:eee6faa8-9dee-455c-aa82-02ac623adf3a -o videos",
    params=[
        click.Argument(["task_id"], metavar="[ID]", required=False),
        option("--output", "-o", "directory", metavar="DIR", type=Path, default="demo", help="Target directory."),
        SPEED,
        WAIT_TIMEOUT,
        *CONNECTION_OPTIONS,
    ],
)
def demo(task_id: str | None, directory: Path, speed: float, timeout: float, connection: Connection) -> ExitCode:
    """Wait for a task and download its video.

    Without an id, it runs against a mock gateway and takes about ten seconds; with one, against the real gateway.
    Replaces an existing video of the same name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ids = [task_id or DEMO_TASK]
    # After Ctrl-C, the tasks of a mock gateway are gone.
    resumed_by = words_to_resume() if task_id else []
    run_demo = partial(run, ids=ids, options=OutputOptions(), resumed_by=resumed_by)
    with nullcontext(connection) if task_id else _mock_connection(speed) as gateway:
        sys.stderr.write(f"\n$ kkiai wait {visible(ids[0])}\n")
        code = run_demo(partial(wait_for_tasks, ids=ids, timeout=timeout), gateway.client, command="wait")
        if code is ExitCode.SUCCESS:
            sys.stderr.write(f"\n$ kkiai download {visible(ids[0])} -o {visible(str(directory))}\n")
            work = partial(download_videos, ids=ids, timeout=timeout, dest=directory, overwrite=True)
            code = run_demo(work, gateway.client, command="download")
    if code is ExitCode.SUCCESS:
        own_task = "" if task_id else WITH_OWN_TASK
        sys.stderr.write(f"\nThe video is in {visible(str(directory.resolve()))}.\nTry next:\n{own_task}{NEXT_STEPS}")
    return code


@contextmanager
def _mock_connection(speed: float) -> Iterator[Connection]:
    from kkiai_sdk import mock as gateways  # noqa: PLC0415 (--help needs no server)

    with gateways.MockGateway(speed=speed) as gateway:
        sys.stderr.write(f"A mock gateway is running at {gateway.base_url}; it needs no key and no network.\n")
        yield Connection(gateway.base_url, gateway.api_key, DEMO_POLL)
