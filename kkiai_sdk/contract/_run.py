"""One run against a gateway: what is asked, in which order, and what is kept of the answers.

The work is done in a thread of its own, so that the caller can take what is known at any moment and go.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import define, evolve, field

from kkiai_sdk.contract import _fuzz, _probes
from kkiai_sdk.contract._asking import Asker, BrokenAnswerError, UnreachableError, gap
from kkiai_sdk.contract._history import told
from kkiai_sdk.contract._messages import Request
from kkiai_sdk.contract._repeats import BUSY_SHARE, Budget, overall
from kkiai_sdk.contract._rules import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kkiai_sdk.contract._probes import Probe
    from kkiai_sdk.contract._rule import Breach
    from kkiai_sdk.contract._scrub import Scrubber
    from kkiai_sdk.contract._seen import Exchange
    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._target import Target

#: What is still true when the key is refused or the gateway is in trouble.
_KEYLESS = frozenset({_probes.NO_KEY, _probes.BAD_KEY, _probes.WHOLE})


@define
class Run:
    """A run, and what is known so far."""

    spec: Spec
    target: Target
    scrubber: Scrubber
    seed: int
    on_exchange: Callable[[int], object]
    #: The monotonic time at which it is cut.
    deadline: float
    exchanges: list[Exchange] = field(factory=list)
    breaches: list[Breach] = field(factory=list)
    notes: list[str] = field(factory=list)
    problem: str | None = None
    is_basic_done: bool = False
    #: What could not be checked although it was asked for: rules, each with the reason.
    unchecked: dict[str, str] = field(factory=dict)
    #: What went wrong in the check itself.
    crash: BaseException | None = None
    stopped: threading.Event = field(factory=threading.Event)
    #: The statuses of the answers to requests with the good key, and what those said that say nothing.
    _statuses: list[int] = field(factory=list)
    _silences: dict[str, None] = field(factory=dict)
    _budget: Budget = field(factory=Budget)
    _answered: set[Probe] = field(factory=set)

    def start(self) -> threading.Thread:
        """Begin, in a thread that does not keep the process alive."""
        thread = threading.Thread(target=self._guarded, name="kkiai-contract", daemon=True)
        thread.start()
        return thread

    def _guarded(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 (it is raised again in the caller's thread)
            self.crash = error

    def _work(self) -> None:
        target, sure = self.target, self.target.are_ids_given
        tasks = _probes.about_tasks(target.task_ids, gentle=target.is_gentle, sure=sure)
        rules = _probes.about_rules(_probes.NO_TASK, sure=True)
        if target.is_gentle:
            self._budget.left = _probes.GENTLE_LIMIT - len(tasks) - len(rules)
        with Asker(target.base_url, gap(target.rate), self.stopped) as asker:
            self._probe(asker, tasks)
            self._probe(asker, _probes.about_rules(self._best_id(), sure=sure))
            if self.problem or self.stopped.is_set():
                return
            self.is_basic_done = True
            if self._says_nothing():
                return
            self._again(asker, tasks)
            if not target.is_gentle:
                self._in_full(asker, tasks)

    def _again(self, asker: Asker, tasks: list[Probe]) -> None:
        """A task moves on: what a young one does not show, an older one may. It must not go back, either."""
        for probe in tasks:
            if self._budget.left != 0:
                self._budget.spend()
                self._probe(asker, [probe])

    def _in_full(self, asker: Asker, tasks: list[Probe]) -> None:
        target = self.target
        self._probe(asker, _probes.about_more(self._best_id(), sure=target.are_ids_given, local=target.is_local))
        if not self.stopped.is_set():
            self._fuzz()
        self._probe(asker, tasks)
        self._probe(asker, _probes.crashes(self.exchanges))

    def _best_id(self) -> str:
        """A task that has ended does not change between two questions; else any, else none that exists."""
        ended = [each.asked for each in told(self.exchanges) if each.end]
        return next(iter((*ended, *self.target.task_ids)), _probes.NO_TASK)

    def _probe(self, asker: Asker, probes: Iterable[Probe]) -> None:
        for probe in probes:
            if self.stopped.is_set() or self.problem:
                return
            self._ask(asker, probe)

    def _ask(self, asker: Asker, probe: Probe) -> None:
        """One question, asked again where the answer says that it may be another one later."""
        tried, late = 0, None
        while True:
            answer = self._send(asker, probe)
            if self.problem:
                return
            response = None if isinstance(answer, Exception) else answer.response
            may_repeat = not isinstance(answer, BrokenAnswerError)
            wait = self._budget.pause(response, tried, self.deadline - time.monotonic()) if may_repeat else None
            late = answer if isinstance(answer, Exception) else late
            if wait is None or self.stopped.wait(wait):
                break
            self._budget.spend()
            tried += 1
        self._budget.note(response, tried)
        self._conclude(probe, answer, tried, late)

    def _send(self, asker: Asker, probe: Probe) -> Exchange | UnreachableError | BrokenAnswerError:
        request = probe.request(self.target.api_key or "")
        try:
            return self._keep(asker.ask(request))
        except BrokenAnswerError as error:
            return error
        except UnreachableError as error:
            if not self.exchanges and not self.breaches and not error.is_late:
                self.problem = self.scrubber.text(f"{self.target.base_url} cannot be reached: {error}")
            return error

    def _conclude(
        self,
        probe: Probe,
        answer: Exchange | UnreachableError | BrokenAnswerError,
        tried: int,
        late: Exception | None,
    ) -> None:
        if isinstance(answer, Exception):
            self._unanswered(probe, answer, tried)
            return
        if late is not None:
            self.notes.append(self.scrubber.text(f"a question was answered only when it was repeated: {late}"))
        if probe.credential == _probes.GOOD:
            self._statuses.append(answer.response.status)
        silence = _probes.silence(answer.response)
        if silence is None:
            self._answered.add(probe)
            self.breaches += map(self.scrubber.breach, _probes.verdict(probe, answer))
        else:
            self._silences[silence] = None
            self._skip(probe, silence)

    def _unanswered(self, probe: Probe, error: Exception, tried: int) -> None:
        reason = self.scrubber.text(str(error))
        if isinstance(error, UnreachableError) and not self.exchanges:
            self.problem = f"{self.target.base_url} cannot be reached: {reason}"
        elif isinstance(error, UnreachableError) and not tried:
            self._skip(probe, f"there was no answer, and no request was left to ask again ({reason})")
        else:
            request = probe.request(self.target.api_key or "")
            self._note(_probes.fault(request, reason, type(error.__cause__).__name__))

    def _skip(self, probe: Probe, reason: str) -> None:
        """A question without an answer that says something; no loss if it had one before."""
        if probe in self._answered:
            self.notes.append(f"{probe.rule.id} could not be asked again: {reason}")
        else:
            self.unchecked[probe.rule.id] = reason

    def _says_nothing(self) -> bool:
        """Whether the answers say nothing about the contract; then they are no breaches, either."""
        self.problem = overall(self._statuses, self._silences)
        if self.problem and self._statuses:
            basic = {*_probes.RULES, *_probes.FULL_RULES} - _KEYLESS
            self.breaches = [each for each in self.breaches if each.rule not in basic]
        return self.problem is not None

    def _note(self, breach: Breach) -> None:
        self.breaches.append(self.scrubber.breach(breach))

    def _keep(self, exchange: Exchange) -> Exchange:
        clean = self.scrubber.exchange(exchange)
        self.exchanges.append(clean)
        # Judging reads JSON, and JSON can hide a key behind escapes that the raw body does not show.
        self.breaches += map(self.scrubber.breach, judge(self.spec, clean))
        self.on_exchange(len(self.exchanges))
        return clean

    def _fuzz(self) -> None:
        target, first = self.target, len(self.exchanges)
        asked = _fuzz.Target(target.base_url, target.api_key or "", (), target.rate)
        prefix, late = urlsplit(target.base_url).path.rstrip("/"), 0
        for part in _fuzz.steps(self.spec, asked, seed=self.seed):
            for exchange in part.exchanges:
                self._keep(_below(exchange, prefix))
            # One answer that is late may be a hiccup of the network, two are the gateway's.
            late += sum("Timeout(" in fault for fault in part.faults)
            faults = [fault for fault in part.faults if late > 1 or "Timeout(" not in fault]
            self.notes += [self.scrubber.text(fault) for fault in part.faults if fault not in faults]
            for breach in (*part.findings, *map(_without_answer, faults)):
                self._note(evolve(breach, exchange=_below(breach.exchange, prefix)))
            self.notes += [self.scrubber.text(error) for error in part.errors if error not in part.faults]
            if self.stopped.is_set():
                return
        self._count_busy(self.exchanges[first:])

    def _count_busy(self, made: list[Exchange]) -> None:
        busy = sum(each.response.status == 429 for each in made)
        if busy:
            text = f"{busy} of {len(made)} generated requests were answered 429; lower --rate"
            self.notes.append(text)
            if busy > BUSY_SHARE * len(made):
                self.unchecked["generated-requests"] = text


def _without_answer(fault: str) -> Breach:
    """A request of schemathesis that got no whole answer; it does not say which one it was."""
    return _probes.fault(Request("GET", _probes.QUERY_PATH), fault, fault.partition("(")[0])


def _below(exchange: Exchange, prefix: str) -> Exchange:
    """An exchange with its path as the spec has it, without what the base URL puts before it."""
    return evolve(exchange, request=evolve(exchange.request, path=exchange.request.path.removeprefix(prefix)))
