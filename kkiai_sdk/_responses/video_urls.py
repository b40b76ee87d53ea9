"""Finds the videos among the URLs of a response, by the names that lead to them, and reads a URL from text.

A name that is about another thing, such as a cover or an input, excludes a URL. What names the video, its result or its
URL is needed for one; of several, the one with the surest names counts, and the first of equals.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from kkiai_sdk._responses.json_search import MAX_KEY, Path, walk, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Words of names under which no URL of the result stands.
_EXCLUDED_WORDS = """
    ad ads advertisement argument arguments attempt audio auth author avatar background banner base before billing
    callback cancel caption character child children clone config control cover cursor default demo dependency
    deprecated doc documentation driving edit embed end event example extend face faq favicon first follow frame gif
    given guide help history homepage icon image img in init initial inpaint input intro invoice keyframe last
    license log logo lora marketing mask material motif music next notification notify old onboarding options order
    origin original owner page param parameter parent pattern payment photo pic picture policy poll polling portrait
    pose poster prev previous price pricing privacy profile prompt proxy query queue raw reason recommendation
    recommendations redirect ref refer reference remix replace report req request retry self setting share similar
    site source sponsor stage start status step style sub subject subtask subtitle support target template term test
    text thumb thumbnail tip to track trailer tutorial upgrade upload uploaded user voice web webhook website
"""
EXCLUDED = frozenset(_EXCLUDED_WORDS.split())
#: Words of names that are worse versions of the video than others.
DEMOTED = frozenset({"draft", "low", "preview", "progress", "sample", "watermark", "watermarked"})
VIDEO = frozenset({"video", "mp4", "movie", "clip"})
RESULT = frozenset({"result", "output", "download", "downloadable", "outcome", "deliverable"})
LINK = frozenset({"url", "uri", "link", "href", "src"})
#: Beside a word for a URL, those of an address at which the task can be queried.
_OWN_LINKS = frozenset({"response", "task", "operation", "job"})
_NEUTRAL_WORDS = """
    access all array artifact asset body by cdn cos choice content creation data detail draft entry file final full
    gen generate generated generation hd high highest hq info item job list location main media meta new metadata mp
    no object operation oss out payload pk play playback prediction presigned primary private public quality record
    remote res resolution resource resp response ret s3 sample sd signed storage task temp temporary unsigned
    upsample upscaled value watermark without work
"""
#: Words that say nothing about the kind of URL.
NEUTRAL = frozenset(_NEUTRAL_WORDS.split()) | DEMOTED
_KNOWN = VIDEO | RESULT | LINK | NEUTRAL

#: Names under which an object says what it is.
_KIND_NAMES = ("type", "kind", "role", "mime", "mimeType", "mime_type", "media_type", "content_type", "contentType")

_SUFFIX = re.compile(r"\.([a-z0-9]{2,5})$", re.IGNORECASE)
VIDEO_SUFFIXES = frozenset({"mp4", "mov", "webm", "m4v", "mkv", "avi", "mpeg", "mpg"})
_OTHER_SUFFIXES = """
    aac ass avif bmp css flac gif gz heic htm html ico jpeg jpg js json m4a mp3 ogg opus pdf png srt svg tar tiff
    txt vtt wav webp xml zip
