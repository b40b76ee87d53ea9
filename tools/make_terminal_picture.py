"""Draws `docs/kkiai-wait.svg`, an animation of `kkiai wait` in a terminal.

Run it from anywhere with `python tools/make_terminal_picture.py [TARGET]`; it needs the extra `cli`.

The tasks come from the mock gateway through the real client, and the command line's own code renders them. The clock is
set by hand, so that every run draws the same frames. A viewer that plays no animation shows one of them.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from kkiai_sdk import Kkiai, VideoTask
from kkiai_sdk.cli.display import Display
from kkiai_sdk.cli.results import outcome_of
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).resolve().parent.parent / "docs" / "kkiai-wait.svg"
TASK = "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"
PROMPT = Text.assemble(("$ ", "green"), ("kkiai wait ", "bold"), TASK)
COLUMNS, LINES = 92, 3
#: Frames per query, and seconds per query and per frame.
FRAMES, POLL = 8, 2.0
FRAME = POLL / FRAMES
#: Seconds until the task ends, of the animation, and of the frame for viewers that play no animation.
END, TOTAL, STILL = 10.0, 14.0, 6.5

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title">
<title id="title">kkiai wait shows a task from pending to its finished video</title>
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
#: What rich exports of a frame: its styles and its shapes.
FRAME_FORMAT = "{styles}\0<defs>{lines}</defs>{backgrounds}{matrix}"


def tasks() -> list[VideoTask]:
    """Return the answers of the mock gateway from the start of a task to its end, one per poll."""
    now = 1000.25
    found: list[VideoTask] = []
    with MockGateway(clock=lambda: now) as gateway, Kkiai(gateway.api_key, base_url=gateway.base_url) as client:
        while not found or not found[-1].is_done:
            task = client.query(TASK).to_dict()
            url = (task["video_url"] or "").replace(gateway.base_url, "http://127.0.0.1:8000")
            found.append(VideoTask.from_dict(task | {"video_url": url or None}))
            now += POLL
    return found


def screens() -> Iterator[tuple[float, Console]]:
    """Yield the start of every frame in seconds, and a console that recorded it."""
    now, answers = 0.0, tasks()
    display = Display([TASK], _console(), is_live=False, get_time=lambda: now)
    for number in range(int(END / FRAME)):
        now = number * FRAME
        if number % FRAMES == 0:
            display.update(answers[number // FRAMES])
        console = _console()
        console.print(PROMPT, display.render(), sep="\n")
        yield now, console
    console = _console()
    console.print(PROMPT, outcome_of(answers[-1]).as_text(END, console), sep="\n", crop=False)
    yield END, console


def _console() -> Console:
    file = io.StringIO()
    return Console(file=file, record=True, width=COLUMNS, height=24, force_terminal=True, color_system="truecolor")


def picture() -> str:
    """Return the SVG."""
    starts, consoles = zip(*screens(), strict=True)
    keyframes, styles, frames = "", "", ""
    for number, (start, end, console) in enumerate(zip(starts, (*starts[1:], TOTAL), consoles, strict=True)):
        style, shapes = console.export_svg(code_format=FRAME_FORMAT, unique_id=f"f{number}").split("\0")
        hidden = "0% { visibility: hidden; } " if start else ""
        shown = f"{100 * start / TOTAL:.3f}% {{ visibility: visible; }}"
        gone = f"{100 * end / TOTAL:.3f}% {{ visibility: {'visible' if end == TOTAL else 'hidden'}; }}"
        keyframes += f"@keyframes k{number} {{ {hidden}{shown} {gone} }}\n"
        keyframes += f"#still {{ animation-name: k{number}; }}\n" if start == STILL else ""
        styles += f"{style.strip()}\n"
        mark = 'id="still"' if start == STILL else f'style="animation-name: k{number}"'
        frames += f'<g class="frame" {mark}>{shapes}</g>\n'
    width, height = COLUMNS * 12.2 + 36, LINES * 24.4 + 48
    texts = {"keyframes": keyframes.strip(), "styles": styles.strip(), "frames": frames.strip()}
    return SVG.format(width=width, height=height, total=TOTAL, **texts)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(picture(), encoding="utf-8")
    print(f"{target} is up to date")
