"""Damage met while everybody works: readers pass over it, it is booked once, and what wants mending is told to all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from collector.readings import Equipment, Series
from collector.spool.connection import SpoolDamaged
from collector.spool.frames import FrameKind, batch_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.log import INPUTS
from collector.spool.spool import Spool
from collector.spool.state import NEW
from tests.collector.batches import batch
from tests.collector.spools import LINE, OTHER, append, readings

FIRST, SECOND = "sink:first", "sink:second"


@pytest.fixture
def damaged(spool: Spool, path: Path) -> Spool:
    """Six frames of one, two, ... six readings; the body of the fourth is damaged."""
    with spool.transaction():
        spool.log.enrol([FIRST, SECOND], among="sink:")
    append(spool, *(batch_frame(LINE, batch(*[(1, n, 1.0, 0, n)] * n)) for n in range(1, 7)))
    change(path, "UPDATE log SET body = zeroblob(length(body)) WHERE offset = 4")
    return spool


def change(path: Path, statement: str) -> None:
    """Changes bytes behind everybody's back, also those that keep a table's twin the same."""
    connection = sqlite3.connect(path)
    with connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
    connection.close()


def drained(spool: Spool, reader: str, limit: int = 2) -> list[int]:
    """The offsets a store is handed, parcel by parcel."""
    offsets: list[int] = []
    while frames := spool.log.read(spool.log.cursor(reader), limit):
        offsets += [frame.offset for frame in frames if frame.kind is FrameKind.BATCH]
        with spool.transaction():
            spool.log.advance(reader, frames[-1].offset)
    return offsets


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_damaged_frame_is_passed_over_and_booked_with_its_line(damaged: Spool, limit: int) -> None:
    assert drained(damaged, FIRST, limit) == [1, 2, 3, 5, 6]
    (gap,) = damaged.ledger.read()
    assert gap[:5] == (LINE, Cause.DAMAGED, 3, 4, 4)


def test_two_readers_meet_it_and_it_is_booked_once(damaged: Spool, path: Path) -> None:
    with Spool.open(path) as other:
        assert drained(damaged, FIRST) == drained(other, SECOND) == [1, 2, 3, 5, 6]
        assert damaged.ledger.total(Cause.DAMAGED) == other.ledger.total(Cause.DAMAGED) == 4


def test_the_lines_detectors_are_told(damaged: Spool) -> None:
    drained(damaged, FIRST)
    told = [frame.body for frame in damaged.log.read(0, 100, shard=LINE, kinds=INPUTS)]
    assert [(one.cause, one.missing) for one in told if isinstance(one, Gap)] == [(Cause.DAMAGED, 4)]


def test_a_frame_with_a_damaged_head_is_counted_by_its_neighbours(damaged: Spool, path: Path) -> None:
    change(path, "UPDATE log SET readings = 77, total = 5, shard = 'nonsense' WHERE offset IN (4, 5)")
    assert drained(damaged, FIRST) == [1, 2, 3, 6]
    (gap,) = damaged.ledger.read()
    assert (gap.asset, gap.cause, gap.missing) == ("spool", Cause.DAMAGED, 9)


def test_what_every_store_has_had_is_not_missing(damaged: Spool, path: Path) -> None:
    with damaged.transaction():
        for reader in (FIRST, SECOND):
            damaged.log.advance(reader, 6)
    assert len(damaged.log.read(0, 100)) == 5
    append(damaged, readings(9))
    assert damaged.ledger.read() == []


def test_a_reader_that_has_not_committed_meets_it_again(damaged: Spool) -> None:
    damaged.log.read(0, 100)
    with pytest.raises(ZeroDivisionError), damaged.transaction():
        raise ZeroDivisionError
    assert damaged.ledger.read() == []
    assert drained(damaged, FIRST) == [1, 2, 3, 5, 6]
    assert damaged.ledger.total(Cause.DAMAGED) == 4


def test_a_damaged_end_of_the_log_waits_for_the_next_frame(spool: Spool, path: Path) -> None:
    with spool.transaction():
        spool.log.enrol([FIRST], among="sink:")
    append(spool, readings(1), readings(2))
    change(path, "UPDATE log SET body = x'00' WHERE offset = 2")
    assert drained(spool, FIRST) == [1]
    assert spool.ledger.read() == []
    append(spool, readings(3))
    assert drained(spool, FIRST) == [3]
    assert spool.ledger.total(Cause.DAMAGED) == 1


def test_eviction_counts_what_is_damaged_too(damaged: Spool, path: Path) -> None:
    change(path, "UPDATE log SET total = 0 WHERE offset = 2")
    with damaged.transaction():
        gone = damaged.log.evict_oldest(5)
    assert (gone.readings, gone.unseen) == (1 + 3 + 4 + 5, 2)
    assert [frame.offset for frame in damaged.log.read(0, 10)] == [6]


def test_what_was_booked_as_damaged_is_not_booked_as_evicted(damaged: Spool) -> None:
    drained(damaged, FIRST)
    with damaged.transaction():
        gone = damaged.log.evict_oldest(6)
    assert (gone.readings, gone.unseen) == (21 - 4, 0)


def test_frames_that_vanished_want_the_file_mended(damaged: Spool, path: Path) -> None:
    change(path, "DELETE FROM log WHERE offset = 2")
    with pytest.raises(
        SpoolDamaged, match=rf"spool {path} is damaged \(frames between 2 and 2 .*: end all that use it"
    ):
        damaged.log.read(0, 100)
    with pytest.raises(SpoolDamaged), damaged.transaction():
        raise AssertionError("nobody writes into a suspect file")
    damaged.close()
    with Spool.open(path) as mended:
        assert drained(mended, FIRST) == [1, 3, 5, 6]
        assert mended.ledger.total(Cause.DAMAGED) == 2 + 4


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("UPDATE shard_state SET offset = 6", "shard_state"),
        ("UPDATE cursor SET offset = 6 WHERE reader = 'sink:first'", "cursor"),
        ("UPDATE memory SET body = x'00'", ""),
        ("UPDATE series SET body = replace(body, 'metric', 'matrix')", ""),
        ("UPDATE ledger SET missing = 1000", ""),
        ("UPDATE mark SET end_total = 1000", ""),
    ],
)
def test_a_changed_bit_beside_the_log_is_found_not_believed(path: Path, statement: str, lost: str) -> None:
    series = Series(Equipment("iot1", "rig", line="bottling"), "metric")
    gap = Gap(LINE, Cause.SEQ_GAP, 1, 2, 3)
    with Spool.open(path) as spool:
        append(spool, readings(1), readings(2, OTHER))
        with spool.transaction():
            given = spool.series.id_of(series)
            spool.states.commit(LINE, 1, 1, b"state", 0)
            spool.log.advance(FIRST, 1)
            spool.remember("decoder", b"memory")
            spool.ledger.add(gap)
    change(path, statement)
    with Spool.open(path) as spool:
        assert spool.states.load(LINE) == (NEW if lost == "shard_state" else (1, 1, 1, b"state"))
        assert spool.log.cursor(FIRST) == (0 if lost == "cursor" else 1)
        assert spool.recall("decoder") == b"memory"
        assert spool.series[given] == series
        assert spool.ledger.total(Cause.SEQ_GAP) == 3
        assert spool.log.end() == 2
        said = [one.note for one in spool.ledger.read() if one.cause is Cause.DAMAGED]
        assert bool(lost) == any("begins anew" in note for note in said)
