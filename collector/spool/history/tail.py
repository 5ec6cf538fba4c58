"""The open tail of history: what was taken lately, before it is folded into chunks.

Series are kept in buckets of BUCKET ids. A take writes one row for each bucket it touches, however many series that
are; small rows are joined now and then, so that neither writing nor reading touches many. Samples inside a row are
sorted by series, and for one series stand in the order they were taken in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from collector.spool.history.chunks import DamagedChunk, Samples, joined
from collector.spool.history.taken import BUCKET, Taken, pack, unpack


class Sizes(NamedTuple):
    """A bucket is folded at `fold_readings` or `fold_rows`; its last rows are joined when `join_rows` of them in a row
    hold fewer than `small_readings` each."""

    fold_readings: int = 1 << 16  # half an hour of a bucket of series at one a second
    fold_rows: int = 96
    join_rows: int = 16
    small_readings: int = 1024


SCHEMA = """
CREATE TABLE IF NOT EXISTS history_tail (
    id INTEGER PRIMARY KEY, bucket INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    readings INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS history_tail_by_bucket ON history_tail (bucket, id, readings);
"""


class Missing(NamedTuple):
    """Samples that were kept and cannot be read again: of which series (0: several), from when to when, how many."""

    series: int
    from_ns: int
    to_ns: int
    readings: int


class TailRow(NamedTuple):
    id: int
    from_ns: int
    to_ns: int
    readings: int
    body: bytes

    @property
    def missing(self) -> Missing:
        return Missing(0, self.from_ns, self.to_ns, self.readings)


class Tail:
    def __init__(self, connection: sqlite3.Connection, sizes: Sizes) -> None:
        self._connection = connection
        self._sizes = sizes

    def add(self, bucket: int, part: Taken) -> None:
        """Keeps a part of a take, inside the caller's transaction."""
        at_ns = part.columns.at_ns
        self._connection.execute(
            "INSERT INTO history_tail (bucket, from_ns, to_ns, readings, body) VALUES (?, ?, ?, ?, ?)",
            (bucket, int(at_ns.min()), int(at_ns.max()), len(at_ns), pack(part)),
        )

    def rows(self, bucket: int) -> list[TailRow]:
        """A bucket's rows, oldest first."""
        found = self._connection.execute(
            "SELECT id, from_ns, to_ns, readings, body FROM history_tail WHERE bucket = ? ORDER BY id", (bucket,)
        )
        return [TailRow(*row) for row in found]

    def of(self, series: int) -> tuple[Samples | None, list[Missing]]:
        """A series' readings in order of time, and what of its bucket cannot be read."""
        parts, missing = [], []
        for row in self.rows(series // BUCKET):
            try:
                part = unpack(row.body).of(series)
            except DamagedChunk:
                missing.append(row.missing)
                continue
            if part is not None:
                parts.append(part)
        return joined(parts) if parts else None, missing

    def full(self, times: int = 1) -> list[int]:
        """The buckets that are to be folded, those with most readings first; `times`: only when so much fuller."""
        readings, rows = self._sizes.fold_readings * times, self._sizes.fold_rows * times
        return self._buckets(f"sum(readings) >= {readings} OR count(*) >= {rows}")

    def scattered(self) -> list[int]:
        """The buckets whose last rows are small, all of them: those are to be joined."""
        rows, small = self._sizes.join_rows, self._sizes.small_readings
        last = f"SELECT readings FROM history_tail WHERE bucket = b.bucket ORDER BY id DESC LIMIT {rows}"
        return self._buckets(f"count(*) >= {rows} AND (SELECT max(readings) FROM ({last})) < {small}")

    def small_rows(self, bucket: int) -> list[TailRow]:
        """The rows at the end of a bucket that are small."""
        rows = self.rows(bucket)
        large = next((i for i in range(len(rows), 0, -1) if rows[i - 1].readings >= self._sizes.small_readings), 0)
        return rows[large:]

    def remove(self, rows: Sequence[TailRow]) -> bool:
        """Removes rows, inside the caller's transaction; False when not all were there any more."""
        ids = [(row.id,) for row in rows]
        return not ids or bool(
            self._connection.executemany("DELETE FROM history_tail WHERE id = ?", ids).rowcount == len(ids)
        )

    def _buckets(self, having: str) -> list[int]:
        found = self._connection.execute(
            f"SELECT bucket FROM history_tail AS b GROUP BY bucket HAVING {having} ORDER BY sum(readings) DESC"
        )
        return [int(bucket) for (bucket,) in found.fetchall()]
