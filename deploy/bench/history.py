"""History in the spool against plain rows in SQLite: a day of 190 mixed series, kept, measured and asked.

Groups are four minutes of all series (45,600 readings), about what a historian takes in one step while it is behind;
one transaction each, synced, on both sides. Rows are written for every 30th group of the day, beside history, which
takes the whole day, folding and merging and a minute's tidying included: the rows' tables stay small, which is kind to
them. The entropy is that of each series' numbers or of their differences, whichever is less: a floor for a codec that
looks at single readings and is told the distribution (that of unrepeated floats comes out too low).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.historian import Historian
from collector.readings import NS_PER_S, Batch
from collector.spool.connection import PAGE_BYTES, SpoolConnection, connect
from collector.spool.history.history import History
from collector.spool.history.rollup import Rollup, rollup
from collector.spool.history.values import decimals_of
from collector.spool.spool import Spool
from deploy.bench.figure import Figure
from deploy.bench.mixed_day import FROM_NS, MINUTES, SERIES, MixedDay

FIGURES = (
    Figure("P7 history: a day of 190 mixed series", "bytes/reading", must=2.5, aim=1.7),
    Figure("P7 history: the same, entropy of single readings", "bytes/reading"),
    Figure("P7 history: the same as SQLite rows", "bytes/reading"),
    Figure("P7 history: 24 h of one series to 1-minute means, as asked", "ms", must=10, aim=5),
    Figure("P7 history: 24 h of one series to 1-minute means, anew from its readings", "ms"),
    Figure("P7 history: last value of 1,000 series", "ms", must=10, aim=5),
    Figure("P7 history: ingest", "readings/s"),
    Figure("P7 history: ingest against SQLite rows by series and time", "x", must=10, at_most=False),
    Figure("P7 history: ingest against SQLite rows without any key", "x"),
)
_GROUP_MINUTES = 4
_ROWS_EVERY = 30  # groups
_CAUGHT_UP_STEPS = 12  # what a historian does in its first minute without a backlog
_DAY_NS = 86_400 * NS_PER_S
_KEYED = (
    "CREATE TABLE reading (series INTEGER, at_ns INTEGER, value REAL, quality INTEGER, PRIMARY KEY (series, at_ns))"
)
_ASKED = range(1, SERIES + 1, 9)


def once() -> Sequence[float]:
    """One day on a fresh spool."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        folder = Path(name)
        keyed, plain = connect(folder / "keyed.sqlite", None), connect(folder / "plain.sqlite", None)
        keyed.execute(f"{_KEYED} WITHOUT ROWID")
        plain.execute("CREATE TABLE reading (series INTEGER, at_ns INTEGER, value REAL, quality INTEGER)")
        with Spool.open(folder / "spool.sqlite") as spool:
            ours, *rows = _written(spool, keyed, plain)
            asked = _asked(spool)
        row_bytes = _size_bytes(keyed) / rows[0][0]
        keyed.close()
        plain.close()
    n, took_s, history_bytes = ours
    rate = n / took_s
    against = [rate / (n_rows / rows_s) for n_rows, rows_s in rows]
    return (history_bytes / n, _entropy_bytes(), row_bytes, *asked, rate, *against)


def _written(
    spool: Spool, keyed: SpoolConnection, plain: SpoolConnection
) -> tuple[tuple[int, float, int], tuple[int, float], tuple[int, float]]:
    """Readings, seconds and bytes of history; rows and seconds of each table."""
    day, historian = MixedDay(), Historian(SpoolSettings(history_d=2, rollups_d=2), Counters())
    empty_bytes, taken, rows = spool.size_bytes(), 0, 0
    took_s, keyed_s, plain_s = 0.0, 0.0, 0.0
    for group in range(MINUTES // _GROUP_MINUTES):
        batch = _joined([day.minute(_GROUP_MINUTES * group + i) for i in range(_GROUP_MINUTES)])
        taken += len(batch)
        took_s += _timed_s(partial(historian.keep, spool, [batch], 0, 0, behind=True))
        if group % _ROWS_EVERY == 0:
            rows += len(batch)
            keyed_s += _timed_s(partial(_insert, keyed, batch))
            plain_s += _timed_s(partial(_insert, plain, batch))
    took_s += sum(_timed_s(partial(historian.keep, spool, [], 0, 0)) for _ in range(_CAUGHT_UP_STEPS))
    return (taken, took_s, spool.size_bytes() - empty_bytes), (rows, keyed_s), (rows, plain_s)


def _joined(batches: Sequence[Batch]) -> Batch:
    series, at_ns, value, quality, received_ns = (
        np.concatenate(column) for column in zip(*(batch.columns for batch in batches), strict=True)
    )
    return Batch(series, at_ns, value, quality, received_ns)


def _insert(connection: SpoolConnection, batch: Batch) -> None:
    rows = zip(*(column.tolist() for column in batch.columns[:4]), strict=True)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")


def _asked(spool: Spool) -> tuple[float, float, float]:
    """Milliseconds of the three questions, the median over many."""
    history, to_ns = spool.history, FROM_NS + _DAY_NS
    by_rollup = [_timed_s(partial(history.means, one, FROM_NS, to_ns)) for one in _ASKED]
    by_reading = [_timed_s(partial(_means_of_readings, history, one)) for one in _ASKED]
    ids = np.arange(1, 1001, dtype=np.int32)
    column = np.full(1000, to_ns)
    with spool.transaction():
        history.take([Batch(ids, column, column.astype(np.float64), np.zeros(1000, np.uint8), column)])
    last = [_timed_s(lambda: history.last(range(1, 1001))) for _ in range(20)]
    return median(by_rollup) * 1e3, median(by_reading) * 1e3, median(last) * 1e3


def _means_of_readings(history: History, series: int) -> Rollup:
    readings, _ = history.read(series, FROM_NS, FROM_NS + _DAY_NS)
    return rollup(readings)


def _timed_s(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _size_bytes(connection: SpoolConnection) -> int:
    return int(connection.execute("PRAGMA page_count").fetchone()[0]) * PAGE_BYTES


def _entropy_bytes(minutes: int = 180) -> float:
    """Bytes a reading of the first hours: the entropy of each series' times and values."""
    day = MixedDay()
    whole = _joined([day.minute(minute) for minute in range(minutes)])
    series, at_ns, value = whole.series, whole.at_ns, whole.value
    bits = 0.0
    for one in range(1, SERIES + 1):
        own = series == one
        times = np.sort(at_ns[own])
        numbers = _numbers(value[own])
        bits += min(_bits(times - np.arange(len(times)) * NS_PER_S), _bits(np.diff(times)))
        bits += min(_bits(numbers), _bits(np.diff(numbers)))
    return bits / 8 / len(series)


def _numbers(value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Decimals as whole numbers, other floats as their bits."""
    found = decimals_of(value)
    return found[1] if found else value.view(np.int64)


def _bits(numbers: NDArray[np.int64]) -> float:
    _, counts = np.unique(numbers, return_counts=True)
    share = counts / len(numbers)
    return float(-(counts * np.log2(share)).sum())
