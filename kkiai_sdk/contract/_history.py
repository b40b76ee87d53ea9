"""What only several answers show together: whether a gateway says the same of the same task each time."""

from __future__ import annotations

import ipaddress
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from kkiai_sdk.contract._rule import PROPERTIES, Breach, Rule, Severity, cut
from kkiai_sdk.contract._rules_task import FAILURE_WORDS, SUCCESS_WORDS, is_moment, plain_id, word_of
from kkiai_sdk.contract._seen import read_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._rule import Words
    from kkiai_sdk.contract._seen import Exchange

_ENDS = {**dict.fromkeys(SUCCESS_WORDS, "succeeded"), **dict.fromkeys(FAILURE_WORDS, "failed")}


def _rule(rule_id: str, name: str, description: str, severity: Severity = Severity.BREAKING) -> Rule:
    return Rule(rule_id, severity, f"{PROPERTIES}/{name}", description)


REVIVED = _rule("task-revived", "status", "a task that has ended stays as it ended")
BACKWARDS = _rule("time-backwards", "status_update_time", "the time of a task never goes back")
UNSTABLE_ID = _rule("id-unstable", "id", "a task is called by one id")
MIXED = _rule("ids-mixed", "id", "different ids are different tasks")
PRIVATE = _rule("url-private", "video_url", "a URL can be reached from where the gateway can")
PLAIN = _rule("url-plain", "video_url", "behind https there are https URLs", Severity.DRIFT)
MOVED = _rule("url-moves", "video_url", "the URL of a finished video stays on its host", Severity.DRIFT)
CHANGED = _rule("ended-changes", "status_update_time", "a task that has ended does not change", Severity.DRIFT)
RULES = (REVIVED, BACKWARDS, UNSTABLE_ID, MIXED, PRIVATE, PLAIN, MOVED, CHANGED)


@frozen
class Told:
    """One answer about one task."""

    asked: str
    task: dict[str, Any]
    exchange: Exchange

    @property
    def end(self) -> str | None:
        """How the task ended; None if it did not."""
        return _ENDS.get(word_of(self.task.get("status")))

    @property
    def host(self) -> str | None:
        """The host of the video's URL."""
        return host_of(self.task.get("video_url"))


def told(exchanges: Iterable[Exchange]) -> list[Told]:
    """Every answer about a task, in order."""
    found = []
    for exchange in exchanges:
        asked, body = exchange.request.parameter("id"), read_body(exchange.response)
        is_query = exchange.request.method == "GET" and exchange.response.status == 200
        if asked and is_query and isinstance(body, dict):
            found.append(Told(asked, body, exchange))
    return found


def judge_all(base_url: str, exchanges: Iterable[Exchange]) -> list[Breach]:
    """Every breach in what was said over time."""
    answers = told(exchanges)
    by_id: dict[str, list[Told]] = {}
    for each in answers:
        by_id.setdefault(each.asked, []).append(each)
    found: list[Breach] = []
    for same in by_id.values():
        found += (breach for before, after in pairwise(same) for breach in _between(before, after))
    found += _mixed([same[0] for same in by_id.values()])
    found += (breach for each in answers for breach in _reachable(base_url, each))
    return found


def _between(before: Told, after: Told) -> Iterator[Breach]:
    """Two answers about one task, one after the other."""
    for rule, words in (*_over_time(before, after), *_after_the_end(before, after)):
        yield Breach.of(rule, (rule.address, *words), after.exchange)


def _over_time(before: Told, after: Told) -> Iterator[tuple[Rule, tuple[str, str, str]]]:
    if before.end and after.end != before.end:
        yield REVIVED, (before.end, cut(after.task.get("status")), f"{before.end} {after.end}")
    earlier, later = before.task.get("status_update_time"), after.task.get("status_update_time")
    if is_moment(earlier) and is_moment(later) and later < earlier:
        yield BACKWARDS, (f"{earlier} or later", cut(later), "back")
    ids = before.task.get("id"), after.task.get("id")
    if all(isinstance(each, str) and each for each in ids) and ids[0] != ids[1]:
        yield UNSTABLE_ID, (cut(ids[0]), cut(ids[1]), "other")


def _after_the_end(before: Told, after: Told) -> Iterator[tuple[Rule, tuple[str, str, str]]]:
    if not before.end or before.end != after.end:
        return
    if before.host and after.host and before.host != after.host:
        yield MOVED, (cut(before.host), cut(after.host), "host")
    for name in ("status", "enhanced_prompt", "status_update_time"):
        old, new = before.task.get(name), after.task.get(name)
        if old != new and not (name == "status_update_time" and is_moment(old) and is_moment(new) and new < old):
            yield CHANGED, (f"{name}: {cut(old)}", f"{name}: {cut(new)}", name)


def _mixed(firsts: list[Told]) -> Iterator[Breach]:
    """The prefix of an id may be left out; otherwise two ids do not name one task."""
    for one, other in combinations(firsts, 2):
        answered = one.task.get("id")
        is_same = isinstance(answered, str) and answered and answered == other.task.get("id")
        if is_same and plain_id(one.asked) != plain_id(other.asked):
            words: Words = (MIXED.address, f"another id than for {cut(one.asked)}", cut(answered), "same")
            yield Breach.of(MIXED, words, other.exchange)


def _reachable(base_url: str, each: Told) -> Iterator[Breach]:
    home, url = host_of(base_url), each.task.get("video_url")
    if each.host is None:
        return
    if _privacy(each.host) and each.host != home and _privacy(each.host) != _privacy(home or ""):
        words = (PRIVATE.address, "a host that others can reach", cut(each.host), _privacy(each.host))
        yield Breach.of(PRIVATE, words, each.exchange)
    if base_url.startswith("https:") and str(url).lower().startswith("http:"):
        yield Breach.of(PLAIN, (PLAIN.address, "https", cut(url), "http"), each.exchange)


def host_of(url: object) -> str | None:
    """The host of a URL, in lower case; None for what has none."""
    try:
        return urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return None


def _privacy(host: str) -> str:
    """Why a host cannot be reached from elsewhere; empty if it can."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return "loopback" if "localhost" in host else "private"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return "loopback" if address.is_loopback else "" if address.is_global else "private"
