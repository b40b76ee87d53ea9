"""The cases about tasks and files: waiting, processes, downloads, the file system, secrets, injection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.faults import rules
from benchmarks.faults.cases import LOADING, QUERYING, Case
from benchmarks.faults.rules_tasks import (
    asks_about,
    clean_text,
    hides,
    is_video_or_error,
    keeps_the_key,
    no_swaps,
    not_in_value,
    nothing_sent,
    nothing_short,
    old_survives,
    refused_unsent,
    round_trip,
    victim_survives,
    whole,
)
from benchmarks.faults.words import CANCELLED, DONE, HALF, KEY, answer, head, task, video
from benchmarks.faults.world import Handler, World, always, file_act, files, then_done
from tests.support.rawserver import Act, End, Received

if TYPE_CHECKING:
    from benchmarks.faults.world import Script

#: The code of the SDK's own example of a limit is the same as of the peers that have one.
LIMITED = ("kkiai", "runwayml", "fal-client")
ALL = (*QUERYING, "huggingface_hub")


def _unknown(world: World) -> Act:
    return world.running(status="brewing", state="brewing")


def _cancelled(world: World) -> Act:
    return answer(task(world.who, CANCELLED, url=f"{world.url}/file"))


def _oops(_world: World) -> Act:
    return answer(b'{"error": {"message": "oops"}}', status="500 Oops")


def _junk_hint(world: World) -> Act:
    return world.running("Retry-After: nan", "openai-poll-after-ms: nan")


def _echo(world: World) -> Handler:
    """Answers with the id that was asked for, after a moment in which answers can cross."""

    def handle(received: Received) -> Act:
        time.sleep(0.005)
        asked = received.target.split("id=")[-1].removesuffix("?logs=false").removesuffix("/status").split("/")[-1]
        return answer(task(world.who, DONE) | {"id": asked})

    return handle


TIME = [
    Case("T-03", "time and waiting", "a wait with no end in sight, nothing said", "wait", always(World.running),
         rules.ends, limit=45.0),
    Case("T-01", "time and waiting", "the wall clock jumps a day ahead", "wait", then_done(*[World.running] * 3),
         rules.recovers, options={"jump": 86400.0}),
    Case("T-07", "time and waiting", "the task is done already", "wait", always(World.done), rules.no_first_sleep),
    Case("T-08", "time and waiting", "the task was cancelled", "wait", always(_cancelled), rules.ends_soon),
    Case("T-09", "time and waiting", "a hint of nan seconds", "wait", then_done(_junk_hint, World.running),
         rules.recovers, who=("kkiai", "openai")),
    Case("T-10", "time and waiting", "five answers of 500 during a wait", "wait",
         then_done(World.running, *[_oops] * 5), rules.recovers),
    Case("J-12", "time and waiting", "three times an unknown status", "wait",
         then_done(World.running, *[_unknown] * 3), rules.waits_on),
    Case("T-12", "time and waiting", "polls of a task that is running", "wait", then_done(*[World.running] * 20),
         rules.paced(30)),
    Case("T-08", "time and waiting", "cancelled: both clients alike", "wait_both", always(_cancelled), rules.alike,
         limit=40.0),
]  # fmt: skip


def _queued(world: World) -> Handler:
    """Takes a submission, and is never done."""
    return lambda received: world.running() if received.method == "GET" else answer(task(world.who, 0, url=world.url))


CONCURRENCY = [
    Case("C-05", "concurrency and processes", "fork after use", "fork", _echo, no_swaps, options={"times": 150}),
    Case("C-04", "concurrency and processes", "one client in two event loops", "two_loops", always(World.running),
         rules.ends),
    Case("C-09", "concurrency and processes", "the process ends after a timeout", "wait", _queued, rules.exits(12.0),
         who=LIMITED, options={"timeout": 2.0, "real_time": True}, limit=20.0),
    Case("C-13", "concurrency and processes", "an error comes back from another process", "query",
         always(answer(b'{"error": {"message": "no"}}', status="401 No")), round_trip),
]  # fmt: skip


def _cut(end: End, *, at: int = HALF) -> Script:
    """Cut once; the rest on request."""
    return files(lambda number, start: file_act().cut(at, end) if not number else file_act(start))


def _changed(number: int, start: int) -> Act:
    """Another version after the cut, and no heed of conditions."""
    return file_act(version=1).cut(HALF) if not number else file_act(start, version=2)


def _shifted(number: int, start: int) -> Act:
    """After the cut a part from somewhere else, and it says so."""
    return file_act().cut(HALF) if not number else file_act(start, shift=-1000)


def _unsized(_number: int, _start: int) -> Act:
    return Act(head("200 OK", "Content-Type: video/mp4", 'ETag: "v1"'), video()[:HALF], End.FIN)


def _page(_number: int, _start: int) -> Act:
    return answer(b"<html>Too many downloads</html>", "Content-Type: text/html", 'ETag: "v1"')


def _always_cut(_number: int, start: int) -> Act:
    return file_act(start).cut(0 if start else HALF)


def _drip_file(number: int, start: int) -> Act:
    """Nothing comes any more after the half, the first time."""
    return file_act().cut(HALF, End.HANG) if not number else file_act(start)


DOWNLOADS = [
    Case("D-11", "downloads", "closed in the middle, once", "download", _cut(End.FIN), whole, LOADING),
    Case("D-12", "downloads", "reset in the middle, once", "download", _cut(End.RST), whole, LOADING),
    Case("B-07", "downloads", "stalled in the middle, once", "download", files(_drip_file), whole, LOADING,
         limit=60.0),
    Case("D-05", "downloads", "another file after the cut", "download", files(_changed), nothing_short, LOADING),
    Case("D-02", "downloads", "the wrong part after the cut", "download", files(_shifted), nothing_short,
         LOADING),
    Case("B-05, D-20", "downloads", "cut, with no length to tell", "download", files(_unsized), nothing_short,
         LOADING),
    Case("D-16", "downloads", "a web page for a video", "download", files(_page), is_video_or_error, LOADING),
]  # fmt: skip

FILES = [
    Case("F-02", "file system", "a download that fails over an old file", "download", files(_always_cut),
         old_survives, ("kkiai", "openai", "huggingface_hub"), options={"old": "old and good"}, limit=60.0),
    Case("F-04", "file system", "a folder that is not there", "download", files(lambda _n, start: file_act(start)),
         nothing_sent, ("kkiai", "openai"), options={"no_folder": True}),
    Case("F-07", "file system", "a link under the final name", "download", files(lambda _n, start: file_act(start)),
         victim_survives, ("kkiai", "openai", "huggingface_hub"), options={"link": "victim"}),
]  # fmt: skip

_NO = always(answer(b'{"error": {"message": "no"}}', status="401 No"))


def _file_elsewhere(world: World) -> Handler:
    return lambda _received: world.done(f"{world.other}/file/video.mp4")


SECRETS = [
    Case("K-01", "secrets", "what a debugger shows of a client", "show", always(World.running),
         not_in_value("shows_key", "sight"), ALL),
    Case("K-02", "secrets", "what hangs on an error", "query", _NO, hides("key_in_graph", "error"), ALL),
    Case("K-03", "secrets", "a key that ends in a newline", "with_key", always(World.running),
         hides("key_in_traceback", "traceback"), ALL, options={"key": f"{KEY}\n"}),
    Case("K-03", "secrets", "a key with a curly quote", "with_key", always(World.running), refused_unsent, ALL,
         options={"key": f"{KEY}\u201d"}),
    Case("K-04", "secrets", "a pickled error", "query", _NO, hides("key_in_pickle", "pickle"), ALL),
    Case("K-04", "secrets", "a pickled client", "store", always(World.running),
         not_in_value("key_in_pickle", "the pickle"), ALL),
    Case("K-11", "secrets", "an answer that points to another origin", "elsewhere", _file_elsewhere,
         keeps_the_key, ("kkiai", "replicate", "fal-client"),
         serve_other=lambda world: lambda received: file_act() if received.target.endswith("mp4") else world.done()),
    Case("K-14", "secrets", "a base URL without TLS", "build", always(World.running), refused_unsent,
         ("kkiai", "openai", "runwayml", "replicate", "huggingface_hub"), options={"url": "http://gateway.example"}),
]  # fmt: skip


def _id(task_id: str, title: str, who: tuple[str, ...] = ALL) -> Case:
    return Case("S-01" if task_id.strip() else "S-02", "injection", title, "query", always(World.running),
                asks_about(task_id), who, options={"id": task_id})  # fmt: skip


_ESCAPES = answer(b'{"error": {"message": "\\u001b[2J\\u001b]0;gone\\u0007"}, "detail": "\\u001b[2J"}', status="400 No")

INJECTION = [
    _id("../../admin", "an id that climbs"),
    _id("a/b?x=1#y", "an id with a path and a query"),
    _id("%2e%2e", "an id that is quoted already"),
    _id("", "an empty id", QUERYING),
    Case("S-10", "injection", "control characters in a message", "query", always(_ESCAPES), clean_text),
]
