"""The table of history's chunks: which stretch of which series each holds, its one-minute rollups, its readings.

Chunks of a series never overlap in time. A chunk that grew too old is bare: its rollups stay, its readings are gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from collector.spool.history import chunks
from collector.spool.history import rollup as rollups
from collector.spool.history.chunks import DamagedChunk, Samples
from collector.spool.history.rollup import Rollup, rollup
from collector.spool.history.tail import Missing

SCHEMA = """
CREATE TABLE IF NOT EXISTS history_chunk (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    readings INTEGER NOT NULL, tier INTEGER NOT NULL, minutes BLOB NOT NULL, body BLOB
);
CREATE INDEX IF NOT EXISTS history_chunk_by_time ON history_chunk (series, from_ns, to_ns);
CREATE INDEX IF NOT EXISTS history_chunk_by_age ON history_chunk (body IS NULL, to_ns);
"""
_COLUMNS = "id, series, from_ns, to_ns, readings, tier, body IS NULL"


class Chunk(NamedTuple):
    """What is known of a chunk without reading it."""

    id: int
    series: int
    from_ns: int
    to_ns: int
    readings: int
    tier: int
    is_bare: int

    @property
    def missing(self) -> Missing:
        return Missing(self.series, self.from_ns, self.to_ns, self.readings)


class NewChunk(NamedTuple):
    """A chunk to be written."""

    series: int
    from_ns: int
    to_ns: int
    readings: int
    tier: int
    minutes: bytes
    body: bytes | None


class Chunks:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def between(self, series: int, from_ns: int, to_ns: int) -> list[Chunk]:
        """A series' chunks with readings from `from_ns` on and before `to_ns`, in order."""
        before = "SELECT max(from_ns) FROM history_chunk WHERE series = ? AND from_ns <= ?"
        where = f"series = ? AND from_ns >= coalesce(({before}), ?) AND from_ns < ? AND to_ns >= ? ORDER BY from_ns"
        return self._where(where, series, series, from_ns, from_ns, to_ns, from_ns)

    def ends_ns(self, first: int, last: int) -> dict[int, int]:
        """Up to when there are chunks of the series from id `first` to id `last`."""
        found = self._connection.execute(
            "SELECT series, max(to_ns) FROM history_chunk WHERE series BETWEEN ? AND ? GROUP BY series", (first, last)
        )
        return dict(found.fetchall())

    def newest(self, series: int, limit: int) -> list[Chunk]:
        """The last `limit` chunks of a series, in order."""
        return self._where("series = ? ORDER BY from_ns DESC LIMIT ?", series, limit)[::-1]

    def oldest(self, limit: int, *, bare: bool, before_ns: int = 2**63 - 1) -> list[Chunk]:
        """The `limit` chunks that ended first, before `before_ns`: those without readings or those with."""
        return self._where("(body IS NULL) = ? AND to_ns < ? ORDER BY to_ns LIMIT ?", bare, before_ns, limit)

    def readings(self, of: Iterable[Chunk], missing: list[Missing]) -> list[Samples]:
        """What those of the chunks hold that are not bare; a damaged one is told in `missing`."""
        found = []
        for chunk in of:
            if not chunk.is_bare:
                try:
                    found.append(chunks.unpack(self._blob("body", chunk)))
                except DamagedChunk:
                    missing.append(chunk.missing)
        return found

    def sound(self, of: Iterable[Chunk], missing: list[Missing]) -> tuple[list[Chunk], list[bytes]]:
        """Those of the chunks whose readings are as they were written, and these as bytes; others are told."""
        found, bodies = [], []
        for chunk in of:
            body = self._blob("body", chunk)
            try:
                chunks.unsealed(body)
            except DamagedChunk:
                missing.append(chunk.missing)
                continue
            found.append(chunk)
            bodies.append(body)
        return found, bodies

    def minutes(self, of: Iterable[Chunk], missing: list[Missing]) -> list[Rollup]:
        """The chunks' one-minute rollups, damaged ones anew from their readings; what cannot be had is told."""
        found = []
        for chunk in of:
            try:
                found.append(self._minutes(chunk))
            except DamagedChunk:
                missing.append(chunk.missing)
        return found

    def _minutes(self, chunk: Chunk) -> Rollup:
        try:
            return rollups.unpack(self._blob("minutes", chunk))
        except DamagedChunk:
            return rollup(chunks.unpack(self._blob("body", chunk)))

    def write(self, new: Iterable[NewChunk]) -> None:
        """Inside the caller's transaction, like all that changes the table."""
        self._connection.executemany(
            "INSERT INTO history_chunk (series, from_ns, to_ns, readings, tier, minutes, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            new,
        )

    def delete(self, gone: Sequence[Chunk]) -> bool:
        """False when not all were there any more: another process works on them."""
        ids = [(chunk.id,) for chunk in gone]
        return not ids or bool(
            self._connection.executemany("DELETE FROM history_chunk WHERE id = ?", ids).rowcount == len(ids)
        )

    def strip(self, old: Sequence[Chunk]) -> None:
        """Drops the readings of these chunks and leaves their rollups."""
        ids = [(chunk.id,) for chunk in old]
        self._connection.executemany("UPDATE history_chunk SET body = NULL WHERE id = ?", ids)

    def _where(self, where: str, *values: int) -> list[Chunk]:
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM history_chunk WHERE {where}", values)
        return [Chunk(*row) for row in found]

    def _blob(self, column: str, chunk: Chunk) -> bytes:
        row = self._connection.execute(f"SELECT {column} FROM history_chunk WHERE id = ?", (chunk.id,)).fetchone()
        return bytes(row[0]) if row and row[0] is not None else b""
