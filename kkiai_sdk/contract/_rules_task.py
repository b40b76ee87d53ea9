"""What a schema cannot say about a task: how a value is written, two values together, question beside answer."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from kkiai_sdk.contract._kinds import fault_of_url, of_epoch, of_value, of_words
from kkiai_sdk.contract._messages import values_of
from kkiai_sdk.contract._rule import PROPERTIES, QUERY, cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract._rule import Words
    from kkiai_sdk.contract._seen import Seen
    from kkiai_sdk.contract._walk import Spot

#: Words for an end with a video, for an end without one, and for no end yet. As gateways write them, in lower case.
SUCCESS_WORDS = frozenset({"completed", "success", "succeeded", "done", "ready"})
FAILURE_WORDS = frozenset(
    {"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"}
    | {"video_generation_failed", "video_upsampling_failed"}
)
OPEN_WORDS = frozenset(
    {"pending", "queued", "submitted", "not_start", "processing", "in_progress", "running", "generating"}
    | {"image_downloading", "video_generating", "video_generation_completed"}
    | {"video_upsampling", "video_upsampling_completed"}
)
KNOWN_WORDS = SUCCESS_WORDS | FAILURE_WORDS | OPEN_WORDS
#: Words for a task for which nothing was made yet.
UNSTARTED_WORDS = frozenset({"pending", "queued", "submitted", "not_start"})

#: Milliseconds: from 1973 to 5138. As seconds the same moments are below, as microseconds above.
EPOCH_MILLISECONDS = range(10**11, 10**14)
#: Milliseconds that two clocks may differ by before a moment counts as one in the future.
CLOCKS_DIFFER = 5 * 60 * 1000
#: Bits of the integer formats of OpenAPI.
INTEGER_BITS = {"int32": 31, "int64": 63}
_URL, _STATUS, _TIME = (f"{PROPERTIES}/{name}" for name in ("video_url", "status", "status_update_time"))


def word_of(status: object) -> str:
    """A status as it is written most often; empty for what is no text."""
    return re.sub(r"[\s-]+", "_", status.strip().lower()) if isinstance(status, str) else ""


def is_moment(value: object) -> TypeGuard[int]:
    """Whether a value is a time in milliseconds."""
    return isinstance(value, int) and not isinstance(value, bool) and value in EPOCH_MILLISECONDS


def _integers(seen: Seen) -> Iterator[Spot]:
    return (spot for spot in seen.spots if "integer" in spot.types and "number" not in spot.types)


def fractions(seen: Seen) -> Iterator[Words]:
    """To a schema 1.0 is an integer; to most languages it is not."""
    for spot in _integers(seen):
        if isinstance(spot.value, float) and spot.value.is_integer():
            yield spot.schema.address, f"{spot.title} written as an integer", repr(spot.value), "fraction"


def ranges(seen: Seen) -> Iterator[Words]:
    """Integers that do not fit the declared number of bits."""
    for spot in _integers(seen):
        bits = INTEGER_BITS.get(str(spot.schema.value.get("format")))
        if bits and isinstance(spot.value, int) and not -(2**bits) <= spot.value < 2**bits:
            key = "above" if spot.value > 0 else "below"
            yield spot.schema.address, f"{spot.title} within {bits + 1} bits", cut(spot.value), key


def epochs(seen: Seen) -> Iterator[Words]:
    """Moments in another unit than milliseconds."""
    for spot in seen.spots:
        is_number = isinstance(spot.value, int | float) and not isinstance(spot.value, bool)
        said = str(spot.schema.value.get("description", "")) if isinstance(spot.schema.value, dict) else ""
        if is_number and "milliseconds since 1970" in said and not _within(spot.value, EPOCH_MILLISECONDS):
            yield spot.schema.address, f"{spot.title} in milliseconds", cut(spot.value), of_epoch(spot.value)


def _within(value: float, span: range) -> bool:
    return span.start <= value < span.stop


def ahead(seen: Seen) -> Iterator[Words]:
    """A status cannot have changed after the answer was sent. Clocks that tell local time are hours ahead."""
    time = seen.task.get("status_update_time")
    dates = values_of(seen.exchange.response.headers, "date")
    now = milliseconds_of(dates[0]) if len(dates) == 1 else None
    if is_moment(time) and now is not None and time > now + CLOCKS_DIFFER:
        minutes = (time - now) // 60_000
        yield _TIME, "a time that has passed", f"{minutes} minutes after the answer's Date", "ahead"


def milliseconds_of(date: str) -> int | None:
    """An HTTP date in milliseconds since 1970; None for what is none."""
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def url_missing(seen: Seen) -> Iterator[Words]:
    """A success without what it is about."""
    url = seen.task.get("video_url")
    if word_of(seen.task.get("status")) in SUCCESS_WORDS and (not isinstance(url, str) or not url.strip()):
        key = of_value(url) if "video_url" in seen.task else "absent"
        yield _URL, f"a URL beside the status {seen.task['status']!r}", cut(url), key


def url_fault(seen: Seen) -> Iterator[Words]:
    """A URL that nobody can fetch as it stands."""
    url = seen.task.get("video_url")
    fault = fault_of_url(url) if isinstance(url, str) else None
    if fault:
        yield _URL, "a URL of the web", f"{cut(url)}: {fault}", fault


def url_early(seen: Seen) -> Iterator[Words]:
    """The URL is null until there is a video."""
    url, word = seen.task.get("video_url"), word_of(seen.task.get("status"))
    if word in UNSTARTED_WORDS and isinstance(url, str) and url.strip():
        yield _URL, f"null beside the status {word!r}", cut(url), "early"


def id_empty(seen: Seen) -> Iterator[Words]:
    """An id that names nothing."""
    task_id = seen.task.get("id")
    if isinstance(task_id, str) and not task_id.strip():
        yield f"{PROPERTIES}/id", "the id of a task", cut(task_id), of_value(task_id)


def status_word(seen: Seen) -> Iterator[Words]:
    """Words that are new, and spellings that are."""
    status = seen.task.get("status")
    if isinstance(status, str) and status not in KNOWN_WORDS:
        word = word_of(status)
        expected = f"the spelling {word!r}" if word in KNOWN_WORDS else "a known word"
        yield _STATUS, expected, cut(status), of_words(cut(status))


def other_id(seen: Seen) -> Iterator[Words]:
    """The id need not be the one that was asked, and readers should know."""
    asked, answered = seen.exchange.request.parameter("id"), seen.task.get("id")
    if isinstance(answered, str) and asked is not None and asked != answered:
        key = "prefix" if plain_id(asked) == plain_id(answered) else "other"
        key = "case" if asked.lower() == answered.lower() else key
        yield f"{PROPERTIES}/id", cut(asked), cut(answered), key


def plain_id(task_id: str) -> str:
    """An id without its prefix, in lower case."""
    return task_id.rpartition(":")[2].strip().lower()


def error_beside(seen: Seen) -> Iterator[Words]:
    """The examples show an error in a task that failed, and in no other."""
    word = word_of(seen.task.get("status"))
    if seen.task.get("error") and word in SUCCESS_WORDS | OPEN_WORDS and not _is_blank(seen.task["error"]):
        yield f"{QUERY}/responses/200", f"no error beside the status {word!r}", cut(seen.task["error"]), word


def _is_blank(value: Any) -> bool:
    """Whether there is nothing in a value: neither text nor a number other than 0, however deep."""
    if isinstance(value, dict | list):
        return all(map(_is_blank, value.values() if isinstance(value, dict) else value))
    return not value.strip() if isinstance(value, str) else not value


def reason_missing(seen: Seen) -> Iterator[Words]:
    """An error that says nothing at all. What it says, and where, is open."""
    if seen.exchange.response.status >= 400 and isinstance(seen.body, dict) and _is_blank(seen.body):
        yield "/components/schemas/ErrorResponse", "a reason in some field", cut(seen.body), "blank"


def damaged_text(seen: Seen) -> Iterator[Words]:
    """U+FFFD stands where a text was decoded in the wrong way, before it got here."""
    for spot in seen.spots:
        if isinstance(spot.value, str) and "\ufffd" in spot.value:
            yield spot.schema.address, f"{spot.title} without U+FFFD", cut(spot.value), "replacement character"


def forms(seen: Seen) -> Iterator[Words]:
    """Fields that only examples show have the JSON type that they have there."""
    described = {spot.place[0] for spot in seen.spots if len(spot.place) == 1}
    for name, (address, shown) in _examples(seen).items():
        got = seen.task.get(name)
        if name not in described and got is not None and _type(got) != _type(shown):
            key = f"{name} {of_value(got)}"
            yield address, f"{name}: {_type(shown)}, as in the example", f"{name}: {cut(got)}", key


def _examples(seen: Seen) -> dict[str, tuple[str, Any]]:
    """The members that the examples of this answer show, each with the address of the first that does."""
    found: dict[str, tuple[str, Any]] = {}
    for _, media in seen.spec.children(seen.declared, "content") if seen.declared else ():
        for _, example in seen.spec.children(media, "examples"):
            shown = example.value.get("value")
            for name, value in shown.items() if isinstance(shown, dict) else ():
                found.setdefault(name, (example.address, value))
    return found


def _type(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
