"""Texts in the place of a file: "not yet", and JSON that names the URL of the file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk._downloads.text_body import is_expired, is_unready, message_of, named_url, read_text
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
    '{"code": 500, "message": "system busy"}',
    '{"code": 429, "message": ""}',
    '{"error": {"type": "rate_limit_error", "message": "no"}}',
    '{"success": false, "message": "Too many requests"}',
    '{"message": "系统繁忙"}',
    '{"code": "upstream_error", "message": "no"}',
    '{"taskState": "rendering_frames"}',
    "processing",
    "upstream request timed out",
    "<html>processing</html>",
    " \n<html><head><title>Processing</title><style>a{}</style></head><body>Your video is ready soon</body></html>",
    "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>",
    "<?xml version='1.0'?><Error>try again later</Error>",
    "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>",
    "<Error><Code>NoSuchKey</Code></Error>",
]
NO_SIGN = [
    "",
    "the link has expired",
    "no such file",
    '{"status": "completed", "pending": 0}',
    '{"url": "https://cdn.example/processing/v.mp4"}',
    '{"error": "access denied"}',
    f"<html>{'moo ' * 200}processing</html>",
    "<html><script>processing</script><body>Sign in</body></html>",
    "<html><script>processing",
    "<html lang='processing",
    "<Error><Code>AccessDenied</Code></Error>",
    '{"error": {"code": "insufficient_quota", "message": "top up, then try again later"}}',
    '{"message": "the state is unknown", "state": "completed"}',
    "https://cdn.example/please-wait",
]


@pytest.mark.fault("D-26")
@pytest.mark.parametrize(
    ("text", "unready"), [*((text, True) for text in UNREADY), *((text, False) for text in NO_SIGN)]
)
def test_text_says_whether_file_is_not_ready(text: str, unready: bool) -> None:  # noqa: FBT001 (a column)
    """Words in values of JSON, in plain text or in a short page say "not yet" or "busy"; names and URLs do not."""
    assert is_unready(text) is unready


@pytest.mark.fault("D-28")
@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('{"url": "https://a.example/v.mp4?x=1"}', "https://a.example/v.mp4?x=1"),
        ('{"data": {"list": [{"download_url": "/files/v.mp4"}]}}', "https://cdn.example/files/v.mp4"),
        ('{"url": "files/v.mp4"}', "https://cdn.example/files/v.mp4"),
        ('{"url": "//b.example/v"}', "https://b.example/v"),
        (
            '{"output": {"video_url": "https://a.example/v"}, "first_frame": "https://a.example/f"}',
            "https://a.example/v",
        ),
        ('{"video_url": "data:video/mp4;base64,AAAA"}', None),
        ("https://a.example/v", "https://a.example/v"),
        ("\nhttps://a.example/v?a=1\n", "https://a.example/v?a=1"),
        ("https://a.example/v https://a.example/w", None),
        ('{"result": "https://a.example/v", "copy": "https://a.example/v", "n": 5}', "https://a.example/v"),
        ('{"video": "https://a.example/v", "cover": "https://a.example/c.jpg"}', "https://a.example/v"),
        ('" https://a.example/v "', "https://a.example/v"),
        ('{"a": "https://a.example/1", "b": "https://a.example/2"}', None),
        ('{"a": "https://a.example/1", "doc": "https://a.example/2"}', "https://a.example/1"),
        ('{"location": "https://a.example/1", "x": "https://a.example/1"}', "https://a.example/1"),
        ('{"redirect_url": "https://a.example/1"}', "https://a.example/1"),
        ('["https://a.example/v"]', "https://a.example/v"),
        ('{"location": "/v"}', "https://cdn.example/v"),
        ('{"file": "/files/v.mp4"}', "https://cdn.example/files/v.mp4"),
        ('{"file": "/files/v"}', None),
        ('{"file": "/files/v and w.mp4"}', None),
        ('{"file": "/files/v.jpg", "n": 5}', None),
        ('["/v.mp4"]', "https://cdn.example/v.mp4"),
        ('{"error": {"message": "no", "url": "https://a.example/help"}}', None),
        ('{"a": "https://a.example/1.jpg"}', None),
        ('{"message": "see https://a.example/help"}', None),
        ('{"doc_url": "https://a.example/help"}', None),
        ('{"path": "/files/v.mp4", "url": null}', None),
        ('{"url": "https://a.example/v", "covers": ["https://a.example/c.jpg"]}', "https://a.example/v"),
        ('{"url": "file:///etc/passwd"}', None),
        ("<html>", None),
        ("", None),
    ],
)
def test_text_in_place_of_file_names_the_url_of_the_video(text: str, url: str | None) -> None:
    """The URL in a place for the video, completed from that of the text, is followed; one of another thing is not."""
    assert named_url(text, "https://cdn.example/a/b?c=1") == url


@given(JSON_VALUES.map(json.dumps) | st.text(max_size=200))
@FIXED
def test_any_text_is_judged(text: str) -> None:
    """Whatever the text: it names a URL or none, and is ready or not, without an error."""
    assert isinstance(is_unready(text), bool)
    assert named_url(text, "https://cdn.example/a/b") != ""


@pytest.mark.fault("D-15")
@pytest.mark.parametrize(
    ("text", "expired"),
    [
        ("the link has expired", True),
        ('{"error": {"message": "URL expired"}}', True),
        ('{"msg": "链接已过期"}', True),
        ("<Error><Code>ExpiredToken</Code></Error>", True),
        ("<html><title>Request has expired</title></html>", True),
        ("it is not expired", False),
        ('{"expired": false}', False),
        (f"<html>{'moo ' * 200}expired</html>", False),
        ("access denied", False),
    ],
)
def test_text_says_whether_the_url_has_expired(text: str, expired: bool) -> None:  # noqa: FBT001 (a column)
    """Values of JSON, words or a short page say that a URL has expired; names of members do not."""
    assert is_expired(text) is expired


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"error": {"message": "no such video", "code": "x"}, "id": "1"}', "no such video"),
        ('{"a": 5}', ""),
        ('["no"]', ""),
        ("Sorry,\n\nno", "Sorry, no"),
        ("<html><title>Sign in</title><script>moo()</script></html>", "Sign in"),
        (f"<html>{'moo ' * 200}</html>", ""),
        ("see https://a.example/help?sig=1", "see"),
        ("xy " * 100, "xy " * 66 + "x…"),
        ("", ""),
        ("#EXTM3U\n#EXT", ""),
        ("AAAA" * 99, ""),
    ],
    ids=[
        "JSON",
        "no message",
        "a list",
        "words",
        "a page",
        "a site",
        "a URL",
        "long",
        "nothing",
        "a playlist",
        "base64",
    ],
)
def test_message_of_a_text_is_one_line(text: str, message: str) -> None:
    """The message is the field of JSON, or the words of a text or a short page, in one line without URLs."""
    assert message_of(text) == message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("é".encode()[:-1], ""),
        (b"\xef\xbb\xbfmoo", "moo"),
        ("moo".encode("utf-16"), "moo"),
        (b"\xfe\xff\0m\0o\0o\0", "moo"),
        (b"\xff\xfe\0\xd8\0\xd8", None),
        (b"moo\xff", None),
        (b"moo\0", None),
        (b"", ""),
    ],
)
def test_text_is_read_in_utf_8_and_utf_16(body: bytes, text: str | None) -> None:
    """UTF-8, and UTF-16 with a mark, are text, without the mark and an incomplete end; other bytes and NUL are none."""
    assert read_text(body) == text
