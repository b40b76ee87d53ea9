"""What a test must not leave behind in its process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

#: Seconds that threads on their way out are given.
PATIENCE = 5.0
_DESCRIPTORS = Path("/proc/self/fd")


def open_sockets() -> set[str]:
    """The sockets of this process; empty where the system does not tell."""
    found = set()
    for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:  # the one by which the folder is read
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


class Belongings:
    """The threads and sockets of this process at one moment."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.sockets = open_sockets()

    def assert_unchanged(self) -> None:
        """Nothing has been added. Threads that are ending are waited for."""
        end = time.monotonic() + PATIENCE
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(end - time.monotonic(), 0.0))
        assert set(threading.enumerate()) - self.threads == set(), "threads were left running"
        assert open_sockets() - self.sockets == set(), "sockets were left open"
