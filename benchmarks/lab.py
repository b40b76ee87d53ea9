"""What every section needs: processes to measure in, the packages they see, and numbers made of rounds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.server import Server

ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    """Progress goes to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def median(values: Iterable[float]) -> float:
    """The middle; nan for nothing."""
    values = list(values)
    return statistics.median(values) if values else float("nan")


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios of each round: what disturbs a round disturbs both of its numbers."""
    return median(a / b for a, b in zip(values, base, strict=False) if b)


def spread(values: Sequence[float]) -> str:
    """Median, and the lowest and the highest in brackets."""
    return f"{short(median(values))} ({short(min(values))}-{short(max(values))})" if values else "-"


def short(value: float) -> str:
    """Three digits, as one says them."""
    if value != value:  # noqa: PLR0124 - nan
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


@dataclass
class Table:
    """One table of the results."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""

    def render(self) -> str:
        """As Markdown."""
        lines = [f"### {self.title}", "", "| " + " | ".join(self.header) + " |", "|" + "---|" * len(self.header)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else []), ""])


@dataclass
class Section:
    """What a section has found: tables to read, and the numbers that the goals are about."""

    name: str
    tables: list[Table]
    reached: dict[str, float] = field(default_factory=dict)


@dataclass
class Lab:
    """Where measuring is done."""

    server: Server
    folder: Path
    rounds: int

    def site(self, name: str, *distributions: str, sdk: bool = False) -> Path:
        """A folder of links to some distributions with all that they need, and nothing else: as freshly installed.

        What else is in an environment changes what is measured: ``import httpx`` takes click and rich along where it
        finds them, and its asynchronous requests are cheaper where some other package has brought sniffio.
        """
        folder = self.folder / f"site-{name}"
        if folder.exists():
            return folder
        folder.mkdir()
        for each in sorted(_closure(distributions)):
            for top in _tops(each):
                if not (folder / top.name).exists():
                    (folder / top.name).symlink_to(top)
        if sdk:
            for package in (ROOT / "kkiai_sdk", ROOT / "generated" / "kkiai_api"):
                (folder / package.name).symlink_to(package)
        return folder

    def python(self, arguments: Sequence[str], site: Path | None = None, limit: float = 120.0) -> bytes:
        """Run Python in a process of its own; gives its stdout. With a site, nothing else is installed there."""
        done = subprocess.run(
            [sys.executable, *(["-S"] if site else []), *arguments],
            cwd=self.folder, env=environment(site), stdout=subprocess.PIPE, timeout=limit, check=True,
        )  # fmt: skip
        return done.stdout

    def work(self, worker: str, spec: dict[str, Any], site: Path | None = None, limit: float = 120.0) -> dict[str, Any]:
        """Run one of the workers; gives what it measured, nothing when it did not come back in time."""
        code = f"import sys; sys.path.append({str(ROOT)!r}); from benchmarks.workers.{worker} import main; main()"
        try:
            out = self.python(["-c", code, json.dumps(spec)], site, limit)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as problem:
            say(f"{worker} {spec.get('who')}: {type(problem).__name__}")
            return {}
        return dict(json.loads(out.splitlines()[-1]))


def environment(site: Path | None) -> dict[str, str]:
    """No proxies, no keys; and where packages come from."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE"}}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return kept | quiet | {"NO_PROXY": "*", "PYTHONHASHSEED": "0"} | ({"PYTHONPATH": str(site)} if site else {})


def _closure(distributions: Iterable[str]) -> set[str]:
    from packaging.requirements import Requirement

    pending, found = list(distributions), set()
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name)
    return found


def _tops(name: str) -> set[Path]:
    """What a distribution has put at the top of the packages' folder."""
    files = importlib.metadata.files(name) or []
    tops = {file.parts[0] for file in files if ".." not in file.parts and file.parts[0] != "__pycache__"}
    place = Path(str(importlib.metadata.distribution(name).locate_file("")))
    return {place / top for top in tops}
