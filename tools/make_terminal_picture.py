"""Draws `docs/kkiai-wait.svg`: what `kkiai wait` looks like in a terminal, moving.

Run it from anywhere with `python tools/make_terminal_picture.py [TARGET]`; it needs the extra `cli`.

The snapshots come from the mock gateway by way of the real client, and the code of the command line draws them. The
clock is set by hand, so every run shows the same moments. Viewers that play no animation show one frame of it.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from kkiai_sdk import Kkiai, VideoTask, WaitResult
from kkiai_sdk.cli.board import Board
from kkiai_sdk.cli.report import Terminal, as_text
from kkiai_sdk.cli.view import view
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

TARGET = Path(__file__).resolve().parent.parent / "docs" / "kkiai-wait.svg"
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
WIDTH, LINES = 80, 4
TERMINAL = Terminal(WIDTH, plain=False)
#: Seconds: between two queries, between two frames, and how long the last frame stays.
POLL, FRAME, REST = 2.0, 0.25, 4.0
END = 10.0
#: The frame for viewers that play no animation, as a second of the wait.
STILL = 6.5
PROMPT = Text.assemble(("$ ", "green"), ("kkiai wait ", "bold"), TASK)

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title">
<title id="title">kkiai wait follows a task from pending to its finished video</title>
<style>
text {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 20px; }}
.frame {{ visibility: hidden; }}
#still {{ visibility: visible; }}
@media (prefers-reduced-motion: no-preference) {{
.frame, #still {{ animation: {total:g}s step-end infinite; }}
{keyframes}
}}
{styles}
</style>
<rect width="100%" height="100%" rx="10" fill="#1d1f27"/>
<g fill="#4a4e5c"><circle cx="24" cy="22" r="6"/><circle cx="44" cy="22" r="6"/><circle cx="64" cy="22" r="6"/></g>
<g transform="translate(18, 46)">
{frames}
</g>
</svg>
"""
_PART = "{styles}\0<defs>{lines}</defs>{backgrounds}{matrix}\0{terminal_width}"


@dataclass(frozen=True)
class Frame:
    """A picture and the seconds at which it appears and goes."""

    content: RenderableType
    begins: float
    ends: float


def snapshots() -> dict[float, VideoTask]:
    """What the mock gateway answers in the course of a task's life."""
    now = 1000.25
    with (
        MockGateway(clock=lambda: now) as gateway,
        Kkiai(gateway.api_key, base_url=gateway.base_url) as client,
    ):
        found = {}
        for number in range(int(END / POLL) + 1):
            found[number * POLL] = _without_port(client.query(TASK))
            now += POLL
    return found


def _without_port(task: VideoTask) -> VideoTask:
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", task.video_url or "")
    return VideoTask.from_dict(task.to_dict() | {"video_url": text or None})


def frames() -> Iterator[Frame]:
    """The wait, frame by frame, and its end."""
    answers = snapshots()
    board = Board.of([TASK], 0.0)
    for number in range(int(END / FRAME)):
        now = number * FRAME
        if now in answers and (now == 0 or answers[now].progress != answers[now - POLL].progress):
            board.apply(answers[now], now)
        yield Frame(view(board, now, TERMINAL, LINES), now, now + FRAME)
    result = as_text(WaitResult(TASK, answers[END]), END, TERMINAL)
    yield Frame(result or "", END, END + REST)


def drawn(number: int, frame: Frame) -> tuple[str, str]:
    """The styles and the shapes of one frame."""
    console = Console(
        file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(PROMPT, frame.content, sep="\n", soft_wrap=False)
    styles, shapes, _ = console.export_svg(code_format=_PART, unique_id=f"f{number}").split("\0")
    mark = 'id="still"' if frame.begins == STILL else f'style="animation-name: k{number}"'
    return styles.strip(), f'<g class="frame" {mark}>{shapes}</g>'


def keyframe(number: int, frame: Frame, total: float) -> str:
    """When a frame is to be seen."""
    name = f"#still {{ animation-name: k{number}; }}\n" if frame.begins == STILL else ""
    first, last = 100 * frame.begins / total, 100 * frame.ends / total
    start = "" if first == 0 else "0% { visibility: hidden; } "
    return (
        f"{name}@keyframes k{number} {{ {start}{first:.3f}% {{ visibility: visible; }} "
        f"{last:.3f}% {{ visibility: {'visible' if last >= 100 else 'hidden'}; }} }}"
    )


def picture() -> str:
    """The whole SVG."""
    every = list(frames())
    total = every[-1].ends
    parts = [drawn(number, frame) for number, frame in enumerate(every)]
    return _SVG.format(
        width=WIDTH * 12.2 + 36,
        height=LINES * 24.4 + 48,
        total=total,
        keyframes="\n".join(keyframe(number, frame, total) for number, frame in enumerate(every)),
        styles="\n".join(styles for styles, _ in parts),
        frames="\n".join(shapes for _, shapes in parts),
    )


def main() -> None:
    """Write the picture."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    text = picture()
    target.write_text(text, encoding="utf-8")
    print(f"{target}: {len(text)} characters")


if __name__ == "__main__":
    main()
