"""R11: a long steady load on `andon collect`: its memory and descriptors must stand still, its balance be exact.

`make soak` runs 30 minutes at 1,000 messages/s, `make soak ARGS="--minutes 120"` two hours; every CI run soaks for a
minute or so (`tests/plant/test_soak.py`). It is no benchmark of `andon bench`, which would last as long.

The slope of the RSS is Theil and Sen's: the median of the slopes between all pairs of samples, which no single step of
the allocator moves. Samples of the warm-up do not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from collector.errors import AndonError
from collector.spool.spool import Spool
from deploy.bench import store
from deploy.bench.figure import Figure, machine
from deploy.bench.load import Load, published
from deploy.bench.rig import Bridge, Rig, rig
from deploy.books import Books, books_of
from deploy.site import load_site

PER_S = 1_000
_WARM_UP_RATIO, _WARM_UP_MOST_S = 0.4, 300.0
_SAMPLES = 600
_MOST_SAMPLE_S = 5.0
_SETTLE_S = 60.0

FIGURES = (
    Figure("R11 RSS: slope after the warm-up", "MB/h", must=1.0),
    Figure("R11 RSS: the same over the run", "MB"),
    Figure("R11 RSS: highest", "MB"),
    Figure("R11 descriptors: growth", "descriptors", must=0),
    Figure("R11 CPU", "% of a core"),
    Figure("R11 messages published", "messages"),
    Figure("R11 published and not in the store", "readings", must=0),
    Figure("R11 published and not in the log, or twice", "readings", must=0),
    Figure("R11 dead letters", "letters", must=0),
    Figure("R11 books that are not exact", "books", must=0),
)


class Sample(NamedTuple):
    """What the collector held `at_s` after the start."""

    at_s: float
    rss_mb: float
    files: int


def soak(duration_s: float) -> Sequence[float]:
    """The figures of one soak, in their order. Raises NotMeasured where there is no broker or no store."""
    with rig() as one, one.andon("collect") as collector:
        collector.wait_ready()
        probes = _books(one).readings
        cpu_s, began_s = collector.meter.cpu_s(), time.monotonic()
        publisher = Load("signal", int(PER_S * duration_s), PER_S, duration_s + _SETTLE_S).start(one.port)
        samples = _watched(collector, duration_s)
        used_ratio = (collector.meter.cpu_s() - cpu_s) / (time.monotonic() - began_s)
        sent = published(publisher).messages
        missing = _missing(one, sent)
        books = _books(one)
    warm_up_s = min(_WARM_UP_RATIO * duration_s, _WARM_UP_MOST_S)
    warm = [sample for sample in samples if sample.at_s >= warm_up_s]
    slope_mb_per_s = robust_slope([one.at_s for one in warm], [one.rss_mb for one in warm])
    return (
        3600 * slope_mb_per_s,
        slope_mb_per_s * (warm[-1].at_s - warm[0].at_s),
        max(sample.rss_mb for sample in samples),
        _growth([sample.files for sample in warm]),
        100 * used_ratio,
        sent,
        missing,
        abs(books.readings - probes - sent),
        books.dead_lettered,
        0 if books.is_exact else 1,
    )


def robust_slope(at: Sequence[float], value: Sequence[float]) -> float:
    """Theil and Sen's slope: the median over all pairs (Sen 1968, doi 10.1080/01621459.1968.10480934)."""
    x, y = np.asarray(at), np.asarray(value)
    earlier, later = np.triu_indices(len(x), k=1)
    return float(np.median((y[later] - y[earlier]) / (x[later] - x[earlier])))


def _watched(collector: Bridge, duration_s: float) -> list[Sample]:
    began_s, every_s = time.monotonic(), min(duration_s / _SAMPLES, _MOST_SAMPLE_S)
    samples: list[Sample] = []
    while (at_s := time.monotonic() - began_s) < duration_s:
        samples.append(Sample(at_s, collector.meter.rss_mb(), collector.meter.open_files()))
        time.sleep(every_s)
    return samples


def _growth(files: Sequence[int]) -> float:
    """From the first tenth to the last, each by its median: a connection that is being renewed does not count."""
    tenth = max(1, len(files) // 10)
    return float(np.median(files[-tenth:]) - np.median(files[:tenth]))


def _missing(one: Rig, expected: int) -> int:
    """How many points the store lacks when nothing more comes."""
    deadline = time.monotonic() + _SETTLE_S
    while (shown := one.store.distinct() or 0) < expected and time.monotonic() < deadline:
        time.sleep(0.2)
    return expected - shown


def _books(one: Rig) -> Books:
    with Spool.open(one.spool_path) as spool:
        return books_of(spool, load_site(one.site_path).store_names)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    duration_s = 60 * parser.parse_args().minutes
    print(machine())
    print(f"soak: {duration_s / 60:g} min at {PER_S:,} messages/s of 120 B, mosquitto, {store.name()}", flush=True)
    try:
        values = soak(duration_s)
    except AndonError as error:
        sys.exit(f"soak: {error}")
    for figure, value in zip(FIGURES, values, strict=True):
        print(f"  {figure.line([value])}")


if __name__ == "__main__":
    _main()
