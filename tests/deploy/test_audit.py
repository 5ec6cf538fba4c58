"""What the audit takes as the floor: the readings as a store shows them."""

from __future__ import annotations

from pathlib import Path

from collector.readings import NS_PER_S, Equipment, Quality, Series
from collector.spool.frames import batch_frame
from collector.spool.spool import Spool
from deploy.audit import floor_of
from tests.collector.batches import batch

LEVEL = Series(Equipment("e", "rig", line="line", cell="store"), "level")
GOOD, CLOCK, LATE = int(Quality.GOOD), int(Quality.CLOCK), int(Quality.GOOD | Quality.HISTORICAL)


def test_the_floor_is_what_a_store_shows(tmp_path: Path) -> None:
    """In order of time, the last of an instant; without readings whose quality no store shows."""
    arrived = [(10, 1.0, GOOD), (30, 3.0, GOOD), (20, 2.0, LATE), (3600, 9.0, CLOCK), (30, 3.5, GOOD)]
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        with spool.transaction():
            id_ = spool.series.id_of(LEVEL)
            rows = [(id_, at_s * NS_PER_S, value, quality, at_s) for at_s, value, quality in arrived]
            spool.log.append(batch_frame("rig/line", batch(row)) for row in rows)
        assert floor_of(spool) == {LEVEL: ([10.0, 20.0, 30.0], [1.0, 2.0, 3.5])}


def test_a_series_without_a_good_reading_is_empty(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        with spool.transaction():
            id_ = spool.series.id_of(LEVEL)
            spool.log.append([batch_frame("rig/line", batch((id_, NS_PER_S, 9.0, CLOCK, 1)))])
        assert floor_of(spool) == {LEVEL: ([], [])}
