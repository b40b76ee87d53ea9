"""The command as a process whose output lands on a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.canary import KEY

if TYPE_CHECKING:
    from kkiai_sdk.mock import MockGateway

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
TASK = "grok:scenario-normal~full"
#: All that is said about it.
SENTENCE = "kkiai: stdout cannot be written: No space left on device\n"

pytestmark = [
    pytest.mark.fault("S-13"),
    pytest.mark.skipif(not FULL.is_char_device(), reason="this system has no /dev/full"),
]


def ran(gateway: MockGateway, words: list[str], redirected: str, **environ: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of the command under a shell's redirection."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}"} | environ
    environment |= {"KKIAI_API_KEY": KEY, "KKIAI_BASE_URL": gateway.base_url}
    command = [sys.executable, "-W", "error", "-m", "kkiai_sdk", *words]
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh"]
    ended = subprocess.run([*shell, *command], env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["query", TASK], marks=pytest.mark.deep),
        ["query", TASK, "--json"],
        ["query", "grok:nobody's", "--json"],
        pytest.param(["query", "not an id", "--json"], marks=pytest.mark.deep),
        ["doctor"],
        pytest.param(["mock", "--list"], marks=pytest.mark.deep),
        pytest.param(["contract", "--json"], marks=pytest.mark.deep),
        pytest.param(["wait", "--help"], marks=pytest.mark.deep),
        ["--help"],
        pytest.param(["--version"], marks=pytest.mark.deep),
        [],
    ],
    ids=" ".join,
)
def test_results_that_cannot_be_written(gateway: MockGateway, words: list[str]) -> None:
    """When stdout cannot be written a command ends with 6 and one sentence on stderr, whatever else there was."""
    assert ran(gateway, words, "> /dev/full") == (6, "", SENTENCE)


@pytest.mark.parametrize(
    "environ", [{"PYTHONUNBUFFERED": "1"}, {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}], ids=["unbuffered", "ascii"]
)
@pytest.mark.parametrize("words", [["query", TASK], ["--help"]], ids=" ".join)
def test_whatever_buffers_there_are(gateway: MockGateway, words: list[str], environ: dict[str, str]) -> None:
    """So it is without Python's buffer, and where text takes another way out because the encoding is ASCII."""
    assert ran(gateway, words, "> /dev/full", **environ) == (6, "", SENTENCE)


def test_a_video_that_arrived_stays(gateway: MockGateway, tmp_path: Path) -> None:
    """A download whose path cannot be printed has put the whole video in its place."""
    target = tmp_path / "cow.mp4"
    code, _, err = ran(gateway, ["download", TASK, "-o", str(target), "--poll-interval", "0.05", "-q"], "> /dev/full")
    assert (code, err) == (6, SENTENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["cow.mp4"]
    assert target.read_bytes()[4:8] == b"ftyp"


def test_messages_that_cannot_be_written(gateway: MockGateway, tmp_path: Path) -> None:
    """Progress that nobody can read ends no work: the results are there, and the code says that something is not."""
    target = tmp_path / "cow.mp4"
    words = ["download", TASK, "-o", str(target), "--poll-interval", "0.05", "-v"]
    assert ran(gateway, words, "2> /dev/full") == (6, f"{target}\n", "")
    assert target.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("words", "code"),
    [(["query", "not an id"], 2), (["frobnicate"], 2), (["query", TASK], 0), (["--help"], 0)],
    ids=["refused", "usage", "nothing to say", "help"],
)
def test_a_problem_keeps_its_code(gateway: MockGateway, words: list[str], code: int) -> None:
    """A full stderr changes the code of no command that went wrong, or had nothing to say there."""
    assert ran(gateway, words, "2> /dev/full")[::2] == (code, "")


def test_no_stream_at_all(gateway: MockGateway) -> None:
    """With both streams on a full disk the exit code still tells."""
    assert ran(gateway, ["query", TASK], "> /dev/full 2>&1") == (6, "", "")
