"""Single requests, each with the responses that conform to the contract.

Every check begins with them, and a remote gateway is sent nothing else: a known task, an unknown one, no key, a wrong
key, no id, an id beyond the limit, the one optional header. A full check adds other forms of the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from attrs import evolve, frozen

from kkiai_sdk.contract._messages import PLACEHOLDER, Exchange, Request, media_type, read_body, values_of
from kkiai_sdk.contract._rules import NO_SUCH_TASK, code_of
from kkiai_sdk.contract._spec import QUERY_PATH, SAFE
from kkiai_sdk.contract._violations import QUERY, Rule, Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Requests of a gentle check at most, repeats included.
GENTLE_LIMIT = 12
#: Server errors that are examined.
MAX_CRASHES = 12
#: An id in a form that gateways do not issue.
NO_TASK = "kkiai-contract:no-such-task"
WRONG_KEY = "kkiai-contract-wrong-key"
#: The documented limit is 256.
LONG_ID = "a" * 257


def _rule(rule_id: str, where: str, description: str, severity: Severity = Severity.BREAKING) -> Rule:
    return Rule(rule_id, severity, QUERY + where, description)


KNOWN_TASK = _rule("task-known", "/responses/200", "a query for an existing task returns 200")
UNKNOWN_TASK = _rule("task-unknown", "/responses/400", "a query for an unknown task returns task_not_exist or 404")
NO_KEY = _rule("key-missing", "/security", "a request without a key is refused with 401")
BAD_KEY = _rule("key-wrong", "/security", "a wrong key is refused with 401")
NO_ID = _rule("id-missing", "/parameters/name=id/required", "a query without an id is refused with 400")
TOO_LONG = _rule("id-too-long", "/parameters/name=id/schema/maxLength", "an id of 257 characters is refused")
FORWARDED = _rule(
    "forwarded-host", "/parameters/name=X-Forwarded-Host", "X-Forwarded-Host has no effect on the response"
)
COMPLETE = _rule("answer-broken", "/responses", "every request gets one complete HTTP response")
CRASH = _rule("server-error-again", "/responses/5XX", "no request always fails with 5XX")
KEY_FORM = _rule("key-form", "/security", "the key is accepted as a bearer token only", Severity.DRIFT)
KEY_CASE = _rule("key-case", "/security", "the word Bearer is case-insensitive", Severity.DRIFT)
HEAD = _rule("head-differs", "", "HEAD is answered like GET, or refused", Severity.DRIFT)
BAD_BODY = _rule("bad-body", "/requestBody", "a body that the document forbids is refused")
METHOD_OPEN = _rule("method-open", "", "an undeclared method has no effect without a key")
METHOD = _rule("unsupported-method", "", "other methods are refused with 405 and Allow", Severity.DRIFT)
ALLOW = _rule("allow-header-conformance", "", "Allow names the declared methods", Severity.DRIFT)
RULES = (KNOWN_TASK, UNKNOWN_TASK, NO_KEY, BAD_KEY, NO_ID, TOO_LONG, FORWARDED, COMPLETE, CRASH)
#: Rules of full checks only.
FULL_RULES = (KEY_FORM, KEY_CASE, HEAD, METHOD_OPEN, METHOD, ALLOW)

#: A malformed Authorization field may also be answered as a bad request (RFC 6750 section 3.1).
_REFUSED = ("401", "400", "403")
_NOT_FOUND = ("400 task_not_exist", "404")
#: Any response: its status is judged like that of every other one.
ANY = ("1XX", "2XX", "3XX", "4XX", "5XX")
ANY_BUT_5XX = ANY[:-1]
#: Credentials; the placeholder stands for the key.
GOOD, NONE, WRONG = f"Bearer {PLACEHOLDER}", "", f"Bearer {WRONG_KEY}"
#: The documented headers; no content coding is asked for.
_HEADERS = (("Accept", "application/json"), ("Content-Type", "application/json"), ("Accept-Encoding", "identity"))


@frozen
class Probe:
    """A request and the responses that conform to the contract."""

    rule: Rule
    #: With the placeholder of the key.
    template: Request
    #: Statuses, each alone or with the code of an error.
    expected: tuple[str, ...]
    #: The form of the credential, which distinguishes violations of one rule.
    form: str = ""
    #: The methods that its path declares, for an undeclared one.
    declared: frozenset[str] = frozenset()

    @property
    def is_good(self) -> bool:
        """Whether the document has a request like this one, so that it also declares the status of the response."""
        return self.expected == ANY

    @property
    def has_key(self) -> bool:
        """Whether the key is sent as documented."""
        return ("Authorization", GOOD) in self.template.headers

    def request(self, api_key: str) -> Request:
        """The request to send."""
        headers = tuple((name, value.replace(PLACEHOLDER, api_key)) for name, value in self.template.headers)
        return evolve(self.template, headers=headers, query=self.template.query.replace(PLACEHOLDER, quote(api_key)))


def query(task_id: str | None, credential: str = GOOD, *more: tuple[str, str]) -> Request:
    """A query; without an id if it is None. ``more``: further header fields."""
    fields = (*((("Authorization", credential),) if credential else ()), *more)
    return Request("GET", QUERY_PATH, "" if task_id is None else f"id={quote(task_id, safe='')}", (*_HEADERS, *fields))


def known(task_id: str, *, sure: bool) -> Probe:
    """A query for a task that exists. If that is only assumed, the gateway may report that it does not."""
    return Probe(KNOWN_TASK, query(task_id), ("200",) if sure else ("200", *_NOT_FOUND))


def task_probes(task_ids: Sequence[str], *, gentle: bool, sure: bool, others: int = 0) -> list[Probe]:
    """One query for each task; a gentle check leaves out those beyond its limit. ``others``: requests to reserve."""
    limit = GENTLE_LIMIT - len(basic_probes(NO_TASK, sure=True)) - others
    return [known(task_id, sure=sure) for task_id in (task_ids[:limit] if gentle else task_ids)]


def basic_probes(task_id: str, *, sure: bool) -> list[Probe]:
    """The probes of every check. ``task_id``: a known task, preferably one that has ended and does not change."""
    expected = _NOT_FOUND if task_id == NO_TASK else known(task_id, sure=sure).expected
    return [
        Probe(UNKNOWN_TASK, query(NO_TASK), _NOT_FOUND),
        Probe(NO_KEY, query(task_id, NONE), ("401",)),
        Probe(BAD_KEY, query(task_id, WRONG), ("401",)),
        Probe(NO_ID, query(None), ("400",)),
        Probe(TOO_LONG, query(LONG_ID), ("400", "404")),
        Probe(FORWARDED, query(task_id, GOOD, ("X-Forwarded-Host", "localhost:5173")), expected),
    ]


def full_probes(task_id: str, *, sure: bool, local: bool) -> list[Probe]:
    """The probes of a full check. The key is put into URLs on this machine only: other machines may log URLs."""
    expected = _NOT_FOUND if task_id == NO_TASK else known(task_id, sure=sure).expected
    plain = query(task_id, NONE)
    in_query = "".join(f"&{name}={PLACEHOLDER}" for name in ("key", "api_key", "access_token", "token"))
    return [
        Probe(NO_KEY, query(task_id, "Bearer"), _REFUSED, "empty"),
        Probe(BAD_KEY, query(task_id, f"Basic {WRONG_KEY}"), _REFUSED, "Basic"),
        Probe(BAD_KEY, query(task_id, WRONG_KEY), _REFUSED, "alone"),
        Probe(KEY_FORM, query(task_id, PLACEHOLDER), _REFUSED, "alone"),
        Probe(KEY_FORM, query(task_id, f"Token {PLACEHOLDER}"), _REFUSED, "Token"),
        Probe(KEY_FORM, query(task_id, NONE, ("X-Api-Key", PLACEHOLDER)), _REFUSED, "X-Api-Key"),
        Probe(KEY_CASE, query(task_id, f"bearer {PLACEHOLDER}"), expected),
        Probe(NO_ID, query(""), ("400", "404")),
        Probe(UNKNOWN_TASK, query(LONG_ID[1:]), _NOT_FOUND),
        Probe(HEAD, evolve(query(task_id), method="HEAD"), ("200", "405", "501", *(() if sure else ("400", "404")))),
        *([Probe(KEY_FORM, evolve(plain, query=plain.query + in_query), _REFUSED, "query")] if local else []),
    ]


def crash_probes(exchanges: Iterable[Exchange], *, writes: bool) -> list[Probe]:
    """Requests that were answered with 5XX, to be repeated: transient errors pass, a defect stays."""
    found = {}
    for request in (each.request for each in exchanges if each.response.status >= 500):
        has_key = bool(values_of(request.headers, "authorization"))
        # Some fields can only be sent by schemathesis.
        can_be_sent = all(value.strip() == value and value.isprintable() for _, value in request.headers)
        if can_be_sent and (writes or request.method in SAFE or not has_key):
            found[request.method, request.path, request.query, has_key] = request
    return [Probe(CRASH, request, ANY_BUT_5XX) for request in list(found.values())[:MAX_CRASHES]]


def verdict(probe: Probe, exchange: Exchange) -> list[Violation]:
    """The violation of a probe's rule, if the response is not an expected one."""
    if probe.declared:
        return _method_verdict(probe, exchange)
    code = code_of(read_body(exchange.response))
    status = str(exchange.response.status)
    got = f"{status} {code}" if code in NO_SUCH_TASK else status
    is_page = probe.rule is HEAD and status == "200" and media_type(exchange.response.headers) != "application/json"
    if any(each in {got, status, f"{status[0]}XX"} for each in probe.expected) and not is_page:
        return []
    got += " without application/json" if is_page else ""
    expected = "any response but 5XX" if probe.expected == ANY_BUT_5XX else " or ".join(probe.expected)
    return [Violation(probe.rule, exchange, expected, got, f"{got} {probe.form}".strip())]


