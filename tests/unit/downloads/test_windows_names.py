"""Names of files as Windows has them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk._downloads.range_requests import file_name
from kkiai_sdk._downloads.windows_names import MAX_PATH, name_limit, name_problem
from tests.unit.support import FIXED

GOOD = ["v.mp4", "console.mp4", "com.mp4", "com10.mp4", "nul-1.mp4", "a b.mp4", ".hidden", "日本.mp4", "lpt", "..a"]
BAD = {
    **dict.fromkeys(
        ["con", "CON", "Nul.mp4", "aux.tar.gz", "com1", "LPT9.txt", "COM¹.mp4", "prn .x", "CONIN$"], "device"
    ),
    **{f"a{char}b.mp4": "contains" for char in '<>:"/\\|?*\x00\x1f'},
    **dict.fromkeys(["v.", "v ", "v.mp4...", "."], "ends with"),
    "nul:": "device",
}


@pytest.mark.fault("F-16")
@pytest.mark.parametrize("name", GOOD)
def test_name_that_windows_accepts_has_no_problem(name: str) -> None:
    """Ordinary names, also ones that only begin like a device, pass."""
    assert name_problem(name) is None


@pytest.mark.fault("F-16")
@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_name_that_windows_refuses_has_a_problem(name: str) -> None:
    """Names of devices, forbidden characters, and dots or spaces at the end are each named as the reason."""
    problem = name_problem(name) or ""
    assert re.fullmatch(r"is the name of a device|contains '.{1,4}'|ends with a dot or a space", problem)
    assert BAD[name] in problem


@pytest.mark.fault("F-16")
@given(st.text(st.characters(), max_size=300) | st.sampled_from([*BAD]), st.integers(40, 120))
@FIXED
def test_name_made_of_any_id_is_accepted(task_id: str, limit: int) -> None:
    """Whatever the id and the room for its name: the name passes on Windows, and fits."""
    name = file_name(task_id, limit)
    assert name_problem(name) is None
    assert len(name) <= limit


@pytest.mark.parametrize(
    ("folder", "most", "limit"),
    [("C:\\v", 120, 120), ("C:\\" + "d" * 200, 120, MAX_PATH - 204), ("C:\\" + "d" * 200 + "\\", 255, MAX_PATH - 204)],
)
def test_limit_of_name_leaves_room_for_its_folder(folder: str, most: int, limit: int) -> None:
    """A name is as long as allowed, or as the longest path leaves room for."""
    assert name_limit(folder, most) == limit
