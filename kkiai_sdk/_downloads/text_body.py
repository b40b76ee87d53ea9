"""Text in the place of a file: an answer that the file is not there yet, or JSON that names its URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import evolve

from kkiai_sdk._responses.error_parser import read_fields, transient_class
from kkiai_sdk._responses.status_words import state_of
from kkiai_sdk._responses.strict_json import parse_leniently
from kkiai_sdk._responses.video_urls import find_videos
from kkiai_sdk.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Maximum bytes of a text that is read.
MAX_TEXT = 1 << 16
#: Maximum characters that a page shows if it is a notice, and no site.
MAX_NOTICE = 500
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_MARKUP = re.compile(r"<(script|style)\b.*?(?:</\1|\Z)|<[^>]*+>?", re.DOTALL | re.IGNORECASE)
_XML_CODE = re.compile(r"<Code>\s*([\w.-]{1,100})\s*</Code>", re.IGNORECASE)
#: Sentences that say "not yet"; those of a busy server, and words for a status, are in the tables of ``_responses``.
_UNREADY = re.compile(
    r"\bnot (?:yet )?(?:been )?(?:complete|ready|finish|available|generated|uploaded|done)"
    r"|\bnot (?:exist|found) yet|\bincomplete\b|\bunfinished\b"
    r"|\b(?:processing|pending|queue[ds]?|in progress|generating|uploading|rendering|preparing|transcoding|running)\b"
    r"|\bbeing (?:process|generat|upload|render|prepar|creat)"
    r"|\b(?:check|come)(?: back)?(?: again)? later\b|\bplease wait\b|\btoo early\b"
    r"|未完成|未就绪|未准备|尚未|还没|处理中|生成中|进行中|上传中|转码中|排队|稍候|请等待|正在",
    re.IGNORECASE,
)
#: As an error in JSON or a page, what a status of 404 says otherwise.
_MISSING = re.compile(
    r"\bnot found\b|\bno ?such ?(?:key|file|object|video)\b|\b(?:do(?:es)?( not|n't)|not) exist\b|不存在|未找到|找不到",
    re.IGNORECASE,
)


def is_unready(text: str, status: int = 200) -> bool:
    """Whether a text under this HTTP status says that the file is not there yet, or that the server is busy.

    It says so in the values of JSON, in words, or in a page that is short enough to be a notice.
    """
    value = parse_leniently(text)
    is_json, is_page = isinstance(value, dict | list), text.lstrip()[:1] == "<"
    said = " ".join(each for _, each in _strings(value)) if is_json else _MARKUP.sub(" ", text) if is_page else text
    words = " ".join(re.sub(r"[\s_-]+", " ", _URL.sub("", said)).split())
    if is_page and len(words) > MAX_NOTICE:
        return False
    fields = read_fields(value if isinstance(value, dict) else words)
    if code := _XML_CODE.search(text) if is_page else None:
        fields = evolve(fields, code=code[1])
    if transient_class(status, fields) is not None or _UNREADY.search(words):
        return True
    return bool((is_json or is_page) and _MISSING.search(words)) or any(_is_open(*each) for each in _strings(value))


def _is_open(name: str, value: str) -> bool:
    """Whether a member is the status of a task that has not ended."""
    return "stat" in name.lower() and state_of(value, has_url=False) in {TaskState.PENDING, TaskState.RUNNING}


def named_url(text: str, url: str) -> str | None:
    """Return the URL of the video that JSON at ``url`` names, completed from that; None if it names none.

    A text that is nothing but a URL counts as JSON.
    """
    value = parse_leniently(text) if not _URL.fullmatch(text.strip()) else text.strip()
    found = find_videos({"url": value} if isinstance(value, str) else value, url)
    return next((each.url for each in found if _URL.match(each.url)), None)


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
