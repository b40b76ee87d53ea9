"""Codings of files: what is none, and unpacking in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import DownloadError
from kkiai_sdk._downloads import content_coding
from kkiai_sdk._downloads.content_coding import MAX_RATIO, PIECE_SIZE, Unpacker
from tests.unit.support import FIXED

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://cdn.example/a.mp4"
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zlib": zlib.compress}


def unpacked(packed: bytes, step: int = 7) -> bytes:
    """The contents of a body that comes in pieces of so many bytes."""
    unpacker = Unpacker(URL)
    body = b"".join(piece for at in range(0, len(packed), step) for piece in unpacker.unpack(packed[at : at + step]))
    unpacker.check_end()
    return body


@pytest.mark.fault("D-31")
@given(st.binary(max_size=300), st.integers(1, 400), st.sampled_from(sorted(PACKERS)))
@FIXED
def test_packed_body_comes_out_whole(body: bytes, step: int, packer: str) -> None:
    """A body is unpacked to what was packed, however it is cut into pieces."""
    assert unpacked(PACKERS[packer](body), step) == body


@pytest.mark.fault("D-31")
def test_members_of_gzip_are_unpacked_one_after_the_other() -> None:
    """A gzip body of several members is the sum of them; hundreds of them are refused."""
    assert unpacked(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    with pytest.raises(DownloadError, match="more than 16 members"):
        unpacked(gzip.compress(b"x") * 17)


@pytest.mark.fault("D-31")
@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (gzip.compress(b"moo" * 99)[:-9], "cut short"),
        (b"\x1f\x8b\x08\0\xff damaged", "cannot be unpacked"),
        (b"moo", "cannot be unpacked"),
        (b"", "cut short"),
    ],
    ids=["cut", "damaged", "not packed", "empty"],
)
def test_damaged_packed_body_is_an_error(packed: bytes, problem: str) -> None:
    """What is damaged or cut raises DownloadError, which names the URL and the problem."""
    with pytest.raises(DownloadError, match=problem) as caught:
        unpacked(packed)
    assert caught.value.url == URL


@pytest.mark.fault("D-31")
def test_bomb_is_refused_early_and_in_small_pieces() -> None:
    """A body that grows to a thousand times its size is refused within the bound; no piece is larger than 1 MiB."""
    packed, sizes = gzip.compress(bytes(100 * PIECE_SIZE)), [0]
    with pytest.raises(DownloadError, match=f"more than {MAX_RATIO} times"):
        sizes.extend(map(len, Unpacker(URL).unpack(packed)))
    assert len(sizes) > 2
    assert max(sizes) <= PIECE_SIZE
    assert sum(sizes) <= PIECE_SIZE + MAX_RATIO * len(packed)


def test_codings_are_read_in_any_case() -> None:
    """Codings come in lower case, without what is none."""
    assert content_coding.content_codings(" GZip , Binary,, video/mp4") == ["gzip"]
    assert content_coding.can_unpack(["gzip"])
    assert not content_coding.can_unpack(["gzip", "br"])
