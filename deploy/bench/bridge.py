"""P1, P2, P4: the whole bridge, `andon collect` as a process between a real broker and a store, its spool on disk.

P1 and P2 are CPU per reading under a flood of QoS 1 messages, counted from before the first is published until after
the last reading is in the store. Their bars are ratios to Node-RED in one run (`make bench-peers`); here stand the
absolute cost and, for information, the ratio to what was published for Node-RED on another machine. P4 is the rate
into the store: live (publisher, broker, store and collector share this machine) and draining a persistent session that
was filled while the collector was away.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from deploy.bench import store
from deploy.bench.figure import Figure, NotMeasured
from deploy.bench.load import Load, published
from deploy.bench.rig import Rig, rig

_SIGNAL, _STATION = Load("signal", 200_000), Load("station", 16_000)
_QUEUED_SIGNAL, _QUEUED_STATION = Load("signal", 100_000), Load("station", 8_000)
_NODE_RED_SIGNAL_US, _NODE_RED_STATION_US = 37.8, 20.8

FIGURES = (
    Figure("P1 120 B, one reading a message: CPU", "us/reading"),
    Figure("P1 of Node-RED's published 37.8 us (bar in bench-peers)", "x"),
    Figure("P4 120 B, live publisher", "readings/s", must=40_000, aim=60_000, at_most=False),
    Figure("P4 120 B, queued session", "readings/s", must=40_000, aim=60_000, at_most=False),
    Figure("P1 readings that are not in the store", "readings", must=0),
    Figure("P2 4 KB, 50 readings a message: CPU", "us/reading"),
    Figure("P2 of Node-RED's published 20.8 us (bar in bench-peers)", "x"),
    Figure("P4 4 KB, live publisher", "readings/s", must=150_000, aim=240_000, at_most=False),
    Figure("P4 4 KB, queued session", "readings/s", must=150_000, aim=240_000, at_most=False),
    Figure("P2 readings that are not in the store", "readings", must=0),
    Figure("collector under flood: peak RSS", "MB"),
)


def conditions() -> str:
    return f"mosquitto, {store.name()}, all on this machine"


def once() -> Sequence[float]:
    signal, signal_peak_mb = _one_shape(_SIGNAL, _QUEUED_SIGNAL, _NODE_RED_SIGNAL_US)
    station, station_peak_mb = _one_shape(_STATION, _QUEUED_STATION, _NODE_RED_STATION_US)
    return (*signal, *station, max(signal_peak_mb, station_peak_mb))


def _one_shape(live: Load, queued: Load, node_red_us: float) -> tuple[Sequence[float], float]:
    """The five figures of a shape, and the collector's peak of memory."""
    with rig() as one:
        with one.andon("collect") as collector:
            collector.wait_ready()
            carried = collector.carry(live)
        queued_per_s = _drained_per_s(one, queued) if not carried.missing else math.nan
    figures = (carried.cpu_us, carried.cpu_us / node_red_us, carried.per_s, queued_per_s, carried.missing)
    return figures, carried.peak_rss_mb


def _drained_per_s(one: Rig, load: Load, within_s: float = 60.0) -> float:
    """Fills the collector's session while it is away, starts it, and takes the rate from first to last row seen."""
    published(load.start(one.port))
    before = one.store.counted()
    deadline = time.monotonic() + within_s
    with one.andon("collect"):
        while (first := one.store.counted() - before) == 0:
            _keep_within(deadline)
        began_s = time.monotonic()
        while (last := one.store.counted() - before) < load.readings:
            _keep_within(deadline)
        return (last - first) / (time.monotonic() - began_s)


def _keep_within(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise NotMeasured("the collector did not drain its session in time; see whether it works at all")
    time.sleep(0.01)
