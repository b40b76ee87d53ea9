"""Holding a running gateway to the spec: schemathesis makes the requests, its checks and our rules judge the answers.

What a run sends is decided by its seed alone. Some habits of schemathesis are switched off because they would empty the
check in silence. It stops a phase at the first failure. It mixes what it saw in answers, in examples and in its
dictionaries into what it makes up: with one parameter, two of three requests of the fuzzing phase were then the same.
So the fuzzing phase gets a spec without the parameters' examples, and the odd ids are asked for one by one.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from kkiai_sdk.contract._conformance import request_problems
from kkiai_sdk.contract._messages import Request, Response
from kkiai_sdk.contract._rule import Breach, Rule, Severity
from kkiai_sdk.contract._rules import judge
from kkiai_sdk.contract._seen import Exchange
from kkiai_sdk.contract._spec import METHODS, Spec
from kkiai_sdk.contract._yaml import need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Seconds that an answer may take.
REQUEST_TIMEOUT = 10
_NETRC_LOCK = threading.Lock()
_netrc_before: list[str | None] = []
_netrc_users: list[None] = []
BREAKING = Severity.BREAKING
_PATH = "/paths/~1v1~1video~1query"
_QUERY = f"{_PATH}/get"
_RESPONSES = f"{_QUERY}/responses"
#: The phases that go by the spec as it stands, and the one that makes things up.
BY_THE_SPEC = ("examples", "coverage")
MADE_UP = ("fuzzing",)
#: Schemathesis' checks that mean something for this spec: the weight, the place in the spec, and what is asked. The
#: others are about required headers, links between operations and resources that are deleted: the spec has none.
CHECKS: dict[str, tuple[Severity, str, str, str]] = {
    "status_code_conformance": (BREAKING, _RESPONSES, "the status is declared", "a declared status"),
    "content_type_conformance": (BREAKING, _RESPONSES, "the media type is declared", "a declared media type"),
    "response_schema_conformance": (BREAKING, _RESPONSES, "the body fits the schema", "a body that fits"),
    "response_headers_conformance": (BREAKING, _RESPONSES, "the headers fit their schemas", "headers that fit"),
    "positive_data_acceptance": (BREAKING, f"{_QUERY}/parameters", "good requests are answered", "no refusal"),
    "negative_data_rejection": (BREAKING, f"{_QUERY}/parameters", "bad requests are refused", "a refusal"),
    "ignored_auth": (BREAKING, f"{_QUERY}/security", "the key is looked at", "401"),
    "unsupported_method": (Severity.DRIFT, _PATH, "other methods are refused", "405 with Allow"),
    "allow_header_conformance": (Severity.DRIFT, _PATH, "Allow names the methods there are", "the declared methods"),
    # A declared status, and still not what an odd request should bring about.
    "not_a_server_error": (Severity.ADVICE, f"{_RESPONSES}/5XX", "odd requests cause no server error", "no 5XX"),
}
#: 400 is documented for an unknown id; the rule valid-refused looks at what such an answer says.
_ACCEPTING_400 = {
    "positive_data_acceptance": {
        "enabled": True,
        "expected-statuses": ["2xx", "400", "401", "403", "404", "429", "5xx"],
    }
}
#: Ids that have broken gateways: wrong escapes, paths, separators, limits, queries and markup in other languages.
NASTY_IDS: tuple[str, ...] = (
    "%00", "%2e%2e%2f", "../../etc/passwd", "a/b", "a?b=c#d", "a&id=b", "a+b c", "a;b", "a,b", "[]", "{}", "null",
    "undefined", "true", "0", "-1", "NaN", "1e309", "9" * 19, "a" * 256, "é" * 256, "\u202egrok", "\ufeffgrok",
    "e\u0301", "\U0001f404", "\u2028", "\t", "\r\nX-Injected: 1", " ", "grok:", ":", "grok:grok:1", "' OR '1'='1",
    '"', "\\", "`id`", "${7*7}", "{{7*7}}", "<script>", "<!--", "%s%n", "*", "_", ".", "..",
)  # fmt: skip


@frozen
class Target:
    """A gateway to be checked.

    :param base_url: its address, without ``/v1``.
    :param api_key: a key that it accepts.
    :param task_ids: ids of tasks that it knows.
    :param rate: requests per unit of time, such as ``5/s``; None for no limit.
    """

    base_url: str
    api_key: str = field(repr=False)
    task_ids: tuple[str, ...] = ()
    rate: str | None = None


@frozen
class Outcome:
    """What a run came to, or a part of one."""

    findings: tuple[Breach, ...] = ()
    #: Everything that was asked and answered, in order.
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)
    #: Why the check could not be made in full: not findings about the gateway.
    errors: tuple[str, ...] = ()
    #: Those of them that the gateway brought about by not answering.
    faults: tuple[str, ...] = ()
    #: How many exchanges each phase brought.
    phases: dict[str, int] = field(factory=dict)

    def at_least(self, *severities: Severity) -> list[str]:
        """The findings of these severities, in words, each once."""
        return list(dict.fromkeys(str(each) for each in self.findings if each.rule.severity in severities))


def settings(target: Target, phases: Iterable[str], *, seed: int, max_examples: int) -> dict[str, Any]:
    """Schemathesis' configuration for a run, in the words of its configuration file."""
    enabled: dict[str, dict[str, Any]] = {
        name: {"enabled": name in phases} for name in (*BY_THE_SPEC, *MADE_UP, "stateful")
    }
    for name in (*BY_THE_SPEC, *MADE_UP):
        enabled[name] |= {"extra-data-sources": {"responses": False}}
    enabled["fuzzing"] |= {"error-feedback": {"enabled": False}}
    return {
        "seed": seed,
        "base-url": target.base_url,
        "headers": {"Authorization": f"Bearer {target.api_key}"},
        "continue-on-failure": True,
        "max-redirects": 0,
        "request-timeout": REQUEST_TIMEOUT,
        **({"rate-limit": target.rate} if target.rate else {}),
        "cache": {"enabled": False},
        "analysis": {"constants": {"enabled": False}},
        "output": {"truncation": {"enabled": False}},
        "generation": {"database": "none", "max-examples": max_examples},
        "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}, **_ACCEPTING_400},
        "phases": enabled,
    }


