"""Connection faults by name. Each turns a normal reply into another one, or into the steps of a failing connection.

Pure. To add a fault, add a row to one of the tables.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import TypeAlias

from kkiai_sdk.mock.messages import End, Reply

#: Bytes to send, gateway seconds to wait, or the end of the connection, which is otherwise kept.
Step: TypeAlias = bytes | float | End
Steps: TypeAlias = Iterable[Step]
Fault: TypeAlias = Callable[[Reply], Reply | Steps]
#: A summary of the fault, and the fault.
Row: TypeAlias = tuple[str, Fault]

#: Gateway seconds between two pieces of a response that trickles.
DRIP = 0.1
MEGABYTE = 1 << 20
#: Megabytes that gzip-bomb decompresses to, and that huge-body sends.
BOMB, FLOOD = 100, 200
_UNFRAMED = ("connection", "close")


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _head(reply: Reply) -> bytes:
    return reply.head(("content-length", str(len(reply.body))))


def _cut(reply: Reply, *framing: tuple[str, str]) -> bytes:
    """The head and half of the body."""
    return reply.head(*(framing or [("content-length", str(len(reply.body)))])) + _half(reply.body)


def _chunked(reply: Reply) -> bytes:
    return reply.head(("transfer-encoding", "chunked"))


def _drip(data: bytes) -> Iterator[Step]:
    for byte in data:
        yield bytes((byte,))
        yield DRIP


def _early_hints() -> Iterator[Step]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nlink: </video>; rel=preload\r\n\r\n"
        yield DRIP


def _huge_headers(reply: Reply) -> Steps:
    return reply.encode(*((f"x-filler-{number}", "x" * 1000) for number in range(512))), End.FIN


def _two_lengths(reply: Reply) -> Steps:
    return reply.head(("content-length", "5"), ("content-length", "6")) + reply.body, End.FIN


def _long_body(reply: Reply) -> Steps:
    # The surplus is a complete response: a client that keeps the connection takes it for the response to its next
    # request.
    surplus = b'{"id":"surplus","status":"failed","error":"this belongs to no request"}'
    return reply.encode() + replace(reply, status=200, body=surplus).encode(), End.HANG


def _flood(reply: Reply) -> Iterator[Step]:
    yield reply.head(("content-length", str(FLOOD * MEGABYTE))) + b"{"
    for _ in range(FLOOD):
        yield b" " * MEGABYTE
    yield End.FIN


def packed(reply: Reply, body: bytes, coding: str = "gzip") -> Reply:
    """Make a reply with an encoded body."""
    return replace(reply, body=body, headers=(*reply.headers, ("content-encoding", coding)))


def gzipped(data: bytes) -> bytes:
    """Compress bytes, always to the same ones."""
    return gzip.compress(data, mtime=0)


def _corrupt(reply: Reply) -> Reply:
    data = bytearray(gzipped(reply.body))
    data[len(data) // 2] ^= 0xFF
    return packed(reply, bytes(data))


@cache
def _bomb() -> bytes:
    # A block that ends with a full flush can be repeated, so only one of them has to be compressed.
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
    return packed(reply, gzipped(first) + gzipped(reply.body[len(first) :]))


def _body(body: bytes) -> Fault:
    """Send another body, as JSON."""
    return lambda reply: replace(reply, body=body, content_type="application/json")


def _before(member: bytes) -> Fault:
    """Add a member at the start of the JSON object."""
    return lambda reply: replace(reply, body=reply.body.replace(b"{", b"{" + member + b",", 1))


def _with(member: bytes) -> Fault:
    """Add a member at the end of the JSON object."""
    return lambda reply: replace(reply, body=reply.body.rstrip()[:-1] + b"," + member + b"}")


def _keys() -> bytes:
    hostile: dict[str, object] = {"__class__": "x", "__proto__": {}, "constructor": {}, "to_dict": None, "": 0}
    return json.dumps(hostile | {f"key{number}": number for number in range(10_000)}).encode()[1:-1]


_CONNECTIONS: dict[str, Row] = {
    "close": ("closes the connection without a byte", lambda _: (End.FIN,)),
    "reset": ("resets the connection without a byte", lambda _: (End.RST,)),
    "stall": ("never answers", lambda _: (End.HANG,)),
    "close-in-headers": ("closes in the middle of the headers", lambda r: (_half(_head(r)), End.FIN)),
    "reset-in-headers": ("resets in the middle of the headers", lambda r: (_half(_head(r)), End.RST)),
    "drip-headers": ("sends one byte of the headers every 0.1 s", lambda r: (*_drip(_head(r)), r.body)),
    "endless-103": ("sends 103 Early Hints every 0.1 s and nothing else", lambda _: _early_hints()),
    "huge-headers": ("sends 512 KB of headers", _huge_headers),
    "not-http": ("speaks another protocol", lambda _: (b"SSH-2.0-\x1b]0;mock\x07\r\n", End.FIN)),
    "two-lengths": ("sends two Content-Length fields", _two_lengths),
    "negative-length": ("sends a negative Content-Length", lambda r: (r.encode(length=-5), End.FIN)),
    "close-after": ("responds normally, then closes the connection unannounced", lambda r: (r.encode(), End.FIN)),
}

_BODIES: dict[str, Row] = {
    "short-body": ("closes after half of the body", lambda r: (_cut(r), End.FIN)),
    "reset-mid-body": ("resets after half of the body", lambda r: (_cut(r), End.RST)),
    "stall-mid-body": ("sends half of the body, then nothing", lambda r: (_cut(r), End.HANG)),
    "drip-body": ("sends one byte of the body every 0.1 s", lambda r: (_head(r), *_drip(r.body))),
    "long-body": ("sends more bytes than its Content-Length", _long_body),
    "huge-length": ("sends a Content-Length of 10^18", lambda r: (_cut(r, ("content-length", f"{10**18}")), End.FIN)),
    "cut-chunk": ("closes in the middle of a chunk", lambda r: (_chunked(r) + b"fffffff\r\n" + _half(r.body), End.FIN)),
    "bad-chunk-size": ("sends a chunk size that is not a number", lambda r: (_chunked(r) + b"moo\r\n", End.FIN)),
    "cut-unframed": ("sends no length and half of the body", lambda r: (_cut(r, _UNFRAMED), End.FIN)),
    "unframed": ("sends no length", lambda r: (r.head(_UNFRAMED) + r.body, End.FIN)),
    "huge-body": (f"sends {FLOOD} MB of JSON", _flood),
    "gzip-corrupt": ("gzips the body, with one byte changed", _corrupt),
    "gzip-truncated": ("gzips the body and cuts it in half", lambda r: packed(r, _half(gzipped(r.body)))),
    "gzip-members": ("gzips the body as two members, of which some clients read only one", _members),
    "gzip-chain": ("gzips three times", lambda r: packed(r, gzipped(gzipped(gzipped(r.body))), "gzip, gzip, gzip")),
    "gzip-bomb": (f"sends 100 KB of gzip that expand to {BOMB} MB", lambda r: packed(r, _bomb())),
}

_CONTENTS: dict[str, Row] = {
    "json-null": ("the JSON is null", _body(b"null")),
    "json-list": ("the JSON is a list", _body(b"[]")),
    "json-text": ("the JSON is a string", _body(b'"hi"')),
    "json-number": ("the JSON is a number", _body(b"5")),
    "json-cut": ("the JSON is cut short, but the length matches", lambda r: replace(r, body=_half(r.body))),
    "json-deep": ("200,000 nested lists", _body(b'{"id":' + b"[" * 200_000 + b"]" * 200_000 + b"}")),
    "json-nan": ("a number is NaN", _with(b'"progress":NaN')),
    "json-overflow": ("a number is 1e999", _with(b'"progress":1e999')),
    "json-digits": ("a number has 5,000 digits", _with(b'"progress":' + b"9" * 5000)),
    "json-twice": ("two members are named status; the first one is wrong", _before(b'"status":"failed"')),
    "json-surrogate": ("a string contains a lone surrogate", _with(b'"note":"\\ud800"')),
    "json-keys": ("10,000 more keys, some of them attributes in Python or JavaScript", _with(_keys())),
    "json-types": ("fields have the wrong types", _with(b'"progress":"12 %","video_url":5,"status_update_time":"now"')),
    "bad-utf8": ("a string is not UTF-8", _with(b'"note":"\xff\xfe\x80"')),
    "utf16": ("the body is UTF-16", lambda r: replace(r, body=r.body.decode("utf-8", "replace").encode("utf-16"))),
    "bom": ("the body begins with a byte order mark", lambda r: replace(r, body=b"\xef\xbb\xbf" + r.body)),
}

FAULTS: dict[str, Row] = _CONNECTIONS | _BODIES | _CONTENTS


def faults() -> dict[str, str]:
    """Return every fault: its name, and a line that says what the server does instead of responding normally."""
    return {name: summary for name, (summary, _) in FAULTS.items()}


def play(reply: Reply) -> Reply | Steps:
    """Apply the fault of a reply, if it has one. JSON faults leave other content unchanged."""
    is_meant = reply.fault is not None and (reply.fault not in _CONTENTS or reply.content_type == "application/json")
    return FAULTS[reply.fault or ""][1](reply) if is_meant else reply
