"""Searches a JSON value of any form, within bounds: objects, lists, and texts that hold JSON."""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kkiai_sdk._responses.strict_json import parse_leniently

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path: TypeAlias = tuple[str | int, ...]

#: Maximum length of a path, and of values visited; real responses have up to 8 and a few hundred.
MAX_DEPTH, MAX_NODES = 24, 4000
#: Maximum characters of a key that are read.
MAX_KEY = 80

_WORD = re.compile(r"[A-Z]+\d*(?![a-z])|[A-Z]?[a-z]+\d*|\d+|[^\W\d_A-Za-z]+")
_PLURAL_ACRONYM = re.compile(r"(?<=URL|URI)s\b")
#: ``image_to_video`` names a way to make a video, not an image.
_CONVERSION = re.compile(r"(?:[iIrR]mage|img|text|reference|start_end)_?(?:[tT]o|2)_?(?=[vV]ideo)")
#: Two words in lower case without anything between them, as in ``videourl``.
_COMPOUND = re.compile(
    r"(video|audio|image|cover|thumbnail|thumb|poster|input|reference|output|result|download|task|job|file|preview|source)"
    r"(url|uri|link|video|image|path|status|state)"
)
#: Parts of Chinese names, which have no spaces, and their words.
_CHINESE = {
    "视频": "video", "影片": "video", "结果": "result", "成片": "result", "下载": "download",
    "地址": "url", "链接": "url", "网址": "url", "原": "source", "输入": "input",
    "参考": "reference", "素材": "material", "图": "image", "封面": "cover", "缩略": "thumbnail",
    "首帧": "frame", "尾帧": "frame", "音": "audio", "水印": "watermark", "预览": "preview",
    "示例": "example", "提示": "prompt", "回调": "callback",
}  # fmt: skip


class Node(NamedTuple):
    """A value, and the keys and indices that lead to it."""

    path: Path
    value: Any


def walk(root: Any, path: Path = (), *, skips: Callable[[str], bool] = lambda _: False) -> Iterator[Node]:
    """Yield the values in a JSON value, level by level, except those under keys that ``skips``.

    A text that holds an object or a list counts as that. At most MAX_NODES values and MAX_DEPTH levels are visited.
    """
    queue, count = deque([Node(path, root)]), 1
    while queue:
        node = queue.popleft()
        value = opened(node.value)
        yield Node(node.path, value)
        members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, child in members if len(node.path) < MAX_DEPTH else ():
            if count >= MAX_NODES:
                break
            if child is not None and not (isinstance(step, str) and skips(step)):
                count += 1
                queue.append(Node((*node.path, step), child))


def opened(value: Any) -> Any:
    """Return the object or list that a text holds as JSON; any other value unchanged."""
    if not isinstance(value, str) or value[:64].lstrip()[:1] not in {"{", "["}:
        return value
    parsed = parse_leniently(value)
    return parsed if isinstance(parsed, dict | list) else value


def words_of(key: str) -> frozenset[str]:
    """Return the words of a key in ``snake_case`` or ``camelCase``: in lower case, singular."""
    return _words(key[:MAX_KEY])


@lru_cache(maxsize=1024)
def _words(key: str) -> frozenset[str]:
    words = _WORD.findall(_PLURAL_ACRONYM.sub("", _CONVERSION.sub("", key)))
    return frozenset(part for word in words for part in _parts(_singular(word.lower())))


def _parts(word: str) -> tuple[str, ...]:
    compound = _COMPOUND.fullmatch(word)
    if compound or word.isascii():
        return compound.groups() if compound else (word,)
    return tuple(meaning for part, meaning in _CHINESE.items() if part in word) or (word,)


def _singular(word: str) -> str:
    """Return a word without the ``s`` of the plural: ``urls``, but not ``status``, ``progress`` or ``is``."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "su" else word


def format_path(path: Path) -> str:
    """Return a path in the usual notation, as in ``output.videos[0].url``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