def run(spec: Spec, target: Target, *, seed: int = 1, max_examples: int = 100) -> Outcome:
    """Check a gateway: every nasty id, every known task, then the phases of schemathesis.

    :param seed: decides what is sent.
    :param max_examples: requests of the fuzzing phase at most.
    :raises ConfigurationError: the extra ``contract`` is missing.
    """
    parts = list(steps(spec, target, seed=seed, max_examples=max_examples))
    return Outcome(
        # Schemathesis' own findings stand before ours, as they are about more than one answer.
        findings=(
            *(finding for part in parts for finding in part.findings),
            *(finding for part in parts for exchange in part.exchanges for finding in judge(spec, exchange)),
        ),
        exchanges=tuple(exchange for part in parts for exchange in part.exchanges),
        errors=tuple(error for part in parts for error in part.errors),
        faults=tuple(fault for part in parts for fault in part.faults),
        phases=dict(sum((Counter(part.phases) for part in parts), Counter())),
    )


def steps(spec: Spec, target: Target, *, seed: int = 1, max_examples: int = 100) -> Iterator[Outcome]:
    """A run in small parts, each as soon as it is known; only what schemathesis' checks found is among the findings."""
    by_the_spec = settings(target, BY_THE_SPEC, seed=seed, max_examples=max_examples)
    made_up = settings(target, MADE_UP, seed=seed, max_examples=max_examples)
    with no_netrc():
        yield from _ask(_schema(spec.document, by_the_spec), target)
        yield from _execute(spec, _schema(spec.document, by_the_spec))
        yield from _execute(spec, _schema(without_examples(spec.document), made_up))


@contextmanager
def no_netrc() -> Iterator[None]:
    """While it lasts, requests reads no ``.netrc``, whose password would take the place of the key.

    requests has one switch for that file and for the proxies of the environment; the proxies are to stay. Several
    checks may overlap: the last one puts the variable back.
    """
    with _NETRC_LOCK:
        if not _netrc_before:
            _netrc_before.append(os.environ.get("NETRC"))
            os.environ["NETRC"] = os.devnull
        _netrc_users.append(None)
    try:
        yield
    finally:
        with _NETRC_LOCK:
            _netrc_users.pop()
            before = _netrc_before.pop() if not _netrc_users else os.devnull
            # Somebody else may have set it meanwhile: a check that was cut can end late.
            if os.environ.get("NETRC") == os.devnull:
                del os.environ["NETRC"]
                os.environ.update({} if before is None else {"NETRC": before})


