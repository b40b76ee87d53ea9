"""The rules of Windows for files, on another system: what is held open can be neither renamed nor removed."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kkiai_sdk._downloads import part_file

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def is_held_open(path: Any) -> bool:
    """Whether a descriptor of this process is one of the file."""
    try:
        file = os.lstat(path)
    except FileNotFoundError:
        return False
    for descriptor in Path("/proc/self/fd").iterdir():
        # The descriptor of the listing itself is closed by now.
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(descriptor.name)), file):
                return True
    return False


def _guarded(function: Callable[..., Any], files: int, *, replaces: bool = True) -> Callable[..., Any]:
    """The function, whose first arguments must not be held open; it replaces an existing file only if it may."""

    def call(*arguments: Any, **options: Any) -> Any:
        for path in arguments[:files]:
            if is_held_open(path):
                raise PermissionError(errno.EACCES, "the file is being used by a process", str(path))
        if not replaces and os.path.lexists(arguments[1]):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(arguments[1]))
        return function(*arguments, **options)

    return call


def hold_to_windows(patch: pytest.MonkeyPatch) -> None:
    """Let files be renamed, removed, linked and opened as on Windows; let the SDK take the system for Windows."""
    open_file, link = os.open, os.link

    def open_no_folder(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open_file(path, *arguments, **options)

    def link_plainly(source: Any, target: Any, **options: Any) -> None:
        if "follow_symlinks" in options:
            raise NotImplementedError("link: follow_symlinks unavailable on this platform")
        link(source, target)

    patch.setattr(part_file, "WINDOWS", True)
    patch.setattr(os, "rename", _guarded(os.rename, 1, replaces=False))
    patch.setattr(os, "replace", _guarded(os.replace, 2))
    patch.setattr(os, "unlink", _guarded(os.unlink, 1))
    patch.setattr(os, "remove", _guarded(os.remove, 1))
    patch.setattr(os, "open", open_no_folder)
    patch.setattr(os, "link", link_plainly)
