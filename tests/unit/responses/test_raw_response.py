"""Content codings of response bodies: decoded within a limit, or rejected."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest

from kkiai_sdk import APIResponseError, ServerError
from kkiai_sdk._responses import raw_response
from kkiai_sdk._responses.error_parser import MAX_BODY, read_query
from kkiai_sdk._responses.raw_response import BodyTooLargeError, RawResponse


def decode_body(body: bytes, coding: str) -> bytes:
    """The decoded body, within the limit of a query."""
    return raw_response.decode_body(body, coding, MAX_BODY)


#: A limit that is no multiple of the pieces in which a body is unpacked.
LIMIT = (16 << 20) + 7


def peak_memory(body: bytes) -> int:
    """The most memory in bytes that it takes to find that a packed body is too large."""
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError):
            raw_response.decode_body(body, "gzip", LIMIT)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def compressed(status: int, coding: str, body: bytes) -> RawResponse:
    """A decoded response with this content coding."""
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
def test_single_gzip_or_deflate_coding_is_decoded(coding: str, body: bytes) -> None:
    """A body with no coding or one of gzip, x-gzip and deflate is decoded, also if it has several members."""
    assert decode_body(body, coding) == PLAIN
    answer = compressed(200, coding, body)
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
def test_other_or_damaged_coding_is_rejected(coding: str, body: bytes) -> None:
    """Chained, unknown, wrong and truncated codings are invalid; under an error status the status decides."""
    with pytest.raises(ValueError, match="body"):
        decode_body(body, coding)
    assert isinstance(read_query(compressed(200, coding, body)), APIResponseError)
    assert isinstance(read_query(compressed(502, coding, body)), ServerError)
    assert compressed(502, coding, body).body == b""


@pytest.mark.parametrize(
    ("coding", "body", "says"),
    [
        (f" {'X' * 61}", PLAIN, f"a body in the encoding {'x' * 59}…, which was not requested"),
        ("gzip", PLAIN, "a compressed body that cannot be decompressed"),
        ("gzip", gzip.compress(PLAIN)[:-1], "a truncated compressed body"),
        ("gzip", gzip.compress(b"") * 17, "a compressed body of more than 16 members"),
    ],
    ids=["unknown", "false", "cut", "pieces"],
)
def test_coding_problem_is_named(coding: str, body: bytes, says: str) -> None:
    """Each problem is named in words that fit into a sentence; long text of the server is truncated."""
    with pytest.raises(ValueError, match=f"^{says}$"):
        decode_body(body, coding)


@pytest.mark.parametrize(
    ("sizes", "decoded"),
    [([LIMIT], LIMIT), ([LIMIT, 0], LIMIT), ([LIMIT, 3], None), ([LIMIT - 5, 9], None), ([LIMIT + 9], None)],
    ids=str,
)
def test_compressed_body_is_limited_exactly(sizes: list[int], decoded: int | None) -> None:
    """A compressed body within the limit is decoded completely; one with one byte more is too large."""
    body = b"".join(gzip.compress(b" " * size, 1) for size in sizes)
    if decoded is None:
        with pytest.raises(BodyTooLargeError, match=f"^a body of more than {LIMIT:,} bytes$"):
            raw_response.decode_body(body, "gzip", LIMIT)
    else:
        assert len(raw_response.decode_body(body, "gzip", LIMIT)) == decoded


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.fault("B-09")
def test_truncated_compressed_body_is_incomplete(coding: str) -> None:
    """A compressed body that lacks any number of bytes at its end is incomplete."""
    whole = gzip.compress(PLAIN) if coding == "gzip" else zlib.compress(PLAIN)
    for size in range(len(whole)):
        with pytest.raises(ValueError, match="truncated compressed body"):
            decode_body(whole[:size], coding)


@pytest.mark.fault("B-10")
def test_chained_bombs_use_the_memory_of_one() -> None:
    """Several compressed members together take no more memory than one."""
    assert peak_memory(gzip.compress(b" " * (LIMIT - 5), 9) * 16) < 2 * LIMIT


@pytest.mark.fault("B-10")
def test_decompression_bomb_uses_little_memory() -> None:
    """Of a body that decompresses to 100 MB little more than the limit is ever decompressed."""
    assert peak_memory(gzip.compress(b" " * 100_000_000)) < 2 * LIMIT


def test_body_over_the_limit_is_a_final_error() -> None:
    """A body over the limit, compressed or not, is an error that says so and is final; its beginning is kept."""
    long = b"9" * (MAX_BODY + 1)
    for response in (RawResponse(200, [], long).decoded(MAX_BODY), compressed(200, "gzip", gzip.compress(long, 1))):
        assert response.problem == "a body of more than 33,554,432 bytes"
        assert response.body == long[: 1 << 20]
        error = read_query(response)
        assert isinstance(error, APIResponseError)
        assert "more than 33,554,432 bytes" in str(error)
        assert not error.transient


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_body_of_exactly_the_limit_is_complete(coding: str) -> None:
    """A body whose decoded length is the limit is complete."""
    body = gzip.compress(b"9" * 10) if coding else b"9" * 10
    response = RawResponse(200, [("content-encoding", coding)], body).decoded(10)
    assert (response.body, response.problem) == (b"9" * 10, None)


def test_problem_of_a_response_names_its_coding() -> None:
    """A response that cannot be decoded has no body, and names the problem."""
    response = compressed(200, "br", PLAIN)
    assert (response.body, response.problem) == (b"", "a body in the encoding br, which was not requested")
