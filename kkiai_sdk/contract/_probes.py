"""The basic questions, each with the answer that the contract asks for. A handful, all of them read-only.

They are what a gateway that is not ours is asked, and what any check begins with: a known task, an unknown one, no key,
a wrong key, no id, an id beyond the limit, and the one optional header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from attrs import field, frozen

from kkiai_sdk.contract._messages import Problem, Request
from kkiai_sdk.contract._rules import NO_SUCH_TASK, Breach, Rule, Severity, code_of
from kkiai_sdk.contract._seen import Exchange, read_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kkiai_sdk.contract._messages import Headers

QUERY_PATH = "/v1/video/query"
_QUERY = "/paths/~1v1~1video~1query/get"
#: Requests that a gateway is sent at most when the check is gentle.
GENTLE_LIMIT = 12
#: Crashes that are looked into.
MAX_CRASHES = 5
#: An id that no task has: it is not of a form that gateways give out.
NO_TASK = "kkiai-contract:no-such-task"
#: A key that no gateway gives out.
WRONG_KEY = "kkiai-contract-wrong-key"
#: The documented bound is 256.
LONG_ID = "a" * 257


def _rule(rule_id: str, where: str, description: str, severity: Severity = Severity.BREAKING) -> Rule:
    return Rule(rule_id, severity, _QUERY + where, description, lambda _: ())


KNOWN_TASK = _rule("task-known", "/responses/200", "a task that exists is answered with 200")
UNKNOWN_TASK = _rule("task-unknown", "/responses/400", "an unknown task is answered with task_not_exist or 404")
NO_KEY = _rule("key-missing", "/security", "a request without a key is refused with 401")
BAD_KEY = _rule("key-wrong", "/security", "a wrong key is refused with 401")
NO_ID = _rule("id-missing", "/parameters/0/required", "a query without an id is refused with 400")
TOO_LONG = _rule("id-too-long", "/parameters/0/schema/maxLength", "an id of 257 characters is refused")
FORWARDED = _rule("forwarded-host", "/parameters/1", "X-Forwarded-Host does not change the answer")
WHOLE = _rule("answer-broken", "/responses", "every request gets one whole HTTP answer")
CRASH = _rule("server-error-again", "/responses/5XX", "no query is answered with 5XX every time")
RULES = (KNOWN_TASK, UNKNOWN_TASK, NO_KEY, BAD_KEY, NO_ID, TOO_LONG, FORWARDED, WHOLE, CRASH)

#: The two ways to say that there is no such task.
_NO_SUCH = ("400 task_not_exist", "404")


@frozen
class Probe:
    """A question and the answers that keep the contract."""

    rule: Rule
    #: None: the query has no id.
    task_id: str | None
    expected: tuple[str, ...]
    #: ``good``, ``wrong`` or ``none``.
    key: str = "good"
    headers: Headers = field(default=())

    def request(self, api_key: str) -> Request:
        """The request to send. The headers are the documented ones."""
        query = "" if self.task_id is None else f"id={quote(self.task_id, safe='')}"
        token = {"good": api_key, "wrong": WRONG_KEY, "none": ""}[self.key]
        credential = (("Authorization", f"Bearer {token}"),) if token else ()
        base = (("Accept", "application/json"), ("Content-Type", "application/json"))
        return Request("GET", QUERY_PATH, query, (*base, *credential, *self.headers))


def known(task_id: str, *, sure: bool) -> Probe:
    """The question about a task that exists. If that is only a guess, the gateway may say that it does not."""
    return Probe(KNOWN_TASK, task_id, ("200",) if sure else ("200", *_NO_SUCH))


def plan(task_ids: Sequence[str], *, gentle: bool, sure: bool) -> list[Probe]:
    """The questions for a gateway; a gentle plan keeps to GENTLE_LIMIT and leaves out ids beyond it."""
    one = task_ids[0] if task_ids else NO_TASK
    forwarded = known(one, sure=sure).expected if task_ids else _NO_SUCH
    rest = [
        Probe(UNKNOWN_TASK, NO_TASK, _NO_SUCH),
        Probe(NO_KEY, one, ("401",), key="none"),
        Probe(BAD_KEY, one, ("401",), key="wrong"),
        Probe(NO_ID, None, ("400",)),
        Probe(TOO_LONG, LONG_ID, ("400", "404")),
        Probe(FORWARDED, one, forwarded, headers=(("X-Forwarded-Host", "localhost:5173"),)),
    ]
    ids = task_ids[: GENTLE_LIMIT - len(rest)] if gentle else task_ids
    return [*(known(task_id, sure=sure) for task_id in ids), *rest]


def crashes(exchanges: Iterable[Exchange]) -> list[Probe]:
    """The questions that were answered with 5XX, to be asked again: trouble passes, a defect stays. A few of them."""
    crashed = [each.request for each in exchanges if each.response.status >= 500 and each.request.method == "GET"]
    ids = [request.parameter("id") for request in crashed]
    asked = dict.fromkeys(task_id for task_id in ids if task_id and len(task_id) < len(LONG_ID))
    return [Probe(CRASH, task_id, ("200", "400", "401", "402", "403", "404")) for task_id in list(asked)[:MAX_CRASHES]]


def verdict(probe: Probe, exchange: Exchange) -> list[Breach]:
    """What is wrong with the answer to a question, beside what the rules for every answer find."""
    got = said(exchange)
    status = got.partition(" ")[0]
    # Being asked too often says nothing about the answer.
    if status == "429" or any(each in {got, status} for each in probe.expected):
        return []
    problem = Problem(probe.rule.id, probe.rule.address, " or ".join(probe.expected), got, got)
    return [Breach(probe.rule, problem, exchange)]


def said(exchange: Exchange) -> str:
    """The answer in short: its status and, if it is about an unknown task, the code that says so."""
    code = code_of(read_body(exchange.response))
    suffix = f" {code}" if code in NO_SUCH_TASK else ""
    return f"{exchange.response.status}{suffix}"


def fault(request: Request, reason: str, key: str) -> Breach:
    """No whole answer came. The exchange has the status 0, which HTTP does not know."""
    problem = Problem(WHOLE.id, WHOLE.address, "a whole HTTP answer", reason, key)
    return Breach(WHOLE, problem, Exchange.without_answer(request))
