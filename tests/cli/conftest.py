"""Runs the command line in this process against a mock gateway; no output may hold the key."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from kkiai_sdk.cli.main import main
from kkiai_sdk.mock import MockGateway
from tests.sources import ROOT
from tests.support.canary import KEY, watch_for_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Text of a server that tries to control a terminal.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\rdone\x9b\u202eevil\u2066[bold][/oops]\n\ud800"


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """The fields of the lines of stdout."""
        return [line.split("\t") for line in self.lines]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that stdout consists of."""
        assert self.out.isascii()
        return [json.loads(line) for line in self.lines]


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a process that runs the command."""
    paths = f"{ROOT}{os.pathsep}{ROOT / 'generated'}"
    # Output is buffered by default, whatever the environment of the tests.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return inherited | {"PYTHONPATH": paths, "KKIAI_API_KEY": KEY} | changes


class Run(Protocol):
    """Runs ``kkiai`` with these arguments."""

    def __call__(self, *words: str, stdin: str = "") -> Ended:
        """``stdin`` is the text that the command can read."""
        ...


@pytest.fixture(scope="session")
def gateway() -> Iterator[MockGateway]:
    """A gateway whose tasks take a twentieth of a second, and which accepts one key."""
    with MockGateway(speed=200, api_key=KEY) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _environment(gateway: MockGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = [f"{scheme}_proxy" for scheme in ("http", "https", "all")]
    for name in ("NO_COLOR", "FORCE_COLOR", *proxies, *map(str.upper, proxies)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KKIAI_API_KEY", KEY)
    monkeypatch.setenv("KKIAI_BASE_URL", gateway.base_url)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(autouse=True)
def _no_key_anywhere(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[None]:
    with watch_for_key(monkeypatch, caplog, capsys, tmp_path):
        yield


@pytest.fixture
def kkiai(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with both streams in pipes. Every output is searched for the key and for escape codes."""

    def run(*words: str, stdin: str = "") -> Ended:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(words)
        ended = Ended(code, *capsys.readouterr())
        assert KEY not in ended.out + ended.err
        assert "\x1b" not in ended.out + ended.err
        return ended

    return run
