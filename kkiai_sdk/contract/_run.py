"""One run against a gateway: the requests, their order, and the results.

It runs in its own thread, so that the caller can stop at any time with the results so far.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from attrs import Factory, define, evolve, field, frozen

from kkiai_sdk.contract import _fuzz, _operations, _probes
from kkiai_sdk.contract._conformance import STATUS
from kkiai_sdk.contract._history import task_reports
from kkiai_sdk.contract._http_runner import HttpRunner, NoResponseError, RetryBudget, inconclusive_reason, interval_of
from kkiai_sdk.contract._messages import PLACEHOLDER, Exchange, Request, Response, Scrubber
from kkiai_sdk.contract._probes import Probe
from kkiai_sdk.contract._rules import REFUSAL, judge, placed
from kkiai_sdk.contract._spec import QUERY_PATH, SAFE
from kkiai_sdk.contract._violations import Violation, class_of_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kkiai_sdk.contract._operations import Scope
    from kkiai_sdk.contract._spec import Spec

#: Rules that apply even if the key is refused or the gateway answers with server errors.
_KEYLESS = frozenset({_probes.NO_KEY, _probes.BAD_KEY, _probes.COMPLETE})
#: Statuses for invalid requests that HTTP itself defines, so that documents seldom declare them; and all others.
_OF_HTTP = frozenset({401, 403, 405, 413, 414, 415, 431})
_REFUSALS = _OF_HTTP | {400, 404, 422}
#: The share of generated requests that may be answered with 429 in a complete check.
MAX_THROTTLED = 0.1


@frozen
class Target:
    """A gateway and how it is checked."""

    base_url: str
    #: None if there is none; then the check cannot be made.
    api_key: str | None = field(repr=False)
    task_ids: tuple[str, ...]
    is_gentle: bool
    rate: str | None
    #: False if no task ids were given.
    are_ids_given: bool = True
    is_local: bool = True


@define
class Run:
    """A run and its results so far."""

    spec: Spec
    target: Target
    seed: int
    on_exchange: Callable[[int], object]
    #: The monotonic time at which the run is stopped.
    deadline: float
    scope: Scope
    #: The requests that may change something.
    writes: Sequence[Probe] = ()
    started: float = field(factory=time.monotonic)
    scrubber: Scrubber = Factory(lambda self: Scrubber(self.target.api_key or PLACEHOLDER), takes_self=True)
    exchanges: list[Exchange] = field(factory=list)
    violations: list[Violation] = field(factory=list)
    notes: list[str] = field(factory=list)
    #: Why the check could not be made, or None.
    problem: str | None = None
    is_basic_done: bool = False
    #: Rules that could not be checked, each with the reason.
    unchecked: dict[str, str] = field(factory=dict)
    crash: BaseException | None = None
    stopped: threading.Event = field(factory=threading.Event)
    #: Of the responses to the valid key: their statuses, and the reasons why some are inconclusive.
    _statuses: list[int] = field(factory=list)
    _inconclusive: list[str] = field(factory=list)
    _runner: HttpRunner = field(init=False)
    _budget: RetryBudget = field(factory=RetryBudget)
    _answered: set[Probe] = field(factory=set)

    def start(self) -> threading.Thread:
        """Start the run in a thread that does not keep the process alive."""
        thread = threading.Thread(target=self._guarded, name="kkiai-contract", daemon=True)
        thread.start()
        return thread

    def _guarded(self) -> None:
        try:
            self._runner = HttpRunner(self.target.base_url, interval_of(self.target.rate), self.stopped)
            with closing(self._runner):
                self._work(self.target, sure=self.target.are_ids_given)
        except Exception as error:  # noqa: BLE001 (raised again in the caller's thread)
            self.crash = error

    def _work(self, target: Target, *, sure: bool) -> None:
        scope, gentle = self.scope, target.is_gentle
        ids = target.task_ids if scope.has_query else ()
        tasks = _probes.task_probes(ids, gentle=gentle, sure=sure, others=len(scope.others))
        basic = _probes.basic_probes("", sure=sure) if scope.has_query else []
        if gentle:
            self._budget.left = _probes.GENTLE_LIMIT - len(tasks) - len(basic) - len(scope.others)
        self._probe(tasks)
        self._probe(_probes.basic_probes(self._best_id(), sure=sure) if basic else ())
        known = target.task_ids if target.are_ids_given else ()
        for each in scope.others:
            self._probe(_operations.read_probes(self.spec, each, known, gentle=gentle))
        if self.problem or self.stopped.is_set():
            return
        self.is_basic_done = True
        if (basic or scope.others) and self._is_inconclusive():
            return
        # Tasks progress: an older one may show what a new one does not, and must not go back.
        for probe in tasks:
            if self._budget.left != 0:
                self._budget.spend()
                self._probe([probe])
        if not gentle:
            self._in_full(tasks, sure=sure)
        self._probe(self.writes)
        if not gentle or self.writes:
            self._probe(_probes.crash_probes(self.exchanges, writes=bool(self.writes)))

    def _in_full(self, tasks: Sequence[Probe], *, sure: bool) -> None:
        if self.scope.has_query:
            self._probe(_probes.full_probes(self._best_id(), sure=sure, local=self.target.is_local))
            ids = map(_probes.query, _fuzz.NASTY_IDS)
            self._probe(Probe(_probes.UNKNOWN_TASK, query, _probes.ANY) for query in ids)
        self._probe(_operations.method_probes(self.spec, self.scope, keyless=True))
        if not self.stopped.is_set():
            self._fuzz()
        self._probe(tasks)

    def _best_id(self) -> str:
        """A task that has ended and does not change; else any; else one that does not exist."""
        ended = [each.asked for each in task_reports(self.exchanges) if each.end]
        return next(iter((*ended, *self.target.task_ids)), _probes.NO_TASK)

    def _probe(self, probes: Iterable[Probe]) -> None:
        for probe in probes:
            if self.stopped.is_set() or self.problem:
                return
            self._ask(probe)

    def _ask(self, probe: Probe) -> None:
        """Send one probe, and repeat it if a later response may be different."""
        request, repeats, faults = probe.request(self.target.api_key or ""), 0, list[NoResponseError]()
        while True:
            exchange = None
            try:
                exchange = self._keep(self.scrubber.exchange(self._runner.send(request)), is_good=probe.is_good)
            except NoResponseError as error:
                faults.append(error)
            response = exchange.response if exchange else None
            # A broken response is a defect, and if nothing listens, repeating does not help.
            is_final = faults and (faults[-1].is_broken or not (faults[-1].is_connected or self.exchanges))
            is_final = is_final or (request.method not in SAFE and probe.has_key)
            wait = None if is_final else self._budget.pause(response, repeats, self.deadline - time.monotonic())
            if wait is None or self.stopped.wait(wait):
                break
            self._budget.spend()
            repeats += 1
        self._budget.note(response, repeats)
        if exchange is None:
            self._unanswered(probe, request, faults[-1], repeats)
        else:
            self._answered_by(probe, exchange, faults)

    def _answered_by(self, probe: Probe, exchange: Exchange, faults: list[NoResponseError]) -> None:
        if faults:
            self.notes.append(f"a request was answered only when it was repeated: {faults[-1]}")
        if probe.has_key:
            self._statuses.append(exchange.response.status)
        reason = inconclusive_reason(exchange.response)
        if reason is None:
            self._answered.add(probe)
            self.violations += [placed(self.spec, each) for each in _probes.verdict(probe, exchange)]
        else:
            self._inconclusive.append(reason)
            self._skip(probe, reason)

    def _unanswered(self, probe: Probe, request: Request, error: NoResponseError, repeats: int) -> None:
        if not (error.is_broken or self.exchanges):
            self.problem = f"{self.target.base_url} cannot be reached: {error}"
        elif not (error.is_broken or repeats):
            self._skip(probe, f"there was no response, and no request was left to try again ({error})")
        else:
            self._note_fault(request, str(error), error.kind)

    def _skip(self, probe: Probe, reason: str) -> None:
        """Note a probe with an inconclusive response, which does not matter if an earlier one was conclusive."""
        if probe in self._answered:
            self.notes.append(f"{probe.rule.id} could not be checked again: {reason}")
        else:
            self.unchecked[probe.rule.id] = reason

    def _is_inconclusive(self) -> bool:
        """Whether all responses to the valid key are inconclusive; then they are not violations, either."""
        seen = set(self._statuses)
        words = ", ".join(map(str, sorted(seen)))
        if not seen:
            self.problem = "no request received a complete response"
        elif seen <= {401, 403}:
            self.problem = f"the gateway refuses the key ({words})"
        elif seen <= {402, 429}:
            self.problem = self._inconclusive[0]
        elif all(status >= 500 or status in {402, 429} for status in seen):
            self.problem = f"the gateway is failing: every request with the key was answered with {words}"
        if self.problem and seen:
            basic = {*_probes.RULES, *_probes.FULL_RULES} - _KEYLESS
            self.violations = [each for each in self.violations if each.rule not in basic]
        return self.problem is not None

    def _keep(self, exchange: Exchange, *, is_good: bool = False) -> Exchange:
        """Judge and keep an exchange. ``is_good``: the document has such a request, and declares the status."""
        self.exchanges.append(exchange)
        found = judge(self.spec, exchange)
        self.violations += found if is_good else filter(None, map(self._of_bad_request, found))
        self.on_exchange(len(self.exchanges))
        return exchange

    def _of_bad_request(self, violation: Violation) -> Violation | None:
        """The violation; less severe for an undeclared refusal of an invalid request, and none if HTTP defines it."""
        request, status = violation.exchange.request, violation.exchange.response.status
        operation = self.spec.operation(request.method, request.path)
        if violation.rule is not STATUS or operation is None or operation.is_query or status not in _REFUSALS:
            return violation
        # A document that declares no error status at all says nothing about them.
        is_listed = any(name.startswith("4") for name in self.spec.children(operation, "responses"))
        return evolve(violation, rule=REFUSAL) if is_listed and status not in _OF_HTTP else None

    def _note_fault(self, request: Request, reason: str, kind: str) -> None:
        exchange, key = self.scrubber.exchange(Exchange(request, Response(0))), f"{kind} {class_of_text(reason)}"
        self.violations.append(Violation(_probes.COMPLETE, exchange, "a complete HTTP response", reason, key))

    def _fuzz(self) -> None:
        first, late = len(self.exchanges), 0
        for each in _fuzz.generate(self.spec, self.target, self.scope, self.seed, self.scrubber.exchange):
            if self.stopped.is_set():
                return
            if isinstance(each, Exchange):
                self._keep(each)
            elif isinstance(each, Violation):
                self.violations.append(each)
            else:
                text, is_fault = each
                # One late response may be due to the network, two are due to the gateway.
                late += "Timeout(" in text
                if is_fault and not ("Timeout(" in text and late == 1):
                    # Schemathesis does not name the request.
                    self._note_fault(Request("GET", QUERY_PATH), text, text.partition("(")[0])
                else:
                    self.notes.append(text)
        sent = [exchange.response.status for exchange in self.exchanges[first:]]
        if sent.count(429):
            self.notes.append(
                f"{sent.count(429)} of {len(sent)} generated requests were answered with 429; lower --rate"
            )
        if sent.count(429) > MAX_THROTTLED * len(sent):
            self.unchecked["generated-requests"] = self.notes[-1]
