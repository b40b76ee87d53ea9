"""What a schema cannot say about an answer as HTTP: header fields, framing, codings and refusals."""

from __future__ import annotations

import re
from email.utils import parsedate_tz
from typing import TYPE_CHECKING

from kkiai_sdk.contract import _conformance as conformance
from kkiai_sdk.contract._fields import SINGLE, is_of_the_way
from kkiai_sdk.contract._kinds import of_words
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.contract._rule import QUERY, cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._messages import Problem
    from kkiai_sdk.contract._rule import Words
    from kkiai_sdk.contract._seen import Seen
    from kkiai_sdk.contract._walk import Spot

#: Codes that make a 400 the documented answer to an unknown id.
NO_SUCH_TASK = frozenset({"task_not_exist"})
#: No reason to refuse a request: fields that servers ignore, and what only the description asks for.
NO_REASON = frozenset({"request-header-undeclared", "request-header-documented"})
_RESPONSES = f"{QUERY}/responses"


def fields(seen: Seen) -> Iterator[Words]:
    """Names that neither a schema nor an example of this answer shows."""
    declared: dict[tuple[str | int, ...], set[str]] = {}
    objects: dict[tuple[str | int, ...], Spot] = {}
    for spot in seen.spots:
        if isinstance(spot.value, dict) and isinstance(spot.schema.value, dict) and "properties" in spot.schema.value:
            declared.setdefault(spot.place, set()).update(spot.schema.value["properties"])
            objects.setdefault(spot.place, spot)
    for place, spot in objects.items():
        shown = _shown_in_examples(seen) if not place else set()
        for name in sorted(spot.value.keys() - declared[place] - shown):
            got = cut(".".join(map(str, (*place, name))))
            yield spot.schema.address + "/properties", "documented fields", got, got


def _shown_in_examples(seen: Seen) -> set[str]:
    return {
        name
        for _, media in (seen.spec.children(seen.declared, "content") if seen.declared else ())
        for _, example in seen.spec.children(media, "examples")
        if isinstance(example.value.get("value"), dict)
        for name in example.value["value"]
    }


def headers(seen: Seen) -> Iterator[Words]:
    """Names that the spec does not have for this answer and that do not come from between the two ends."""
    if seen.declared is None:
        return
    known = {name.lower() for name in seen.declared.value.get("headers") or {}}
    sent = {name.lower() for name, _ in seen.exchange.response.headers} - known
    for name in sorted(name for name in sent if not is_of_the_way(name)):
        yield seen.declared.address, "documented headers", cut(name), cut(name)


def repeated(seen: Seen) -> Iterator[Words]:
    """RFC 9110 section 5.3: a field that is no list comes once."""
    for name in SINGLE:
        sent = values_of(seen.exchange.response.headers, name)
        if len(sent) > 1 and name not in _declared_headers(seen):
            yield _RESPONSES, f"{name} once", f"{len(sent)} times", name


def _declared_headers(seen: Seen) -> set[str]:
    return {name.lower() for name in (seen.declared.value.get("headers") or {})} if seen.declared else set()


def framing(seen: Seen) -> Iterator[Words]:
    """RFC 9112 section 6.2: an answer that is cut into chunks has no length. Proxies disagree about which counts."""
    fields = seen.exchange.response.headers
    if values_of(fields, "content-length") and values_of(fields, "transfer-encoding"):
        yield _RESPONSES, "Content-Length or Transfer-Encoding", "both", "both"


def coding(seen: Seen) -> Iterator[Words]:
    """RFC 9110 section 12.5.3: nothing is packed for those who ask for ``identity`` alone."""
    asked = values_of(seen.exchange.request.headers, "accept-encoding")
    packed = [value for value in values_of(seen.exchange.response.headers, "content-encoding") if value != "identity"]
    if asked == ["identity"] and packed:
        yield _RESPONSES, "a body that is not packed", cut(", ".join(packed)), cut(", ".join(packed).lower())


def challenge(seen: Seen) -> Iterator[Words]:
    """RFC 9110 section 11.6.1: a 401 says how to authenticate. The scheme is the one that the spec declares."""
    sent = values_of(seen.exchange.response.headers, "www-authenticate")
    if seen.exchange.response.status == 401 and not any("bearer" in value.lower() for value in sent):
        got = cut(", ".join(sent)) if sent else "nothing"
        schemes = " ".join(sorted(value.partition(" ")[0].lower() for value in sent))
        yield f"{_RESPONSES}/401", "WWW-Authenticate: Bearer", got, schemes or "nothing"


def retry_after(seen: Seen) -> Iterator[Words]:
    """RFC 9110 section 10.2.3: seconds or a date."""
    for value in values_of(seen.exchange.response.headers, "retry-after"):
        if not value.strip().isdecimal() and parsedate_tz(value) is None:
            yield "/components/headers/RetryAfter", "seconds or an HTTP date", cut(value), of_words(cut(value))


def charset(seen: Seen) -> Iterator[Words]:
    """RFC 8259 section 8.1: JSON between systems is UTF-8."""
    for value in values_of(seen.exchange.response.headers, "content-type"):
        found = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", value, re.IGNORECASE)
        if found and found[1].lower() not in {"utf-8", "utf8", "us-ascii"} and "json" in value.lower():
            yield _RESPONSES, "JSON in UTF-8", cut(found[1]), cut(found[1].lower())


def code_of(body: object) -> str | None:
    """The code of an error body, which stands beside the message: at the top, or in ``error``."""
    if not isinstance(body, dict):
        return None
    inner = body.get("error")
    codes = (body.get("code"), inner.get("code") if isinstance(inner, dict) else None)
    return next((code for code in codes if isinstance(code, str) and code), None)


def refused(seen: Seen) -> Iterator[Words]:
    """A request that keeps the contract may be told that there is no such task, and not that it is wrong."""
    code = code_of(seen.body)
    is_told = code in NO_SUCH_TASK
    if seen.exchange.response.status == 400 and not is_told and not _request_problems(seen):
        expected = "code task_not_exist, as the request keeps the contract"
        yield f"{_RESPONSES}/400", expected, cut(code), of_words(cut(code))


def server_error(seen: Seen) -> Iterator[Words]:
    """Most often it passes; what stays is another rule's business."""
    status = str(seen.exchange.response.status)
    if seen.exchange.response.status >= 500:
        yield f"{_RESPONSES}/5XX", "an answer", status, status


def _request_problems(seen: Seen) -> list[Problem]:
    found = conformance.request_problems(seen.spec, seen.exchange.request)
    return [problem for problem in found if problem.rule not in NO_REASON]
