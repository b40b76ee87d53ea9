"""The command as a process: signals, pipes, encodings, imports, missing extras."""

from __future__ import annotations

import importlib.abc
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.cli.main import main
from kkiai_sdk.dbos import VideoQueue
from tests.cli.conftest import environment
from tests.support.rawserver import RawReply, RawServer
from tests.support.wire import HANG, completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path

    from kkiai_sdk.mock import MockGateway
    from tests.support.rawserver import RawRequest

VIDEO_SIZE = 1_000_000
#: Seconds until the lack of an event that must come is an error.
PATIENCE = 30.0
#: The last line that `kkiai mock` prints before it serves.
STOPS = "Press Ctrl-C to stop it."
#: A process that a shell starts in the background ignores SIGINT; the child must not inherit that.
ENTRY = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from kkiai_sdk.cli.main import main; sys.exit(main())"
)
COMMAND = [sys.executable, "-W", "error", "-c", ENTRY]


@contextmanager
def started(*words: str, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command with pipes, and kill it at the end of the context."""
    with subprocess.Popen(
        [*COMMAND, *words],
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return the output of the process up to the line that holds this text."""
    stream = process.stdout if text == STOPS else process.stderr
    assert stream is not None
    read = ""
    while text not in read:
        line = stream.readline()
        assert line, f"it ended after: {read}"
        read += line
    return read


def interrupted(process: subprocess.Popen[str], sent: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
    """Send SIGINT, and return exit code and output. The process must end long before a request would time out."""
    process.send_signal(sent)
    out, err = process.communicate(timeout=10)
    return process.returncode, out, err


def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0)


#: Between the message and the command that goes on, which is alone on its line.
ON = "; the tasks keep running. To continue, run:\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["wait", "grok:a"], f"{ON}kkiai wait grok:a"),
        (["wait", *"abcde"], f"{ON}kkiai wait a b c d e"),
        (["wait", "a;b", "--timeout", "2h", "--", "-c"], f"{ON}kkiai wait --timeout 2h -- 'a;b' -c"),
        (["watch", "a$(b)", "--poll-interval", "5s", "-q"], f"{ON}kkiai watch --poll-interval 5s --quiet 'a$(b)'"),
        (["query", *"abc"], ""),
    ],
    ids=["one", "several", "quoted", "watch", "query"],
)
def test_ctrl_c_in_request_ends_command_at_once(words: list[str], hint: str) -> None:
    """Ctrl-C exits with 130 though the gateway does not answer, and prints the command to go on with."""
    asked = threading.Event()

    def never(_request: RawRequest) -> RawReply:
        asked.set()
        return HANG

    server = RawServer([never] * 5, clock=lambda: 1000.25)
    with server, started(*words, KKIAI_BASE_URL=server.url) as process:
        assert asked.wait(timeout=PATIENCE)
        ended = interrupted(process)
    assert ended == (130, "", f"kkiai: interrupted{hint}\n")


def test_command_to_continue_with_survives_a_shell(tmp_path: Path) -> None:
    """Pasted into a shell, the last line is the command with all options and ids as they were given."""
    asked = threading.Event()

    def never(_request: RawRequest) -> RawReply:
        asked.set()
        return HANG

    (tmp_path / "a key").write_text("sk-pasted")
    words = ["download", "--output", f"{tmp_path}/it's $HOME", "--max-bytes", "20 MB", "--allow-file-host", "a.example"]
    words += ["--allow-file-host", "10.0.0.0/8", "--timeout", "none", "--quiet", "--api-key-file", f"{tmp_path}/a key"]
    ids = ["--", "-a", "*", "$(id)", "`id`", "a'b\"c", "~", "#", "é|&>\\"]
    server = RawServer([never] * 20, clock=lambda: 1000.25)
    with server, started(*words, "--base-url", server.url, *ids) as process:
        assert asked.wait(timeout=PATIENCE)
        _, _, err = interrupted(process)
    script = 'kkiai() { printf "%s\\n" "$@"; }\n' + err.splitlines()[-1]
    pasted = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    given, given_ids = pasted.stdout.splitlines()[: -len(ids)], pasted.stdout.splitlines()[-len(ids) :]
    assert sorted(given) == sorted([*words, "--base-url", server.url])
    assert given_ids == ids


def test_ctrl_c_in_download_leaves_a_resumable_part(tmp_path: Path) -> None:
    """Ctrl-C in a download keeps the received part, and leaves no file under the final name."""
    target, part = tmp_path / "cow.mp4", tmp_path / "cow.mp4.part"
    head = f'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nETag: "one"\r\nContent-Length: {VIDEO_SIZE}\r\n\r\n'
    half = b"\x00\x00\x00\x18ftypmp42".ljust(VIDEO_SIZE // 2, b"x")
    server = RawServer([completed("/video.mp4"), RawReply(head.encode(), half)], clock=lambda: 1000.25)
    with server, started("download", "t", "-o", str(target), KKIAI_BASE_URL=server.url) as process:
        read_until(process, "downloading")
        # That line comes before the first byte.
        until(lambda: part.stat().st_size > 0)
        code, _, err = interrupted(process)
    assert code == 130
    assert err == f"kkiai: interrupted{ON}kkiai download --output {target} t\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cow.mp4.part", "cow.mp4.part.json"]
    assert 0 < part.stat().st_size < VIDEO_SIZE


