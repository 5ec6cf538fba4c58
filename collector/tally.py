"""The tally of a spool: how much ever went in and out of it, counted in the very transactions that moved it.

A process's counters (`collector.health.counters`) end with it; these survive every kill, so that the books of
`deploy.books` can be exact. Input: what `collector.pump` appends and hands on, and what `collector.retention` evicts.
Only the plant's readings count, not the collector's own. Kept in the spool's `memory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from collector.intake import Intake
from collector.lanes import stores, unread
from collector.readings import Batch
from collector.rows import has_row
from collector.schema import SELF_LINE
from collector.spool.dead import DeadLetter
from collector.spool.eviction import Evicted
from collector.spool.frames import Frame, FrameKind
from collector.spool.spool import Spool

_AT_ONCE = 200


class Taken(msgspec.Struct, kw_only=True):
    """What was taken in: messages (a redelivered one counts again), how many of them as dead letters, and readings.

    `silent`: how many of the messages were read and said nothing: no reading, gap or signal.
    """

    messages: int = 0
    dead_lettered: int = 0
    readings: int = 0
    replayed_messages: int = 0  # dead letters that were read after all; their readings count in `readings`
    silent: int = 0


class Passed(msgspec.Struct, kw_only=True):
    """What a reader of the log was handed: readings, those that make no row, rows that it refused to this day.

    `elsewhere`: readings that were appended and gone before it began; below zero where the log is older than the tally.
    `evicted`: those that a full spool dropped before it had them. `damaged`: those it passed over because bytes on the
    disk had changed, at most: the collector's own are among them, for nobody can tell. `has_begun`: it was there once.
    """

    readings: int = 0
    without_row: int = 0
    refused: int = 0
    elsewhere: int = 0
    evicted: int = 0
    damaged: int = 0
    has_begun: bool = True


def taken(spool: Spool) -> Taken:
    kept = spool.recall("tally")
    return msgspec.msgpack.decode(kept, type=Taken) if kept else Taken()


def passed(spool: Spool, reader: str) -> Passed:
    kept = spool.recall(f"tally {reader}")
    return msgspec.msgpack.decode(kept, type=Passed) if kept else Passed(has_begun=False)


def count_taken(spool: Spool, intake: Intake) -> None:
    """Adds a delivery, inside the transaction that appends it."""
    readings = sum(len(lot.batch) for lot in intake.lots if not _is_own(lot.shard))
    if intake.messages or readings:
        sum_ = taken(spool)
        sum_.messages += intake.messages
        sum_.dead_lettered += len(intake.dead)
        sum_.readings += readings
        sum_.silent += intake.silent
        _keep(spool, "tally", sum_)


def count_replayed(spool: Spool, letters: Sequence[DeadLetter], readings: int) -> None:
    """Adds dead letters that were read after all, inside the transaction that appends their readings."""
    sum_ = taken(spool)
    sum_.replayed_messages += sum(letter.times for letter in letters)
    sum_.readings += readings
    _keep(spool, "tally", sum_)


def begin(spool: Spool, reader: str, behind: Sequence[tuple[int, int]]) -> None:
    """Opens the tally of a reader that has none yet, in transactions of its own; retention waits for it from then on.

    `behind`: the stretches of the log it has not been handed beside what follows its cursor, as (after, last).
    """
    if passed(spool, reader).has_begun:
        return
    if reader not in spool.log.readers(reader):
        with spool.transaction():
            spool.log.advance(reader, 0)
    with spool.snapshot():  # a long log takes seconds to count, and nobody shall wait for it
        waiting = readings_in(spool, [*behind, (spool.log.cursor(reader), spool.log.end())])
        elsewhere = taken(spool).readings - waiting - passed(spool, reader).evicted
    with spool.transaction():
        sum_ = passed(spool, reader)
        sum_.elsewhere, sum_.has_begun = elsewhere, True
        _keep(spool, f"tally {reader}", sum_)


def count_passed(spool: Spool, reader: str, frames: Sequence[Frame], refused: int) -> None:
    """Adds a parcel, inside the transaction that moves the reader past it.

    Frames of it that were evicted while it was on its way have come through after all.
    """
    gone = spool.log.gone()
    batches = [(one.offset, one.body) for one in frames if isinstance(one.body, Batch) and not _is_own(one.shard)]
    sum_ = passed(spool, reader)
    sum_.readings += sum(len(batch) for _, batch in batches)
    sum_.without_row += sum(int(np.count_nonzero(~has_row(batch))) for _, batch in batches)
    sum_.refused += refused
    sum_.evicted -= sum(len(batch) for offset, batch in batches if offset <= gone)
    sum_.damaged += _passed_over(spool, reader, frames)
    _keep(spool, f"tally {reader}", sum_)


def count_evicted(spool: Spool, dropped: Evicted) -> None:
    """Adds what went from a full spool to each store that had not had it, inside the transaction of the eviction."""
    for reader in stores(spool):
        left = unread(spool, reader)
        evicted = sum(
            head.readings for head in dropped.batches if not _is_own(head.shard) and _is_in(head.offset, left)
        )
        damaged = sum(span.readings for span in dropped.damaged if _is_in(span.last, left))
        if evicted or damaged:
            sum_ = passed(spool, reader)
            sum_.evicted += evicted
            sum_.damaged += damaged
            _keep(spool, f"tally {reader}", sum_)


def count_resent(spool: Spool, reader: str, letters: Iterable[DeadLetter]) -> None:
    """Takes rows off those refused that the store took after all, inside the transaction that removes their letters."""
    if spool.recall(f"tally {reader}"):  # it has none before its first parcel, and `begin` must find none then
        sum_ = passed(spool, reader)
        sum_.refused = max(0, sum_.refused - sum(letter.times for letter in letters))
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


def _passed_over(spool: Spool, reader: str, frames: Sequence[Frame]) -> int:
    """Readings between the place of a reader and the end of a parcel, which the parcel has not: they are damaged."""
    first, last, gone = frames[0].offset, frames[-1].offset, spool.log.gone()
    place = max([gone, *(after for after, until in unread(spool, reader) if after < first <= until)])
    there = [one for one in frames if one.offset > place]
    if last - place <= len(there):
        return 0
    handed = sum(len(one.body) for one in there if isinstance(one.body, Batch))
    return max(0, spool.log.total_at(last) - spool.log.total_at(place) - handed)


def _is_in(offset: int, stretches: Iterable[tuple[int, int]]) -> bool:
    return any(after < offset <= last for after, last in stretches)


def _keep(spool: Spool, name: str, sum_: Taken | Passed) -> None:
    spool.remember(name, msgspec.msgpack.encode(sum_))


def _is_own(shard: str) -> bool:
    return shard.endswith(f"/{SELF_LINE}")
