"""Generated requests: sent by schemathesis, judged by its checks for unusual requests.

The seed alone determines what is sent. Some defaults of schemathesis would silently shorten the run: it stops a phase
at the first failure, and it reuses values from responses and examples, so that with a single parameter two of three
requests in the fuzzing phase are the same. That phase is therefore given a document without examples, and unusual ids
are sent one by one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kkiai_sdk.contract._conformance import request_problems
from kkiai_sdk.contract._http_runner import REQUEST_TIMEOUT
from kkiai_sdk.contract._messages import Exchange, Request, Response, values_of
from kkiai_sdk.contract._rules import placed
from kkiai_sdk.contract._spec import need
from kkiai_sdk.contract._violations import QUERY, Rule, Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._operations import Scope
    from kkiai_sdk.contract._run import Target
    from kkiai_sdk.contract._spec import Spec

#: Maximum requests of the fuzzing phase, shared by the operations, and minimum for each of them.
MAX_EXAMPLES = 100
LEAST_EXAMPLES = 10
#: The media type of a request without a body has no meaning: servers may refuse it or not.
_MAY_BE_REFUSED = frozenset({400, 406, 415})
_BREAKING, _PARAMETERS = Severity.BREAKING, f"{QUERY}/parameters"
#: Schemathesis' checks as rules. Single responses are judged elsewhere, and credentials and methods by probes; its
#: other checks are about required headers, links and deleted resources.
RULES = (
    Rule("positive-data-acceptance", _BREAKING, _PARAMETERS, "valid requests are accepted"),
    Rule("negative-data-rejection", _BREAKING, _PARAMETERS, "invalid requests are refused"),
)
_CHECKS = {rule.id.replace("-", "_"): rule for rule in RULES}
#: 400 is documented for an unknown id; the rule valid-refused judges its body.
_ACCEPTED = ["2xx", "400", "401", "403", "404", "429", "5xx"]
#: Ids that have broken gateways: invalid escapes, paths, separators, limits, queries and markup in other languages.
NASTY_IDS: tuple[str, ...] = (
    "%00", "%2e%2e%2f", "../../etc/passwd", "a/b", "a?b=c#d", "a&id=b", "a+b c", "a;b", "a,b", "[]", "{}", "null",
    "undefined", "true", "0", "-1", "NaN", "1e309", "9" * 19, "a" * 256, "é" * 256, "\u202egrok", "\ufeffgrok",
    "e\u0301", "\U0001f404", "\u2028", "\t", "\r\nX-Injected: 1", " ", "grok:", ":", "grok:grok:1", "' OR '1'='1",
    '"', "\\", "`id`", "${7*7}", "{{7*7}}", "<script>", "<!--", "%s%n", "*", "_", ".", "..",
)  # fmt: skip
#: A text, and whether it is about a request without a complete response; else it is about the run itself.
Problem = tuple[str, bool]
#: From a request and a response of schemathesis.
_Reader = Callable[[Any, Any], Exchange]


def generate(
    spec: Spec, target: Target, scope: Scope, seed: int, scrub: Callable[[Exchange], Exchange]
) -> Iterator[Exchange | Violation | Problem]:
    """Send generated requests that only read: the phases of schemathesis. ``scrub`` removes the key."""
    labels = [each.label for each in scope.asked if each.is_safe]
    if not labels:
        return
    options: dict[str, Any] = {"base-url": target.base_url, "seed": seed}
    options["headers"] = {"Authorization": f"Bearer {target.api_key}"}
    options |= {"rate-limit": target.rate} if target.rate else {}
    limit = max(MAX_EXAMPLES // len(labels), LEAST_EXAMPLES)
    for phases in (("examples", "coverage"), ("fuzzing",)):
        settings = _settings(options, limit, *phases)
        schema = spec.schemathesis(settings, examples="examples" in phases).include(name=labels)
        with _without_netrc():
            yield from _run(spec, schema, lambda request, response: scrub(_exchange(target, request, response)))


def _settings(options: dict[str, Any], limit: int, *enabled: str) -> dict[str, Any]:
    """The configuration of a run, in the format of schemathesis' configuration file."""
    phases: dict[str, dict[str, Any]] = {
        name: {"enabled": name in enabled, "extra-data-sources": {"responses": False}}
        for name in ("examples", "coverage", "fuzzing")
    }
    phases["fuzzing"]["error-feedback"] = {"enabled": False}
    phases["stateful"] = {"enabled": False}
    # Other methods may change something; probes send them without a key.
    phases["coverage"]["unexpected-methods"] = []
    checks: dict[str, Any] = {"enabled": False, **{name: {"enabled": True} for name in _CHECKS}}
    checks["positive_data_acceptance"]["expected-statuses"] = _ACCEPTED
    return {
        **options,
        "continue-on-failure": True,
        "max-redirects": 0,
        "request-timeout": REQUEST_TIMEOUT,
        "cache": {"enabled": False},
        "analysis": {"constants": {"enabled": False}},
        "output": {"truncation": {"enabled": False}},
        "generation": {"database": "none", "max-examples": limit},
        "checks": checks,
        "phases": phases,
    }


