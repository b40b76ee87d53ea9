"""The scope of a request: the context in which the deadline of a request holds."""

from __future__ import annotations

import contextvars

from kkiai_sdk._http.network import request_scope


def test_request_scope_left_in_another_context_is_ignored() -> None:
    """Leaving the scope in another context, as for a discarded request, raises nothing."""
    scope = request_scope()
    contextvars.Context().run(scope.__enter__)
    scope.__exit__(None, None, None)
