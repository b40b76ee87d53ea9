"""Sanitization of untrusted text: redacted, escaped, truncated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kkiai_sdk import _redaction as _text
from tests.unit.support import FIXED, TEXTS, brief, steers

ANY_TEXT = st.text(st.characters())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-abc123 is bad", "key sk-*** is bad"),
        ("[sk-abc***xyz]", "[sk-***]"),
        ("sk-proj-a_b.c…", "sk-***"),
        ("Authorization: Bearer abc.DEF~1/2+3=", "Authorization: Bearer ***"),
        ("BEARER\tabc", "Bearer ***"),
        ("the risk-free task-id, bearer", "the risk-free task-id, bearer"),
        ("key=0ddKey!", "key=***"),
    ],
)
def test_keys_and_tokens_are_redacted(text: str, shown: str) -> None:
    """The key, text like a key and bearer tokens are redacted; other words stay."""
    assert _text.redact(text, "0ddKey!") == shown


@given(TEXTS, TEXTS.filter(lambda secret: len(secret) > 3 and not set("*sk-") & set(secret)))
@FIXED
def test_redacted_text_never_contains_the_secret(text: str, secret: str) -> None:
    """The secret is removed at any position."""
    assert secret not in _text.redact(f"{text}{secret}{text}", secret)


def test_redact_all_redacts_every_text_of_a_json_value() -> None:
    """Every text of a JSON value is redacted, names too; everything else stays."""
    value = {"sk-abc": ["sk-abc", 5, None, {"x": "mine"}], "n": 1.5, "mine": 1}
    assert _text.redact_all(value, "mine") == {"sk-***": ["sk-***", 5, None, {"x": "***"}], "n": 1.5, "***": 1}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("牛 with wings 🐄", "牛 with wings 🐄"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]52;c;Y293\x07", "\\x1b]52;c;Y293\\x07"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("a\r\nb\tc", "a  b c"),
        ("\u202eevil\u2069", "\\u202eevil\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("soft\xadhyphen", "soft\\xadhyphen"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800\udfff", "\\ud800\\udfff"),
        ("\ue000", "\\ue000"),
        ("\U000e0041", "\\ue0041"),
        ("\0\x7f", "\\x00\\x7f"),
        ("X\0", "X\\x00"),
    ],
)
def test_control_and_invisible_characters_are_escaped(text: str, shown: str) -> None:
    """Characters that control a terminal, hide text or break the line are shown escaped."""
    assert _text.visible(text) == shown


@given(ANY_TEXT)
@FIXED
@pytest.mark.fault("S-10", "S-11")
def test_visible_text_has_no_control_characters(text: str) -> None:
    """No text gives a control character, a line break, a bidi mark or a surrogate."""
    shown = _text.visible(text)
    assert not steers(shown)
    assert len(shown.splitlines()) <= 1
    assert _text.visible(shown) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://cdn.example/a%2Fb.mp4?sig=1&x=2", "https://cdn.example/a%2Fb.mp4"),
        ("https://cdn.example/a#sig=1", "https://cdn.example/a"),
        ("https://cdn.example/a", "https://cdn.example/a"),
        ("https://cdn.example/\x1b?x", "https://cdn.example/\\x1b"),
        ("?only", ""),
    ],
)
def test_url_without_query_has_no_signature(url: str, shown: str) -> None:
    """A URL is shown without query and fragment, because a signature is a secret."""
    assert _text.without_query(url) == shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a \n\t b  ", "a b"),
        ("see https://x.example/a?k=1, then", "see https://x.example/a?… then"),
        ('<a href="HTTP://x.example/a#k=1">', '<a href="HTTP://x.example/a?…">'),
        ("", ""),
        ("m" * 500, "m" * 500),
        ("m" * 501, "m" * 499 + "…"),
        ("a" + " " * 1000 + "b", "a b"),
        ("a" + " " * 1999 + "b", "a"),
    ],
    ids=brief,
)
def test_message_is_one_line_without_url_queries(text: str, line: str) -> None:
    """A message is one line without the queries of URLs."""
    assert _text.message(text) == line


@given(ANY_TEXT, st.integers(1, 600))
@FIXED
def test_message_is_not_longer_than_its_limit(text: str, limit: int) -> None:
    """No message is longer than its limit."""
    assert len(_text.message(text * 3, limit)) <= limit


@pytest.mark.parametrize(
    "text", ["http://" * 20_000, "sk-" * 40_000, "bearer " * 20_000, " " * 100_000, "(request id: " * 9000]
)
@pytest.mark.fault("S-16")
def test_redaction_of_long_text_takes_linear_time(text: str) -> None:
    """A hundred thousand characters chosen against the patterns are handled at once."""
    assert len(_text.message(_text.redact(text))) <= 500
    assert len(_text.message(text, _text.MAX_SNIPPET)) <= 200
    assert len(_text.without_query(text)) == len(text)


@pytest.mark.fault("D-33")
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("data:video/mp4;base64,AAAA,B?x#y", "data:video/mp4;base64,…"),
        ("DATA:,AAAA", "DATA:,…"),
        ("data:,", "data:,…"),
        ("data:AAAA", "data:,…"),
        (f"data:{'x' * 194},A", f"data:{'x' * 194},…"),
        (f"data:{'x' * 195},A", "data:,…"),
        ("database,x?y", "database,x"),
    ],
)
def test_data_url_is_shown_by_its_head(url: str, shown: str) -> None:
    """Of a data URL the text up to its first comma is shown, unless that is long."""
    assert _text.without_query(url) == shown


@pytest.mark.fault("D-33")
def test_data_url_in_a_message_is_shown_by_its_head() -> None:
    """The body of a data URL is cut from a text, whose other words stay."""
    assert _text.message('see "data:video/mp4;base64,AA+/=", DATA:,A b') == 'see "data:video/mp4;base64,…", DATA:,… b'
