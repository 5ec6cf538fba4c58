"""The tally of a spool: how much ever went in and out of it, counted in the very transactions that moved it.

A process's counters (`collector.health.counters`) end with it; these survive every kill, so that the books of
`deploy.books` can be exact. Input: what `collector.pump` appends and hands on. Only the plant's readings count, not the
collector's own. Kept in the spool's `memory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from collector.intake import Intake
from collector.readings import Batch
from collector.rows import has_row
from collector.schema import SELF_LINE
from collector.spool.dead import DeadLetter
from collector.spool.frames import Frame, FrameKind
from collector.spool.spool import Spool

_AT_ONCE = 200


class Taken(msgspec.Struct, kw_only=True):
    """What was taken in: messages (a redelivered one counts again), how many of them as dead letters, and readings."""

    messages: int = 0
    dead_lettered: int = 0
    readings: int = 0
    replayed_messages: int = 0  # dead letters that were read after all; their readings count in `readings`


class Passed(msgspec.Struct, kw_only=True):
    """What a reader of the log was handed: readings, those that make no row, rows that it refused.

    `elsewhere`: readings that were appended and gone before it began; below zero where the log is older than the tally.
    """

    readings: int = 0
    without_row: int = 0
    refused: int = 0
    elsewhere: int = 0


def taken(spool: Spool) -> Taken:
    kept = spool.recall("tally")
    return msgspec.msgpack.decode(kept, type=Taken) if kept else Taken()


def passed(spool: Spool, reader: str) -> Passed:
    kept = spool.recall(f"tally {reader}")
    return msgspec.msgpack.decode(kept, type=Passed) if kept else Passed()


def count_taken(spool: Spool, intake: Intake) -> None:
    """Adds a delivery, inside the transaction that appends it."""
    readings = sum(len(lot.batch) for lot in intake.lots if not _is_own(lot.shard))
    if intake.messages or readings:
        sum_ = taken(spool)
        sum_.messages += intake.messages
        sum_.dead_lettered += len(intake.dead)
        sum_.readings += readings
        _keep(spool, "tally", sum_)


def count_replayed(spool: Spool, letters: Sequence[DeadLetter], readings: int) -> None:
    """Adds dead letters that were read after all, inside the transaction that appends their readings."""
    sum_ = taken(spool)
    sum_.replayed_messages += sum(letter.times for letter in letters)
    sum_.readings += readings
    _keep(spool, "tally", sum_)


def begin(spool: Spool, reader: str, behind: Sequence[tuple[int, int]]) -> None:
    """Opens the tally of a reader that has none yet, in a transaction of its own.

    `behind`: the stretches of the log it has not been handed beside what follows its cursor, as (after, last).
    """
    cursor = spool.log.cursor(reader)
    if spool.recall(f"tally {reader}"):
        return
    with spool.snapshot():  # a long log takes seconds to count, and nobody shall wait for it
        waiting = readings_in(spool, [*behind, (cursor, spool.log.end())])
        elsewhere = taken(spool).readings - waiting
    with spool.transaction():
        _keep(spool, f"tally {reader}", Passed(elsewhere=elsewhere))


def count_passed(spool: Spool, reader: str, frames: Sequence[Frame], refused: int) -> None:
    """Adds a parcel, inside the transaction that moves the reader past it."""
    batches = [one.body for one in frames if isinstance(one.body, Batch) and not _is_own(one.shard)]
    sum_ = passed(spool, reader)
    sum_.readings += sum(map(len, batches))
    sum_.without_row += sum(int(np.count_nonzero(~has_row(batch))) for batch in batches)
    sum_.refused += refused
    _keep(spool, f"tally {reader}", sum_)


def readings_in(spool: Spool, stretches: Iterable[tuple[int, int]]) -> int:
    """How many of the plant's readings stretches of the log hold, each after one offset, up to and with another."""
    readings = 0
    for after, last in stretches:
        while after < last and (frames := spool.log.read(after, _AT_ONCE, kinds=(FrameKind.BATCH,))):
            after = frames[-1].offset
            own = (one for one in frames if one.offset <= last and not _is_own(one.shard))
            readings += sum(len(one.body) for one in own if isinstance(one.body, Batch))
    return readings


def _keep(spool: Spool, name: str, sum_: Taken | Passed) -> None:
    spool.remember(name, msgspec.msgpack.encode(sum_))


def _is_own(shard: str) -> bool:
    return shard.endswith(f"/{SELF_LINE}")
