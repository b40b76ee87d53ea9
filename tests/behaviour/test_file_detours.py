"""Files that come by a detour: JSON that names them, cookies, content codings, no length, URLs that hold them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import random
import threading
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import AsyncKkiai
from tests.support.adapter import default_tls
from tests.support.canary import KEY
from tests.support.rawserver import End, RawReply
from tests.support.systems import needs_proc
from tests.support.wire import FileHost, completed, completed_task, http, json_reply, pattern, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawRequest

BODY = pattern(5, 0, 1_400_000)
HOST = FileHost(BODY)
VIDEO = ("Content-Type", "video/mp4")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The destination of the video."""
    return tmp_path / "v.mp4"


# JSON in the place of the file


@pytest.mark.fault("D-28")
@pytest.mark.parametrize("content_type", ["application/json", "video/mp4", "text/plain"])
def test_json_that_names_the_file_is_followed_without_the_key(
    make: Maker, serve: Serve, target: Path, content_type: str
) -> None:
    """A gateway that answers JSON with the URL of the file, under any media type, leads to it, without the key."""
    cdn = serve(HOST, foreign=True)
    body = json.dumps({"code": 0, "data": {"video_url": f"{cdn.url}/v?sig=1"}}).encode()
    server = serve(task("completed", video_url="/v1/videos/t/content"), http(200, body, ("Content-Type", content_type)))
    assert make(server.url).download("t", target).read_bytes() == BODY
    assert server.requests[1].header("authorization") == f"Bearer {KEY}"
    assert cdn.targets == ["/v?sig=1"]


@pytest.mark.fault("D-28")
@pytest.mark.parametrize(
    "body", [b'{"url": "/files/v.mp4?a=1"}', b'{"data": {"output": "files/v.mp4?a=1", "cover_url": "/c.jpg"}}']
)
def test_json_that_names_the_file_by_a_relative_url_is_followed(
    make: Maker, serve: Serve, target: Path, body: bytes
) -> None:
    """A URL without a host is that of the host that named it."""
    cdn = serve(http(200, body, VIDEO), HOST, foreign=True)
    assert make(serve().url).download(completed_task(f"{cdn.url}/a/b"), target).read_bytes() == BODY
    assert cdn.targets == ["/a/b", "/files/v.mp4?a=1"]


@pytest.mark.fault("D-28")
def test_json_that_leads_to_the_gateway_has_the_key(make: Maker, serve: Serve, target: Path) -> None:
    """A URL of the gateway's own origin is sent the key, also if another host named it."""
    server = serve(HOST)
    cdn = serve(json_reply({"url": f"{server.url}/own"}), foreign=True)
    make(server.url).download(completed_task(f"{cdn.url}/v"), target)
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


@pytest.mark.fault("D-28", "H-10")
@pytest.mark.parametrize("url", ["http://169.254.169.254/meta", "http://user:pw@127.0.0.1/v", "https://10.0.0.1/v"])
def test_json_that_names_an_unsafe_url_is_not_followed(make: Maker, serve: Serve, target: Path, url: str) -> None:
    """URLs in JSON are vetted like any other."""
    cdn = serve(json_reply({"url": url}))
    with pytest.raises(k.UnsafeURLError):
        make(serve().url).download(completed_task(f"{cdn.url}/v"), target)
    assert not target.exists()


@pytest.mark.fault("D-28", "D-16")
def test_json_is_followed_once(make: Maker, serve: Serve, target: Path) -> None:
    """JSON that leads to JSON, or names no URL of a video, is no video."""
    answers = (
        [json_reply({"url": "/b"}), json_reply({"url": "/c"})],
        [json_reply({"a": "http://a/", "b": "http://b/"})],
        [json_reply({"ok": 1})],
    )
    for script in answers:
        cdn = serve(*script)
        with pytest.raises(k.NotAVideoError, match=r"text \(JSON\) instead of a video: query the task again"):
            make(serve().url).download(completed_task(f"{cdn.url}/v"), target)
        assert len(cdn.requests) == len(script)


# Cookies


