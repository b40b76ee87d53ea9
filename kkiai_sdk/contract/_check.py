"""Checks a gateway in one call: validates the options, monitors the run, and creates the report."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from attrs import evolve

from kkiai_sdk import ConfigurationError, KkiaiError, __version__
from kkiai_sdk.contract import _fuzz, _history, _operations, _probes
from kkiai_sdk.contract._findings import fold, one_line
from kkiai_sdk.contract._http_runner import interval_of
from kkiai_sdk.contract._messages import Exchange, Request, Response
from kkiai_sdk.contract._report import CheckedOperation, Report, coverage, load_baseline, stale_entries
from kkiai_sdk.contract._rules import RULES, judge
from kkiai_sdk.contract._run import Run, Target
from kkiai_sdk.contract._spec import load, need, pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from kkiai_sdk.contract._spec import Operation, Spec

#: Rate for a gateway that is not on this machine.
GENTLE_RATE = "5/s"
#: Seconds after which a request in flight is abandoned.
_GRACE = 0.3
#: Interval in seconds at which the clock is checked; on Windows, Ctrl-C may take that long to have an effect.
_POLL = 0.1
#: A task that succeeds, one that fails, and one that is cancelled.
_MOCK_IDS = ("grok:scenario-normal", "veo:scenario-fails", "sora:scenario-cancelled")
#: Gateway seconds per request to the built-in mock, whose clock counts requests so that all runs are the same.
_MOCK_TICK = 0.4


def check(
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    task_ids: Sequence[str] = (),
    fuzz: bool | None = None,
    only: Sequence[str] = (),
    allow_writes: bool = False,
    spec: Path | None = None,
    rate: str | None = None,
    time_limit: float = 60.0,
    baseline: Path | None = None,
    seed: int = 1,
    progress: Callable[[int], object] | None = None,
    announce: Callable[[str], object] | None = None,
) -> Report:
    """Check a gateway against ``openapi.yaml``. Read-only unless ``allow_writes`` is given.

    :param base_url: the URL of the gateway; None checks the built-in mock gateway.
    :param api_key: its key; None reads it from KKIAI_API_KEY.
    :param task_ids: ids of tasks that it knows, preferably in several states. Without any, the check is incomplete.
    :param fuzz: True sends many generated requests, False only a few; None means True for loopback hosts only.
    :param only: the operations to check, each by its operationId, its path, or method and path such as
        ``GET /v1/video/query``. Default: None, all operations; if any is not checked, the check is incomplete.
    :param allow_writes: True also sends requests that may create, change or delete something, or cost money.
    :param spec: the path of the OpenAPI document; None uses the one in the package.
    :param rate: requests per second, minute or hour, such as ``5/s``; None means 5/s, and no limit for loopback hosts.
    :param time_limit: seconds after which the check stops and is reported as incomplete. Ctrl-C has the same effect.
    :param baseline: a file of known findings, which do not fail the check.
    :param seed: seed for the generated requests.
    :param progress: called with the number of responses so far, from another thread.
    :param announce: called before anything is sent, with a sentence that says how many requests may change something.
    :raises ConfigurationError: an option is invalid, or the extra ``contract`` is not installed.
    """
    if not time_limit > 0:
        raise ConfigurationError(f"time_limit must be a number of seconds above 0, not {time_limit!r:.40}")
    document = precheck(load(spec))
    known = {} if baseline is None else load_baseline(baseline)
    with target(document, base_url, api_key, task_ids, fuzz=fuzz, rate=rate) as found:
        scope = _operations.scope_of(document, only, writes=allow_writes, gentle=found.is_gentle)
        with translated_errors(document) if spec else nullcontext():
            writes = _operations.write_probes(document, scope) if allow_writes else []
            if writes and announce is not None:
                words = "that may create, change or delete something; each is repeated once if answered with 5XX"
                announce(f"sending {len(writes)} requests {words}")
            until = time.monotonic() + time_limit
            run = Run(document, found, seed, progress or (lambda _: None), until, scope, writes)
            report = _report(run, known)
    is_full = report.is_made and not found.is_gentle
    stale = stale_entries(baseline, known, report.findings) if baseline and is_full else ()
    return evolve(report, findings=(*report.findings, *stale))


# A document does not change: one that has passed is not checked again.
@lru_cache(maxsize=4)
def precheck(spec: Spec) -> Spec:
    """The document, after trying everything that the check does with it. Raises ConfigurationError."""
    with translated_errors(spec):
        _validate(spec)
        coverage(spec, (), spec.operations)
        for rule in RULES:
            spec.line_of(rule.address)
    return spec


@contextmanager
def translated_errors(spec: Spec) -> Iterator[None]:
    """Convert every error to a ConfigurationError about the document, which is the caller's."""
    try:
        yield
    except KkiaiError:
        raise
    except Exception as error:
        words = one_line(" ".join(str(error).split()))[:160]
        text = f"{spec.name} is not an OpenAPI 3.0 or 3.1 document that can be checked: {type(error).__name__}: {words}"
        raise ConfigurationError(text) from error


