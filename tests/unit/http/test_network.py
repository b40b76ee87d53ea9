"""The scope of a request: which reads and writes belong to it."""

from __future__ import annotations

import contextvars

from kkiai_sdk._http.network import request_scope


def test_request_scope_left_in_another_context_does_no_harm() -> None:
    """A request that is discarded unfinished ends in another context, where there is nothing to reset."""
    scope = request_scope()
    contextvars.Context().run(scope.__enter__)
    scope.__exit__(None, None, None)
