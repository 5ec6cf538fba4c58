"""Histories for tests: a real spool file, folded after a few readings, and the plain model it is held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from collector.readings import NS_PER_S, Batch
from collector.spool.connection import connect
from collector.spool.history.history import History
from collector.spool.history.tail import Sizes
from collector.spool.spool import Spool
from tests.collector.batches import batch

T0_NS = 1_720_692_000 * NS_PER_S
SOON = Sizes(fold_readings=12, fold_rows=6, join_rows=3, small_readings=8)
Kept = dict[int, tuple[float, int]]  # what one series should hold: value and quality by time


class SoonFolded:
    """A history that folds after a dozen readings; `keep` is one step of a historian."""

    def __init__(self, path: Path) -> None:
        Spool.open(path).close()
        self.connection = connect(path, None)
        self.history = History(self.connection, SOON)

    def keep(self, *batches: Batch) -> None:
        tidied = self.history.tidying.next()
        with self.writing():
            self.history.tidying.write(tidied)
            self.history.take(batches)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        yield
        self.connection.execute("COMMIT")

    def count(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def close(self) -> None:
        self.connection.close()


def at(*rows: tuple[int, float, float, int]) -> Batch:
    """A batch of (series, seconds since T0, value, quality)."""
    return batch(*((one, ns(at_s), value, quality, 0) for one, at_s, value, quality in rows))


def seconds(series: int, from_s: int, to_s: int, value: float = 1.0) -> Batch:
    """One good reading a second."""
    return at(*((series, at_s, value, 0) for at_s in range(from_s, to_s)))


def ns(at_s: float) -> int:
    return T0_NS + int(at_s * NS_PER_S)


def model(batches: Sequence[Batch], series: int) -> Kept:
    """What a series should hold after these batches: of a repeat the last stays."""
    found: Kept = {}
    for one in batches:
        for given, at_ns, value, quality, _ in zip(*(column.tolist() for column in one.columns), strict=True):
            if given == series:
                found[at_ns] = (value, quality)
    return dict(sorted(found.items()))
