"""The spool: one SQLite file (WAL, synchronous FULL) that every stage of a site shares.

The collector appends to its log, every consumer reads with its own cursor, and whatever must agree after a crash is
written inside one `transaction`. Open one Spool per thread; processes share the file, not the object.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.errors import AndonError
from collector.spool.dead import DeadLetters
from collector.spool.ledger import Ledger
from collector.spool.log import Log
from collector.spool.series import SeriesCatalog
from collector.spool.state import ShardStates

SCHEMA_VERSION = 1
_BUSY_S = 30.0
_PAGE_BYTES = 4096

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS log (
    offset INTEGER PRIMARY KEY AUTOINCREMENT,
    shard TEXT NOT NULL, kind INTEGER NOT NULL, at_ns INTEGER NOT NULL, body BLOB NOT NULL,
    said_as TEXT UNIQUE            -- deterministic id of a record; says it once however often it is emitted
);
CREATE INDEX IF NOT EXISTS log_by_shard ON log (shard, offset) WHERE kind != 4;
CREATE TABLE IF NOT EXISTS cursor (reader TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), at_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard_state (
    shard TEXT PRIMARY KEY, offset INTEGER NOT NULL, rev INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
    measurement TEXT NOT NULL, key TEXT NOT NULL, at_ns INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (measurement, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, reason TEXT NOT NULL,
    received_ns INTEGER NOT NULL, digest BLOB NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY, asset TEXT NOT NULL, cause TEXT NOT NULL,
    from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, missing INTEGER NOT NULL, note TEXT NOT NULL
);
"""


class SpoolError(AndonError):
    """The spool cannot be used as it is; the sentence says which file and what would mend it."""


class SpoolFull(SpoolError):
    """No room for the append: the disk, or the bound set in site.toml, is reached. Nothing was acknowledged."""


class Spool:
    """An open spool file and its parts: `log`, `series`, `states`, `dead`, `ledger`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self.series = SeriesCatalog(connection)
        self.log = Log(connection, path)
        self.states = ShardStates(connection)
        self.dead = DeadLetters(connection)
        self.ledger = Ledger(connection)

    @classmethod
    def open(cls, path: Path, *, max_mb: float | None = None) -> Spool:
        """Opens or creates the file. Raises SpoolError where that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"spool folder {path.parent}: {error.strerror}; name another in [spool] path") from error
        folder_writable = os.access(path.parent, os.W_OK)
        if not folder_writable or (path.exists() and not os.access(path, os.W_OK)):
            raise SpoolError(f"spool {path} cannot be written: give this user write access to {path.parent}")
        try:
            connection = _connect(path, max_mb)
        except sqlite3.Error as error:
            raise SpoolError(_sentence(path, error)) from error
        return cls(path, connection)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or none does. Raises SpoolFull or SpoolError."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
            self.series.saved()
        except sqlite3.Error as error:
            self._roll_back()
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL if hasattr(error, "sqlite_errorcode") else False
            raise (SpoolFull if full else SpoolError)(_sentence(self.path, error)) from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.series.forget_unsaved()

    def remember(self, name: str, body: bytes) -> None:
        """Keeps a small memory (a format's, a source's) under a name; call inside a transaction."""
        self._connection.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, body))

    def recall(self, name: str) -> bytes:
        row = self._connection.execute("SELECT body FROM memory WHERE name = ?", (name,)).fetchone()
        return bytes(row[0]) if row else b""

    def size_bytes(self) -> int:
        """Bytes in use inside the file (free pages not counted)."""
        pages, free = (self._connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count"))
        return int(pages - free) * _PAGE_BYTES


def _connect(path: Path, max_mb: float | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    if max_mb is not None:
        connection.execute(f"PRAGMA max_page_count = {max(16, int(max_mb * 1e6 / _PAGE_BYTES))}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA_VERSION):
        connection.close()
        raise SpoolError(
            f"spool {path} was written by another version (schema {version}, this one reads {SCHEMA_VERSION}): "
            "move the file away or install the version that wrote it"
        )
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return connection


def _sentence(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return (
            f"spool {path} is full ({os.strerror(errno.ENOSPC)} or [spool] max_mb reached): free space or raise max_mb"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"spool {path} is not a sound spool file ({error}): move it away; unacknowledged messages come again"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return f"spool {path} cannot be written ({error}): give this user write access to {path.parent}"
    return f"spool {path}: {error}"
