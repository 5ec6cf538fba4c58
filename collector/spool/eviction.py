"""What leaves the log, oldest first, and exactly how much that was.

All frames up to the mark's `gone` are gone but for those spared: what was said about an alert, what a person did, and
what tells detectors of a gap. So every walk starts where the last one ended. A row whose body is damaged is passed
over, not deleted: its chain of pages may lead into somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from collector import schema
from collector.readings import Batch
from collector.spool.connection import SpoolConnection
from collector.spool.damage import HEAD, Damage, Head, Span, head_of
from collector.spool.frames import DamagedFrame, FrameKind, Record, stretch_ns, unpack
from collector.spool.holes import Gone, leave_gaps
from collector.spool.mark import Standing

_FOREVER_NS = 2**63 - 1
_ALERT = "alert|"  # how the output ids of what is said about alerts begin
_SPARED = (FrameKind.CONTROL, FrameKind.GAP)


class Lost(NamedTuple):
    """Readings of one line, from when to when (UTC ns)."""

    readings: int
    from_ns: int
    to_ns: int


class Evicted(NamedTuple):
    """What was dropped: how many frames, readings and records in them, from when to when (UTC ns), and of which lines.

    `unseen` readings were among them that nothing in the log told of any more: their frames were damaged. `batches` are
    the frames the readings were in, `damaged` the stretches that nobody can have had since they were found damaged.
    """

    frames: int = 0
    readings: int = 0
    records: int = 0
    from_ns: int = 0
    to_ns: int = 0
    lines: dict[str, Lost] = {}
    unseen: int = 0
    batches: tuple[Head, ...] = ()
    damaged: tuple[Span, ...] = ()


class _Candidate(NamedTuple):
    """A frame that may go, and from when to when it is; `is_sound` unless its body is damaged."""

    head: Head
    from_ns: int
    to_ns: int
    is_spared: bool
    is_sound: bool


class Eviction:
    def __init__(self, connection: SpoolConnection, standing: Standing, damage: Damage) -> None:
        self._connection = connection
        self._standing = standing
        self._damage = damage
        self._looked_at: dict[str, tuple[int, str]] = {}  # by measurement: where the next look for what is over begins

    def delivered(self, up_to: int, limit: int, *, before_ns: int | None = None) -> Evicted:
        """Drops up to `limit` of the oldest frames at or before the offset `up_to`, older than `before_ns`.

        Looks at no more than `limit` frames; a younger frame between older ones goes with them.
        """
        gone = self._standing.mark.gone_offset
        bound_ns = _FOREVER_NS if before_ns is None else before_ns
        spared = self._candidates(f"offset <= ? AND kind != {FrameKind.BATCH:d}", (min(up_to, gone),), limit)
        oldest = self._candidates("offset > ? AND offset <= ?", (gone, up_to), limit)
        while oldest and oldest[-1].head.at_ns >= bound_ns:
            oldest.pop()
        dropped = self._drop([*(one for one in spared if one.head.at_ns < bound_ns), *oldest], oldest)
        return dropped if self._damage.had() is None else dropped._replace(unseen=0)  # each store has booked its own

    def oldest(self, limit: int) -> Evicted:
        """Drops up to `limit` of the oldest frames though somebody has not read them yet; never those spared."""
        window = self._candidates("offset > ?", (self._standing.mark.gone_offset,), limit)
        return self._drop([one for one in window if not one.is_spared], window)

    def over(self, measurement: str, keep: int, limit: int) -> int:
        """Forgets alerts that are over, beyond the newest `keep`; returns how many. Looks at `limit`, oldest first.

        The next call looks on where this one ended, and from the oldest again after the last: those that stay open
        for long hide nothing behind them.
        """
        youngest = self._connection.execute(
            "SELECT at_ns, key FROM latest WHERE measurement = ? ORDER BY at_ns DESC, key DESC LIMIT 1 OFFSET ?",
            (measurement, keep),
        ).fetchone()
        if youngest is None:
            return 0
        where = "measurement = ? AND (at_ns, key) > (?, ?) AND (at_ns, key) <= (?, ?) ORDER BY at_ns, key LIMIT ?"
        since = self._looked_at.pop(measurement, (-_FOREVER_NS, ""))
        rows = self._standing.rows("latest", where, (measurement, *since, *youngest, limit))
        if len(rows) == limit:
            self._looked_at[measurement] = (rows[-1][2], rows[-1][1])
        ended = [row[:2] for row in rows if _is_over(row[3])]
        self._connection.executemany("DELETE FROM latest WHERE measurement = ? AND key = ?", ended)
        return len(ended)

    def _candidates(self, where: str, args: tuple[int, ...], limit: int) -> list[_Candidate]:
        rows = self._connection.execute(
            f"SELECT {HEAD}, body FROM log WHERE {where} ORDER BY offset LIMIT ?", (*args, limit)
        ).fetchall()
        found = [
            _candidate(head, row[-1], is_spared=head.kind in _SPARED or str(row[7] or "").startswith(_ALERT))
            for row in rows
            if (head := head_of(row[:-1])) is not None
        ]
        if rows and not found:
            raise self._connection.damaged("the oldest frames")
        return found

    def _drop(self, dropped: Sequence[_Candidate], oldest: Sequence[_Candidate]) -> Evicted:
        self._connection.executemany(
            "DELETE FROM log WHERE offset = ?", [(one.head.offset,) for one in dropped if one.is_sound]
        )
        passed_from = self._standing.mark.gone_offset + 1
        unseen, booked = self._pass(oldest) if oldest else (0, [])
        hidden = [Span(passed_from, oldest[-1].head.offset, unseen)] if unseen else []
        damaged = (*booked, *hidden)
        told = [one for one in dropped if not _is_in(one.head.offset, booked)]
        batches = [one for one in told if one.head.readings]
        leave_gaps(self._connection, (Gone(one.head, one.from_ns, one.to_ns) for one in batches if one.is_sound))
        if not told:
            return Evicted(unseen=unseen, damaged=damaged)
        times = [one.head.at_ns for one in told]
        records = sum(one.head.kind == FrameKind.RECORD for one in told)
        readings = sum(one.head.readings for one in batches)
        heads = tuple(one.head for one in batches)
        return Evicted(len(told), readings, records, min(times), max(times), _by_line(batches), unseen, heads, damaged)

    def _pass(self, oldest: Sequence[_Candidate]) -> tuple[int, list[Span]]:
        """Moves the mark past frames; the readings nobody told of, and the spans that were booked as damaged before."""
        mark, last = self._standing.mark, oldest[-1].head
        booked = self._damage.spans(mark.gone_offset + 1, last.offset)
        told = sum(one.head.readings for one in oldest if not _is_in(one.head.offset, booked))
        unseen = last.total - mark.gone_total - told - sum(span.readings for span in booked)
        self._standing.move(gone_offset=last.offset, gone_total=last.total)
        self._connection.execute("DELETE FROM damaged WHERE last <= ?", (last.offset,))
        return max(0, unseen), booked


def _candidate(head: Head, body: bytes, *, is_spared: bool) -> _Candidate:
    try:
        said = unpack(head.kind, body)
    except DamagedFrame:
        return _Candidate(head, head.at_ns, head.at_ns, is_spared, False)
    from_ns, to_ns = stretch_ns(said) if isinstance(said, Batch) else (head.at_ns, head.at_ns)
    return _Candidate(head, from_ns, to_ns, is_spared, True)


def _is_in(offset: int, spans: Sequence[Span]) -> bool:
    return any(span.first <= offset <= span.last for span in spans)


def _by_line(batches: Iterable[_Candidate]) -> dict[str, Lost]:
    lines: dict[str, Lost] = {}
    for one in batches:
        so_far = lines.get(one.head.shard, Lost(0, one.from_ns, one.to_ns))
        readings = so_far.readings + one.head.readings
        lines[one.head.shard] = Lost(readings, min(so_far.from_ns, one.from_ns), max(so_far.to_ns, one.to_ns))
    return lines


def _is_over(body: bytes) -> bool:
    record = unpack(FrameKind.RECORD, body)
    return isinstance(record, Record) and record.detail.get("state") == schema.ALERT_OVER
