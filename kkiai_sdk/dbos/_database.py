"""The database of a queue: its URL, its schema, and the locks that keep the names of workers unique."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
import zlib
from contextlib import closing, contextmanager, suppress
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from dbos import DBOS
from dbos import error as dbos_error
from filelock import FileLock, Timeout
from platformdirs import user_state_path

from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

#: The application, its one queue and its one workflow in the tables of DBOS.
APPLICATION, QUEUE, WORKFLOW = "kkiai", "kkiai-videos", "kkiai.video"
#: Fixed, so that waits survive code changes: DBOS only runs workflows of its own version, which is a hash of the code
#: by default. It changes when the arguments or the result of the workflow do.
VERSION = "kkiai-1"
#: Seconds for which a worker tries to acquire its name: after a crash, the server may need that long to notice that the
#: old connection is gone.
LOCK_TIMEOUT = 30.0
#: Connections of a worker: one for its name, the others for its 16 threads and those of DBOS.
CONNECTIONS = 24
#: With these, the server notices within 20 s that a machine has disappeared without closing its connection.
KEEPALIVES = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2"
#: With these, a worker notices within 30 s that the server has disappeared.
NETWORK = {"connect_timeout": "10", "keepalives_idle": "10", "tcp_user_timeout": "30000"}

#: DBOS needs RETURNING, and with Python 3.12 and newer unixepoch('subsec'), which returns NULL in older releases.
MIN_SQLITE = (3, 42, 0) if sys.version_info >= (3, 12) else (3, 35, 0)
#: Stored in a SQLite file whose tables are those of the installed version of DBOS.
SCHEMA = zlib.crc32(version("dbos").encode()) >> 1
#: Seconds to wait for the write lock of a SQLite file.
BUSY_TIMEOUT = 30.0
#: Primary error codes of SQLite that say nothing about the statement.
_PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_ERRORS = OSError, sqlite3.Error, sa.exc.SQLAlchemyError, psycopg.Error, dbos_error.DBOSException
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_URL_FORMS = "the database must be postgresql://..., sqlite:///FILE or the path of a file"


class Database:
    """The database of a :class:`VideoQueue`, which documents the forms of its URL."""

    def __init__(self, url: str | os.PathLike[str] | None) -> None:
        text = str(user_state_path("kkiai") / "fleet.sqlite" if url is None else url)
        try:
            self.url = (
                sa.make_url(text.replace("postgres://", "postgresql://", 1))
                if "://" in text
                else sa.URL.create("sqlite", database=str(Path(text).absolute()))
            )
        except (sa.exc.ArgumentError, ValueError):
            raise ConfigurationError(_URL_FORMS) from None
        self.kind = self.url.get_backend_name()
        is_file = not (self.url.host or self.url.query or Path(self.file).name in {"", ":memory:"})
        if self.kind not in _DRIVERS or (self.kind == "sqlite" and not is_file):
            raise ConfigurationError(_URL_FORMS)
        defaults = NETWORK if self.kind == "postgresql" else {}
        self.url = self.url.set(drivername=_DRIVERS[self.kind], query=defaults | dict(self.url.query))

    def __str__(self) -> str:
        # The query may hold a password, too.
        return self.url.set(drivername=self.kind, query={}).render_as_string(hide_password=True)

    @property
    def conninfo(self) -> str:
        """The URL with its password, in the form that psycopg accepts."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def file(self) -> str:
        """The path of the SQLite file."""
        return self.url.database or ""

    def prepare(self) -> None:
        """Create or upgrade the tables, and the folder of a SQLite file. Raises ConfigurationError."""
        if self.kind == "sqlite" and sqlite3.sqlite_version_info < MIN_SQLITE:
            needed, found = ".".join(map(str, MIN_SQLITE[:2])), sqlite3.sqlite_version
            advice = "use another build of Python or a PostgreSQL database"
            raise ConfigurationError(f"a SQLite file needs SQLite {needed}; this Python has {found}: {advice}")
        with self.errors():
            migrate = partial(DBOS.migrate, self.url.render_as_string(hide_password=False))
            if self.kind == "postgresql":
                migrate()
                return
            Path(self.file).parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.file, timeout=BUSY_TIMEOUT)) as connection:
                # Readers and the writer do not block each other; the setting is stored in the file.
                connection.execute("PRAGMA journal_mode=WAL")
                # DBOS takes the write lock even if there is nothing to do.
                if connection.execute("PRAGMA user_version").fetchone() != (SCHEMA,):
                    migrate()
                    connection.execute(f"PRAGMA user_version={SCHEMA}")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise a ConfigurationError for a database that cannot be used."""
        try:
            yield
        except _ERRORS as error:
            reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise self._unusable(reason) from None

    def _unusable(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"cannot use the database {self}: {reason}")

    def end_retries(self, context: sa.engine.ExceptionContext) -> None:
        """Raise a ConfigurationError instead of the error upon which DBOS would try again without end."""
        if getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise self._unusable(f"another program has locked it for {BUSY_TIMEOUT:.0f} seconds")

    @cached_property
    def engine(self) -> sa.Engine:
        """The connections."""
        engine = sa.create_engine(self.url, pool_size=CONNECTIONS, max_overflow=0, pool_pre_ping=True)
        sa.event.listen(engine, "connect", self._set_up)
        sa.event.listen(engine, "handle_error", _mark_passing)
        return engine

    def _set_up(self, connection: Any, _record: object) -> None:
        if self.kind == "sqlite":
            # Transactions begin with the lock that they need to write, and wait for it.
            connection.isolation_level = "IMMEDIATE"
            connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000:.0f}")
            connection.execute("PRAGMA foreign_keys=ON")
        else:
            connection.execute(KEEPALIVES)
            connection.commit()

    def exclude_others(self, connection: sa.Connection) -> None:
        """Run a transaction after those of other processes that call this: in parallel, they could deadlock."""
        if self.kind == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(APPLICATION, 0))))

    def lock(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> AbstractContextManager[Callable[[], bool]]:
        """Lock the name of a worker. The lock is released when the process ends, for whatever reason.

        The context is a function that takes the lock again after a restart of the server. It returns False if another
        process has taken it.

        :raises ConfigurationError: the name is invalid, or a worker with this name is running.
        """
        check_name(name)
        return self._file_lock(name, timeout) if self.kind == "sqlite" else self._server_lock(name, timeout)

    @contextmanager
    def _file_lock(self, name: str, timeout: float) -> Iterator[Callable[[], bool]]:
        # Any thread may release it.
        lock = FileLock(f"{self.file}.worker-{name}.lock", thread_local=False)
        with self.errors():
            try:
                held = lock.acquire(timeout=min(timeout, 1.0))
            except Timeout:
                raise is_taken(name) from None
        with held:
            yield lambda: True

    @contextmanager
    def _server_lock(self, name: str, timeout: float) -> Iterator[Callable[[], bool]]:
        query = sa.select(sa.func.pg_try_advisory_lock(sa.func.hashtextextended(f"{APPLICATION}:{name}", 0)))
        deadline = time.monotonic() + timeout
        with self.errors():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

        def take() -> bool:
            # A session that has the lock gets it again; a connection that was lost is made anew.
            with self.errors(), connection.begin():
                return bool(connection.scalar(query))

        with connection:
            while not take():
                if time.monotonic() >= deadline:
                    raise is_taken(name)
                time.sleep(0.5)
            try:
                yield take
            finally:
                # Otherwise the pool keeps the session, and with it the lock.
                connection.invalidate()

    def is_running(self, name: str) -> bool:
        """Whether a process has locked the name of a worker."""
        with suppress(ConfigurationError), self.lock(name, timeout=0):
            return False
        return True


def check_name(name: str) -> str:
    """Return the name of a worker. Raises ConfigurationError for one that is no part of a file name."""
    if not re.fullmatch(r"[\w.-]{1,100}", name, re.ASCII):
        raise ConfigurationError("name must be 1 to 100 letters, digits, dots, underscores or hyphens")
    return name


def _mark_passing(context: sa.engine.ExceptionContext) -> None:
    """Make DBOS retry after a full disk, an unreadable file or a read-only server, as it does after a lost connection.

    Otherwise it would record the error as the result of the wait, or nothing.
    """
    error = context.original_exception
    is_passing = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
    if is_passing or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


def is_taken(name: str) -> ConfigurationError:
    """Return the error for the name of a running worker."""
    return ConfigurationError(f"a worker named {name!r} is running on this database: stop it or use another name")
