"""Draws the sample video of the mock gateway: a cow with wings over green fields.

Run it from anywhere with `python tools/make_sample_video.py [TARGET]`; the default target is
`kkiai_sdk/mock/sample.mp4`. It needs `ffmpeg` with libx264 on the PATH and nothing but the standard library.

Every picture is painted from convex shapes on a raw RGB canvas at twice the final size and piped to ffmpeg, which
halves it (that smooths the edges) and encodes H.264 with the index in front, so that players can start at once.
Nothing is random and nothing reads a clock: the same ffmpeg writes the same bytes every time.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from math import ceil, cos, hypot, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 640, 360
SCALE = 2
FRAMES_PER_SECOND = 24
SECONDS = 4
TARGET = Path(__file__).resolve().parent.parent / "kkiai_sdk" / "mock" / "sample.mp4"
LARGEST = 300_000  # bytes: the file is carried in the package and in every clone

Point = tuple[float, float]
Colour = tuple[int, int, int]

INK: Colour = (74, 52, 44)
COAT: Colour = (253, 249, 240)
PATCH: Colour = (150, 96, 62)
PINK: Colour = (246, 176, 172)
HORN: Colour = (226, 205, 160)
FEATHER: Colour = (255, 255, 255)
FAR_FEATHER: Colour = (206, 222, 240)
SHADED: Colour = (214, 204, 194)


@dataclass
class Canvas:
    """A raw RGB picture; coordinates are those of the final video, 0,0 at the top left."""

    pixels: bytearray
    width: int = WIDTH * SCALE
    height: int = HEIGHT * SCALE

    def fill(self, corners: Sequence[Point], colour: Colour) -> None:
        """Paint one convex polygon."""
        scaled = [(x * SCALE, y * SCALE) for x, y in corners]
        top = max(0, ceil(min(y for _, y in scaled) - 0.5))
        bottom = min(self.height, ceil(max(y for _, y in scaled) - 0.5))
        for row in range(top, bottom):
            crossings = list(_crossings(scaled, row + 0.5))
            left, right = max(0, round(min(crossings))), min(self.width, round(max(crossings)))
            start, length = (row * self.width + left) * 3, max(0, right - left)
            self.pixels[start : start + length * 3] = bytes(colour) * length


def _crossings(corners: Sequence[Point], y: float) -> Iterator[float]:
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 <= y) != (y1 <= y):
            yield x0 + (y - y0) * (x1 - x0) / (y1 - y0)


@dataclass(frozen=True)
class Oval:
    """An ellipse, turned by `turn` radians."""

    x: float
    y: float
    rx: float
    ry: float
    turn: float = 0.0

    def outlines(self, margin: float) -> Iterator[list[Point]]:
        """The convex pieces, grown by `margin`."""
        rx, ry, c, s = self.rx + margin, self.ry + margin, cos(self.turn), sin(self.turn)
        angles = [2 * pi * step / 48 for step in range(48)]
        points = ((rx * cos(angle), ry * sin(angle)) for angle in angles)
        yield [(self.x + x * c - y * s, self.y + x * s + y * c) for x, y in points]


@dataclass(frozen=True)
class Limb:
    """A round stroke through `points`; its half width runs evenly from `start` to `end`."""

    points: Sequence[Point]
    start: float
    end: float

    def outlines(self, margin: float) -> Iterator[list[Point]]:
        """The convex pieces, grown by `margin`."""
        last = len(self.points) - 1
        widths = [self.start + (self.end - self.start) * i / last + margin for i in range(last + 1)]
        for (x, y), width in zip(self.points, widths, strict=True):
            yield from Oval(x, y, width, width).outlines(0.0)
        for i in range(last):
            yield _quad(self.points[i], self.points[i + 1], widths[i], widths[i + 1])


def _quad(a: Point, b: Point, width_a: float, width_b: float) -> list[Point]:
    length = hypot(b[0] - a[0], b[1] - a[1]) or 1.0
    nx, ny = -(b[1] - a[1]) / length, (b[0] - a[0]) / length
    return [
        (a[0] + nx * width_a, a[1] + ny * width_a),
        (b[0] + nx * width_b, b[1] + ny * width_b),
        (b[0] - nx * width_b, b[1] - ny * width_b),
        (a[0] - nx * width_a, a[1] - ny * width_a),
    ]


Shape = Oval | Limb


@dataclass
class Brush:
    """Paints shapes on a canvas, moved to `origin` and tilted by `tilt` radians."""

    canvas: Canvas
    origin: Point = (0.0, 0.0)
    tilt: float = 0.0

    def _place(self, point: Point) -> Point:
        (x, y), c, s = point, cos(self.tilt), sin(self.tilt)
        return self.origin[0] + x * c - y * s, self.origin[1] + x * s + y * c

    def plain(self, colour: Colour, *shapes: Shape, margin: float = 0.0) -> None:
        """Paint shapes in one colour."""
        for shape in shapes:
            for outline in shape.outlines(margin):
                self.canvas.fill([self._place(point) for point in outline], colour)

    def inked(self, colour: Colour, *shapes: Shape) -> None:
        """Paint shapes as one body: a dark rim around all of them, then the colour over it."""
        self.plain(INK, *shapes, margin=1.6)
        self.plain(colour, *shapes)


def curve(a: Point, b: Point, c: Point, steps: int = 10) -> list[Point]:
    """Points of the quadratic Bezier curve from `a` to `c`, pulled towards `b`."""
    weights = [((1 - t) ** 2, 2 * t * (1 - t), t**2) for t in (step / steps for step in range(steps + 1))]
    return [(i * a[0] + j * b[0] + k * c[0], i * a[1] + j * b[1] + k * c[1]) for i, j, k in weights]


def sky() -> bytes:
    """The background: blue above, pale at the horizon."""
    height = HEIGHT * SCALE
    steps = (min(1.0, row / (height * 0.8)) for row in range(height))
    colours = (bytes((round(78 + 130 * t), round(162 + 70 * t), round(232 + 18 * t))) for t in steps)
    return b"".join(colour * (WIDTH * SCALE) for colour in colours)


def _paint_cloud(brush: Brush, x: float, y: float, size: float) -> None:
    puffs = [(-34, 4, 22, 13), (-12, -6, 24, 20), (16, -3, 26, 17), (38, 5, 20, 11), (2, 7, 46, 11)]
    brush.plain((214, 232, 246), *(Oval(x + a * size, y + (b + 4) * size, c * size, d * size) for a, b, c, d in puffs))
    brush.plain((255, 255, 255), *(Oval(x + a * size, y + b * size, c * size, d * size) for a, b, c, d in puffs))


def _paint_clouds(brush: Brush, time: float) -> None:
    span = WIDTH + 240
    for start, y, size, speed in ((150, 84, 0.8, 26), (360, 46, 0.6, 18), (560, 120, 1.15, 40), (760, 66, 0.9, 30)):
        _paint_cloud(brush, (start - speed * time) % span - 120, y, size)


def _paint_hill(brush: Brush, top: Point, size: Point, bands: Sequence[Colour]) -> None:
    """One hill whose fields are bands, the highest first."""
    for number, colour in enumerate(bands):
        part = 1.0 - 0.17 * number
        brush.plain(colour, Oval(top[0] + 14 * number, top[1] + 10 * number, size[0] * part, size[1] * part))


def _paint_tree(brush: Brush, x: float, y: float) -> None:
    brush.plain((112, 84, 58), Limb([(x, y), (x, y - 12)], 2.2, 2.0))
    brush.plain((52, 120, 62), Oval(x, y - 20, 10, 11))
    brush.plain((72, 146, 76), Oval(x - 2, y - 23, 7, 7))


def _paint_land(brush: Brush, time: float) -> None:
    far = ((142, 198, 150), (154, 208, 156), (142, 198, 150))
    near = ((112, 184, 88), (134, 202, 96), (104, 176, 84), (128, 196, 92))
    front = ((88, 166, 70), (104, 182, 76), (82, 158, 66), (98, 176, 74))
    for start in (60, 330, 600, 870):
        _paint_hill(brush, ((start - 14 * time) % 1080 - 180, 336), (210, 74), far)
    for start in (0, 400, 800):
        _paint_hill(brush, ((start - 32 * time) % 1200 - 260, 376), (290, 86), near)
    for start in (40, 250, 520, 700):
        _paint_tree(brush, (start - 32 * time) % 860 - 80, 314)
    for start in (200, 640, 1080):
        _paint_hill(brush, ((start - 64 * time) % 1320 - 320, 412), (340, 84), front)


def fan(root: Point, lift: float, lengths: Sequence[float], width: float) -> list[Oval]:
    """Feathers that grow from `root`, the hindmost first; `lift` runs from -1 (wing down) to 1 (wing up)."""
    hind, lead = pi - 0.12, pi + 0.2 + 1.2 * lift
    feathers = []
    for number, length in enumerate(lengths):
        angle = hind + (lead - hind) * number / (len(lengths) - 1)
        half = length * (0.84 + 0.16 * abs(lift)) / 2
        feathers.append(Oval(root[0] + half * cos(angle), root[1] + half * sin(angle), half, width, angle))
    return feathers


def _paint_wing(brush: Brush, root: Point, lift: float, size: float, colour: Colour) -> None:
    for feather in fan(root, lift, [size * (68 + 7 * n) for n in range(8)], 9.0 * size):
        brush.inked(colour, feather)
    for feather in fan(root, lift, [size * (42 + 4 * n) for n in range(6)], 8.0 * size):
        brush.inked(colour, feather)
    brush.inked(colour, Oval(*root, 13 * size, 11 * size))


def _paint_legs(brush: Brush, swing: float, colour: Colour, hips: Sequence[Point]) -> None:
    for number, (x, y) in enumerate(hips):
        sway = swing * (1 if number else -1)
        knee, hoof = (x - 6 + 3 * sway, y + 22), (x - 18 + 8 * sway, y + 38)
        brush.inked(colour, Limb([(x, y), knee, hoof], 9.0, 5.4))
        brush.inked(INK, Oval(hoof[0] - 2, hoof[1] + 3, 6.0, 4.4, 0.5))


def _paint_tail(brush: Brush, time: float) -> None:
    wave = 9 * sin(2 * pi * time)
    end = (-124.0, -18 + wave)
    brush.inked(COAT, Limb(curve((-66, -10), (-94, -34 - wave), end), 3.2, 2.2))
    brush.inked(PATCH, Limb(curve(end, (-134, -16 + wave), (-142, -4 + wave), 4), 6.0, 2.4))


def _paint_body(brush: Brush) -> None:
    brush.inked(PINK, Oval(-30, 34, 17, 11), Limb([(-36, 42), (-37, 50)], 3, 2.4), Limb([(-26, 43), (-26, 51)], 3, 2.4))
    brush.inked(COAT, Oval(-6, 4, 68, 36, 0.02), Oval(46, -4, 26, 28), Limb([(46, -10), (72, -30)], 22, 18))
    brush.plain(PATCH, Oval(-44, -4, 22, 19, 0.4), Oval(-28, 8, 13, 11), Oval(24, 18, 20, 12, -0.3))


def _paint_head(brush: Brush, time: float) -> None:
    blink = 1.0 if 1.7 < time < 1.84 else 0.0
    brush.inked(HORN, Limb(curve((78, -58), (72, -72), (80, -80), 5), 4.2, 1.6))
    brush.inked(HORN, Limb(curve((98, -60), (106, -72), (100, -81), 5), 4.2, 1.6))
    brush.inked(PATCH, Oval(64, -48, 14, 7.5, -0.25 + 0.1 * sin(4 * pi * time)))
    brush.inked(COAT, Oval(88, -42, 23, 21, 0.15))
    brush.plain(PATCH, Oval(78, -49, 11, 11))
    brush.inked(PATCH, Oval(110, -57, 12, 6, -0.5))
    brush.inked(PINK, Oval(106, -30, 19, 14, 0.12))
    brush.plain(INK, Oval(100, -34, 2.6, 3.4), Oval(114, -33, 2.6, 3.4))
    brush.plain(INK, Limb(curve((97, -24), (107, -16), (118, -24)), 1.3, 1.3))
    for x in (82, 98):
        brush.plain(FEATHER, Oval(x, -49, 5.4, 6.4))
        brush.plain(INK, Oval(x + 1.4, -48.6, 3.4, 4.2 - 3.4 * blink))
        brush.plain(FEATHER, Oval(x + 2.4, -50.4, 1.3, 1.3 - blink))


def _paint_cow(canvas: Canvas, time: float) -> None:
    lift = sin(2 * pi * time)
    brush = Brush(canvas, (318, 196 - 9 * cos(2 * pi * time)), -0.07 + 0.03 * sin(pi * time))
    _paint_wing(brush, (30, -24), lift, 0.9, FAR_FEATHER)
    _paint_tail(brush, time)
    _paint_legs(brush, lift, SHADED, ((-34, 22), (40, 20)))
    _paint_body(brush)
    _paint_legs(brush, -lift, COAT, ((-50, 24), (24, 24)))
    _paint_head(brush, time)
    _paint_wing(brush, (12, -12), lift, 1.0, FEATHER)


def frame(background: bytes, time: float) -> bytes:
    """The picture at `time` seconds."""
    brush = Brush(canvas := Canvas(bytearray(background)))
    brush.plain((255, 236, 160), Oval(84, 66, 34, 34))
    brush.plain((255, 218, 92), Oval(84, 66, 27, 27))
    _paint_clouds(brush, time)
    _paint_land(brush, time)
    _paint_cow(canvas, time)
    return bytes(canvas.pixels)


def encode(frames: Iterator[bytes], target: Path) -> None:
    """Encode raw frames; raises `CalledProcessError` when ffmpeg refuses."""
    size = f"{WIDTH * SCALE}x{HEIGHT * SCALE}"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FRAMES_PER_SECOND), "-i", "-"]
    picture = ["-vf", f"scale={WIDTH}:{HEIGHT}:flags=area", "-pix_fmt", "yuv420p"]
    codec = ["-c:v", "libx264", "-preset", "veryslow", "-crf", "25", "-threads", "1", "-bf", "2"]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-movflags", "+faststart"]
    command = ["ffmpeg", "-v", "error", "-y", *raw, *picture, *codec, *exact, str(target)]
    subprocess.run(command, input=b"".join(frames), check=True)


def main(arguments: Sequence[str]) -> int:
    """Draw, encode, and say how large the file became; 1 if it is too large."""
    target = Path(arguments[0]) if arguments else TARGET
    background = sky()
    encode((frame(background, n / FRAMES_PER_SECOND) for n in range(SECONDS * FRAMES_PER_SECOND)), target)
    print(f"{target}: {(size := target.stat().st_size)} bytes")
    return 0 if size <= LARGEST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
