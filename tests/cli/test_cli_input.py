"""What people type."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import ConfigurationError
from kkiai_sdk.cli.options import byte_count, duration
from tests.support.canary import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

NORMAL = "grok:scenario-normal~"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h0m7s", 3607),
        ("1m30s", 90),
        ("90", 90),
        ("0", 0),
        ("0.05s", 0.05),
        ("0.5", 0.5),
        ("1.5h", 5400),
        (" 7M ", 420),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is hours, minutes and seconds, in this order and each optional, or plain seconds."""
    assert duration("--timeout", text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "h", "10 m", "30m1h", "1h1h", "-1", "+1", "1e3", "nan", "inf", "1.", ".5", "1d", "٣s", "9" * 400],
)
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused by a message that names the option and shows the forms."""
    with pytest.raises(ConfigurationError, match=r"--timeout must be a duration such as 30s, 10m, 2h or 1h30m"):
        duration("--timeout", text)


def test_no_limit() -> None:
    """`none` is a duration where a wait may last for ever, and nowhere else."""
    assert duration("--timeout", "None", unlimited=True) == math.inf
    with pytest.raises(ConfigurationError):
        duration("--timeout", "none")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("500", 500),
        ("20MB", 20_000_000),
        ("20mb", 20_000_000),
        ("2GiB", 2 * 1024**3),
        ("1.5k", 1500),
        ("3 TB", 3 * 10**12),
    ],
)
def test_sizes(text: str, count: int) -> None:
    """A size is a number with a decimal or a binary unit."""
    assert byte_count("--max-bytes", text) == count


def test_ids_from_stdin(kkiai: Run) -> None:
    """`-` stands for the ids on stdin, without blank lines and comments; ids around it keep their place."""
    text = f"\n# mine\n  {NORMAL}b  \r\n\n#x\n{NORMAL}c"
    ended = kkiai("query", f"{NORMAL}a", "-", f"{NORMAL}d", stdin=text)
    assert [row[0] for row in ended.rows] == [f"{NORMAL}{name}" for name in "abcd"]
    assert ended.code == 0


def test_an_id_counts_once(kkiai: Run) -> None:
    """An id that is given twice is asked about once."""
    ended = kkiai("query", f"{NORMAL}a", f"{NORMAL}a", "-", stdin=f"{NORMAL}a\n")
    assert len(ended.lines) == 1


@pytest.fixture
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a key may lie: away from the test's own folder, which is searched for it."""
    return tmp_path_factory.mktemp("keys") / "key"


@pytest.mark.parametrize("content", [f"{KEY}", f"{KEY}\n", f"\ufeff  {KEY}\r\n"])
def test_a_key_in_a_file(kkiai: Run, key_file: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """The key can come from a file, with what editors leave around it."""
    monkeypatch.delenv("KKIAI_API_KEY")
    key_file.write_text(content, encoding="utf-8")
    assert kkiai("query", f"{NORMAL}key", "--api-key-file", str(key_file)).code == 0


@pytest.mark.parametrize(
    "content", [b"", b"\n", f"{KEY}\n{KEY}".encode(), b"\xff\xfe", KEY.encode() * 1000, f"{KEY}é".encode()]
)
def test_a_file_that_is_no_key(kkiai: Run, key_file: Path, content: bytes) -> None:
    """A file that holds anything but one key is refused, and its content is not shown."""
    key_file.write_bytes(content)
    assert kkiai("query", f"{NORMAL}key", "--api-key-file", str(key_file)).code == 2


def test_a_connection_hides_its_key(key_file: Path) -> None:
    """The repr of what the options came to does not hold the key."""
    key_file.write_text(KEY)
    assert KEY not in repr(connection(None, key_file))


@pytest.mark.fault("K-08")
def test_the_key_is_no_option(kkiai: Run) -> None:
    """No command takes a key on its command line."""
    for command in ("query", "wait", "watch", "download", "mock", "demo", "doctor"):
        assert "--api-key " not in kkiai(command, "--help").out
