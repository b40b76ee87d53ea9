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

    from kkiai_sdk.contract._messages import Headers

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
BAD_BODY = _rule("bad-body", "", "a body that the document forbids is refused")
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
#: Credentials, with ``{key}`` for the key.
GOOD, NONE, WRONG = "Bearer {key}", "", f"Bearer {WRONG_KEY}"
#: The documented headers; no content coding is asked for.
_HEADERS = (("Accept", "application/json"), ("Content-Type", "application/json"), ("Accept-Encoding", "identity"))


@frozen
class Probe:
    """A request and the responses that conform to the contract."""

    rule: Rule
    #: None: the query has no id.
    task_id: str | None
    #: Statuses, each alone or with the code of an error.
    expected: tuple[str, ...]
    #: The Authorization field; empty for none.
    credential: str = GOOD
    headers: Headers = ()
    method: str = "GET"
    #: Further query parameters, such as ``key={key}``.
    more: str = ""
    #: The whole request, with the placeholder of the key; else it is a query.
    again: Request | None = None
    #: The methods that its path declares, for an undeclared one.
    declared: frozenset[str] = frozenset()

    @property
    def is_good(self) -> bool:
        """Whether the document has a request like this one, so that it also declares the status of the response."""
        return self.expected == ANY

    def request(self, api_key: str) -> Request:
        """The request to send."""
        if self.again is not None:
            headers = tuple((name, value.replace(PLACEHOLDER, api_key)) for name, value in self.again.headers)
            return evolve(self.again, headers=headers, query=self.again.query.replace(PLACEHOLDER, quote(api_key)))
        parts = [] if self.task_id is None else [f"id={quote(self.task_id, safe='')}"]
        parts += [self.more.replace("{key}", quote(api_key, safe=""))] if self.more else []
        fields = (*((("Authorization", self.credential),) if self.credential else ()), *self.headers)
        headers = (*_HEADERS, *((name, value.replace("{key}", api_key)) for name, value in fields))
        return Request(self.method, QUERY_PATH, "&".join(parts), headers)


def known(task_id: str, *, sure: bool) -> Probe:
    """A query for a task that exists. If that is only assumed, the gateway may report that it does not."""
    return Probe(KNOWN_TASK, task_id, ("200",) if sure else ("200", *_NOT_FOUND))


def odd_id(task_id: str) -> Probe:
    """A query for an id that no task has, whose response is judged as any other."""
    return Probe(UNKNOWN_TASK, task_id, ANY)


def task_probes(task_ids: Sequence[str], *, gentle: bool, sure: bool, others: int = 0) -> list[Probe]:
    """One query for each task; a gentle check leaves out those beyond its limit. ``others``: requests to reserve."""
    limit = GENTLE_LIMIT - len(basic_probes(NO_TASK, sure=True)) - others
    return [known(task_id, sure=sure) for task_id in (task_ids[:limit] if gentle else task_ids)]


def basic_probes(task_id: str, *, sure: bool) -> list[Probe]:
    """The probes of every check. ``task_id``: a known task, preferably one that has ended and does not change."""
    expected = _NOT_FOUND if task_id == NO_TASK else known(task_id, sure=sure).expected
    return [
        Probe(UNKNOWN_TASK, NO_TASK, _NOT_FOUND),
        Probe(NO_KEY, task_id, ("401",), NONE),
        Probe(BAD_KEY, task_id, ("401",), WRONG),
        Probe(NO_ID, None, ("400",)),
        Probe(TOO_LONG, LONG_ID, ("400", "404")),
        Probe(FORWARDED, task_id, expected, headers=(("X-Forwarded-Host", "localhost:5173"),)),
    ]


def full_probes(task_id: str, *, sure: bool, local: bool) -> list[Probe]:
    """The probes of a full check. The key is put into URLs on this machine only: other machines may log URLs."""
    expected = _NOT_FOUND if task_id == NO_TASK else known(task_id, sure=sure).expected
    in_query = [Probe(KEY_FORM, task_id, _REFUSED, NONE, more="key={key}&api_key={key}&access_token={key}&token={key}")]
    return [
        Probe(NO_KEY, task_id, _REFUSED, "Bearer"),
        Probe(BAD_KEY, task_id, _REFUSED, f"Basic {WRONG_KEY}"),
        Probe(BAD_KEY, task_id, _REFUSED, WRONG_KEY),
        Probe(KEY_FORM, task_id, _REFUSED, "{key}"),
        Probe(KEY_FORM, task_id, _REFUSED, "Token {key}"),
        Probe(KEY_FORM, task_id, _REFUSED, NONE, (("X-Api-Key", "{key}"),)),
        Probe(KEY_CASE, task_id, expected, "bearer {key}"),
        Probe(NO_ID, "", ("400", "404")),
        Probe(UNKNOWN_TASK, LONG_ID[1:], _NOT_FOUND),
        Probe(HEAD, task_id, ("200", "405", "501") if sure else ("200", "400", "404", "405", "501"), method="HEAD"),
        *(in_query if local else []),
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
    return [Probe(CRASH, None, ANY_BUT_5XX, again=request) for request in list(found.values())[:MAX_CRASHES]]


def verdict(probe: Probe, exchange: Exchange) -> list[Violation]:
    """The violation of a probe's rule, if the response is not an expected one."""
    if probe.declared:
        return _method_verdict(probe, exchange)
    code = code_of(read_body(exchange.response))
    status = str(exchange.response.status)
    got = f"{status} {code}" if code in NO_SUCH_TASK else status
    is_page = probe.method == "HEAD" and status == "200" and media_type(exchange.response.headers) != "application/json"
    if any(each in {got, status, f"{status[0]}XX"} for each in probe.expected) and not is_page:
        return []
    got += " without application/json" if is_page else ""
    # The form of the credential distinguishes violations; the key itself is not part of it.
    form = probe.credential if probe.credential not in {GOOD, NONE, WRONG} else ""
    names = " ".join(name for name, _ in probe.headers) if probe.rule is KEY_FORM else ""
    key = f"{got} {form}{bool(probe.more) or ''}{names}".strip()
    expected = "any response but 5XX" if probe.expected == ANY_BUT_5XX else " or ".join(probe.expected)
    return [Violation(probe.rule, exchange, expected, got, key)]


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
    is_open = 200 <= status < 300 and probe.credential == NONE
    if str(status) in probe.expected and (status != 405 or allowed):
        return []
    # One violation for all methods that are refused incorrectly, one for each that is accepted.
    key = f"{status} {method if status < 400 else ''}".strip()
    got = f"{method}, {status}{' without Allow' if status == 405 else ''}"
    rule = probe.rule if is_open else evolve(METHOD, address=address)
    return [Violation(rule, exchange, " or ".join(probe.expected), got, key)]