def without_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The spec without the examples of the operations' own parameters."""
    twin = copy.deepcopy(document)
    for path_item in twin["paths"].values():
        for method in path_item.keys() & set(METHODS):
            for parameter in path_item[method].get("parameters", ()):
                parameter.pop("example", None)
                parameter.pop("examples", None)
    return twin


def _schema(document: dict[str, Any], config: dict[str, Any]) -> Any:
    # Without a configuration of ours, schemathesis would read a schemathesis.toml of the working directory.
    schemathesis = need("schemathesis")
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(config))


def _execute(spec: Spec, schema: Any) -> Iterator[Outcome]:
    """The phases that the schema's configuration enables, scenario by scenario."""
    events = need("schemathesis.engine.events")
    stream = need("schemathesis.engine").from_schema(schema).execute()
    try:
        for event in stream:
            if isinstance(event, events.ScenarioFinished):
                recorded = _recorded(event.recorder)
                findings = tuple(_failures(spec, event.recorder, recorded))
                phase = event.phase.value.lower()
                yield Outcome(findings, tuple(recorded.values()), phases={phase: len(recorded)})
            elif isinstance(event, events.NonFatalError):
                yield _error(event.label, event.value)
            elif isinstance(event, events.FatalError):
                yield _error("", event.exception)
    finally:
        # Closed early, its workers must not go on asking.
        stream.stop()


def _error(label: str, error: BaseException) -> Outcome:
    text = f"{label}: {error!r}"
    is_fault = isinstance(error, need("requests").RequestException)
    return Outcome(errors=(text,), faults=(text,) if is_fault else ())


def _ask(schema: Any, target: Target) -> Iterator[Outcome]:
    """One query for each nasty id and each known one."""
    operation = schema["/v1/video/query"]["GET"]
    # A call of our own does not take the headers from the configuration.
    headers = {"Authorization": f"Bearer {target.api_key}"}
    for task_id in (*NASTY_IDS, *target.task_ids):
        try:
            response = operation.Case(query={"id": task_id}).call(headers=headers)
        except need("requests").RequestException as error:
            yield _error(f"id {task_id[:40]!a}", error)
            continue
        yield Outcome(exchanges=(_exchange(response.request, response),), phases={"ids": 1})


def _recorded(recorder: Any) -> dict[str, Exchange]:
    """The exchanges of a scenario by the id of their case, those that checks made on their own included."""
    return {
        case_id: _exchange(interaction.request, interaction.response)
        for case_id, interaction in recorder.interactions.items()
        if interaction.response is not None
    }


def _exchange(request: Any, response: Any) -> Exchange:
    url = getattr(request, "uri", None) or request.url
    asked = Request.to(request.method, url, _flat(request.headers))
    return Exchange(asked, Response(response.status_code, tuple(_flat(response.headers)), response.content or b""))


def _flat(headers: Any) -> Iterator[tuple[str, str]]:
    """Header fields one by one: there may be one value to a name or a list of them."""
    for name, values in headers.items():
        yield from ((name, value) for value in ([values] if isinstance(values, str) else values))


def _failures(spec: Spec, recorder: Any, recorded: dict[str, Exchange]) -> Iterator[Breach]:
    """What schemathesis' own checks found."""
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None and case_id in recorded:
                yield _finding(spec, check.name, check.failure_info.failure, recorded[case_id])


def _finding(spec: Spec, name: str, failure: Any, exchange: Exchange) -> Breach:
    rule, expected = RULES[name], CHECKS[name][3]
    method, status = exchange.request.method, exchange.response.status
    words = (str(failure.message).strip() or failure.title).splitlines()[0]
    # Methods that are refused in a wrong way are one case, each that is let through is another; so is each kind of
    # wrong request that is taken for a good one.
    wrong = {f"{each.rule} {each.key}" for each in request_problems(spec, exchange.request)} if method == "GET" else ()
    key = f"{failure.title} {status} {method if status < 400 else ''} {' '.join(sorted(wrong))}".strip()
    return Breach.of(rule, (rule.address, expected, f"{method}, {status}: {words}", key), exchange)


#: The checks as rules; schemathesis applies them.
RULES = {
    name: Rule(name.replace("_", "-"), severity, address, description)
    for name, (severity, address, description, _) in CHECKS.items()
}
