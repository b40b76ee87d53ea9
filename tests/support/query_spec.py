"""The spec of the query alone, for tests that are about the query, however many operations the spec comes to have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kkiai_sdk.contract import _spec

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SPEC = _spec.PLACES[-1]
_PATHS = re.compile(r"(?P<before>.*^paths:\n)(?P<paths>.*?)(?P<after>^\w.*)", re.DOTALL | re.MULTILINE)


def query_spec() -> str:
    """The text of the spec without the paths of other operations: the very text while there are none."""
    found = _PATHS.fullmatch(SPEC.read_text("utf-8"))
    assert found is not None
    items = re.split(r"^(?=  /)", found["paths"], flags=re.MULTILINE)
    kept = [item for item in items if not item.startswith("  /") or item.startswith(f"  {_spec.QUERY_PATH}:")]
    return found["before"] + "".join(kept) + found["after"]


def use_query_spec(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the contract check take the spec of the query alone for the one that came with the package."""
    (folder / SPEC.name).write_text(query_spec(), "utf-8")
    patch.setattr(_spec, "PLACES", (folder / SPEC.name,))
