"""The check of a gateway as one call."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from kkiai_sdk import ConfigurationError, __version__
from kkiai_sdk.contract import _baseline, _fuzz, _history, _probes, _rules
from kkiai_sdk.contract._coverage import coverage
from kkiai_sdk.contract._findings import fold
from kkiai_sdk.contract._report import Report
from kkiai_sdk.contract._rules_task import FAILURE_WORDS, SUCCESS_WORDS
from kkiai_sdk.contract._run import Run
from kkiai_sdk.contract._scrub import PLACEHOLDER, Scrubber
from kkiai_sdk.contract._seen import read_body
from kkiai_sdk.contract._spec import load
from kkiai_sdk.contract._target import checked_limit, operation_of, target
from kkiai_sdk.contract._usable import blaming, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kkiai_sdk.contract._rule import Rule
    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._target import Target

#: Seconds that a request in flight gets to end before the check leaves it behind.
_GRACE = 0.3
#: Seconds between two looks at the clock; also how long Ctrl-C may take to be noticed on Windows.
_LOOK = 0.1


def check(
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    task_ids: Sequence[str] = (),
    fuzz: bool | None = None,
    spec: Path | None = None,
    rate: str | None = None,
    time_limit: float = 60.0,
    baseline: Path | None = None,
    seed: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Hold a gateway to the spec. Only asks: nothing is made, changed or downloaded there.

    :param base_url: the gateway; None checks the built-in mock gateway.
    :param api_key: its key; None takes it from KKIAI_API_KEY.
    :param task_ids: ids of tasks that it knows, best in several states. None given: the example id of the spec.
    :param fuzz: True sends many generated requests, False a handful; None decides by whether the host is loopback.
    :param spec: the spec; None takes the one that came with the package.
    :param rate: requests per s, m or h, such as ``5/s``; None means 5/s for hosts that are not loopback.
    :param time_limit: seconds; what is known by then is reported, as not checked in full. Ctrl-C does the same.
    :param baseline: a file of findings that are known and fail nothing.
    :param seed: decides what is generated.
    :param progress: called with the number of answers so far, from another thread.
    :raises ConfigurationError: an option is wrong, or the extra ``contract`` is missing.
    """
    document, limit, tell = load(spec), checked_limit(time_limit), _listener(progress)
    rehearse(document)
    known = {} if baseline is None else _baseline.load(baseline)
    started = time.monotonic()
    with target(document, base_url, api_key, task_ids, fuzz=fuzz, rate=rate) as found:
        scrubber, deadline = Scrubber(found.api_key or PLACEHOLDER), started + limit
        run = Run(document, found, scrubber, seed, tell, deadline)
        with blaming(document) if spec else nullcontext():
            cut = _follow(run) if found.api_key else None
            report = _report(run, known, cut, time.monotonic() - started)
    if baseline is None or found.is_gentle or not report.is_made:
        return report
    return report.with_findings(_baseline.stale(baseline, known, report.findings))


def _listener(progress: Callable[[int], object] | None) -> Callable[[int], object]:
    if progress is not None and not callable(progress):
        raise ConfigurationError(f"progress must be a function or None, not {type(progress).__name__}")
    return progress or (lambda _: None)


def _follow(run: Run) -> str | None:
    """Wait for the run to end; gives why it was cut, or None."""
    thread, cut = run.start(), None
    try:
        while thread.is_alive() and cut is None:
            thread.join(_LOOK)
            cut = "the time limit was reached" if time.monotonic() >= run.deadline and thread.is_alive() else None
    except KeyboardInterrupt:
        cut = "it was interrupted"
    run.stopped.set()
    thread.join(_GRACE)
    if run.crash is not None:
        raise run.crash
    return cut


def _report(run: Run, known: dict[str, str], cut: str | None, elapsed: float) -> Report:
    # Copies: a request that was left behind may still come back.
    exchanges, breaches, problem = tuple(run.exchanges), list(run.breaches), run.problem
    breaches += map(run.scrubber.breach, _history.judge_all(run.target.base_url, exchanges))
    if run.target.api_key is None:
        problem = "there is no API key: set KKIAI_API_KEY"
    spec = run.spec
    return Report(
        base_url=run.target.base_url,
        is_gentle=run.target.is_gentle,
        findings=fold(spec, run.target.base_url, breaches, known),
        exchanges=exchanges,
        coverage=coverage(spec, operation_of(spec), exchanges),
        notes=(*([f"{cut}; this is what was known by then"] if cut else []), *dict.fromkeys(run.notes), *_notes(run)),
        rules=(*_rules.RULES, *_history.RULES, *_probes.RULES, *(() if run.target.is_gentle else _full_rules())),
        problem=problem,
        is_basic_done=run.is_basic_done,
        elapsed=elapsed,
        cut=cut,
        unchecked={} if problem or cut else dict(run.unchecked),
        spec=f"{spec.name} {_version(spec)}".strip(),
        sdk_version=__version__,
    )


def _full_rules() -> tuple[Rule, ...]:
    return (*_probes.FULL_RULES, *_fuzz.RULES.values())


def _version(spec: Spec) -> str:
    info = spec.document.get("info")
    return str(info.get("version", "")) if isinstance(info, dict) else ""


def _notes(run: Run) -> list[str]:
    """What was not seen, so that silence about it is not taken for praise."""
    if not run.is_basic_done or run.problem:
        return []
    left_out = _left_out(run.target)
    notes = [f"gentle checks ask for few ids; left out: {', '.join(left_out)}"] if left_out else []
    words = _last_words(run)
    if not words:
        return [*notes, "no answer about a known task was seen: name ids of yours with --task-id"]
    ended = {status for status in words.values() if status in SUCCESS_WORDS | FAILURE_WORDS}
    return notes if ended else [*notes, "no task had ended: answers about finished tasks were not checked"]


def _left_out(target: Target) -> list[str]:
    asked = {probe.task_id for probe in _probes.about_tasks(target.task_ids, gentle=target.is_gentle, sure=True)}
    return [task_id for task_id in target.task_ids if task_id not in asked]


def _last_words(run: Run) -> dict[str, str]:
    """The last status of every task about which there was an answer."""
    words = {}
    for exchange in list(run.exchanges):
        body = read_body(exchange.response)
        asked = exchange.request.parameter("id")
        if asked and exchange.response.status == 200 and isinstance(body, dict):
            words[asked] = str(body.get("status")).strip().lower()
    return words
