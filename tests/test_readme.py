"""The README does what it says: its code blocks run against the mock gateway, its commands and targets exist."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import _clock as _runtime
from kkiai_sdk import mock
from kkiai_sdk.cli.main import main
from tests.support.clock import FakeTime
from tests.support.query_spec import use_query_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("kkiai ")]


@pytest.fixture
def gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mock.MockGateway]:
    """A gateway on the clients' own clock, named by the environment; the working directory is empty."""
    use_query_spec(monkeypatch, tmp_path_factory.mktemp("query"))
    time = FakeTime()
    monkeypatch.setattr(_runtime, "SYSTEM", time.as_clock())
    monkeypatch.chdir(tmp_path)
    with mock.MockGateway(clock=time.monotonic) as gateway:
        monkeypatch.setenv("KKIAI_API_KEY", gateway.api_key)
        monkeypatch.setenv("KKIAI_BASE_URL", gateway.base_url)
        monkeypatch.setattr(mock, "MockGateway", partial(mock.MockGateway, clock=time.monotonic))
        yield gateway


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_blocks_of_the_readme_run(number: int, gateway: mock.MockGateway) -> None:
    """Every Python block runs as it stands."""
    exec(compile(PYTHON[number], f"README block {number + 1}", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize(
    "line", [pytest.param(each, marks=pytest.mark.deep if "--html" in each else ()) for each in COMMANDS]
)
def test_commands_of_the_readme_exit_with_zero(
    line: str, gateway: mock.MockGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kkiai command line ends with exit code 0."""
    assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err


def test_make_targets_of_the_readme_exist() -> None:
    """Every make target that the README names is in the Makefile."""
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", README))
    assert {"demo", "test"} <= targets
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_readme_has_code_commands_and_a_picture() -> None:
    """The README has code, commands and a picture."""
    assert len(PYTHON) >= 6
    assert len(COMMANDS) >= 4
    assert all((ROOT / picture).is_file() for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))


def test_relative_links_of_the_readme_exist() -> None:
    """Every relative link is a file of the repository."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
