"""The search for leaked keys finds the key in every place that it covers."""

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
def test_key_is_found_in_any_part_of_an_error(make: Callable[[], BaseException]) -> None:
    """The key is found in every part of an error; without it nothing is found."""
    assert leaks_in(make())


def test_key_is_found_in_variables_of_package_frames() -> None:
    """A variable of the package that holds the key in a traceback is found; one of the caller is not."""
    from kkiai_sdk import _redaction as _text  # noqa: PLC0415 (any frame of ours will do)

    mine = KEY
    with pytest.raises(AttributeError) as caught:
        _text.redact(5, mine)  # type: ignore[arg-type]
    assert leaks_in(caught.value) == ["the variable secret of redact, in AttributeError"]
    assert leaks_in(caught.value, "another.key") == []


def test_key_is_found_in_variables_of_library_frames() -> None:
    """A variable of a library is found too, also in a wrapper: only the caller's frames may hold the key."""
    mine = KEY
    with pytest.raises(ValueError, match="does not appear") as caught:
        ipaddress.ip_address(mine)
    assert "the variable address of ip_address, in ValueError" in leaks_in(caught.value)
    client = httpx.Client(transport=httpx.MockTransport(lambda _: 1 / 0))  # type: ignore[arg-type]
    with client, pytest.raises(ZeroDivisionError) as raised:
        client.get("http://127.0.0.1:9", headers={"X-Key": mine})
    assert "the variable request of Client.send, in ZeroDivisionError" in leaks_in(raised.value)


def test_error_without_the_key_has_no_leak() -> None:
    """An error with everything but the key has no leak."""
    assert leaks_in(caused(during(ValueError("another key")))) == []


@pytest.mark.parametrize(
    ("text", "args"), [("%s", (KEY,)), (f"key {KEY}", ()), ("fields", ({"a": [KEY.encode()]},)), ("error", ())]
)
def test_key_is_found_in_a_log_record(text: str, args: tuple[object, ...]) -> None:
    """The key is found in a record's message, in its arguments, shown or not, and in its error."""
    problem = ValueError(KEY)
    info = (ValueError, problem, None) if text == "error" else None
    args = ({"key": args[0]},) if text == "fields" else args
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, text.replace("fields", "%s"), args, info)
    assert leaks_in_record(record)
    assert not leaks_in_record(logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", ("fine",), None))


def test_key_is_found_in_file_contents_and_names(tmp_path: Path) -> None:
    """The key is found in a file's bytes and in its name, at any depth."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "fine").write_text("nothing")
    assert files_with(KEY.encode(), tmp_path) == []
    (tmp_path / "a" / "bad").write_bytes(b"\0" + KEY.encode())
    (tmp_path / KEY).write_text("")
    assert {path.name for path in files_with(KEY.encode(), tmp_path)} == {"bad", KEY}


@pytest.mark.parametrize("what", ["error", "warning", "output", "file", "nothing"])
def test_canary_records_errors_warnings_output_and_files(
    what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Errors, warnings, output and files of a test are recorded even if the test discards them."""
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
