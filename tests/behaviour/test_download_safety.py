"""Headers and hosts of download requests, and URLs that are refused."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

import kkiai_sdk as k
from tests.support.canary import KEY
from tests.support.wire import FileHost, completed_task, http, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.behaviour.conftest import Serve, VideoDownload
    from tests.support.adapter import Maker

BODY = pattern(3, 0, 50_000)
HOST = FileHost(BODY)


@pytest.mark.fault("K-11")
def test_file_host_receives_only_the_standard_headers(video: VideoDownload) -> None:
    """A file on another host is requested with exactly these headers: none identifies or authorises."""
    video.start(HOST, foreign=True, default_headers={"X-Team": "cows"}, user_agent_suffix="app/1")
    video.download(path="/a%2Fb/v.mp4?sig=%2f&x=a+b")
    (request,) = video.host.requests
    assert (request.method, request.target) == ("GET", "/a%2Fb/v.mp4?sig=%2f&x=a+b")
    assert {name.lower() for name, _ in request.headers} == {"host", "user-agent", "accept", "accept-encoding"}
    assert request.header("accept-encoding") == "identity"
    assert str(request.header("user-agent")).startswith("kkiai-sdk/")


def test_file_on_the_gateway_origin_is_requested_with_the_key(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A file on the gateway's own origin, also by a relative URL, is requested with the key."""
    server = serve(task("completed", video_url="/v1/videos/t/content"), HOST)
    make(server.url).download("t", tmp_path / "v.mp4")
    assert server.requests[1].target == "/v1/videos/t/content"
    assert server.requests[1].header("authorization") == f"Bearer {KEY}"


