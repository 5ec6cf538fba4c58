"""The log of a spool: append, read, cursors, retention. Offsets rise and are never used again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from collector.schema import SELF_LINE
from collector.spool.frames import EVERY_SHARD, Frame, FrameKind, Record, pack, unpack

INPUTS = (FrameKind.BATCH, FrameKind.TICK, FrameKind.CONTROL)  # what detectors read; records are what they say
EVERY_KIND = tuple(FrameKind)
_FOREVER_NS = 2**63 - 1


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
        return last

    def say(self, shard: str, said_as: str, record: Record) -> None:
        """Adds a record once: the same `said_as` again changes nothing. Keeps it as the latest of its key."""
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO log (shard, kind, at_ns, body, said_as) VALUES (?, ?, ?, ?, ?)",
            (shard, FrameKind.RECORD, record.at_ns, pack(record), said_as),
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
        """The production lines that have sent readings; the collector's own counters are none."""
        return [shard for shard in self._shards() if not shard.endswith(f"/{SELF_LINE}")]

    def _shards(self) -> list[str]:
        rows = self._connection.execute(
            "SELECT shard FROM log INDEXED BY log_by_shard WHERE kind != 4 AND shard != ?"
            " UNION SELECT shard FROM shard_state ORDER BY shard",  # a line outlives its evicted readings
            (EVERY_SHARD,),
        )
        return [shard for (shard,) in rows]

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

    def delivered(self) -> int:
        """Up to which offset every reader and every line's detectors have dealt with the log."""
        row = self._connection.execute(
            "SELECT min(offset) FROM (SELECT offset FROM cursor UNION ALL SELECT offset FROM shard_state)"
        ).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def evict(
        self,
        up_to: int,
        limit: int,
        *,
        kinds: Sequence[FrameKind] = EVERY_KIND,
        before_ns: int | None = None,
    ) -> tuple[int, int, int]:
        """Drops up to `limit` of the oldest frames at or before `up_to`, of `kinds`, older than `before_ns`.

        Returns (frames dropped, from_ns, to_ns). The latest version of every record stays in its own table.
        """
        marks = ",".join("?" * len(kinds))
        rows = self._connection.execute(
            f"SELECT offset, at_ns FROM log WHERE offset <= ? AND at_ns < ? AND kind IN ({marks})"
            " ORDER BY offset LIMIT ?",
            (up_to, before_ns if before_ns is not None else _FOREVER_NS, *kinds, limit),
        ).fetchall()
        if not rows:
            return 0, 0, 0
        self._connection.executemany("DELETE FROM log WHERE offset = ?", [(offset,) for offset, _ in rows])
        times = [at_ns for _, at_ns in rows]
        return len(rows), min(times), max(times)

    def _set_clock(self, at_ns: int) -> None:
        self._connection.execute(
            "INSERT INTO clock VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at_ns = max(at_ns, excluded.at_ns)",
            (at_ns,),
        )
