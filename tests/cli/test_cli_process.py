"""The command as a process of its own: signals, pipes, encodings, imports."""

from __future__ import annotations

import importlib.abc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.cli.main import main
from tests.support.canary import KEY
from tests.support.rawserver import Act, RawServer
from tests.support.wire import HANG, done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

    from kkiai_sdk.mock import MockGateway
    from tests.support.rawserver import Received

ROOT = Path(__file__).parents[2]
VIDEO_SIZE = 1_000_000
#: Seconds that something may take which comes for certain.
PATIENCE = 30.0
#: The last line of what the mock gateway prints.
STOPS = "Ctrl-C stops it."
#: A process that was started in the background of a shell ignores Ctrl-C; the child must not inherit that.
ENTRY = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from kkiai_sdk.cli.main import main; sys.exit(main())"
)


@contextmanager
def started(*words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """The command, running, with pipes; it is ended with the context whatever happens."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}", "KKIAI_API_KEY": KEY} | environ
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", ENTRY, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ran(*words: str, **environ: str) -> tuple[int, str, str]:
    """The command's exit code, stdout and stderr."""
    with started(*words, **environ) as process:
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the process prints, on either stream, up to the line that holds this text."""
    stream = process.stdout if text == STOPS else process.stderr
    assert stream is not None
    read = ""
    while text not in read:
        line = stream.readline()
        assert line, f"it ended after: {read}"
        read += line
    return read


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """What Ctrl-C makes of it. A process that does not end is an error, long before a request would time out."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    return process.returncode, out, err


def stalling_server() -> RawServer:
    """A gateway that has a finished task, and stops sending its video in the middle."""
    head = f'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nETag: "one"\r\nContent-Length: {VIDEO_SIZE}\r\n\r\n'
    half = b"\x00\x00\x00\x18ftypmp42".ljust(VIDEO_SIZE // 2, b"x")
    return RawServer([done("/video.mp4"), Act(head.encode(), half)], clock=lambda: 1000.25)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, which is known to come."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0)


def test_ctrl_c_while_a_request_is_in_flight() -> None:
    """Ctrl-C ends a wait with 130 though the gateway does not answer, and says how to go on, in one line."""
    asked = threading.Event()

    def never(_request: Received) -> Act:
        asked.set()
        return HANG

    server = RawServer([never], clock=lambda: 1000.25)
    with server, started("wait", "grok:a", "-v", KKIAI_BASE_URL=server.url) as process:
        assert asked.wait(timeout=30)
        code, out, err = interrupted(process)
    assert code == 130
    assert out == ""
    assert err == "kkiai: interrupted; the tasks go on at the gateway, to go on here: kkiai wait grok:a\n"


def test_ctrl_c_leaves_a_part_to_go_on_from(tmp_path: Path) -> None:
    """Ctrl-C in a download leaves what has arrived, and no file under the final name."""
    target = tmp_path / "cow.mp4"
    server = stalling_server()
    with server, started("download", "t", "-o", str(target), KKIAI_BASE_URL=server.url) as process:
        read_until(process, "downloading")
        # That is said before the first byte is there.
        until(lambda: (tmp_path / "cow.mp4.part").stat().st_size > 0)
        code, _, err = interrupted(process)
    assert code == 130
    assert err == f"kkiai: interrupted; the tasks go on at the gateway, to go on here: kkiai download t -o {target}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cow.mp4.part", "cow.mp4.part.json"]
    assert 0 < (tmp_path / "cow.mp4.part").stat().st_size < VIDEO_SIZE


def test_ctrl_c_ends_the_mock_gateway_well() -> None:
    """`kkiai mock` prints its address and a command to paste at once, and Ctrl-C is how it is meant to end: with 0."""
    with started("mock") as process:
        banner = read_until(process, STOPS)
        code, out, err = interrupted(process)
    assert banner.startswith("Mock gateway: http://127.0.0.1:")
    assert "kkiai wait grok:scenario-normal" in banner
    assert (code, out, err) == (0, "", "")


@pytest.mark.fault("S-13")
def test_a_closed_pipe_is_a_quiet_end(gateway: MockGateway) -> None:
    """When the reader of stdout goes away the command stops without a word, with the code of SIGPIPE."""
    with started(
        "watch", "grok:scenario-normal~pipe", "--poll-interval", "0.05", "-q", KKIAI_BASE_URL=gateway.base_url
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=30)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.fault("S-13")
@pytest.mark.parametrize(("closed", "printed"), [(2, "pending\tpending\n"), (1, "")])
def test_a_stream_that_is_not_there(gateway: MockGateway, closed: int, printed: str) -> None:
    """A program that was started without one of its streams does its work, writes the other and says how it went."""
    task = f"grok:scenario-normal~without-{closed}"
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}",
        "KKIAI_API_KEY": KEY,
        "KKIAI_BASE_URL": gateway.base_url,
    }
    words = [sys.executable, "-W", "error", "-c", ENTRY, "query", task]
    shell = ["sh", "-c", f'exec "$@" {closed}>&-', "sh"]
    ended = subprocess.run([*shell, *words], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, printed and f"{task}\t{printed}", "")


@pytest.mark.fault("S-13")
def test_an_ascii_locale(gateway: MockGateway) -> None:
    """What the encoding of stdout lacks is escaped; it ends no command."""
    code, out, err = ran("query", "grok:日本", KKIAI_BASE_URL=gateway.base_url, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (code, "Traceback" in err) == (5, False)
    assert out.startswith("grok:\\u65e5\\u672c\terror\t")


def test_python_m(gateway: MockGateway) -> None:
    """`python -m kkiai_sdk` is the command."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}"}
    done = subprocess.run(
        [sys.executable, "-m", "kkiai_sdk", "query", "grok:scenario-normal~m"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "grok:scenario-normal~m\tpending\tpending\n"


def test_help_is_light() -> None:
    """Help comes without loading the HTTP library and the mock gateway's server."""
    code = (
        "import sys; from kkiai_sdk.cli.main import main; main(['wait', '--help']);"
        "print([name for name in ('httpx', 'h11', 'asyncio') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


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
        if name.partition(".")[0] == package or name.startswith(("kkiai_sdk.cli", "kkiai_sdk.cli", "kkiai_sdk.mock")):
            monkeypatch.delitem(sys.modules, name)
            if name.startswith("kkiai_sdk.") and name.count(".") == 1:
                monkeypatch.delattr(name, raising=False)
    monkeypatch.setattr("sys.meta_path", [Missing(package), *sys.meta_path])


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the extra cli the command says in one line what to install."""
    without(package, monkeypatch)
    assert main(["wait", "grok:x"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f'kkiai: the command line needs {package}: pip install "kkiai-sdk[cli]"\n')
