"""Isolated processes, the packages they see, and statistics over rounds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers import LIBRARIES, PEERS
from benchmarks.server import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.server import Server

ROOT = Path(__file__).resolve().parent.parent
_PROJECT = {"kkiai_sdk": ROOT / "kkiai_sdk", "kkiai_api": ROOT / "generated" / "kkiai_api"}
_CHILD = f"""
import json, logging, os, sys, warnings
warnings.simplefilter("ignore")
logging.getLogger("asyncio").disabled = True  # it reports sessions that are not closed
sys.path.append({str(ROOT)!r})
from benchmarks.%s import measure
print(json.dumps(measure(**json.loads(sys.argv[1]))), flush=True)
os._exit(0)  # some libraries keep threads alive or complain at exit
"""


def log(text: str) -> None:
    """Write a progress line to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def short(value: float) -> str:
    """Three significant digits, or a dash for nan."""
    if value != value:  # noqa: PLR0124 - nan
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def median(values: Iterable[float]) -> float:
    """The median, or nan of no values."""
    values = list(values)
    return statistics.median(values) if values else float("nan")


def spread(values: list[float]) -> str:
    """The median, with the lowest and the highest value in brackets."""
    return f"{short(median(values))} ({short(min(values))}-{short(max(values))})" if values else "-"


def meter() -> Callable[[], tuple[float, float]]:
    """Start to measure this process; the result gives the seconds of CPU and of real time since."""
    cpu, wall = time.process_time(), time.perf_counter()
    return lambda: (time.process_time() - cpu, time.perf_counter() - wall)


class Samples:
    """Figures of each runner, one mapping per round."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[dict[str, float]]] = defaultdict(list)

    def values(self, runner: str, figure: str) -> list[float]:
        """The figure in every round that has it."""
        return [each[figure] for each in self.rounds.get(runner, []) if figure in each]

    def median(self, runner: str, figure: str) -> float:
        """The median over the rounds."""
        return median(self.values(runner, figure))

    def spread(self, runner: str, figure: str) -> str:
        """The median, with the lowest and the highest value in brackets."""
        return spread(self.values(runner, figure))

    def ratio(self, runner: str, figure: str, to: str = "httpx", to_figure: str = "") -> float:
        """The median of the ratios within each round, so that noise in a round affects both of its figures."""
        to_figure = to_figure or figure
        pairs = zip(self.rounds.get(runner, []), self.rounds.get(to, []), strict=False)
        return median(a[figure] / b[to_figure] for a, b in pairs if figure in a and b.get(to_figure))

    def table(self, title: str, columns: dict[str, Callable[[str], str | float]], note: str = "") -> str:
        """A Markdown table with a row per runner; each column is a function of the runner."""
        rows = [[runner, *(column(runner) for column in columns.values())] for runner in self.rounds]
        return table(title, ["", *columns], rows, note)


def table(title: str, header: list[str], rows: list[list[Any]], note: str = "") -> str:
    """A Markdown table; floating-point numbers get three significant digits."""
    cells = [[short(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [header, *cells]]
    lines.insert(1, "|" + "---|" * len(header))
    return "\n".join([*([f"### {title}", ""] if title else []), *lines, *(["", note] if note else []), ""])


@dataclass
class Group:
    """Results of a group: its tables, and the figures that have a goal."""

    title: str
    tables: list[str]
    reached: dict[str, float] = field(default_factory=dict)


@dataclass
class Bench:
    """One run of the benchmarks."""

    folder: Path
    rounds: int
    #: Measure the SDK and what it is made of only, without the peers.
    own: bool

    @cached_property
    def server(self) -> Server:
        """The server to measure against, started when it is first used."""
        server = start(self.folder)
        if server.name == "stand-in":
            log("nginx is not installed (Debian: apt-get install nginx-light). A server in Python takes its place:")
            log("it limits what is fast, so ratios come out nearer to 1, and fleets are not measured.")
        return server

    def close(self) -> None:
        """Stop the server, if it was started."""
        if "server" in self.__dict__:
            self.server.stop()

    def select(self, runners: Iterable[str]) -> list[str]:
        """The runners to measure: all of them, or those that are no peers."""
        return [each for each in runners if not (self.own and any(peer in each for peer in PEERS))]

    def sample(self, title: str, runners: Iterable[str], measure: Callable[[str], dict[str, float]]) -> Samples:
        """Measure every runner in turn, round after round."""
        samples = Samples()
        for number in range(self.rounds):
            log(f"{title}: round {number + 1} of {self.rounds}")
            for runner in self.select(runners):
                samples.rounds[runner].append(measure(runner))
        return samples

    def measure(
        self, module: str, runner: str, *, process_timeout: float = 120.0, **arguments: Any
    ) -> dict[str, float]:
        """Call `measure` of one of the modules in a process that sees only the runner's packages.

        The result is empty when the process fails or exceeds `process_timeout` seconds.
        """
        site = self.site(*LIBRARIES[runner].packages)
        command = [sys.executable, "-S", "-c", _CHILD % module, json.dumps(arguments | {"runner": runner})]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment(site),
                stdout=subprocess.PIPE,
                timeout=process_timeout,
                check=True,
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            log(f"{module}, {runner}: {type(error).__name__}")
            return {}
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def site(self, *packages: str) -> Path:
        """A folder of links to the packages and all that they require, as after a fresh install.

        Other packages would change the figures: httpx imports click and rich where it finds them, and its asynchronous
        requests are cheaper where another package has installed sniffio.
        """
        folder = self.folder / f"site-{'-'.join(packages)}"
        if folder.exists():
            return folder
        folder.mkdir()
        installed = _requirements(name for name in packages if name not in _PROJECT)
        sources = {top for name in installed for top in _top_level(name)}
        for source in sources | {_PROJECT[name] for name in packages if name in _PROJECT}:
            (folder / source.name).symlink_to(source)
        return folder


def spawn(command: list[str], site: Path | None, folder: Path) -> dict[str, float]:
    """Run a command: its real time and CPU in seconds, and its peak memory in MiB. Raises SystemExit if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment(site), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds, process.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode} of: {command}")
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}


def environment(site: Path | None) -> dict[str, str]:
    """Environment variables without proxies and keys, with `site` as the only folder of packages."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE"}}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return kept | quiet | {"NO_PROXY": "*", "PYTHONHASHSEED": "0"} | ({"PYTHONPATH": str(site)} if site else {})


def _requirements(packages: Iterable[str]) -> set[str]:
    from packaging.requirements import Requirement

    pending, found = list(packages), set()
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name not in found:
            found.add(name)
            required = map(Requirement, importlib.metadata.requires(name) or [])
            pending += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def _top_level(name: str) -> set[Path]:
    """Return the top-level files and folders of a distribution."""
    files = importlib.metadata.files(name) or []
    tops = {file.parts[0] for file in files if ".." not in file.parts and file.parts[0] != "__pycache__"}
    folder = Path(str(importlib.metadata.distribution(name).locate_file("")))
    return {folder / top for top in tops}
