"""The basic questions, each with the answer that the contract asks for. A handful, all of them read-only.

They are what a gateway that is not ours is asked, and what any check begins with: a known task, an unknown one, no key,
a wrong key, no id, an id beyond the limit, and the one optional header. A full check adds the keys and methods that
nobody documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from attrs import field, frozen

from kkiai_sdk.contract._conformance import media_type
from kkiai_sdk.contract._kinds import of_words
from kkiai_sdk.contract._messages import Problem, Request, values_of
from kkiai_sdk.contract._rule import QUERY, Breach, Rule, Severity
from kkiai_sdk.contract._rules_http import NO_SUCH_TASK, code_of
from kkiai_sdk.contract._rules_task import milliseconds_of
from kkiai_sdk.contract._seen import Exchange, read_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kkiai_sdk.contract._messages import Headers, Response

QUERY_PATH = "/v1/video/query"
#: Requests that a gateway is sent at most when the check is gentle, repeats included.
GENTLE_LIMIT = 12
#: Crashes that are looked into.
MAX_CRASHES = 5
#: An id that no task has: it is not of a form that gateways give out.
NO_TASK = "kkiai-contract:no-such-task"
#: A key that no gateway gives out.
WRONG_KEY = "kkiai-contract-wrong-key"
#: The documented bound is 256.
LONG_ID = "a" * 257
#: A 429 with one of these is no haste: the credit is used up, and asking again does not help.
QUOTA_CODES = frozenset(
    {"insufficient_quota", "insufficient_user_quota", "quota_exceeded", "billing_hard_limit_reached"}
)


def _rule(rule_id: str, where: str, description: str, severity: Severity = Severity.BREAKING) -> Rule:
    return Rule(rule_id, severity, QUERY + where, description)


KNOWN_TASK = _rule("task-known", "/responses/200", "a task that exists is answered with 200")
UNKNOWN_TASK = _rule("task-unknown", "/responses/400", "an unknown task is answered with task_not_exist or 404")
NO_KEY = _rule("key-missing", "/security", "a request without a key is refused with 401")
BAD_KEY = _rule("key-wrong", "/security", "a wrong key is refused with 401")
NO_ID = _rule("id-missing", "/parameters/name=id/required", "a query without an id is refused with 400")
TOO_LONG = _rule("id-too-long", "/parameters/name=id/schema/maxLength", "an id of 257 characters is refused")
FORWARDED = _rule("forwarded-host", "/parameters/name=X-Forwarded-Host", "X-Forwarded-Host does not change the answer")
WHOLE = _rule("answer-broken", "/responses", "every request gets one whole HTTP answer")
CRASH = _rule("server-error-again", "/responses/5XX", "no query is answered with 5XX every time")
KEY_FORM = _rule("key-form", "/security", "the key counts as a bearer token alone", Severity.DRIFT)
KEY_CASE = _rule("key-case", "/security", "the word Bearer may be written in any case", Severity.DRIFT)
HEAD = _rule("head-differs", "", "HEAD is answered as GET, or refused", Severity.DRIFT)
RULES = (KNOWN_TASK, UNKNOWN_TASK, NO_KEY, BAD_KEY, NO_ID, TOO_LONG, FORWARDED, WHOLE, CRASH)
#: Those that only a full check asks.
FULL_RULES = (KEY_FORM, KEY_CASE, HEAD)

#: A field Authorization that is in no good form may also be called a bad request (RFC 6750 section 3.1).
_REFUSED = ("401", "400", "403")
#: The two ways to say that there is no such task.
_NO_SUCH = ("400 task_not_exist", "404")
#: Ways to show a key, with ``{key}`` for a good one.
GOOD, NONE, WRONG = "Bearer {key}", "", f"Bearer {WRONG_KEY}"


@frozen
class Probe:
    """A question and the answers that keep the contract."""

    rule: Rule
    #: None: the query has no id.
    task_id: str | None
    expected: tuple[str, ...]
    #: The field Authorization; empty for none.
    credential: str = GOOD
    headers: Headers = field(default=())
    method: str = "GET"
    #: Another parameter of the query, such as ``key={key}``.
    more: str = ""

    def request(self, api_key: str) -> Request:
        """The request to send. The headers are the documented ones; nothing that is packed is asked for."""
        parts = [] if self.task_id is None else [f"id={quote(self.task_id, safe='')}"]
        parts += [self.more.replace("{key}", quote(api_key, safe=""))] if self.more else []
        credential = (("Authorization", self.credential.replace("{key}", api_key)),) if self.credential else ()
        headers = ((name, value.replace("{key}", api_key)) for name, value in self.headers)
        base = (("Accept", "application/json"), ("Content-Type", "application/json"), ("Accept-Encoding", "identity"))
        return Request(self.method, QUERY_PATH, "&".join(parts), (*base, *credential, *headers))


def known(task_id: str, *, sure: bool) -> Probe:
    """The question about a task that exists. If that is only a guess, the gateway may say that it does not."""
    return Probe(KNOWN_TASK, task_id, ("200",) if sure else ("200", *_NO_SUCH))


def about_tasks(task_ids: Sequence[str], *, gentle: bool, sure: bool) -> list[Probe]:
    """The first questions, one for each task; a gentle check leaves out those beyond its limit."""
    ids = task_ids[: GENTLE_LIMIT - len(about_rules(NO_TASK, sure=True))] if gentle else task_ids
    return [known(task_id, sure=sure) for task_id in ids]


def about_rules(task_id: str, *, sure: bool) -> list[Probe]:
    """The questions of every check. ``task_id``: a known task, best one that has ended, since it does not change."""
    expected = _NO_SUCH if task_id == NO_TASK else known(task_id, sure=sure).expected
    return [
        Probe(UNKNOWN_TASK, NO_TASK, _NO_SUCH),
        Probe(NO_KEY, task_id, ("401",), NONE),
        Probe(BAD_KEY, task_id, ("401",), WRONG),
        Probe(NO_ID, None, ("400",)),
        Probe(TOO_LONG, LONG_ID, ("400", "404")),
        Probe(FORWARDED, task_id, expected, headers=(("X-Forwarded-Host", "localhost:5173"),)),
    ]


def about_more(task_id: str, *, sure: bool, local: bool) -> list[Probe]:
    """What only a full check asks. The key stands in a URL only on this machine, where no log of others' keeps it."""
    expected = _NO_SUCH if task_id == NO_TASK else known(task_id, sure=sure).expected
    in_query = [Probe(KEY_FORM, task_id, _REFUSED, NONE, more="key={key}&api_key={key}&access_token={key}&token={key}")]
    return [
        Probe(NO_KEY, task_id, _REFUSED, "Bearer"),
        Probe(BAD_KEY, task_id, _REFUSED, f"Basic {WRONG_KEY}"),
        Probe(BAD_KEY, task_id, _REFUSED, WRONG_KEY),
        Probe(KEY_FORM, task_id, _REFUSED, "{key}"),
        Probe(KEY_FORM, task_id, _REFUSED, "Token {key}"),
        Probe(KEY_FORM, task_id, _REFUSED, NONE, (("X-Api-Key", "{key}"),)),
        Probe(KEY_CASE, task_id, expected, "bearer {key}"),
        Probe(UNKNOWN_TASK, LONG_ID[1:], _NO_SUCH),
        Probe(HEAD, task_id, ("200", "405", "501") if sure else ("200", "400", "404", "405", "501"), method="HEAD"),
        *(in_query if local else []),
    ]


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
    is_other = (
        probe.method == "HEAD" and status == "200" and media_type(exchange.response.headers) != "application/json"
    )
    if any(each in {got, status} for each in probe.expected) and not is_other:
        return []
    got = f"{got} without application/json" if is_other else got
    # Which key was shown tells one hole from another; the key itself is no part of it.
    key = f"{got} {probe.credential if probe.credential not in {GOOD, NONE, WRONG} else ''}{bool(probe.more) or ''}"
    key += " ".join(name for name, _ in probe.headers) if probe.rule is KEY_FORM else ""
    expected = " or ".join(probe.expected)
    return [Breach.of(probe.rule, (probe.rule.address, expected, got, key.strip()), exchange)]


