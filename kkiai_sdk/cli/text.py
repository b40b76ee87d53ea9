"""Values as text for people: cleaned, cut, with units."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from kkiai_sdk import TaskState

if TYPE_CHECKING:
    from kkiai_sdk import VideoTask

#: Unicode categories that steer a terminal or hide text: controls, formats (bidi marks, zero widths), surrogates,
#: private use, line and paragraph separators.
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
#: Cells that a gateway's status word may take; the longest known one, ``video_generation_completed``, has 26.
MAX_STATUS = 30
#: Characters that are kept of the end of an id that is cut: the last group of a UUID.
TAIL = 12


def visible(text: str) -> str:
    """``text`` on one line, with an escape in place of every character that a terminal might obey or hide."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNSHOWABLE else char for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def middle_cut(text: str, room: int, gap: str = "…") -> str:
    """``text`` in at most ``room`` characters: of a longer one the beginning, a gap and the end."""
    if len(text) <= room:
        return text
    tail = min(TAIL, max(room - 2 * len(gap), 0) // 2)
    return text[: max(room - len(gap) - tail, 0)] + gap + text[len(text) - tail :]


def status_of(task: VideoTask) -> str:
    """The gateway's own word for how the task is doing, or ours for an end or when it has none."""
    word = visible((task.status or "").strip())
    if task.is_done or not word:
        return str(task.state)
    if task.state is TaskState.UNKNOWN:
        return f"{word[:MAX_STATUS]} (unknown status)"
    return word[:MAX_STATUS]


def percent(fraction: float) -> str:
    """A fraction from 0 to 1 as whole percent, rounded down: 100 % means all of it."""
    return f"{min(max(int(fraction * 100 + 1e-9), 0), 100)} %"


def clock(seconds: float) -> str:
    """A duration as ``0:07``, ``12:34`` or ``1:02:03``."""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """A number of bytes in decimal units: ``999 B``, ``145 kB``, ``1.2 GB``."""
    if count < 1000:
        return f"{int(count)} B"
    power = next((power for power in (1, 2, 3) if count < 999.5 * 1000**power), 4)
    value = count / 1000**power
    return f"{value:.{int(value < 9.95)}f} {'kMGT'[power - 1]}B"
