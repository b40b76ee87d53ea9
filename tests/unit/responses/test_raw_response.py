"""Packed bodies: unpacked within bounds, or refused."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from kkiai_sdk import APIResponseError, ServerError
from kkiai_sdk._responses import raw_response
from kkiai_sdk._responses.error_parser import MAX_BODY, read_query
from kkiai_sdk._responses.raw_response import RawResponse


def decode_body(body: bytes, coding: str) -> bytes:
    """The body without its coding, within the limit of a query."""
    return raw_response.decode_body(body, coding, MAX_BODY)


def packed(status: int, coding: str, body: bytes) -> RawResponse:
    """A response as the session hands it on: decoded."""
    return RawResponse(status, [("content-encoding", coding)], body).decoded(MAX_BODY)


PLAIN = json.dumps({"id": "grok:1", "status": "queued"}).encode()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("", PLAIN),
        ("identity", PLAIN),
        ("gzip", gzip.compress(PLAIN)),
        (" X-GZIP ", gzip.compress(PLAIN)),
        ("deflate", zlib.compress(PLAIN)),
        ("gzip", gzip.compress(PLAIN[:9]) + gzip.compress(b"") + gzip.compress(PLAIN[9:])),
    ],
    # Without them the packed bytes would name the test, and those hold the time of packing.
    ids=["no coding", "identity", "gzip", "x-gzip", "deflate", "pieces"],
)
def test_one_coding_is_understood(coding: str, body: bytes) -> None:
    """A server that packs although it was asked not to is understood, in the two forms that HTTP knows for ever."""
    assert decode_body(body, coding) == PLAIN
    answer = packed(200, coding, body)
    assert read_query(answer) == json.loads(PLAIN)
    assert answer.body == PLAIN


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(PLAIN)), marks=pytest.mark.fault("B-11")),
        pytest.param("br", PLAIN, marks=pytest.mark.fault("B-08")),
        pytest.param("gzip", PLAIN, marks=pytest.mark.fault("B-08")),
        pytest.param("gzip", gzip.compress(PLAIN)[:-9], marks=pytest.mark.fault("B-09")),
        pytest.param("gzip", gzip.compress(PLAIN)[:-1], marks=pytest.mark.fault("B-09")),
        pytest.param("gzip", gzip.compress(PLAIN) + gzip.compress(PLAIN)[:-9], marks=pytest.mark.fault("B-09")),
        ("gzip", gzip.compress(PLAIN) + b"\0moo"),
        ("gzip", gzip.compress(b"") * 17),
        ("gzip", b""),
    ],
    ids=["chain", "unknown", "false", "cut", "cut-by-one", "second-cut", "something-behind", "many-pieces", "empty"],
)
def test_anything_else_is_refused(coding: str, body: bytes) -> None:
    """Chains, unknown codings, false ones and cut ones are no answer; under an error status, the status says enough."""
    with pytest.raises(ValueError, match="body"):
        decode_body(body, coding)
    assert isinstance(read_query(packed(200, coding, body)), APIResponseError)
    assert isinstance(read_query(packed(502, coding, body)), ServerError)
    assert packed(502, coding, body).body == b""


@pytest.mark.parametrize(
    ("coding", "body", "says"),
    [
        (f" {'X' * 61}", PLAIN, f"a body in the encoding {'x' * 59}…, which was not asked for"),
        ("gzip", PLAIN, "a body that cannot be unpacked"),
        ("gzip", gzip.compress(PLAIN)[:-1], "a packed body that is cut short"),
        ("gzip", gzip.compress(b"") * 17, "a packed body of more than 16 members"),
    ],
    ids=["unknown", "false", "cut", "pieces"],
)
def test_what_is_wrong_is_said(coding: str, body: bytes, says: str) -> None:
    """Each reason is named in words that go into a sentence; what the server said is cut short."""
    with pytest.raises(ValueError, match=f"^{says}$"):
        decode_body(body, coding)


@pytest.mark.parametrize(
    ("sizes", "comes"),
    [
        ([MAX_BODY], MAX_BODY),
        ([MAX_BODY, 0], MAX_BODY),
        ([MAX_BODY, 3], MAX_BODY + 1),
        ([MAX_BODY - 5, 9], MAX_BODY + 1),
        ([MAX_BODY + 9], MAX_BODY + 1),
    ],
    ids=str,
)
def test_the_limit_is_exact(sizes: list[int], comes: int) -> None:
    """What fits is unpacked whole, and of more than fits one byte more: enough to know that it is too much."""
    assert len(decode_body(b"".join(gzip.compress(b" " * size, 1) for size in sizes), "gzip")) == comes


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.fault("B-09")
def test_a_body_that_is_cut_anywhere_is_no_answer(coding: str) -> None:
    """However little is missing at the end of a packed body, it is not taken for the whole."""
    whole = gzip.compress(PLAIN) if coding == "gzip" else zlib.compress(PLAIN)
    for size in range(len(whole)):
        with pytest.raises(ValueError, match="packed body that is cut short"):
            decode_body(whole[:size], coding)


@pytest.mark.fault("B-10")
def test_pieces_that_are_each_a_bomb() -> None:
    """Of several pieces together no more is unpacked than of one."""
    assert len(decode_body(gzip.compress(b" " * (MAX_BODY - 5)) * 16, "gzip")) == MAX_BODY + 1


@pytest.mark.fault("B-10")
def test_a_bomb_goes_off_small() -> None:
    """Of a body that unpacks to 100 MB little more than the limit is ever unpacked."""
    bomb = gzip.compress(b" " * 100_000_000)
    assert len(decode_body(bomb, "gzip")) == MAX_BODY + 1
    error = read_query(packed(200, "gzip", bomb))
    assert isinstance(error, APIResponseError)
    assert "more than" in str(error)


def test_body_over_the_limit_is_named_as_such() -> None:
    """A body that is too long, packed or not, is not whole, and the reason says so."""
    long = b"9" * (MAX_BODY + 1)
    for response in (RawResponse(200, [], long).decoded(MAX_BODY), packed(200, "gzip", gzip.compress(long))):
        assert response.problem == "a body of more than 1048576 bytes"
        assert len(response.body) == MAX_BODY
        assert "more than 1048576 bytes" in str(read_query(response))
