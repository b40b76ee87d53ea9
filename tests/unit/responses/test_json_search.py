"""The bounded search in JSON, and the words of keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kkiai_sdk._responses.json_search import MAX_DEPTH, MAX_NODES, Node, format_path, opened, walk, words_of


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("video_url", "video url"),
        ("videoUrl", "video url"),
        ("VideoURL", "video url"),
        ("videoURLs", "video url"),
        ("video-urls", "video url"),
        ("videourl", "video url"),
        ("motionMP4URL", "motion mp4 url"),
        ("task_status", "task status"),
        ("taskstatus", "task status"),
        ("progress", "progress"),
        ("resultJson", "result json"),
        ("image_to_video", "video"),
        ("img2videoResult", "video result"),
        ("任务状态", "任务状态"),
        ("视频下载地址", "video download url"),
        ("原视频", "video source"),
        ("s3_key", "s3 key"),
        ("", ""),
        ("_", ""),
        ("a" * 200, "a" * 80),
    ],
)
def test_key_is_split_into_words(key: str, words: str) -> None:
    """A key in any spelling is the set of its words: in lower case, singular, of at most 80 characters."""
    assert words_of(key) == set(words.split())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        (' ["a"] ', ["a"]),
        ("[watch](https://x.example)", "[watch](https://x.example)"),
        ("{not JSON", "{not JSON"),
        ('"text"', '"text"'),
        ("[" * 100, "[" * 100),
        (5, 5),
    ],
)
def test_only_json_in_a_text_is_opened(value: object, expected: object) -> None:
    """A text with an object or a list is that; any other value stays as it is."""
    assert opened(value) == expected


def test_walk_goes_level_by_level_through_texts() -> None:
    """Values near the surface come first, those inside a text included; null is passed over."""
    value = {"a": {"b": [1]}, "c": json.dumps({"d": 2}), "e": None}
    assert [(format_path(path), item) for path, item in walk(value) if not isinstance(item, dict | list)] == [
        ("c.d", 2),
        ("a.b[0]", 1),
    ]
    assert next(walk(1, ("x", 0))) == Node(("x", 0), 1)


def test_walk_skips_names() -> None:
    """A value under a skipped name is not visited."""
    assert [item for _, item in walk({"a": 1, "b": {"c": 2}}, skips=lambda name: name == "b")][1:] == [1]


def test_walk_is_bounded() -> None:
    """No more than a number of values and of levels is visited."""
    assert len(list(walk([0] * (2 * MAX_NODES)))) == MAX_NODES
    deep: Any = 1
    for _ in range(2 * MAX_DEPTH):
        deep = [deep]
    assert len(list(walk(deep))) == MAX_DEPTH + 1
