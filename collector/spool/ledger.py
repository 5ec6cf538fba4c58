"""The ledger: every interval of which something is known to be missing, per asset, with cause and count."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import NamedTuple

from collector.readings import NS_PER_S


class Cause(StrEnum):
    SEQ_GAP = "seq_gap"  # Sparkplug sequence numbers are missing
    EVICTED = "evicted"  # dropped from a full spool before every reader had it
    CLOCK = "clock"  # readings whose time cannot be right were kept out of the detectors
    DISCONNECTED = "disconnected"  # an edge node declared its death, or the collector was cut off from its broker
    NOT_RECEIVED = "not_received"  # known to have been sent and not taken in: dropped by the broker, or too large
    DEAD_LETTER = "dead_letter"  # messages came that could not be read; the asset is their topic
    DAMAGED = "damaged"  # kept on this disk, and found not to be what was written


# told again with every append while the cause lasts
_GOES_ON = frozenset({Cause.EVICTED, Cause.CLOCK, Cause.NOT_RECEIVED, Cause.DEAD_LETTER})
_PAUSE_NS = 600 * NS_PER_S


class Gap(NamedTuple):
    """`missing` frames, messages or readings of `asset` between the two instants (UTC ns).

    `shard` is the line to whose detectors the readings are missing (EVERY_SHARD: any of the site's may be), `cell` its
    cell where only that is concerned; without a `shard` the gap is booked and no detector is told.
    """

    asset: str
    cause: Cause
    from_ns: int
    to_ns: int
    missing: int
    note: str = ""
    shard: str = ""
    cell: str = ""


class Ledger:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, gap: Gap) -> None:
        """Books a gap, inside the caller's transaction. One that goes on where its like ended is the same gap."""
        last = self._connection.execute(
            "SELECT id, from_ns, to_ns FROM ledger WHERE asset = ? AND cause = ? AND note = ? ORDER BY id DESC LIMIT 1",
            (gap.asset, gap.cause, gap.note),
        ).fetchone()
        if last and gap.cause in _GOES_ON and gap.from_ns <= last[2] + _PAUSE_NS:
            self._connection.execute(
                "UPDATE ledger SET from_ns = ?, to_ns = ?, missing = missing + ? WHERE id = ?",
                (min(last[1], gap.from_ns), max(last[2], gap.to_ns), gap.missing, last[0]),
            )
            return
        self._connection.execute(
            "INSERT INTO ledger (asset, cause, from_ns, to_ns, missing, note) VALUES (?, ?, ?, ?, ?, ?)", gap[:6]
        )

    def read(self, limit: int = 1000) -> list[Gap]:
        """The newest entries, newest first."""
        rows = self._connection.execute(
            "SELECT asset, cause, from_ns, to_ns, missing, note FROM ledger ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [Gap(asset, Cause(cause), *rest) for asset, cause, *rest in rows]
