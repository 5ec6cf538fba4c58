"""A store that comes back gets what happens now first and the backlog beside it: everything once, nothing forgotten."""

from __future__ import annotations

from pathlib import Path

from collector.lanes import Lanes, Pace, Tokens, backlog_reader, enrol
from collector.spool.frames import Frame, tick_frame
from collector.spool.spool import Spool
from tests.collector.spools import append

READER = "sink:store"
BACKLOG = 1_500


def ticks(spool: Spool, first: int, count: int) -> None:
    append(spool, *(tick_frame(at) for at in range(first, first + count)))


def deliver(spool: Spool, lanes: Lanes, frames: list[Frame]) -> list[int]:
    with spool.transaction():
        lanes.delivered(frames)
    return [frame.at_ns for frame in frames]


def drained(spool: Spool, lanes: Lanes, now_s: float = 0.0) -> list[int]:
    """What is delivered until nothing is left, in order."""
    seen: list[int] = []
    for _ in range(5_000):
        frames = lanes.next(now_s)
        if frames:
            seen += deliver(spool, lanes, frames)
        elif not lanes.behind():
            return seen
        now_s += 1.0
    raise AssertionError("the lanes do not come to an end")


def test_what_happens_now_goes_before_the_backlog(spool: Spool) -> None:
    ticks(spool, 0, BACKLOG)
    lanes = Lanes(spool, READER, Pace(), 0.0)
    assert lanes.next(0.0) == []  # the live lane leaps
    ticks(spool, BACKLOG, 3)
    first_two = [deliver(spool, lanes, lanes.next(0.0)) for _ in range(2)]
    assert [BACKLOG, BACKLOG + 1, BACKLOG + 2] in first_two
    assert sorted([*first_two[0], *first_two[1], *drained(spool, lanes)]) == list(range(BACKLOG + 3))


def test_a_store_that_keeps_up_gets_the_log_in_order(spool: Spool) -> None:
    lanes = Lanes(spool, READER, Pace(), 0.0)
    seen: list[int] = []
    for first in range(0, 2_000, 100):
        ticks(spool, first, 100)
        seen += drained(spool, lanes)
    assert seen == list(range(2_000))


def test_in_order_means_in_order_however_far_behind(spool: Spool) -> None:
    ticks(spool, 0, BACKLOG)
    assert drained(spool, Lanes(spool, READER, Pace(live_first=False), 0.0)) == list(range(BACKLOG))


def test_outages_during_a_backlog_add_to_it_and_a_restart_goes_on(spool: Spool) -> None:
    for outage in range(3):
        ticks(spool, outage * BACKLOG, BACKLOG)
        lanes = Lanes(spool, READER, Pace(), 0.0)  # a new process each time
        assert lanes.next(0.0) == [] or outage  # the live lane leaps; the backlog's turn may be first
        lanes.next(0.0)
    assert len(lanes.behind()) == 3
    assert sorted(drained(spool, Lanes(spool, READER, Pace(), 0.0))) == list(range(3 * BACKLOG))


def test_retention_waits_for_the_backlog_and_only_as_long_as_there_is_one(spool: Spool) -> None:
    ticks(spool, 0, BACKLOG)
    lanes = Lanes(spool, READER, Pace(), 0.0)
    lanes.next(0.0)
    assert spool.log.cursor(READER) == BACKLOG
    assert spool.log.delivered(detected=False) == 0
    drained(spool, lanes)
    assert spool.log.delivered(detected=False) == BACKLOG
    assert spool.log.cursor(backlog_reader(READER)) == 0


def test_a_restart_keeps_waiting_for_a_backlog_that_begins_with_the_log(spool: Spool) -> None:
    """A store that was never up: the backlog's cursor stands at 0, as if there were none."""
    ticks(spool, 0, BACKLOG)
    Lanes(spool, READER, Pace(), 0.0).next(0.0)
    with spool.transaction():
        enrol(spool, [READER])
    assert spool.log.delivered(detected=False) == 0


def test_a_store_that_was_taken_out_and_put_back_gets_everything_once(spool: Spool) -> None:
    ticks(spool, 0, BACKLOG)
    Lanes(spool, READER, Pace(), 0.0).next(0.0)
    for stores in ([], [READER]):
        with spool.transaction():
            enrol(spool, stores)
    assert sorted(drained(spool, Lanes(spool, READER, Pace(), 0.0))) == list(range(BACKLOG))


def test_a_backlog_that_was_evicted_ends(spool: Spool) -> None:
    ticks(spool, 0, BACKLOG)
    lanes = Lanes(spool, READER, Pace(), 0.0)
    lanes.next(0.0)
    with spool.transaction():
        while spool.log.evict_oldest(500).frames:
            pass
    assert drained(spool, lanes) == []
    assert lanes.behind() == []


def test_the_backlog_keeps_to_its_rate_and_tells_when_it_ends(spool: Spool) -> None:
    ticks(spool, 0, 40_000)
    lanes = Lanes(spool, READER, Pace(backlog_rows_per_s=1_000.0), 0.0)
    lanes.next(0.0)
    assert lanes.catching_up(0.0)[0] == 40_000
    assert len(deliver(spool, lanes, lanes.next(0.0))) == 20_000  # a parcel may overdraw once
    assert lanes.next(5.0) == []
    assert lanes.next(18.0) == []
    left, eta_s = lanes.catching_up(20.0)
    assert (left, eta_s) == (20_000, 20.0)
    assert len(deliver(spool, lanes, lanes.next(21.0) or lanes.next(21.0))) == 20_000
    assert lanes.catching_up(22.0) == (0, 0.0)


def test_tokens_never_save_up_more_than_a_second() -> None:
    tokens = Tokens(10.0, 0.0)
    assert tokens.has_any(1_000.0)
    tokens.spend(10.5)
    assert not tokens.has_any(1_000.0)
    assert tokens.has_any(1_000.1)


def test_a_rolled_back_delivery_is_as_if_it_never_was(spool: Spool, tmp_path: Path) -> None:
    ticks(spool, 0, BACKLOG)
    lanes = Lanes(spool, READER, Pace(), 0.0)
    lanes.next(0.0)
    frames = lanes.next(0.0)
    try:
        with spool.transaction():
            lanes.delivered(frames)
            raise KeyError
    except KeyError:
        pass
    assert drained(spool, lanes) == list(range(BACKLOG))