"""
OTHER_SUFFIXES = frozenset(_OTHER_SUFFIXES.split())

#: As gateways decorate URLs: in Markdown links, quotes, brackets.
_MARKDOWN = re.compile(r"!?\[[^\[\]]{0,300}\]\(\s*<?([^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)")
_NEXT_URL = re.compile(r"[,;\s]+(?=https?://)")
#: In longer texts no link is searched, and no space is replaced.
MAX_TEXT = 10_000
_DECORATION = " \t\r\n`'\"<>"
_PLAIN = re.compile(r"https?://[^\s`'\"<>]+", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?!\d{1,5}(?:/|$))")
_WEB = re.compile(r"https?://[^/]", re.IGNORECASE)
_DATA_VIDEO = re.compile(r"data:video/", re.IGNORECASE)
_HOST = re.compile(r"(?:localhost|(?:[\w-]+\.)+[a-z]{2,24}|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?/", re.IGNORECASE)
_RELATIVE = re.compile(r"[\w.~%@-]+(?:/[\w.~%@:+=-]+)+(?:\?\S*)?")
#: First segments of paths on a gateway.
_ROOTS = frozenset(
    {"api", "v1", "v2", "v3", "video", "videos", "files", "file", "content", "download", "downloads", "static"}
)
_MEDIA_TYPE = re.compile(r"(?:video|audio|image|application|text)/[\w.+-]+", re.ASCII)


class VideoURL(NamedTuple):
    """A URL of a video, where it stands, by which rule it was found, and how sure it is: see :func:`rank_of`."""

    url: str
    path: Path
    rule: str
    rank: tuple[bool, int, bool] = (False, 0, False)


def read_url(text: str, base_url: str, *, is_link: bool = True) -> str | None:
    """Return the absolute URL in a text, or None.

    Decoration is removed: Markdown, quotes, ``&amp;``, spaces. With ``is_link``, which says that the name of the text
    means a URL, one without a scheme or a host is completed from ``base_url``. A plain URL is returned byte for byte.
    """
    if _PLAIN.fullmatch(text) and "&amp;" not in text:
        return text
    if _DATA_VIDEO.match(text[:64].lstrip(_DECORATION)):
        return text.strip(_DECORATION)
    url = (_link_in(text) or text).strip(_DECORATION).replace("&amp;", "&")
    if _SCHEME.match(url):
        return _without_spaces(url)
    return _completed(url, base_url) if is_link and not re.search(r"\s", url) else None


def _link_in(text: str) -> str | None:
    """Return the link in a text of prose, Markdown or HTML: the first to a video file, else the first of Markdown."""
    if len(text) > MAX_TEXT:
        return None
    links = [link[1] for link in _MARKDOWN.finditer(text)] if "](" in text else []
    plain = _PLAIN.findall(text) if re.search(r"[\s<：]", text) else []
    videos = (
        url for url in [*links, *(url.rstrip(".,;:!?)]}。，；！？）】") for url in plain)] if has_video_suffix(url)
    )
    return next(videos, None) or next((url for url in links if not is_other_file(url)), None)


def _without_spaces(url: str) -> str | None:
    if _WEB.match(url) and len(url) <= MAX_TEXT:
        # Of several URLs in one text, the first.
        url = _NEXT_URL.split(url, maxsplit=1)[0]
        return re.sub(r" ", "%20", re.sub(r"[\r\n\t]+", "", url))
    return None if re.search(r"\s", url) else url


def _completed(url: str, base_url: str) -> str | None:
    """Return a URL without a scheme, or a path on the gateway, as an absolute URL."""
    gateway = urlsplit(base_url)
    if url.startswith("//"):
        return f"{gateway.scheme}:{url}"
    if url.startswith("/"):
        return f"{gateway.scheme}://{gateway.netloc}{url}"
    first = url.partition("/")[0]
    if _HOST.match(url) and suffix_of(first) not in VIDEO_SUFFIXES | OTHER_SUFFIXES:
        return f"{gateway.scheme}://{url}"
    is_path = _RELATIVE.fullmatch(url) and not _MEDIA_TYPE.fullmatch(url)
    if is_path and (first in _ROOTS or url.count("/") > 1 or suffix_of(url) in VIDEO_SUFFIXES):
        return f"{gateway.scheme}://{gateway.netloc}/{url.lstrip('./')}"
    return None


def is_web_url(url: str) -> bool:
    """Whether a URL can be downloaded, as far as its scheme tells."""
    return bool(_WEB.match(url) or _DATA_VIDEO.match(url))


def suffix_of(url: str) -> str:
    """Return the suffix of the file that a URL names, in lower case, or an empty text."""
    match = _SUFFIX.search(re.split(r"[?#]", url[-2000:] if len(url) > 2000 else url, maxsplit=1)[0])
    return match[1].lower() if match else ""


def has_video_suffix(url: str) -> bool:
    """Whether a URL names a video file, or holds a video."""
    return suffix_of(url) in VIDEO_SUFFIXES or bool(_DATA_VIDEO.match(url))


def is_other_file(url: str) -> bool:
    """Whether a URL names a picture, a sound or a text."""
    return suffix_of(url) in OTHER_SUFFIXES


def is_excluded(key: str) -> bool:
    """Whether what stands under a key is about another thing than the result."""
    words = words_of(key)
    # Some gateways list each thing that was made under ``generated_images``.
    return not EXCLUDED.isdisjoint(words - {"image"} if "generated" in words else words)


def is_neutral(key: str) -> bool:
    """Whether all words of a key are known, and none is about another thing."""
    return words_of(key) <= _KNOWN


def find_videos(root: Any, base_url: str, path: Path = ()) -> list[VideoURL]:
    """Return the videos in a JSON value, the best first."""
    best = sorted(_candidates(root, base_url, path), key=lambda candidate: candidate.rank, reverse=True)
    first: dict[str, VideoURL] = {}
    for candidate in best:
        first.setdefault(candidate.url, candidate)
    return list(first.values())


def _candidates(root: Any, base_url: str, path: Path) -> Iterator[VideoURL]:
    kinds: dict[Path, list[str]] = {path: []}
    for node in walk(root, path, skips=is_excluded):
        # The kind that an object states, such as ``image``, applies to everything in it.
        kind = kinds.get(node.path[:-1], [])
        if isinstance(node.value, dict):
            kind = [*kind, *_kinds(node.value)]
        kinds[node.path] = kind
        if not isinstance(node.value, str) or not any(sign in node.value[:4000] for sign in "/:"):
            continue
        names = [step for step in node.path if isinstance(step, str)]
        words = words_of(names[-1]) if names else frozenset[str]()
        url = read_url(node.value, base_url, is_link=not (LINK | VIDEO | RESULT).isdisjoint(words))
        rank = rank_of(url, names, kind) if url and is_web_url(url) else None
        if url and rank:
            yield VideoURL(url, node.path, "a search by names", rank)


def _kinds(members: dict[str, Any]) -> Iterator[str]:
    """Yield the words with which an object says what it is; ``request`` if it repeats the request for the video."""
    for name in _KIND_NAMES:
        value = members.get(name)
        if isinstance(value, str):
            yield value[:MAX_KEY].partition("/")[0]
    if "prompt" in members and "model" in members and not any("stat" in name for name in members):
        yield "request"


def rank_of(url: str, names: list[str], kinds: Sequence[str] = ()) -> tuple[bool, int, bool] | None:
    """Return how sure it is that a URL under these names, in objects of these kinds, is the video; None if it is not.

    The surest names are those of a video, then of a result, then of a URL, then such as ``files`` if the URL has the
    suffix of a video. After a name with an unknown word, one of the first two is needed.
    """
    words = frozenset[str]().union(*map(words_of, names))
    last = words_of(names[-1]) if names else frozenset[str]()
    is_of_the_task = bool(_OWN_LINKS & last and LINK & last)
    kind = frozenset[str]().union(*map(words_of, kinds))
    # A message is a chat's, and that of the assistant is the answer.
    words = words - {"message"} if "assistant" in kind else words
    excluded = kind if VIDEO & last and not any(map(is_excluded, names)) else words | kind
    if not EXCLUDED.isdisjoint(excluded) or is_other_file(url) or is_of_the_task:
        return None
    is_main = DEMOTED.isdisjoint(words | kind) or "no" in words or "without" in words
    is_video = has_video_suffix(url)
    by_name = 3 if VIDEO & words else 2 if RESULT & words else 1 if LINK & words or _DATA_VIDEO.match(url) else 0
    if words <= _KNOWN and (by_name or (words and is_video)):
        return is_main, by_name, is_video
    is_named = (VIDEO | RESULT) & _words_after_unknown(names) or VIDEO & last
    return (is_main, 0, is_video) if is_named or (is_video and by_name > 1 and LINK & last) else None


def _words_after_unknown(names: list[str]) -> frozenset[str]:
    """Return the words of the names after the last one that has an unknown word."""
    known = takewhile(lambda words: words <= _KNOWN, map(words_of, reversed(names)))
    return frozenset[str]().union(*known)
