"""The log of a spool: append, read, cursors, retention. Offsets rise and are never used again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from collector.readings import Batch
from collector.schema import SELF_LINE
from collector.spool.frames import EVERY_SHARD, Frame, FrameKind, Record, pack, unpack
from collector.spool.holes import gone, leave_gaps

INPUTS = (FrameKind.BATCH, FrameKind.TICK, FrameKind.CONTROL, FrameKind.GAP)  # what detectors read; records they say
EVERY_KIND = tuple(FrameKind)
_FOREVER_NS = 2**63 - 1


class Evicted(NamedTuple):
    """What was dropped: how many frames, readings and records in them, and from when to when (UTC ns)."""

    frames: int
    readings: int
    records: int
    from_ns: int
    to_ns: int


class Log:
    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def append(self, frames: Iterable[Frame]) -> int:
        """Adds frames in order, inside the caller's transaction; returns the last offset (0 when there was none)."""
        last = 0
        for frame in frames:
            row = self._connection.execute(
                "INSERT INTO log (shard, kind, at_ns, body) VALUES (?, ?, ?, ?)",
                (frame.shard, frame.kind, frame.at_ns, pack(frame.body)),
            )
            last = int(row.lastrowid or 0)
            if frame.kind is FrameKind.TICK:
                self._set_clock(frame.at_ns)
            elif frame.kind is FrameKind.BATCH:
                self._connection.execute("INSERT OR IGNORE INTO line VALUES (?)", (frame.shard,))
        return last

    def say(self, shard: str, output_id: str, record: Record) -> None:
        """Adds a record once: the same `output_id` again changes nothing. Keeps it as the latest of its key."""
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO log (shard, kind, at_ns, body, output_id) VALUES (?, ?, ?, ?, ?)",
            (shard, FrameKind.RECORD, record.at_ns, pack(record), output_id),
        )
        if cursor.rowcount and record.key:
            self._connection.execute(
                "INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)",
                (record.measurement, record.key, record.at_ns, pack(record)),
            )

    def read(
        self, after: int, limit: int, *, shard: str | None = None, kinds: Sequence[FrameKind] = EVERY_KIND
    ) -> list[Frame]:
        """Up to `limit` frames past the offset `after`, in order; with `shard`, those of that line and the ticks."""
        args: list[int | str]
        marks = ",".join("?" * len(kinds))
        if shard is None:
            where, args = f"offset > ? AND kind IN ({marks})", [after, *kinds]
        else:
            where = f"offset > ? AND shard IN (?, ?) AND kind IN ({marks}) AND kind != {FrameKind.RECORD:d}"
            args = [after, shard, EVERY_SHARD, *kinds]
        rows = self._connection.execute(
            f"SELECT offset, shard, kind, at_ns, body FROM log WHERE {where} ORDER BY offset LIMIT ?", (*args, limit)
        )
        return [
            Frame(shard_, FrameKind(kind), at_ns, unpack(kind, body, where=f"{self._path} offset {offset}"), offset)
            for offset, shard_, kind, at_ns, body in rows
        ]

    def newest(self, shard: str, limit: int) -> list[Frame]:
        """The last batches of a line, oldest of them first."""
        rows = self._connection.execute(
            "SELECT offset FROM log WHERE shard = ? AND kind = ? AND kind != 4 ORDER BY offset DESC LIMIT ?",
            (shard, FrameKind.BATCH, limit),
        ).fetchall()
        offsets = [offset for (offset,) in reversed(rows)]
        return [frame for one in offsets for frame in self.read(one - 1, 1, shard=shard, kinds=(FrameKind.BATCH,))]

    def latest(self, measurement: str) -> list[Record]:
        """The latest version of every keyed record of a measurement, oldest first."""
        rows = self._connection.execute(
            "SELECT body FROM latest WHERE measurement = ? ORDER BY at_ns, key", (measurement,)
        )
        bodies = [unpack(FrameKind.RECORD, body, where=f"{self._path} latest {measurement}") for (body,) in rows]
        return [body for body in bodies if isinstance(body, Record)]

    def end(self) -> int:
        """The offset of the newest frame, 0 when empty."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        return int(row[0]) if row else 0

    def lines(self) -> list[str]:
        """The production lines that have ever sent readings; the collector's own counters are none."""
        return [shard for shard in self.shards() if not shard.endswith(f"/{SELF_LINE}")]

    def shards(self) -> list[str]:
        """All lines, the collector's own among them."""
        return [shard for (shard,) in self._connection.execute("SELECT shard FROM line ORDER BY shard")]

    def clock_ns(self) -> int:
        """The site's time as far as the log knows it: the latest tick, 0 before the first."""
        row = self._connection.execute("SELECT at_ns FROM clock").fetchone()
        return int(row[0]) if row else 0

    def cursor(self, reader: str) -> int:
        """Where a reader stands: the offset it has dealt with, 0 at first."""
        row = self._connection.execute("SELECT offset FROM cursor WHERE reader = ?", (reader,)).fetchone()
        return int(row[0]) if row else 0

    def advance(self, reader: str, offset: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (reader, offset))

    def enrol(self, readers: Sequence[str], *, among: str) -> None:
        """Makes retention wait for these readers from now on, and for no others that begin with `among`."""
        for (reader,) in self._connection.execute("SELECT reader FROM cursor").fetchall():
            if reader.startswith(among) and reader not in readers:
                self._connection.execute("DELETE FROM cursor WHERE reader = ?", (reader,))
        for reader in readers:
            self._connection.execute("INSERT OR IGNORE INTO cursor VALUES (?, 0)", (reader,))

    def delivered(self, *, detected: bool = True) -> int:
        """Up to which offset all enrolled readers, and with `detected` the detectors, have dealt with the log."""
        readers = "SELECT offset FROM cursor"
        lines = "SELECT coalesce(s.offset, 0) FROM line LEFT JOIN shard_state s USING (shard) WHERE shard NOT LIKE ?"
        union = f"{readers} UNION ALL {lines}" if detected else readers
        row = self._connection.execute(
            f"SELECT min(offset) FROM ({union})", (f"%/{SELF_LINE}",) if detected else ()
        ).fetchone()
        return int(row[0]) if row[0] is not None else self.end()

    def evict_delivered(self, up_to: int, limit: int, *, before_ns: int | None = None) -> Evicted:
        """Drops up to `limit` of the oldest frames at or before the offset `up_to`, and older than `before_ns`."""
        return self._evict("offset <= ? AND at_ns < ?", (up_to, _FOREVER_NS if before_ns is None else before_ns), limit)

    def evict_oldest(self, limit: int) -> Evicted:
        """Drops up to `limit` of the oldest frames though somebody has not read them yet.

        Never what was said about an alert (`alert|...`), what a person did, nor what tells detectors of a gap.
        """
        kinds = f"kind NOT IN ({FrameKind.CONTROL:d}, {FrameKind.GAP:d})"
        return self._evict(f"{kinds} AND (output_id IS NULL OR output_id NOT LIKE 'alert|%')", (), limit)

    def _evict(self, where: str, args: tuple[int, ...], limit: int) -> Evicted:
        rows = self._connection.execute(
            f"SELECT offset, shard, kind, at_ns, body FROM log WHERE {where} ORDER BY offset LIMIT ?", (*args, limit)
        ).fetchall()
        if not rows:
            return Evicted(0, 0, 0, 0, 0)
        self._connection.executemany("DELETE FROM log WHERE offset = ?", [(row[0],) for row in rows])
        bodies = (
            (offset, shard, unpack(kind, body, where=f"{self._path} offset {offset}"))
            for offset, shard, kind, _, body in rows
            if kind == FrameKind.BATCH
        )
        batches = [gone(offset, shard, body) for offset, shard, body in bodies if isinstance(body, Batch)]
        leave_gaps(self._connection, batches)
        times = [at_ns for *_, at_ns, _ in rows]
        readings = sum(one.readings for one in batches)
        records = sum(kind == FrameKind.RECORD for _, _, kind, _, _ in rows)
        return Evicted(len(rows), readings, records, min(times), max(times))

    def _set_clock(self, at_ns: int) -> None:
        self._connection.execute(
            "INSERT INTO clock VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at_ns = max(at_ns, excluded.at_ns)",
            (at_ns,),
        )
