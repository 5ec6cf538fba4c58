"""The spool: one SQLite file (WAL, synchronous FULL) that every stage of a site shares.

The collector appends to its log, every consumer reads with its own cursor, and whatever must agree after a crash is
written inside one `transaction`. Open one Spool per thread; processes share the file, not the object. Whoever opens it
while nobody else has it open checks the file first, and mends it where that is needed
(`collector.spool.repair.repair`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.spool.claim import OpenSpool
from collector.spool.connection import PAGE_BYTES, SpoolConnection, connect, pages
from collector.spool.connection import SpoolError as SpoolError
from collector.spool.connection import SpoolFull as SpoolFull
from collector.spool.damage import Damage
from collector.spool.dead import DeadLetters
from collector.spool.frames import gap_frames
from collector.spool.history.history import History
from collector.spool.layout import lay_out
from collector.spool.ledger import Ledger
from collector.spool.log import Log
from collector.spool.mark import Standing
from collector.spool.repair import repair
from collector.spool.series import SeriesCatalog
from collector.spool.state import ShardStates
from collector.spool.tables import TABLES


class Spool:
    """An open spool file and its parts: `log`, `series`, `states`, `dead`, `ledger`, `damage`, `history`."""

    def __init__(self, path: Path, connection: SpoolConnection, opening: OpenSpool) -> None:
        self.path = path
        self._connection = connection
        self._opening = opening
        self._standing = Standing(connection)
        self.series = SeriesCatalog(connection, self._standing)
        self.ledger = Ledger(connection, self._standing)
        self.damage = Damage(connection, self._standing, self.ledger)
        self.log = Log(connection, self._standing, self.damage)
        self.states = ShardStates(connection, self._standing)
        self.dead = DeadLetters(connection, self._standing)
        self.history = History(connection)

    @classmethod
    def open(cls, path: Path, *, max_mb: float | None = None) -> Spool:
        """Opens or creates the file, mended where it is damaged. Raises SpoolError where that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"spool folder {path.parent}: {error.strerror}; name another in [spool] path") from error
        folder_writable = os.access(path.parent, os.W_OK)
        if not folder_writable or (path.exists() and not os.access(path, os.W_OK)):
            raise SpoolError(f"spool {path} cannot be written: give this user write access to {path.parent}")
        if path.is_dir():
            raise SpoolError(f"spool {path} is a folder: name a file in [spool] path, or move the folder away")
        opening = OpenSpool(path)
        try:
            return cls(path, _connected(path, max_mb, opening), opening)
        except BaseException:
            opening.close()
            raise

    def close(self) -> None:
        self._standing.close()
        self._connection.close()
        self._opening.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or none does. Raises SpoolFull or SpoolError.

        Damage that this connection has met since its last transaction is booked with it.
        """
        self._connection.heed()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._standing.begin()
            yield
            self.log.append(gap_frames(self.damage.book()))
            self._standing.write()
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._standing.committed()
        self.damage.booked()
        self.series.saved()

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
        self._standing.rolled_back()
        self.series.forget_unsaved()
        self.log.forget_unsaved()

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
        self._connection.execute(TABLES["memory"].upsert(), self._standing.sealed("memory", name, body))

    def forget(self, name: str) -> None:
        """Forgets what was remembered under a name; call inside a transaction."""
        self._connection.execute("DELETE FROM memory WHERE name = ?", (name,))

    def recall_all(self, prefix: str) -> dict[str, bytes]:
        """All that is remembered under names that begin so, by the rest of the name."""
        found = self._standing.rows("memory", "name > ? AND name < ?", (prefix, prefix + chr(0x10FFFF)))
        return {row[0].removeprefix(prefix): row[1] for row in found}

    def recall(self, name: str) -> bytes:
        found = self._standing.rows("memory", "name = ?", (name,))
        return bytes(found[0][1]) if found else b""

    def size_bytes(self) -> int:
        """Bytes in use inside the file (free pages not counted)."""
        pages, free = (self._connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count"))
        return int(pages - free) * PAGE_BYTES


def _connected(path: Path, max_mb: float | None, opening: OpenSpool) -> SpoolConnection:
    """A connection to a sound file of this version, which is shared from now on."""
    if opening.is_alone(must=repair.is_suspect(path)):
        repair.make_sound(path)
    opening.share()
    connection = connect(path, max_mb)
    try:
        lay_out(connection)
    except BaseException:
        connection.close()
        raise
    return connection
