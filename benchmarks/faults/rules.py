"""The rules by which observations are judged, the same for the SDK and its peers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import Factory, frozen

from benchmarks.faults.wire import LENGTH, OLD, video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Packages whose exceptions a caller can expect: the library's own, or those of its HTTP library.
EXPECTED = ("kkiai_sdk.", "openai.", "runwayml.", "replicate.", "fal_client.", "huggingface_hub.", "httpx.", "httpx2.")
#: Start of the path of a query; the SDK has the id in a parameter.
PREFIXES = {
    "openai": "/v1/videos/",
    "runwayml": "/v1/tasks/",
    "replicate": "/v1/predictions/",
    "fal-client": "/owner/app/requests/",
    "huggingface_hub": "/api/models/owner/",
}
FILES = {hashlib.sha256(video(version)).hexdigest(): "whole" for version in (1, 2)} | {
    hashlib.sha256(OLD).hexdigest(): "old file kept"
}


@frozen
class Seen:
    """The observation of one library in one case."""

    library: str
    #: returned, raised, slept on, hung or died.
    outcome: str
    #: Seconds until the process ended, or None when it was killed.
    exited: float | None
    #: Method, target, whether it held the key, and whether it went to the other server, of every request.
    log: list[tuple[str, str, bool, bool]]
    #: Result of the action, by name.
    value: dict[str, Any] = Factory(dict)
    error: dict[str, Any] = Factory(dict)
    seconds: float = 0.0
    #: Seconds of the first and of the last sleeps.
    sleeps: list[float] = Factory(list)
    #: Growth of memory, in MiB.
    grown: float = 0.0
    stderr: str = ""

    @property
    def requests(self) -> int:
        """Number of requests that arrived."""
        return len(self.log)

    @property
    def returned(self) -> bool:
        """Whether the action returned."""
        return self.outcome == "returned"

    @property
    def raised(self) -> bool:
        """Whether an error was raised that a caller can expect."""
        return self.outcome == "raised" and str(self.error["type"]).startswith(EXPECTED)

    @property
    def gap(self) -> float:
        """Seconds of the mean sleep."""
        return sum(self.sleeps) / max(len(self.sleeps), 1)

    @property
    def file(self) -> str:
        """State of the target of a download."""
        problem, size = self.value["problem"], self.value["size"]
        if size is None:
            return f"{problem}, no file"
        wrong = f"{problem}, **leaves {size} of {LENGTH} bytes**" if problem else "**accepts wrong bytes**"
        return FILES.get(self.value["sha"], wrong)

    def __str__(self) -> str:
        """Everything of note in a few words."""
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.outcome == "raised":
            name = str(self.error["type"]).rsplit(".", 1)[-1]
            yield name if self.raised else f"bare `{name}`"
            yield from (f"**key in its {form}**" for form, has_key in self.error["keys"].items() if has_key)
        elif "sha" in self.value:
            yield self.file
        else:
            yield from [self.outcome, *(f"{name}: {value}" for name, value in self.value.items())]
        if self.requests != 1:
            yield f"{self.requests} requests"
        if self.gap >= 0.05:
            yield f"{self.gap / 86400:.0f} days apart" if self.gap > 86400 else f"{self.gap:.1f} s apart"
        if self.seconds >= 1:
            yield f"{self.seconds:.0f} s"
        if self.grown >= 10:
            yield f"+{self.grown:.0f} MiB"


@frozen
class Rule:
    """A sentence that says when a case is held, and the judgement."""

    sentence: str
    holds: Callable[[Seen], object]
    #: Whether the target of the first request is of note.
    shows_target: bool = False

    def judge(self, seen: Seen) -> tuple[bool, str]:
        """Whether the case is held, and what was seen in a few words."""
        target = f", requests `{seen.log[0][1]}`" if self.shows_target and seen.log else ""
        return bool(self.holds(seen)), f"{seen}{target}"


def _returns(sentence: str, holds: Callable[[Seen], object] = lambda _: True) -> Rule:
    return Rule(sentence, lambda s: s.returned and holds(s))


def _raises(sentence: str = "", holds: Callable[[Seen], object] = lambda _: True) -> Rule:
    return Rule(f"raises an error that a caller can expect{sentence}", lambda s: s.raised and holds(s))


refuses = _raises()
refuses_unsent = _raises(" and sends nothing", lambda s: not s.requests)
recovers = _returns("returns the response anyway")
returns_at_once = _returns("returns without sleeping", lambda s: not s.gap)
answers_all = _returns("answers every query", lambda s: not s.value["failed"])
waits_on = _returns("does not treat an unknown status as final", lambda s: s.requests >= 4)
ends_alike = _returns("ends alike in both clients", lambda s: s.value["sync"] == s.value["async"] != "never ends")
swaps_nothing = _returns("gives each process its own responses", lambda s: not any(s.value.values()))
saves_whole = _returns("saves a complete version of the file", lambda s: s.file == "whole")
saves_soundly = _returns("the same, or an error and no file", lambda s: s.file == "whole" or s.file.endswith("no file"))
keeps_old = _returns("keeps the old file or saves a complete one", lambda s: s.file in FILES.values())
keeps_victim = _returns("leaves the target of the link alone", lambda s: s.value["link target"] == "precious")
conceals = _returns("does not show the key", lambda s: not s.value["key"])
ends = Rule("returns, or raises an error that a caller can expect", lambda s: s.returned or s.raised)
ends_soon = Rule("the same after at most 4 requests", lambda s: (s.returned or s.raised) and s.requests <= 4)
sends_nothing = Rule("refuses before any request", lambda s: not s.requests)
posts_once = Rule("sends a request that costs money once", lambda s: [m for m, *_ in s.log].count("POST") == 1)
keeps_the_key = Rule("sends the key to no other origin", lambda s: not any(key and other for _, _, key, other in s.log))
unpickles = Rule("unpickles its error as it was", lambda s: s.outcome == "raised" and s.error["pickles"])
prints_clean = Rule("raises an error without control characters", lambda s: s.outcome == "raised" and s.error["clean"])


def waits_through(least: int) -> Rule:
    """The end, and not an answer before it."""
    return _returns(f"returns after the end, at request {least} or later", lambda s: s.requests >= least)


def within(seconds: float) -> Rule:
    """An error within so many seconds of real time."""
    return _raises(f" within {seconds:g} s", lambda s: s.seconds <= seconds)


def tries(most: int) -> Rule:
    """An error after few requests."""
    return _raises(f", requests: at most {most}", lambda s: s.requests <= most)


def grows(mebibytes: float) -> Rule:
    """An error, and flat memory."""
    return _raises(f" and takes less than {mebibytes:g} MiB", lambda s: s.grown < mebibytes)


def exits(seconds: float) -> Rule:
    """An error, and the end of the process."""
    return _raises(f" and exits within {seconds:g} s", lambda s: s.exited is not None and s.exited <= seconds)


def polls(most: int) -> Rule:
    """Few polls a minute."""
    return Rule(f"polls at most {most} times a minute", lambda s: s.gap >= 60 / most)


def rests(seconds: float) -> Rule:
    """The delay that the server asks for."""
    return Rule(
        "sends no request sooner than asked",
        lambda s: (s.raised and s.requests == 1) or (ends.holds(s) and s.sleeps and s.sleeps[0] >= seconds * 0.95),
    )


def pauses(seconds: float) -> Rule:
    """A delay before each retry, whatever the server asks for."""
    return _raises(
        f" after delays of {seconds:g} s or more",
        lambda s: len(s.sleeps) >= s.requests - 1 and min(s.sleeps, default=seconds) >= seconds,
    )


def hides(form: str) -> Rule:
    """The key is not in a form of the error."""
    sentence = f"has no key in the {form} of an error"
    return Rule(sentence, lambda s: s.returned or (s.outcome == "raised" and not s.error["keys"][form]))


def asks_about(task_id: str) -> Rule:
    """The id is sent as an id."""

    def holds(seen: Seen) -> bool:
        if not seen.log:
            return seen.outcome == "raised"
        parts, prefix = urlsplit(seen.log[0][1]), PREFIXES.get(seen.library)
        if prefix is None:
            return parts.path == "/v1/video/query" and parse_qs(parts.query).get("id") == [task_id]
        rest = parts.path.removeprefix(prefix).removesuffix("/status" if seen.library == "fal-client" else "")
        return parts.path.startswith(prefix) and "/" not in rest and unquote(rest) == task_id != ""

    return Rule("sends the id as an id, or nothing", holds, shows_target=True)
