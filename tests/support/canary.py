"""The key of all tests, and the places where it must never be seen."""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING

from kkiai_sdk import KkiaiError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

#: Not of the form sk-…, so that nothing but real care hides it.
KEY = "canary.4be17c90f2a6d385"


def remember_errors(patch: pytest.MonkeyPatch) -> list[KkiaiError]:
    """Every error of ours that is made from now on."""
    made: list[KkiaiError] = []

    def remember(self: KkiaiError, *args: object) -> None:
        super(KkiaiError, self).__init__(*args)
        made.append(self)

    patch.setattr(KkiaiError, "__init__", remember)
    return made


def texts_of(error: KkiaiError) -> Iterator[str]:
    """Everything that an error shows of itself to people, logs and other processes."""
    yield str(error)
    yield repr(error)
    yield repr(vars(error))
    yield "".join(traceback.format_exception(error))
    yield pickle.dumps(error).decode("latin-1")


def assert_absent_from_errors(errors: list[KkiaiError]) -> None:
    """The key is in none of the errors, nor in what caused them."""
    for error in errors:
        assert not any(KEY in text for text in texts_of(error)), f"the key is in a {type(error).__name__}"


def assert_absent_from_files(folder: Path) -> None:
    """The key is in no file below the folder."""
    leaks = [path.name for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert leaks == [], "the key was written to a file"
