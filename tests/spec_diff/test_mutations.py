"""The real spec, changed at random in one place: there is always word of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codegen.spec_compare import compare
from codegen.spec_document import validated
from codegen.spec_rules import Level
from kkiai_sdk import ConfigurationError
from tests.spec_diff.cases import ROOT, from_data
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.spec_document import Document
    from codegen.spec_walk import Change

SPEC: dict[str, Any] = YAML(typ="safe").load(ROOT / "openapi.yaml")
# One more change, so that what no rule sees cannot be caught by the comparison of the documents as a whole.
KNOWN = ("info", "title")
BASE = from_data({**SPEC, "info": {**SPEC["info"], "title": "Another title"}}, "openapi.yaml")
# What lies under these is for people to read.
FOR_PEOPLE = {"description", "summary", "example", "examples", "tags", "title"}
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -3,
    2.5,
    "",
    "other",
    [],
    {},
    ["other"],
    {"other": 1},
    [{}],
    {"$comment": "c"},
]


def steps_to(value: Any, around: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The steps to every member and item of a value, from the outside in."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*around, key)
        yield from steps_to(value[key], (*around, key))


PLACES = [steps for steps in steps_to(SPEC) if steps != KNOWN]


def holder_of(steps: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """A fresh copy of the spec, and in it what holds the place."""
    spec = json.loads(json.dumps(SPEC))
    holder = spec
    for step in steps[:-1]:
        holder = holder[step]
    return spec, holder


def changes(spec: object) -> list[Change] | None:
    """Return the report of the comparison; None if the document is refused, as are all that cannot be compared."""
    document = from_data(spec, "changed")
    try:
        found = compare(BASE, document)
    except Exception:
        if is_refused(document):
            return None
        raise
    return [change for change in found if change.pointer != "/info/title"]


def is_refused(document: Document) -> bool:
    """Whether a document is refused, or one of its references; both are named."""
    try:
        compare(BASE, validated(document))
    except ConfigurationError as error:
        return "changed" in str(error)
    return False


def is_for_people(steps: tuple[Any, ...]) -> bool:
    """Whether a place lies in words for people: outside them every word of the spec counts."""
    return not FOR_PEOPLE.isdisjoint(steps[1:]) or steps[0] == "tags"


@settings(max_examples=examples(400), deadline=None, derandomize=True, database=None)
@given(steps=st.sampled_from(PLACES), value=st.sampled_from(VALUES))
def test_another_value_is_reported(steps: tuple[Any, ...], value: object) -> None:
    """Any value replaced by any other one is reported at, in or around its place."""
    spec, holder = holder_of(steps)
    assume(json.dumps(holder[steps[-1]]) != json.dumps(value))
    holder[steps[-1]] = value
    found = changes(spec)
    assert found != []


@pytest.mark.deep
def test_a_missing_member_is_reported() -> None:
    """Every member and item of the spec is missed when it is gone; what callers feel is not called harmless."""
    for steps in PLACES:
        spec, holder = holder_of(steps)
        del holder[steps[-1]]
        assert changes(spec) != [], steps


@pytest.mark.deep
def test_a_value_of_another_kind_is_not_harmless() -> None:
    """Outside of words for people, nothing can be replaced by what cannot stand there and be called harmless."""
    for steps in (each for each in PLACES if not is_for_people(each)):
        spec, holder = holder_of(steps)
        holder[steps[-1]] = 17.5
        found = changes(spec)
        is_felt = found is None or any(change.rule.level is not Level.HARMLESS for change in found)
        assert is_felt or is_refused(from_data(spec, "changed")), steps


@pytest.mark.deep
def test_a_renamed_member_is_reported() -> None:
    """Every member of the spec is missed when it goes by another name."""
    for steps in (each for each in PLACES if isinstance(each[-1], str)):
        spec, holder = holder_of(steps)
        holder["other"] = holder.pop(steps[-1])
        assert changes(spec) != [], steps


@pytest.mark.deep
def test_a_new_member_is_reported() -> None:
    """No object of the spec can get a member that nobody has heard of without word of it."""
    for steps in [(), *PLACES]:
        spec, holder = holder_of((*steps, "other"))
        if isinstance(holder, dict):
            holder["other"] = "new"
            assert changes(spec) != [], steps


@pytest.mark.deep
def test_other_items_are_reported() -> None:
    """Every list of the spec is watched: its order, one item twice, and one item more."""
    for steps in PLACES:
        spec, holder = holder_of((*steps, 0))
        if isinstance(holder, list) and holder:
            for items in (holder[::-1], [*holder, holder[0]], [*holder, "other"]):
                if items != holder:
                    here, around = holder_of(steps)
                    around[steps[-1]] = items
                    assert changes(here) != [], (steps, items)
        assert spec == SPEC
