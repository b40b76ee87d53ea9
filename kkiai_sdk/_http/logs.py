"""Keeping other libraries' logs silent about our own requests, and only about these.

At DEBUG, httpcore writes whole header fields of answers, in which the address of a redirect is often a signature, and
hpack those of requests before they are packed for HTTP/2, the key among them.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import ContextVar, Token

_TALKATIVE = ("httpcore.http11", "httpcore.http2", "hpack.hpack", "hpack.table")
_ours: ContextVar[bool] = ContextVar("kkiai_sdk_request", default=False)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not _ours.get()


def install() -> None:
    """Have those loggers ask whose request it is. Again does nothing; levels and handlers are the user's."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_is_not_ours)


def begin() -> Token[bool]:
    """From here on it is a request of ours, until :func:`end`. No context manager: this is done for every request."""
    return _ours.set(True)


def end(token: Token[bool]) -> None:
    """The end of what :func:`begin` began."""
    # A coroutine that is thrown away unfinished ends elsewhere, where there is nothing to take back.
    with suppress(ValueError):
        _ours.reset(token)
