"""The ledger: every interval of which something is known to be missing, per asset, with cause and count.

It is bounded: beyond `_MOST` entries the oldest are added up by asset and cause (the table `summed`): the counts stay
exact when the intervals are no longer told apart.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from collector.readings import NS_PER_S
from collector.spool.connection import SpoolConnection
from collector.spool.mark import Standing
from collector.spool.tables import TABLES

EVERYWHERE = "spool"  # an asset: what is missing may be of any line
_BROKER = "broker "  # how assets begin behind which every line stands


class Cause(StrEnum):
    SEQ_GAP = "seq_gap"  # Sparkplug sequence numbers are missing
    EVICTED = "evicted"  # dropped from a full spool before every reader had it
    CLOCK = "clock"  # readings whose time cannot be right were kept out of the detectors
    DISCONNECTED = "disconnected"  # an edge node declared its death, or the collector was cut off from its broker
    NOT_RECEIVED = "not_received"  # known to have been sent and not taken in: dropped by the broker, or too large
    DEAD_LETTER = "dead_letter"  # messages came that could not be read; the asset is their topic
    STOCK = "stock"  # a stock's book does not add up: more went out than was there, or a movement came too late
    DAMAGED = "damaged"  # kept on this disk, and found not to be what was written


_CAME = "came after all"
# told again with every append while the cause lasts
_GOES_ON = frozenset({Cause.EVICTED, Cause.CLOCK, Cause.NOT_RECEIVED, Cause.DEAD_LETTER, Cause.STOCK})
_PAUSE_NS = 600 * NS_PER_S
_MOST = 20_000
_AT_ONCE = 5_000


class Gap(NamedTuple):
    """`missing` frames, messages or readings of `asset` between the two instants (UTC ns).

    `missing` below zero takes back: so many that were booked as missing there have come after all.
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
    def __init__(self, connection: SpoolConnection, standing: Standing, *, most: int = _MOST) -> None:
        self._connection = connection
        self._standing = standing
        self._most = most

    def add(self, gap: Gap) -> None:
        """Books a gap, inside the caller's transaction. One that goes on where its like ended is the same gap.

        What has come after all goes off the gaps of its asset and cause, those of its interval first.
        """
        if gap.missing < 0:
            self._take_back(gap)
            return
        last = self._like(gap) if gap.cause in _GOES_ON else None
        if last and gap.from_ns <= last[4] + _PAUSE_NS:
            number, _, _, from_ns, to_ns, missing, _ = last
            self._write(
                number,
                gap._replace(
                    from_ns=min(from_ns, gap.from_ns), to_ns=max(to_ns, gap.to_ns), missing=missing + gap.missing
                ),
            )
        else:
            self._write(self.last_id() + 1, gap)
        self._standing.move(booked=self._standing.mark.booked + gap.missing)

    def read(self, limit: int = 1000) -> list[Gap]:
        """The newest entries, newest first; those that were added up come last, one for each asset and cause."""
        newest = [_gap(row) for row in self._standing.rows("ledger", "1 ORDER BY id DESC LIMIT ?", (limit,))]
        if len(newest) == limit:
            return newest
        sums = self._standing.rows("summed", "1 ORDER BY to_ns DESC LIMIT ?", (limit - len(newest),))
        return newest + [
            Gap(asset, Cause(cause), from_ns, to_ns, missing, f"{entries} older entries added up")
            for asset, cause, from_ns, to_ns, missing, entries in sums
        ]

    def between(self, asset: str, from_ns: int, to_ns: int) -> list[Gap]:
        """What is missing of an asset, of its parts or of all assets alike, anywhere in an interval; oldest first."""
        rows = self._standing.rows("ledger", "to_ns >= ? AND from_ns <= ? ORDER BY from_ns, id", (from_ns, to_ns))
        return [gap for gap in map(_gap, rows) if _concerns(gap.asset, asset)]

    def total(self, cause: Cause) -> int:
        """How much is missing for a cause, all assets together."""
        counts = [row[4] for row in self._standing.rows("summed", "cause = ?", (cause,))]
        counts += [row[5] for row in self._standing.rows("ledger", "cause = ?", (cause,))]
        return sum(counts)

    def sum(self) -> int:
        """All that is booked, of whatever it is."""
        return sum(self.total(cause) for cause in Cause)

    def since(self, id_: int) -> list[Gap]:
        """The entries past the one with this id, oldest first."""
        return [_gap(row) for row in self._standing.rows("ledger", "id > ? ORDER BY id", (id_,))]

    def last_id(self) -> int:
        """The id of the newest entry there is or was, 0 before the first."""
        (last,) = self._connection.execute("SELECT max(id) FROM ledger").fetchone()
        return max(int(last or 0), self._standing.mark.ledger_gone)

    def keep_bounds(self) -> None:
        """Adds the oldest entries up when there are too many, inside the caller's transaction."""
        gone = self._standing.mark.ledger_gone
        if self.last_id() - gone <= self._most:
            return
        oldest = self._standing.rows("ledger", "id > ? ORDER BY id LIMIT ?", (gone, min(_AT_ONCE, self._most)))
        for row in oldest:
            self._sum_up(_gap(row))
        self._connection.execute("DELETE FROM ledger WHERE id <= ?", (oldest[-1][0],))
        self._standing.move(ledger_gone=oldest[-1][0])

    def _take_back(self, came: Gap) -> None:
        """Makes up for gaps as far as there are any; one that nothing is left of stays as an instant that says so."""
        left = -came.missing
        where = "asset = ? AND cause = ? AND missing > 0 ORDER BY from_ns <= ? AND to_ns >= ? DESC, id DESC"
        for row in self._standing.rows("ledger", where, (came.asset, came.cause, came.to_ns, came.from_ns)):
            gap, back = _gap(row), min(left, row[5])
            left -= back
            rest = gap._replace(missing=gap.missing - back)
            self._write(row[0], rest if rest.missing else rest._replace(to_ns=gap.from_ns, note=_CAME))
            if not left:
                break
        for asset, cause, from_ns, to_ns, missing, entries in self._standing.rows(
            "summed", "asset = ? AND cause = ?", (came.asset, came.cause)
        ):
            back = min(left, missing)
            left -= back
            self._replace("summed", asset, cause, from_ns, to_ns, missing - back, entries)
        self._standing.move(booked=self._standing.mark.booked + came.missing + left)

    def _sum_up(self, gap: Gap) -> None:
        known = self._standing.rows("summed", "asset = ? AND cause = ?", (gap.asset, gap.cause))
        _, _, from_ns, to_ns, missing, entries = known[0] if known else ("", "", gap.from_ns, gap.to_ns, 0, 0)
        summed = (min(from_ns, gap.from_ns), max(to_ns, gap.to_ns), missing + gap.missing, entries + 1)
        self._replace("summed", gap.asset, str(gap.cause), *summed)

    def _write(self, number: int, gap: Gap) -> None:
        self._replace("ledger", number, gap.asset, str(gap.cause), *gap[2:6])

    def _replace(self, table: str, *columns: object) -> None:
        self._connection.execute(TABLES[table].upsert(), self._standing.sealed(table, *columns))

    def _like(self, gap: Gap) -> tuple[Any, ...] | None:
        where = "asset = ? AND cause = ? AND note = ? ORDER BY id DESC LIMIT 1"
        found = self._standing.rows("ledger", where, (gap.asset, gap.cause, gap.note))
        return found[0] if found else None


def _gap(row: tuple[Any, ...]) -> Gap:
    _, asset, cause, *rest = row
    return Gap(asset, Cause(cause), *rest)


def _concerns(missing: str, asset: str) -> bool:
    return missing in (asset, EVERYWHERE) or missing.startswith((f"{asset}/", _BROKER))
