"""Processes whose output goes to a full disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import environment

if TYPE_CHECKING:
    from kkiai_sdk.mock import MockGateway

FULL = Path("/dev/full")
TASK = "grok:scenario-normal~full"
#: The whole message.
SENTENCE = "kkiai: cannot write to stdout: No space left on device\n"

pytestmark = [
    pytest.mark.fault("S-13"),
    pytest.mark.skipif(not FULL.is_char_device(), reason="this system has no /dev/full"),
]


def ran(gateway: MockGateway, words: list[str], redirected: str, **changes: str) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of the command under a shell's redirection."""
    command = [sys.executable, "-W", "error", "-m", "kkiai_sdk", *words]
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh"]
    environ = environment(KKIAI_BASE_URL=gateway.base_url, **changes)
    ended = subprocess.run([*shell, *command], env=environ, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["query", TASK], marks=pytest.mark.deep),
        ["query", TASK, "--json"],
        pytest.param(["query", "grok:nobody's", "--json"], marks=pytest.mark.deep),
        pytest.param(["query", "not an id", "--json"], marks=pytest.mark.deep),
        ["doctor"],
        pytest.param(["mock", "--list"], marks=pytest.mark.deep),
        pytest.param(["contract", "--json"], marks=pytest.mark.deep),
        pytest.param(["wait", "--help"], marks=pytest.mark.deep),
        ["--help"],
        pytest.param(["--version"], marks=pytest.mark.deep),
        pytest.param([], marks=pytest.mark.deep),
    ],
    ids=" ".join,
)
def test_unwritable_stdout_is_one_sentence_and_code_6(gateway: MockGateway, words: list[str]) -> None:
    """When stdout cannot be written a command ends with 6 and one sentence on stderr, whatever else went wrong."""
    assert ran(gateway, words, "> /dev/full") == (6, "", SENTENCE)


@pytest.mark.parametrize(
    "changes", [{"PYTHONUNBUFFERED": "1"}, {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}], ids=["unbuffered", "ascii"]
)
@pytest.mark.parametrize("words", [pytest.param(["query", TASK], marks=pytest.mark.deep), ["--help"]], ids=" ".join)
def test_unwritable_stdout_is_noticed_with_any_buffer(
    gateway: MockGateway, words: list[str], changes: dict[str, str]
) -> None:
    """The same without Python's buffer, and with the ASCII encoding, for which click has another way to write."""
    assert ran(gateway, words, "> /dev/full", **changes) == (6, "", SENTENCE)


def test_download_with_unwritable_stdout_keeps_the_video(gateway: MockGateway, tmp_path: Path) -> None:
    """A download whose path cannot be printed has stored the complete video."""
    target = tmp_path / "cow.mp4"
    code, _, err = ran(gateway, ["download", TASK, "-o", str(target), "--poll-interval", "0.05", "-q"], "> /dev/full")
    assert (code, err) == (6, SENTENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["cow.mp4"]
    assert target.read_bytes()[4:8] == b"ftyp"


def test_unwritable_stderr_does_not_stop_a_download(gateway: MockGateway, tmp_path: Path) -> None:
    """Progress that cannot be written stops no work: the results are there, and the exit code is 6."""
    target = tmp_path / "cow.mp4"
    words = ["download", TASK, "-o", str(target), "--poll-interval", "0.05", "-v"]
    assert ran(gateway, words, "2> /dev/full") == (6, f"{target}\n", "")
    assert target.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["query", "not an id"], 2),
        pytest.param(["frobnicate"], 2, marks=pytest.mark.deep),
        (["query", TASK], 0),
        pytest.param(["--help"], 0, marks=pytest.mark.deep),
    ],
    ids=["refused", "usage", "no message", "help"],
)
def test_unwritable_stderr_keeps_code_of_other_problems(gateway: MockGateway, words: list[str], code: int) -> None:
    """A full stderr does not change the code of a command that failed, or that had nothing to say there."""
    assert ran(gateway, words, "2> /dev/full")[::2] == (code, "")


def test_both_streams_unwritable_exit_with_6(gateway: MockGateway) -> None:
    """With both streams on a full disk the exit code still tells."""
    assert ran(gateway, ["query", TASK], "> /dev/full 2>&1") == (6, "", "")
