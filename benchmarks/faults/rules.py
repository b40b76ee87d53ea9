"""The rules by which observations are judged, the same for the SDK and its peers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import Factory, frozen

from benchmarks.faults.wire import LENGTH, OLD, video

if TYPE_CHECKING:
    from collections.abc import Callable

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
HASHES = {hashlib.sha256(video(version)).hexdigest() for version in (1, 2)}
OLD_HASH = hashlib.sha256(OLD).hexdigest()


@frozen
class Seen:
    """The observation of one library in one case."""

    library: str
    #: returned, raised, slept on, hung or died.
    outcome: str
    #: Seconds after which the process is killed, and those that it took, or None when it was killed.
    limit: float
    exited: float | None
    #: Method, target, server ("main" or "other") and whether it held the key, of every request.
    log: list[tuple[str, str, str, bool]]
    value: Any = None
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
    def expected(self) -> bool:
        """Whether an error was raised that a caller can expect."""
        return self.outcome == "raised" and str(self.error["type"]).startswith(EXPECTED)

    @property
    def sleep(self) -> float:
        """Seconds of the mean sleep."""
        return sum(self.sleeps) / max(len(self.sleeps), 1)

    @property
    def first(self) -> float:
        """Seconds of the first sleep."""
        return self.sleeps[0] if self.sleeps else 0.0

    @property
    def posts(self) -> int:
        """Number of POSTs that arrived."""
        return sum(method == "POST" for method, *_ in self.log)

    @property
    def shown(self) -> str:
        """The outcome in a few words."""
        if self.outcome == "raised":
            name = str(self.error["type"]).rsplit(".", 1)[-1]
            return name if self.expected else f"bare `{name}`"
        if self.outcome == "slept on":
            last = self.sleeps[-1]
            return f"sleeps {last / 86400:.0f} days" if last > 86400 else f"never ends ({self.requests} requests)"
        if self.returned and isinstance(self.value, dict) and "type" in self.value:
            return f"returns a `{self.value['type']}`"
        return f"still running after {self.limit:.0f} s" if self.outcome == "hung" else self.outcome

    @property
    def saved(self) -> str:
        """The state of the downloaded file in a few words."""
        value = self.value
        if value["sha"] in HASHES:
            return "whole"
        problem = str(value["problem"] or "").split(":")[0].rsplit(".", 1)[-1]
        if value["size"] is None:
            return f"{problem}, no file"
        left = f"**leaves {value['size']} of {LENGTH} bytes**" if problem else "**accepts wrong bytes**"
        return f"{problem}, {left}" if problem else left


@frozen
class Rule:
    """A sentence that says when a case is held, the judgement, and words for what was seen."""

    sentence: str
    holds: Callable[[Seen], object]
    #: Formats of `s`, the observation; the second one for a case that is not held, where it differs.
    words: str = "{s.shown}"
    otherwise: str = ""
    #: The outcome without which no case is held.
    needs: str = ""

    def judge(self, seen: Seen) -> tuple[bool, str]:
        """Whether the case is held, and what was seen."""
        if self.needs and seen.outcome != self.needs:
            return False, seen.shown
        held = bool(self.holds(seen))
        return held, (self.words if held or not self.otherwise else self.otherwise).format(s=seen)


_ERROR = "raises an error that a caller can expect"
_RETURNED = "returned"

refuses = Rule(_ERROR, lambda s: s.expected)
recovers = Rule("returns the answer all the same", lambda s: s.returned)
answers_all = Rule(
    "every query is answered", lambda s: not s.value["failed"], "all answered",
    "{s.value[failed]} of {s.value[asked]} fail", _RETURNED,
)  # fmt: skip
ends = Rule(f"returns, or {_ERROR}", lambda s: s.returned or s.expected)
ends_soon = Rule(
    f"returns, or {_ERROR}, after at most 4 requests", lambda s: (s.returned or s.expected) and s.requests <= 4,
    "{s.shown} after {s.requests}",
)  # fmt: skip
posts_once = Rule("a request that costs money is sent once", lambda s: s.posts == 1, "sent {s.posts} times")
immediate = Rule(
    "returns without sleeping", lambda s: s.returned and not s.sleep, "{s.shown}", "sleeps {s.sleep:.1f} s"
)
alike = Rule(
    "both clients end alike", lambda s: s.value["sync"] == s.value["async"] != "never ends",
    "sync: {s.value[sync]}, async: {s.value[async]}", needs=_RETURNED,
)  # fmt: skip
waits_on = Rule(
    "an unknown status is not taken for the end", lambda s: s.requests >= 4, "waits on", "takes it for the end",
    _RETURNED,
)  # fmt: skip
no_swaps = Rule(
    "each process gets its own answers", lambda s: not s.value["swapped"] and not s.value["failed"], "none swapped",
    "**{s.value[swapped]} of {s.value[asked]} swapped**, {s.value[failed]} fail", _RETURNED,
)  # fmt: skip


def within(seconds: float) -> Rule:
    """An error within so many seconds of real time."""
    return Rule(
        f"{_ERROR} within {seconds:g} s", lambda s: s.expected and s.seconds <= seconds,
        "{s.shown} after {s.seconds:.1f} s",
    )  # fmt: skip


def tries(most: int) -> Rule:
    """An error after few requests."""
    return Rule(
        f"{_ERROR}, requests: at most {most}", lambda s: s.expected and s.requests <= most, "{s.shown}, {s.requests}"
    )


def small(mebibytes: float) -> Rule:
    """An error, and flat memory."""
    return Rule(
        f"{_ERROR}, memory grows by less than {mebibytes:g} MiB", lambda s: s.expected and s.grown < mebibytes,
        "{s.shown}, +{s.grown:.0f} MiB",
    )  # fmt: skip


def exits(seconds: float) -> Rule:
    """An error, and the end of the process."""
    return Rule(
        f"{_ERROR}, and the process ends within {seconds:g} s",
        lambda s: s.expected and s.exited is not None and s.exited <= seconds,
        "{s.shown}, over in {s.exited:.0f} s", "**{s.shown}**",
    )  # fmt: skip


def paced(most: int) -> Rule:
    """Few polls a minute."""
    return Rule(f"at most {most} polls a minute", lambda s: s.sleep >= 60 / most, "a poll every {s.sleep:.1f} s")


def rests(seconds: float) -> Rule:
    """The delay that the server asks for."""
    return Rule(
        "the next request comes no sooner than asked, or none and an error",
        lambda s: (s.expected and s.requests == 1) or ((s.returned or s.expected) and s.first >= seconds * 0.95),
        "{s.shown}, first delay {s.first:.1f} s",
    )


def pauses(seconds: float) -> Rule:
    """A delay before each retry, whatever the server asks for."""
    return Rule(
        f"waits {seconds:g} s or more before each retry, and {_ERROR}",
        lambda s: s.expected and len(s.sleeps) >= s.requests - 1 and min(s.sleeps, default=seconds) >= seconds,
        "{s.shown}, {s.requests} requests, {s.sleep:.1f} s between them",
    )


def hides(what: str, where: str) -> Rule:
    """The key is not in a form of the error."""
    return Rule(
        "the key is not in the error, if there is one",
        lambda s: s.returned or (s.outcome == "raised" and not s.error.get(what)),
        "{s.shown}", f"**key in the {where}**",
    )  # fmt: skip


def not_in_value(what: str, where: str) -> Rule:
    """The key is not in a form of the client."""
    return Rule("the key does not show", lambda s: not s.value[what], "hidden", f"**key in {where}**", _RETURNED)


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

    return Rule("sends the id as an id, or nothing", holds, "{s.shown}", "**asks for `{s.log[0][1]}`**")


round_trip = Rule(
    "the error is unpickled as what it was", lambda s: s.error["pickles"], "comes back", "does not come back", "raised"
)
clean_text = Rule(
    "the text of the error holds no control characters",
    lambda s: all(ord(char) >= 32 or char in "\n\t" for char in s.error["text"]), "clean", "passes them on", "raised",
)  # fmt: skip
keeps_the_key = Rule(
    "the key is sent to no other origin", lambda s: not any(key and where == "other" for _, _, where, key in s.log),
    "{s.shown}", "**sends the key**",
)  # fmt: skip
refused_unsent = Rule(
    f"{_ERROR} before anything is sent", lambda s: s.expected and not s.requests, "{s.shown}",
    "{s.shown}, {s.requests} requests",
)  # fmt: skip
whole = Rule("a version of the file is whole", lambda s: s.value["sha"] in HASHES, "{s.saved}", needs=_RETURNED)
nothing_short = Rule(
    "a version of the file is whole, or none and an error",
    lambda s: s.value["sha"] in HASHES or (s.value["problem"] and s.value["size"] is None),
    "{s.saved}", needs=_RETURNED,
)  # fmt: skip
old_survives = Rule(
    "the old file is kept, or replaced by the whole new one", lambda s: s.value["sha"] in {OLD_HASH, *HASHES},
    "old file kept", "**old file destroyed**", _RETURNED,
)  # fmt: skip
victim_survives = Rule(
    "the target of the link is left alone", lambda s: s.value["victim"] == "precious",
    "left alone", "**written through the link**", _RETURNED,
)  # fmt: skip
nothing_sent = Rule(
    "refuses before any request", lambda s: not s.requests, "{s.saved}", "{s.requests} requests first", _RETURNED
)
