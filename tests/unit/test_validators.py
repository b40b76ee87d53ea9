"""Validation of arguments: the normal form, or a ConfigurationError that names the option and the range."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import ConfigurationError, _validators
from tests.unit.support import brief

if TYPE_CHECKING:
    from collections.abc import Callable

SPAN = "a number greater than 0 and at most 60"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (59.5, 59.5), (60, 60.0), (1e-9, 1e-9), (timedelta(seconds=2, milliseconds=500), 2.5)],
)
def test_number_in_range_becomes_a_float(value: object, expected: float) -> None:
    """Integers, floats and timedeltas within the range are returned as a float."""
    number = _validators.number("timeout", value, low=0, high=60, above=True)
    assert (number, type(number)) == (expected, float)


@pytest.mark.parametrize("value", [True, False, "skip"])
def test_values_of_overwrite_are_returned_as_they_are(value: object) -> None:
    """True, False and "skip" are accepted."""
    assert _validators.overwrite(value) is value


@pytest.mark.parametrize(("value", "told"), [(1, "int"), (None, "NoneType"), ("SKIP", "'SKIP'"), ("é", r"'\xe9'")])
def test_other_values_of_overwrite_are_rejected(value: object, told: str) -> None:
    """Any other value is rejected, and named as text or by its type."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.overwrite(value)
    assert str(caught.value) == f"overwrite must be True, False or 'skip', not {told}"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (-1, "-1"),
        (60.5, "60.5"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (1e300, "1e+300"),
        (10**18 + 1, "a number far outside that range"),
        (-(10**5000), "a number far outside that range"),
        (timedelta(days=-1), "-86400.0"),
        (True, "bool"),
        (None, "NoneType"),
        ("5", "str"),
        (b"5", "bytes"),
        (5j, "complex"),
        ([5], "list"),
    ],
    ids=brief,
)
def test_invalid_number_is_rejected(value: object, told: str) -> None:
    """Anything but a number within the range is rejected, with option, range and value."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.number("timeout", value, low=0, high=60, above=True)
    assert str(caught.value) == f"timeout must be {SPAN}, not {told}"


def test_lower_bound_is_included_without_above() -> None:
    """Without `above` the lower end itself is accepted, and the message says so."""
    assert _validators.number("growth", 0, low=0, high=1) == 0.0
    with pytest.raises(ConfigurationError, match="growth must be a number from 0 to 1, not -1"):
        _validators.number("growth", -1, low=0, high=1)


@pytest.mark.parametrize("value", [0, 3, 100])
def test_integer_in_range_is_returned(value: int) -> None:
    """Integers within the range are returned unchanged."""
    assert _validators.whole("max_retries", value, low=0, high=100) == value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (-1, "-1"),
        (101, "101"),
        (10**18, "1000000000000000000"),
        (10**5000, "a number far outside that range"),
        (True, "bool"),
        (3.0, "float"),
        ("3", "str"),
        (None, "NoneType"),
    ],
    ids=brief,
)
def test_invalid_integer_is_rejected(value: object, told: str) -> None:
    """Anything but an integer within the range is rejected, with option, range and value."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.whole("max_retries", value, low=0, high=100)
    assert str(caught.value) == f"max_retries must be a whole number from 0 to 100, not {told}"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (1800, 1800.0),
        (None, math.inf),
        (math.inf, math.inf),
        (timedelta(minutes=2), 120.0),
        (31_536_000, 31_536_000.0),
    ],
)
def test_wait_timeout_is_zero_to_a_year_or_unlimited(value: object, seconds: float) -> None:
    """A wait may take 0 seconds to a year; None and infinity are no limit."""
    assert _validators.wait_timeout(value) == seconds


@pytest.mark.parametrize(
    "value", [-1, -0.001, math.nan, -math.inf, 31_536_001, True, "60", timedelta(seconds=-1), 10**400], ids=brief
)
def test_invalid_wait_timeout_is_rejected(value: object) -> None:
    """A timeout that is negative, NaN, longer than a year, or of another type is rejected, with the range."""
    with pytest.raises(ConfigurationError, match=r"^timeout must be .* from 0 to 31,536,000 \(a year\), not "):
        _validators.wait_timeout(value)


