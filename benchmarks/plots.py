"""The pictures: SVG that is the same for the same numbers, readable on white and on black."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.simulation import Outcome, Voyage

FOLDER = Path(__file__).parent / "plots"
#: Of middling lightness, so that it is seen on either ground.
INK = "#808a94"
OURS = "#1f9d6b"
OTHERS = "#d1722e"
#: Where a name stands, in points from its point, when not to the upper right of it.
LABELS = {
    "runwayml: 6 s ± 1.5 s": ((-9, -9), "right"),
    "constant: 5 s": ((9, -10), "left"),
    "constant: 30 s": ((-9, -9), "right"),
}


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({
        "svg.hashsalt": "kkiai", "font.size": 10, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
        "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip
    return plt


def _save(figure: Any, name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    figure.tight_layout()
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
    # Trailing spaces in paths mean nothing, and trouble tools that look after text.
    path.write_text("\n".join(line.rstrip() for line in path.read_text("utf-8").splitlines()) + "\n", "utf-8")


def requests_against_delay(points: dict[str, Outcome], front: list[Outcome]) -> None:
    """Every schedule as a point, and the line that none of the family gets beyond."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(8, 5))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(
        [one.requests for one in front],
        [one.delay for one in front],
        color=INK,
        label="the best that PollPolicy can say",
        zorder=1,
    )
    for name, one in points.items():
        color = OURS if name.startswith("kkiai") else OTHERS
        axes.scatter([one.requests], [one.delay], color=color, zorder=2, s=42)
        offset, side = LABELS.get(name, ((8, 4), "left"))
        place = (one.requests, one.delay)
        axes.annotate(name, place, xytext=offset, textcoords="offset points", color=color, ha=side)
    axes.set_xlabel("requests per task")
    axes.set_ylabel("seconds from the end of a task until one knows")
    axes.set_title("Tasks of four minutes, by the median", loc="left", fontsize=11)
    axes.margins(x=0.22, y=0.12)
    axes.legend(frameon=False, loc="lower left")
    _save(figure, "requests-against-delay")
    pyplot.close(figure)


def cost_against_tasks(fleets: dict[str, dict[int, Voyage]]) -> None:
    """Requests, delay and CPU of a fleet, from ten tasks to a hundred thousand."""
    pyplot = _pyplot()
    figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.6))
    titles = {"requests": "requests per task", "delay": "mean delay, s", "cpu": "µs of CPU per request, queue alone"}
    for axes, (field, title) in zip(panels, titles.items(), strict=True):
        axes.set_xscale("log")
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("tasks")
        for (name, voyages), color in zip(fleets.items(), (OURS, OTHERS), strict=True):
            axes.plot(
                list(voyages), [getattr(each, field) for each in voyages.values()], marker="o", color=color, label=name
            )
        axes.set_ylim(bottom=0)
    panels[1].set_yscale("symlog", linthresh=10)
    panels[1].set_ylim(0, 10_000)
    panels[0].legend(frameon=False, fontsize=8)
    _save(figure, "cost-against-tasks")
    pyplot.close(figure)
