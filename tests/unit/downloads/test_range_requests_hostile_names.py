"""File names from hostile task ids: device names, traversal, control characters, scripts, shell syntax."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain, product
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk._downloads.range_requests import MAX_NAME, file_name

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICES = ["CON", "PRN", "AUX", "NUL", *(f"{kind}{number}" for kind in ("COM", "LPT") for number in range(1, 10))]
UPWARDS = ["..", "%2e%2e", "%252e%252e", "..%00", "\uff0e\uff0e", ". .", "..;"]
SEPARATORS = ["/", "\\", "%2f", "%5c", "%252f", "\u2215", "\u2044", "\uff0f", ":", "|"]
#: Characters that steer a terminal, hide, turn round, join, or stand for nothing.
STEERING = [
    chr(code) for code in (0, 7, 8, 9, 10, 13, 27, 127, 0x85, 0x9B, 0xAD, 0x200B, 0x200D, 0x202E, 0x2066, 0x2028)
]
STEERING += [chr(code) for code in (0xFEFF, 0xFFFD, 0xFFFE, 0xE000, 0xD800, 0xDFFF, 0x10FFFF, 0xE0001)]
SCRIPTS = [
    "日本語",
    "任务",
    "Ελλάδα",
    "עברית",
    "العربية",
    "हिन्दी",
    "ไทย",
    "한국어",
    "ﬀ",
    "ǆ",
    "İi",
    "ẞß",
    "🐄",
    "👩‍👩‍👧",
    "🇺🇳",
    "Z͑ͫ̓",
    "1⃣",
]
SHELL = [
    "$(reboot)",
    "`reboot`",
    "; rm -rf *",
    "&& x",
    "| x",
    "> x",
    "-rf",
    "--help",
    "~",
    "~x",
    "$HOME",
    "%PATH%",
    "*",
    "?",
]
SHELL += [
    "'",
    '"',
    "''",
    '"; x',
    "!!",
    "#",
    "{a,b}",
    "[a]",
    "<b>x</b>",
    "<script>",
    "{{x}}",
    "${x}",
    "%s%n",
    "%d",
    "{0}",
    "\\x41",
]
NUMBERS = [
    "0",
    "-1",
    "1e309",
    "NaN",
    "Infinity",
    "0x0",
    "1/0",
    "-0",
    "1_000",
    "٣",
    "²",
    "true",
    "null",
    "None",
    "undefined",
]
HIDDEN = [
    ".",
    "..",
    "...",
    ".bashrc",
    ".git",
    "Thumbs.db",
    "desktop.ini",
    "x.",
    "x ",
    " x",
    "x...",
    "x .mp4",
    "x.mp4.part",
]
LONG = ["a" * 300, "é" * 300, "../" * 100, "." * 300, "-" * 300, "a." * 150]


def hostile_ids() -> Iterator[str]:
    """Yield the ids of every category: alone, combined, and inside other text."""
    yield from chain(DEVICES, UPWARDS, SEPARATORS, STEERING, SCRIPTS, SHELL, NUMBERS, HIDDEN, LONG, [""])
    yield from (f"{up}{separator}etc{separator}passwd" for up, separator in product(UPWARDS, SEPARATORS))
    yield from (f"{device}{end}" for device, end in product(DEVICES, (".mp4", ".", " ", ".tar.gz", ":x")))
    yield from (f"a{char}b" for char in chain(STEERING, SEPARATORS))
    yield from (device.lower() for device in DEVICES)
    yield from (f"{drive}:{rest}" for drive, rest in product("cCzZ", ("x", "\\x", "/x", "")))
    for text in SCRIPTS:
        yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD"))


HOSTILE_IDS = sorted(set(hostile_ids()))


@pytest.mark.fault("F-08")
def test_hostile_ids_have_safe_file_names() -> None:
    """Each of hundreds of ids gives one safe component: short, plain, not hidden, no option and no device."""
    assert len(HOSTILE_IDS) > 300
    for task_id in HOSTILE_IDS:
        name = file_name(task_id)
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.mp4", name), ascii(task_id)
        assert len(name) <= MAX_NAME
        assert name.split(".")[0].upper() not in DEVICES, ascii(task_id)


@pytest.mark.fault("F-09")
def test_hostile_ids_have_different_file_names() -> None:
    """No two ids share a file, on file systems that ignore case or compose accents as well."""
    names = {unicodedata.normalize("NFC", file_name(task_id)).casefold() for task_id in HOSTILE_IDS}
    assert len(names) == len(HOSTILE_IDS)
