"""The extra aiohttp: when it is used, and that none of its own ways get through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from tests.support.adapter import raw_request
from tests.support.programs import WITHOUT_AIOHTTP, run
from tests.support.rawserver import Act, End
from tests.support.wire import http, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

#: Two queries; it says whether they went over aiohttp, which is loaded with the client, and not before.
PROGRAM = """
import httpx
assert "aiohttp" not in sys.modules, "loaded too early"
async def main():
    async with AsyncKkiai({args}) as client:
        for _ in range(2):
            await client.query("t")
    print(bool(sys.modules.get("httpx_aiohttp")))
asyncio.run(main())
"""
#: The programs of these tests begin as if the extra were not there; this is how it comes back.
WITH_AIOHTTP = "sys.modules.pop('httpx_aiohttp', None)\n"


OURS = {"host", "accept", "accept-encoding", "authorization", "connection", "content-type", "user-agent"}
QUEUED = b'{"id": "t", "status": "queued"}'


@pytest.mark.parametrize(
    ("setting", "args", "expected"),
    [
        (WITH_AIOHTTP, "", "True"),
        pytest.param(WITH_AIOHTTP, "httpx_args={'trust_env': False}", "True", marks=pytest.mark.deep),
        (WITHOUT_AIOHTTP, "", "False"),
        pytest.param(
            WITH_AIOHTTP, "httpx_args={'transport': httpx.AsyncHTTPTransport()}", "False", marks=pytest.mark.deep
        ),
        pytest.param(WITH_AIOHTTP, "httpx_args={'http2': False}", "False", marks=pytest.mark.deep),
        (WITH_AIOHTTP + "os.environ['HTTP_PROXY'] = os.environ['KKIAI_BASE_URL']\n", "", "False"),
    ],
    ids=["installed", "whatever the environment says", "not installed", "own transport", "own protocol", "a proxy"],
)
def test_when_it_is_used(serve: Serve, setting: str, args: str, expected: str) -> None:
    """The extra is used from the first request on if it is installed and can do what is asked for; nothing is
    printed about sessions that were not closed. What it cannot do goes over httpx's own transport.
    """
    server = serve(task(), task())
    start = "import warnings\nwarnings.simplefilter('error')\n"
    result = run(start + setting + PROGRAM.format(args=args), server.url)
    assert (result.stdout, result.stderr, result.returncode) == (f"{expected}\n", "", 0)
    assert len(server.requests) == 2


def test_cookies_are_nobodys(make: Maker, serve: Serve) -> None:
    """A cookie that a gateway sets does not come back to it."""
    server = serve(http(200, QUEUED, ("Set-Cookie", "session=1; Path=/")), task("running"))
    client = make(server.url)
    assert [client.query("t").status for _ in range(2)] == ["queued", "running"]
    assert [each.header("Cookie") for each in server.requests] == [None, None]


def test_no_netrc_and_no_fields_of_its_own(
    make: Maker, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials of ``.netrc`` and of URLs are not sent, and the transport adds no field to what a session sends."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password from-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve(each=lambda _: task())
    address = server.url.removeprefix("http://")
    client = make(server.url)
    client.query("t")
    raw_request(client, "GET", f"http://me:from-url@{address}/v1/video/query?id=a%3Ab&x=%7e+%20")
    names = [{name.lower() for name, _ in each.headers} for each in server.requests]
    assert names == [OURS, OURS]
    assert "from-" not in repr(server.requests)
    assert server.targets[1] == "/v1/video/query?id=a%3Ab&x=%7e+%20"


FIELDS = [(f"X-Field-{number}", f"{number}") for number in range(500)]
HEADS = {
    "500 fields": http(200, QUEUED, *FIELDS),
    "a field of 60 KB": http(200, QUEUED, ("X-Policy", "p" * 60_000)),
    "a reason that is no UTF-8": Act(b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 31\r\n\r\n", QUEUED),
    "no reason": Act(b"HTTP/1.1 200 \r\nContent-Length: 31\r\n\r\n", QUEUED),
}


@pytest.mark.parametrize("head", HEADS)
def test_unusual_heads(make: Maker, serve: Serve, clock: FakeTime, head: str) -> None:
    """What is good for httpcore is good for aiohttp: many fields, long fields, any reason; the connection is kept."""
    server = serve(HEADS[head], HEADS[head])
    client = make(server.url)
    assert [client.query("t").status for _ in range(2)] == ["queued", "queued"]
    assert ([each.connection for each in server.requests], clock.naps) == ([0, 0], [])


def test_in_small_pieces(make: Maker, serve: Serve) -> None:
    """An answer that comes byte by byte, after two interim ones, is one answer, and its connection is used again."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    whole = interim * 2 + http(200).head.replace(b": 0", b": 31") + QUEUED
    server = serve(each=lambda _: Act(body=(whole[n : n + 1] for n in range(len(whole)))))
    client = make(server.url)
    assert [client.query("t").status for _ in range(2)] == ["queued", "queued"]
    assert [each.connection for each in server.requests] == [0, 0]


