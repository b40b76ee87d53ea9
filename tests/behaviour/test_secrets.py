"""The key is hidden in objects, in errors, and in requests to other hosts.

That it is in no error, log, output or file is looked for after every test here (tests/support/canary.py); here
are the places that a test has to go to.
"""

from __future__ import annotations

import copy
import os
import pickle
import re
import ssl
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from tests.sources import ROOT
from tests.support.canary import KEY, leaks_in, texts_in
from tests.support.wire import completed, error_reply, http, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.rawserver import RawRequest


def attributes_of(thing: object, depth: int = 6) -> list[object]:
    """Yield every object of ours that is reachable through attributes and slots, as in a debugger."""
    found: list[object] = [thing]
    for one in found[:]:
        names = [
            *getattr(one, "__dict__", ()),
            *(slot for kind in type(one).__mro__ for slot in getattr(kind, "__slots__", ())),
        ]
        values = [getattr(one, name, None) for name in names]
        ours = [value for value in values if type(value).__module__.startswith("kkiai")] if depth else []
        found += [each for value in ours for each in attributes_of(value, depth - 1)]
    return found


@pytest.mark.fault("K-01")
def test_nothing_reachable_from_a_client_shows_the_key(make: Maker, serve: Serve) -> None:
    """Nothing reachable from a client through attributes shows the key: no repr, no str, no attribute."""
    client = make(serve(task()).url, default_headers={"X-Own": "1"})
    client.query("t")
    target = getattr(client, "target", client)
    parts = attributes_of(target)
    assert any(type(part).__name__ == "Secret" for part in parts)
    assert not [
        part for part in parts for text in (*texts_in(part), *texts_in(getattr(part, "__dict__", None))) if KEY in text
    ]


@pytest.mark.fault("K-04")
@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_refusal_to_copy_or_pickle_a_client_names_the_alternative(
    make: Maker, serve: Serve, how: Callable[[object], object]
) -> None:
    """Pickling or copying a client or its fleet is refused, and the refusal names the alternative."""
    client = make(serve().url)
    target = getattr(client, "target", client)
    for thing in (target, target.fleet()):
        with pytest.raises(k.ConfigurationError, match="cannot be pickled or copied"):
            how(thing)


