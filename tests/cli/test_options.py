"""Values read from the command line, from stdin and from key files."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import ConfigurationError
from kkiai_sdk.cli.options import Connection, api_key, byte_count, duration
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
def test_duration_in_any_form_gives_seconds(text: str, seconds: float) -> None:
    """A duration is hours, minutes and seconds, in this order and each optional, or plain seconds."""
    assert duration("--timeout", text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "h", "10 m", "30m1h", "1h1h", "-1", "+1", "1e3", "nan", "inf", "1.", ".5", "1d", "٣s", "9" * 400],
)
def test_invalid_duration_is_refused_with_examples(text: str) -> None:
    """Anything else is refused by a message that names the option and shows the forms."""
    with pytest.raises(ConfigurationError, match=r"--timeout must be a duration such as 30s, 10m, 2h or 1h30m"):
        duration("--timeout", text)


def test_unlimited_duration_is_accepted_for_waits_only() -> None:
    """`none` is a duration where a wait may last forever, and nowhere else."""
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
def test_size_with_unit_gives_bytes(text: str, count: int) -> None:
    """A size is a number with a decimal or a binary unit."""
    assert byte_count("--max-bytes", text) == count


def test_dash_reads_ids_from_stdin_in_place(kkiai: Run) -> None:
    """`-` stands for the ids on stdin, without blank lines and comments; ids around it keep their place."""
    text = f"\n# mine\n  {NORMAL}b  \r\n\n#x\n{NORMAL}c"
    ended = kkiai("query", f"{NORMAL}a", "-", f"{NORMAL}d", stdin=text)
    assert [row[0] for row in ended.rows] == [f"{NORMAL}{name}" for name in "abcd"]
    assert ended.code == 0


def test_repeated_id_is_queried_only_once(kkiai: Run) -> None:
    """An id that is given twice, also on stdin, counts once."""
    ended = kkiai("query", f"{NORMAL}a", f"{NORMAL}a", "-", stdin=f"{NORMAL}a\n")
    assert len(ended.lines) == 1


@pytest.fixture
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key file outside the test's own folder, which is searched for the key."""
    return tmp_path_factory.mktemp("keys") / "key"


@pytest.mark.parametrize("content", [f"{KEY}", f"{KEY}\n", f"\ufeff  {KEY}\r\n"])
def test_key_file_with_one_line_is_used(
    kkiai: Run, key_file: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """The key can come from a file, with the byte order mark and white space that editors add."""
    monkeypatch.delenv("KKIAI_API_KEY")
    key_file.write_text(content, encoding="utf-8")
    assert kkiai("query", f"{NORMAL}key", "--api-key-file", str(key_file)).code == 0


@pytest.mark.parametrize(
    "content", [b"", b"\n", f"{KEY}\n{KEY}".encode(), b"\xff\xfe", KEY.encode() * 1000, f"{KEY}é".encode()]
)
def test_key_file_with_other_content_is_refused(kkiai: Run, key_file: Path, content: bytes) -> None:
    """A file that holds anything but one key is refused, and its content is not shown."""
    key_file.write_bytes(content)
    assert kkiai("query", f"{NORMAL}key", "--api-key-file", str(key_file)).code == 2


def test_repr_of_connection_hides_the_key(key_file: Path) -> None:
    """The key read from a file is in the connection and not in its repr."""
    key_file.write_text(KEY)
    connection = Connection(api_key=api_key(key_file))
    assert connection.api_key == KEY
    assert KEY not in repr(connection)


@pytest.mark.fault("K-08")
def test_no_command_takes_key_as_argument(kkiai: Run) -> None:
    """No command has an option for the key itself."""
    for command in ("query", "wait", "watch", "download", "mock", "demo", "doctor", "contract"):
        assert "--api-key " not in kkiai(command, "--help").out


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["wait"],
        ["wait", "--nonsense", "x"],
        ["watch", "a", "b"],
        ["mock", "--port", "70000"],
        ["mock", "--speed", "fast"],
        ["mock", "--host", "0.0.0.0"],
        ["wait", "a b"],
        ["wait", "-"],
        ["query", "x", "--timeout", "0"],
        ["wait", "x", "--timeout", "-1"],
        ["wait", "x", "--timeout", "soon"],
        ["wait", "x", "--poll-interval", "0"],
        ["query", "x", "--timeout", "none"],
        ["query", "x", "--base-url", "ftp://localhost"],
        ["query", "x", "--base-url", "http://gateway.example"],
        ["query", "x", "--base-url", "https://gateway.example:99999"],
        ["query", "x", "--api-key-file", "/nonexistent/key"],
        ["query", "x", "--api-key-file", "-"],
        ["download", "x", "-o", "-"],
        ["download", "x", "-o", "/nonexistent/folder/x.mp4"],
        ["download", "x", "--allow-file-host", "http://cdn.example/"],
        ["download", "x", "--max-bytes", "0"],
        ["download", "x", "--max-bytes", "many"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_a_reason(kkiai: Run, words: list[str]) -> None:
    """Wrong usage and configuration end with 2, a message on stderr and no traceback."""
    ended = kkiai(*words)
    assert ended.code == 2
    assert ended.err.strip()
    assert "Traceback" not in ended.err
    assert not re.search(r"\b(base_url|api_key|allow_\w+|max_bytes|dest|httpx_args)\b|\de\+\d", ended.err)


def test_missing_key_names_both_ways_to_give_it(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is sent, and the message names the variable and the option."""
    monkeypatch.delenv("KKIAI_API_KEY")
    ended = kkiai("query", "grok:x")
    assert (ended.code, ended.out) == (2, "")
    assert "KKIAI_API_KEY" in ended.err
    assert "--api-key-file" in ended.err
