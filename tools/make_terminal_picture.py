"""Draws `docs/kkiai-wait.svg` and `docs/kkiai-wait-many.svg`, animations of `kkiai wait` in a terminal.

Run it from anywhere with `python tools/make_terminal_picture.py [FOLDER]`; it needs the extra `cli`.

The tasks come from the mock gateway through the real client, and the command line's own code renders them. The clock is
set by hand, so that every run draws the same frames. A viewer that plays no animation shows the last frame.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
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

    from rich.console import RenderableType

FOLDER = Path(__file__).resolve().parent.parent / "docs"
#: Seconds between the queries for a task, and from the last frame's start to the end of the animation.
POLL, REST = 2.0, 4.0


@dataclass(frozen=True)
class Scene:
    """A command with its tasks."""

    title: str
    #: Each id with the second of its first query.
    starts: dict[str, float]
    #: The command as shown after the prompt.
    command: str
    #: Lines of the picture, and columns.
    lines: int
    columns: int
    #: Frames per second.
    rate: int


SCENES = {
    "kkiai-wait.svg": Scene(
        "kkiai wait shows a task from pending to its finished video",
        {"grok:eee6faa8-9dee-455c-aa82-02ac623adf3a": 0.0},
        "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
        lines=3,
        columns=92,
        rate=4,
    ),
    "kkiai-wait-many.svg": Scene(
        "kkiai wait shows three tasks at once; one of them fails",
        {
            "grok:eee6faa8-9dee-455c-aa82-02ac623adf3a": 0.0,
            "veo3:0b0e0a52-5f0e-4f4e-9a0e-2f6f3f1f7a11": 2.0,
            "grok:scenario-fails": 4.0,
        },
        "- < ids.txt",
        lines=7,
        columns=92,
        rate=2,
    ),
}

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title">
<title id="title">{title}</title>
<style>
text {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 20px; }}
@media (prefers-reduced-motion: no-preference) {{
.frame {{ animation: {total:g}s step-end infinite; }}
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


def answers(scene: Scene) -> Iterator[tuple[float, VideoTask]]:
    """Yield every answer of the mock gateway with its time in seconds, until all tasks have ended."""
    now, unfinished = 0.0, dict(scene.starts)
    with (
        MockGateway(clock=lambda: 1000.25 + now) as gateway,
        Kkiai(gateway.api_key, base_url=gateway.base_url) as client,
    ):
        while unfinished:
            for task_id in [task_id for task_id, start in unfinished.items() if start <= now]:
                task = _at_usual_port(client.query(task_id), gateway.base_url)
                yield now, task
                if task.is_done:
                    del unfinished[task_id]
            now += POLL


def _at_usual_port(task: VideoTask, base_url: str) -> VideoTask:
    """Return the task with the URL that it has at the default port, whatever the port was."""
    values = task.to_dict()
    url = (values["video_url"] or "").replace(base_url, "http://127.0.0.1:8000")
    return VideoTask.from_dict(values | {"video_url": url or None, "video_urls": [url] if url else []})


def screens(scene: Scene) -> Iterator[tuple[float, Console]]:
    """Yield the start of every frame in seconds, and a console that recorded it."""
    now, events = 0.0, list(answers(scene))
    display = Display(scene.starts, _console(scene), is_live=False, get_time=lambda: now)
    prompt = Text.assemble(("$ ", "green"), ("kkiai wait ", "bold"), scene.command)
    above: list[RenderableType] = [prompt]
    while display.unfinished:
        while events and events[0][0] <= now:
            task = events.pop(0)[1]
            display.update(task)
            if task.is_done:
                above.append(outcome_of(task).as_text(now - scene.starts[task.id], _console(scene)))
                display.finish(task.id, is_failed=task.is_failed)
        console = _console(scene)
        console.print(*above, *([display.render()] if display.unfinished else []), sep="\n", crop=False)
        yield now, console
        now += 1 / scene.rate


def _console(scene: Scene) -> Console:
    file = io.StringIO()
    return Console(
        file=file, record=True, width=scene.columns, height=24, force_terminal=True, color_system="truecolor"
    )


def picture(scene: Scene) -> str:
    """Return the SVG."""
    starts, consoles = zip(*screens(scene), strict=True)
    total = starts[-1] + REST
    keyframes, styles, frames = "", "", ""
    for number, (start, end, console) in enumerate(zip(starts, (*starts[1:], total), consoles, strict=True)):
        style, shapes = console.export_svg(code_format=FRAME_FORMAT, unique_id=f"f{number}").split("\0")
        is_last = end == total
        hidden = "0% { visibility: hidden; } " if start else ""
        shown = f"{100 * start / total:.3f}% {{ visibility: visible; }}"
        gone = f"{100 * end / total:.3f}% {{ visibility: {'visible' if is_last else 'hidden'}; }}"
        keyframes += f"@keyframes k{number} {{ {hidden}{shown} {gone} }}\n"
        styles += f"{style.strip()}\n"
        # An attribute, so that viewers without animations or without style sheets show the last frame alone.
        still = "" if is_last else ' visibility="hidden"'
        frames += f'<g class="frame"{still} style="animation-name: k{number}">{shapes}</g>\n'
    width, height = scene.columns * 12.2 + 36, scene.lines * 24.4 + 56
    texts = {"keyframes": keyframes.strip(), "styles": styles.strip(), "frames": frames.strip()}
    return SVG.format(title=scene.title, width=width, height=height, total=total, **texts)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, scene in SCENES.items():
        (folder / name).write_text(picture(scene), encoding="utf-8")
        print(f"{folder / name} is up to date")
