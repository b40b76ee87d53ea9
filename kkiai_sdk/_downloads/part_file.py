"""The file system side of a download: part file, lock, fsync, atomic commit. The only module that opens files.

The final name never holds less than the whole file, and an existing file outlasts every failure: bytes go to
``NAME.part`` beside the destination, and only a whole, synced file is renamed. ``NAME.part.json`` holds the resume
metadata. A name that leaves no room for these endings is shortened to a piece and a hash.
Errors of the operating system become DownloadError here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict

from kkiai_sdk._downloads import sniffing
from kkiai_sdk._downloads.range_requests import ResumeMetadata, SaveBody, file_name, parse_metadata
from kkiai_sdk.errors import ConfigurationError, DownloadError, TargetExistsError

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform != "win32":
    import fcntl

#: Downloads to one place that may end, one after another, in the moment between opening their part and locking it.
MAX_RACES = 100
#: Bytes of a metadata at most: anything longer is none of ours.
MAX_METADATA = 4096
#: Boxes of an MP4 file that are looked at: a fragmented one can have thousands.
MAX_BOXES = 10_000
#: Bytes of a file name at most: NAME_MAX of Linux, macOS and the BSDs; Windows allows as many characters.
MAX_NAME = 255
#: What the names of a part and of its metadata end with.
_PART, _METADATA = ".part", ".part.json"
# O_NOFOLLOW: a symbolic link planted under the part's name must not send the bytes elsewhere.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OPEN_PART = os.O_RDWR | os.O_CREAT | _SAFELY
# O_NONBLOCK: what is no file, such as a pipe, must not be waited for.
_OPEN_METADATA = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _SAFELY
#: What opening or reading a metadata says that is none: a link, a folder, a device.
_NOT_METADATA = frozenset({errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO})
#: Renaming a file into it would replace a device of the whole system.
_DEVICES = Path("/dev")


def resolve_target(dest: object, task_id: str, *, overwrite: bool) -> Path:
    """The file to write: ``dest`` itself, or a name made from the id inside it when it is a folder.

    Raises ConfigurationError for a place that cannot hold it and TargetExistsError for a file that is already there.
    """
    if not isinstance(dest, str | os.PathLike) or not _is_path(os.fspath(dest)):
        raise ConfigurationError("dest must be the path of a file or of an existing folder")
    path = Path(dest)
    with _translated(path):
        target = path / file_name(task_id) if path.is_dir() else path
        if not target.parent.is_dir():
            raise ConfigurationError(f"dest: the folder {str(target.parent)!r} does not exist; create it first")
        if target.parent == _DEVICES or target.is_dir() or (target.exists() and not target.is_file()):
            raise ConfigurationError(f"dest: {str(target)!r} is not a regular file")
        if _exists(target) and not overwrite:
            raise _target_exists(target)
        # What can be known before anything is sent, or before a wait of half an hour, is said before.
        if not os.access(target.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, f"the folder {str(target.parent)!r} takes no new files")
    return target


def _is_path(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _exists(target: Path) -> bool:
    """Whether something has that name. Raises OSError for a name that the file system cannot hold."""
    try:
        target.lstat()
    except FileNotFoundError:
        return False
    return True


def _target_exists(target: Path) -> TargetExistsError:
    return TargetExistsError(f"{str(target)!r} exists; pass overwrite=True to replace it", path=str(target))


@contextmanager
def _translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        text = f"cannot write {str(target)!r}: {problem.strerror or problem}"
        raise DownloadError(text, path=str(target), errno=problem.errno) from problem


class PartFile:
    """The growing file beside the destination, locked against other downloads to the same place.

    ``close`` must be called after ``open``, also when ``open`` raises or is interrupted.
    """

    def __init__(self, target: Path, task_id: str) -> None:
        self._target, self._task_id, self._fd = target, task_id, -1
        self._path, self._metadata_path = _part_paths(target)
        #: Bytes in the part.
        self.size = 0
        #: What the part is a part of, or None.
        self.metadata: ResumeMetadata | None = None

    def open(self, *, resume: bool) -> None:
        """Open and lock the part; with ``resume``, keep the bytes of an earlier download."""
        with _translated(self._target):
            self._fd = _open_locked(self._path, self._target)
            self.size = os.fstat(self._fd).st_size
            self.metadata = self._load_metadata() if resume and self.size else None
            if self.metadata is None or self.size > self.metadata.total:
                self.restart()

    @property
    def is_complete(self) -> bool:
        """Whether every byte of the file is in the part."""
        return self.metadata is not None and self.size == self.metadata.total

    def restart(self) -> None:
        """Discard the part."""
        with _translated(self._target):
            self.metadata, self.size = None, 0
            self._metadata_path.unlink(missing_ok=True)
            os.ftruncate(self._fd, 0)

    def start_body(self, save: SaveBody) -> None:
        """Get ready for a body that starts at ``save.offset``."""
        if save.offset == 0:
            self.restart()
        with _translated(self._target):
            os.lseek(self._fd, save.offset, os.SEEK_SET)
            if save.validator and save.total is not None:
                metadata = ResumeMetadata(self._task_id, save.validator, save.total)
                # What is there already is not risked: a disk may be full.
                if metadata != self.metadata:
                    _write_private(self._metadata_path, json.dumps(asdict(metadata)))
                    self.metadata = metadata

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        with _translated(self._target):
            view = memoryview(chunk)
            while view:
                written = os.write(self._fd, view)
                self.size += written
                view = view[written:]

    def has_complete_boxes(self) -> bool:
        """Whether the boxes of an MP4 file, which say how long they are, fill the part; True for any other file."""
        with _translated(self._target):
            at, head = 0, self._peek(0)
            if not sniffing.is_mp4(head):
                return True
            for _ in range(MAX_BOXES):
                at = sniffing.next_box(head, at, self.size)
                if at >= self.size:
                    break
                head = self._peek(at)
            return at <= self.size

    def _peek(self, at: int) -> bytes:
        os.lseek(self._fd, at, os.SEEK_SET)
        return os.read(self._fd, sniffing.BOX_HEAD)

    def commit(self, *, overwrite: bool) -> Path:
        """Sync the part to disk and give it the final name, in one step that cannot be seen half done."""
        with _translated(self._target):
            os.fsync(self._fd)
            if overwrite:
                self._path.replace(self._target)
            else:
                _link_exclusively(self._path, self._target)
            self._metadata_path.unlink(missing_ok=True)
            _sync_folder(self._target.parent)
        return self._target

    def close(self) -> None:
        """Unlock and close; an empty part is removed, any other is kept for the next run."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            # Nothing depends on it any more: what was published is synced, and a part is judged by its size.
            with suppress(OSError):
                if self.size == 0 and self.metadata is None:
                    self._path.unlink()
            with suppress(OSError):
                os.close(fd)

    def _load_metadata(self) -> ResumeMetadata | None:
        try:
            metadata = parse_metadata(_read_small(self._metadata_path).decode())
        except ValueError:
            return None
        except OSError as problem:
            if problem.errno in _NOT_METADATA:
                return None
            raise  # The part is kept until the metadata can be read again.
        return metadata if metadata is not None and metadata.task_id == self._task_id else None


