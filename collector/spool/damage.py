"""Damaged frames of the log: what is lost with them, to the reading, booked once whoever meets them.

Input: what readers of `collector.spool.log` could not read, and what `collector.spool.repair.salvage` did not find.
Output: gaps of the ledger and spans of the table `damaged`. The count does not depend on what was damaged: it is the
difference of the running totals of the frames on either side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from collector.spool.connection import SpoolConnection
from collector.spool.frames import EVERY_SHARD, is_sound
from collector.spool.ledger import EVERYWHERE, Cause, Gap, Ledger
from collector.spool.mark import Standing
from collector.spool.tables import TABLES, is_sealed

HEAD = ", ".join(TABLES["log"].columns[:-1])  # all columns but the body
NOTE = "bytes on the disk changed after they were written"


class Head(NamedTuple):
    """The columns of a log row before its output id; `total` counts the readings of the log up to and with it."""

    offset: int
    shard: str
    kind: int
    at_ns: int
    stored_ns: int
    readings: int
    total: int


class Edge(NamedTuple):
    """Where a hole begins or ends: an offset of the log, the readings up to there, and a time near it."""

    offset: int
    total: int
    at_ns: int


class Span(NamedTuple):
    """Offsets `first` to `last`, both lost, with `readings` in them."""

    first: int
    last: int
    readings: int = 0


def head_of(row: Sequence[Any]) -> Head | None:
    """The head of a log row (columns as in HEAD), None where its seal is broken."""
    return Head._make(row[:7]) if is_sealed("log", row) else None


def before_it(head: Head) -> Edge:
    """The edge of a hole that ends at a frame."""
    return Edge(head.offset, head.total - head.readings, head.at_ns)


def after_it(head: Head) -> Edge:
    """The edge of a hole that begins behind a frame."""
    return Edge(head.offset, head.total, head.at_ns)


def losses(
    begin: Edge, end: Edge, known: Iterable[Head], had: Edge | None, booked: Iterable[Span] = ()
) -> Iterator[Gap]:
    """What is missing between two edges: of each line as far as heads are `known`, the rest of the spool as a whole.

    `had`: where the slowest store stands; what it has had is not missing. None where there is no store. `booked`: spans
    between the edges that are in the books already.
    """
    delivered = max(0, min(had.total, end.total) - begin.total) if had else 0
    rest = max(0, end.total - begin.total - max(delivered, sum(span.readings for span in booked)))
    for head in known:
        if head.readings and not (had and head.offset <= had.offset):
            readings = min(head.readings, rest)
            rest -= readings
            from_ns = min(begin.at_ns or head.at_ns, head.at_ns)
            yield Gap(head.shard, Cause.DAMAGED, from_ns, head.at_ns, readings, NOTE, head.shard)
    if rest:
        from_ns, to_ns = sorted((begin.at_ns or end.at_ns, end.at_ns or begin.at_ns))
        yield Gap(EVERYWHERE, Cause.DAMAGED, from_ns, to_ns, rest, NOTE, EVERY_SHARD)


class Damage:
    """What one connection met; `book` puts it into the books with the connection's next transaction."""

    def __init__(self, connection: SpoolConnection, standing: Standing, ledger: Ledger) -> None:
        self._connection = connection
        self._standing = standing
        self._ledger = ledger
        self._met: dict[tuple[int, int], Edge | None] = {}

    def met(self, first: int, last: int) -> None:
        """Frames `first` to `last` cannot be read by somebody who has come to them."""
        self._met[first, last] = self.had()

    def spans(self, first: int, last: int) -> list[Span]:
        """What is known to be lost among these offsets, in order."""
        rows = self._standing.rows("damaged", "last >= ? AND first <= ? ORDER BY first", (first, last))
        return [Span(*row) for row in rows]

    def is_known(self, first: int, last: int) -> bool:
        """Whether every one of these offsets is known to be gone or lost."""
        expected = max(first, self._standing.mark.gone_offset + 1)
        for span in self.spans(expected, last):
            if span.first > expected:
                return False
            expected = span.last + 1
        return expected > last

    def unread(self) -> list[Head]:
        """Looks through all bodies; the heads of frames that are damaged and that nobody has booked."""
        query = f"SELECT {HEAD}, body FROM log WHERE offset > ? ORDER BY offset"
        rows = self._connection.execute(query, (self._standing.mark.gone_offset,))
        heads = [head_of(row[:-1]) for row in rows if not is_sound(row[-1])]
        return [head for head in heads if head and not self.is_known(head.offset, head.offset)]

    def book(self) -> list[Gap]:
        """Books what was met and nobody has booked yet, inside the caller's transaction; returns what was new."""
        if not self._met:
            return []
        return [gap for span, had in self._met.items() if not self.is_known(*span) for gap in self._book(*span, had)]

    def booked(self) -> None:
        """The transaction that booked is durable."""
        self._met.clear()

    def _book(self, first: int, last: int, had: Edge | None) -> list[Gap]:
        begin, end = self._edge_before(first), self._edge_after(last)
        lost = Span(begin.offset + 1, end.offset - 1, end.total - begin.total)
        rows = self._connection.execute(
            f"SELECT {HEAD} FROM log WHERE offset BETWEEN ? AND ? ORDER BY offset", lost[:2]
        ).fetchall()
        gaps = list(losses(begin, end, filter(None, map(head_of, rows)), had))
        for gap in gaps:
            self._ledger.add(gap)
        self.record(lost)
        return gaps

    def record(self, lost: Span) -> None:
        """Keeps a span as lost for good, inside the caller's transaction."""
        self._connection.execute(TABLES["damaged"].upsert(), self._standing.sealed("damaged", *lost))

    def had(self) -> Edge | None:
        """Where the slowest reader with a cursor stands."""
        cursors = self._standing.rows("cursor")
        return min((Edge(offset, total, 0) for _, offset, total in cursors), default=None)

    def _edge_before(self, offset: int) -> Edge:
        mark = self._standing.mark
        for row in self._connection.execute(
            f"SELECT {HEAD} FROM log WHERE offset < ? AND offset > ? ORDER BY offset DESC", (offset, mark.gone_offset)
        ):
            head = head_of(row)
            if head:
                return after_it(head)
        return Edge(mark.gone_offset, mark.gone_total, 0)

    def _edge_after(self, offset: int) -> Edge:
        mark = self._standing.mark
        for row in self._connection.execute(f"SELECT {HEAD} FROM log WHERE offset > ? ORDER BY offset", (offset,)):
            head = head_of(row)
            if head:
                return before_it(head)
        return Edge(mark.end_offset + 1, mark.end_total, 0)
