"""The cases about requests and answers: network, bodies, JSON, statuses, Retry-After."""

from __future__ import annotations

import gzip
import itertools
import json
import time
import zlib
from email.utils import formatdate
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import Factory, frozen

from benchmarks.faults import rules
from benchmarks.faults.rules import refuses, tries, within
from benchmarks.faults.words import RUNNING, answer, head, task
from benchmarks.faults.world import Handler, World, always, then_good
from tests.support.rawserver import Act, End, Received

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.faults.rules import Rule
    from benchmarks.faults.world import Script

QUERYING = ("kkiai", "openai", "runwayml", "replicate", "fal-client")
LOADING = ("kkiai", "openai", "replicate", "huggingface_hub")


@frozen
class Case:
    """One fault, what is done against it, and by what rule it is judged."""

    #: The rows of the catalogue that it belongs to.
    ids: str
    family: str
    title: str
    action: str
    serve: Script
    rule: Rule
    who: tuple[str, ...] = QUERYING
    options: dict[str, Any] = Factory(dict)
    #: Seconds after which the process is stopped; that is then the outcome.
    limit: float = 15.0
    #: The server behind "other".
    serve_other: Script | None = None


def _dripped(pieces: bytes, gap: float) -> Iterator[bytes]:
    for byte in pieces:
        time.sleep(gap)
        yield bytes([byte])


def _drip_head(_world: World) -> Act:
    return Act(b"", _dripped(head("200 OK", "Content-Type: application/json", "Content-Length: 2") + b"{}", 0.1))


def _drip_body(world: World) -> Act:
    body = json.dumps(task(world.who, RUNNING)).encode()
    return Act(head("200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}"), _dripped(body, 0.1))


def _early_hints() -> Iterator[bytes]:
    for _ in range(60):
        time.sleep(0.2)
        yield b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


def _hints(_world: World) -> Act:
    return Act(b"", _early_hints())


def _stale(world: World) -> Handler:
    """Closes a connection right after an answer that promised to keep it."""

    def handle(_received: Received) -> Act:
        act = world.running()
        return Act(act.head, act.body, End.FIN)

    return handle


def _text(body: bytes, *headers: str, status: str = "200 OK") -> Script:
    return always(answer(body, *headers, status=status))


def _nan(world: World) -> Act:
    text = json.dumps(task(world.who, RUNNING))
    return answer(
        text.replace('"progress": 0.5', '"progress": NaN').replace('"id": "task-', '"id": NaN, "x": "').encode()
    )


def _short_gzip(world: World) -> Act:
    """All of the data, but not the sum at its end by which it could be checked."""
    return answer(gzip.compress(json.dumps(task(world.who, RUNNING)).encode())[:-8], "Content-Encoding: gzip")


