"""The wire itself: it notices each deviation from the spec, whatever the SDK makes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from contract_tests.wire import BASE_URL, TASK_ID, VIDEO_URL, Wire, answer, task
from kkiai_sdk import KkiaiError

if TYPE_CHECKING:
    from contract_tests.wire import Canned
    from kkiai_sdk import Kkiai
    from kkiai_sdk.contract._spec import Spec
    from tests.support.adapter import Maker


def play(client: Kkiai, spec: Spec, *answers: Canned) -> None:
    """One query over a wire with these answers. What the client raises is its own affair."""
    with Wire(spec) as wire:
        wire.answers(*answers)
        with suppress(AssertionError, KkiaiError):
            client.query(TASK_ID)


def test_request_with_an_undeclared_header_is_noticed(make: Maker, spec: Spec) -> None:
    """A request with a header that the spec does not know fails the test that sent it."""
    client = make(BASE_URL, default_headers={"X-Tenant": "seven"})
    with pytest.raises(AssertionError, match="header x-tenant undeclared"):
        play(client, spec, answer(task()))


def test_request_for_another_media_type_is_noticed(make: Maker, spec: Spec) -> None:
    """A request without the documented Accept fails the test that sent it."""
    client = make(BASE_URL, default_headers={"Accept": "*/*"})
    with pytest.raises(AssertionError, match=r"header Accept must be application/json"):
        play(client, spec, answer(task()))


def test_request_without_a_canned_answer_is_noticed(make: Maker, spec: Spec) -> None:
    """A request that no answer was laid out for fails the test, even when it swallows the exception."""
    client = make(BASE_URL)
    with pytest.raises(AssertionError, match="no answer was laid out"):
        play(client, spec)


def test_request_to_another_host_is_noticed(make: Maker, spec: Spec) -> None:
    """A query that goes to another host fails the test, although an answer is laid out."""
    client = make("https://else.example.com")
    with pytest.raises(AssertionError, match=r"else\.example\.com"):
        play(client, spec, answer(task()))


def test_answer_that_is_not_used_is_noticed(make: Maker, spec: Spec) -> None:
    """An answer that nobody asked for fails the test."""
    client = make(BASE_URL)
    with pytest.raises(AssertionError, match="an answer that nobody asked for"):
        play(client, spec, answer(task()), answer(task()))


def test_file_that_is_not_used_is_noticed(spec: Spec) -> None:
    """A file that nobody asked for fails the test."""
    with pytest.raises(AssertionError, match="a file that nobody asked for"), Wire(spec) as wire:
        wire.file(VIDEO_URL, b"")


def test_unmarked_answer_off_the_contract_is_noticed(make: Maker, spec: Spec) -> None:
    """An answer that breaks the spec fails the test unless it is marked."""
    client = make(BASE_URL)
    with pytest.raises(AssertionError, match="response-schema"):
        play(client, spec, answer(task(status=7)))


def test_marked_answer_on_the_contract_is_noticed(make: Maker, spec: Spec) -> None:
    """A mark on an answer that keeps the contract fails the test."""
    client = make(BASE_URL)
    with pytest.raises(AssertionError, match="marked off_contract"):
        play(client, spec, answer(task(), off_contract=True))


def test_exception_of_the_test_is_not_hidden(spec: Spec) -> None:
    """An exception of the test comes through in place of what is left over on the wire."""
    wire = Wire(spec)
    wire.answers(answer(task()))
    with pytest.raises(ZeroDivisionError), wire:
        raise ZeroDivisionError
