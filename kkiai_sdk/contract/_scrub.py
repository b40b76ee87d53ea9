"""Keeping the key out of everything that is kept: done once, as soon as an answer is there and before it is judged."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from attrs import evolve, field, frozen

from kkiai_sdk.contract._messages import Response
from kkiai_sdk.contract._seen import Exchange

if TYPE_CHECKING:
    from kkiai_sdk.contract._messages import Headers
    from kkiai_sdk.contract._rule import Breach

#: What stands where the key was, so that a command line with it can be pasted into a shell.
PLACEHOLDER = "$KKIAI_API_KEY"
#: Keys of this family of gateways begin so, and their messages echo them, with stars in the middle at best.
_LIKE_A_KEY = re.compile(rb"\bsk-[\w*.\-]+")


@frozen
class Scrubber:
    """Takes one key, in every form in which it may be echoed, out of texts and messages."""

    api_key: str = field(repr=False)

    @property
    def _forms(self) -> list[str]:
        """The key as it is, in a URL, in JSON and as Python shows it; the longest first, as they may overlap."""
        in_json = json.dumps(self.api_key)[1:-1]
        # Some writers of JSON put a backslash before each slash.
        forms = {
            self.api_key,
            quote(self.api_key, safe=""),
            in_json,
            in_json.replace("/", "\\/"),
            ascii(self.api_key)[1:-1],
        }
        return sorted(filter(None, forms), key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text without the key."""
        for form in self._forms:
            text = text.replace(form, PLACEHOLDER)
        return text

    def exchange(self, exchange: Exchange) -> Exchange:
        """An exchange without the key, and its answer without anything that looks like one."""
        asked, answered = exchange.request, exchange.response
        return Exchange(
            evolve(
                asked, path=self.text(asked.path), query=self.text(asked.query), headers=self._headers(asked.headers)
            ),
            Response(answered.status, self._headers(answered.headers), self._body(answered.body)),
        )

    def breach(self, breach: Breach) -> Breach:
        """A breach whose words and exchange are without the key."""
        problem = evolve(breach.problem, expected=self.text(breach.problem.expected), got=self.text(breach.problem.got))
        return evolve(breach, problem=problem, exchange=self.exchange(breach.exchange))

    def _headers(self, headers: Headers) -> Headers:
        return tuple((name, self.text(value)) for name, value in headers)

    def _body(self, body: bytes) -> bytes:
        for form in self._forms:
            body = body.replace(form.encode(), b"***")
        return _LIKE_A_KEY.sub(b"sk-***", body)
