"""What can go wrong on the wire, by name: a good reply goes in, and what is sent in its place comes out.

Pure. A fault either gives another reply, which is then sent as it should be, or the steps of a connection that breaks.
To add one, add a row to :data:`FAULTS`.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import Enum, auto
from functools import cache
from typing import TypeAlias

from kkiai_sdk.mock._messages import Headers, Reply


class End(Enum):
    """What becomes of a connection."""

    CLOSE = auto()
    RESET = auto()
    #: Open and silent, until the other side closes it.
    STAY = auto()


#: Bytes to send, gateway seconds to wait, or the end.
Step: TypeAlias = bytes | float | End
Steps: TypeAlias = Iterable[Step]
Play: TypeAlias = Callable[[Reply], Reply | Steps]

#: Gateway seconds between two pieces of what drips.
DRIP = 0.1
MEGABYTE = 1 << 20
#: Megabytes that the large faults unpack to, or send.
BOMB, FLOOD = 100, 200


def head(reply: Reply, *framing: tuple[str, str]) -> bytes:
    """Status line and fields; ``framing`` says where the body ends, or what it claims."""
    fields: Headers = (("content-type", reply.content_type), *reply.headers, *framing)
    lines = [f"HTTP/1.1 {reply.status} Mock", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _measured(reply: Reply, length: int | None = None) -> bytes:
    return head(reply, ("content-length", str(len(reply.body) if length is None else length)))


def _chunked(reply: Reply) -> bytes:
    return head(reply, ("transfer-encoding", "chunked"))


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _drip(data: bytes) -> Iterator[Step]:
    for byte in data:
        yield bytes((byte,))
        yield DRIP


def _early_hints() -> Iterator[Step]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nlink: </video>; rel=preload\r\n\r\n"
        yield DRIP


def _huge_headers(reply: Reply) -> Steps:
    fields = [(f"x-filler-{number}", "x" * 1000) for number in range(512)]
    return (head(reply, *fields, ("content-length", str(len(reply.body)))), reply.body, End.CLOSE)


def _long_body(reply: Reply) -> Steps:
    # What is too much is a whole answer: a client that keeps the connection takes it for that to its next request.
    surplus = replace(
        reply, status=200, body=b'{"id":"surplus","status":"failed","error":"this belongs to no request"}'
    )
    return (_measured(reply) + reply.body + _measured(surplus) + surplus.body, End.STAY)


def _flood(reply: Reply) -> Iterator[Step]:
    yield _measured(reply, FLOOD * MEGABYTE) + b"{"
    for _ in range(FLOOD):
        yield b" " * MEGABYTE
    yield End.CLOSE


def _packed(reply: Reply, body: bytes, coding: str = "gzip") -> Reply:
    return replace(reply, body=body, headers=(*reply.headers, ("content-encoding", coding)))


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _corrupt(reply: Reply) -> Reply:
    packed = bytearray(_gzip(reply.body))
    packed[len(packed) // 2] ^= 0xFF
    return _packed(reply, bytes(packed))


@cache
def _bomb() -> bytes:
    # A block that ends with a full flush can be repeated: only one of them has to be packed.
    blank = b" " * MEGABYTE
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = packer.compress(blank) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(BOMB):
        check = zlib.crc32(blank, check)
    trailer = struct.pack("<II", check, BOMB * MEGABYTE)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * BOMB + packer.flush() + trailer


def _members(reply: Reply) -> Reply:
    first = _half(reply.body)
    return _packed(reply, _gzip(first) + _gzip(reply.body[len(first) :]))


def _twice(reply: Reply) -> Reply:
    """The object with a ``status`` before its own, which a parser that keeps the first would believe."""
    return replace(reply, body=reply.body.replace(b"{", b'{"status":"failed",', 1))


def _body(body: bytes) -> Play:
    """Another body, as JSON."""
    return lambda reply: replace(reply, body=body, content_type="application/json")


def _with(member: bytes) -> Play:
    """One more member at the end of the JSON object."""
    return lambda reply: replace(reply, body=reply.body.rstrip()[:-1] + b"," + member + b"}")


def _keys() -> bytes:
    hostile: dict[str, object] = {"__class__": "x", "__proto__": {}, "constructor": {}, "to_dict": None, "": 0}
    return json.dumps(hostile | {f"key{number}": number for number in range(10_000)}).encode()[1:-1]


Row: TypeAlias = tuple[str, Play]

_CONNECTIONS: dict[str, Row] = {
    "close": ("closes the connection without a byte", lambda _: (End.CLOSE,)),
    "reset": ("resets the connection without a byte", lambda _: (End.RESET,)),
    "stall": ("never answers", lambda _: (End.STAY,)),
    "close-in-headers": ("closes in the middle of the headers", lambda r: (_half(_measured(r)), End.CLOSE)),
    "reset-in-headers": ("resets in the middle of the headers", lambda r: (_half(_measured(r)), End.RESET)),
    "drip-headers": ("sends one byte of the headers every 0.1 s", lambda r: (*_drip(_measured(r)), r.body)),
    "endless-103": ("sends 103 Early Hints every 0.1 s and nothing else", lambda _: _early_hints()),
    "huge-headers": ("sends 512 KB of headers", _huge_headers),
    "not-http": ("speaks another protocol", lambda _: (b"SSH-2.0-\x1b]0;mock\x07\r\n", End.CLOSE)),
    "two-lengths": (
        "names two lengths",
        lambda r: (head(r, ("content-length", "5"), ("content-length", "6")) + r.body, End.CLOSE),
    ),
    "negative-length": ("names a negative length", lambda r: (_measured(r, -5) + r.body, End.CLOSE)),
    "close-after": ("answers well, then closes without a word", lambda r: (_measured(r) + r.body, End.CLOSE)),
}

_BODIES: dict[str, Row] = {
    "short-body": ("closes after half of the body", lambda r: (_measured(r) + _half(r.body), End.CLOSE)),
    "reset-mid-body": ("resets after half of the body", lambda r: (_measured(r) + _half(r.body), End.RESET)),
    "stall-mid-body": ("sends half of the body and no more", lambda r: (_measured(r) + _half(r.body), End.STAY)),
    "drip-body": ("sends one byte of the body every 0.1 s", lambda r: (_measured(r), *_drip(r.body))),
    "long-body": ("sends more than the length it names", _long_body),
    "huge-length": (
        "names a length of 10^18 and sends half of the body",
        lambda r: (_measured(r, 10**18) + _half(r.body), End.CLOSE),
    ),
    "cut-chunk": (
        "closes in the middle of a chunk",
        lambda r: (_chunked(r) + b"%x\r\n" % len(r.body) + _half(r.body), End.CLOSE),
    ),
    "bad-chunk-size": ("sends a chunk whose size is no number", lambda r: (_chunked(r) + b"moo\r\n", End.CLOSE)),
    "cut-unframed": (
        "names no length and closes after half of the body",
        lambda r: (head(r, ("connection", "close")) + _half(r.body), End.CLOSE),
    ),
    "huge-body": (f"sends {FLOOD} MB of JSON", _flood),
    "gzip-corrupt": ("packs the body, with a wrong byte", _corrupt),
    "gzip-truncated": ("packs the body and leaves half of it away", lambda r: _packed(r, _half(_gzip(r.body)))),
    "gzip-members": ("packs the body in two pieces, of which some clients read one", _members),
    "gzip-chain": (
        "packs the body three times over",
        lambda r: _packed(r, _gzip(_gzip(_gzip(r.body))), "gzip, gzip, gzip"),
    ),
    "gzip-bomb": (f"sends 100 KB that unpack to {BOMB} MB", lambda r: _packed(r, _bomb())),
}

_CONTENTS: dict[str, Row] = {
    "json-null": ("the JSON is null", _body(b"null")),
    "json-list": ("the JSON is a list", _body(b"[]")),
    "json-text": ("the JSON is a text", _body(b'"hi"')),
    "json-number": ("the JSON is a number", _body(b"5")),
    "json-cut": ("the JSON is cut short, the length fits", lambda r: replace(r, body=_half(r.body))),
    "json-deep": ("200,000 lists inside each other", _body(b'{"id":' + b"[" * 200_000 + b"]" * 200_000 + b"}")),
    "json-nan": ("a number is NaN", _with(b'"progress":NaN')),
    "json-overflow": ("a number is 1e999", _with(b'"progress":1e999')),
    "json-digits": ("a number has 5,000 digits", _with(b'"progress":' + b"9" * 5000)),
    "json-twice": ("the status is there twice, first a wrong one", _twice),
    "json-surrogate": ("a text holds half a character", _with(b'"note":"\\ud800"')),
    "json-keys": ("10,000 more keys, some with names of Python's own", _with(_keys())),
    "json-types": ("fields have other types", _with(b'"progress":"12 %","video_url":5,"status_update_time":"now"')),
    "bad-utf8": ("a text is not UTF-8", _with(b'"note":"\xff\xfe\x80"')),
    "utf16": ("the body is UTF-16", lambda r: replace(r, body=r.body.decode("utf-8", "replace").encode("utf-16"))),
    "bom": ("the body begins with a byte order mark", lambda r: replace(r, body=b"\xef\xbb\xbf" + r.body)),
}

FAULTS: dict[str, Row] = _CONNECTIONS | _BODIES | _CONTENTS


def faults() -> dict[str, str]:
    """Every fault that can be played: the name, and one line on what the server does in the place of its answer."""
    return {name: summary for name, (summary, _) in FAULTS.items()}


def play(reply: Reply) -> Reply | Steps:
    """What is sent: the reply, or what its fault makes of it. What is about JSON leaves everything else as it is."""
    is_meant = reply.fault is not None and (reply.fault not in _CONTENTS or reply.content_type == "application/json")
    return FAULTS[reply.fault or ""][1](reply) if is_meant else reply