def guarded(cookie: str, refused: RawReply) -> Callable[[RawRequest], RawReply]:
    """A host that serves the file to those who send its cookie, and answers all others otherwise."""
    return lambda request: HOST(request) if request.header("cookie") == cookie else refused


SET = ("Set-Cookie", "visit=1; Path=/")
REFUSALS = {302: http(302, b"", ("Location", "/v"), SET), 403: http(403, b"", SET), 202: http(202, b"", SET)}


@pytest.mark.fault("D-29", "K-11")
@pytest.mark.parametrize("status", REFUSALS)
def test_cookie_set_on_the_way_is_sent_back_within_the_download(
    make: Maker, serve: Serve, target: Path, status: int
) -> None:
    """A cookie of a redirect or a refusal goes back to the host that set it, in the same download alone."""
    host = serve(each=guarded("visit=1", REFUSALS[status]))
    server = serve(each=lambda _: completed(f"{host.url}/v"))
    client = make(server.url)
    client.download(completed_task(f"{host.url}/v"), target)
    client.download(completed_task(f"{host.url}/v"), target, overwrite=True)
    client.query("t")
    assert [each.header("cookie") for each in host.requests] == [None, "visit=1"] * 2
    assert {each.header("cookie") for each in server.requests} == {None}


@pytest.mark.fault("D-29", "K-11")
def test_cookie_of_one_host_is_not_sent_to_another(make: Maker, serve: Serve, target: Path) -> None:
    """A cookie of the gateway does not follow a redirect to another host, and comes back to the gateway."""
    cdn = serve(lambda _: http(302, b"", ("Location", f"{server.url}/home")), foreign=True)
    server = serve(http(302, b"", ("Location", f"{cdn.url}/away"), SET), HOST)
    make(server.url).download(completed_task(f"{server.url}/v"), target)
    assert cdn.requests[0].header("cookie") is None
    assert [each.header("cookie") for each in server.requests] == [None, "visit=1"]


# Content codings


@pytest.mark.fault("D-30")
@pytest.mark.parametrize("coding", ["aws-chunked", "binary", "None", "utf-8", "identity", "video/mp4"])
def test_content_coding_that_is_none_is_passed_over(make: Maker, serve: Serve, target: Path, coding: str) -> None:
    """A file under a coding that is none is resumed and saved as any other."""
    field = ("Content-Encoding", coding)
    rest = ("Content-Range", f"bytes 20000-{len(BODY) - 1}/{len(BODY)}")
    tag = ("ETag", '"one"')
    host = serve(http(200, BODY, VIDEO, field, tag).cut(20_000), http(206, BODY[20_000:], VIDEO, field, tag, rest))
    assert make(serve().url).download(completed_task(f"{host.url}/v"), target).read_bytes() == BODY
    assert host.requests[1].header("range") == "bytes=20000-"


RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
PACKED = {
    "gzip": gzip.compress(BODY, mtime=0),
    "x-gzip": gzip.compress(BODY, mtime=0) + bytes(3000),
    "deflate": zlib.compress(BODY),
    "Deflate": RAW.compress(BODY) + RAW.flush(),
}


@pytest.mark.fault("D-31")
@pytest.mark.parametrize("coding", PACKED)
def test_packed_file_is_unpacked_and_never_resumed(make: Maker, serve: Serve, target: Path, coding: str) -> None:
    """A file that is packed although nobody asked for that comes out whole; after a cut it is requested again."""
    packed = http(200, PACKED[coding], VIDEO, ("Content-Encoding", coding), ("ETag", '"one"'))
    host = serve(packed.cut(700_000), packed)
    told: list[tuple[int, int | None]] = []
    client = make(serve().url)
    path = client.download(
        completed_task(f"{host.url}/v"), target, progress=lambda size, total: told.append((size, total))
    )
    assert path.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [path]
    assert [each.header("range") for each in host.requests] == [None, None]
    assert (told[-1], {each.header("accept-encoding") for each in host.requests}) == ((len(BODY), None), {"identity"})


