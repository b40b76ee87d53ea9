"""One run against a gateway: what is asked, in which order, and what is kept of the answers.

The work is done in a thread of its own, so that the caller can take what is known at any moment and go.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import define, evolve, field

from kkiai_sdk.contract import _fuzz, _probes
from kkiai_sdk.contract._asking import Asker, BrokenAnswerError, UnreachableError, gap
from kkiai_sdk.contract._messages import Request
from kkiai_sdk.contract._rules import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kkiai_sdk.contract._probes import Probe
    from kkiai_sdk.contract._rules import Breach
    from kkiai_sdk.contract._scrub import Scrubber
    from kkiai_sdk.contract._seen import Exchange
    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._target import Target

#: What a gateway says that does not take the key.
_REFUSALS = frozenset({401, 403})
#: What is still true when the key is refused.
_KEYLESS = frozenset({_probes.NO_KEY, _probes.BAD_KEY, _probes.WHOLE})


@define
class Run:
    """A run, and what is known so far."""

    spec: Spec
    target: Target
    scrubber: Scrubber
    seed: int
    on_exchange: Callable[[int], object]
    exchanges: list[Exchange] = field(factory=list)
    breaches: list[Breach] = field(factory=list)
    notes: list[str] = field(factory=list)
    problem: str | None = None
    is_basic_done: bool = False
    #: What went wrong in the check itself.
    crash: BaseException | None = None
    stopped: threading.Event = field(factory=threading.Event)
    #: The statuses of the answers to requests with the good key.
    _statuses: list[int] = field(factory=list)

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
        target = self.target
        with Asker(target.base_url, gap(target.rate), self.stopped) as asker:
            self._probe(asker, _probes.plan(target.task_ids, gentle=target.is_gentle, sure=target.are_ids_given))
            if self.problem or self.stopped.is_set():
                return
            self.is_basic_done = True
            self.problem = self._overall()
            if self.problem or target.is_gentle:
                return
            # A task moves on: what a young one does not show, an older one may.
            again = [_probes.known(task_id, sure=target.are_ids_given) for task_id in target.task_ids]
            self._probe(asker, again)
            self._fuzz()
            self._probe(asker, again)
            self._probe(asker, _probes.crashes(self.exchanges))

    def _probe(self, asker: Asker, probes: Iterable[Probe]) -> None:
        for probe in probes:
            if self.stopped.is_set() or self.problem:
                return
            self._ask(asker, probe)

    def _ask(self, asker: Asker, probe: Probe) -> None:
        request = probe.request(self.target.api_key or "")
        try:
            exchange = asker.ask(request)
        except (BrokenAnswerError, UnreachableError) as error:
            if isinstance(error, UnreachableError) and not self.exchanges and not self.breaches:
                self.problem = self.scrubber.text(f"{self.target.base_url} cannot be reached: {error}")
            else:
                self._note(_probes.fault(request, str(error), type(error.__cause__).__name__))
        else:
            if probe.key == "good":
                self._statuses.append(exchange.response.status)
            self.breaches += map(self.scrubber.breach, _probes.verdict(probe, self._keep(exchange)))

    def _note(self, breach: Breach) -> None:
        self.breaches.append(self.scrubber.breach(breach))

    def _keep(self, exchange: Exchange) -> Exchange:
        clean = self.scrubber.exchange(exchange)
        self.exchanges.append(clean)
        # Judging reads JSON, and JSON can hide a key behind escapes that the raw body does not show.
        self.breaches += map(self.scrubber.breach, judge(self.spec, clean))
        self.on_exchange(len(self.exchanges))
        return clean

    def _overall(self) -> str | None:
        """Why the answers so far say nothing about the contract, or None."""
        seen = set(self._statuses)
        if seen and seen <= _REFUSALS:
            self.breaches = [each for each in self.breaches if each.rule not in _probes.RULES or each.rule in _KEYLESS]
            return f"the gateway refuses the key ({', '.join(map(str, sorted(seen)))})"
        if seen == {429}:
            return "the gateway answers that it is asked too often; lower --rate"
        return None if seen else "no request got a whole answer"

    def _fuzz(self) -> None:
        target = self.target
        asked = _fuzz.Target(target.base_url, target.api_key or "", (), target.rate)
        prefix = urlsplit(target.base_url).path.rstrip("/")
        for part in _fuzz.steps(self.spec, asked, seed=self.seed):
            for exchange in part.exchanges:
                self._keep(_below(exchange, prefix))
            for breach in (*part.findings, *map(_unanswered, part.faults)):
                self._note(evolve(breach, exchange=_below(breach.exchange, prefix)))
            self.notes += [self.scrubber.text(error) for error in part.errors if error not in part.faults]
            if self.stopped.is_set():
                return


def _unanswered(fault: str) -> Breach:
    """A request of schemathesis that got no whole answer; it does not say which one it was."""
    return _probes.fault(Request("GET", _probes.QUERY_PATH), fault, fault.partition("(")[0])


def _below(exchange: Exchange, prefix: str) -> Exchange:
    """An exchange with its path as the spec has it, without what the base URL puts before it."""
    return evolve(exchange, request=evolve(exchange.request, path=exchange.request.path.removeprefix(prefix)))
