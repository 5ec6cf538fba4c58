"""Holes in the log: what a line's detectors had still to read leaves a gap in its place, nothing else leaves one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.readings import BatchBuilder, Quality
from collector.spool.frames import Frame, FrameKind, batch_frame, tick_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool

LINES = ("site/a", "site/b")


def batch(shard: str, at_ns: int) -> Frame:
    builder = BatchBuilder()
    builder.add(1, at_ns, 1.0, Quality.GOOD, at_ns)
    builder.add(1, at_ns + 5, 1.0, Quality.GOOD, at_ns + 5)
    return batch_frame(shard, builder.build())


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Five batches of each line in turn; the detectors of a have read two frames, those of b nothing, ever."""
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        with opened.transaction():
            opened.log.append(batch(LINES[i % 2], 100 * i) for i in range(10))
            opened.states.commit(LINES[0], 2, 1, b"", 0)
        yield opened


def evict(spool: Spool, count: int) -> None:
    with spool.transaction():
        spool.log.evict_oldest(count)


def gaps(spool: Spool) -> list[tuple[int, Gap]]:
    frames = spool.log.read(0, 100, kinds=(FrameKind.GAP,))
    return [(frame.offset, frame.body) for frame in frames if isinstance(frame.body, Gap)]


def test_what_detectors_have_read_leaves_nothing(spool: Spool) -> None:
    evict(spool, 2)
    assert gaps(spool) == []


def test_what_they_have_not_leaves_a_gap_at_the_last_offset(spool: Spool) -> None:
    evict(spool, 5)
    ((offset, gap),) = gaps(spool)
    assert offset == 5
    assert gap[:5] == ("site/a", Cause.EVICTED, 200, 405, 4)
    assert gap.shard == "site/a"
    after = spool.log.read(2, 10, shard="site/a")
    assert [frame.kind for frame in after] == [FrameKind.GAP, FrameKind.BATCH, FrameKind.BATCH]


def test_it_grows_while_more_goes(spool: Spool) -> None:
    for _ in range(9):
        evict(spool, 1)
    ((offset, gap),) = gaps(spool)
    assert (offset, gap.from_ns, gap.to_ns, gap.missing) == (9, 200, 805, 8)


def test_one_that_was_read_meanwhile_stays_as_it_is(spool: Spool) -> None:
    evict(spool, 5)
    with spool.transaction():
        spool.states.commit(LINES[0], 5, 1, b"", 1)
    evict(spool, 2)
    assert [(offset, gap.from_ns, gap.missing) for offset, gap in gaps(spool)] == [(5, 200, 4), (7, 600, 2)]


def test_it_is_no_more_than_what_else_is_kept(spool: Spool) -> None:
    evict(spool, 100)
    assert spool.log.evict_oldest(100).frames == 0
    with spool.transaction():
        assert spool.log.evict_delivered(spool.log.end(), 100).frames == 1
    assert gaps(spool) == []


def test_a_time_that_cannot_be_right_does_not_stretch_it(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "other.sqlite") as spool:
        builder = BatchBuilder()
        builder.add(1, 100, 1.0, Quality.GOOD, 100)
        builder.add(1, 10**18, 1.0, Quality.CLOCK, 150)
        with spool.transaction():
            spool.log.append([tick_frame(50), batch_frame("site/a", builder.build())])
            spool.states.commit("site/a", 1, 1, b"", 0)
        evict(spool, 2)
        ((_, gap),) = gaps(spool)
        assert (gap.from_ns, gap.to_ns) == (100, 150)
