"""MP4 files that are complete by their boxes, and files that are known to be no video."""

from __future__ import annotations

import pytest

from kkiai_sdk._downloads.sniffing import BOX_HEAD, Boxes, check_video

URL = "https://cdn.example/a.mp4"


def box(kind: bytes, size: int, says: int | None = None) -> bytes:
    """A box of an MP4 file, ``size`` bytes long; ``says`` is its length if it is not to be the true one."""
    return (size if says is None else says).to_bytes(4, "big") + kind + bytes(size - 8)


def boxes_of(file: bytes) -> Boxes:
    """Go from box to box, as a download does."""
    boxes = Boxes(len(file), 0)
    while boxes.end < len(file):
        boxes = boxes.after(file[boxes.end : boxes.end + BOX_HEAD])
    return boxes


FTYP, MOOV, MDAT = box(b"ftyp", 24), box(b"moov", 50), box(b"mdat", 1000)
FRAGMENT = box(b"moof", 40) + MDAT


@pytest.mark.fault("D-32")
@pytest.mark.parametrize(
    ("file", "is_complete"),
    [
        (FTYP + MOOV + MDAT, True),
        (FTYP + MDAT + MOOV, True),
        (FTYP + MOOV + FRAGMENT + FRAGMENT + box(b"mfra", 20), True),
        (FTYP + MOOV + MDAT[:-1], False),
        (FTYP + MOOV, False),
        (FTYP + MDAT, False),
        (FTYP + MOOV + FRAGMENT, False),
        (FTYP + MOOV + box(b"mdat", 1000, says=0), False),
        *((FTYP + MOOV + MDAT + bytes(padding), True) for padding in (1, 7, 8, 17, 999)),
        (FTYP + MDAT + bytes(9), False),
        (FTYP + MOOV + MDAT + bytes(9) + b"moo", True),
    ],
    ids=[
        "index first",
        "index last",
        "fragments",
        "cut",
        "no data",
        "no index",
        "no end",
        "to the end, wherever",
        *(f"{padding} NULs" for padding in (1, 7, 8, 17, 999)),
        "no index, NULs",
        "NULs and more",
    ],
)
def test_mp4_is_complete_by_its_boxes_or_not(file: bytes, is_complete: bool) -> None:  # noqa: FBT001 (a column)
    """An MP4 is complete if its boxes end with it, and index and data are among them; in fragments also their end."""
    boxes = boxes_of(file)
    assert boxes.are_complete is is_complete
    assert boxes.fit is (boxes.end == len(file))


def test_video_under_the_type_of_an_archive_is_a_video() -> None:
    """The first bytes of a known format count more than the media type."""
    check_video("application/zip", b"\0\0\0\x18ftypmp42", URL)
