"""Records of the SDK's logger, and secrets that are kept out of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx
import pytest

import kkiai_sdk as k
from kkiai_sdk import PollPolicy
from tests.support.adapter import default_tls
from tests.support.wire import FileHost, completed, error_reply, http, pattern, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Return the messages of the SDK's logger at this level."""
    return [each.getMessage() for each in caplog.records if each.name == "kkiai_sdk" and each.levelno == level]


def test_debug_log_has_one_line_per_poll_and_per_attempt(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG each attempt logs its outcome, and each poll the id, status, elapsed time and next step."""
    server = serve(task("queued"), error_reply(503), completed())
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


def test_unknown_status_is_one_warning_per_value(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A status unknown to this version is a WARNING once per value, with the id."""
    server = serve(*[task(word) for word in ("polishing", "polishing", "queued", "polishing", "buffing")], completed())
    make(server.url).wait("grok:1")
    assert lines(caplog, logging.WARNING) == [
        f"task 'grok:1': unknown status '{word}', treated as not final" for word in ("polishing", "buffing")
    ]


def test_third_failure_in_a_row_is_one_warning(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Three failed queries in a row are a WARNING; the fourth is none."""
    server = serve(*[http(503)] * 5, completed())
    make(server.url, max_retries=0).wait("t")
    (warning,) = lines(caplog, logging.WARNING)
    assert warning.startswith("task 't': 3 failed queries in a row, the last: HTTP 503")


def test_unknown_task_is_one_warning(make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The third answer that there is no such task is a WARNING with the advice to check the id; the fourth is none."""
    server = serve(*[error_reply(400, code="task_not_exist")] * 4, completed())
    make(server.url).wait("t")
    text = "task 't': the gateway does not know this task (yet); check the id"
    assert lines(caplog, logging.WARNING) == [text]


@pytest.mark.fault("S-15")
def test_logged_text_of_others_cannot_start_a_line_or_control_a_terminal(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Text of the gateway or the caller cannot start a line or control a terminal."""
    nasty = "x\r\nFAKE \x1b[2J\x07\u202e"
    server = serve(task(nasty), *[error_reply(503, message=nasty)] * 3, completed())
    make(server.url, max_retries=0).wait("t\u202e" if "t\u202e".isprintable() else "t")
    told = "".join(lines(caplog, logging.DEBUG) + lines(caplog, logging.WARNING))
    assert "FAKE" in told
    assert not set(told) & set("\r\n\x1b\x07\u202e")


@pytest.mark.fault("K-05")
def test_sdk_log_omits_query_strings_of_urls(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The query string of a URL is in no record of the SDK's logger."""
    host = serve(http(404), http(503), http(400))
    server = serve(completed(f"{host.url}/v?sig=s3cret"), completed(f"{host.url}/w?sig=s3cret"))
    with pytest.raises(k.DownloadError):
        make(server.url).wait_and_download("t", tmp_path / "v.mp4")
    told = "".join(lines(caplog, logging.DEBUG) + lines(caplog, logging.WARNING))
    assert "/v1/video/query" in told
    assert "s3cret" not in told
    assert "?" not in told


@pytest.mark.fault("K-05")
def test_no_logger_shows_the_signature_of_a_url(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """At DEBUG no logger shows the query of a video's URL or of a redirect."""
    away = http(302, b"", ("Location", "/w?sig=s3cret"), ("Set-Cookie", "session=s3cret"))
    host = serve(away, FileHost(pattern(1, 0, 9000)))
    server = serve(completed(f"{host.url}/v?sig=s3cret"), http(307, b"", ("Location", "/q?sig=s3cret")), task())
    client = make(server.url)
    client.wait_and_download("t", tmp_path / "v.mp4")
    client.query("t")
    assert host.targets == ["/v?sig=s3cret", "/w?sig=s3cret"]
    assert {"kkiai_sdk", "httpcore.connection"} <= {record.name for record in caplog.records}
    assert [record.getMessage() for record in caplog.records if "s3cret" in record.getMessage()] == []


@pytest.mark.fault("K-05")
def test_log_of_the_caller_s_own_httpx_requests_is_unchanged(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Records of httpx and httpcore about the user's own requests are not changed."""
    server = serve(task(), http(200, b"{}", ("X-Mine", "shown")))
    make(server.url).query("t")
    caplog.clear()
    with httpx.Client(verify=default_tls(), trust_env=False) as own:
        own.get(f"{server.url}/mine?sig=mine")
    told = "".join(record.getMessage() for record in caplog.records)
    assert "/mine?sig=mine" in told
    assert "X-Mine" in told
