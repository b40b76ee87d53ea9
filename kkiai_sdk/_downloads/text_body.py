"""Text in the place of a file: an answer that the file is not there yet, or JSON that names its URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kkiai_sdk._responses.strict_json import parse_leniently

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Maximum bytes of a text that is read.
MAX_TEXT = 1 << 16
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_URL_NAME = re.compile(r"ur[il]|href|link|location|download", re.IGNORECASE)
#: Names of URLs of other things: pictures of the video, documents on an error.
_OTHER_NAME = re.compile(r"cover|thumb|poster|image|avatar|audio|doc|help|support|callback|webhook", re.IGNORECASE)
_UNREADY = re.compile(
    r"\bnot (?:yet )?(?:been )?(?:complete|ready|finish|available|generated|uploaded|done)"
    r"|\bnot (?:exist|found) yet|\bincomplete\b|\bunfinished\b"
    r"|\b(?:processing|pending|queue[ds]?|in progress|generating|uploading|rendering|preparing|transcoding|running)\b"
    r"|\bbeing (?:process|generat|upload|render|prepar|creat)"
    r"|\b(?:try|retry|check|come)(?: back)?(?: again)? later\b|\bplease wait\b|\btoo early\b"
    r"|未完成|未就绪|未准备|尚未|还没|处理中|生成中|进行中|上传中|转码中|排队|稍后|稍候|请等待|正在",
    re.IGNORECASE,
)

#: As an error inside of JSON, what a status of 404 says otherwise.
_MISSING = re.compile(
    r"\bnot found\b|\bno ?such ?(?:key|file|object|video)\b|\b(?:do(?:es)?( not|n't)|not) exist\b|不存在|未找到|找不到",
    re.IGNORECASE,
)


def is_unready(text: str) -> bool:
    """Whether a text says that the file is not there yet: the values of JSON, or words, but no page."""
    if text.lstrip()[:1] == "<":
        return False
    value = parse_leniently(text)
    is_json = isinstance(value, dict | list)
    words = re.sub(r"[\s_-]+", " ", _URL.sub("", " ".join(each for _, each in _strings(value)) if is_json else text))
    return bool(_UNREADY.search(words) or (is_json and _MISSING.search(words)))


def named_url(text: str) -> str | None:
    """Return the URL that JSON names, absolute or from the root of the host; None for none or several."""
    value = parse_leniently(text)
    urls = {string.strip() for name, string in _strings(value) if _is_url(name, string.strip())}
    return urls.pop() if len(urls) == 1 else None


def _is_url(name: str, text: str) -> bool:
    is_rooted = text.startswith("/") and _URL_NAME.search(name) is not None
    return (is_rooted or _URL.fullmatch(text) is not None) and not _OTHER_NAME.search(name)


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the strings in a JSON value, each with the name of the member that holds it."""
    stack = [("", value)]
    while stack:
        name, value = stack.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            stack += value.items()
        elif isinstance(value, list):
            stack += [(name, item) for item in value]
