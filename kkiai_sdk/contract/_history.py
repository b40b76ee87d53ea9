"""Rules about several exchanges: whether a gateway reports the same about the same task each time."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from kkiai_sdk.contract._messages import read_body
from kkiai_sdk.contract._rules import FAILURE, SUCCESS, is_moment, plain_id, status_word
from kkiai_sdk.contract._spec import QUERY_PATH
from kkiai_sdk.contract._violations import PROPERTIES, Rule, Severity, Violation, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._messages import Exchange

_ENDS = {**dict.fromkeys(SUCCESS, "succeeded"), **dict.fromkeys(FAILURE, "failed")}
_BREAKING, _DRIFT, _ = Severity
_ID, _STATUS, _URL, _TIME = (f"{PROPERTIES}/{name}" for name in ("id", "status", "video_url", "status_update_time"))
REVIVED = Rule("task-revived", _BREAKING, _STATUS, "the final state of a task does not change")
BACKWARDS = Rule("time-backwards", _BREAKING, _TIME, "the update time of a task never goes back")
UNSTABLE_ID = Rule("id-unstable", _BREAKING, _ID, "a task has one id")
MIXED = Rule("ids-mixed", _BREAKING, _ID, "different ids belong to different tasks")
PRIVATE = Rule("url-private", _BREAKING, _URL, "whoever can reach the gateway can also reach the URL")
PLAIN = Rule("url-plain", _DRIFT, _URL, "a gateway on https returns https URLs")
MOVED = Rule("url-moves", _DRIFT, _URL, "the URL of a finished video stays on its host")
CHANGED = Rule("ended-changes", _DRIFT, _TIME, "a task does not change after it has ended")
RULES = (REVIVED, BACKWARDS, UNSTABLE_ID, MIXED, PRIVATE, PLAIN, MOVED, CHANGED)


@frozen
class TaskReport:
    """One response about one task."""

    asked: str
    task: dict[str, Any]
    exchange: Exchange

    @property
    def end(self) -> str | None:
        """``succeeded`` or ``failed``; None if the task has not ended."""
        return _ENDS.get(status_word(self.task.get("status")))


def task_reports(exchanges: Iterable[Exchange]) -> list[TaskReport]:
    """Every response about a task, in order."""
    found = []
    for exchange in exchanges:
        asked, body = exchange.request.parameter("id"), read_body(exchange.response)
        is_query = exchange.request.method == "GET" and exchange.request.path == QUERY_PATH
        is_query = is_query and exchange.response.status == 200
        if asked and is_query and isinstance(body, dict):
            found.append(TaskReport(asked, body, exchange))
    return found


def judge_history(base_url: str, exchanges: Iterable[Exchange]) -> list[Violation]:
    """Every violation of the rules about several exchanges."""
    reports = task_reports(exchanges)
    by_id: dict[str, list[TaskReport]] = {}
    for each in reports:
        by_id.setdefault(each.asked, []).append(each)
    found: list[Violation] = []
    for same in by_id.values():
        for before, after in pairwise(same):
            found += _transition(before, after)
    found += _mixed(same[0] for same in by_id.values())
    for each in reports:
        found += _reachability(base_url, each)
    return found


def _transition(before: TaskReport, after: TaskReport) -> Iterator[Violation]:
    """Two responses about one task, one after the other."""
    end, is_back = before.end, False
    if end and after.end != end:
        yield Violation(REVIVED, after.exchange, end, short(after.task.get("status")), f"{end} {after.end}")
    earlier, later = before.task.get("status_update_time"), after.task.get("status_update_time")
    if is_moment(earlier) and is_moment(later) and later < earlier:
        is_back = True
        yield Violation(BACKWARDS, after.exchange, f"{earlier} or later", short(later), "back")
    ids = before.task.get("id"), after.task.get("id")
    if all(isinstance(each, str) and each for each in ids) and ids[0] != ids[1]:
        yield Violation(UNSTABLE_ID, after.exchange, short(ids[0]), short(ids[1]), "other")
    if end and after.end == end:
        hosts = _host_of(before.task.get("video_url")), _host_of(after.task.get("video_url"))
        if all(hosts) and hosts[0] != hosts[1]:
            yield Violation(MOVED, after.exchange, short(hosts[0]), short(hosts[1]), "host")
        for name in ("status", "enhanced_prompt", *(() if is_back else ("status_update_time",))):
            old, new = before.task.get(name), after.task.get(name)
            if old != new:
                yield Violation(CHANGED, after.exchange, f"{name}: {short(old)}", f"{name}: {short(new)}", name)


def _mixed(firsts: Iterable[TaskReport]) -> Iterator[Violation]:
    """Each task with the id of an earlier one. The prefix of an id may be left out."""
    asked: dict[str, str] = {}
    for report in firsts:
        answered = report.task.get("id")
        if isinstance(answered, str) and answered:
            earlier = asked.setdefault(answered, report.asked)
            if plain_id(earlier) != plain_id(report.asked):
                expected = f"an id other than that of {short(earlier)}"
                yield Violation(MIXED, report.exchange, expected, short(answered), "same")


def _reachability(base_url: str, report: TaskReport) -> Iterator[Violation]:
    url = report.task.get("video_url")
    home, host = _host_of(base_url), _host_of(url)
    privacy = privacy_of(host or "")
    if privacy and host != home and privacy != privacy_of(home or ""):
        yield Violation(PRIVATE, report.exchange, "a publicly reachable host", short(host), privacy)
    if host and base_url.startswith("https:") and str(url).lower().startswith("http:"):
        yield Violation(PLAIN, report.exchange, "https", short(url), "http")


def _host_of(url: object) -> str | None:
    try:
        return urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return None


def privacy_of(host: str) -> str:
    """``loopback`` or ``private`` for a host that cannot be reached from elsewhere; empty otherwise."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return "loopback" if "localhost" in host else "private"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return "loopback" if address.is_loopback else "" if address.is_global else "private"
