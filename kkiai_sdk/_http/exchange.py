"""One request with its retries, as a generator: yields what to send and how long to sleep, returns the good answer."""

from __future__ import annotations

from collections.abc import Generator
from logging import DEBUG
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from attrs import frozen

from kkiai_sdk._downloads import urls as _vetting
from kkiai_sdk._downloads.urls import MAX_REDIRECTS, REDIRECTS
from kkiai_sdk._effects import Sleep
from kkiai_sdk._http.retry import GiveUp, RetryAt, RetryBudget, Verdict, judge
from kkiai_sdk._log import log
from kkiai_sdk._responses.error_parser import Answer, legible, read_answer
from kkiai_sdk.errors import APIError, Attempt

if TYPE_CHECKING:
    from kkiai_sdk._clock import Runtime
    from kkiai_sdk._config import Config, Secret
    from kkiai_sdk._effects import Call


@frozen
class Send:
    """Send the request to this URL, once. Outcome: the Answer, or an APIError when there was none."""

    url: str
    #: Seconds for all of it.
    timeout: float
    #: The key to send, or None for a host that must not have it.
    secret: Secret | None


@frozen
class Good:
    """A success and the JSON object in it."""

    answer: Answer
    parsed: dict[str, Any]


Exchange: TypeAlias = Generator[Send | Sleep, Any, Good]


@frozen
class Exchanger:
    """What the requests of one client have in common."""

    config: Config
    runtime: Runtime
    budget: RetryBudget

    def run(self, url: str, call: Call, *, repeatable: bool) -> Exchange:
        """Send until there is a good answer; raises the last error when there will be none."""
        attempts: list[Attempt] = []
        max_retries = call.max_retries if repeatable else 0
        while True:
            # The first try has been given its time by the caller; a later one has what is left.
            started = self.runtime.monotonic()
            left = call.deadline - started if attempts else call.timeout
            outcome = yield from self._try_once(url, min(call.timeout, left), repeatable=repeatable)
            if isinstance(outcome, Good):
                self.budget.refund()
                self._log(url, len(attempts), f"HTTP {outcome.answer.status}", started, "done")
                return outcome
            verdict = self._judge(outcome, max_retries - len(attempts), len(attempts), call)
            attempt = self._attempt(outcome, verdict)
            after = "giving up" if isinstance(verdict, GiveUp) else f"again in {attempt.delay:.2f} s"
            self._log(url, len(attempts), str(outcome), started, after)
            attempts.append(attempt)
            if isinstance(verdict, GiveUp):
                outcome.attempts = tuple(attempts)
                raise outcome
            yield Sleep(verdict.time)

    def _judge(self, error: APIError, retries_left: int, retry: int, call: Call) -> Verdict:
        verdict = judge(
            error,
            retries_left=retries_left,
            retry=retry,
            now=self.runtime.monotonic(),
            deadline=call.deadline,
            policy=self.config.retry,
            random=self.runtime.random(),
        )
        return verdict if isinstance(verdict, GiveUp) or self.budget.spend() else GiveUp()

    def _attempt(self, error: APIError, verdict: Verdict) -> Attempt:
        delay = verdict.time - self.runtime.monotonic() if isinstance(verdict, RetryAt) else 0.0
        status = getattr(error, "status_code", None)
        fault = getattr(error, "kind", None) or getattr(error, "code", None)
        return Attempt(status, fault, delay)

    def _log(self, url: str, before: int, outcome: str, started: float, after: str) -> None:
        if not log.isEnabledFor(DEBUG):
            return
        elapsed = self.runtime.monotonic() - started
        log.debug("%s: attempt %d: %s after %.2f s, %s", _vetting.shown(url), before + 1, outcome, elapsed, after)

    def _try_once(self, url: str, timeout: float, *, repeatable: bool) -> Generator[Send, Any, Good | APIError]:
        """One try, redirects within the gateway's origin included."""
        started = self.runtime.monotonic()
        for hop in range(MAX_REDIRECTS + 1):
            at_home = _vetting.same_origin(url, self.config.base_url)
            secret = self.config.secret.resolved() if at_home else None
            left = max(timeout - (self.runtime.monotonic() - started), 0.001)
            answer: Answer | APIError = yield Send(url, left, secret)
            if isinstance(answer, APIError):
                return answer
            target = self._redirect(answer, url) if repeatable and hop < MAX_REDIRECTS else None
            if target is None:
                return self._read(answer, secret)
            url = target
        raise AssertionError("unreachable: the last hop has no target")  # pragma: no cover

    def _read(self, answer: Answer, secret: Secret | None) -> Good | APIError:
        parsed = read_answer(answer, secret=secret.reveal() if secret else None, wall_clock=self.runtime.wall_clock())
        return parsed if isinstance(parsed, APIError) else Good(legible(answer), parsed)

    def _redirect(self, answer: Answer, url: str) -> str | None:
        """Where to go on to, if that is on the gateway's own origin."""
        location = answer.header("location")
        if answer.status not in REDIRECTS or not location:
            return None
        try:
            target = urljoin(url, location)
            at_home = _vetting.same_origin(target, self.config.base_url)
            # A user name in it would replace the key.
            return target if at_home and "@" not in urlsplit(target).netloc else None
        except ValueError:
            return None