@pytest.mark.fault("H-06", "K-11")
def test_redirect_to_another_host_is_followed_without_the_key(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A redirect from the gateway to another host is followed without the key, and one back to it with the key."""
    cdn = serve(lambda _: http(302, b"", ("Location", f"{server.url}/home")), foreign=True)
    server = serve(http(302, b"", ("Location", f"{cdn.url}/away")), HOST)
    path = make(server.url).download(completed_task(f"{server.url}/v"), tmp_path / "v.mp4")
    assert path.read_bytes() == BODY
    assert cdn.requests[0].header("authorization") is None
    assert [each.header("authorization") for each in server.requests] == [f"Bearer {KEY}"] * 2


@pytest.mark.fault("K-11")
def test_event_hooks_run_for_gateway_requests_only(video: VideoDownload) -> None:
    """Headers that the caller's hook adds, such as a proxy's credentials, do not go to other hosts."""

    def mark(request: httpx.Request) -> None:
        request.headers["X-Own"] = "1"

    async def mark_later(request: httpx.Request) -> None:
        mark(request)

    hooks = {"request": [mark if video.make.kind == "sync" else mark_later]}
    video.start(HOST, named=("/v",), httpx_args={"event_hooks": hooks})
    video.client.download("t", video.target)
    assert [each.header("x-own") for each in (*video.gateway.requests, *video.host.requests)] == ["1", None]


@pytest.mark.fault("K-11")
def test_cookie_of_a_file_host_ends_with_the_download(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A cookie set on the way is sent back to the file host in the same download, and nowhere and never else."""
    cookie = ("Set-Cookie", "tracker=1; Path=/")
    cdn = serve(http(302, b"", ("Location", "/v"), cookie), HOST, HOST)
    server = serve(task())
    client = make(server.url)
    for name in ("v.mp4", "w.mp4"):
        client.download(completed_task(f"{cdn.url}/x"), tmp_path / name)
    client.query("t")
    assert [each.header("cookie") for each in (*cdn.requests, *server.requests)] == [None, "tracker=1", None, None]


@pytest.mark.fault("H-06")
@pytest.mark.parametrize("hops", [1, 5])
def test_up_to_five_redirects_of_a_download_are_followed(video: VideoDownload, hops: int) -> None:
    """Up to five redirects lead to the file."""
    video.start(*[http(status, b"", ("Location", "next")) for status in (301, 302, 303, 307, 308)[:hops]], HOST)
    assert video.download().read_bytes() == BODY
    assert [each.method for each in video.host.requests] == ["GET"] * (hops + 1)


NOWHERE = {
    "a file of this machine": "file:///etc/passwd",
    "data": "data:video/mp4;base64,AAAA",
    "half an address": "http://[::1",
    "a port that is none": "http://127.0.0.1:99999/",
    "a password": "http://user:pw@127.0.0.1/",
    "a line break, folded": "/next\r\n X-More: 1",
    "another machine inside": "https://169.254.169.254/latest/meta-data?sig=s3cret",
}


@pytest.mark.fault("H-09", "H-10")
@pytest.mark.parametrize("where", NOWHERE)
def test_redirect_to_an_unsafe_url_is_refused(video: VideoDownload, where: str) -> None:
    """A redirect to an unsafe URL is refused like such a URL itself; nothing is read or written."""
    video.start(http(302, b"", ("Location", NOWHERE[where])), http(404), http(404), named=("/w",))
    with pytest.raises(k.DownloadError) as caught:
        video.download()
    assert isinstance(caught.value, k.UnsafeURLError) or where == "a line break, folded"
    assert "s3cret" not in str(caught.value)
    assert video.host.targets[0] == "/v"
    assert all("127.0.0.1" in str(each.header("host")) for each in video.host.requests)
    assert not video.target.exists()


@pytest.mark.fault("H-09")
@pytest.mark.parametrize("fields", [[], [("Location", "")]], ids=["none", "empty"])
def test_redirect_without_a_location_ends_the_download(video: VideoDownload, fields: list[tuple[str, str]]) -> None:
    """A redirect without a location ends the download at once."""
    video.start(http(302, b"", *fields))
    with pytest.raises(k.DownloadError, match="redirect without a Location header"):
        video.download()
    assert len(video.host.requests) == 1


@pytest.mark.fault("H-08")
def test_sixth_redirect_ends_the_download(video: VideoDownload) -> None:
    """The sixth redirect ends the download."""
    video.start(*[http(302, b"", ("Location", "next"))] * 9)
    with pytest.raises(k.DownloadError, match="more than 5 redirects"):
        video.download()
    assert len(video.host.requests) == 6


@pytest.mark.fault("S-04", "S-05")
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/v.mp4",
        "javascript:alert(1)",
        "//127.0.0.1/v.mp4",
        "v.mp4",
        "http://",
        "http://user:pw@127.0.0.1/v.mp4",
        "http://127.0.0.1\\@example.com/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\n",
        "http://127.0.0.1:99999/v",
        "http://[::1/v",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/v",
        "https://[::1]/v",
        "https://[::ffff:127.0.0.1]/v",
        "https://127.1/v",
        "https://2130706433/v",
        "https://0x7f.1/v",
        "https://10.0.0.1/v",
        "https://100.64.0.1/v",
        "https://[fd00::1]/v",
        "https://router.local/v",
        "https://xn--e1awd7f.invalid.localhost/v",
        "https://ex\u0430mple.com/v",
        "https://1.1.1.1:22/v",
    ],
)
def test_unsafe_url_is_refused_before_any_request(make: Maker, serve: Serve, tmp_path: Path, url: str) -> None:
    """A URL of another scheme, with credentials, or into a private network is refused before any request."""
    with pytest.raises(k.UnsafeURLError):
        make(serve().url).download(completed_task(url), tmp_path / "v.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("K-06")
def test_error_about_a_url_omits_its_query_string(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """The signature of a refused URL is in neither the message nor the fields of the error."""
    with pytest.raises(k.UnsafeURLError) as caught:
        make(serve().url).download(completed_task("https://10.0.0.1/v?sig=s3cret#frag"), tmp_path / "v.mp4")
    assert caught.value.url == "https://10.0.0.1/v"
    assert "s3cret" not in repr(vars(caught.value)) + str(caught.value)


@pytest.mark.fault("H-07")
def test_download_redirected_from_https_to_http_is_refused(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A redirect from https to http is refused, also on the gateway's own host; nothing is sent there."""
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    plain = serve(HOST, foreign=True)
    secure = serve(HOST, http(302, b"", ("Location", f"{plain.url}/v")), tls=server_side)
    client = make(secure.url, httpx_args={"verify": client_side})
    assert client.download(completed_task(f"{secure.url}/v"), tmp_path / "good.mp4").read_bytes() == BODY
    with pytest.raises(k.UnsafeURLError, match="from https to http"):
        client.download(completed_task(f"{secure.url}/v"), tmp_path / "v.mp4")
    assert plain.requests == []
