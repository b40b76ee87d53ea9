"""A request as a line for a shell."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from kkiai_sdk.contract._scrub import PLACEHOLDER

if TYPE_CHECKING:
    from kkiai_sdk.contract._messages import Request

#: What curl sends of itself, or what only tells requests of one run apart.
_LEFT_OUT = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "user-agent", "x-schemathesis-testcaseid"}
)
#: Harmless between double quotes, the dollar of the variable included.
_PLAIN = re.compile(r"[A-Za-z0-9$_ .,:;/=+-]*")


def curl_of(base_url: str, request: Request) -> str:
    """The ``curl`` command that sends the request; the shell puts the key in from KKIAI_API_KEY."""
    query = f"?{request.query}" if request.query else ""
    method = [] if request.method == "GET" else ["-X", shlex.quote(_visible(request.method))]
    headers = [f"-H {_quoted(f'{name}: {value}')}" for name, value in request.headers if name.lower() not in _LEFT_OUT]
    body = ["--data-binary", shlex.quote(_visible(request.body.decode("latin-1")))] if request.body else []
    url = _visible(f"{base_url}{request.path}{query}")
    # Brackets and dots in the URL are meant as they stand.
    as_is = [*(["--globoff"] if set("[]{}") & set(url) else []), *(["--path-as-is"] if "/." in request.path else [])]
    return " ".join(["curl", "-si", *as_is, *method, *headers, *body, shlex.quote(url)])


def _quoted(text: str) -> str:
    text = _visible(text)
    is_for_shell = PLACEHOLDER in text and _PLAIN.fullmatch(text) is not None
    return f'"{text}"' if is_for_shell else shlex.quote(text)


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() and char.isascii() else ascii(char)[1:-1] for char in text)
