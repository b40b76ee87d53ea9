"""What a test must not leave behind in its process."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

#: Seconds that threads on their way out are given.
PATIENCE = 5.0
#: Turns of the event loop that tasks on their way out are given.
TURNS = 100
_DESCRIPTORS = Path("/proc/self/fd")


def descriptors() -> set[str]:
    """What is open in this process: sockets, pipes, files; empty where the system does not tell."""
    found = set()
    for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:  # the one by which the folder is read
            continue
        # Each kind of anonymous file has but one name.
        found.add(f"{descriptor.name} {target}" if target.startswith("anon_inode:") else target)
    return found


def open_sockets() -> set[str]:
    """The sockets of this process."""
    return {target for target in descriptors() if target.startswith("socket:")}


async def other_tasks() -> set[asyncio.Task[object]]:
    """The tasks of this event loop that are still there after a while, but for the one that asks."""
    for _ in range(TURNS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return set()
        await asyncio.sleep(0)
    return others


class Belongings:
    """The threads, and the open sockets and files, of this process at one moment."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.open = descriptors()

    def assert_unchanged(self) -> None:
        """Nothing has been added. Threads that are ending are waited for."""
        end = time.monotonic() + PATIENCE
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(end - time.monotonic(), 0.0))
        assert set(threading.enumerate()) - self.threads == set(), "threads were left running"
        assert descriptors() - self.open == set(), "sockets or files were left open"
