"""File operations of a download: part file, lock, fsync, atomic commit. The only module that opens files.

The destination never holds an incomplete file, and an existing file is kept on every failure: bytes are written to
``NAME.part`` next to it, and only a complete, synced file is renamed. ``NAME.part.json`` contains the resume metadata.
A name too long for these suffixes is shortened and hashed. Errors of the operating system are raised as DownloadError.

On Windows a file that is open can be neither renamed nor removed, so the part is closed first. Nothing can be written
to it in between: a file that another process has opened meanwhile is not renamed either. On other systems, the part
stays open, and therefore locked, until it has been renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import asdict

from kkiai_sdk._downloads import sniffing
from kkiai_sdk._downloads.range_requests import MAX_NAME as MAX_FILE_NAME
from kkiai_sdk._downloads.range_requests import ResumeMetadata, SaveBody, file_name, parse_metadata
from kkiai_sdk._downloads.sniffing import Boxes
from kkiai_sdk._downloads.windows_names import name_limit, name_problem
from kkiai_sdk.errors import ConfigurationError, DownloadError, TargetExistsError

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: Whether files that are open can be neither renamed nor removed, and names follow the rules of Windows.
WINDOWS = sys.platform == "win32"

#: Attempts to lock a part, each of which fails if another download ends between opening and locking.
MAX_RACES = 100
#: Maximum bytes of resume metadata; a longer file is not metadata.
MAX_METADATA = 4096
#: Maximum boxes of an MP4 file that are checked; a fragmented file can have thousands.
MAX_BOXES = 10_000
#: Maximum bytes of a file name: NAME_MAX of Linux, macOS and the BSDs; Windows allows as many characters.
MAX_NAME = 255
#: The byte of a part that is locked on Windows, far beyond its end: locked bytes cannot be read or written.
_LOCKED_BYTE = 1 << 40
#: Suffixes of a part and of its metadata.
_PART, _METADATA = ".part", ".part.json"
# O_NOFOLLOW: a symbolic link planted in place of the part must not redirect the bytes.
_COMMON_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OPEN_PART = os.O_RDWR | os.O_CREAT | _COMMON_FLAGS
# O_NONBLOCK: opening a pipe must not block.
_OPEN_METADATA = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _COMMON_FLAGS
#: Errors for missing metadata, or for a link, a folder or a device instead of it.
_NOT_METADATA = frozenset({errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO})
#: A file renamed into this folder would replace a device of the system.
_DEVICES = Path("/dev")


def resolve_target(dest: object, task_id: str, *, overwrite: bool | Literal["skip"]) -> Path:
    """Return the file to write: ``dest``, or a file named after the id if ``dest`` is a folder or ends like one.

    Raises ConfigurationError for a path that cannot be a file, TargetExistsError for an existing file, DownloadError.
    """
    if not isinstance(dest, str | os.PathLike) or not _is_path(os.fspath(dest)):
        raise ConfigurationError("dest must be the path of a file or of an existing folder")
    path = Path(dest)
    with _os_errors_translated(path):
        # Only a name tells that a folder is meant which is not there (any more).
        is_folder = path.is_dir() or os.fspath(dest).endswith(("/", os.sep))
        target = path / file_name(task_id, _name_limit(path, MAX_FILE_NAME)) if is_folder else path
        if WINDOWS and (problem := name_problem(target.name)):
            raise ConfigurationError(f"dest: {str(target)!r} cannot be a file on Windows: its name {problem}")
        if not target.parent.is_dir():
            raise ConfigurationError(f"dest: the folder {str(target.parent)!r} does not exist; create it first")
        if target.parent == _DEVICES or target.is_dir() or (target.exists() and not target.is_file()):
            raise ConfigurationError(f"dest: {str(target)!r} is not a regular file")
        if _exists(target) and not overwrite:
            raise _target_exists(target)
        if overwrite == "skip" and is_saved(target):
            return target
        # Checked here to fail before anything is sent, and before a long wait.
        if not os.access(target.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, f"cannot create files in the folder {str(target.parent)!r}")
    return target


def is_saved(target: Path) -> bool:
    """Whether the path is a regular file, or a link to one, that is not empty."""
    with _os_errors_translated(target):
        return target.is_file() and target.stat().st_size > 0


def _is_path(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _exists(target: Path) -> bool:
    """Whether the path exists, also as a broken link. Raises OSError for an invalid name."""
    try:
        target.lstat()
    except FileNotFoundError:
        return False
    return True


def _target_exists(target: Path) -> TargetExistsError:
    return TargetExistsError(
        f"{str(target)!r} exists; pass overwrite=True to replace it, or overwrite='skip' to keep it", path=str(target)
    )


@contextmanager
def _os_errors_translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"cannot write {str(target)!r}: {error.strerror or error}"
        raise DownloadError(text, path=str(target), errno=error.errno) from error


class PartFile:
    """The part file next to the destination, locked against other downloads to the same destination.

    ``close`` must be called after ``open``, even if ``open`` raises or is interrupted.
    """

    def __init__(self, target: Path, task_id: str) -> None:
        self._target, self._task_id, self._fd = target, task_id, -1
        self._path, self._metadata_path = _part_paths(target)
        #: Bytes in the part.
        self.size = 0
        #: Metadata of the file of which this is a part, or None if it cannot be resumed.
        self.metadata: ResumeMetadata | None = None

    def open(self, *, resume: bool, overwrite: bool | Literal["skip"]) -> bool:
        """Open and lock the part; with ``resume``, keep the bytes of an earlier download if it has metadata.

        Return whether "skip" keeps a file that another download has saved meanwhile. Raises TargetExistsError.
        """
        with _os_errors_translated(self._target):
            self._fd = _open_locked(self._path, self._target)
            self.size = os.fstat(self._fd).st_size
            if not overwrite and _exists(self._target):
                raise _target_exists(self._target)
            if overwrite == "skip" and is_saved(self._target):
                return True
            self.metadata = self._load_metadata() if resume and self.size else None
            if self.metadata is None or self.size > self.metadata.total:
                self.restart()
        return False

    @property
    def is_complete(self) -> bool:
        """Whether the part holds the whole file."""
        return self.metadata is not None and self.size == self.metadata.total

    def restart(self) -> None:
        """Discard the part."""
        with _os_errors_translated(self._target):
            self.metadata, self.size = None, 0
            self._metadata_path.unlink(missing_ok=True)
            os.ftruncate(self._fd, 0)

    def start_body(self, save: SaveBody) -> None:
        """Prepare for a body that starts at ``save.offset``."""
        if save.offset == 0:
            self.restart()
        with _os_errors_translated(self._target):
            os.lseek(self._fd, save.offset, os.SEEK_SET)
            if save.validator and save.total is not None:
                metadata = ResumeMetadata(self._task_id, save.validator, save.total)
                # Equal metadata is not written again, because the disk may be full.
                if metadata != self.metadata:
                    _write_private(self._metadata_path, json.dumps(asdict(metadata)))
                    self.metadata = metadata

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        with _os_errors_translated(self._target):
            view = memoryview(chunk)
            while view:
                written = os.write(self._fd, view)
                self.size += written
                view = view[written:]

    def boxes(self) -> Boxes | None:
        """Return the boxes of an MP4 file, None for any other file."""
        with _os_errors_translated(self._target):
            head = self._read_box_head(0)
            if not sniffing.is_mp4(head):
                return None
            boxes = Boxes(self.size, 0)
            for _ in range(MAX_BOXES):
                boxes = boxes.after(head)
                if boxes.end >= self.size:
                    break
                head = self._read_box_head(boxes.end)
            return boxes

    def _read_box_head(self, at: int) -> bytes:
        os.lseek(self._fd, at, os.SEEK_SET)
        return os.read(self._fd, sniffing.BOX_HEAD)

    def commit(self, *, overwrite: bool | Literal["skip"]) -> Path:
        """Sync the part to disk and rename it atomically to the destination, unless "skip" keeps the file there."""
        if overwrite == "skip" and is_saved(self._target):
            self.restart()
            return self._target
        with _os_errors_translated(self._target):
            os.fsync(self._fd)
            if WINDOWS:
                self._close_fd()
            if overwrite:
                self._path.replace(self._target)
            else:
                _link_exclusively(self._path, self._target)
            self._metadata_path.unlink(missing_ok=True)
            _sync_folder(self._target.parent)
        return self._target

    def close(self) -> None:
        """Unlock and close the part; an empty one is removed, any other is kept for the next download."""
        is_empty = self._fd >= 0 and self.size == 0 and self.metadata is None
        if WINDOWS:
            self._close_fd()
        # Errors have no effect: a committed file is synced, and the next download reads the size of the part.
        with suppress(OSError):
            if is_empty:
                self._path.unlink()
        self._close_fd()

    def _close_fd(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with suppress(OSError):
                _unlock_and_close(fd)

    def _load_metadata(self) -> ResumeMetadata | None:
        try:
            with os.fdopen(os.open(self._metadata_path, _OPEN_METADATA), "rb") as file:
                metadata = parse_metadata(file.read(MAX_METADATA).decode())
        except ValueError:
            return None
        except OSError as error:
            if error.errno in _NOT_METADATA:
                return None
            raise  # The part is kept until its metadata can be read again.
        return metadata if metadata is not None and metadata.task_id == self._task_id else None


def _part_paths(target: Path) -> tuple[Path, Path]:
    """Return the paths of the part and of its metadata, which are unique to a target."""
    stem, limit = target.name, _name_limit(target.parent, MAX_NAME)
    if len(os.fsencode(stem + _METADATA)) > limit:
        digest = f"-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]}"
        # By characters: some file systems reject an incomplete one.
        while stem and len(os.fsencode(stem + digest + _METADATA)) > limit:
            stem = stem[:-1]
        stem += digest
    return target.with_name(stem + _PART), target.with_name(stem + _METADATA)


def _name_limit(folder: Path, most: int) -> int:
    """Return the maximum length of a name in a folder; on Windows paths are limited as well."""
    return name_limit(str(folder.absolute()), most) if WINDOWS else most


def _open_locked(path: Path, target: Path) -> int:
    """Open and lock the part, and return its file descriptor."""
    for _ in range(MAX_RACES):
        fd = os.open(path, _OPEN_PART, 0o666)
        with ExitStack() as stack:
            stack.callback(os.close, fd)
            _lock(fd, path, target)
            # The previous holder of the lock may have renamed or removed the file, but not on Windows.
            if WINDOWS or (path.exists() and os.path.samestat(os.fstat(fd), os.lstat(path))):
                if os.fstat(fd).st_nlink == 1:
                    stack.pop_all()
                    return fd
                # The file has another hard link, which writing would change: one that was planted, or the destination
                # itself, if the process was killed between linking the destination and unlinking the part.
                if WINDOWS:
                    stack.close()
                path.unlink()
    raise DownloadError(f"{str(path)!r} keeps changing, or is a link; remove it", path=str(target))


def _lock(fd: int, path: Path, target: Path) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise DownloadError(f"{str(path)!r} is not a regular file; remove it", path=str(target))
    try:
        if sys.platform == "win32":
            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise DownloadError(f"another download is writing {str(target)!r}", path=str(target)) from None


def _unlock_and_close(fd: int) -> None:
    try:
        if sys.platform == "win32":
            # Windows would unlock a file some time after it is closed.
            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
    finally:
        os.close(fd)


def _link_exclusively(path: Path, target: Path) -> None:
    """Rename a file without replacing an existing one."""
    try:
        if WINDOWS:
            # Unlike elsewhere, renaming replaces nothing.
            path.rename(target)
            return
        # On systems that cannot hard-link a symbolic link, the part is not one anyway: it was opened without following
        # links.
        os.link(path, target, **({"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}))
    except FileExistsError:
        raise _target_exists(target) from None
    except OSError:
        # No hard links on this file system. Between this check and the rename, a file could be created.
        if os.path.lexists(target):
            raise _target_exists(target) from None
        path.replace(target)
    else:
        path.unlink()


def _write_private(path: Path, text: str) -> None:
    """Create a file, replacing whatever has this name, so that nothing is written to a link or a pipe."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON_FLAGS, 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    # Not supported on every platform and file system; the rename is atomic without it.
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
