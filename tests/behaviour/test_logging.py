"""What the SDK writes to its logger, and what it keeps out of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx
import pytest

import kkiai_sdk as k
from kkiai_sdk import PollPolicy
from tests.support.adapter import default_tls
from tests.support.wire import FileHost, done, http, pattern, refusal, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What the SDK's logger got at this level."""
    return [each.getMessage() for each in caplog.records if each.name == "kkiai_sdk" and each.levelno == level]


def test_one_line_per_poll_and_per_attempt(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG each attempt says its outcome and each poll the id, the status, the time and what is next."""
    server = serve(task("queued"), refusal(503), done())
    make(server.url).wait("grok:1", poll=EVEN)
    where = f"{server.url}/v1/video/query"
    assert lines(caplog, logging.DEBUG) == [
        f"{where}: attempt 1: HTTP 200 after 0.00 s, done",
        "task 'grok:1': 'queued' after 0.0 s, poll 1, next in 5.0 s",
        f"{where}: attempt 1: HTTP 503: no after 0.00 s, again in 0.50 s",
        f"{where}: attempt 2: HTTP 200 after 0.00 s, done",
        "task 'grok:1': 'completed' after 5.5 s, poll 2, ends (DONE)",
    ]
    assert lines(caplog, logging.WARNING) == []


def test_an_unknown_status_is_told_once(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A status that this version does not know is a WARNING once per value, with the id."""
    server = serve(*[task(word) for word in ("polishing", "polishing", "queued", "polishing", "buffing")], done())
    make(server.url).wait("grok:1")
    assert lines(caplog, logging.WARNING) == [
        f"task 'grok:1': unknown status '{word}', taken for not ended" for word in ("polishing", "buffing")
    ]


def test_repeated_failures_are_told_once(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Three failed queries in a row are a WARNING; the fourth is none."""
    server = serve(*[http(503)] * 5, done())
    make(server.url, max_retries=0).wait("t")
    (warning,) = lines(caplog, logging.WARNING)
    assert warning.startswith("task 't': 3 failed queries in a row, the last: HTTP 503")


@pytest.mark.fault("S-15")
def test_text_of_a_stranger_stays_on_its_line(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """What the gateway or the caller writes cannot start a line or steer a terminal."""
    nasty = "x\r\nFAKE \x1b[2J\x07\u202e"
    server = serve(task(nasty), *[refusal(503, message=nasty)] * 3, done())
    make(server.url, max_retries=0).wait("t\u202e" if "t\u202e".isprintable() else "t")
    told = "".join(lines(caplog, logging.DEBUG) + lines(caplog, logging.WARNING))
    assert "FAKE" in told
    assert not set(told) & set("\r\n\x1b\x07\u202e")


@pytest.mark.fault("K-05")
def test_signed_urls_are_not_logged(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The query string of a URL is in no line of the SDK's logger."""
    host = serve(http(404), http(503), http(400))
    server = serve(done(f"{host.url}/v?sig=s3cret"), done(f"{host.url}/w?sig=s3cret"))
    with pytest.raises(k.DownloadError):
        make(server.url).wait_and_download("t", tmp_path / "v.mp4")
    told = "".join(lines(caplog, logging.DEBUG) + lines(caplog, logging.WARNING))
    assert "/v1/video/query" in told
    assert "s3cret" not in told
    assert "?" not in told


@pytest.mark.fault("K-05")
def test_no_log_at_all_shows_a_signature(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Neither the SDK's logger nor any other has the query of a video's URL, or of a redirect, in a line: all of them
    stand at DEBUG here.
    """
    away = http(302, b"", ("Location", "/w?sig=s3cret"), ("Set-Cookie", "session=s3cret"))
    host = serve(away, FileHost(pattern(1, 0, 9000)))
    server = serve(done(f"{host.url}/v?sig=s3cret"), http(307, b"", ("Location", "/q?sig=s3cret")), task())
    client = make(server.url)
    client.wait_and_download("t", tmp_path / "v.mp4")
    client.query("t")
    assert host.targets == ["/v?sig=s3cret", "/w?sig=s3cret"]
    assert {"kkiai_sdk", "httpcore.connection"} <= {record.name for record in caplog.records}
    assert [record.getMessage() for record in caplog.records if "s3cret" in record.getMessage()] == []


@pytest.mark.fault("K-05")
def test_requests_of_others_are_logged_as_ever(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """What httpx and httpcore log of the user's own requests is not touched."""
    server = serve(task(), http(200, b"{}", ("X-Mine", "shown")))
    make(server.url).query("t")
    caplog.clear()
    with httpx.Client(verify=default_tls(), trust_env=False) as own:
        own.get(f"{server.url}/mine?sig=mine")
    told = "".join(record.getMessage() for record in caplog.records)
    assert "/mine?sig=mine" in told
    assert "X-Mine" in told
