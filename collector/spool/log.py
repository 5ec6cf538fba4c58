"""The log of a spool: append, read, cursors, retention. Offsets rise without a hole and are never used again.

Every frame carries the running total of readings and the seal of `collector.spool.tables`. A reader passes over what
is damaged; `collector.spool.damage` books it. The oldest frames go first, so what is gone on purpose is an offset.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from collector.schema import SELF_LINE
from collector.spool.connection import SpoolConnection
from collector.spool.damage import HEAD, Damage, head_of
from collector.spool.eviction import Evicted, Eviction
from collector.spool.frames import (
    EVERY_SHARD,
    DamagedFrame,
    Frame,
    FrameKind,
    Record,
    pack,
    readings_in,
    unpack,
)
from collector.spool.mark import Standing
from collector.spool.tables import TABLES, seal_of

INPUTS = (FrameKind.BATCH, FrameKind.TICK, FrameKind.CONTROL, FrameKind.GAP)  # what detectors read; records they say
EVERY_KIND = tuple(FrameKind)
_INSERT = TABLES["log"].insert("")
_Row = tuple[Any, ...]


class Log:
    def __init__(self, connection: SpoolConnection, standing: Standing, damage: Damage) -> None:
        self._connection = connection
        self._standing = standing
        self._damage = damage
        self._eviction = Eviction(connection, standing, damage)
        self._lines = set[str]()  # known to be in the table

    def append(self, frames: Iterable[Frame], *, stored_ns: int | None = None) -> int:
        """Adds frames in order, inside the caller's transaction; returns the last offset (0 when there was none).

        `stored_ns`: the time of storing, by this machine's clock when not given.
        """
        frames = list(frames)
        if not frames:
            return 0
        self._insert(frames, "", time.time_ns() if stored_ns is None else stored_ns)
        for shard in {frame.shard for frame in frames if frame.kind is FrameKind.BATCH} - self._lines:
            if not self._standing.rows("line", "shard = ?", (shard,)):
                self._put("line", shard)
            self._lines.add(shard)
        ticks = [frame.at_ns for frame in frames if frame.kind is FrameKind.TICK]
        if ticks:
            self._put("clock", 1, ticks[-1])  # a clock that was set back goes on from there
        return self._standing.mark.end_offset

    def say(self, shard: str, output_id: str, record: Record) -> None:
        """Adds a record once: the same `output_id` again changes nothing. Keeps it as the latest of its key."""
        if self._connection.execute("SELECT 1 FROM log WHERE output_id = ?", (output_id,)).fetchone():
            return
        self._insert([Frame(shard, FrameKind.RECORD, record.at_ns, record)], output_id, time.time_ns())
        if record.key:
            self._put("latest", record.measurement, record.key, record.at_ns, pack(record))

    def read(
        self, after: int, limit: int, *, shard: str | None = None, kinds: Sequence[FrameKind] = EVERY_KIND
    ) -> list[Frame]:
        """Up to `limit` frames past the offset `after`, in order; with `shard`, those of that line and the ticks.

        Damaged frames are left out, and booked by the connection's next transaction. Raises SpoolDamaged where the
        file itself has to be mended first.
        """
        self._connection.heed()
        frames: list[Frame] = []
        for row in self._rows(after, limit, shard, kinds):
            frame = _frame(row)
            if frame is not None:
                frames.append(frame)
            elif shard is not None or len(kinds) < len(EVERY_KIND):
                self._met_alone(row)
            if len(frames) == limit:
                break
        if shard is None and len(kinds) == len(EVERY_KIND):
            self._look_for_holes(after, frames)
        return frames

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
        rows = self._standing.rows("latest", "measurement = ? ORDER BY at_ns, key", (measurement,))
        bodies = [unpack(FrameKind.RECORD, row[3], where=f"{self._connection.path} latest {row[1]}") for row in rows]
        return [body for body in bodies if isinstance(body, Record)]

    def forget_unsaved(self) -> None:
        """The transaction that may have stored new lines was rolled back."""
        self._lines.clear()

    def end(self) -> int:
        """The offset of the newest frame, 0 when empty."""
        return self._standing.mark.end_offset

    def gone(self) -> int:
        """The offset up to which frames are gone but for those spared, 0 when none is."""
        return self._standing.mark.gone_offset

    def lines(self) -> list[str]:
        """The production lines that have ever sent readings; the collector's own counters are none."""
        return [shard for shard in self.shards() if not shard.endswith(f"/{SELF_LINE}")]

    def shards(self) -> list[str]:
        """All lines, the collector's own among them."""
        return [shard for (shard,) in self._standing.rows("line", "1 ORDER BY shard")]

    def touched(self, after: int, last: int) -> set[str]:
        """Whose inputs lie past the offset `after` up to `last`: lines, and EVERY_SHARD for a tick."""
        rows = self._connection.execute(
            "SELECT DISTINCT shard FROM log WHERE offset > ? AND offset <= ? AND kind != 4", (after, last)
        )
        return {shard for (shard,) in rows.fetchall()}

    def clock_ns(self) -> int:
        """The site's time as far as the log knows it: the latest tick, 0 before the first."""
        found = self._standing.rows("clock")
        return int(found[0][1]) if found else 0

    def cursor(self, reader: str) -> int:
        """Where a reader stands: the offset it has dealt with, 0 at first."""
        found = self._standing.rows("cursor", "reader = ?", (reader,))
        return int(found[0][1]) if found else 0

    def advance(self, reader: str, offset: int) -> None:
        """Moves a reader's place, inside the caller's transaction."""
        self._put("cursor", reader, offset, self.total_at(offset))

    def readers(self, among: str) -> list[str]:
        """The readers with a cursor whose names begin with `among`."""
        return [reader for reader, _, _ in self._standing.rows("cursor") if reader.startswith(among)]

    def enrol(self, readers: Sequence[str], *, among: str) -> None:
        """Makes retention wait for these readers from now on, and for no others that begin with `among`."""
        known = [reader for reader, _, _ in self._standing.rows("cursor")]
        for reader in known:
            if reader.startswith(among) and reader not in readers:
                self._connection.execute("DELETE FROM cursor WHERE reader = ?", (reader,))
        for reader in readers:
            if reader not in known:
                self._put("cursor", reader, 0, 0)

    def delivered(self, *, detected: bool = True) -> int:
        """Up to which offset all enrolled readers, and with `detected` the detectors, have dealt with the log."""
        offsets = [offset for _, offset, _ in self._standing.rows("cursor")]
        if detected:
            states = dict(self._connection.execute("SELECT shard, offset FROM shard_state").fetchall())
            offsets += [states.get(line, 0) for line in self.lines()]
        return min(offsets, default=self.end())

    def evict_delivered(self, up_to: int, limit: int, *, before_ns: int | None = None) -> Evicted:
        """Drops up to `limit` of the oldest frames at or before the offset `up_to`, older than `before_ns`."""
        return self._eviction.delivered(up_to, limit, before_ns=before_ns)

    def evict_oldest(self, limit: int) -> Evicted:
        """Drops up to `limit` of the oldest frames though somebody has not read them yet, never those spared."""
        return self._eviction.oldest(limit)

    def forget_over(self, measurement: str, keep: int, limit: int) -> int:
        """Forgets alerts that are over, beyond the newest `keep`; looks at `limit` a call, returns how many went."""
        return self._eviction.over(measurement, keep, limit)

    def _insert(self, frames: Sequence[Frame], output_id: str, stored_ns: int) -> None:
        mark = self._standing.mark
        offset, total, rows = mark.end_offset, mark.end_total, []
        for frame in frames:
            readings = readings_in(frame.body)
            offset, total = offset + 1, total + readings
            head = (offset, frame.shard, int(frame.kind), frame.at_ns, stored_ns, readings, total, output_id or None)
            rows.append((*head, seal_of("log", head), pack(frame.body)))
        self._connection.executemany(_INSERT, rows)
        self._standing.move(end_offset=offset, end_total=total)

    def _rows(self, after: int, limit: int, shard: str | None, kinds: Sequence[FrameKind]) -> Iterator[_Row]:
        """Rows past `after` in portions, until the caller has enough or there are no more."""
        marks = ",".join("?" * len(kinds))
        where = f"kind IN ({marks})"
        args: tuple[int | str, ...] = (*map(int, kinds),)
        if shard is not None:
            where += f" AND shard IN (?, ?) AND kind != {FrameKind.RECORD:d}"
            args = (*args, shard, EVERY_SHARD)
        query = f"SELECT {HEAD}, body FROM log WHERE offset > ? AND {where} ORDER BY offset LIMIT ?"
        while True:
            rows = self._connection.execute(query, (after, *args, limit)).fetchall()
            yield from rows
            last = max((row[0] for row in rows), default=after)
            if len(rows) < limit or last <= after:
                return
            after = last

    def _look_for_holes(self, after: int, frames: Sequence[Frame]) -> None:
        """Offsets rise by one: where they do not, something is gone, lost, damaged, or hidden by damage."""
        for frame in frames:
            if frame.offset != after + 1 and not self._damage.is_known(after + 1, frame.offset - 1):
                self._met_hole(after + 1, frame.offset - 1)
            after = frame.offset

    def _met_hole(self, first: int, last: int) -> None:
        """Frames that are there and cannot be read are met; frames that are not there at all want the file mended."""
        first = max(first, self._standing.mark.gone_offset + 1)
        (there,) = self._connection.execute(
            "SELECT count(*) FROM log WHERE offset BETWEEN ? AND ?", (first, last)
        ).fetchone()
        known = sum(min(span.last, last) - max(span.first, first) + 1 for span in self._damage.spans(first, last))
        if there + known < last - first + 1:
            raise self._connection.damaged(f"frames between {first} and {last} are missing")
        self._damage.met(first, last)

    def _met_alone(self, row: _Row) -> None:
        """A damaged frame met by a reader of some frames only, who cannot judge more than this one's own head."""
        if head_of(row[:-1]) is not None:
            self._damage.met(row[0], row[0])

    def _put(self, table: str, *columns: Any) -> None:
        self._connection.execute(TABLES[table].insert(), self._standing.sealed(table, *columns))

    def total_at(self, offset: int) -> int:
        """How many readings the log ever had up to an offset; of what is gone, up to its end."""
        mark = self._standing.mark
        if offset >= mark.end_offset:
            return mark.end_total
        row = self._connection.execute(
            "SELECT total FROM log WHERE offset <= ? AND offset > ? ORDER BY offset DESC LIMIT 1",
            (offset, mark.gone_offset),
        ).fetchone()
        return int(row[0]) if row else min(mark.gone_total, mark.end_total)


def _frame(row: _Row) -> Frame | None:
    """The frame of a log row, None where a bit of it has changed."""
    head = head_of(row[:-1])
    if head is None:
        return None
    try:
        body = unpack(head.kind, row[-1])
    except DamagedFrame:
        return None
    return Frame(head.shard, FrameKind(head.kind), head.at_ns, body, head.offset, head.stored_ns)
