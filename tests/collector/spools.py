"""Spools for tests, and short ways to put something into them."""

from __future__ import annotations

from collector.spool.frames import Frame, Record, batch_frame
from collector.spool.spool import Spool
from tests.collector.batches import batch

LINE, OTHER = "rig/bottling", "rig/packing"


def readings(at_ns: int, shard: str = LINE) -> Frame:
    """A frame of one reading."""
    return batch_frame(shard, batch((1, at_ns, 1.0, 0, at_ns)))


def expected(value: float, *, key: str = "", at_ns: int = 1) -> Record:
    return Record("expected", {"site": "rig"}, {"value": value}, at_ns, key=key, detail={"seen": [1, None]})


def append(spool: Spool, *frames: Frame) -> int:
    """Appends in a transaction of its own; the last offset."""
    with spool.transaction():
        return spool.log.append(frames)
