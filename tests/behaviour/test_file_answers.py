"""Odd answers on the way to a file, each of which a host or a gateway may give: the file, or one clear error."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from tests.support.canary import KEY
from tests.support.rawserver import End, RawReply
from tests.support.wire import CLOSE, FileHost, completed, completed_task, http, json_reply, pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker
    from tests.support.rawserver import RawRequest

    Script = list[RawReply | Callable[[RawRequest], RawReply]]

BODY = pattern(8, 0, 100_000)
PACKED = gzip.compress(BODY, mtime=0)
HOST = FileHost(BODY)
VIDEO, GZIP, TAG = ("Content-Type", "video/mp4"), ("Content-Encoding", "gzip"), ("ETag", '"one"')
BUSY = b'{"message": "system busy"}'


def redirect(location: str, status: int = 302) -> RawReply:
    """A redirect."""
    return http(status, b"moo", ("Location", location))


def part_of(first: int, last: int) -> RawReply:
    """A range of the file."""
    return http(206, BODY[first : last + 1], VIDEO, TAG, ("Content-Range", f"bytes {first}-{last}/{len(BODY)}"))


def chunked(body: bytes, *fields: str) -> RawReply:
    """A body in chunks with extensions, and a trailer."""
    head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: video/mp4", "Transfer-Encoding: chunked", *fields, "", ""])
    pieces = [body[:1], body[1:]]
    chunks = b"".join(b"%x;a=1\r\n%s\r\n" % (len(each), each) for each in pieces)
    return RawReply(head.encode(), chunks + b"0\r\nX: y\r\n\r\n", End.FIN)


#: Answers of a host, the last of which leads to the file, and the target of the last request.
GOOD: dict[str, tuple[Script, str]] = {
    "Location with a query alone": ([redirect("?x=1"), HOST], "/v?x=1"),
    "Location with spaces": ([redirect("/a b.mp4"), HOST], "/a%20b.mp4"),
    "Location with dots": ([redirect("../../b"), HOST], "/b"),
    "Location with escapes": ([redirect("/a%2Fb%20c?x=%2B&y=+", 308), HOST], "/a%2Fb%20c?x=%2B&y=+"),
    "Location with a fragment": ([redirect("/b#t=5", 303), HOST], "/b"),
    "Location without a scheme": ([lambda each: redirect(f"//{each.header('host')}/b", 307), HOST], "/b"),
    "Location in UTF-8": (
        [RawReply("HTTP/1.1 302 x\r\nLocation: /é\r\nContent-Length: 0\r\n\r\n".encode()), HOST],
        "/%C3%A9",
    ),
    "late, redirected, late, closed": ([http(423), redirect("/b"), http(503), CLOSE, redirect("/b"), HOST], "/b"),
    "503 eight times": ([http(503)] * 8 + [HOST], "/v"),
    "429 and Retry-After 0": ([http(429, b"", ("Retry-After", "0"))] * 8 + [HOST], "/v"),
    "JSON, then a redirect": ([json_reply({"url": "/a"}), redirect("/b"), HOST], "/b"),
    "a redirect, then JSON": ([redirect("/b"), json_reply({"url": "/a"}), HOST], "/a"),
    "JSON after a mark": ([http(200, b'\xef\xbb\xbf{"url": "/a"}', VIDEO), HOST], "/a"),
    "JSON in UTF-16": ([http(200, '{"message": "system busy"}'.encode("utf-16"), VIDEO), HOST], "/v"),
    "a list of a URL": ([json_reply(["/a.mp4"]), HOST], "/a.mp4"),
    "JSON with two videos": ([json_reply({"videos": [{"url": "/a.mp4"}, {"url": "/b.mp4"}]}), HOST], "/a.mp4"),
    "packed JSON": ([http(200, gzip.compress(b'{"url": "/a"}'), VIDEO, GZIP), HOST], "/a"),
    "packed refusal": ([http(400, gzip.compress(BUSY), GZIP), HOST], "/v"),
    "busy under the name of a coding": ([http(200, BUSY, ("Content-Encoding", "br")), HOST], "/v"),
    "XML of a store": ([http(200, b"<Error><Code>InternalError</Code></Error>", VIDEO), HOST], "/v"),
    "a URL as text": ([lambda each: http(200, f"http://{each.header('host')}/a\n".encode()), HOST], "/a"),
    "203": ([http(203, BODY, VIDEO)], "/v"),
    "early hints": ([RawReply(b"HTTP/1.1 103 x\r\nLink: x\r\n\r\n" + http(200, length=len(BODY)).head, BODY)], "/v"),
    "single bytes": ([replace(http(200, BODY), body=[*(BODY[at : at + 1] for at in range(600)), BODY[600:]])], "/v"),
    "chunks": ([chunked(BODY)], "/v"),
    "packed chunks": ([chunked(PACKED, "Content-Encoding: gzip")], "/v"),
    "chunks cut short": ([replace(chunked(BODY), body=b"ff\r\nmoo"), HOST], "/v"),
    "ranges of limited length": ([HOST.cut(5_000), part_of(5_000, 49_999), part_of(50_000, 50_000), HOST], "/v"),
    "the whole instead of the rest": ([HOST.cut(5_000), part_of(0, len(BODY) - 1), HOST], "/v"),
    "a packed file instead of the rest": ([HOST.cut(5_000), http(200, PACKED, VIDEO, GZIP)], "/v"),
    "another condition for the rest": ([HOST.cut(5_000), http(412), HOST], "/v"),
    "locked for the rest": ([HOST.cut(5_000), http(423), HOST], "/v"),
    "busy for the rest": ([HOST.cut(5_000), http(400, BUSY), HOST], "/v"),
    "JSON for the rest": ([HOST.cut(5_000), json_reply({"url": "/a"}), HOST], "/a"),
}


@pytest.mark.fault("D-35")
@pytest.mark.parametrize("case", GOOD)
def test_odd_answers_lead_to_the_file(video: VideoDownload, case: str) -> None:
    """The file is saved byte for byte, from where the answers lead to, and nothing is left alongside it."""
    script, last = GOOD[case]
    video.start(*script, foreign=True, named=("/v", "/v"))
    assert video.download().read_bytes() == BODY
    assert (len(video.host.requests), video.host.targets[-1]) == (len(script), last)
    assert list(video.target.parent.iterdir()) == [video.target]


#: Answers that end a download, the error, and what it says.
BAD: dict[str, tuple[Script, type[k.DownloadError], str]] = {
    "Location empty": ([redirect("")], k.DownloadError, "redirect without a Location header"),
    "Location with a backslash": ([redirect("\\b")], k.UnsafeURLError, "backslashes"),
    "Location with a file": ([redirect("data:video/mp4;base64,AAAA")], k.UnsafeURLError, "neither https nor http"),
    "JSON with an error": ([json_reply({"error": {"message": "no such cow"}})], k.NotAVideoError, r"\(no such cow\)"),
    "JSON of a failure": ([json_reply({"status": "failed", "message": "blocked"})], k.NotAVideoError, r"\(blocked\)"),
    "JSON in a circle": ([json_reply({"url": "/v"})] * 2, k.NotAVideoError, r"text \(JSON\)"),
    "list of a URL": ([json_reply(["/c.jpg"])], k.NotAVideoError, r"text \(JSON\)"),
    "refusal": ([http(422, b'{"message": "too short"}')], k.DownloadError, r"HTTP 422: too short"),
    "page": (
        [http(200, b"<html><title>Sign in</title>", VIDEO)],
        k.NotAVideoError,
        r"a web page \(HTML\).*\(Sign in\)",
    ),
    "words before the file": ([http(200, b"<b>Warning</b>\n" + BODY, VIDEO)], k.NotAVideoError, "a damaged MP4 file"),
    "NULs": ([http(200, bytes(9_999), VIDEO)], k.NotAVideoError, "the byte 00 repeated"),
    "packed twice": ([http(200, gzip.compress(PACKED), VIDEO, GZIP)], k.NotAVideoError, r"an archive \(gzip\)"),
    "no HTTP": ([RawReply(b"SSH-2.0-x\r\n", b"", End.FIN)] * 5, k.IncompleteDownloadError, "does not speak HTTP"),
}


@pytest.mark.fault("D-35")
@pytest.mark.parametrize("case", BAD)
def test_answers_that_are_no_file_end_in_one_error_that_says_what_they_are(video: VideoDownload, case: str) -> None:
    """The error says what the host sent and what it said; no file is left, and no more is asked for than has a use."""
    script, error, said = BAD[case]
    video.start(*script, foreign=True)
    with pytest.raises(k.DownloadError, match=said) as caught:
        video.download()
    assert (type(caught.value), len(video.host.requests)) == (error, len(script))
    assert not video.target.exists()


@pytest.mark.fault("D-15")
@pytest.mark.parametrize(
    "answer",
    [
        http(400, b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"),
        http(200, b"the link has expired", ("Content-Type", "text/plain")),
        json_reply({"code": 4001, "message": "URL expired"}),
    ],
    ids=["XML under 400", "text", "JSON"],
)
def test_text_that_says_expired_is_an_expired_url(make: Maker, serve: Serve, tmp_path: Path, answer: Any) -> None:
    """A URL that has expired by the words of the host is refreshed once; then the error is what the host said."""
    host = serve(answer, HOST, answer, answer)
    client = make(serve(each=lambda _: completed(f"{host.url}/new")).url)
    assert client.download(completed_task(f"{host.url}/old"), tmp_path / "v.mp4").read_bytes() == BODY
    assert host.targets == ["/old", "/new"]
    with pytest.raises(k.DownloadError, match=r"expired|fresh URL"):
        client.download(completed_task(f"{host.url}/old"), tmp_path / "w.mp4")
    assert len(host.requests) == 4


@pytest.mark.fault("K-01")
def test_key_that_the_gateway_repeats_in_place_of_a_file_is_redacted(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """The message of the gateway is part of the error, without the key, also if JSON escapes it."""
    escaped = "".join(rf"\u{ord(char):04x}" for char in KEY)
    hidden = f'{{"message": "no file for {escaped}"}}'.encode()
    message = {"message": f"no file for {KEY}"}
    for reply in (json_reply(message), json_reply(message, 422), http(200, hidden, VIDEO), http(422, hidden)):
        server = serve(completed("/v1/videos/t/content"), reply)
        with pytest.raises(k.DownloadError, match=r"no file for \*\*\*|no file for sk-\*\*\*") as caught:
            make(server.url).download("t", tmp_path / "v.mp4")
        assert KEY not in str(caught.value)
