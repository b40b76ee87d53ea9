"""The database of a queue: its URL, its schema, and the locks that keep the names of workers unique."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from dbos import DBOS
from filelock import FileLock, Timeout
from platformdirs import user_state_path

from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

#: The application, its one queue and its one workflow in the tables of DBOS.
APPLICATION, QUEUE, WORKFLOW = "kkiai", "kkiai-videos", "kkiai.video"
#: Fixed, so that waits outlive changes of the code: DBOS runs only workflows of its own version, which would otherwise
#: be a hash of the code. It changes when the steps of the workflow do.
VERSION = "kkiai-1"
#: Seconds for which a worker tries to get its name: after a crash the server may need that long to see the old
#: connection go.
LOCK_TIMEOUT = 30.0
#: The server notices within 20 s that a machine has gone without closing its connection.
KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2"

#: DBOS needs RETURNING, and with Python 3.12 and newer unixepoch('subsec'), which comes to NULL in older releases.
MIN_SQLITE = (3, 42, 0) if sys.version_info >= (3, 12) else (3, 35, 0)

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_URL_FORMS = "the database must be postgresql://..., sqlite:///FILE or a file"


class Database:
    """A database by its URL. Makes the folder of a SQLite file.

    :param url: ``postgresql://…``, ``sqlite:///FILE`` or the path of a SQLite file. Default: ``fleet.sqlite`` in the
        user's state folder.
    """

    def __init__(self, url: str | os.PathLike[str] | None) -> None:
        text = str(user_state_path("kkiai") / "fleet.sqlite" if url is None else url)
        text = (
            text.replace("postgres://", "postgresql://", 1) if "://" in text else f"sqlite:///{Path(text).absolute()}"
        )
        try:
            self.url = sa.make_url(text)
        except (sa.exc.ArgumentError, ValueError):
            raise ConfigurationError(_URL_FORMS) from None
        self.kind = self.url.get_backend_name()
        if self.kind not in _DRIVERS or (self.kind == "sqlite" and not self.url.database):
            raise ConfigurationError(_URL_FORMS)
        self.url = self.url.set(drivername=_DRIVERS[self.kind])

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @property
    def system_url(self) -> str:
        """The URL with its password, as DBOS takes it."""
        return self.url.render_as_string(hide_password=False)

    @property
    def conninfo(self) -> str:
        """The URL with its password, as psycopg takes it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def file(self) -> str:
        """The path of the SQLite file."""
        return str(self.url.database)

    def prepare(self) -> None:
        """Create or upgrade the tables. Raises ConfigurationError if the database cannot be used."""
        if self.kind == "sqlite" and sqlite3.sqlite_version_info < MIN_SQLITE:
            needed, found = ".".join(map(str, MIN_SQLITE[:2])), sqlite3.sqlite_version
            advice = "use another build of Python or a PostgreSQL database"
            raise ConfigurationError(f"a SQLite file needs SQLite {needed}; this Python has {found}: {advice}")
        try:
            if self.kind == "sqlite":
                Path(self.file).parent.mkdir(parents=True, exist_ok=True)
                with closing(sqlite3.connect(self.file)) as connection:
                    # Readers and the writer do not block each other; the file remembers it.
                    connection.execute("PRAGMA journal_mode=WAL")
            DBOS.migrate(self.system_url)
        except (OSError, sqlite3.Error, sa.exc.SQLAlchemyError, psycopg.Error) as error:
            raise self.unusable(error) from None

    def unusable(self, error: Exception) -> ConfigurationError:
        """Return the error for a database that cannot be used."""
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        return ConfigurationError(f"cannot use the database {self}: {reason}")

    def engine(self) -> sa.Engine:
        """Return an engine whose SQLite transactions begin with the lock that they need to write."""
        engine = sa.create_engine(self.url, pool_pre_ping=True)
        if self.kind == "sqlite":

            @sa.event.listens_for(engine, "connect")
            def set_immediate(connection: Any, _record: object) -> None:
                connection.isolation_level = "IMMEDIATE"
                connection.execute("PRAGMA busy_timeout=30000")

        return engine

    def lock(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> AbstractContextManager[None]:
        """Hold the name of a worker. It is free again when the process ends, however it ends.

        :raises ConfigurationError: a process of this name is running.
        """
        return self._file_lock(name, timeout) if self.kind == "sqlite" else self._server_lock(name, timeout)

    @contextmanager
    def _file_lock(self, name: str, timeout: float) -> Iterator[None]:
        # Any thread may release it.
        lock = FileLock(f"{self.file}.{name}.lock", thread_local=False)
        try:
            lock.acquire(timeout=min(timeout, 1.0))
        except Timeout:
            raise _is_taken(name) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _server_lock(self, name: str, timeout: float) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        try:
            connection = psycopg.connect(self.conninfo, autocommit=True, options=KEEPALIVES)
        except psycopg.Error as error:
            raise self.unusable(error) from None
        with closing(connection):
            query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
            while not (connection.execute(query, [f"{APPLICATION}:{name}"]).fetchone() or [False])[0]:
                if time.monotonic() >= deadline:
                    raise _is_taken(name)
                time.sleep(0.5)
            yield

    def is_running(self, name: str) -> bool:
        """Whether a process holds the name of a worker."""
        try:
            with self.lock(name, timeout=0):
                return False
        except ConfigurationError:
            return True


def _is_taken(name: str) -> ConfigurationError:
    return ConfigurationError(f"a worker named {name!r} is running on this database: names must be unique")
