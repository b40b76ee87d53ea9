"""Text instead of a file: a message that the file is not available yet, or JSON that contains its URL."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from attrs import evolve

from kkiai_sdk import _redaction
from kkiai_sdk._responses.error_parser import read_fields, transient_class
from kkiai_sdk._responses.json_search import walk, words_of
from kkiai_sdk._responses.status_words import state_of
from kkiai_sdk._responses.strict_json import parse_leniently
from kkiai_sdk._responses.video_urls import EXCLUDED, VIDEO_SUFFIXES, find_videos, is_other_file, read_url, suffix_of
from kkiai_sdk.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Maximum bytes of a text that is read.
MAX_TEXT = 1 << 16
#: Maximum characters of a server's message in an error.
MAX_MESSAGE = 200
#: Maximum visible characters of a page that is a notice and not a site.
MAX_NOTICE = 500
_LONG_WORD = re.compile(r"[\w+/=]{150}", re.ASCII)
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_MARKUP = re.compile(r"<(script|style)\b.*?(?:</\1\s*>?|\Z)|<[^>]*+>?", re.DOTALL | re.IGNORECASE)
_XML_CODE = re.compile(r"<Code>\s*([\w.-]{1,100})\s*</Code>", re.IGNORECASE)
#: Phrases that mean "not yet"; those of a busy server, and status words, are in the tables of ``_responses``.
_UNREADY = re.compile(
    r"\bnot (?:yet )?(?:been )?(?:complete|ready|finish|available|generated|uploaded|done)"
    r"|\bnot (?:exist|found) yet|\bincomplete\b|\bunfinished\b"
    r"|\b(?:processing|pending|queue[ds]?|in progress|generating|uploading|rendering|preparing|transcoding|running)\b"
    r"|\bbeing (?:process|generat|upload|render|prepar|creat)"
    r"|\b(?:check|come)(?: back)?(?: again)? later\b|\bplease wait\b|\btoo early\b"
    r"|未完成|未就绪|未准备|尚未|还没|处理中|生成中|进行中|上传中|转码中|排队|稍候|请等待|正在",
    re.IGNORECASE,
)
#: Phrases in JSON or a page with the meaning of a 404.
_MISSING = re.compile(
    r"\bnot found\b|\bno ?such ?(?:key|file|object|video)\b|\b(?:do(?:es)?( not|n't)|not) exist\b|不存在|未找到|找不到",
    re.IGNORECASE,
)
_EXPIRED = re.compile(r"(?<!not )(?<!never )expired|过期|已失效", re.IGNORECASE)


def read_text(body: bytes) -> str | None:
    """Return the text in a body, in UTF-8, or in UTF-16 with a mark; None if it is none."""
    codec = "utf-16" if body[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(codec)().decode(body)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def message_of(text: str) -> str:
    """Return the message in a text, in one line: of JSON its field for that, else its words if they are a sentence."""
    value = parse_leniently(text)
    message = read_fields(value).message if isinstance(value, dict | list) else _words(text, value)
    # A site, a playlist, a file in base64.
    is_none = (_is_page(text) and len(message) > MAX_NOTICE) or message[:1] == "#" or _LONG_WORD.search(message)
    return "" if is_none else _redaction.message(message, MAX_MESSAGE)


def is_expired(text: str) -> bool:
    """Whether a text says that the URL has expired."""
    words = _words(text, parse_leniently(text))
    return len(words) <= MAX_NOTICE and _EXPIRED.search(words) is not None


def is_unready(text: str, status: int = 200) -> bool:
    """Whether a text with this HTTP status says that the file is not available yet, or that the server is busy.

    It says so in the values of JSON, in words, or in a page that is short enough to be a notice.
    """
    value = parse_leniently(text)
    words, is_page = re.sub(r"[\s_-]+", " ", _words(text, value)), _is_page(text)
    if is_page and len(words) > MAX_NOTICE:
        return False
    fields = read_fields(value if isinstance(value, dict) else words)
    if code := _XML_CODE.search(text) if is_page else None:
        fields = evolve(fields, code=code[1])
    if transient_class(status, fields) is not None or _UNREADY.search(words):
        return True
    is_document = is_page or isinstance(value, dict | list)
    return bool(is_document and _MISSING.search(words)) or any(_is_open(*each) for each in _strings(value))


def _is_page(text: str) -> bool:
    return text.lstrip()[:1] == "<"


def _words(text: str, value: Any) -> str:
    """Return the words of the values of JSON, of a page or of a text, without URLs."""
    if isinstance(value, dict | list):
        text = " ".join(each for _, each in _strings(value))
    elif _is_page(text):
        text = _MARKUP.sub(" ", text)
    return " ".join(_URL.sub("", text).split())


def _is_open(name: str, value: str) -> bool:
    """Whether a member is the status of a task that has not ended."""
    return "stat" in name.lower() and state_of(value, has_url=False) in {TaskState.PENDING, TaskState.RUNNING}


def named_url(text: str, url: str) -> str | None:
    """Return the URL of the video in JSON from ``url``, made absolute; None if there is none.

    If no name is one of a video, its only URL counts. A text that is nothing but a URL counts as JSON.
    """
    value = parse_leniently(text) if not _URL.fullmatch(text.strip()) else text.strip()
    found = find_videos(value if isinstance(value, dict) else {"url": value}, url)
    named = [each.url for each in found if _URL.match(each.url)]
    only = set(_other_urls(value, url))
    return named[0] if named else only.pop() if len(only) == 1 else None


def _other_urls(value: Any, url: str) -> Iterator[str | None]:
    """Yield the URLs in JSON under names that say nothing, and paths to a video."""
    for node in walk(value, skips=_is_of_another_thing):
        text, names = node.value, node.path[-1:]
        if isinstance(text, str) and not is_other_file(text):
            is_named = text[:1] == "/" and not {"location", "redirect"}.isdisjoint(map(str, names))
            if is_named or _URL.fullmatch(text) or (text[:1] == "/" and suffix_of(text) in VIDEO_SUFFIXES):
                yield read_url(text, url)


def _is_of_another_thing(key: str) -> bool:
    """Whether a name excludes its URL as that of the file; a redirect does not, an error or a path does."""
    words = words_of(key) - {"redirect"}
    return not (EXCLUDED | {"error", "path"}).isdisjoint(words)


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
