"""A PostgreSQL server of its own for one run: an ordinary user, a free port, a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where Debian puts the programs; elsewhere they are on the path.
DEBIAN = Path("/usr/lib/postgresql")
SETTINGS = {"max_connections": "200", "listen_addresses": "127.0.0.1", "shared_buffers": "64MB"}


def programs() -> Path | None:
    """Return the folder of initdb and postgres, or None if there is no server."""
    found = shutil.which("initdb")
    newest = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return Path(found).parent if found else newest[-1].parent if newest else None


def _as_user(folder: Path) -> list[str | Path]:
    """Return what stands before a command; the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--"]


def _run(command: list[str | Path], folder: Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server() -> Iterator[str]:
    """Run a server and yield the URL of an empty database; stop and remove it at the end."""
    bin_folder = programs()
    if bin_folder is None:
        raise FileNotFoundError("no PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="kkiai-postgres-"))
    try:
        user, port, data = _as_user(folder), _free_port(), folder / "data"
        _run([*user, bin_folder / "initdb", "-D", data, "-A", "trust", "-U", "kkiai"], folder)
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items()) + f" -p {port} -k {folder}"
        control = [*user, bin_folder / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
        _run([*control, "-o", options, "start"], folder)
        try:
            yield f"postgresql://kkiai@127.0.0.1:{port}/kkiai_fleet"
        finally:
            _run([*control, "-m", "immediate", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
