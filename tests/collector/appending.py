"""A process that appends to a spool for ever, reporting each offset once it is durable: `python appending.py SPOOL`."""

from __future__ import annotations

import sys
from pathlib import Path

from collector.readings import BatchBuilder, Equipment, Series
from collector.spool.frames import batch_frame
from collector.spool.spool import Spool


def append_for_ever(path: Path) -> None:
    with Spool.open(path) as spool:
        count = 0
        while True:
            series = Series(Equipment("iot1", "rig", line="bottling"), f"metric_{count % 50}")
            builder = BatchBuilder()
            with spool.transaction():
                builder.add(spool.series.id_of(series), count, float(count), 0, count)
                offset = spool.log.append([batch_frame("rig/bottling", builder.build())])
            print(offset, count, flush=True)
            count += 1


if __name__ == "__main__":
    append_for_ever(Path(sys.argv[1]))
