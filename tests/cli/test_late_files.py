"""Files that come late or inside their URL, at the command line."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

FAST = ("--poll-interval", "0.02s")
SAMPLE = resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()


@pytest.mark.fault("D-33")
def test_body_of_data_url_is_in_no_text_and_in_json(kkiai: Run) -> None:
    """Of a data URL people see the head alone; JSON has all of it."""
    task_id = "grok:scenario-file-data-url~shown"
    kkiai("wait", task_id, *FAST)
    ended = kkiai("query", task_id)
    assert ended.rows == [[task_id, "succeeded", "data:video/mp4;base64,…"]]
    assert len(ended.out + ended.err) < 200
    assert len(kkiai("query", task_id, "--json").out) > len(SAMPLE)


@pytest.mark.parametrize("name", ["file-data-url", "file-by-json", "file-cookie", "file-unsized", "file-gzip"])
def test_download_of_detours_saves_the_video(kkiai: Run, tmp_path: Path, name: str) -> None:
    """Each detour ends with the video on disk and exit code 0."""
    target = tmp_path / "v.mp4"
    ended = kkiai("download", f"grok:scenario-{name}~cli", "-o", str(target), *FAST)
    assert (ended.code, target.read_bytes()) == (0, SAMPLE)


@pytest.mark.fault("D-34")
@pytest.mark.parametrize(
    ("name", "advice"), [("playlist", "ffmpeg"), ("gif", "query the task again"), ("zip", "unpack it")]
)
def test_download_of_another_kind_of_file_says_what_to_do(kkiai: Run, tmp_path: Path, name: str, advice: str) -> None:
    """A file that is no video ends with exit code 6 and a sentence with advice."""
    ended = kkiai("download", f"grok:scenario-file-{name}~cli", "-o", str(tmp_path / "v.mp4"), *FAST)
    assert ended.code == 6
    assert advice in ended.err
