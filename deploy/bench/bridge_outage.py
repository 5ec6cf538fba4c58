"""P10: the store is away while 5,000 readings/s go on coming in: what that costs in memory, and how fast it is made up.

The store is stopped and started again at the same address with the same points. The outage lasts 60 s;
`ANDON_BENCH_OUTAGE_S=600 andon bench bridge_outage --runs 1` is the issue's length. The drain is measured from the
first row after the outage until the store is within a second of what is published, with the load going on; only rows
of the backlog count.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence

from deploy.bench import store
from deploy.bench.figure import Figure
from deploy.bench.load import Load
from deploy.bench.rig import Bridge, Rig, rig

_PER_S = 5_000
_WARM_S, _DRAIN_S = 10.0, 90.0

FIGURES = (
    Figure("P10 store away: growth of the collector's RSS", "MB", must=50),
    Figure("P10 drain against live rate", "x", must=5, aim=10, at_most=False),
    Figure("P10 drain of the backlog, beside the live load", "readings/s"),
    Figure("P10 store back -> first row", "s"),
    Figure("P10 backlog at its start", "readings"),
)


def outage_s() -> float:
    return float(os.environ.get("ANDON_BENCH_OUTAGE_S", "60"))


def conditions() -> str:
    return f"{outage_s():g} s without the store at {_PER_S:,} readings/s of 120 B, mosquitto, {store.name()}"


def once() -> Sequence[float]:
    within_s = _WARM_S + outage_s() + _DRAIN_S
    with rig() as one, one.andon("collect") as collector:
        collector.wait_ready()
        publisher = Load("signal", int(_PER_S * within_s), _PER_S, within_s).start(one.port)
        try:
            return _outage(one, collector)
        finally:
            publisher.kill()
            publisher.communicate()


def _outage(one: Rig, collector: Bridge) -> Sequence[float]:
    began_s, before = time.monotonic(), one.store.counted()
    time.sleep(_WARM_S)
    rss_mb = collector.meter.rss_mb()
    with one.store.down():
        away_at, most_mb = one.store.counted(), rss_mb
        until = time.monotonic() + outage_s()
        while time.monotonic() < until:
            most_mb = max(most_mb, collector.meter.rss_mb())
            time.sleep(0.2)
    back_s = time.monotonic()
    deadline = back_s + _DRAIN_S
    backlog = _PER_S * (back_s - began_s) - (away_at - before)
    first_s, first = math.nan, 0
    while time.monotonic() < deadline:
        now_s, counted = time.monotonic(), one.store.counted()
        most_mb = max(most_mb, collector.meter.rss_mb())
        if math.isnan(first_s) and counted > away_at:
            first_s, first = now_s, counted
        if counted - before >= _PER_S * (now_s - began_s - 1.0) and now_s > first_s:
            per_s = (counted - first) / (now_s - first_s) - _PER_S  # what came in meanwhile is no backlog
            return most_mb - rss_mb, per_s / _PER_S, per_s, first_s - back_s, backlog
        time.sleep(0.05)
    return most_mb - rss_mb, 0.0, 0.0, first_s - back_s, backlog