@contextmanager
def _without_netrc() -> Iterator[None]:
    """Keep requests from reading ``.netrc``, whose password would replace the key.

    It has one switch for that file and for the proxies of the environment, which are used.
    """
    before = os.environ.get("NETRC")
    os.environ["NETRC"] = os.devnull
    try:
        yield
    finally:
        os.environ.pop("NETRC", None)
        os.environ.update({} if before is None else {"NETRC": before})


def _run(spec: Spec, schema: Any, read: _Reader) -> Iterator[Exchange | Violation | Problem]:
    """The phases that the configuration enables, scenario by scenario."""
    events = need("schemathesis.engine.events")
    stream = need("schemathesis.engine").from_schema(schema).execute()
    try:
        for event in stream:
            if isinstance(event, events.ScenarioFinished):
                yield from _scenario(spec, event.recorder, read)
            elif isinstance(event, events.NonFatalError | events.FatalError):
                error = event.value if isinstance(event, events.NonFatalError) else event.exception
                is_fault = isinstance(error, need("requests").RequestException)
                yield f"{getattr(event, 'label', '')}: {error!r}", is_fault
    finally:
        # If it were closed early, its workers would go on sending.
        stream.stop()


def _scenario(spec: Spec, recorder: Any, read: _Reader) -> Iterator[Exchange | Violation]:
    exchanges = {
        case_id: read(interaction.request, interaction.response)
        for case_id, interaction in recorder.interactions.items()
        if interaction.response is not None
    }
    odd = {case_id for case_id, each in exchanges.items() if _is_odd(each.request)}
    yield from (
        each for key, each in exchanges.items() if key not in odd or each.response.status not in _MAY_BE_REFUSED
    )
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None and case_id in exchanges.keys() - odd:
                yield from _violation(spec, _CHECKS[check.name], check.failure_info.failure, exchanges[case_id])


def _is_odd(request: Request) -> bool:
    types = values_of(request.headers, "content-type")
    return not request.body and types not in ([], ["application/json"])


def _violation(spec: Spec, rule: Rule, failure: Any, exchange: Exchange) -> Iterator[Violation]:
    method, status = exchange.request.method, exchange.response.status
    words = (str(failure.message).strip() or failure.title).splitlines()[0]
    # Many servers ignore query parameters that they do not know.
    wrong = sorted(set(request_problems(spec, exchange.request)))
    if wrong not in (["query parameter undeclared"], ["operation undeclared"]):
        # One finding for each kind of invalid request that is accepted.
        key = f"{failure.title} {status} {method if status < 400 else ''} {' '.join(wrong)}".strip()
        yield placed(spec, Violation(rule, exchange, rule.description, f"{method}, {status}: {words}", key))


def _exchange(target: Target, request: Any, response: Any) -> Exchange:
    """An exchange in plain values, without the path of the base URL, which the document does not have."""
    url, prefix = urlsplit(request.uri), urlsplit(target.base_url).path.rstrip("/")
    sent = Request(request.method, url.path.removeprefix(prefix), url.query, tuple(_flat(request.headers)))
    return Exchange(sent, Response(response.status_code, tuple(_flat(response.headers)), response.content or b""))


def _flat(headers: Any) -> Iterator[tuple[str, str]]:
    """Header fields one by one: a name has one value or a list of them."""
    for name, values in headers.items():
        yield from ((name, value) for value in ([values] if isinstance(values, str) else values))