@pytest.mark.fault("D-31", "D-16", "D-19")
@pytest.mark.parametrize(
    ("body", "says_so"),
    [
        (gzip.compress(BODY), "max_bytes"),
        (gzip.compress(b"<html>sign in</html>"), "instead of a video"),
        (gzip.compress(BODY[:900_000])[:-20], "a truncated compressed body"),
        (gzip.compress(BODY[:24] + bytes(60 << 20)), "times its size"),
    ],
    ids=["too large", "a page", "cut", "a bomb"],
)
def test_packed_file_that_is_no_video_or_too_large_is_refused(
    make: Maker, serve: Serve, target: Path, body: bytes, says_so: str
) -> None:
    """An unpacked body is checked like any other: kind, size, end; a bomb is refused before it fills the disk."""
    host = serve(http(200, body, VIDEO, ("Content-Encoding", "gzip")))
    limit = 1_000_000 if says_so == "max_bytes" else None
    with pytest.raises(k.DownloadError, match=says_so):
        make(serve().url).download(completed_task(f"{host.url}/v"), target, max_bytes=limit)
    assert not target.exists()
    left = [path.stat().st_size for path in target.parent.iterdir()]
    assert sum(left) < 4 << 20


@pytest.mark.fault("D-31")
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
@pytest.mark.parametrize("is_slow", [True, False], ids=["in single bytes", "at once"])
def test_coding_that_is_named_but_not_applied_is_passed_over(
    make: Maker, serve: Serve, target: Path, coding: str, *, is_slow: bool
) -> None:
    """A video under the name of a coding that was never applied to it is saved as it is, however it arrives."""
    reply = http(200, BODY, VIDEO, ("Content-Encoding", coding))
    pieces = [*(BODY[at : at + 1] for at in range(30)), BODY[30:]]
    host = serve(replace(reply, body=pieces) if is_slow else reply)
    assert make(serve().url).download(completed_task(f"{host.url}/v"), target).read_bytes() == BODY


# No length


def box(kind: bytes, content: bytes) -> bytes:
    """A box of an MP4 file."""
    return (len(content) + 8).to_bytes(4, "big") + kind + content


DATA = box(b"mdat", random.Random(6).randbytes(200_000))
MP4 = box(b"ftyp", b"mp42\0\0\0\0mp42isom") + box(b"moov", bytes(500)) + DATA


def unsized(body: bytes) -> RawReply:
    """A body without a length, which ends with its connection."""
    return RawReply(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n", body, End.FIN)


@pytest.mark.fault("D-32", "B-05")
@pytest.mark.parametrize("missing", [0, 1, 8, 100_000, len(DATA), -1, -7, -5000], ids="{} bytes".format)
def test_mp4_without_a_length_is_complete_by_its_boxes(make: Maker, serve: Serve, target: Path, missing: int) -> None:
    """A body whose end cannot be told from a cut is taken if it is a whole MP4 file, padded or not, and only then."""
    body = MP4[: len(MP4) - missing] + bytes(max(-missing, 0))
    host, client = serve(unsized(body)), make(serve().url)
    if missing > 0:
        with pytest.raises(k.IncompleteDownloadError, match="sent no length"):
            client.download(completed_task(f"{host.url}/v"), target)
        assert not target.exists()
    else:
        assert client.download(completed_task(f"{host.url}/v"), target).read_bytes() == body


# URLs that hold the file


def data_url(body: bytes, kind: str = "video/mp4") -> str:
    """A URL that holds the body."""
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


@pytest.mark.fault("D-33")
def test_data_url_is_saved_as_any_other_file(make: Maker, serve: Serve, target: Path, clock: FakeTime) -> None:
    """The video in a data URL is saved in one step under its name, with progress, and nothing is requested."""
    server, told = serve(), list[tuple[int, int | None]]()
    client = make(server.url)
    target.write_bytes(b"old")
    video = completed_task(data_url(BODY))
    with pytest.raises(k.TargetExistsError):
        client.download(video, target)
    path = client.download(video, target, overwrite=True, progress=lambda size, total: told.append((size, total)))
    assert path.read_bytes() == BODY
    assert (told[-1], sorted(told)) == ((len(BODY), len(BODY)), told)
    assert (list(target.parent.iterdir()), server.requests, clock.sleeps) == ([target], [], [])


@pytest.mark.fault("D-33", "D-16", "D-19")
@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        (data_url(BODY), {"max_bytes": len(BODY) - 1}, k.DownloadError),
        (data_url(MP4[:-300]), {}, k.IncompleteDownloadError),
        (data_url(b"<html>" + b"moo " * 99), {}, k.NotAVideoError),
        (data_url(b"\x89PNG\r\n\x1a\n" + bytes(99), "image/png"), {}, k.NotAVideoError),
        (data_url(b""), {}, k.NotAVideoError),
        (f"{data_url(BODY)}!", {}, k.DownloadError),
        ("data:video/mp4,moo", {}, k.DownloadError),
    ],
    ids=["too large", "cut", "a page", "a picture", "nothing", "damaged", "not base64"],
)
def test_data_url_without_a_good_video_is_refused_without_its_body(  # noqa: PLR0917
    make: Maker,
    serve: Serve,
    target: Path,
    caplog: pytest.LogCaptureFixture,
    url: str,
    options: dict[str, Any],
    error: type[k.DownloadError],
) -> None:
    """Whatever is wrong with a data URL: an error of the usual kind, which shows nothing of the body; no file."""
    with pytest.raises(k.DownloadError) as caught:
        make(serve().url).download(completed_task(url), target, **options)
    assert type(caught.value) is error
    body = url.partition(",")[2][:16] or "no body"
    assert body not in f"{caught.value} {caught.value.url} {caught.value!r} {caplog.text}"
    assert not target.exists()


