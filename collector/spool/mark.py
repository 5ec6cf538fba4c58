"""The mark: where a spool stands, one row that moves with every commit, and a witness of it beside the file.

`end` and `gone` are an offset of the log and the running total of readings up to it: everything past `gone` and up to
`end` must be in the log, so what is not is lost, to the reading. The witness (`spool.sqlite.end`) is written after each
commit, without sync: it tells what a truncated file no longer knows to have been acknowledged. It may be a commit
behind (a kill between the two), never ahead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from collector.spool.connection import SpoolConnection
from collector.spool.tables import SCHEMA_VERSION, TABLES, is_sealed, seal_of

_INSERT = TABLES["mark"].insert()
_SEALED_AS = f"witness of schema {SCHEMA_VERSION}"  # another version's is none of ours
_WITNESS = struct.Struct("<13qI")


class Mark(NamedTuple):
    """One row of the table `mark`, without its seal. `booked`: all that was ever booked in the ledger, added up.

    What is at or before `dead_gone` and `ledger_gone` was dropped on purpose. `stamp` counts commits.
    """

    one: int = 1
    spool_id: int = 0
    end_offset: int = 0
    end_total: int = 0
    gone_offset: int = 0
    gone_total: int = 0
    booked: int = 0
    dead_count: int = 0
    dead_bytes: int = 0
    dead_gone: int = 0
    ledger_gone: int = 0
    series_end: int = 0
    stamp: int = 0


def new_mark() -> Mark:
    """The mark of a new file; its id ties the witness to it."""
    return Mark(spool_id=secrets.randbits(62) + 1)


class Standing:
    """The mark of one connection: read outside a transaction as others left it, moved inside one."""

    def __init__(self, connection: SpoolConnection) -> None:
        self._connection = connection
        self._witness = Witness(connection.path)
        self._moved: Mark | None = None  # inside a transaction

    @property
    def mark(self) -> Mark:
        return self._moved or self._read()

    def begin(self) -> None:
        """A transaction has begun: nobody else moves the mark now."""
        before = self._read()
        self._moved = before._replace(stamp=before.stamp + 1)

    def move(self, **columns: int) -> None:
        """Sets columns of the mark, inside a transaction."""
        self._moved = self.mark._replace(**columns)

    def write(self) -> None:
        """Puts the mark into the transaction that is about to commit."""
        mark = self.mark
        self._connection.execute(_INSERT, (*mark, seal_of("mark", mark)))

    def committed(self) -> None:
        """What was moved is durable: the witness may know."""
        mark, self._moved = self.mark, None
        self._witness.write(mark)

    def rolled_back(self) -> None:
        self._moved = None

    def sealed(self, table: str, *columns: Any) -> tuple[Any, ...]:
        """A row of a table, complete with stamp and seal."""
        row = (*columns, self.mark.stamp)
        return (*row, seal_of(table, row))

    def rows(self, table: str, where: str = "1", args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a table without stamp and seal, each proved. Raises SpoolDamaged."""
        found = self._connection.execute(f"SELECT * FROM {table} WHERE {where}", args).fetchall()
        for row in found:
            if not is_sealed(table, row):
                raise self._connection.damaged(f"a row of the table {table}")
        return [row[:-2] for row in found]

    def close(self) -> None:
        self._witness.close()

    def _read(self) -> Mark:
        row = self._connection.execute("SELECT * FROM mark").fetchone()
        if row is None or not is_sealed("mark", row):
            raise self._connection.damaged("its mark")
        return Mark(*row[:-1])


class Witness:
    """The mark of the last commit, in a small file beside the spool."""

    def __init__(self, spool_path: Path) -> None:
        self._path = witness_path(spool_path)
        self._file: int | None = None

    def write(self, mark: Mark) -> None:
        """Keeps a mark. Of two that commit at once the former may come last: one commit behind, until the next."""
        with contextlib.suppress(OSError):  # a disk that takes no writes; it is only a witness, and stays behind then
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            os.pwrite(self._file, _WITNESS.pack(*mark, seal_of(_SEALED_AS, mark)), 0)

    def read(self) -> Mark | None:
        """The mark, None where there is no sound witness."""
        try:
            return _decoded(self._path.read_bytes())
        except FileNotFoundError:
            return None

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def witness_path(spool_path: Path) -> Path:
    return spool_path.with_name(spool_path.name + ".end")


def _decoded(raw: bytes) -> Mark | None:
    if len(raw) != _WITNESS.size:
        return None
    row = _WITNESS.unpack(raw)
    return Mark(*row[:-1]) if is_sealed(_SEALED_AS, row) else None
