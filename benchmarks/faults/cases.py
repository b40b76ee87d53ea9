"""The cases of requests and answers: network, bodies, JSON, statuses, Retry-After."""

from __future__ import annotations

import gzip
import itertools
import json
import struct
import time
import zlib
from email.utils import formatdate
from functools import reduce
from typing import TYPE_CHECKING

from benchmarks.faults import rules
from benchmarks.faults.observe import Case
from benchmarks.faults.wire import RUNNING, World, answer, head, script
from tests.support.rawserver import End, RawReply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.faults.wire import Answer, Server

_JSON = "Content-Type: application/json"


def _body(world: World) -> bytes:
    return json.dumps(world.task(RUNNING)).encode()


def _dripped(data: bytes, gap: float, size: int = 1) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        time.sleep(gap)
        yield data[start : start + size]


def _drip_head(_world: World) -> RawReply:
    return RawReply(b"", _dripped(head("200 OK", _JSON, "Content-Length: 2") + b"{}", 0.1))


def _drip_body(world: World) -> RawReply:
    body = _body(world)
    return RawReply(head("200 OK", _JSON, f"Content-Length: {len(body)}"), _dripped(body, 0.1))


def _early_hints(_world: World) -> RawReply:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    return RawReply(b"", _dripped(hint * 60, 0.2, len(hint)))


def _stale(world: World) -> RawReply:
    """Promise to keep the connection, and close it."""
    act = world.running()
    return RawReply(act.head, act.body, End.FIN)


def _nan_id(world: World) -> RawReply:
    return answer(
        _body(world).replace(b'"progress": 0.5', b'"progress": NaN').replace(b'"id": "task-', b'"id": NaN, "x": "')
    )


def _short_gzip(world: World) -> RawReply:
    """All of the data without the checksum at its end."""
    return answer(gzip.compress(_body(world))[:-8], "Content-Encoding: gzip")


def _bomb(world: World) -> RawReply:
    """Three hundred megabytes in three hundred kilobytes."""
    text, zeros, end = _body(world)[:-1] + b', "pad": "', b"0" * 1_000_000, b'"}'
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # After a full flush, what follows does not depend on what was before, so the same bytes can be repeated.
    first, many = (packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH) for part in (text, zeros))
    packed = first + many * 300 + packer.compress(end) + packer.flush()
    checksum = zlib.crc32(end, reduce(lambda crc, part: zlib.crc32(part, crc), [zeros] * 300, zlib.crc32(text)))
    trailer = struct.pack("<II", checksum, len(text) + 300 * len(zeros) + len(end))
    return answer(b"\x1f\x8b\x08" + b"\0" * 6 + b"\xff" + packed + trailer, "Content-Encoding: gzip")


def _flood(world: World) -> RawReply:
    text = _body(world)[:-1] + b', "pad": "'
    body = itertools.chain([text], itertools.repeat(b"0" * 1_000_000, 200), [b'"}'])
    return RawReply(head("200 OK", _JSON, f"Content-Length: {len(text) + 200_000_002}"), body, End.FIN)