@pytest.mark.parametrize("surplus", [b"\x00garbage", b"0\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\n"])
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "chunked"])
@pytest.mark.fault("B-02")
def test_a_good_answer_before_garbage(make: Maker, serve: Serve, surplus: bytes, *, chunked: bool) -> None:
    """An answer is good whatever follows it in the same piece; the connection is not used again."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    in_chunks = head + b"1f\r\n%b\r\n0\r\n\r\n" % QUEUED
    server = serve(Act((in_chunks if chunked else http(200, QUEUED).head + QUEUED) + surplus), task("running"))
    client = make(server.url, max_retries=0)
    assert [client.query("t").status for _ in range(2)] == ["queued", "running"]
    assert [each.connection for each in server.requests] == [0, 1]


ENDLESS = {
    "trailers": b"0\r\nX-More: %b\r\n" % (b"m" * 60_000),
    "an extension": b"5;more=" + b"m" * 60_000,
    "a length": b"0" * 60_000,
}


@pytest.mark.parametrize("endless", ENDLESS)
@pytest.mark.fault("N-12", "B-12")
def test_a_body_that_is_all_frame(make: Maker, serve: Serve, endless: str) -> None:
    """What surrounds the chunks of a body is not collected without end: the request fails long before its time."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(Act(head, [ENDLESS[endless][:3], *[ENDLESS[endless][3:]] * 40], End.HANG))
    with pytest.raises(k.APIError) as caught:
        make(server.url, max_retries=0).query("t")
    assert not isinstance(caught.value, k.APITimeoutError)


ENDS = {
    "closed": "loop.close()",
    "left open": "",
    "another loop": "loop.close()\nloop = asyncio.new_event_loop()\nloop.run_until_complete(client.query('t'))",
    "forgotten": "loop.close()\ndel client",
    "a child": "os.fork() and (os.wait(), loop.run_until_complete(client.query('t')), loop.close())",
}


#: A process for each: a short run starts two of them.
SHORT = {"closed", "a child"}


@pytest.mark.parametrize("end", [pytest.param(end, marks=() if end in SHORT else pytest.mark.deep) for end in ENDS])
@pytest.mark.fault("C-05")
def test_nobody_hears_of_what_is_left_over(serve: Serve, end: str) -> None:
    """Nothing is printed when a loop, a client or a child process ends without closing anything, and the parent of such
    a child goes on over the same connection.
    """
    server = serve(each=lambda _: task())
    program = "client, loop = AsyncKkiai(), asyncio.new_event_loop()\nloop.run_until_complete(client.query('t'))\n"
    result = run(WITH_AIOHTTP + program + ENDS[end], server.url)
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
    assert {each.connection for each in server.requests} == ({0, 1} if end == "another loop" else {0})


FORKED_WITHIN = """
import gc
async def main():
    client = AsyncKkiai(timeout=5, max_retries=0)
    await client.query("t")
    if os.fork() == 0:
        del client
        gc.collect()
        for _ in range(9):
            await asyncio.sleep(0)
        os._exit(0)
    os.wait()
    await client.query("t")
    await client.aclose()
asyncio.run(main())
"""


@pytest.mark.fault("C-05")
def test_a_child_of_a_running_loop(serve: Serve) -> None:
    """A child that forgets the client, on the event loop that it shares with its parent, does not deafen the parent."""
    server = serve(task(), task())
    result = run(WITH_AIOHTTP + FORKED_WITHIN, server.url)
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
    assert [each.connection for each in server.requests] == [0, 0]
