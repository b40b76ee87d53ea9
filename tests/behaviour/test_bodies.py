"""Writing response bodies to the file, in any pieces and over any connection."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.rawserver import End, RawReply
from tests.support.wire import completed_task, http, pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

#: More than any buffer on the way holds.
BODY = b"".join(pattern(version, 0, 1 << 20) for version in (1, 2, 3))
HEAD = http(200, BODY, ("Content-Type", "video/mp4"), ("ETag", '"one"')).head
CHUNKED = HEAD.replace(b"Content-Length: 3145728", b"Transfer-Encoding: chunked")


def in_pieces(size: int) -> list[bytes]:
    """The body in pieces of this size."""
    return [BODY[at : at + size] for at in range(0, len(BODY), size)]


#: Ways to send one and the same file.
ACTS: dict[str, Callable[[], RawReply]] = {
    "at once": lambda: RawReply(HEAD, BODY),
    "the head alone": lambda: RawReply(HEAD, [BODY]),
    "a byte with the head": lambda: RawReply(HEAD + BODY[:1], [BODY[1:]]),
    "small pieces": lambda: RawReply(HEAD, in_pieces(5_003)),
    "the head in two": lambda: RawReply(HEAD[:40], [HEAD[40:], *in_pieces(1 << 18)]),
    "and more": lambda: RawReply(HEAD, [BODY, b"HTTP/1.1 200 OK\r\n" * 5_000]),
    "HTTP/1.0": lambda: RawReply(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"), BODY, End.FIN),
    "in chunks": lambda: RawReply(CHUNKED, [b"%x\r\n%s\r\n" % (len(each), each) for each in [*in_pieces(70_001), b""]]),
}


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS contexts of a server and of a client that trusts it."""
    authority, server_side, client_side = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    return server_side, client_side


@pytest.mark.fault("B-02", "B-14")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("way", ACTS)
def test_body_in_any_pieces_is_saved_whole_and_leaves_a_usable_connection(
    make: Maker, serve: Serve, tmp_path: Path, contexts: tuple[ssl.SSLContext, ssl.SSLContext], way: str, *, tls: bool
) -> None:
    """A file is saved whole in whatever pieces it arrives, and its connection is reusable or not reused."""
    server = serve(ACTS[way](), ACTS[way](), tls=contexts[0] if tls else None)
    client = make(server.url, httpx_args={"verify": contexts[1]})
    for name in ("one.mp4", "two.mp4"):
        assert client.download(completed_task(f"{server.url}/v"), tmp_path / name).read_bytes() == BODY
    assert len(server.requests) == 2


def test_short_files_share_one_connection(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """Files that arrive whole with their head share one connection."""
    server = serve(each=lambda _: http(200, BODY[:5_000], ("Content-Type", "video/mp4")))
    client = make(server.url)
    for name in ("one.mp4", "two.mp4", "three.mp4"):
        assert client.download(completed_task(f"{server.url}/v"), tmp_path / name).read_bytes() == BODY[:5_000]
    assert [each.connection for each in server.requests] == [0, 0, 0]
