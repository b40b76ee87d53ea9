"""Holding a running gateway to the spec: schemathesis makes the requests, its checks and our rules judge the answers.

What a run sends is decided by its seed alone. Some habits of schemathesis are switched off because they would empty the
check in silence. It stops a phase at the first failure. It mixes what it saw in answers, in examples and in its
dictionaries into what it makes up: with one parameter, two of three requests of the fuzzing phase were then the same.
So the fuzzing phase gets a spec without the parameters' examples, and the odd ids are asked for one by one.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from kkiai_sdk.contract._conformance import Problem, Request, Response
from kkiai_sdk.contract._rules import Exchange, Finding, Rule, Severity, judge
from kkiai_sdk.contract._spec import METHODS, Spec, need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The phases that go by the spec as it stands, and the one that makes things up.
BY_THE_SPEC = ("examples", "coverage")
MADE_UP = ("fuzzing",)
#: Schemathesis' checks that mean something for this spec, and what their failure means. The others are about required
#: headers, links between operations and resources that are deleted: the spec has none.
CHECKS: dict[str, Severity] = {
    "status_code_conformance": Severity.BREAKING,
    "content_type_conformance": Severity.BREAKING,
    "response_schema_conformance": Severity.BREAKING,
    "response_headers_conformance": Severity.BREAKING,
    "positive_data_acceptance": Severity.BREAKING,
    "negative_data_rejection": Severity.BREAKING,
    "ignored_auth": Severity.BREAKING,
    "unsupported_method": Severity.DRIFT,
    "allow_header_conformance": Severity.DRIFT,
    # A declared status, and still not what an odd request should bring about.
    "not_a_server_error": Severity.ADVICE,
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
    """What a run came to."""

    findings: tuple[Finding, ...]
    #: Everything that was asked and answered, in order.
    exchanges: tuple[Exchange, ...] = field(repr=False)
    #: Why the check could not be made in full: not findings about the gateway.
    errors: tuple[str, ...]
    #: How many exchanges each phase brought.
    phases: dict[str, int]

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
        "request-timeout": 30,
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
    by_the_spec = settings(target, BY_THE_SPEC, seed=seed, max_examples=max_examples)
    made_up = settings(target, MADE_UP, seed=seed, max_examples=max_examples)
    outcomes = [
        _ask(_schema(spec.document, by_the_spec), target),
        _execute(_schema(spec.document, by_the_spec)),
        _execute(_schema(without_examples(spec.document), made_up)),
    ]
    exchanges = tuple(exchange for each in outcomes for exchange in each.exchanges)
    return Outcome(
        findings=(
            *(finding for each in outcomes for finding in each.findings),
            *(finding for exchange in exchanges for finding in judge(spec, exchange)),
        ),
        exchanges=exchanges,
        errors=tuple(error for each in outcomes for error in each.errors),
        phases=dict(sum((Counter(each.phases) for each in outcomes), Counter())),
    )


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


def _execute(schema: Any) -> Outcome:
    """The phases that the schema's configuration enables."""
    events = need("schemathesis.engine.events")
    exchanges: list[Exchange] = []
    findings: list[Finding] = []
    errors: list[str] = []
    phases: Counter[str] = Counter()
    for event in need("schemathesis.engine").from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            recorded = _recorded(event.recorder)
            exchanges += recorded.values()
            findings += _failures(event.recorder, recorded)
            phases[event.phase.value.lower()] += len(recorded)
        elif isinstance(event, events.NonFatalError):
            errors.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            errors.append(repr(event.exception))
    return Outcome(tuple(findings), tuple(exchanges), tuple(errors), dict(phases))


def _ask(schema: Any, target: Target) -> Outcome:
    """One query for each nasty id and each known one."""
    requests = need("requests")
    exchanges: list[Exchange] = []
    errors: list[str] = []
    operation = schema["/v1/video/query"]["GET"]
    # A call of our own does not take the headers from the configuration.
    headers = {"Authorization": f"Bearer {target.api_key}"}
    for task_id in (*NASTY_IDS, *target.task_ids):
        try:
            response = operation.Case(query={"id": task_id}).call(headers=headers)
        except requests.RequestException as error:
            errors.append(f"id {task_id[:40]!a}: {type(error).__name__}: {error}")
            continue
        exchanges.append(_exchange(response.request, response))
    return Outcome((), tuple(exchanges), tuple(errors), {"ids": len(exchanges)})


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


def _failures(recorder: Any, recorded: dict[str, Exchange]) -> Iterator[Finding]:
    """What schemathesis' own checks found."""
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None and case_id in recorded:
                yield _finding(check.name, check.failure_info.failure, recorded[case_id])


def _finding(name: str, failure: Any, exchange: Exchange) -> Finding:
    rule = Rule(name.replace("_", "-"), CHECKS[name], "/paths", failure.title, lambda _: ())
    got = " ".join(str(failure.message).split())[:300]
    return Finding(rule, Problem(rule.id, rule.address, failure.title, got), exchange)