def _half(world: World) -> RawReply:
    """Half of the body, and no length to tell."""
    body = _body(world)
    return RawReply(head("200 OK", _JSON), body[: len(body) // 2], End.FIN)


def _redirect(location: str) -> Answer:
    return lambda world: answer(b"{}", f"Location: {location.format(world=world)}", status="302 Found")


def _limited(value: str) -> RawReply:
    return answer(b'{"error": {"message": "slow down"}}', f"Retry-After: {value}", status="429 Slow")


def _date_in_20_seconds(_world: World) -> RawReply:
    return _limited(formatdate(time.time() + 20.999, usegmt=True))


def _ok(body: bytes, *headers: str) -> Server:
    return script(then=answer(body, *headers))


def _status(status: str, body: bytes = b"{}") -> Server:
    return script(then=answer(body, status=status))


def _closing(data: bytes, end: End = End.FIN) -> RawReply:
    return RawReply(data, end=end)


SHORT = answer({"id": "x", "status": "y"})
DEEP = b"[" * 200_000 + b"]" * 200_000
LARGE_HEAD = RawReply(head("200 OK", "X-Pad: " + "a" * 200_000, "Content-Length: 2"), b"{}")
TWO_LENGTHS = RawReply(head("200 OK", "Content-Length: 2", "Content-Length: 3"), b"{}", End.FIN)
_refuses, _recovers, _within, _tries, _rests = rules.refuses, rules.recovers, rules.within, rules.tries, rules.rests

FAMILIES = {
    "network": [
        Case("N-01", "connection refused", _refuses, script(), options={"closed": True}),
        Case("N-05", "accepts and never answers", _within(12), script(then=_closing(b"", End.HANG))),
        Case("N-06", "closes without a byte, once", _recovers, script(_closing(b""))),
        Case("N-07", "reset within the headers, once", _recovers, script(_closing(b"HTTP/1.1 200 O", End.RST))),
        Case("N-09", "closes kept-alive connections after each use", rules.answers_all, script(then=_stale), "queries",
             options={"times": 60}),
        Case("N-10", "headers one byte at a time, one-second timeout", _within(8), script(then=_drip_head)),
        Case("N-11", "endless 103, one-second timeout", _within(8), script(then=_early_hints)),
        Case("N-12", "200 kB of headers", _refuses, script(then=LARGE_HEAD)),
        Case("N-13", "not HTTP at all", _refuses, script(then=_closing(b"SSH-2.0-OpenSSH_9.2\r\n"))),
        Case("N-14", "two different lengths", _refuses, script(then=TWO_LENGTHS)),
        Case("N-06", "a reset during a paid request", rules.posts_once, script(then=_closing(b"", End.RST)), "create"),
    ],
    "bodies": [
        Case("B-01", "body shorter than its length, once", _recovers, script(SHORT.cut(9))),
        Case("B-03", "reset within the body, once", _recovers, script(SHORT.cut(9, End.RST))),
        Case("B-05", "cut off, without a length", _refuses, script(then=_half)),
        Case("B-06", "body one byte at a time, one-second timeout", _within(8), script(then=_drip_body)),
        Case("B-09", "truncated gzip", _refuses, script(then=_short_gzip)),
        Case("B-10", "gzip bomb of 300 MB", rules.grows(32), script(then=_bomb)),
        Case("B-12", "200 MB of JSON", rules.grows(32), script(then=_flood), limit=60.0),
    ],
    "JSON": [
        Case("J-01", "HTML with status 200", _refuses, _ok(b"<html>Log in</html>", "Content-Type: text/html")),
        Case("J-02", "an empty body with status 200", _refuses, _ok(b"")),
        Case("J-04", "a list", _refuses, _ok(b"[]")),
        Case("J-04", "null", _refuses, _ok(b"null")),
        Case("J-05", "200,000 nested lists", _refuses, _ok(DEEP)),
        Case("J-05, J-17", "the same with status 500", _refuses, _status("500 Oops", DEEP)),
        Case("J-06", "invalid UTF-8", _refuses, _ok(b'{"id": "\xff\xfe", "status": "\xff"}')),
        Case("J-08", "NaN for an id", _refuses, script(then=_nan_id)),
        Case("J-10", "a number of 5,000 digits", _refuses, _ok(b'{"id": ' + b"9" * 5000 + b"}")),
        Case("J-17", "a list as the body of a 400", _refuses, _status("400 Bad Request", b'["no"]')),
    ],
    "status and redirects": [
        Case("H-02", "520, once", _recovers, script(answer(b"oops", status="520 Oops"))),
        Case("H-02", "500, once", _recovers, script(answer(b"oops", status="500 Oops"))),
        Case("H-03", "501, which is permanent", _tries(1), _status("501 Not Implemented")),
        Case("H-04", "999", _tries(1), _status("999 Odd")),
        Case("H-05", "redirect to another origin", _refuses, script(then=_redirect("{world.other}/elsewhere"))),
        Case("H-08", "circular redirects", _tries(25), script(then=_redirect("{world.url}/v1/video/query"))),
        Case("H-09", "redirect to a file", _tries(1), script(then=_redirect("file:///etc/hostname"))),
    ],
    "Retry-After": [
        Case("R-08", "99999999 seconds", _tries(1), script(then=_limited("99999999"))),
        Case("R-07", "100 seconds", _rests(100), script(_limited("100"))),
        Case("R-06", "20 seconds", _rests(20), script(_limited("20"))),
        Case("R-03", "1.5 seconds", _rests(1.5), script(_limited("1.5"))),
        Case("R-11", "a date in 20 seconds", _rests(19), script(_date_in_20_seconds)),
        Case("R-09", "²", _recovers, script(_limited("²"))),
        Case("R-04", "nan", _recovers, script(_limited("nan"))),
        Case("R-01", "0, ten times over", rules.pauses(0.1), script(then=_limited("0"))),
    ],
}  # fmt: skip