@cache
def _packed(who: str) -> bytes:
    """Three hundred megabytes in three hundred kilobytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    text = json.dumps(task(who, RUNNING)).encode()[:-1] + b', "pad": "'
    zeros = b"0" * 1_000_000
    packed = packer.compress(text) + b"".join(packer.compress(zeros) for _ in range(300)) + packer.compress(b'"}')
    return packed + packer.flush()


def _bomb(world: World) -> Handler:
    act = answer(_packed(world.who), "Content-Encoding: gzip")
    return lambda _received: act


def _flood(world: World) -> Act:
    text = json.dumps(task(world.who, RUNNING)).encode()[:-1] + b', "pad": "'
    size = len(text) + 200_000_000 + 2
    body = itertools.chain([text], itertools.repeat(b"0" * 1_000_000, 200), [b'"}'])
    return Act(head("200 OK", "Content-Type: application/json", f"Content-Length: {size}"), body, End.FIN)


def _half(world: World) -> Act:
    """Cut off, and nothing says so but the JSON itself."""
    body = json.dumps(task(world.who, RUNNING)).encode()
    return Act(head("200 OK", "Content-Type: application/json"), body[: len(body) // 2], End.FIN)


def _away(world: World) -> Act:
    return answer(b"{}", f"Location: {world.other}/elsewhere", status="302 Found")


def _wait_first(value: str | None) -> Script:
    """Too many requests once, with this Retry-After (or a date in 20 seconds); honest answers then."""

    def script(world: World) -> Handler:
        def handle(_received: Received) -> Act:
            if next(world.count):
                return world.running()
            said = value or formatdate(time.time() + 20.999, usegmt=True)
            return answer(b'{"error": {"message": "slow down"}}', f"Retry-After: {said}", status="429 Slow")

        return handle

    return script


SHORT = answer({"id": "x", "status": "y"}).cut(9)
DEEP = b"[" * 200_000 + b"]" * 200_000

NETWORK = [
    Case("N-01", "network", "connection refused", "query", always(Act()), refuses, options={"closed": True}),
    Case("N-05", "network", "accepts and never answers", "query", always(Act(end=End.HANG)), within(12.0)),
    Case("N-06", "network", "closes without a byte, once", "query", then_good(Act(end=End.FIN)), rules.recovers),
    Case("N-07", "network", "reset inside the head, once", "query", then_good(Act(b"HTTP/1.1 200 O", end=End.RST)),
         rules.recovers),
    Case("N-09", "network", "closes a kept connection after each answer", "queries", _stale, rules.answers_all,
         options={"times": 60}),
    Case("N-10", "network", "dripped head, one-second timeout", "query", always(_drip_head), within(8.0)),
    Case("N-11", "network", "endless 103, one-second timeout", "query", always(_hints), within(8.0)),
    Case("N-12", "network", "head of 200 kB", "query",
         always(Act(head("200 OK", "X-Pad: " + "a" * 200_000, "Content-Length: 2"), b"{}")), refuses),
    Case("N-13", "network", "not HTTP at all", "query", always(Act(b"SSH-2.0-OpenSSH_9.2\r\n", end=End.FIN)), refuses),
    Case("N-14", "network", "two unequal lengths", "query",
         always(Act(head("200 OK", "Content-Length: 2", "Content-Length: 3"), b"{}", End.FIN)), refuses),
    Case("N-06", "network", "a reset while paying", "create", always(Act(end=End.RST)), rules.posts_once),
]  # fmt: skip

BODIES = [
    Case("B-01", "bodies", "shorter than its length, once", "query", then_good(SHORT), rules.recovers),
    Case("B-03", "bodies", "reset inside the body, once", "query",
         then_good(answer({"id": "x", "status": "y"}).cut(9, End.RST)), rules.recovers),
    Case("B-05", "bodies", "cut, with no length to tell", "query", always(_half), refuses),
    Case("B-06", "bodies", "dripped body, one-second timeout", "query", always(_drip_body), within(8.0)),
    Case("B-09", "bodies", "gzip without its end", "query", always(_short_gzip), refuses),
    Case("B-10", "bodies", "gzip bomb of 300 MB", "query", _bomb, rules.small(32)),
    Case("B-12", "bodies", "200 MB of JSON", "query", always(_flood), rules.small(32), limit=60.0),
]  # fmt: skip

JSON = [
    Case("J-01", "JSON", "HTML with status 200", "query", _text(b"<html>Log in</html>", "Content-Type: text/html"),
         refuses),
    Case("J-02", "JSON", "nothing with status 200", "query", _text(b""), refuses),
    Case("J-04", "JSON", "a list", "query", _text(b"[]"), refuses),
    Case("J-04", "JSON", "null", "query", _text(b"null"), refuses),
    Case("J-05", "JSON", "200,000 nested lists", "query", _text(DEEP), refuses),
    Case("J-05, J-17", "JSON", "the same with status 500", "query", _text(DEEP, status="500 Oops"), refuses),
    Case("J-06", "JSON", "invalid UTF-8", "query", _text(b'{"id": "\xff\xfe", "status": "\xff"}'), refuses),
    Case("J-08", "JSON", "NaN for an id", "query", always(_nan), refuses),
    Case("J-10", "JSON", "a number of 5,000 digits", "query", _text(b'{"id": ' + b"9" * 5000 + b"}"), refuses),
    Case("J-17", "JSON", "a list as the body of a 400", "query", _text(b'["no"]', status="400 Bad Request"), refuses),
]  # fmt: skip

STATUSES = [
    Case("H-02", "status and redirects", "520, once", "query", then_good(answer(b"oops", status="520 Oops")),
         rules.recovers),
    Case("H-02", "status and redirects", "500, once", "query", then_good(answer(b"oops", status="500 Oops")),
         rules.recovers),
    Case("H-03", "status and redirects", "501, which will not change", "query",
         _text(b"{}", status="501 Not Implemented"), tries(1)),
    Case("H-04", "status and redirects", "999", "query", _text(b"{}", status="999 Odd"), tries(1)),
    Case("H-05", "status and redirects", "redirect to another origin", "query", always(_away), rules.refuses,
         serve_other=always(World.running)),
    Case("H-08", "status and redirects", "redirects in a circle", "query",
         always(lambda world: answer(b"{}", f"Location: {world.url}/v1/video/query", status="302 Found")), tries(25)),
    Case("H-09", "status and redirects", "redirect to a file", "query",
         always(answer(b"{}", "Location: file:///etc/hostname", status="302 Found")), tries(1)),
]  # fmt: skip


def _many(value: str) -> Script:
    return always(answer(b"{}", f"Retry-After: {value}", status="429 Slow"))


RETRY_AFTER = [
    Case("R-08", "Retry-After", "99999999 seconds", "query", _many("99999999"), rules.tries(1)),
    Case("R-07", "Retry-After", "100 seconds", "query", _wait_first("100"), rules.rests(100)),
    Case("R-06", "Retry-After", "20 seconds", "query", _wait_first("20"), rules.rests(20)),
    Case("R-03", "Retry-After", "1.5 seconds", "query", _wait_first("1.5"), rules.rests(1.5)),
    Case("R-11", "Retry-After", "a date in 20 seconds", "query", _wait_first(None), rules.rests(19)),
    Case("R-09", "Retry-After", "²", "query", _wait_first("\u00b2"), rules.recovers),
    Case("R-04", "Retry-After", "nan", "query", _wait_first("nan"), rules.recovers),
    Case("R-01", "Retry-After", "0, ten times over", "query", _many("0"), rules.pauses(0.1)),
]  # fmt: skip
