"""Codings of files: what is none, and unpacking in bounded memory."""

from __future__ import annotations

import gzip
import random
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import DownloadError
from kkiai_sdk._downloads import content_coding
from kkiai_sdk._downloads.content_coding import Unpacker
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
    """A gzip body of several members is the sum of them; more than 16 are refused."""
    assert unpacked(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    assert unpacked(gzip.compress(b"x") * 16) == b"x" * 16
    with pytest.raises(DownloadError, match="more than 16 members"):
        unpacked(gzip.compress(b"x") * 17)


@pytest.mark.fault("D-31")
@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (gzip.compress(b"moo" * 99)[:-9], "a truncated compressed body"),
        (b"\x1f\x8b\x08\0\xff damaged", "a compressed body that cannot be decompressed"),
        (b"moo", "a compressed body that cannot be decompressed"),
        (b"", "a truncated compressed body"),
    ],
    ids=["cut", "damaged", "not packed", "empty"],
)
def test_damaged_packed_body_is_an_error(packed: bytes, problem: str) -> None:
    """A damaged or cut body raises DownloadError, which names the URL and the problem."""
    with pytest.raises(DownloadError, match=f"{URL}: the server sent {problem}$") as caught:
        unpacked(packed)
    assert caught.value.url == URL


@pytest.mark.fault("D-31")
def test_growth_is_bounded_by_the_packed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body may grow by one piece and a multiple of its packed size, and not by a byte more; pieces stay small."""
    monkeypatch.setattr(content_coding, "PIECE_SIZE", 64)
    monkeypatch.setattr(content_coding, "MAX_RATIO", 2)
    most = next(size for size in range(64, 999) if size == 64 + 2 * len(zlib.compress(bytes(size))))
    assert unpacked(zlib.compress(bytes(most)), 1000) == bytes(most)
    with pytest.raises(DownloadError, match="expands to more than 2 times its size"):
        unpacked(zlib.compress(bytes(most + 1)), 1000)
    assert max(map(len, Unpacker(URL).unpack(zlib.compress(bytes(80))))) == 64
    noise = random.Random(7).randbytes(500)
    assert unpacked(zlib.compress(noise), 50) == noise


def test_codings_are_read_in_any_case() -> None:
    """Codings come in lower case, without what is none."""
    assert content_coding.content_codings(" GZip , Binary,, video/mp4") == ["gzip"]


@pytest.mark.fault("D-31")
@pytest.mark.parametrize("codings", [["br"], ["zstd"], ["gzip", "gzip"], ["gzip", "br"], []])
def test_coding_that_cannot_be_undone_is_named(codings: list[str]) -> None:
    """A body with another coding, or with two, is an error that names them."""
    with pytest.raises(DownloadError, match=f"a body in the encoding {', '.join(codings)}, which was not requested"):
        Unpacker(URL, codings)


@pytest.mark.fault("D-31")
def test_deflate_without_the_header_of_zlib_is_unpacked() -> None:
    """Under the name of deflate a body comes out with the header of zlib, with that of gzip, and without any."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for packed in (
        packer.compress(b"moo" * 99) + packer.flush(),
        zlib.compress(b"moo" * 99),
        gzip.compress(b"moo" * 99),
    ):
        unpacker = Unpacker(URL, ["deflate"], packed)
        assert b"".join(unpacker.unpack(packed)) == b"moo" * 99
        unpacker.check_end()


@pytest.mark.fault("D-31")
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_padding_after_a_packed_body_is_ignored(step: int) -> None:
    """NULs after a member are no part of it, also before another one; anything else after it is damage."""
    padded = gzip.compress(b"one") + bytes(9) + gzip.compress(b"two") + bytes(600)
    assert unpacked(padded, step) == b"onetwo"
    with pytest.raises(DownloadError, match="cannot be decompressed"):
        unpacked(padded + b"moo", step)
