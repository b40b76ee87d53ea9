"""Faults of the disk, simulated by replacements of functions of ``os``."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def raise_enospc(*_: object, **__: object) -> Any:
    """Raise the error of a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_limited_to(size: int, suffix: str = ".part") -> Callable[[int, bytes], int]:
    """Return an ``os.write`` that fails after ``size`` bytes to files with this suffix."""
    write, left = os.write, [size]

    def limited(descriptor: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix != suffix:
            return write(descriptor, data)
        if left[0] == 0:
            raise_enospc()
        written = write(descriptor, data[: left[0]])
        left[0] -= written
        return written

    return limited