@pytest.mark.fault("D-33")
def test_data_url_of_a_query_replaces_an_expired_one(make: Maker, serve: Serve, target: Path) -> None:
    """A URL that has expired may be refreshed by one that holds the video."""
    body = BODY[:100_000]
    host, server = serve(http(410)), serve(completed(data_url(body)))
    assert make(server.url).download(completed_task(f"{host.url}/v"), target).read_bytes() == body


# Where file work is done

PATHS = ("open", "replace", "link", "unlink", "stat", "lstat", "access")
DESCRIPTORS = ("write", "read", "fsync", "ftruncate", "lseek")
LITTLE = BODY[:400_000]
WAYS: dict[str, list[RawReply | Callable[[RawRequest], RawReply]]] = {
    "data URL": [],
    "gzip": [http(200, gzip.compress(LITTLE), VIDEO, ("Content-Encoding", "gzip"))],
    "no length": [unsized(MP4)],
    "late": [http(404), http(202), FileHost(LITTLE)],
}


def watched(name: str, folder: Path, calls: list[str]) -> Callable[..., Any]:
    """A function of ``os`` that adds its name to the calls if this thread uses it for a file in the folder."""
    function, here = getattr(os, name), threading.get_ident()

    def call(first: Any, *arguments: Any, **options: Any) -> Any:
        if threading.get_ident() == here and isinstance(first, int) == (name in DESCRIPTORS):
            path = Path(f"/proc/self/fd/{first}").readlink() if name in DESCRIPTORS else Path(first)
            calls.extend([name] * path.is_relative_to(folder))
        return function(first, *arguments, **options)

    return call


@needs_proc
@pytest.mark.parametrize("way", WAYS)
def test_asynchronous_client_touches_no_file_on_the_event_loop(
    serve: Serve, target: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """However a file comes: everything that the client does with it is done in other threads than the event loop's."""
    host, calls = serve(*WAYS[way]), list[str]()
    url = data_url(LITTLE) if way == "data URL" else f"{host.url}/v"
    server = serve(each=lambda _: completed(url))

    async def main() -> None:
        async with AsyncKkiai(KEY, base_url=server.url, httpx_args={"verify": default_tls()}) as client:
            await client.wait_and_download("t", target)

    with monkeypatch.context() as patch:
        for name in (*PATHS, *DESCRIPTORS):
            patch.setattr(os, name, watched(name, target.parent, calls))
        asyncio.run(main())
    assert calls == []
    assert target.read_bytes() == (MP4 if way == "no length" else LITTLE)
