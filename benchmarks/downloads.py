"""How fast a file arrives on disk, and what that costs."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.calls import PACKAGES
from benchmarks.lab import Section, Table, environment, median, ratio, say, short, spread
from benchmarks.server import FILE_SIZE
from benchmarks.workers.downloads import ASYNC, SYNC

if TYPE_CHECKING:
    from benchmarks.lab import Lab

Found = dict[str, list[dict[str, float]]]


def place() -> str | None:
    """A file system in memory, if there is one: the disk is not what is measured."""
    memory = Path("/dev/shm")  # noqa: S108 - only its presence is used, files are made by tempfile
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 3 * FILE_SIZE else None


def run(lab: Lab) -> Section:
    """Fetch the file by each, in turn, round after round."""
    found: Found = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=place()) as folder:
        for number in range(lab.rounds):
            say(f"downloads: round {number + 1} of {lab.rounds}")
            for who in ("curl", *SYNC, *ASYNC):
                dest = Path(folder) / "video.mp4"
                numbers = _curl(lab, dest) if who == "curl" else _fetch(lab, who, dest)
                if numbers and not filecmp.cmp(dest, lab.folder / "www" / "video.mp4", shallow=False):
                    raise SystemExit(f"{who} has fetched something else")
                dest.unlink(missing_ok=True)
                shutil.rmtree(Path(folder) / "hub", ignore_errors=True)
                if numbers:
                    found[who].append(numbers)
    where = "a file system in memory" if place() else "the disk"
    return Section("Downloads", [_table(found, where)], _reached(found))


def _fetch(lab: Lab, who: str, dest: Path) -> dict[str, float]:
    package = who.removesuffix(", async")
    packages = PACKAGES.get(package, ("huggingface-hub",))
    site = lab.site(package.replace("_", "-"), *packages, sdk=package == "kkiai")
    return lab.work("downloads", {"who": who, "url": lab.server.url, "dest": str(dest)}, site)


def _curl(lab: Lab, dest: Path) -> dict[str, float]:
    curl = shutil.which("curl")
    if curl is None:
        return {}
    began = time.perf_counter()
    command = [curl, "-s", "-o", str(dest), f"{lab.server.url}/video.mp4"]
    process = subprocess.Popen(command, env=environment(None))
    _, _, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = 0
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}


def _of(found: Found, who: str, name: str) -> list[float]:
    return [each[name] for each in found[who] if name in each]


def _table(found: Found, where: str) -> Table:
    header = [
        "", "MB/s (lowest-highest)", "ratio to httpx", "ratio to curl", "CPU, ratio to httpx", "peak memory, MiB",
        "lag of the loop, p99, ms",
    ]  # fmt: skip
    rows = []
    for who in found:
        seconds = _of(found, who, "seconds")
        speeds = [FILE_SIZE / 1e6 / each for each in seconds]
        shares = [f"{ratio(_of(found, base, 'seconds'), seconds):.2f}" for base in ("httpx", "curl")]
        cpu = f"{ratio(_of(found, who, 'cpu'), _of(found, 'httpx', 'cpu')):.2f}"
        memory, lag = short(median(_of(found, who, "memory"))), _of(found, who, "lag")
        rows.append([who, spread(speeds), *shares, cpu, memory, short(median(lag)) if lag else "-"])
    note = (
        f"200 MiB over HTTP/1.1 from nginx into {where}; httpx is a bare loop over `iter_raw()`. The SDK's figures "
        "hold the query that names the file, the check that it is a video, and the flush before it gets its name. "
        "What arrived was compared with what was sent."
    )
    return Table("A file of 200 MiB", header, rows, note)


def _reached(found: Found) -> dict[str, float]:
    def speed(who: str, base: str) -> float:
        return ratio(_of(found, base, "seconds"), _of(found, who, "seconds"))

    return {
        "download_speed": speed("kkiai", "httpx"),
        "download_curl": speed("kkiai", "curl"),
        "download_cpu": ratio(_of(found, "kkiai", "cpu"), _of(found, "httpx", "cpu")),
        "download_memory": median(_of(found, "kkiai", "memory")) - median(_of(found, "httpx", "memory")),
        "download_async": speed("kkiai, async", "kkiai"),
        "download_lag": median(_of(found, "kkiai, async", "lag")),
        "download_openai": speed("kkiai", "openai"),
    }
