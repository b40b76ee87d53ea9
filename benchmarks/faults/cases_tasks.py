"""The cases of tasks and files: waiting, processes, downloads, the file system, secrets, injection."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING

from benchmarks.faults import KEY, rules
from benchmarks.faults.observe import Case
from benchmarks.faults.wire import (
    ALL,
    CANCELLED,
    DONE,
    HALF,
    OLD,
    QUERYING,
    RUNNING,
    World,
    answer,
    file_act,
    files,
    head,
    script,
    video,
)
from tests.support.rawserver import End, RawReply, RawRequest

if TYPE_CHECKING:
    from benchmarks.faults.wire import Answer, Server

#: Libraries that can download, that can do so to a path, and that have a limit of a wait.
LOADING = ("kkiai", "openai", "replicate", "huggingface_hub")
SAVING = ("kkiai", "openai", "huggingface_hub")
LIMITED = ("kkiai", "runwayml", "fal-client")

OOPS = answer(b'{"error": {"message": "oops"}}', status="500 Oops")
REFUSED = script(then=answer(b'{"error": {"message": "no"}}', status="401 No"))
ESCAPES = answer(b'{"error": {"message": "\\u001b[2J\\u001b]0;gone\\u0007"}, "detail": "\\u001b[2J"}', status="400 No")
PAGE = answer(b"<html>Too many downloads</html>", "Content-Type: text/html", 'ETag: "v1"')
UNSIZED = RawReply(head("200 OK", "Content-Type: video/mp4", 'ETag: "v1"'), video()[:HALF], End.FIN)


def _unknown(world: World) -> RawReply:
    return world.running(status="brewing", state="brewing")


def _cancelled(world: World) -> RawReply:
    return answer(world.task(CANCELLED, url=f"{world.url}/file"))


def _invalid_hint(world: World) -> RawReply:
    return world.running("Retry-After: nan", "openai-poll-after-ms: nan")


def _echo(world: World, received: RawRequest) -> RawReply:
    """Answer with the id of the query, after a moment in which answers can cross."""
    time.sleep(0.005)
    asked = received.target.split("id=")[-1].removesuffix("?logs=false").removesuffix("/status").split("/")[-1]
    return answer(world.task(DONE) | {"id": asked})


def _queued(world: World, received: RawRequest) -> RawReply:
    """Accept a submission that never ends."""
    return world.running() if received.method == "GET" else answer(world.task(0, url=world.url))


def _elsewhere(world: World, _received: RawRequest) -> RawReply:
    return world.done(f"{world.other}/file/video.mp4")


def _file_or_task(world: World, received: RawRequest) -> RawReply:
    return file_act() if received.target.endswith("mp4") else world.done()


def _interrupted(first: RawReply, *, version: int = 1, shift: int = 0) -> Server:
    """The first download is `first`; later ones are honest, or of another version or place."""
    return files(lambda number, start: file_act(start, version=version, shift=shift) if number else first)


def _always_cut(_number: int, start: int) -> RawReply:
    return file_act(start).cut(0 if start else HALF)


def _late(*first: RawReply) -> Server:
    """The file after some other answers in its place."""
    return files(lambda number, start: first[number] if number < len(first) else file_act(start))


def _needs_cookie(world: World, received: RawRequest) -> RawReply:
    """Redirect a request for the file to itself until it has the cookie that is set on the way."""
    if "cookie" in received.target or received.header("cookie") or not received.target.endswith("mp4"):
        return file_act() if received.header("cookie") else world.done()
    location = f"Location: {received.target}"
    return answer(b"", location, "Set-Cookie: pass=1; Path=/", "Content-Type: text/plain", status="302 Found")


def _wrapped(status: int) -> Answer:
    """The task inside the envelopes of two gateways."""

    def wrap(world: World) -> RawReply:
        task = world.task(status, url=f"{world.url}/file/video.mp4" if status == DONE else "")
        return answer({"code": 0, "message": "ok", "data": {"code": "success", "data": task}})

    return wrap


def _word(status: int, word: str) -> Answer:
    """The task with another word for its status."""
    return lambda world: answer(world.task(status, url=f"{world.url}/file/video.mp4") | {"status": word})


def _refused(ids: str, title: str, refusal: RawReply, times: int = 2) -> Case:
    """A task that is running, then refusals, then the task that is done."""
    server = script(World.running, *[refusal] * times, then=World.done)
    return Case(ids, title, rules.waits_through(2 + times), server, "wait")


HONEST = files(lambda _number, start: file_act(start))
CUT = file_act().cut(HALF)
UNAUTHORIZED = answer(b'{"error": {"message": "invalid token"}}', status="401 No")
UNKNOWN_TASK = answer(b'{"error": {"message": "no such task"}}', status="404 No")
MAINTENANCE = answer(b"<html>Back in a minute</html>", "Content-Type: text/html")
LIMITED_INSIDE = answer(b'{"code": 429, "message": "too many requests, try again later"}')
BUSY = answer(json.dumps({"error": {"message": "系统繁忙，请稍后再试"}}).encode(), status="400 Bad")
NO_FILE = answer(b"no such key", "Content-Type: text/plain", status="404 No")
NOT_READY = answer(b'{"message": "video is not ready yet"}', "Content-Type: video/mp4")
PACKED = answer(gzip.compress(video(), 1), "Content-Type: video/mp4", "Content-Encoding: gzip")
MISLABELLED = answer(video(), "Content-Type: video/mp4", "Content-Encoding: aws-chunked")
_whole, _sound = rules.saves_whole, rules.saves_soundly


def _id(task_id: str, title: str, libraries: tuple[str, ...] = ALL) -> Case:
    options = {"id": task_id}
    return Case("S-01" if task_id else "S-02", title, rules.asks_about(task_id), script(), "query", libraries, options)


FAMILIES = {
    "time and waiting": [
        Case("T-03", "an endless wait without options", rules.ends, script(), "wait", limit=45.0),
        Case("T-01", "the wall clock jumps a day ahead", rules.recovers,
             script(*[World.running] * 3, then=World.done), "wait", options={"jump": 86400.0}),
        Case("T-07", "the task is done already", rules.returns_at_once, script(then=World.done), "wait"),
        Case("T-08", "the task was cancelled", rules.ends_soon, script(then=_cancelled), "wait"),
        Case("T-08", "the same for both clients", rules.ends_alike, script(then=_cancelled), "wait_both", limit=40.0),
        Case("T-09", "a Retry-After of nan", rules.recovers, script(_invalid_hint, World.running, then=World.done),
             "wait", ("kkiai", "openai")),
        Case("T-10", "five 500 responses during a wait", rules.recovers,
             script(World.running, *[OOPS] * 5, then=World.done), "wait"),
        Case("J-12", "an unknown status, three times", rules.waits_on,
             script(World.running, *[_unknown] * 3, then=World.done), "wait"),
        Case("T-12", "polls of a running task", rules.polls(30),
             script(*[World.running] * 20, then=World.done), "wait"),
    ],
    "refusals during a wait": [
        _refused("T-16", "401 twice", UNAUTHORIZED),
        _refused("T-16", "404 twice", UNKNOWN_TASK),
        _refused("T-16", "a maintenance page under 200, twice", MAINTENANCE),
        _refused("T-16", "an empty 200", answer(b""), 1),
        _refused("H-12", "code 429 inside a 200, twice", LIMITED_INSIDE),
        _refused("H-12", "400 saying busy in Chinese, twice", BUSY),
    ],
    "unknown forms": [
        Case("J-22", "the task in two envelopes", rules.waits_through(2),
             script(_wrapped(RUNNING), then=_wrapped(DONE)), "wait"),
        Case("J-20", "new words for both states", rules.waits_through(2),
             script(_word(RUNNING, "task_in_queue"), then=_word(DONE, "task_finished")), "wait"),
    ],
    "concurrency and processes": [
        Case("C-05", "fork after use", rules.swaps_nothing, _echo, "fork", options={"times": 150}),
        Case("C-04", "one client in two event loops", rules.ends, script(), "two_loops"),
        Case("C-09", "the process ends after a timeout", rules.exits(12), _queued, "wait", LIMITED,
             {"timeout": 2.0, "real_time": True}, 20.0),
        Case("C-13", "an error returned from another process", rules.unpickles, REFUSED),
    ],
    "downloads": [
        Case("D-11", "closed in the middle, once", _whole, _interrupted(CUT), "download", LOADING),
        Case("D-12", "reset in the middle, once", _whole, _interrupted(file_act().cut(HALF, End.RST)), "download",
             LOADING),
        Case("B-07", "stalled in the middle, once", _whole, _interrupted(file_act().cut(HALF, End.HANG)), "download",
             LOADING, limit=60.0),
        Case("D-05", "another file after the cut", _sound, _interrupted(CUT, version=2), "download", LOADING),
        Case("D-02", "the wrong range after the cut", _sound, _interrupted(CUT, shift=-1000), "download", LOADING),
        Case("B-05, D-20", "cut off, without a length", _sound, files(lambda *_: UNSIZED), "download", LOADING),
        Case("D-26", "404 twice, then the file", _whole, _late(NO_FILE, NO_FILE), "download", LOADING),
        Case("D-26", "JSON saying not yet, twice", _whole, _late(NOT_READY, NOT_READY), "download", LOADING),
        Case("D-29", "a cookie set by a redirect", _whole, _needs_cookie, "download", LOADING),
        Case("D-30", "a Content-Encoding that is not one", _whole, _late(MISLABELLED), "download", LOADING),
        Case("D-31", "gzip that was not requested", _whole, _late(PACKED), "download", LOADING),
        Case("D-16", "a web page for a video", _sound, files(lambda *_: PAGE), "download", LOADING),
    ],
    "file system": [
        Case("F-02", "a download that fails over an old file", rules.keeps_old, files(_always_cut), "download",
             SAVING, {"old": OLD.decode()}, 60.0),
        Case("F-04", "a missing folder", rules.sends_nothing, HONEST, "download", SAVING[:2],
             {"no_folder": True}),
        Case("F-07", "a link with the final name", rules.keeps_victim, HONEST, "download", SAVING, {"link": True}),
    ],
    "secrets": [
        Case("K-01", "a client shown in a debugger", rules.conceals, script(), "show", ALL),
        Case("K-02", "an error and its causes", rules.hides("attributes"), REFUSED, "query", ALL),
        Case("K-03", "a key that ends in a newline", rules.hides("traceback"), script(), "query", ALL,
             {"key": f"{KEY}\n"}),
        Case("K-03", "a key with a curly quote", rules.refuses_unsent, script(), "query", ALL, {"key": f"{KEY}\u201d"}),
        Case("K-04", "a pickled error", rules.hides("pickle"), REFUSED, "query", ALL),
        Case("K-04", "a pickled client", rules.conceals, script(), "store", ALL),
        Case("K-11", "a response that points to another origin", rules.keeps_the_key, _elsewhere, "follow",
             ("kkiai", "replicate", "fal-client"), other=_file_or_task),
        Case("K-14", "a base URL without TLS", rules.refuses_unsent, script(), "build",
             tuple(name for name in ALL if name != "fal-client"), {"url": "http://gateway.example"}),
    ],
    "injection": [
        _id("../../admin", "an id with ../"),
        _id("a/b?x=1#y", "an id with a path and a query"),
        _id("%2e%2e", "an id that is already percent-encoded"),
        _id("", "an empty id", QUERYING),
        Case("S-10", "control characters in a message", rules.prints_clean, script(then=ESCAPES)),
    ],
}  # fmt: skip
