"""Requests without a response, and responses that are errors: rows, notices and log lines about them."""

from __future__ import annotations

import io
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from rich.console import Console

from kkiai_sdk import TaskState, VideoTask
from kkiai_sdk.cli.display import Display
from kkiai_sdk.cli.main import main
from kkiai_sdk.cli.output import Output, OutputOptions
from kkiai_sdk.cli.traffic import Traffic
from tests.cli.test_output import Terminal
from tests.support.rawserver import RawServer
from tests.support.wire import task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.support.rawserver import RawReply, RawRequest

RUNNING = VideoTask(id="a", status="processing", state=TaskState.RUNNING)


class Wire:
    """Requests and responses at chosen times, and the display of two tasks, or of one."""

    def __init__(self, *ids: str) -> None:
        self.now = 1000.25
        self.traffic = Traffic(lambda: self.now)
        self.console = Console(file=io.StringIO(), width=100, height=24)
        self.display = Display(ids or ("a", "b"), self.console, is_live=True, traffic=self.traffic)

    def ask(self, task_id: str, *, after: float = 0.0) -> httpx.Request:
        """Send a query after some seconds."""
        self.now += after
        request = httpx.Request("GET", "http://gateway.example:8080/v1/video/query", params={"id": task_id})
        (hook,) = self.traffic.event_hooks["request"]
        hook(request)
        return request

    def answer(self, request: httpx.Request, status: int = 200, *, after: float = 0.0) -> None:
        """Answer a query after some seconds."""
        self.now += after
        (hook,) = self.traffic.event_hooks["response"]
        hook(httpx.Response(status, request=request))

    @property
    def lines(self) -> list[str]:
        """The lines of the display."""
        with self.console.capture() as captured:
            self.console.print(self.display.render())
        return [line.strip() for line in captured.get().splitlines()]


def test_unanswered_request_is_shown_after_two_seconds_until_answered() -> None:
    """Below the rows stands the host that has not answered for two seconds, with the time, until it does."""
    wire = Wire()
    asked = wire.ask("a")
    wire.now += 1.99
    assert len(wire.lines) == 3
    wire.ask("b")
    wire.now += 10.01
    assert wire.lines[3] == ("no response from gateway.example:8080 for 0:00:12, still trying; see `kkiai doctor`")
    wire.answer(asked)
    assert len(wire.lines) == 3


def test_proxy_on_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """If requests go through a proxy of the environment, it may be the silent one; its password is not shown."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@proxy.example:3128")
    wire = Wire()
    wire.ask("a")
    wire.now += 2
    assert "no response from gateway.example:8080 through the proxy proxy.example:3128 for" in wire.traffic.notice()
    assert "secret" not in wire.traffic.notice()


def test_time_between_polls_is_no_silence() -> None:
    """While no request is in flight, nothing is missing."""
    wire = Wire()
    wire.answer(wire.ask("a"), after=0.1)
    wire.now += 3600
    assert wire.traffic.notice() == ""


def test_retries_of_unanswered_request_go_on_counting() -> None:
    """An attempt that failed and its retry are one silence."""
    wire = Wire()
    wire.ask("a")
    wire.ask("a", after=30)
    assert "for 0:00:30" in wire.traffic.notice()


def test_row_shows_the_last_error_until_a_task_is_answered() -> None:
    """The row of a task that is answered with an error says so; the next good answer shows its state again."""
    wire = Wire()
    assert "no response yet" in wire.lines[0]
    wire.answer(wire.ask("a"), 503)
    assert "service unavailable (HTTP 503)" in wire.lines[0]
    assert "no response yet" in wire.lines[1]
    wire.answer(wire.ask("a"))
    wire.display.update(RUNNING)
    assert "processing" in wire.lines[0]
    wire.answer(wire.ask("a"), 404)
    assert "not found (HTTP 404)" in wire.lines[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "not known yet (HTTP 400)"),
        (404, "not known yet (HTTP 404)"),
        (429, "too many requests (HTTP 429)"),
        (500, "internal server error (HTTP 500)"),
        (502, "bad gateway (HTTP 502)"),
        (524, "gateway error (HTTP 524)"),
    ],
)
def test_row_says_what_an_error_status_means(status: int, said: str) -> None:
    """The row of a task that was never seen has the meaning of the status beside its number, and a part of the id, in
    a terminal of 80 columns.
    """
    wire = Wire("grok:eee6faa8-9dee-455c-aa82-02ac623adf3a")
    wire.console.size = (80, 24)
    wire.answer(wire.ask("grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"), status)
    (line,) = wire.lines
    assert f"{said}  0:00:00" in line
    assert "grok:eee" in line
    assert len(line) <= 78


@pytest.mark.parametrize("height", [5, 6, 8, 24])
@pytest.mark.parametrize("width", [60, 80, 140])
def test_notice_leaves_the_display_smaller_than_the_terminal(width: int, height: int) -> None:
    """With the notice, too, the display of many tasks is not taller or wider than the terminal."""
    wire = Wire(*(f"grok:{number}" for number in range(50)))
    wire.console.size = (width, height)
    wire.ask("grok:0")
    wire.now += 5
    assert len(wire.lines) < height
    assert max(map(len, wire.lines)) <= width - 2


def test_log_says_once_that_nothing_is_answered_and_once_that_something_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Piped, an outage is a line after two seconds and one at its end, whatever the number of tasks and retries."""
    wire = Wire()
    output = Output(["a", "b"], "wait", OutputOptions(), wire.traffic)
    for seconds in (0.0, 1.0, 1.0, 5.0):
        asked = wire.ask("a", after=seconds)
        output.take(None)
    wire.answer(asked, after=0.5)
    output.take(None)
    output.take(None)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: no response from gateway.example:8080 for 0:00:02, still trying; ")
    assert last == "gateway.example:8080 is responding again"


