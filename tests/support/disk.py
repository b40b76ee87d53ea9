"""Faults of the disk, simulated by replacements of functions of ``os``."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform == "darwin":
    import fcntl


def raise_enospc(*_: object, **__: object) -> Any:
    """Raise the error of a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _path_of(descriptor: int) -> Path:
    """Return the path of an open file; on macOS, which has no /proc, by a request to its descriptor."""
    if sys.platform == "darwin":
        return Path(os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def write_limited_to(size: int, suffix: str = ".part") -> Callable[[int, bytes], int]:
    """Return an ``os.write`` that fails after ``size`` bytes to files with this suffix."""
    write, left = os.write, [size]

    def limited(descriptor: int, data: bytes) -> int:
        if _path_of(descriptor).suffix != suffix:
            return write(descriptor, data)
        if left[0] == 0:
            raise_enospc()
        written = write(descriptor, data[: left[0]])
        left[0] -= written
        return written

    return limited
