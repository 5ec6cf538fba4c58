"""A process that archives for ever, telling each offset once its write has returned: `python -m ... FOLDER`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from collector.sinks.parquet import Options, build
from tests.collector.parcels import at_hour, parcel


def archive_for_ever(folder: Path) -> None:
    sink = build(Options(path="archive"), folder)
    for offset in itertools.count(1):
        sink.write(parcel([at_hour(offset // 4, offset)]))
        print(offset, flush=True)


if __name__ == "__main__":
    archive_for_ever(Path(sys.argv[1]))
