"""Names of downloaded files, made from task ids."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk._downloads.range_requests import MAX_NAME, file_name
from tests.unit.support import FIXED, brief

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.mp4")

NAMES: dict[str, str] = {
    "7f3c-11": "7f3c-11.mp4",
    "task_01k6x.b": "task_01k6x.b.mp4",
    "v.mp4": "v.mp4.mp4",
    "grok:7f3c": r"grok-7f3c-[0-9a-f]{8}\.mp4",
    "Grok": r"Grok-[0-9a-f]{8}\.mp4",
    "../../etc/passwd": r"etc-passwd-[0-9a-f]{8}\.mp4",
    "..%2f..%2fx": r"2f\.\.-2fx-[0-9a-f]{8}\.mp4",
    "%252e%252e": r"252e-252e-[0-9a-f]{8}\.mp4",
    "a/b": r"a-b-[0-9a-f]{8}\.mp4",
    "a\\b": r"a-b-[0-9a-f]{8}\.mp4",
    "C:x": r"C-x-[0-9a-f]{8}\.mp4",
    "-rf": r"rf-[0-9a-f]{8}\.mp4",
    ".bashrc": r"bashrc-[0-9a-f]{8}\.mp4",
    "-Xylo": r"Xylo-[0-9a-f]{8}\.mp4",
    "con.X": r"video-con\.X-[0-9a-f]{8}\.mp4",
    "...": r"video-[0-9a-f]{8}\.mp4",
    "牛": r"video-[0-9a-f]{8}\.mp4",
    "a\u202eb": r"a-b-[0-9a-f]{8}\.mp4",
    "a\0b\n": r"a-b--[0-9a-f]{8}\.mp4",
    "\ud800": r"video-[0-9a-f]{8}\.mp4",
    "CON": r"video-CON-[0-9a-f]{8}\.mp4",
    "nul": r"video-nul-[0-9a-f]{8}\.mp4",
    "com1.tar": r"video-com1\.tar-[0-9a-f]{8}\.mp4",
    "console": r"console\.mp4",
    "": r"video-[0-9a-f]{8}\.mp4",
    "x" * 300: r"x{100}-[0-9a-f]{8}\.mp4",
}


@pytest.mark.fault("F-08")
@pytest.mark.parametrize("task_id", NAMES, ids=brief)
def test_file_name_is_the_task_id_or_a_safe_form_with_a_hash(task_id: str) -> None:
    """A file name is the task id itself if that is safe, else a safe form of it and a hash."""
    assert re.fullmatch(NAMES[task_id], file_name(task_id))


IDS = st.text(st.characters(), max_size=40) | st.from_regex(r"[A-Za-z0-9:./%\\ -]{0,20}", fullmatch=True)


@pytest.mark.fault("F-08")
@given(IDS | st.text(st.characters(), min_size=100, max_size=400))
@FIXED
def test_file_name_of_any_id_is_safe(task_id: str) -> None:
    """The name for any id is one component of plain ASCII: not hidden, no option, no device, not too long."""
    name = file_name(task_id)
    assert NAME.fullmatch(name)
    assert len(name) <= MAX_NAME
    assert name.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


@pytest.mark.fault("F-09")
@given(IDS, IDS)
@FIXED
def test_different_ids_have_different_file_names(one: str, other: str) -> None:
    """Two ids have two names, on case-insensitive file systems as well."""
    assert (file_name(one).lower() == file_name(other).lower()) is (one == other)


@pytest.mark.fault("F-09")
@pytest.mark.parametrize(
    ("one", "other"), [("Grok", "grok"), ("GROK", "Grok"), ("a/b", "a-b"), ("a/b", "a\\b"), ("é", "e\u0301")]
)
def test_similar_ids_have_different_file_names(one: str, other: str) -> None:
    """Ids that differ in case, in what is replaced, or in how an accent is written have different names."""
    assert file_name(one).lower() != file_name(other).lower()


@pytest.mark.parametrize(("limit", "length"), [(41, 21), (40, 20), (39, 20), (1, 20), (120, 100)])
def test_name_made_of_a_long_id_is_cut_to_the_limit(limit: int, length: int) -> None:
    """A long id is cut so that its hash and suffix fit, but never to less than twenty characters."""
    assert re.fullmatch(rf"x{{{length}}}-[0-9a-f]{{8}}\.mp4", file_name("x" * 300, limit))
