"""The search for the key finds it wherever it is, so that finding nothing means something."""

from __future__ import annotations

import ipaddress
import logging
import warnings
from typing import TYPE_CHECKING

import httpx
import pytest

from kkiai_sdk import APIError, APIStatusError, ConfigurationError
from tests.support.canary import KEY, Canary, files_with, leaks_in, leaks_in_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def caused(cause: BaseException) -> APIError:
    """An error with this cause."""
    error = APIError("m")
    error.__cause__ = cause
    return error


def during(context: BaseException) -> APIError:
    """An error that came up while this one was handled."""
    error = APIError("m")
    error.__context__ = context
    return error


def noted() -> APIError:
    """An error with a note."""
    error = APIError("m")
    error.add_note(f"with {KEY}")
    return error


def request_holder() -> Exception:
    """An error like httpx's, whose request holds the key."""

    class Request:
        """One that shows its fields when they are asked for only."""

        def __init__(self) -> None:
            self.headers = {"authorization": f"Bearer {KEY}"}

    error = ValueError("m")
    error.request = Request()  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    "make",
    [
        lambda: APIError(f"the key is {KEY}"),
        lambda: APIStatusError("m", status_code=400, body={"error": [{"echo": KEY}]}),
        lambda: APIStatusError("m", status_code=400, body=KEY.encode()),
        lambda: caused(ValueError(KEY)),
        lambda: caused(caused(ValueError(KEY))),
        lambda: caused(ExceptionGroup("several", [ValueError(KEY)])),
        lambda: during(ValueError(b"Bearer " + KEY.encode())),
        lambda: caused(request_holder()),
        noted,
    ],
    ids=["text", "body", "bytes", "cause", "second", "group", "context", "request", "note"],
)
def test_an_error_that_holds_the_key(make: Callable[[], BaseException]) -> None:
    """In whatever part of an error the key is, it is found; without it nothing is."""
    assert leaks_in(make())


def test_variables_of_our_frames() -> None:
    """A variable of ours that holds the key in a traceback is found, and one of the caller's is the caller's affair."""
    from kkiai_sdk import _redaction as _text  # noqa: PLC0415 (any frame of ours will do)

    mine = KEY
    with pytest.raises(AttributeError) as caught:
        _text.redact(5, mine)  # type: ignore[arg-type]
    assert leaks_in(caught.value) == ["the variable secret of redact, in AttributeError"]
    assert leaks_in(caught.value, "another.key") == []


def test_variables_of_other_frames() -> None:
    """So is one of a library, also of one that wraps others: no frame but the caller's may hold the key."""
    mine = KEY
    with pytest.raises(ValueError, match="does not appear") as caught:
        ipaddress.ip_address(mine)
    assert "the variable address of ip_address, in ValueError" in leaks_in(caught.value)
    client = httpx.Client(transport=httpx.MockTransport(lambda _: 1 / 0))  # type: ignore[arg-type]
    with client, pytest.raises(ZeroDivisionError) as raised:
        client.get("http://127.0.0.1:9", headers={"X-Key": mine})
    assert "the variable request of Client.send, in ZeroDivisionError" in leaks_in(raised.value)


def test_an_error_without_the_key() -> None:
    """An error with everything but the key has no leak."""
    assert leaks_in(caused(during(ValueError("another key")))) == []


@pytest.mark.parametrize(
    ("text", "args"), [("%s", (KEY,)), (f"key {KEY}", ()), ("fields", ({"a": [KEY.encode()]},)), ("error", ())]
)
def test_a_record_that_holds_the_key(text: str, args: tuple[object, ...]) -> None:
    """The key is found in a record's message, in its arguments, shown or not, and in its error."""
    problem = ValueError(KEY)
    info = (ValueError, problem, None) if text == "error" else None
    args = ({"key": args[0]},) if text == "fields" else args
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, text.replace("fields", "%s"), args, info)
    assert leaks_in_record(record)
    assert not leaks_in_record(logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", ("fine",), None))


def test_files(tmp_path: Path) -> None:
    """The key is found in a file's bytes and in its name, however deep it lies."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "fine").write_text("nothing")
    assert files_with(KEY.encode(), tmp_path) == []
    (tmp_path / "a" / "bad").write_bytes(b"\0" + KEY.encode())
    (tmp_path / KEY).write_text("")
    assert {path.name for path in files_with(KEY.encode(), tmp_path)} == {"bad", KEY}


@pytest.mark.parametrize("what", ["error", "warning", "output", "file", "nothing"])
def test_a_canary_remembers(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a test makes and swallows is remembered: errors, warnings, what it printed and wrote."""
    canary = Canary(monkeypatch)
    if what == "error":
        ConfigurationError(f"bad key {KEY}")
    elif what == "warning":
        with pytest.warns(UserWarning, match="bad"):
            warnings.warn(f"bad key {KEY}", stacklevel=1)
    elif what == "file":
        (tmp_path / "f").write_text(KEY)
    printed = KEY if what == "output" else ""
    if what == "nothing":
        canary.assert_unseen([], printed, tmp_path)
    else:
        with pytest.raises(AssertionError, match="the key was seen"):
            canary.assert_unseen([], printed, tmp_path)