def _validate(spec: Spec) -> None:
    """Validate the document, and compile each schema: a pattern may be wrong in a valid document."""
    jsonschema = need("jsonschema_rs")
    try:
        spec.api.validate()
    except jsonschema.ValidationError as error:
        address = pointer(*error.instance_path)
        where = f"{spec.name}, line {spec.line_of(address)}, is not OpenAPI 3.1 at {address or 'its root'}"
        raise ConfigurationError(f"{where}: {one_line(error.message):.160}") from None
    for each in spec.operations:
        _validate_operation(spec, each)


def _validate_operation(spec: Spec, operation: Operation) -> None:
    request = Request(operation.method, operation.path, "id=a")
    for status, declared in spec.children(operation, "responses").items():
        number = int(status) if status.isdecimal() and len(status) == 3 else 500 if status[:1] == "5" else 200
        fields = [(name, "1") for name in spec.children(declared, "headers")]
        for name, media in spec.children(declared, "content").items():
            if "schema" in media.value:
                address = quote(spec.child(media, "schema").address, safe="/~")
                need("jsonschema_rs").Draft202012Validator({**spec.document, "$ref": f"#{address}"})
            judge(spec, Exchange(request, Response(number, (("Content-Type", name.replace("*", "x")), *fields), b"{}")))


@contextmanager
def target(
    spec: Spec, base_url: str | None, api_key: str | None, ids: Sequence[str], *, fuzz: bool | None, rate: str | None
) -> Iterator[Target]:
    """The gateway that the options describe; without a URL, a mock gateway for the duration of the context."""
    from kkiai_sdk import Kkiai  # noqa: PLC0415 (loads the HTTP library)

    interval_of(rate)
    for task_id in ids:
        if not 1 <= len(task_id) <= 256 or not task_id.isprintable() or any(map(str.isspace, task_id)):
            raise ConfigurationError(
                f"task ids must be 1 to 256 printable characters without spaces, not {task_id[:40]!a}"
            )
    if base_url is None:
        from kkiai_sdk.mock import MockGateway  # noqa: PLC0415 (only this target needs a server)

        ticks = itertools.count()
        with MockGateway(api_key="sk-contract-check", clock=lambda: next(ticks) * _MOCK_TICK) as gateway:
            yield Target(gateway.base_url, gateway.api_key, tuple(ids) or _MOCK_IDS, fuzz is False, rate)
        return
    # Files and shells leave white space around a key; the SDK also strips it, and validates the key and the URL.
    key = (api_key if api_key is not None else os.environ.get("KKIAI_API_KEY", "")).strip() or None
    with Kkiai(key or "sk-any", base_url=base_url, httpx_args={"trust_env": False}) as client:
        url = str(client.raw.get_httpx_client().base_url).rstrip("/").removesuffix("/v1")
    # Test gateways know the example id.
    node = spec.parameters(spec.query).get(("query", "id")) if spec.query else None
    example = str(node.value.get("example", "")) if node else ""
    is_local = _history.privacy_of(urlsplit(url).hostname or "") == "loopback"
    is_gentle, pace = not is_local if fuzz is None else not fuzz, rate or (None if is_local else GENTLE_RATE)
    known = tuple(dict.fromkeys(ids))
    guesses = (example,) if example else ()
    yield Target(url, key, known or guesses, is_gentle, pace, are_ids_given=bool(known), is_local=is_local)


