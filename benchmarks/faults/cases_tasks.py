"""The cases of tasks and files: waiting, processes, downloads, the file system, secrets, injection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.faults import rules
from benchmarks.faults.observe import Case
from benchmarks.faults.wire import (
    ALL,
    CANCELLED,
    DONE,
    HALF,
    KEY,
    OLD,
    QUERYING,
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
    from benchmarks.faults.wire import Server

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


HONEST = files(lambda _number, start: file_act(start))
CUT = file_act().cut(HALF)
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
        Case("T-09", "a hint of nan seconds", rules.recovers, script(_invalid_hint, World.running, then=World.done),
             "wait", ("kkiai", "openai")),
        Case("T-10", "five answers of 500 during a wait", rules.recovers,
             script(World.running, *[OOPS] * 5, then=World.done), "wait"),
        Case("J-12", "an unknown status, three times", rules.waits_on,
             script(World.running, *[_unknown] * 3, then=World.done), "wait"),
        Case("T-12", "polls of a task that is running", rules.polls(30),
             script(*[World.running] * 20, then=World.done), "wait"),
    ],
    "concurrency and processes": [
        Case("C-05", "fork after use", rules.swaps_nothing, _echo, "fork", options={"times": 150}),
        Case("C-04", "one client in two event loops", rules.ends, script(), "two_loops"),
        Case("C-09", "the process ends after a timeout", rules.exits(12), _queued, "wait", LIMITED,
             {"timeout": 2.0, "real_time": True}, 20.0),
        Case("C-13", "an error comes back from another process", rules.unpickles, REFUSED),
    ],
    "downloads": [
        Case("D-11", "closed in the middle, once", _whole, _interrupted(CUT), "download", LOADING),
        Case("D-12", "reset in the middle, once", _whole, _interrupted(file_act().cut(HALF, End.RST)), "download",
             LOADING),
        Case("B-07", "stalled in the middle, once", _whole, _interrupted(file_act().cut(HALF, End.HANG)), "download",
             LOADING, limit=60.0),
        Case("D-05", "another file after the cut", _sound, _interrupted(CUT, version=2), "download", LOADING),
        Case("D-02", "the wrong part after the cut", _sound, _interrupted(CUT, shift=-1000), "download", LOADING),
        Case("B-05, D-20", "cut, without a length", _sound, files(lambda *_: UNSIZED), "download", LOADING),
        Case("D-16", "a web page for a video", _sound, files(lambda *_: PAGE), "download", LOADING),
    ],
    "file system": [
        Case("F-02", "a download that fails over an old file", rules.keeps_old, files(_always_cut), "download",
             SAVING, {"old": OLD.decode()}, 60.0),
        Case("F-04", "a folder that is not there", rules.sends_nothing, HONEST, "download", SAVING[:2],
             {"no_folder": True}),
        Case("F-07", "a link under the final name", rules.keeps_victim, HONEST, "download", SAVING, {"link": True}),
    ],
    "secrets": [
        Case("K-01", "a client in a debugger", rules.conceals, script(), "show", ALL),
        Case("K-02", "an error and its causes", rules.hides("attributes"), REFUSED, "query", ALL),
        Case("K-03", "a key that ends in a newline", rules.hides("traceback"), script(), "query", ALL,
             {"key": f"{KEY}\n"}),
        Case("K-03", "a key with a curly quote", rules.refuses_unsent, script(), "query", ALL, {"key": f"{KEY}\u201d"}),
        Case("K-04", "a pickled error", rules.hides("pickle"), REFUSED, "query", ALL),
        Case("K-04", "a pickled client", rules.conceals, script(), "store", ALL),
        Case("K-11", "an answer that points to another origin", rules.keeps_the_key, _elsewhere, "follow",
             ("kkiai", "replicate", "fal-client"), other=_file_or_task),
        Case("K-14", "a base URL without TLS", rules.refuses_unsent, script(), "build",
             tuple(name for name in ALL if name != "fal-client"), {"url": "http://gateway.example"}),
    ],
    "injection": [
        _id("../../admin", "an id that climbs"),
        _id("a/b?x=1#y", "an id with a path and a query"),
        _id("%2e%2e", "an id that is quoted already"),
        _id("", "an empty id", QUERYING),
        Case("S-10", "control characters in a message", rules.prints_clean, script(then=ESCAPES)),
    ],
}  # fmt: skip
