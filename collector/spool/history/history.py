"""History: every reading of the last days and its one-minute rollups, in the spool file, to be asked by any process.

Fed from the log by `collector.historian`; series are the spool's ids. Series and time are the key: of readings with the
same key the one taken last stays. A reading whose time cannot be right (quality CLOCK) is not kept. `tail` holds what
was taken lately, chunks the rest; a damaged part is told as Missing and the others are still read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from collector.readings import NS_PER_S, Batch
from collector.spool.history import chunk_table, tail
from collector.spool.history.chunk_table import Chunks
from collector.spool.history.chunks import NOTHING, Samples, joined
from collector.spool.history.rollup import MINUTE_NS, Rollup, coarser, rollup
from collector.spool.history.tail import Missing as Missing
from collector.spool.history.tail import Sizes, Tail
from collector.spool.history.taken import Taken, taken
from collector.spool.history.tidying import Tidying

SCHEMA = f"""{tail.SCHEMA}{chunk_table.SCHEMA}
CREATE TABLE IF NOT EXISTS history_last (
    series INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL,
    bits INTEGER NOT NULL, quality INTEGER NOT NULL   -- the value as its bits: a REAL would lose NaN and -0.0
);
"""
SIZES = Sizes()
_NEVER_NS = 2**63 - 1


class Last(NamedTuple):
    """The newest reading of a series."""

    at_ns: int
    value: float
    quality: int


class Dropped(NamedTuple):
    """What went: `readings` themselves or their `rollups`, of how many readings, from when to when (UTC ns)."""

    what: str
    readings: int
    from_ns: int
    to_ns: int


class History:
    def __init__(self, connection: sqlite3.Connection, sizes: Sizes = SIZES) -> None:
        self._connection = connection
        self._tail = Tail(connection, sizes)
        self._chunks = Chunks(connection)
        self.tidying = Tidying(self._tail, self._chunks)

    def read(self, series: int, from_ns: int, to_ns: int) -> tuple[Samples, list[Missing]]:
        """A series' readings from `from_ns` on and before `to_ns`, sorted by time, and what cannot be read."""
        with self._one_state():
            open_part, missing = self._tail.of(series)
            closed = self._chunks.readings(self._chunks.between(series, from_ns, to_ns), missing)
        parts = [*closed, *([open_part] if open_part else [])]
        return _within(joined(parts), from_ns, to_ns) if parts else NOTHING, missing

    def means(self, series: int, from_ns: int, to_ns: int, every_s: int = 60) -> tuple[Rollup, list[Missing]]:
        """A series' rollups over every stretch of `every_s` that touches the interval, and what cannot be read.

        Whole minutes are answered from the one-minute rollups, which outlive the readings; anything else from these.
        """
        every_ns = every_s * NS_PER_S
        from_ns, to_ns = from_ns // every_ns * every_ns, -(-to_ns // every_ns) * every_ns
        if every_ns % MINUTE_NS:
            readings, missing = self.read(series, from_ns, to_ns)
            return rollup(readings, every_ns), missing
        with self._one_state():
            open_part, missing = self._tail.of(series)
            late_ns = int(open_part.at_ns[0]) if open_part else _NEVER_NS
            closed = self._chunks.between(series, from_ns, to_ns)
            joins_late = [chunk for chunk in closed if chunk.to_ns >= late_ns and not chunk.is_bare]
            minutes = self._chunks.minutes((chunk for chunk in closed if chunk not in joins_late), missing)
            bodies = self._chunks.readings(joins_late, missing)
        late = joined([*bodies, open_part] if open_part else [*bodies, NOTHING])
        return coarser([*minutes, rollup(late)], every_ns).within(from_ns, to_ns), missing

    def last(self, series: Iterable[int]) -> dict[int, Last]:
        """The newest reading of each series that has any."""
        rows = self._connection.execute(
            "SELECT l.* FROM json_each(?) AS asked JOIN history_last AS l ON l.series = asked.value",
            (json.dumps(list(series)),),
        ).fetchall()
        values = np.array([bits for _, _, bits, _ in rows], np.int64).view(np.float64).tolist()
        return {row[0]: Last(row[1], value, row[3]) for row, value in zip(rows, values, strict=True)}

    def take(self, batches: Sequence[Batch]) -> int:
        """Keeps readings, inside the caller's transaction; returns how many."""
        part = taken(batches) if batches else None
        if part is None:
            return 0
        for bucket, piece in part.buckets():
            self._tail.add(bucket, piece)
        self._connection.executemany(
            "INSERT INTO history_last VALUES (?, ?, ?, ?) ON CONFLICT (series) DO UPDATE SET at_ns = excluded.at_ns,"
            " bits = excluded.bits, quality = excluded.quality WHERE excluded.at_ns >= at_ns",
            _newest(part),
        )
        return len(part.columns)

    def drop_before(self, at_ns: int, *, rollups_before_ns: int | None = None, limit: int = 200) -> int:
        """Drops what ended before `at_ns`, at most `limit` chunks a time, inside the caller's transaction; how many.

        Rollups stay where they end at or after `rollups_before_ns` (default `at_ns`).
        """
        rollups_ns = at_ns if rollups_before_ns is None else min(at_ns, rollups_before_ns)
        gone = [
            *self._chunks.oldest(limit, bare=True, before_ns=rollups_ns),
            *self._chunks.oldest(limit, bare=False, before_ns=rollups_ns),
        ]
        self._chunks.delete(gone)
        old = self._chunks.oldest(limit, bare=False, before_ns=at_ns)
        self._chunks.strip(old)
        return len(gone) + len(old)

    def drop_oldest(self, limit: int = 200) -> Dropped:
        """Makes room, inside the caller's transaction: the oldest readings go first, then the oldest rollups."""
        old, what = self._chunks.oldest(limit, bare=False), "readings"
        if old:
            self._chunks.strip(old)
        else:
            old, what = self._chunks.oldest(limit, bare=True), "rollups"
            self._chunks.delete(old)
        if not old:
            return Dropped(what, 0, 0, 0)
        return Dropped(what, sum(c.readings for c in old), min(c.from_ns for c in old), max(c.to_ns for c in old))

    @contextmanager
    def _one_state(self) -> Iterator[None]:
        """All reads inside see the file at one instant: what moves from tail to chunks is seen once."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")


def _within(readings: Samples, from_ns: int, to_ns: int) -> Samples:
    begin, end = np.searchsorted(readings.at_ns, (from_ns, to_ns))
    return readings.take(slice(int(begin), int(end)))


def _newest(part: Taken) -> list[tuple[int, int, int, int]]:
    """(series, at_ns, bits, quality) of each series' newest reading; of equal times the last taken."""
    at_ns, counts = part.columns.at_ns, np.diff(part.begins)
    (is_newest,) = (at_ns == np.repeat(np.maximum.reduceat(at_ns, part.begins[:-1]), counts)).nonzero()
    last = np.empty(len(counts), np.intp)
    last[np.repeat(np.arange(len(counts)), counts)[is_newest]] = is_newest  # the last written of a place stays
    newest = part.columns.take(last)
    rows = (part.ids.tolist(), newest.at_ns.tolist(), newest.value.view(np.int64).tolist(), newest.quality.tolist())
    return list(zip(*rows, strict=True))