def _follow(run: Run) -> str | None:
    """Wait for a run to end. Returns the reason if it was stopped early, else None."""
    thread, cut = run.start(), None
    try:
        while thread.is_alive() and cut is None:
            thread.join(_POLL)
            cut = "the time limit was reached" if time.monotonic() >= run.deadline and thread.is_alive() else None
    except KeyboardInterrupt:
        cut = "it was interrupted"
    run.stopped.set()
    thread.join(_GRACE)
    if run.crash is not None:
        raise run.crash
    return cut


def _operations_of(run: Run) -> Iterator[CheckedOperation]:
    """Every operation, and why it was not checked. A success that breaks a rule is a finding and a success."""
    statuses: dict[str, list[int]] = {}
    for exchange in tuple(run.exchanges):
        operation = run.spec.operation(exchange.request.method, exchange.request.path)
        statuses.setdefault(operation.label if operation else "", []).append(exchange.response.status)
    for each in run.spec.operations:
        seen, reason = statuses.get(each.label, []), run.scope.reasons.get(each.label)
        successes, line = sum(200 <= status < 300 for status in seen), run.spec.line_of(each.address)
        if reason is None and each.is_query and not run.target.are_ids_given:
            reason = _operations.NO_TASK_ID
        elif reason is None and not successes:
            reason = _operations.reason_without_success(each, seen)
        is_in_scope = reason != _operations.IS_OUTSIDE
        yield CheckedOperation(each.label, line, len(seen), successes, reason, is_in_scope=is_in_scope)


def _report(run: Run, known: dict[str, str]) -> Report:
    cut = _follow(run) if run.target.api_key else None
    # Copies, because an abandoned request may still end.
    spec, base_url, exchanges = run.spec, run.target.base_url, tuple(run.exchanges)
    history = _history.judge_history(base_url, exchanges)
    scrub = run.scrubber.text
    violations = [run.scrubber.violation(each) for each in (*run.violations, *history)]
    problem = run.problem and scrub(run.problem) if run.target.api_key else "there is no API key: set KKIAI_API_KEY"
    unchecked = {name: scrub(reason) for name, reason in run.unchecked.items()}
    info = spec.document.get("info")
    operations = tuple(_operations_of(run))
    unasked = {each.name: each.reason for each in operations if each.reason and each.is_in_scope}
    full_rules = () if run.target.is_gentle else (*_probes.FULL_RULES, *_fuzz.RULES)
    write_rules = (_probes.BAD_BODY,) if run.writes else ()
    return Report(
        base_url=base_url,
        is_gentle=run.target.is_gentle,
        findings=fold(spec, base_url, violations, known),
        exchanges=exchanges,
        coverage=coverage(spec, exchanges, run.scope.asked),
        notes=(
            *([f"{cut}; this report is incomplete"] if cut else []),
            *dict.fromkeys(map(scrub, run.notes)),
            *_notes(run),
        ),
        rules=(*RULES, *_history.RULES, *_probes.RULES, *full_rules, *write_rules),
        problem=problem,
        is_basic_done=run.is_basic_done,
        elapsed=time.monotonic() - run.started,
        cut=cut,
        operations=operations,
        unchecked={} if problem or cut else unasked | unchecked,
        spec=f"{spec.name} {info.get('version', '') if isinstance(info, dict) else ''}".strip(),
        sdk_version=__version__,
    )


def _notes(run: Run) -> Iterator[str]:
    """Parts that the run did not cover, for which the absence of findings means nothing."""
    if not run.is_basic_done or run.problem:
        return
    ids, gentle = run.target.task_ids, run.target.is_gentle
    left_out = ids[len(_probes.task_probes(ids, gentle=gentle, sure=True)) :]
    if left_out:
        yield f"gentle checks query few ids; left out: {', '.join(left_out)}"
    last = {each.asked: each for each in _history.task_reports(run.exchanges)}
    if last and not any(each.end for each in last.values()):
        yield "no task had ended, so responses about finished tasks were not checked"
