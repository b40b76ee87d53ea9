"""Redaction of log records that httpx and its libraries write about requests of this package."""

from __future__ import annotations

import contextvars
import logging

import httpx
import pytest

import kkiai_sdk._http.base_session  # noqa: F401 (installs the filter)
from kkiai_sdk._http.network import request_scope


@pytest.mark.fault("K-05")
@pytest.mark.parametrize("name", ["httpcore.http11", "httpcore.http2", "hpack.hpack", "hpack.table"])
def test_header_loggers_are_silent_inside_a_request(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Loggers of header fields are silent during a request of this package, and only in its context."""
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger(name)
    logger.debug("before")
    with request_scope():
        logger.debug("authorization: not for the log")
        contextvars.Context().run(logger.debug, "somebody else, meanwhile")
    logger.debug("after")
    assert [record.getMessage() for record in caplog.records] == ["before", "somebody else, meanwhile", "after"]


@pytest.mark.fault("K-05")
def test_httpx_logger_hides_the_query_inside_a_request(caplog: pytest.LogCaptureFixture) -> None:
    """Httpx's line about a request of this package is written, its URL without the query."""
    caplog.set_level(logging.INFO)
    logger, url = logging.getLogger("httpx"), httpx.URL("https://cdn.example/v.mp4?sig=s3cret")
    with request_scope():
        logger.info("HTTP Request: %s %s", "GET", url)
    logger.info("HTTP Request: %s %s", "GET", url)
    shown = [record.getMessage() for record in caplog.records]
    assert shown == ["HTTP Request: GET https://cdn.example/v.mp4", f"HTTP Request: GET {url}"]