def _part_paths(target: Path) -> tuple[Path, Path]:
    """Where the part and its metadata are, always the same for a target, and other than for any other."""
    stem = target.name
    if len(os.fsencode(stem + _METADATA)) > MAX_NAME:
        mark = f"-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]}"
        # By characters: half of one is no name on every system.
        while len(os.fsencode(stem + mark + _METADATA)) > MAX_NAME:
            stem = stem[:-1]
        stem += mark
    return target.with_name(stem + _PART), target.with_name(stem + _METADATA)


def _open_locked(path: Path, target: Path) -> int:
    """A descriptor of the part that no other download holds."""
    for _ in range(MAX_RACES):
        fd = os.open(path, _OPEN_PART, 0o666)
        try:
            _lock(fd, path, target)
            # The previous holder of the lock may have renamed or removed the file: then this is no longer the part.
            if path.exists() and os.path.samestat(os.fstat(fd), os.lstat(path)):
                if os.fstat(fd).st_nlink == 1:
                    return fd
                # The same file has another name: planted, or the published video itself, when the program was killed
                # between giving the name and taking the part's away. Writing here would write there.
                path.unlink()
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise DownloadError(f"{str(path)!r} keeps changing, or is a link; remove it", path=str(target))


def _lock(fd: int, path: Path, target: Path) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise DownloadError(f"{str(path)!r} is not a regular file; remove it", path=str(target))
    # Windows has no flock; there two downloads to one place are not kept apart.
    if sys.platform != "win32":
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"another download is writing {str(target)!r}", path=str(target)) from None


def _link_exclusively(path: Path, target: Path) -> None:
    """Rename, but never over a file that has appeared meanwhile."""
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        raise _target_exists(target) from None
    except OSError:
        # No hard links on this file system. The check leaves a moment in which a file could appear.
        if os.path.lexists(target):
            raise _target_exists(target) from None
        path.replace(target)
    else:
        path.unlink()


def _write_private(path: Path, text: str) -> None:
    """A new file: whatever has that name, a link or a pipe, is not written to."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _read_small(path: Path) -> bytes:
    with os.fdopen(os.open(path, _OPEN_METADATA), "rb") as file:
        return file.read(MAX_METADATA)


def _sync_folder(folder: Path) -> None:
    # Not every platform and file system can sync a folder; the rename is atomic without it.
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