@pytest.mark.parametrize(
    "value", ["x", "grok:eee6-faa8", "a/b?x=1#y", "a&b=c", "%2e%2e", "../..", "...", "牛🐄", "i" * 256], ids=brief
)
def test_printable_task_id_is_returned(value: str) -> None:
    """An id of 1 to 256 printable characters without spaces is returned unchanged."""
    assert _validators.task_id(value) == value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "this one has 0"),
        ("i" * 100 + " ", f"character 101 of '{'i' * 79} is not allowed"),
        ("i" * 257, "this one has 257"),
        ("i" * 10_000_000, "this one has 10000000"),
        ("a b", r"character 2 of 'a b' is not allowed"),
        (" a", r"character 1 of ' a' is not allowed"),
        ("a\n", r"character 2 of 'a\n' is not allowed"),
        ("a\r\nX: y", r"character 2 of 'a\r\nX: y' is not allowed"),
        ("\0", r"character 1 of '\x00' is not allowed"),
        ("a\u200bb", r"character 2 of 'a\u200bb' is not allowed"),
        ("a\u202eb", r"character 2 of 'a\u202eb' is not allowed"),
        ("a\ud800", r"character 2 of 'a\ud800' is not allowed"),
        ("a\u3000b", r"character 2 of 'a\u3000b' is not allowed"),
        ("\x7f", r"character 1 of '\x7f' is not allowed"),
        (".", "not '.'"),
        ("..", "not '..'"),
        (None, "not NoneType"),
        (5, "not int"),
        (b"x", "not bytes"),
        (["x"], "not list"),
    ],
    ids=brief,
)
@pytest.mark.fault("S-02")
def test_invalid_task_id_is_rejected(value: object, told: str) -> None:
    """An invalid id is rejected, with the rule and the violation, on one line of visible characters."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.task_id(value)
    text = str(caught.value)
    assert text.startswith("a task id must be 1 to 256 printable characters without spaces")
    assert text.endswith(told)
    assert text.isprintable()


@pytest.mark.parametrize(
    ("value", "key"),
    [("sk-abc", "sk-abc"), ("  sk-abc\n", "sk-abc"), ("\tsk-abc\r\n", "sk-abc"), ("!~", "!~"), ("k" * 512, "k" * 512)],
    ids=brief,
)
def test_key_is_stripped(value: str, key: str) -> None:
    """A key loses surrounding white space."""
    assert _validators.api_key(value) == key


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("Canary\nkey", "character 7 of api_key is not allowed; use visible ASCII characters only"),
        ("Canary key", "character 7 of api_key is not allowed; use visible ASCII characters only"),
        ("Canary\0", "character 7 of api_key is not allowed; use visible ASCII characters only"),
        ("Canary\r\nX-Evil: 1", "character 7 of api_key is not allowed; use visible ASCII characters only"),
        ("Canary\x7f", "character 7 of api_key is not allowed; use visible ASCII characters only"),
        ("Canaryé", "character 7 of api_key is not allowed; use visible ASCII characters only"),
        ("\u201cCanary\u201d", "character 1 of api_key is not allowed; use visible ASCII characters only"),
        ("Canary" * 100, "api_key must have at most 512 characters; this one has 600"),
        ("", "api_key is empty; pass api_key=… or set KKIAI_API_KEY"),
        (" \n", "api_key is empty; pass api_key=… or set KKIAI_API_KEY"),
        (None, "api_key must be a string or a function that returns one, not NoneType"),
        (b"Canary", "api_key must be a string or a function that returns one, not bytes"),
        (5, "api_key must be a string or a function that returns one, not int"),
    ],
    ids=brief,
)
@pytest.mark.fault("K-03")
def test_invalid_key_is_rejected_without_showing_it(value: object, told: str) -> None:
    """An invalid key is rejected: the message says where the fault is and never shows the key."""
    with pytest.raises(ConfigurationError) as caught:
        _validators.api_key(value)
    assert str(caught.value) == told
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", [None, print, lambda: None])
def test_callable_or_none_is_a_callback(value: Callable[..., object] | None) -> None:
    """A callback is something callable, or None."""
    _validators.callback("progress", value, is_awaited=False)


class AwaitedCall:
    """An object whose call must be awaited."""

    async def __call__(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("value", [AwaitedCall(), AwaitedCall().__call__])
def test_coroutine_function_is_a_callback_if_it_is_awaited(value: Callable[[], object]) -> None:
    """A coroutine function, or an object with one, is accepted where its result is awaited, and nowhere else."""
    _validators.callback("progress", value, is_awaited=True)
    with pytest.raises(ConfigurationError) as caught:
        _validators.callback("progress", value, is_awaited=False)
    assert str(caught.value) == "progress must be a plain function: the synchronous client cannot await"


def test_callback_that_is_not_callable_is_rejected() -> None:
    """A callback that is not callable is rejected, with the option's name."""
    with pytest.raises(ConfigurationError, match="progress must be callable or None, not int"):
        _validators.callback("progress", 5, is_awaited=False)


@pytest.mark.parametrize(("value", "told"), [(None, "NoneType"), (5, "int"), ("grok:1", "str"), (b"grok:1", "bytes")])
@pytest.mark.parametrize("check", [_validators.id_list, _validators.unique_ids])
def test_single_text_or_non_iterable_is_rejected_as_ids(
    check: Callable[[object], object], value: object, told: str
) -> None:
    """One text, or anything that is not iterable, is rejected as a whole."""
    with pytest.raises(ConfigurationError, match=f"^task_ids must be an iterable of strings, not {told}$"):
        check(value)


def test_ids_of_any_type_are_passed_on() -> None:
    """Ids of any type are passed on to be validated one by one; unhashable ones are replaced by their repr."""
    assert _validators.id_list(iter(["a", 5, ["b"]])) == ["a", 5, "['b']"]


def test_duplicate_ids_are_dropped_lazily() -> None:
    """Duplicates are dropped; an iterator is read no further than needed."""
    assert list(_validators.unique_ids(["a", "b", "a", ["c"]])) == ["a", "b", "['c']"]
    source = iter(["a", ["c"], "b"])
    taken = iter(_validators.unique_ids(source))
    assert [next(taken), next(taken)] == ["a", "['c']"]
    assert list(source) == ["b"]
    assert list(_validators.unique_ids([["x" * 300]])) == ["['" + "x" * 254]
