"""A disk that is full: what the operating system says then, said without filling one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def no_room(*_: object, **__: object) -> Any:
    """What the system says when the disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def room_for(size: int, suffix: str = ".part") -> Callable[[int, bytes], int]:
    """An ``os.write`` that works until this many bytes have gone to files with this ending."""
    write, left = os.write, [size]

    def limited(descriptor: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix != suffix:
            return write(descriptor, data)
        if left[0] == 0:
            no_room()
        written = write(descriptor, data[: left[0]])
        left[0] -= written
        return written

    return limited
