"""Operations of the spec that the gateway does not implement: it returns their examples from the spec."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

from kkiai_sdk.mock.messages import Reply, nested_error


class SpecOperation(NamedTuple):
    """An operation of the spec, and its example; without a status there is none."""

    method: str
    path: str
    name: str
    is_public: bool
    status: int | None = None
    media_type: str = ""
    body: str = ""

    def reply(self, request_id: str) -> Reply:
        """Make the reply: the example, with a ``Warning`` header, or 501."""
        if self.status is None:
            text = f"the mock gateway does not implement {self.name}, and the spec has no example for it"
            return nested_error(501, text, request_id, kind="mock_error", code="not_played")
        mark = ("warning", f'299 kkiai-mock "{self.name} is not implemented: this is the example from the spec"')
        return Reply(self.status, self.body.encode(), self.media_type, (mark,))


def operations_at(path: str) -> dict[str, SpecOperation]:
    """Return the operations of a path, by method."""
    patterns = [(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(each.path)), each) for each in spec_operations()]
    return {each.method: each for pattern, each in patterns if re.fullmatch(pattern, path)}


@cache
def spec_operations() -> tuple[SpecOperation, ...]:
    """Return the operations of the spec, in its order, as they are generated."""
    text = (resources.files("kkiai_api") / "examples.json").read_text("utf-8")
    return tuple(SpecOperation(**each) for each in json.loads(text))
