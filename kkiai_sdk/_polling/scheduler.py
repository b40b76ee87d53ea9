"""Many waiting tasks: whom to ask now, and until when to sleep.

One queue of due times stands before the client. A waiting task is one ``History`` in it: no
thread, no coroutine. The longest overdue is asked first; nothing is ranked by age, because ranking starves old tasks.
Ids are taken in one by one, when their first question can be asked; until then they wait where they come from.

The rules, beside those of ``poll_state``.

* A few requests are in flight at once, at the pace of :mod:`kkiai_sdk._polling.rate_limiter`.
* Asking again after a failure is a retry and is paid for from the client's budget of retries. When that is used up, one
  such question per ``min_interval`` goes out for all together, until good answers have filled the budget again: an
  outage is met with fewer requests, not with more. Tasks that are doing well are not held up, so there are two heaps.
* Many tasks are asked in little bursts: a process that waits for hundreds wakes up twenty times a second at most.
* There is one deadline for all. The last looks at it share the time of one; who finds no place in it ends unasked, and
  so does everybody when the server asks for a pause beyond the deadline. Where nobody saw the deadline pass, because
  the machine was suspended, the last looks go on for as long as they are answered: no task ends that was not asked.
* Of an answer that ends nothing only the documented fields are kept.

Pure, like ``poll_state``: time and randomness come in as arguments, and the driver does as it is told.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, frozen

from kkiai_sdk import _validators as _checks
from kkiai_sdk._effects import Sleep
from kkiai_sdk._polling import poll_state as _waiting
from kkiai_sdk._polling.poll_state import LAST_LOOK, LEAST_LOOK, MAX_HINT, End, History
from kkiai_sdk._polling.rate_limiter import SLACK, Pace
from kkiai_sdk.errors import APIError, RateLimitError

if TYPE_CHECKING:
    from kkiai_sdk._http.retry import RetryBudget
    from kkiai_sdk.errors import KkiaiError
    from kkiai_sdk.models import VideoTask
    from kkiai_sdk.policies import PollPolicy


@frozen
class TakeIn:
    """There is room, and time, for another id: ``admit`` it, or say that there are ``no_more``."""


@frozen
class AskAbout:
    """Poll this task now; the answer may take ``budget`` seconds."""

    task_id: str
    budget: float


@frozen
class Await:
    """Wait for an answer that is on its way, at most until this time (infinite: however long it takes)."""

    until: float


@frozen
class Ended:
    """The time of this task has run out before its turn came."""

    history: History


@frozen
class Finished:
    """Every task has ended."""


#: From so many tasks on, those who are due within this many seconds of each other are asked in one go: waking up for
#: each by itself takes half as much CPU again. The pace makes up for as much, and next to the gap between two polls of
#: one task it is nothing.
CROWD = 100
NAP = SLACK

Step: TypeAlias = TakeIn | AskAbout | Await | Sleep | Ended | Finished


@frozen
class Limits:
    """How much at once."""

    #: Requests in flight.
    concurrency: int
    #: Requests per second, infinity included.
    per_second: float = math.inf
    #: Tasks that wait at a time.
    waiting: int = 10_000

    @classmethod
    def of(cls, max_concurrency: object, max_requests_per_second: float | None, max_waiting: object) -> Limits:
        """What the caller asks for, checked. Without a limit, None or infinity, the pace comes out as infinity."""
        per_second = math.inf if max_requests_per_second is None else max_requests_per_second
        if per_second != math.inf:
            per_second = _checks.number("max_requests_per_second", per_second, low=0, high=1e6, above=True)
        return cls(
            _checks.whole("max_concurrency", max_concurrency, low=1, high=1000),
            per_second,
            _checks.whole("max_waiting", max_waiting, low=1, high=10_000_000),
        )


class Fleet:
    """The tasks that wait together. ``tries`` is how many failed tries count as one failed query."""

    def __init__(
        self, limits: Limits, policy: PollPolicy, budget: RetryBudget, *, now: float, timeout: float, tries: int = 1
    ) -> None:
        self._limits, self._policy, self._budget, self._tries = limits, policy, budget, tries
        self._timeout = timeout
        self._deadline = now + timeout
        self._closes = now + timeout + LAST_LOOK
        self._stepped = now
        self._has_overslept = False
        self._pace = Pace(now, limits.per_second, policy.min_interval)
        # By due time, then by order of arrival: those whose last query was answered, and those whose last one failed.
        self._well: list[tuple[float, int, History]] = []
        self._ill: list[tuple[float, int, History]] = []
        self._arrivals = 0
        self._probe_at = now
        #: The tasks that are being asked about, and since when.
        self._in_flight: dict[str, tuple[History, float]] = {}
        # Since when there is room for another id; those who come first have all been due from the start.
        self._vacant_since = now
        self._is_open = True

    def admit(self, task_id: str) -> None:
        """Take in an id, after a ``TakeIn``. It must not be waiting already."""
        since = self._vacant_since
        self._push(History(task_id=task_id, started=since, deadline=self._deadline, due=since))

    def no_more(self) -> None:
        """There are no more ids."""
        self._is_open = False

    def step(self, now: float) -> Step:
        """What to do now. Each AskAbout must be followed by ``answered``, ``failed`` or ``refused`` for its task."""
        self._notice_a_gap(now)
        vacant, well, ill = self._vacancy(), self._well[0][0] if self._well else math.inf, self._ill_at()
        due = min(vacant, well, ill)
        if math.isinf(due):
            return Await(math.inf) if self._in_flight else Finished()
        if len(self._in_flight) >= (1 if self._pace.is_doubtful else self._limits.concurrency):
            return Await(math.inf)
        at = max(due, self._pace.free_at(self._deadline))
        if self._has_overslept and self._in_flight and max(now, at) > self._last_call():
            # An answer that is on its way gives the others their turn.
            return Await(math.inf)
        is_hopeless = self._pace.closed_until > self._deadline or at > self._last_call()
        if now < at and not is_hopeless:
            wake = max(at, min(now + self._shortest_nap(), self._last_call()))
            return Await(wake) if self._in_flight else Sleep(wake)
        # Of the equally overdue, those who are in come first.
        return TakeIn() if vacant < min(well, ill) else self._ask(now, is_ill=ill < well, is_hopeless=is_hopeless)

    def _ask(self, now: float, *, is_ill: bool, is_hopeless: bool) -> AskAbout | Ended:
        _, _, history = heapq.heappop(self._ill if is_ill else self._well)
        budget = 0.0 if is_hopeless else self._time_for_one(now)
        if not budget:
            self._leave(now)
            return Ended(evolve(history, end=_waiting.out_of_time(history)))
        if is_ill and not self._budget.spend():
            self._probe_at = now + self._policy.min_interval
        self._pace.sent(now)
        self._in_flight[history.task_id] = history, now
        return AskAbout(history.task_id, budget)

    def answered(
        self, task_id: str, task: VideoTask, now: float, random: float, *, hint: float | None = None
    ) -> History:
        """Take in an answer. The history says whether, and how, the wait for this task is over."""
        history, _ = self._in_flight.pop(task_id)
        self._pace.went_well(now)
        if self._has_overslept and history.started < self._deadline:
            # The others that were waiting have their turn, too.
            self._closes = now + LAST_LOOK
        return self._settle(_waiting.after_answer(history, task, now, self._policy, random, hint=hint), now)

    def failed(self, task_id: str, error: APIError, now: float, random: float) -> History:
        """Take in a failed query. The history says whether, and how, the wait for this task is over."""
        history, sent = self._in_flight.pop(task_id)
        asked = error.retry_after or 0.0
        if isinstance(error, RateLimitError) or (error.transient and asked):
            # A longer one is no pause but a refusal, and the one who got it will say so.
            self._pace.refused(now, sent, asked if asked <= MAX_HINT else 0.0)
        elif not error.transient:
            self._pace.went_well(now)
        after = _waiting.after_error(history, error, now, self._policy, random, sent=sent, tries=self._tries)
        return self._settle(after, now)

    def refused(self, task_id: str, error: KkiaiError, now: float) -> History:
        """Take in that a task could not be asked about. Its wait is over."""
        history, _ = self._in_flight.pop(task_id)
        return self._settle(evolve(history, last_error=error, end=End.BROKEN), now)

    def _settle(self, history: History, now: float) -> History:
        if history.end is None:
            self._push(_waiting.slim(history))
        else:
            self._leave(now)
        return history

    def _push(self, history: History) -> None:
        self._arrivals += 1
        heapq.heappush(self._ill if history.errors_in_row else self._well, (history.due, self._arrivals, history))

    def _leave(self, now: float) -> None:
        """A task ended: there is room for another."""
        if self._held() + 1 == self._limits.waiting:
            self._vacant_since = now

    def _held(self) -> int:
        return len(self._well) + len(self._ill) + len(self._in_flight)

    def _vacancy(self) -> float:
        """Since when another id could be asked about."""
        return self._vacant_since if self._is_open and self._held() < self._limits.waiting else math.inf

    def _shortest_nap(self) -> float:
        return NAP if self._held() >= CROWD else 0.0

    def _ill_at(self) -> float:
        """When the next of those may be asked whose last query failed."""
        if not self._ill:
            return math.inf
        return self._ill[0][0] if self._budget.left > 0 else max(self._ill[0][0], self._probe_at)

    def _notice_a_gap(self, now: float) -> None:
        """When nobody saw the deadline pass (a laptop was suspended), the time of the last looks begins now."""
        # Whoever is awake is back by then: what is asked just before the deadline takes no longer.
        if self._stepped < self._deadline and now > self._deadline + LEAST_LOOK:
            self._has_overslept = True
            self._closes = now + LAST_LOOK
            # Those who wait come before those who could still be taken in, who may be without end.
            self._vacant_since = max(self._vacant_since, now)
        self._stepped = now

    def _last_call(self) -> float:
        """After this time nobody is asked any more. With a timeout of 0 the one try of each is all there is."""
        return self._closes - LEAST_LOOK if self._timeout else math.inf

    def _time_for_one(self, now: float) -> float:
        """Seconds that a poll made now may take; 0 says that it must not be made any more."""
        if not self._timeout:
            return math.inf
        left = self._deadline - now
        if left > 0:
            return max(left, LEAST_LOOK)
        return self._closes - now if now <= self._last_call() else 0.0
