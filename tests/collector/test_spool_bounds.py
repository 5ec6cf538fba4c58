"""What goes from a spool is booked by line, what is spared stays, and no book grows for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector import schema
from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.retention import Retention
from collector.spool.dead import DeadLetter
from collector.spool.frames import Record, batch_frame, tick_frame
from collector.spool.ledger import Cause, Gap, Ledger
from collector.spool.spool import Spool
from detectors.alerts import State
from tests.collector.batches import batch
from tests.collector.spools import LINE, OTHER, append, readings


def test_an_eviction_is_booked_by_line_with_its_interval_and_exact_count(path: Path) -> None:
    with Spool.open(path) as spool:
        retention = Retention(SpoolSettings(max_mb=1.0), Counters(report_every_s=None), detected=False)
        with spool.transaction():
            spool.log.enrol(["sink:store"], among="sink:")
        append(spool, batch_frame(LINE, batch((1, 10, 1.0, 0, 10), (1, 30, 1.0, 0, 30))), readings(40, OTHER))
        assert retention.make_room(spool) == 2
        booked = {gap[:5] for gap in spool.ledger.read()}
        assert booked == {(LINE, Cause.EVICTED, 10, 30, 2), (OTHER, Cause.EVICTED, 40, 40, 1)}


def test_a_line_asks_for_its_own_gaps_those_of_its_parts_and_those_of_all(spool: Spool) -> None:
    gaps = [
        Gap(LINE, Cause.EVICTED, 10, 20, 1),
        Gap(f"{LINE}/cell", Cause.SEQ_GAP, 15, 30, 2),
        Gap("spool", Cause.DAMAGED, 0, 12, 3),
        Gap("broker 127.0.0.1:1883", Cause.DISCONNECTED, 20, 90, 0),
        Gap(OTHER, Cause.EVICTED, 10, 20, 4),
        Gap(f"{LINE}2", Cause.EVICTED, 10, 20, 5),
        Gap(LINE, Cause.EVICTED, 700 * 10**9, 701 * 10**9, 6),
    ]
    with spool.transaction():
        for gap in gaps:
            spool.ledger.add(gap)
    assert [gap.missing for gap in spool.ledger.between(LINE, 11, 25)] == [3, 1, 2, 0]
    assert [gap.missing for gap in spool.ledger.between(LINE, 100, 10**12)] == [6]
    assert spool.ledger.between("rig/elsewhere", 50, 60)[0].cause is Cause.DISCONNECTED


def test_what_has_come_after_all_goes_off_its_gap_and_off_no_other(spool: Spool) -> None:
    def booked() -> list[tuple[int, int, int]]:
        return [(gap.from_ns, gap.to_ns, gap.missing) for gap in reversed(spool.ledger.read()) if gap.asset == LINE]

    gaps = [Gap(LINE, Cause.SEQ_GAP, begin, begin + 5, 4) for begin in (10, 20, 30)]
    with spool.transaction():
        for gap in (*gaps, Gap(OTHER, Cause.SEQ_GAP, 20, 25, 4), Gap(LINE, Cause.EVICTED, 40, 45, 4)):
            spool.ledger.add(gap)
        spool.ledger.add(Gap(LINE, Cause.SEQ_GAP, 21, 22, -3))
    assert booked() == [(10, 15, 4), (20, 25, 1), (30, 35, 4), (40, 45, 4)]
    with spool.transaction():
        spool.ledger.add(Gap(LINE, Cause.SEQ_GAP, 24, 26, -2))  # one more than was booked of that time
    assert booked() == [(10, 15, 4), (20, 20, 0), (30, 35, 3), (40, 45, 4)]
    assert spool.ledger.sum() == spool._standing.mark.booked == 4 + 3 + 4 + 4


def test_what_has_come_after_all_goes_off_what_was_added_up_and_never_below_nothing(spool: Spool) -> None:
    spool.ledger = Ledger(spool._connection, spool._standing, most=2)
    with spool.transaction():
        for begin in range(4):
            spool.ledger.add(Gap(LINE, Cause.SEQ_GAP, begin, begin, 5))
        spool.ledger.keep_bounds()
        spool.ledger.add(Gap(LINE, Cause.SEQ_GAP, 0, 0, -12))
        assert spool.ledger.total(Cause.SEQ_GAP) == spool._standing.mark.booked == 8
        spool.ledger.add(Gap(LINE, Cause.SEQ_GAP, 0, 0, -100))
        assert spool.ledger.total(Cause.SEQ_GAP) == spool._standing.mark.booked == 0


def test_a_long_ledger_adds_up_its_oldest_entries_and_keeps_every_count(spool: Spool) -> None:
    spool.ledger = Ledger(spool._connection, spool._standing, most=10)
    for i in range(100):
        with spool.transaction():
            spool.ledger.add(Gap(LINE if i % 2 else OTHER, Cause.SEQ_GAP, i, i + 1, i))
            spool.ledger.keep_bounds()
    found = spool.ledger.read()
    assert len(found) <= 13
    assert [gap.missing for gap in found[:3]] == [99, 98, 97]
    assert sum(gap.missing for gap in found) == spool.ledger.total(Cause.SEQ_GAP) == sum(range(100))
    assert {gap.note for gap in found[-2:]} == {f"{gap.note.split()[0]} older entries added up" for gap in found[-2:]}


def test_ended_alerts_are_forgotten_oldest_first_open_ones_never(spool: Spool) -> None:
    with spool.transaction():
        for i in range(20):
            state = State.ACKED if i == 0 else State.RTN_UNACKED if i == 1 else State.NORMAL
            detail = {"state": str(state)}
            spool.log.say(LINE, f"alert|{i}", Record(schema.ALERT_EVENT.name, {}, {}, i, key=f"a{i}", detail=detail))
    with spool.transaction():
        assert spool.log.forget_over(schema.ALERT_EVENT.name, keep=5, limit=100) == 13
        assert spool.log.forget_over(schema.ALERT_EVENT.name, keep=5, limit=100) == 0
    left = [record.key for record in spool.log.latest(schema.ALERT_EVENT.name)]
    assert left == ["a0", "a1", *(f"a{i}" for i in range(15, 20))]


def test_ended_alerts_are_found_behind_as_many_open_ones_as_there_are(spool: Spool) -> None:
    def say(key: int, at_ns: int, state: State) -> None:
        detail = {"state": str(state)}
        said = Record(schema.ALERT_EVENT.name, {}, {}, at_ns, key=f"a{key:02}", detail=detail)
        spool.log.say(LINE, f"alert|{key}|{at_ns}", said)

    with spool.transaction():
        for key in range(40):
            say(key, key // 3, State.UNACKED if key < 30 else State.NORMAL)  # several at one instant
    with spool.transaction():
        forgotten = [spool.log.forget_over(schema.ALERT_EVENT.name, keep=5, limit=10) for _ in range(5)]
        assert forgotten == [0, 0, 0, 5, 0], "no call looks at more than its limit, each goes on where the last ended"
        say(0, 20, State.NORMAL)  # an old one ends, and is among the newest until others come
        for key in range(50, 55):
            say(key, 30, State.UNACKED)
        assert sum(spool.log.forget_over(schema.ALERT_EVENT.name, keep=5, limit=10) for _ in range(6)) == 6
    left = [record.key for record in spool.log.latest(schema.ALERT_EVENT.name)]
    assert left == [f"a{key:02}" for key in (*range(1, 30), *range(50, 55))]


def test_an_alert_is_over_when_the_detectors_say_so() -> None:
    assert schema.ALERT_OVER == State.NORMAL


def test_dead_letters_are_counted_without_reading_them(spool: Spool) -> None:
    letters = [DeadLetter("t", bytes([i]) * i, "bad", i) for i in range(1, 11)]
    with spool.transaction():
        for letter in letters:
            spool.dead.add(letter)
        spool.dead.add(letters[4]._replace(reason="worse yet"))
        assert spool.dead.evict_oldest(3) == letters[:3]
    assert spool.dead.count() == 7
    assert spool.dead.size_bytes() == sum(letter.size_bytes for letter in spool.dead.read())


@pytest.mark.parametrize("limit", [3, 100])
def test_age_takes_the_oldest_and_looks_no_further(spool: Spool, limit: int) -> None:
    append(spool, *(readings(at_ns) for at_ns in (10, 99, 20, 30, 80, 90)), tick_frame(100))
    with spool.transaction():
        assert spool.log.evict_delivered(7, limit, before_ns=50).frames == min(limit, 4)
    assert [frame.offset for frame in spool.log.read(0, 10)] == list(range(min(limit, 4) + 1, 8))
