"""The spool: one SQLite file (WAL, synchronous FULL) that every stage of a site shares.

The collector appends to its log, every consumer reads with its own cursor, and whatever must agree after a crash is
written inside one `transaction`. Open one Spool per thread; processes share the file, not the object.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.spool.connection import PAGE_BYTES, SpoolConnection, connect, pages
from collector.spool.connection import SpoolError as SpoolError
from collector.spool.connection import SpoolFull as SpoolFull
from collector.spool.dead import DeadLetters
from collector.spool.history import SCHEMA as HISTORY_SCHEMA
from collector.spool.history import History
from collector.spool.ledger import Ledger
from collector.spool.log import Log
from collector.spool.series import SeriesCatalog
from collector.spool.state import ShardStates

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS log (
    offset INTEGER PRIMARY KEY AUTOINCREMENT,
    shard TEXT NOT NULL, kind INTEGER NOT NULL, at_ns INTEGER NOT NULL, body BLOB NOT NULL,
    output_id TEXT UNIQUE            -- deterministic id of a record; says it once however often it is emitted
);
CREATE INDEX IF NOT EXISTS log_by_shard ON log (shard, offset) WHERE kind != 4;
CREATE TABLE IF NOT EXISTS line (shard TEXT PRIMARY KEY) WITHOUT ROWID;
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
    received_ns INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1, digest BLOB NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS ledger (
    id INTEGER PRIMARY KEY, asset TEXT NOT NULL, cause TEXT NOT NULL,
    from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, missing INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_by_asset ON ledger (asset, cause, note);
"""


class Spool:
    """An open spool file and its parts: `log`, `series`, `states`, `dead`, `ledger`."""

    def __init__(self, path: Path, connection: SpoolConnection) -> None:
        self.path = path
        self._connection = connection
        self.series = SeriesCatalog(connection)
        self.log = Log(connection, path)
        self.states = ShardStates(connection)
        self.dead = DeadLetters(connection)
        self.ledger = Ledger(connection)
        self.history = History(connection)

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
        connection = connect(path, max_mb)
        try:
            _lay_out(connection)
        except SpoolError:
            connection.close()
            raise
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
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one instant; nobody waits for it."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.series.forget_unsaved()

    def grow_no_more(self) -> None:
        """Takes the file's present size as its bound: from now on only what is deleted makes room."""
        self._connection.execute("PRAGMA max_page_count = 1").fetchall()  # SQLite makes that the present size

    def grow_to(self, max_mb: float) -> None:
        """Lets the file grow to a bound again."""
        self._connection.execute(f"PRAGMA max_page_count = {pages(max_mb)}").fetchall()

    def checkpoint(self) -> None:
        """Folds the write-ahead file into the spool, so that it does not grow beside it; busy readers put it off."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def remember(self, name: str, body: bytes) -> None:
        """Keeps a small memory (a format's, a source's) under a name; call inside a transaction."""
        self._connection.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, body))

    def recall(self, name: str) -> bytes:
        row = self._connection.execute("SELECT body FROM memory WHERE name = ?", (name,)).fetchone()
        return bytes(row[0]) if row else b""

    def size_bytes(self) -> int:
        """Bytes in use inside the file (free pages not counted)."""
        pages, free = (self._connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count"))
        return int(pages - free) * PAGE_BYTES


def _lay_out(connection: SpoolConnection) -> None:
    """Makes the tables of a new file. Raises SpoolError for a file of another version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA_VERSION):
        raise SpoolError(
            f"spool {connection.path} was written by another version (schema {version}, this one reads "
            f"{SCHEMA_VERSION}): move the file away or install the version that wrote it"
        )
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (_SCHEMA + HISTORY_SCHEMA).split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    elif not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'history_last'").fetchone():
        connection.execute("BEGIN IMMEDIATE")  # a file from before there was history
        for statement in HISTORY_SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute("COMMIT")
