"""By what a case is judged held: one rule for the SDK and its peers alike. What was seen comes as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

Seen: TypeAlias = dict[str, Any]

#: Where an error class has to come from to count as one that a caller can expect: the library, or the HTTP library
#: whose exceptions it documents to let through.
OWN = ("kkiai_sdk.", "openai.", "runwayml.", "replicate.", "fal_client.", "huggingface_hub.", "httpx.", "httpx2.")


@frozen
class Verdict:
    """Whether a case is held, and what was seen, in a few words."""

    held: bool
    words: str


Rule: TypeAlias = "Callable[[Seen], Verdict]"


def name_of(seen: Seen) -> str:
    """The class of the error, as it is usually written."""
    return str(seen["error"]["type"]).rsplit(".", 1)[-1]


def is_typed(seen: Seen) -> bool:
    """Whether an error was raised that a caller can expect."""
    return seen["outcome"] == "raised" and str(seen["error"]["type"]).startswith(OWN)


def shown(seen: Seen) -> str:
    """How it ended, in a few words."""
    outcome = seen["outcome"]
    if outcome == "raised":
        return name_of(seen) if is_typed(seen) else f"bare `{name_of(seen)}`"
    if outcome == "slept on":
        last = seen["sleeps"][-1]
        return f"sleeps {last / 86400:.0f} days" if last > 86400 else f"never ends ({seen['requests']} requests)"
    return f"still at it after {seen['limit']:.0f} s" if outcome == "hung" else str(outcome)


def refuses(seen: Seen) -> Verdict:
    """An error that a caller can expect, and nothing else, comes out."""
    if seen["outcome"] == "returned":
        return Verdict(held=False, words=f"accepts it ({_value(seen)})")
    return Verdict(is_typed(seen), shown(seen))


def _value(seen: Seen) -> str:
    value = seen.get("value")
    return f"gives a `{value['type']}`" if isinstance(value, dict) and "type" in value else str(value)


def recovers(seen: Seen) -> Verdict:
    """The fault passes unnoticed: the answer comes."""
    return Verdict(seen["outcome"] == "returned", "recovers" if seen["outcome"] == "returned" else shown(seen))


def answers_all(seen: Seen) -> Verdict:
    """Every one of many questions is answered."""
    if seen["outcome"] != "returned":
        return Verdict(held=False, words=shown(seen))
    failed = seen["value"]["failed"]
    return Verdict(not failed, f"{failed} of {seen['value']['asked']} fail" if failed else "all answered")


def within(seconds: float) -> Rule:
    """It is over, with an error to expect, in so many seconds of real time."""

    def rule(seen: Seen) -> Verdict:
        took = shown(seen) if seen["outcome"] == "hung" else f"{shown(seen)} after {seen['seconds']:.1f} s"
        return Verdict(is_typed(seen) and seen["seconds"] <= seconds, took)

    return rule


def ends(seen: Seen) -> Verdict:
    """It is over at some time, one way or the other, and not by a bare exception."""
    if seen["outcome"] == "returned":
        return Verdict(held=True, words="ends")
    return Verdict(is_typed(seen), shown(seen))


def ends_soon(seen: Seen) -> Verdict:
    """An end is taken for one, and not polled until a time limit."""
    verdict = ends(seen)
    late = seen["requests"] > 4
    return Verdict(
        verdict.held and not late, f"{verdict.words} after {seen['requests']} requests" if late else verdict.words
    )


def tries(most: int) -> Rule:
    """At most so many requests are made, and an error to expect comes out."""

    def rule(seen: Seen) -> Verdict:
        made = seen["requests"]
        outcome = "accepts it" if seen["outcome"] == "returned" else shown(seen)
        return Verdict(is_typed(seen) and made <= most, f"{outcome}, {made} request{'s' * (made != 1)}")

    return rule


def posts_once(seen: Seen) -> Verdict:
    """What costs money is sent once."""
    sent = sum(method == "POST" for method, *_ in seen["log"])
    return Verdict(sent == 1, f"sent {sent} time{'s' * (sent != 1)}")


def rests(seconds: float) -> Rule:
    """The next request comes no sooner than asked; or there is none, and an error says so."""

    def rule(seen: Seen) -> Verdict:
        if seen["requests"] == 1 and is_typed(seen):
            return Verdict(held=True, words=f"{name_of(seen)} at once")
        first = seen["sleeps"][0] if seen["sleeps"] else 0.0
        if seen["outcome"] == "slept on":
            return Verdict(held=False, words=shown(seen))
        if seen["outcome"] == "raised" and not is_typed(seen):
            return Verdict(held=False, words=shown(seen))
        return Verdict(first >= seconds * 0.95, f"asks again after {first:.1f} s")

    return rule


def pauses(seconds: float) -> Rule:
    """There is a pause before each further request, whatever the server says; and it ends."""

    def rule(seen: Seen) -> Verdict:
        made = seen["requests"]
        least = min(seen["sleeps"], default=0.0) if len(seen["sleeps"]) >= made - 1 else 0.0
        return Verdict(is_typed(seen) and (made == 1 or least >= seconds), f"{made} requests, {least:.1f} s between")

    return rule


def exits(seconds: float) -> Rule:
    """The error comes out, and then the process ends too."""

    def rule(seen: Seen) -> Verdict:
        if seen["exited"] is None:
            return Verdict(held=False, words="**the process never ends**")
        return Verdict(is_typed(seen) and seen["exited"] <= seconds, f"{shown(seen)}, over in {seen['exited']:.0f} s")

    return rule


def small(mebibytes: float) -> Rule:
    """An error to expect comes out, and memory has grown by less."""

    def rule(seen: Seen) -> Verdict:
        outcome = "accepts it" if seen["outcome"] == "returned" else shown(seen)
        held = is_typed(seen) and seen["grown"] < mebibytes
        return Verdict(held, outcome if seen["outcome"] == "hung" else f"{outcome}, +{seen['grown']:.0f} MiB")

    return rule


def paced(most: int) -> Rule:
    """At most so many polls in the first minute of a wait."""

    def rule(seen: Seen) -> Verdict:
        gap = sum(seen["sleeps"]) / max(len(seen["sleeps"]), 1)
        polls = 60 / gap if gap else float("inf")
        return Verdict(polls <= most, f"{polls:.0f} polls a minute")

    return rule


def no_first_sleep(seen: Seen) -> Verdict:
    """A task that is done is given back without sleeping."""
    first = sum(seen["sleeps"])
    return Verdict(
        seen["outcome"] == "returned" and first == 0, f"sleeps {first:.1f} s first" if first else shown(seen)
    )


def alike(seen: Seen) -> Verdict:
    """The two clients end alike."""
    if seen["outcome"] != "returned":
        return Verdict(held=False, words=shown(seen))
    sync, other = seen["value"]["sync"], seen["value"]["async"]
    return Verdict(sync == other != "never ends", f"sync: {sync}, async: {other}")


def waits_on(seen: Seen) -> Verdict:
    """A word that it does not know is not taken for the end."""
    if seen["outcome"] != "returned":
        return Verdict(held=False, words=shown(seen))
    early = seen["requests"] < 4
    return Verdict(not early, "takes it for the end" if early else "waits on")