def said(exchange: Exchange) -> str:
    """The answer in short: its status and, if it is about an unknown task, the code that says so."""
    code = code_of(read_body(exchange.response))
    suffix = f" {code}" if code in NO_SUCH_TASK else ""
    return f"{exchange.response.status}{suffix}"


def silence(response: Response) -> str | None:
    """Why an answer says nothing about the contract, or None: too many requests, or no credit left."""
    code = code_of(read_body(response))
    if response.status == 402 or (response.status == 429 and code in QUOTA_CODES):
        return f"the account has no credit left ({response.status})"
    return "the gateway answers that it is asked too often (429); lower --rate" if response.status == 429 else None


def may_pass(response: Response) -> bool:
    """Whether the same question may be answered otherwise a little later."""
    is_haste = response.status == 429 and code_of(read_body(response)) not in QUOTA_CODES
    return is_haste or response.status >= 500


def pause(response: Response | None) -> float:
    """Seconds to wait before a question is asked again: what the gateway says, as a number or as a date, else one."""
    named, sent = (values_of(response.headers, name) if response else [] for name in ("retry-after", "date"))
    text = named[0].strip() if named else ""
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    until, now = (milliseconds_of(each[0]) if each else None for each in (named, sent))
    return 1.0 if until is None or now is None else max(0.0, (until - now) / 1000)


def fault(request: Request, reason: str, key: str) -> Breach:
    """No whole answer came. The exchange has the status 0, which HTTP does not know."""
    problem = Problem(WHOLE.id, WHOLE.address, "a whole HTTP answer", reason, f"{key} {of_words(reason)}")
    return Breach(WHOLE, problem, Exchange.without_answer(request))
