"""Holes in the log: where frames went that a line's detectors had still to read, a GAP frame stands in their place.

It has the offset of the last of them, so detectors learn of the hole before they read on. While more goes, it grows:
there is one a line, however long its detectors are away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from collector.spool.damage import Head
from collector.spool.frames import FrameKind, gap_frames, pack, unpack
from collector.spool.ledger import Cause, Gap
from collector.spool.tables import TABLES, seal_of

_NOTE = "evicted before this line's detectors had read them"


class Gone(NamedTuple):
    """A batch that is no longer in the log, and from when to when its readings are (UTC ns)."""

    head: Head
    from_ns: int
    to_ns: int


def leave_gaps(connection: sqlite3.Connection, batches: Iterable[Gone]) -> None:
    """Puts the frames where they are needed, inside the caller's transaction. `batches` are in order of offset.

    A line whose detectors have never committed needs none: they begin with what is left.
    """
    read = dict(connection.execute("SELECT shard, offset FROM shard_state").fetchall())
    unread: dict[str, list[Gone]] = {}
    for one in batches:
        if one.head.offset > read.get(one.head.shard, one.head.offset):
            unread.setdefault(one.head.shard, []).append(one)
    for shard, lost in unread.items():
        place = lost[-1].head
        _put(connection, place, _taken_up(connection, shard, read[shard], place.offset, _gap(shard, lost)))


def _gap(shard: str, lost: list[Gone]) -> Gap:
    from_ns, to_ns = min(one.from_ns for one in lost), max(one.to_ns for one in lost)
    return Gap(shard, Cause.EVICTED, from_ns, to_ns, sum(one.head.readings for one in lost), _NOTE, shard)


def _taken_up(connection: sqlite3.Connection, shard: str, read: int, until: int, gap: Gap) -> Gap:
    """The gap with those left before the offset `until`, which the line has not read either, in one."""
    rows = connection.execute(
        "SELECT offset, body FROM log WHERE shard = ? AND offset > ? AND offset < ? AND kind = ? AND kind != 4",
        (shard, read, until, FrameKind.GAP),
    ).fetchall()
    for offset, body in rows:
        left = unpack(FrameKind.GAP, body)
        if isinstance(left, Gap) and left.cause is Cause.EVICTED:
            gap = gap._replace(
                from_ns=min(gap.from_ns, left.from_ns),
                to_ns=max(gap.to_ns, left.to_ns),
                missing=gap.missing + left.missing,
            )
            connection.execute("DELETE FROM log WHERE offset = ?", (offset,))
    return gap


def _put(connection: sqlite3.Connection, place: Head, gap: Gap) -> None:
    """The frame takes the place of one that went, without readings of its own."""
    for frame in gap_frames([gap]):
        head = (place.offset, frame.shard, int(frame.kind), frame.at_ns, place.stored_ns, 0, place.total, None)
        connection.execute(TABLES["log"].insert(), (*head, seal_of("log", head), pack(frame.body)))