def test_ctrl_c_ends_mock_gateway_with_success() -> None:
    """`kkiai mock` prints its address and a command to paste at once, and Ctrl-C is its regular end."""
    with started("mock") as process:
        banner = read_until(process, STOPS)
        ended = interrupted(process)
    assert banner.startswith("Mock gateway: http://127.0.0.1:")
    assert "kkiai wait grok:scenario-normal" in banner
    assert ended == (0, "", "")


@pytest.mark.fault("S-13")
def test_closed_pipe_ends_command_without_a_message(gateway: MockGateway) -> None:
    """When the reader of stdout closes the pipe the command ends silently, with the code of SIGPIPE."""
    words = ["watch", "grok:scenario-normal~pipe", "--poll-interval", "0.05", "-q"]
    with started(*words, KKIAI_BASE_URL=gateway.base_url) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=PATIENCE)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.fault("S-13")
@pytest.mark.parametrize(("closed", "printed"), [(2, "pending\tpending\n"), (1, "")])
def test_missing_stream_does_not_stop_the_command(gateway: MockGateway, closed: int, printed: str) -> None:
    """A process that was started without one of its streams does its work and writes the other one."""
    task = f"grok:scenario-normal~without-{closed}"
    shell = ["sh", "-c", f'exec "$@" {closed}>&-', "sh"]
    environ = environment(KKIAI_BASE_URL=gateway.base_url)
    command = [*shell, *COMMAND, "query", task]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, printed and f"{task}\t{printed}", "")


@pytest.mark.fault("S-13")
def test_characters_outside_the_encoding_are_escaped(gateway: MockGateway) -> None:
    """Characters that the encoding of stdout lacks are escaped, and end no command."""
    environ = environment(KKIAI_BASE_URL=gateway.base_url, PYTHONIOENCODING="ascii", LC_ALL="C")
    command = [*COMMAND, "query", "grok:日本"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, "Traceback" in ended.stderr) == (5, False)
    assert ended.stdout.startswith("grok:\\u65e5\\u672c\terror\t")


def test_python_m_runs_the_same_command(gateway: MockGateway) -> None:
    """`python -m kkiai_sdk` is `kkiai`."""
    command = [sys.executable, "-m", "kkiai_sdk", "query", "grok:scenario-normal~m"]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert ended.stdout == "grok:scenario-normal~m\tpending\tpending\n"


def test_help_of_command_imports_no_http_library() -> None:
    """The help of a command loads neither the HTTP library nor the server of the mock gateway."""
    code = (
        "import sys; from kkiai_sdk.cli.main import main; main(['wait', '--help']);"
        "print([name for name in ('httpx', 'h11', 'asyncio') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


class Missing(importlib.abc.MetaPathFinder):
    """Makes a package look as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(  # noqa: D102 (the protocol's)
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a package, and forget what was imported of it and by it."""
    for name in list(sys.modules):
        if name.partition(".")[0] == package or name.startswith(("kkiai_sdk.cli", "kkiai_sdk.mock")):
            monkeypatch.delitem(sys.modules, name)
            if name.startswith("kkiai_sdk.") and name.count(".") == 1:
                monkeypatch.delattr(name, raising=False)
    monkeypatch.setattr("sys.meta_path", [Missing(package), *sys.meta_path])


@pytest.mark.parametrize("package", ["click", "rich"])
def test_missing_extra_cli_names_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the extra cli the command says in one line what to install."""
    without(package, monkeypatch)
    assert main(["wait", "grok:x"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f'kkiai: the command line needs {package}: pip install "kkiai-sdk[cli]"\n')


@pytest.mark.fault("W-12")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_worker_ends_at_once_with_the_command_to_go_on(
    gateway: MockGateway, tmp_path: Path, sent: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end a worker of a queue with exit code 130 and the command to go on with; the wait is kept."""
    task, database = f"grok:scenario-stalls~{sent.name}", str(tmp_path / "fleet.sqlite")
    with VideoQueue(database) as queue:
        queue.add([task])
        words = ["fleet", "work", "--rate", "20", "--keep-running", "-o", str(tmp_path / "v")]
        with started(*words, KKIAI_FLEET_DB=database) as process:
            until(lambda: any(sent.name in request.query for request in gateway.requests))
            code, out, err = interrupted(process, sent)
        assert queue.status().waiting == 1
    resumed = f"kkiai fleet work --output {tmp_path / 'v'} --keep-running --rate 20.0"
    assert (code, out) == (130, "")
    assert err == f"kkiai: interrupted; nothing is lost. To continue, run:\n{resumed}\n"