@pytest.mark.fault("K-02", "K-04")
@pytest.mark.parametrize("answer", [error_reply(401), http(200, b"<html>"), http(500, KEY.encode()), http(302)])
def test_error_chain_pickles_and_holds_no_httpx_object(make: Maker, serve: Serve, answer: Any) -> None:
    """An error and its causes can be pickled, and none of their attributes is an object of the HTTP library."""
    with pytest.raises(k.APIError) as caught:
        make(serve(answer).url, max_retries=0).query("t")
    foreign = [
        value for value in vars(caught.value).values() if type(value).__module__.split(".")[0] in {"httpx", "httpcore"}
    ]
    assert foreign == []
    assert KEY.encode() not in pickle.dumps(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.fault("K-02", "K-07")
def test_cause_of_a_connection_error_does_not_hold_the_key(make: Maker) -> None:
    """The error of a request that could not be sent keeps its cause, and the cause does not hold the key."""
    with pytest.raises(k.APIConnectionError) as caught:
        make("http://127.0.0.1:1", max_retries=0).query("t")
    assert caught.value.__cause__ is not None
    assert leaks_in(caught.value) == []


#: Invalid keys, and the position of the fault.
ODD_KEYS = {
    f"{KEY[:8]}\n{KEY[8:]}": "character 9 of",
    f"{KEY[:8]}\r\nX-Evil: 1{KEY[8:]}": "character 9 of",
    f"{KEY[:8]} {KEY[8:]}": "character 9 of",
    f"{KEY}\0": "character 24 of",
    f"{KEY}é": "character 24 of",
    f"“{KEY}”": "character 1 of",
    f"{KEY}\ud800": "character 24 of",
    KEY * 30: "at most 512 characters",
}


def in_environment(make: Maker, url: str, key: str, patch: pytest.MonkeyPatch) -> None:
    """Set the key in the environment; a plain dict, because the real one takes no NUL."""
    patch.setattr(os, "environ", {"KKIAI_API_KEY": key})
    make(url, api_key=None)


#: The sources of a key.
GIVING: dict[str, Callable[[Any, str, str, pytest.MonkeyPatch], object]] = {
    "argument": lambda make, url, key, _: make(url, api_key=key),
    "environment": in_environment,
    "copy": lambda make, url, key, _: make(url).with_options(api_key=key),
    "function": lambda make, url, key, _: make(url, api_key=lambda: key).query("t"),
}


@pytest.mark.fault("K-03", "K-07", "S-03")
@pytest.mark.parametrize("key", ODD_KEYS)
@pytest.mark.parametrize("way", GIVING)
def test_invalid_key_is_refused_by_position_and_never_shown(
    make: Maker, serve: Serve, monkeypatch: pytest.MonkeyPatch, key: str, way: str
) -> None:
    """An invalid key is refused by the position of its fault; no message and no variable of ours holds it."""
    server = serve()
    pieces = [piece for piece in re.split(r"[^\w.]+", key) if len(piece) > 5]
    with pytest.raises(k.ConfigurationError, match=ODD_KEYS[key]) as caught:
        GIVING[way](make, server.url, key, monkeypatch)
    assert [leak for piece in pieces for leak in leaks_in(caught.value, piece)] == []
    assert server.requests == []


@pytest.mark.fault("K-03")
@pytest.mark.parametrize("around", ["{}\n", "\n{}", " {} ", "{}\r\n", "\t{}"])
def test_white_space_around_a_key_is_dropped(make: Maker, serve: Serve, around: str) -> None:
    """White space around a key, as files and shells leave it, is dropped before the key is sent."""
    server = serve(task())
    make(server.url, api_key=around.format(KEY)).query("t")
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


@pytest.mark.fault("K-07")
@pytest.mark.parametrize("event", ["request", "response"])
def test_error_of_an_event_hook_reaches_the_caller_without_the_key(make: Maker, serve: Serve, event: str) -> None:
    """The exception of a caller's event hook is raised unchanged, and none of its frames but the hook's is kept."""

    def hook(_: object) -> None:
        raise ZeroDivisionError("of the caller")

    client = make(serve(task()).url, httpx_args={"event_hooks": {event: [hook]}})
    with pytest.raises(ZeroDivisionError, match="of the caller") as caught:
        client.query("t")
    assert leaks_in(caught.value) == []
    assert caught.traceback[-1].name == "hook"


@pytest.mark.fault("K-07")
@pytest.mark.parametrize("options", [{"timeout": -1}, {"base_url": "nonsense"}, {"retry": 5}, {"httpx_args": {"x": 1}}])
def test_error_about_another_option_does_not_show_the_key(make: Maker, options: dict[str, Any]) -> None:
    """If another option is wrong, no variable of ours in the traceback holds the key."""
    with pytest.raises(k.ConfigurationError) as caught:
        make(**{"base_url": "http://127.0.0.1:1"} | options)
    assert leaks_in(caught.value) == []


@pytest.mark.fault("K-06")
def test_signed_url_in_an_error_has_no_query_string(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """An error about a URL shows it without its query, in every attribute."""
    host = serve(each=lambda _: error_reply(403))
    url = f"{host.url}/v.mp4?Signature=5ecre7&Expires=1#5ecre7"
    with pytest.raises(k.DownloadError) as caught:
        make(serve(*[completed(url)] * 4).url).wait_and_download("t", tmp_path / "v.mp4")
    shown = [*texts_in(vars(caught.value)), str(caught.value), "".join(traceback.format_exception_only(caught.value))]
    assert not [text for text in shown if "5ecre7" in text]


def fields_of(request: RawRequest) -> set[str]:
    """Return the header names of a request."""
    return {name.lower() for name, _ in request.headers}


@pytest.mark.fault("K-10", "K-11")
def test_other_hosts_get_neither_the_key_nor_the_caller_s_headers(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """A file host gets neither the key nor a header of the caller, also when the gateway redirects to it."""
    video = b"\x00\x00\x00\x18ftypmp42".ljust(64, b"v")
    host = serve(each=lambda _: http(200, video, ("Content-Type", "video/mp4")), foreign=True)
    gateway = serve(
        completed("/own.mp4"), http(302, b"", ("Location", f"{host.url}/v.mp4")), completed(f"{host.url}/w.mp4")
    )
    client = make(gateway.url, default_headers={"X-Api-Key": KEY, "X-Account": "7"})
    for number in (1, 2):
        client.wait_and_download("t", tmp_path / f"{number}.mp4")
    assert len(host.requests) == 2
    allowed = {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert [fields_of(request) - allowed for request in host.requests] == [set(), set()]


@pytest.mark.fault("K-13")
def test_part_and_metadata_hold_neither_key_nor_signed_url(make: Maker, serve: Serve, tmp_path: Path) -> None:
    """Part and metadata of an interrupted download hold neither the key nor the signed URL."""
    video = b"\x00\x00\x00\x18ftypmp42".ljust(4000, b"v")
    whole = http(200, video, ("Content-Type", "video/mp4"), ("ETag", '"one"'))
    gateway = serve(completed("/v.mp4?Signature=5ecre7"), whole.cut(2000), each=lambda _: http(500))
    with pytest.raises(k.DownloadError):
        make(gateway.url).download("t", tmp_path / "v.mp4")
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left.keys() == {"v.mp4.part", "v.mp4.part.json"}
    assert not [name for name, content in left.items() if b"5ecre7" in content or KEY.encode() in content]


@pytest.mark.fault("K-14")
@pytest.mark.parametrize(
    "url", ["http://gateway.example", "https://u:p@h.example", "https://h.example/?x=1", "https://h.example/#x"]
)
def test_base_url_that_would_expose_the_key_is_refused(make: Maker, url: str) -> None:
    """A base URL that would send the key unencrypted, or holds more than an address, is refused and not shown."""
    with pytest.raises(k.ConfigurationError, match="base_url") as caught:
        make(url)
    assert url not in str(caught.value)


@pytest.mark.fault("K-15")
def test_no_option_of_the_sdk_disables_certificate_checks(make: Maker, serve: Serve) -> None:
    """No option of the SDK is about certificates; a TLS context of the caller is accepted."""
    names = k.Kkiai.__init__.__annotations__.keys() | k.AsyncKkiai.__init__.__annotations__.keys()
    assert not [name for name in names if re.search("verify|insecure|ssl|tls|cert", name)]
    assert make(serve(task()).url, httpx_args={"verify": ssl.create_default_context()}).query("t").id == "t"


@pytest.mark.fault("K-16")
def test_netrc_is_ignored_and_the_environment_unchanged(
    make: Maker, serve: Serve, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials in .netrc for the gateway's host are not sent, and the environment is not changed."""
    netrc = tmp_path_factory.mktemp("home") / ".netrc"
    netrc.write_text("machine 127.0.0.1 login cow password moo\n")
    monkeypatch.setenv("HOME", str(netrc.parent))
    monkeypatch.setenv("NETRC", str(netrc))
    before = dict(os.environ)
    video = b"\x00\x00\x00\x18ftypmp42".ljust(64, b"v")
    host = serve(http(200, video, ("Content-Type", "video/mp4")), foreign=True)
    gateway = serve(completed(f"{host.url}/v.mp4"))
    make(gateway.url).wait_and_download("t", netrc.parent / "v.mp4")
    assert gateway.requests[0].header("authorization") == f"Bearer {KEY}"
    assert host.requests[0].header("authorization") is None
    assert dict(os.environ) == before


#: Patterns of real keys, cookies and signatures. Those of the tests are short, or obviously invented.
REAL = re.compile(
    r"sk-(?:proj-)?[A-Za-z0-9]{20,}|Bearer [A-Za-z0-9_\-]{32,}|\beyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|\bAKIA[A-Z0-9]{16}\b|[Ss]et-[Cc]ookie: \w+=[A-Za-z0-9+/=]{32,}|X-Amz-Signature=[0-9a-f]{64}"
)


@pytest.mark.fault("K-12")
def test_test_files_hold_no_real_secret() -> None:
    """No file of the tests holds a real key, cookie or signature."""
    folders = [ROOT / name for name in ("tests", "contract_tests", "docs", "kkiai_sdk")]
    files = [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    found = [path.name for path in files if REAL.search(path.read_bytes().decode("latin-1"))]
    assert len(files) > 200
    assert found == []