def test_slow_gateway_is_named_once_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway that takes three seconds for each response is no new outage each time."""
    wire = Wire()
    output = Output(["a", "b"], "wait", OutputOptions(), wire.traffic)
    for _ in range(5):
        asked = wire.ask("a")
        wire.now += 2.5
        output.take(None)
        wire.answer(asked, after=0.5)
        output.take(None)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_reason_in_the_log_takes_the_place_of_the_notice(capsys: pytest.CaptureFixture[str]) -> None:
    """When the log has said why the gateway cannot be reached, piped output says nothing more until it answers."""
    wire = Wire()
    output = Output(["a", "b"], "wait", OutputOptions(), wire.traffic)
    wire.answer(wire.ask("a"))
    wire.ask("a", after=3)
    output.take("warning: the gateway cannot be reached: connection refused")
    output.take(None)
    wire.now += 10
    output.take(None)
    wire.answer(wire.ask("a"), after=0.1)
    output.take(None)
    assert capsys.readouterr().err.splitlines() == [
        "warning: the gateway cannot be reached: connection refused",
        "gateway.example:8080 is responding again",
    ]


def test_heartbeat_says_for_how_long_nothing_is_answered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line a minute of piped output has the state of the task and, if nothing is answered, since when."""
    wire = Wire()
    monkeypatch.setattr("kkiai_sdk.cli.output.time.monotonic", lambda: wire.now)
    output = Output(["a"], "wait", OutputOptions(), wire.traffic)
    wire.answer(wire.ask("a"), 503)
    wire.ask("a", after=15)
    for _ in range(2):
        wire.now += 60
        output.take(None)
    assert (
        capsys.readouterr()
        .err.splitlines()[1]
        .startswith(
            "a: service unavailable (HTTP 503), 0:02:15 elapsed; no response from gateway.example:8080 for 0:02:00"
        )
    )


def test_hint_checks_the_gateway_of_the_command(kkiai: Run, tmp_path: Path) -> None:
    """The command that is suggested has the address and the key file that were given."""
    (tmp_path / "a key").write_text("sk-another")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options = ["--base-url", url, "--api-key-file", str(tmp_path / "a key")]
    ended = kkiai("wait", "t", "--timeout", "0", *options)
    assert f"run `kkiai doctor --base-url {url} --api-key-file '{tmp_path}/a key'` to find the cause" in ended.err


def shown_by(command: str, stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command with a gateway that sends nothing until the command has named it; its exit code."""
    shown = threading.Event()

    class Stream(stream):  # type: ignore[misc, valid-type]
        def write(self, text: str) -> int:
            if "no response from 127.0.0.1" in text:
                shown.set()
            return len(text)

    def late(_request: RawRequest) -> RawReply:
        assert shown.wait(timeout=30)
        return task("failed")

    monkeypatch.setattr("kkiai_sdk.cli.traffic.PATIENCE", 0.0)
    monkeypatch.setattr("sys.stderr", Stream())
    with RawServer([late], clock=lambda: 1000.25) as server:
        code = main([*command.split(), "--base-url", server.url])
    assert shown.is_set()
    return code


@pytest.mark.parametrize("command", ["wait t", "query t", "watch t", "download t"])
@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["piped", "terminal"])
def test_silent_gateway_is_shown_by_every_command(
    command: str, stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that accepts connections and sends nothing is named while the command waits for it."""
    assert shown_by(command, stream, monkeypatch) == 1


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["piped", "terminal"])
def test_silent_gateway_is_shown_by_fleet_workers(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`kkiai fleet work` names a silent gateway as the other commands do."""
    monkeypatch.setenv("KKIAI_FLEET_DB", str(tmp_path / "fleet.sqlite"))
    assert main(["fleet", "add", "t"]) == 0
    assert shown_by(f"fleet work -o {tmp_path}", stream, monkeypatch) == 1