def _method_verdict(probe: Probe, exchange: Exchange) -> list[Violation]:
    """Violations by an undeclared method: breaking if it is accepted without a key, drift if refused incorrectly."""
    method, status = exchange.request.method, exchange.response.status
    address, declared = probe.rule.address, probe.declared
    # A 405 must have Allow (RFC 9110 section 15.5.6).
    allowed = values_of(exchange.response.headers, "allow")
    named = {name.strip().upper() for value in allowed for name in value.split(",")} - {""}
    if status == 405 and allowed and named - declared - {"OPTIONS", "HEAD"}:
        wanted, got = (", ".join(sorted(each)) for each in (declared, named))
        return [Violation(evolve(ALLOW, address=address), exchange, f"Allow: {wanted}", f"Allow: {got}", got)]
    is_open = 200 <= status < 300 and not probe.has_key
    if str(status) in probe.expected and (status != 405 or allowed):
        return []
    # One violation for all methods that are refused incorrectly, one for each that is accepted.
    key = f"{status} {method if status < 400 else ''}".strip()
    got = f"{method}, {status}{' without Allow' if status == 405 else ''}"
    rule = probe.rule if is_open else evolve(METHOD, address=address)
    return [Violation(rule, exchange, " or ".join(probe.expected), got, key)]
