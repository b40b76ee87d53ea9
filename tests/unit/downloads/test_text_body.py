"""Texts in the place of a file: "not yet", and JSON that names the URL of the file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk._downloads.text_body import is_unready, named_url
from tests.unit.support import FIXED, JSON_VALUES

UNREADY = [
    "the video is not completed yet",
    "Video not ready",
    "not yet available",
    "task is not completed yet, current status: running",
    '{"error": {"code": "VIDEO_NOT_READY", "message": "no"}}',
    '{"status": "processing"}',
    '{"status": "IN_PROGRESS", "id": "x"}',
    '{"data": [{"state": "queued"}]}',
    '{"message": "Please try again later."}',
    '{"msg": "视频生成中,请稍后再试"}',
    '{"msg": "任务尚未完成"}',
    "  still being uploaded",
    '{"error": {"message": "file not found"}}',
    '{"code": "NoSuchKey"}',
    '{"msg": "文件不存在"}',
]
NO_SIGN = [
    "",
    "the link has expired",
    "no such file",
    '{"status": "completed", "pending": 0}',
    '{"url": "https://cdn.example/processing/v.mp4"}',
    '{"error": "access denied"}',
    "<html>processing</html>",
    " \n<html>processing</html>",
    "<?xml version='1.0'?><Error>try again later</Error>",
    "https://cdn.example/please-wait",
]


@pytest.mark.fault("D-26")
@pytest.mark.parametrize(
    ("text", "unready"), [*((text, True) for text in UNREADY), *((text, False) for text in NO_SIGN)]
)
def test_text_says_whether_file_is_not_ready(text: str, unready: bool) -> None:  # noqa: FBT001 (a column)
    """Words in values of JSON or in plain text say "not yet"; names of members, URLs and pages do not."""
    assert is_unready(text) is unready


@pytest.mark.fault("D-28")
@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('{"url": "https://a.example/v.mp4?x=1"}', "https://a.example/v.mp4?x=1"),
        ('{"data": {"list": [{"download_url": "/files/v.mp4"}]}}', "/files/v.mp4"),
        ('{"result": "https://a.example/v", "copy": "https://a.example/v", "n": 5}', "https://a.example/v"),
        ('{"video": "https://a.example/v", "cover": "https://a.example/c.jpg"}', "https://a.example/v"),
        ('" https://a.example/v "', "https://a.example/v"),
        ('{"a": "https://a.example/1", "b": "https://a.example/2"}', None),
        ('{"message": "see https://a.example/help"}', None),
        ('{"doc_url": "https://a.example/help"}', None),
        ('{"path": "/files/v.mp4", "url": null}', None),
        ('{"url": "https://a.example/v", "covers": ["https://a.example/c.jpg"]}', "https://a.example/v"),
        ('{"url": "file:///etc/passwd"}', None),
        ("https://a.example/v", None),
        ("<html>", None),
        ("", None),
    ],
)
def test_json_in_place_of_file_names_one_url(text: str, url: str | None) -> None:
    """A URL is followed only if JSON names exactly one, as a whole value, and not as something else."""
    assert named_url(text) == url


@given(JSON_VALUES.map(json.dumps) | st.text(max_size=200))
@FIXED
def test_any_text_is_judged(text: str) -> None:
    """Whatever the text: it names a URL or none, and is ready or not, without an error."""
    assert isinstance(is_unready(text), bool)
    assert named_url(text) is None or named_url(text)
