"""Resources that a test must not leave behind in its process."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

#: Seconds to wait for ending threads.
THREAD_TIMEOUT = 5.0
#: Turns of the event loop to wait for ending tasks.
EVENT_LOOP_TURNS = 100
_DESCRIPTORS = Path("/proc/self/fd")


def descriptors() -> set[str]:
    """Return the open sockets, pipes and files of this process; empty where the system has no /proc."""
    found = set()
    for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:  # the descriptor of the folder itself
            continue
        # All anonymous files of one kind have the same name.
        found.add(f"{descriptor.name} {target}" if target.startswith("anon_inode:") else target)
    return found


def open_sockets() -> set[str]:
    """Return the open sockets of this process."""
    return {target for target in descriptors() if target.startswith("socket:")}


async def other_tasks() -> set[asyncio.Task[object]]:
    """Return the other tasks of this event loop that are left after some turns."""
    for _ in range(EVENT_LOOP_TURNS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return set()
        await asyncio.sleep(0)
    return others


class ResourceSnapshot:
    """The threads, and the open sockets and files, of this process at one moment."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.open = descriptors()

    def assert_unchanged(self) -> None:
        """Assert that nothing was added; ending threads are joined first."""
        end = time.monotonic() + THREAD_TIMEOUT
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(end - time.monotonic(), 0.0))
        assert set(threading.enumerate()) - self.threads == set(), "threads were left running"
        assert descriptors() - self.open == set(), "sockets or files were left open"
