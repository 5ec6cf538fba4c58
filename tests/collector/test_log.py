"""What the log of a spool promises: order, cursors, retention, and that the same thing is said once."""

from __future__ import annotations

from pathlib import Path

from collector.spool.eviction import Evicted
from collector.spool.frames import (
    EVERY_SHARD,
    Action,
    Control,
    FrameKind,
    control_frame,
    record_frame,
    tick_frame,
)
from collector.spool.log import INPUTS
from collector.spool.spool import Spool
from tests.collector.batches import rows_of
from tests.collector.spools import LINE, OTHER, append, expected, readings


def test_what_is_appended_is_read_in_order_by_another_connection(spool: Spool, path: Path) -> None:
    ack = Control(Action.ACK, "a1", who="Li Wei", at_ns=3)
    frames = [readings(1), tick_frame(2), control_frame(LINE, ack), record_frame(LINE, expected(4.0))]
    last = append(spool, *frames)
    with Spool.open(path) as other:
        read = other.log.read(0, 100)
        assert other.log.end() == last == 4
    assert [frame.offset for frame in read] == [1, 2, 3, 4]
    assert [frame[:3] for frame in read] == [frame[:3] for frame in frames]
    assert rows_of(read[0].body) == rows_of(frames[0].body)  # type: ignore[arg-type]
    assert [frame.body for frame in read[1:]] == [frame.body for frame in frames[1:]]


def test_a_line_reads_its_own_frames_and_the_ticks(spool: Spool) -> None:
    append(spool, readings(1), readings(2, OTHER), tick_frame(3), record_frame(LINE, expected(1.0)), readings(4))
    assert [frame.offset for frame in spool.log.read(0, 100, shard=LINE, kinds=INPUTS)] == [1, 3, 5]
    assert [frame.shard for frame in spool.log.read(1, 1, shard=LINE)] == [EVERY_SHARD]
    assert [frame.offset for frame in spool.log.read(0, 100, kinds=(FrameKind.RECORD,))] == [4]


def test_appending_nothing_is_offset_zero(spool: Spool) -> None:
    assert append(spool) == 0
    assert spool.log.end() == 0
    assert spool.log.read(0, 10) == []


def test_each_reader_has_its_own_cursor(spool: Spool, path: Path) -> None:
    assert spool.log.cursor("sink:lines") == 0
    with spool.transaction():
        spool.log.advance("sink:lines", 7)
        spool.log.advance("sink:influx", 3)
    with Spool.open(path) as other:
        assert (other.log.cursor("sink:lines"), other.log.cursor("sink:influx")) == (7, 3)
        assert other.log.delivered() == 3


def test_what_a_line_has_not_seen_is_not_delivered(spool: Spool) -> None:
    append(spool, readings(1))
    with spool.transaction():
        spool.log.advance("sink:lines", 7)
        spool.states.commit(LINE, 5, 1, b"", 0)
    assert spool.log.delivered() == 5
    assert spool.log.delivered(detected=False) == 7


def test_a_reader_is_waited_for_from_its_enrolment_on(spool: Spool) -> None:
    append(spool, readings(1))
    with spool.transaction():
        spool.log.enrol(["sink:new"], among="sink:")
    assert spool.log.delivered(detected=False) == 0


def test_without_any_reader_everything_is_delivered(spool: Spool) -> None:
    append(spool, readings(1))
    assert spool.log.delivered(detected=False) == 1


def test_nothing_is_delivered_before_the_first_reader(spool: Spool) -> None:
    append(spool, readings(1))
    assert spool.log.delivered() == 0


def test_the_clock_is_the_last_tick_so_one_that_was_set_back_goes_on_from_there(spool: Spool) -> None:
    assert spool.log.clock_ns() == 0
    append(spool, tick_frame(50))
    assert spool.log.clock_ns() == 50
    append(spool, tick_frame(40))
    assert spool.log.clock_ns() == 40


def test_lines_are_known_by_their_readings_even_after_those_are_gone(spool: Spool) -> None:
    append(spool, readings(1), readings(2, OTHER), tick_frame(3), record_frame("rig/chain", expected(1.0)))
    append(spool, readings(1, "rig/_self"))
    assert spool.log.lines() == [LINE, OTHER]
    with spool.transaction():
        spool.states.commit(LINE, 3, 1, b"memory", 0)
        spool.log.evict_delivered(10, 10)
    assert spool.log.lines() == [LINE, OTHER], "a silent line is still a line"


def test_evicted_offsets_are_never_used_again(spool: Spool) -> None:
    append(spool, readings(10), readings(20), readings(30))
    with spool.transaction():
        assert spool.log.evict_delivered(2, 10)[:5] == (2, 2, 0, 10, 20)
        assert spool.log.evict_delivered(2, 10) == Evicted()
    assert [frame.offset for frame in spool.log.read(0, 10)] == [3]
    with spool.transaction():
        spool.log.evict_delivered(3, 10)
    assert append(spool, readings(40)) == 4
    assert spool.log.end() == 4


def test_eviction_keeps_to_its_limit_and_age(spool: Spool) -> None:
    append(spool, tick_frame(10), readings(20), record_frame(LINE, expected(1.0)), readings(30), readings(90))
    with spool.transaction():
        assert spool.log.evict_delivered(5, 1)[:5] == (1, 0, 0, 10, 10)
        assert spool.log.evict_delivered(5, 9, before_ns=90)[:5] == (3, 2, 1, 1, 30)
    assert [frame.offset for frame in spool.log.read(0, 10)] == [5]


def test_the_oldest_go_but_what_was_said_of_an_alert_and_what_a_person_did(spool: Spool) -> None:
    control = Control(Action.ACK, "alert", "kim", 5)
    append(spool, readings(20), tick_frame(30), control_frame(LINE, control))
    with spool.transaction():
        spool.log.say(LINE, "alert|a", expected(1.0))
        spool.log.say(LINE, "expected|a", expected(2.0))
        assert spool.log.evict_oldest(10).frames == 3
    assert [frame.body for frame in spool.log.read(0, 10)] == [control, expected(1.0)]


def test_the_same_thing_is_said_once(spool: Spool) -> None:
    for _ in range(3):
        with spool.transaction():
            spool.log.say(LINE, "expected/1", expected(1.0, key="k"))
    assert [frame.body for frame in spool.log.read(0, 10)] == [expected(1.0, key="k")]


def test_said_again_it_does_not_become_the_latest(spool: Spool) -> None:
    with spool.transaction():
        spool.log.say(LINE, "first", expected(1.0, key="k", at_ns=1))
        spool.log.say(LINE, "second", expected(2.0, key="k", at_ns=2))
        spool.log.say(LINE, "first", expected(1.0, key="k", at_ns=1))
    assert spool.log.latest("expected") == [expected(2.0, key="k", at_ns=2)]


def test_the_latest_of_each_key_outlives_its_frames(spool: Spool) -> None:
    with spool.transaction():
        spool.log.say(LINE, "1", expected(1.0, key="b", at_ns=5))
        spool.log.say(LINE, "2", expected(2.0, key="a", at_ns=6))
        spool.log.say(LINE, "3", expected(3.0, at_ns=7))
        spool.log.evict_delivered(10, 10)
    assert [(record.key, record.detail) for record in spool.log.latest("expected")] == [
        ("b", {"seen": [1, None]}),
        ("a", {"seen": [1, None]}),
    ]
    assert spool.log.latest("alert_event") == []
