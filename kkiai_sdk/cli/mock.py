"""``kkiai mock`` and ``kkiai demo``: the commands that need no gateway but their own."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from kkiai_sdk.cli.codes import Code
from kkiai_sdk.cli.events import Saved
from kkiai_sdk.cli.report import Report
from kkiai_sdk.cli.routes import Manner
from kkiai_sdk.cli.run import execute
from kkiai_sdk.cli.text import size, visible
from kkiai_sdk.cli.work import Fetching, download, wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kkiai_sdk.cli.events import Event, Tell
    from kkiai_sdk.cli.input import Connection
    from kkiai_sdk.cli.work import Work

#: The task of a demonstration: it is pending for 2 s and runs for 8 s, at speed 1.
DEMO_TASK = "grok:scenario-normal"
#: Often enough for a bar that moves; the mock gateway minds nothing.
DEMO_INTERVAL = "0.5s"

_OWN_TASK = "  KKIAI_API_KEY=... kkiai demo ID   the same with a task of your own\n"
_MORE = (
    "  kkiai mock                        a gateway on this machine for your tests\n"
    "  kkiai --help                      all commands\n"
)


def list_scenarios() -> Code:
    """Print the scripted tasks, and those whose answers break."""
    from kkiai_sdk.mock import faults, scenarios  # noqa: PLC0415 (--help needs no server)

    found = {f"grok:scenario-{name}": summary for name, summary in scenarios().items()}
    found |= {f"grok:fault-{name}": summary for name, summary in faults().items()}
    column = max(map(len, found))
    for task_id, summary in found.items():
        sys.stdout.write(f"{task_id:{column}}  {summary}\n")
    return Code.DONE


def serve(*, port: int, host: str, speed: float, faults: Sequence[str], cdn: bool, api_key: str | None) -> Code:
    """Run the mock gateway until Ctrl-C."""
    from kkiai_sdk.mock import MockGateway  # noqa: PLC0415 (--help needs no server)

    try:
        with MockGateway(port=port, host=host, speed=speed, faults=faults, cdn=cdn, api_key=api_key) as gateway:
            sys.stdout.write(f"{gateway.banner()}Ctrl-C stops it.\n")
            sys.stdout.flush()
            gateway.wait()
    except KeyboardInterrupt:
        pass
    return Code.DONE


@contextmanager
def gateway_for_demo(connection: Connection, task_id: str | None, speed: float) -> Iterator[Connection]:
    """The real gateway for a task of the caller's, else a mock gateway that is there as long as the context."""
    if task_id is not None:
        yield connection
        return
    from kkiai_sdk.mock import MockGateway  # noqa: PLC0415 (--help needs no server)

    with MockGateway(speed=speed) as gateway:
        sys.stderr.write(f"A mock gateway runs at {gateway.base_url}; no key and no network is needed.\n")
        yield evolve(connection, base_url=gateway.base_url, api_key=gateway.api_key)


def demonstrate(connection: Connection, task_id: str | None, folder: Path, *, timeout: float, speed: float) -> Code:
    """Wait for a task and fetch its video, as ``kkiai wait`` and ``kkiai download`` do, and say what to try next."""
    folder.mkdir(parents=True, exist_ok=True)
    with gateway_for_demo(connection, task_id, speed) as there:
        ids = [task_id or DEMO_TASK]
        sys.stderr.write(f"\n$ kkiai wait {visible(ids[0])}\n")
        # An interrupted mock gateway is gone, and its tasks with it.
        again = "kkiai demo {}" if task_id else ""
        code = execute(wait(there, ids, timeout), ids, Report(), Manner(), again=again)
        if code is not Code.DONE:
            return code
        sys.stderr.write(f"\n$ kkiai download {visible(ids[0])} -o {visible(str(folder))}\n")
        saved: list[Saved] = []
        work = _noting(download(there, ids, timeout, Fetching(folder, overwrite=True)), saved)
        code = execute(work, ids, Report(files=True), Manner(), again=again)
    if saved:
        sys.stderr.write(_farewell(saved[0], is_mock=task_id is None))
    return code


def _noting(work: Work, saved: list[Saved]) -> Work:
    def noting(tell: Tell) -> None:
        def told(event: Event) -> None:
            saved.extend([event] if isinstance(event, Saved) else [])
            tell(event)

        work(told)

    return noting


def _farewell(saved: Saved, *, is_mock: bool) -> str:
    place = visible(str(Path(saved.path).resolve()))
    return f"\nThe video lies at {place} ({size(saved.size)}).\nTry next:\n{_OWN_TASK if is_mock else ''}{_MORE}"
