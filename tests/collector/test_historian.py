"""The historian carries the log into history: everything once, in bounded steps, all or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.historian import READER, Historian
from collector.readings import NS_PER_S, Batch, Equipment, Series
from collector.retention import Retention
from collector.spool.frames import batch_frame, tick_frame
from collector.spool.ledger import Cause
from collector.spool.spool import Spool, SpoolFull
from collector.spool.state import Fenced
from tests.collector.histories import T0_NS, ns, seconds
from tests.collector.spools import LINE, append

EVER = (0, 2**62)
_NS_PER_D = 86_400 * NS_PER_S


def historian(**settings: float) -> Historian:
    return Historian(SpoolSettings(**settings), Counters())


def work_off(spool: Spool, one: Historian) -> int:
    """Steps until there is nothing more; how many steps."""
    steps = 1
    while one.step(spool):
        steps += 1
    return steps


def test_everything_in_the_log_is_in_history_once(spool):
    for start in range(0, 100, 10):
        append(spool, batch_frame(LINE, seconds(1, start, start + 10)), tick_frame(ns(start)))
    work_off(spool, historian())
    assert spool.history.read(1, *EVER)[0].at_ns.tolist() == [ns(at_s) for at_s in range(100)]
    assert spool.log.cursor(READER) == spool.log.end(), "ticks hold nobody up either"
    work_off(spool, historian())
    assert spool.history.means(1, *EVER)[0].count.tolist() == [60, 40]


def test_it_goes_on_where_it_stood(path):
    with Spool.open(path) as spool:
        append(spool, batch_frame(LINE, seconds(1, 0, 10)))
        work_off(spool, historian())
    with Spool.open(path) as spool:
        append(spool, batch_frame(LINE, seconds(1, 10, 20)))
        work_off(spool, historian())
        assert len(spool.history.read(1, *EVER)[0]) == 20


def test_a_backlog_is_worked_off_in_bounded_steps(spool):
    n = 20_000
    series = np.tile(np.arange(1, 101, dtype=np.int32), n // 100)
    for hour in range(10):
        at_ns = T0_NS + (3600 * hour + np.arange(n) // 100) * NS_PER_S
        frame = Batch(series, at_ns, np.zeros(n), np.zeros(n, np.uint8), at_ns)
        append(spool, batch_frame(LINE, frame))
    one = historian()
    assert one.step(spool) == 8 * n, "no more than one portion of frames beyond its bound"
    work_off(spool, one)
    assert sum(len(spool.history.read(i, *EVER)[0]) for i in range(1, 101)) == 10 * n


def test_a_spool_that_is_full_leaves_nothing_half_done(path):
    with Spool.open(path) as spool:
        append(spool, batch_frame(LINE, seconds(1, 0, 20_000)))
        spool.grow_no_more()
        with pytest.raises(SpoolFull):
            historian().step(spool)
        assert (spool.log.cursor(READER), len(spool.history.read(1, *EVER)[0])) == (0, 0)
        spool.grow_to(100)
        work_off(spool, historian())
        assert len(spool.history.read(1, *EVER)[0]) == 20_000


def test_only_one_keeps_the_history_of_a_spool(spool, path):
    append(spool, batch_frame(LINE, seconds(1, 0, 10)))
    with Spool.open(path) as other:
        work_off(other, historian())
    with pytest.raises(Fenced, match="stop one"):
        historian().keep(spool, [seconds(1, 0, 10)], 0, 1)
    assert len(spool.history.read(1, *EVER)[0]) == 10


def test_readings_and_rollups_end_at_their_ages(spool):
    one = historian(history_d=1, rollups_d=3)
    for day in range(5):
        append(spool, batch_frame(LINE, seconds(1, 86_400 * day, 86_400 * day + 60_000)), tick_frame(ns(86_400 * day)))
        work_off(spool, one)
    append(spool, tick_frame(ns(86_400 * 5)))
    for _ in range(30):
        one.step(spool)
    readings, minutes = spool.history.read(1, *EVER)[0], spool.history.means(1, *EVER)[0]
    assert readings.at_ns[-1] == ns(86_400 * 4 + 59_999)
    assert ns(86_400 * 2) < readings.at_ns[0]
    assert ns(86_400) < minutes.at_ns[0] <= readings.at_ns[0]


def test_a_full_spool_gives_up_history_before_what_nobody_has_read(spool):
    with spool.transaction():
        spool.log.enrol(["sink:away"], among="sink:")
    one, counters = historian(), Counters()
    append(spool, batch_frame(LINE, seconds(1, 0, 140_000)))
    work_off(spool, one)
    one.step(spool)
    retention = Retention(SpoolSettings(), counters)
    assert retention.make_room(spool) == 140_000
    assert (len(spool.history.read(1, *EVER)[0]), spool.history.means(1, *EVER)[0].count.sum()) == (0, 140_000)
    assert retention.make_room(spool) == 140_000
    assert len(spool.history.means(1, *EVER)[0]) == 0
    assert len(spool.log.read(0, 10)) == 1, "nothing that a store has not had yet"
    assert counters.counts["history_readings_evicted"] == counters.counts["history_rollups_evicted"] == 140_000
    assert [gap.asset for gap in spool.ledger.read()] == ["history rollups", "history readings"]


def test_a_spool_from_before_there_was_history_gets_it(path):
    with Spool.open(path) as spool, spool.transaction():
        for table in ("history_chunk", "history_tail", "history_last"):
            spool._connection.execute(f"DROP TABLE {table}")
    with Spool.open(path) as spool:
        append(spool, batch_frame(LINE, seconds(1, 0, 10)))
        work_off(spool, historian())
        assert len(spool.history.read(1, *EVER)[0]) == 10


def test_damage_is_booked_with_series_stretch_and_count(spool):
    series = Series(Equipment("iot1", "rig", line="bottling"), "speed")
    with spool.transaction():
        given = spool.series.id_of(series)
    counters = Counters()
    one = Historian(SpoolSettings(), counters)
    for start in range(0, 9 * 70_000, 70_000):
        append(spool, batch_frame(LINE, seconds(given, start, start + 70_000)))
        work_off(spool, one)
        if start == 70_000 * 3:
            _damage_first_chunk(spool)
    append(spool, batch_frame(LINE, seconds(given, 100, 110, 7.0)))  # late: they belong into the damaged chunk
    for _ in range(3):
        one.step(spool)
    append(spool, batch_frame(LINE, seconds(given, 10**6, 10**6 + 70_000)))
    for _ in range(4):
        one.step(spool)
    (gap,) = spool.ledger.read()
    assert (gap.asset, gap.cause, gap.from_ns) == (series.name, Cause.DAMAGED, T0_NS)
    assert gap.missing == counters.counts["history_damaged"] > 30_000
    found, missing = spool.history.read(given, *EVER)
    assert (len(found), missing) == (10 * 70_000 + 10 - gap.missing, [])


def _damage_first_chunk(spool: Spool) -> None:
    with spool.transaction():
        connection = spool._connection
        ((given, body),) = connection.execute("SELECT id, body FROM history_chunk ORDER BY from_ns LIMIT 1").fetchall()
        connection.execute("UPDATE history_chunk SET body = ? WHERE id = ?", (body[:-1] + b"\x00", given))
