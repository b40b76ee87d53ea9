"""When a question is asked again, and what is made of an answer that says nothing: pure judgement for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from kkiai_sdk.contract import _probes

if TYPE_CHECKING:
    from kkiai_sdk.contract._messages import Response

#: Times that one question is asked again.
PER_PROBE = 2
#: Questions in a row for which asking again was in vain, after which the rest is asked once.
IN_VAIN = 2
#: Seconds that are waited for at most, whatever the time limit is.
LONGEST_PAUSE = 60.0
#: What a gateway says that does not take the key.
REFUSALS = frozenset({401, 403})
#: The share of generated requests that may be answered 429 before the check says that it was not made in full.
BUSY_SHARE = 0.1


@define
class Budget:
    """How many repeats there may still be.

    :param left: in all; None for any number.
    """

    left: int | None = None
    _vain: int = 0

    def pause(self, response: Response | None, tried: int, remaining: float) -> float | None:
        """Seconds after which a question is asked again; None if it is not. A response of None did not come in time."""
        if response is not None and not _probes.may_pass(response):
            return None
        # Trouble and silence are given one more chance, haste two.
        most = PER_PROBE if response is not None and response.status == 429 else 1
        seconds = _probes.pause(response)
        is_over = tried >= most or self.left == 0 or self._vain >= IN_VAIN
        return None if is_over or seconds > min(remaining, LONGEST_PAUSE) else seconds

    def spend(self) -> None:
        """One repeat is made."""
        self.left = None if self.left is None else self.left - 1

    def note(self, response: Response | None, tried: int) -> None:
        """What became of a question that was asked again."""
        is_vain = tried > 0 and (response is None or _probes.may_pass(response))
        self._vain = self._vain + 1 if is_vain else self._vain if not tried else 0


def overall(statuses: list[int], reasons: dict[str, None]) -> str | None:
    """Why the answers to the good key say nothing about the contract, or None.

    :param statuses: of the last answer to each question with the good key.
    :param reasons: what answers that say nothing said.
    """
    seen = set(statuses)
    words = ", ".join(map(str, sorted(seen)))
    if not seen:
        return "no request got a whole answer"
    if seen <= REFUSALS:
        return f"the gateway refuses the key ({words})"
    if seen <= {402, 429} and reasons:
        return next(iter(reasons))
    if all(status >= 500 or status in {402, 429} for status in seen):
        return f"the gateway is in trouble: every request with the key is answered {words}"
    return None
