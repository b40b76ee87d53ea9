"""What a rule is, what it weighs, and what a breach of it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen

from kkiai_sdk.contract._messages import Problem
from kkiai_sdk.contract._seen import Exchange, Seen

#: Where the spec says the most.
TASK = "/components/schemas/VideoTask"
PROPERTIES = f"{TASK}/properties"
QUERY = "/paths/~1v1~1video~1query/get"


class Severity(StrEnum):
    """What a breach means for those who follow the documentation."""

    #: Their clients break.
    BREAKING = "breaking"
    #: Undocumented, but harmless.
    DRIFT = "drift"
    #: Allowed, and worth knowing.
    ADVICE = "advice"


#: Address, expected and got of a breach and its key: what tells it from other breaches of the rule at this place.
Words: TypeAlias = tuple[str, str, str, str]
Check: TypeAlias = Callable[[Seen], Iterable[Words]]


@frozen
class Rule:
    """One thing that is asked of an answer."""

    id: str
    severity: Severity
    #: Where the spec says it.
    address: str
    description: str
    #: Gives the words of every breach. Rules about more than one answer are applied elsewhere.
    check: Check = field(repr=False, default=lambda _: ())


@frozen
class Breach:
    """A rule that was broken, once."""

    rule: Rule
    problem: Problem
    exchange: Exchange

    @classmethod
    def of(cls, rule: Rule, words: Words, exchange: Exchange) -> Breach:
        """A breach in these words."""
        return cls(rule, Problem(rule.id, *words), exchange)

    def __str__(self) -> str:
        request = self.exchange.request
        return f"{self.rule.severity}: {self.problem} in {request.method} {request.path}?{request.query}"


def cut(value: object) -> str:
    """A value as short ASCII text."""
    return ascii(value)[:100]
