"""The seeded defects themselves; `make mutants` tries them all."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from typing import TYPE_CHECKING

import pytest

from contract_tests.mutants.__main__ import document
from contract_tests.mutants.gateways import DEFECTS, Defect
from contract_tests.mutants.running import ROOT, Tried, correct_gateway, gateways
from contract_tests.mutants.sdk import MISTAKES, Mistake
from kkiai_sdk.contract import Severity
from tests.contract.conftest import gentle_check

if TYPE_CHECKING:
    from contract_tests.faulty_gateway import Reply
    from kkiai_sdk.contract._messages import Request

#: What only a full check finds.
UNGENTLE = [
    each
    for each in DEFECTS
    if each.group in {"methods", "keys", "below a path"} or each.name.startswith(("crashes on", "bel"))
]


def test_seeded_defects_are_many_and_named_apart() -> None:
    """At least 40 defects of a gateway and 25 of the SDK, each with a name of its own."""
    assert len(DEFECTS) >= 40
    assert len(MISTAKES) >= 25
    names = Counter((each.group, each.name) for each in DEFECTS)
    assert max(names.values()) == 1
    assert len({each.name for each in MISTAKES}) == len(MISTAKES)


#: Defects that leave each other alone, and between them break every rule for which a dozen questions are not enough.
TOGETHER = (
    *("the key in another header does", "any other scheme does", "bearer in small letters is refused"),
    *("DELETE answers 204", "HEAD is a page", "Allow names too many"),
    "crashes on letters beyond ASCII",
)


@pytest.mark.deep
def test_defects_together_are_found_by_a_full_check() -> None:
    """Each of many defects in one gateway is found, under the rule that names it."""
    mutations = [each.mutation for each in DEFECTS if each.name in TOGETHER and not each.prefix]

    def all_of_them(request: Request, reply: Reply) -> Reply:
        return reduce(lambda so_far, mutation: mutation(request, so_far), mutations, reply)

    assert len(mutations) == len(TOGETHER)
    assert gentle_check(all_of_them).findings == ()
    assert {finding.rule for finding in gentle_check(all_of_them, fuzz=True).findings} == {
        *("key-wrong", "key-form", "key-case", "server-error-again", "head-differs"),
        *("method-open", "allow-header-conformance"),
    }


@pytest.mark.deep
@pytest.mark.parametrize("defect", UNGENTLE, ids=[f"{each.group}: {each.name}" for each in UNGENTLE])
def test_defect_is_found_by_a_full_check(defect: Defect) -> None:
    """A defect that a dozen queries may not show is found by the full check."""
    (tried,) = gateways((defect,))
    assert tried.caught_by
    assert all(place.startswith("openapi.yaml:") for place in tried.where)


@pytest.mark.deep
def test_correct_gateway_passes_the_full_check() -> None:
    """Nothing is found in a gateway without a defect."""
    assert (correct_gateway(7).findings, correct_gateway(8).exit_code(Severity.DRIFT)) == ((), 0)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[each.name for each in MISTAKES])
def test_seeded_mistake_matches_its_file_once(mistake: Mistake) -> None:
    """The text that a mistake replaces is in its file exactly once."""
    assert (ROOT / mistake.file).read_text("utf-8").count(mistake.old) == 1


def test_matrix_names_what_was_not_caught() -> None:
    """The written matrix counts defects and shows those that nothing caught."""
    rows = [Tried("g", "one", ("rule-x (drift)",), ("openapi.yaml:7",)), Tried("g", "two", (), (), "full check")]
    text = document(20, rows, rows[:1])
    assert "| defects of a gateway | 2 | 1 |" in text
    assert "| g | one | rule-x (drift) | openapi.yaml:7 |" in text
    assert "| g | two (full check) | nothing | nothing |" in text
