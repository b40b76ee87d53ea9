"""Loggers of other libraries that are silent about our own requests."""

from __future__ import annotations

import contextvars
import logging

import pytest

from kkiai_sdk._http import logs as _session_logs


@pytest.mark.fault("K-05")
@pytest.mark.parametrize("name", ["httpcore.http11", "httpcore.http2", "hpack.hpack", "hpack.table"])
def test_silent_between_begin_and_end(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Whoever writes out header fields, of answers or before they are packed for HTTP/2, is silent during a request of
    ours, and goes on with those of others.
    """
    caplog.set_level(logging.DEBUG)
    _session_logs.install()
    _session_logs.install()
    logger = logging.getLogger(name)
    logger.debug("before")
    token = _session_logs.begin()
    logger.debug("authorization: not for the log")
    contextvars.Context().run(logger.debug, "somebody else, meanwhile")
    _session_logs.end(token)
    logger.debug("after")
    assert [record.getMessage() for record in caplog.records] == ["before", "somebody else, meanwhile", "after"]


def test_an_end_elsewhere() -> None:
    """The end of a request that is thrown away unfinished may come in another context, and does no harm there."""
    token = contextvars.Context().run(_session_logs.begin)
    _session_logs.end(token)
