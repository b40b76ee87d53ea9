"""The operations of a document: which of them a check requests and how, and which it leaves out and why."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._messages import PLACEHOLDER, Request, media_type
from kkiai_sdk.contract._probes import ANY, BAD_BODY, METHOD, METHOD_OPEN, NO_KEY, Probe
from kkiai_sdk.contract._spec import fits_schema, need
from kkiai_sdk.contract._violations import Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kkiai_sdk.contract._spec import Operation, Spec

#: Operations other than the query that a gentle check requests, once each.
GENTLE_OPERATIONS = 4
#: Ids and examples that are tried for one operation, and bad bodies that are sent to one that writes.
MAX_SAMPLES = 3
#: Cases that are generated to find invalid bodies.
MAX_DRAWN = 40
NO_TASK_ID = "no task id was given; pass one that the gateway knows with --task-id"
_IS_WRITE = "it may create, change or delete something; pass --allow-writes to include it"
_IS_GENTLE = "a gentle check sends too few requests; pass --fuzz to include it"
IS_OUTSIDE = "excluded by --only"
#: Names of parameters that may take the id of a task.
_AN_ID = re.compile(r"(?:.*[_-])?id|.*I[dD]")
_WRITING = ("POST", "PUT", "PATCH", "DELETE")
#: Responses to an undeclared method without a key: gateways may check either first.
_REFUSALS = ("401", "403", "405")
#: Fields that schemathesis and requests add by themselves.
_NOT_SENT = frozenset(
    {"user-agent", "connection", "content-length", "accept", "accept-encoding", "authorization"}
    | {"x-schemathesis-testcaseid"}
)


@frozen
class Scope:
    """The operations to request, and the reasons for leaving out the others, by label."""

    asked: tuple[Operation, ...]
    reasons: dict[str, str]

    @property
    def others(self) -> tuple[Operation, ...]:
        """The operations that only read, without the query."""
        return tuple(each for each in self.asked if each.is_safe and not each.is_query)

    @property
    def has_query(self) -> bool:
        """Whether the query of a video task is requested."""
        return any(each.is_query for each in self.asked)


def scope_of(spec: Spec, only: Sequence[str], *, writes: bool, gentle: bool) -> Scope:
    """The scope of a check. ``only``: ids, paths or labels of operations. Raises ConfigurationError."""
    names = {each.label: {each.label, each.path, str(each.value.get("operationId"))} for each in spec.operations}
    for name in only:
        if not any(name in alike for alike in names.values()):
            raise ConfigurationError(f"--only must be one of {', '.join(names)}, not {name[:80]!a}")
    reasons, left = {}, GENTLE_OPERATIONS
    for each in spec.operations:
        is_other = each.is_safe and not each.is_query
        if only and not names[each.label] & set(only):
            reasons[each.label] = IS_OUTSIDE
        elif not (each.is_safe or writes):
            reasons[each.label] = _IS_WRITE
        elif is_other and gentle and not left:
            reasons[each.label] = _IS_GENTLE
        else:
            left -= is_other
    return Scope(tuple(each for each in spec.operations if each.label not in reasons), reasons)


def read_probes(spec: Spec, operation: Operation, ids: Sequence[str], *, gentle: bool) -> list[Probe]:
    """Requests that an operation must answer; a gentle check sends one."""
    samples = _samples(spec, operation, ids)[: 1 if gentle else MAX_SAMPLES]
    return [Probe(_answered(operation), request, ANY) for request in samples]


def write_probes(spec: Spec, scope: Scope) -> list[Probe]:
    """Every request that may change something: valid ones, invalid ones, ones without a key, and undeclared methods."""
    found = []
    for each in scope.asked:
        samples = [] if each.is_safe else _samples(spec, each, ())
        found += [Probe(_answered(each), request, ANY) for request in samples[:1]]
        if each.value.get("security", spec.document.get("security")):
            found += [Probe(NO_KEY, _without_key(request), ("401", "403")) for request in samples[:1]]
        if samples and "requestBody" in each.value:
            found += [Probe(BAD_BODY, request, ("4XX",)) for request in _samples(spec, each, (), bad=True)]
    return [*found, *method_probes(spec, scope, keyless=False)]


def method_probes(spec: Spec, scope: Scope, *, keyless: bool) -> list[Probe]:
    """Requests with methods that a path does not declare. Without a key, none of them must have an effect."""
    declared: dict[str, set[str]] = {}
    for each in spec.operations:
        declared.setdefault(each.path, set()).add(each.method)
    rule, expected = (METHOD_OPEN, _REFUSALS) if keyless else (METHOD, ("405",))
    found = []
    for each in scope.asked:
        is_read_only = each.method == "GET" and not declared[each.path] & {*_WRITING}
        for request in _samples(spec, each, ())[:1] if is_read_only else ():
            placed, methods = evolve(rule, address=each.address.rpartition("/")[0]), frozenset(declared[each.path])
            sent = _without_key(request) if keyless else request
            found += [Probe(placed, evolve(sent, method=method), expected, "", methods) for method in _WRITING]
    return found


def _answered(operation: Operation) -> Rule:
    return Rule(operation.label, Severity.BREAKING, operation.address, f"{operation.label} is answered")


def _without_key(request: Request) -> Request:
    return evolve(request, headers=tuple(each for each in request.headers if each[0] != "Authorization"))


def _samples(spec: Spec, operation: Operation, ids: Sequence[str], *, bad: bool = False) -> list[Request]:
    """Requests with the document's examples, else a generated one; or some with invalid bodies.

    The key is a placeholder. ``ids``: tried first for parameters that are named like an id.
    """
    modes, part = need("schemathesis").GenerationMode, spec.api[operation.path][operation.method]
    if bad:
        drawn = _drawn(part.as_strategy(generation_mode=modes.NEGATIVE), MAX_DRAWN)
        # Invalid in no other part. Short objects are the easiest to read, and the likeliest mistakes of a caller.
        # In a media type such as text/plain every body is a text, and none is invalid.
        bad_parts = [[at.value for at, part in case.meta.components.items() if part.mode.is_negative] for case in drawn]
        made = (
            _request(spec, operation, case) for case, parts in zip(drawn, bad_parts, strict=True) if parts == ["body"]
        )
        found = [each for each in made if re.search("json|form", media_type(each.headers))]
        shortest = sorted(dict.fromkeys(found), key=lambda each: (each.body[:1] != b"{", len(each.body)))
        return list(islice((each for each in shortest if not fits_a_form(spec, operation, each)), MAX_SAMPLES))
    strategies = part.get_strategies_from_examples() or [part.as_strategy(generation_mode=modes.POSITIVE)]
    cases = [case for each in strategies for case in _drawn(each)]
    takers = [(location, name) for location, name in spec.parameters(operation) if _AN_ID.fullmatch(name)]
    found = []
    for task_id in (*ids, None) if takers and cases else (None,):
        for case in cases[:1] if task_id else cases:
            for location, name in takers if task_id else ():
                values = {"path": case.path_parameters, "query": case.query}.get(location)
                if values is not None:
                    values[name] = task_id
            found.append(_request(spec, operation, case))
    return list(dict.fromkeys(found))


def _drawn(strategy: Any, limit: int = 1) -> list[Any]:
    """Cases that a strategy generates, the same in every run; none if it cannot."""
    hypothesis, found = need("hypothesis"), list[Any]()
    options = {"max_examples": limit, "database": None, "deadline": None, "phases": [hypothesis.Phase.generate]}
    options["suppress_health_check"] = list(hypothesis.HealthCheck)
    keep = hypothesis.given(strategy)(lambda case: found.append(case))  # noqa: PLW0108 (it needs a function)
    try:
        hypothesis.seed(1)(hypothesis.settings(**options)(keep))()
    except (hypothesis.errors.HypothesisException, need("schemathesis").errors.SerializationNotPossible):
        return []
    return found


def fits_a_form(spec: Spec, operation: Operation, request: Request) -> bool:
    """Whether a JSON body fits one or more forms of each ``oneOf``.

    If it fits several, the document does not distinguish them, and a gateway may accept it.
    """
    declared = spec.children(spec.child(operation, "requestBody"), "content").get(media_type(request.headers))
    try:
        value = json.loads(request.body)
    except ValueError:
        return False
    if declared is None or not isinstance(declared.value.get("schema"), dict):
        return False
    return fits_schema(_as_any_of(spec.document), _as_any_of(declared.value["schema"]), value)


def _as_any_of(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_as_any_of(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {"anyOf" if key == "oneOf" else key: _as_any_of(value) for key, value in schema.items()}


def _request(spec: Spec, operation: Operation, case: Any) -> Request:
    """The request of a case, as schemathesis would send it, with the headers of the probes."""
    sent = case.as_transport_kwargs(base_url="http://gateway")
    names = ("method", "url", "headers", "params", "json", "data", "files", "cookies")
    prepared = need("requests").Request(**{name: sent[name] for name in names if name in sent}).prepare()
    body = prepared.body or b""
    types = [
        media
        for status, declared in spec.children(operation, "responses").items()
        if status.startswith("2")
        for media in spec.children(declared, "content")
    ]
    headers = [("Accept", ", ".join(dict.fromkeys(types)) or "*/*"), ("Accept-Encoding", "identity")]
    headers += [(name, str(value)) for name, value in prepared.headers.items() if name.lower() not in _NOT_SENT]
    headers.append(("Authorization", f"Bearer {PLACEHOLDER}"))
    return Request.to(operation.method, prepared.url, headers, body.encode() if isinstance(body, str) else body)


def reason_without_success(operation: Operation, statuses: Sequence[int]) -> str:
    """Why an operation counts as not checked although it was in scope."""
    if not statuses:
        return "no request could be created from the document's description of its parameters and body"
    seen = ", ".join(map(str, sorted(set(statuses))))
    needs_id = operation.is_query or "{" in operation.path
    hint = "; pass an id that the gateway knows with --task-id" if needs_id else ""
    return f"it never succeeded ({seen}){hint}"
