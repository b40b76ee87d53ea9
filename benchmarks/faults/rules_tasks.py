"""The rules about keys, ids and files."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.faults.rules import Rule, Seen, Verdict, is_typed, name_of, shown
from benchmarks.faults.words import LENGTH, video


def keeps_the_key(seen: Seen) -> Verdict:
    """The key arrives nowhere but at the server that it is for."""
    told = any(where == "other" and key for _, _, where, key in seen["log"])
    came = any(where == "other" for _, _, where, _ in seen["log"])
    return Verdict(not told, "**sends the key**" if told else "without the key" if came else "does not go there")


def hides(what: str, where: str) -> Rule:
    """The key is not in the error, if one comes out."""

    def rule(seen: Seen) -> Verdict:
        if seen["outcome"] != "raised":
            return Verdict(held=seen["outcome"] == "returned", words="no error")
        found = bool(seen["error"].get(what))
        return Verdict(not found, f"**key in the {where}**" if found else name_of(seen))

    return rule


def not_in_value(what: str, where: str) -> Rule:
    """The key is not in what was made of a client."""

    def rule(seen: Seen) -> Verdict:
        if seen["outcome"] != "returned":
            return Verdict(held=False, words=shown(seen))
        found = bool(seen["value"][what])
        return Verdict(not found, f"**key in {where}**" if found else "not to be seen")

    return rule


def round_trip(seen: Seen) -> Verdict:
    """The error comes back from a pickle as what it was."""
    if seen["outcome"] != "raised":
        return Verdict(held=False, words=shown(seen))
    return Verdict(seen["error"]["pickles"], "comes back" if seen["error"]["pickles"] else "does not come back")


def refused_unsent(seen: Seen) -> Verdict:
    """It is refused before anything is sent."""
    made = seen["requests"]
    if seen["outcome"] == "returned":
        return Verdict(held=False, words="accepted")
    return Verdict(is_typed(seen) and not made, f"{shown(seen)}, {made} requests" if made else shown(seen))


def no_swaps(seen: Seen) -> Verdict:
    """Everybody gets an answer, and nobody somebody else's."""
    if seen["outcome"] != "returned":
        return Verdict(held=False, words=shown(seen))
    swapped, failed, asked = (seen["value"][name] for name in ("swapped", "failed", "asked"))
    words = [f"**{swapped} of {asked} swapped**" if swapped else "none swapped"] + [f"{failed} fail"] * bool(failed)
    return Verdict(not swapped and not failed, ", ".join(words))


#: What the path of a question about one task begins with.
PREFIXES = {
    "openai": "/v1/videos/",
    "runwayml": "/v1/tasks/",
    "replicate": "/v1/predictions/",
    "fal-client": "/owner/app/requests/",
    "huggingface_hub": "/api/models/owner/",
}


def asks_about(task_id: str) -> Rule:
    """The id arrives as an id, whatever it looks like; or nothing is sent."""

    def rule(seen: Seen) -> Verdict:
        targets = [target for _, target, *_ in seen["log"]]
        if not targets:
            return Verdict(seen["outcome"] == "raised", f"refuses ({name_of(seen)})")
        if not task_id:
            return Verdict(held=False, words=f"**asks for `{targets[0]}`**")
        parts = urlsplit(targets[0])
        prefix = PREFIXES.get(seen["who"])
        if prefix is None:
            held = parts.path == "/v1/video/query" and parse_qs(parts.query).get("id") == [task_id]
        else:
            rest = parts.path.removeprefix(prefix).removesuffix("/status" if seen["who"] == "fal-client" else "")
            held = parts.path.startswith(prefix) and "/" not in rest and unquote(rest) == task_id
        return Verdict(held, "quotes it" if held else f"**asks for `{targets[0]}`**")

    return rule


def clean_text(seen: Seen) -> Verdict:
    """The text of the error holds no control character but the line feed."""
    if seen["outcome"] != "raised":
        return Verdict(held=False, words=shown(seen))
    bad = any(ord(char) < 32 and char not in "\n\t" for char in seen["error"]["text"])
    return Verdict(not bad, "passes them on" if bad else "clean")


SHA = {hashlib.sha256(video(version)).hexdigest() for version in (1, 2)}


def whole(seen: Seen) -> Verdict:
    """The whole file stands under its name, one version of it."""
    return _file(seen, needed=True)


def nothing_short(seen: Seen) -> Verdict:
    """The whole file stands under its name, or none and an error says so."""
    return _file(seen, needed=False)


def _file(seen: Seen, *, needed: bool) -> Verdict:
    if seen["outcome"] != "returned":
        return Verdict(held=False, words=shown(seen))
    value = seen["value"]
    if value["sha"] in SHA:
        return Verdict(held=True, words="whole")
    problem = str(value["problem"] or "").split(":")[0].rsplit(".", 1)[-1]
    if value["problem"] and value["size"] is None:
        return Verdict(not needed, f"{problem}, no file")
    if value["problem"]:
        return Verdict(held=False, words=f"{problem}, **leaves {value['size']} of {LENGTH} bytes**")
    right = " and the right size" if value["size"] == LENGTH else ""
    return Verdict(held=False, words=f"**accepts wrong bytes{right}**")


def old_survives(seen: Seen) -> Verdict:
    """The old file stands as it stood, or the whole new one."""
    value = seen.get("value") or {}
    kept = value.get("sha") in {hashlib.sha256(b"old and good").hexdigest(), *SHA}
    return Verdict(kept, "old file kept" if kept else "**old file destroyed**")


def victim_survives(seen: Seen) -> Verdict:
    """What a link under the name points at is left alone."""
    kept = (seen.get("value") or {}).get("victim") == "precious"
    return Verdict(kept, "left alone" if kept else "**written through the link**")


def nothing_sent(seen: Seen) -> Verdict:
    """It is refused before any request."""
    made = seen["requests"]
    return Verdict(not made, "refuses first" if not made else f"{made} requests, then an error")


def is_video_or_error(seen: Seen) -> Verdict:
    """Nothing but a video stands under the name of one."""
    verdict = nothing_short(seen)
    return verdict if verdict.held else Verdict(held=False, words=verdict.words.replace("wrong bytes", "the page"))
