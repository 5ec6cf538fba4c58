"""Shortage warnings from readings: the method `shortage` itself on simulated stores, from booked stocks and promises.

What `shortage` (the benchmark) asks of the formulas is asked here of the detector as `andon detect` runs it: it hears
`on_hand` whenever a stock changes, `next_due` and `next_quantity` whenever an order does, and the passing of time. It
learns demand, lateness and arrivals from that alone. Same stores, same bars, same judging (`shortage.warned`).
"""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from collector.schema import INVENTORY_LINE
from deploy.bench import shortage, simulated_store
from deploy.bench.figure import Figure
from deploy.bench.simulated_store import Order, Store
from detectors.calendar import Calendar, Shift
from detectors.detector import Context
from detectors.stores import Stores

FIGURES = (
    Figure("the detector: precision", "ratio", must=0.60, aim=0.66, at_most=False),
    Figure("the detector: recall", "ratio", must=0.90, at_most=False),
    Figure("the detector: median lead", "h", must=22.0, at_most=False),
    Figure("readings of one core", "readings/s"),
    Figure("state of an item", "bytes"),
)
RUNS = 1  # seeds are fixed: another run gives the same

_RESPONSE_S = 24 * 3600.0
_START_S = 4 * 86_400  # a Monday, as the simulated stores begin
_HOUR_NS = 3600 * NS_PER_S
_SHIFT = Shift(name="both", start=dt.time(6), end=dt.time(22), days=("mon", "tue", "wed", "thu", "fri"))


class Heard(NamedTuple):
    """One store as its detector judged it, and what that took."""

    ran: shortage.Ran
    readings: int
    cpu_s: float
    state_bytes: int


def once() -> Sequence[float]:
    with ProcessPoolExecutor(2) as pool:
        heard = list(pool.map(run, shortage.SEEDS))
    told = shortage.warned([one.ran for one in heard], "chance_48_h", shortage.CHANCE)
    readings_per_s = sum(one.readings for one in heard) / sum(one.cpu_s for one in heard)
    return (*told, readings_per_s, max(one.state_bytes for one in heard) / simulated_store.PARTS)


def conditions() -> str:
    return f"{shortage.conditions()}; response time {_RESPONSE_S / 3600:.0f} h"


def run(seed: int) -> Heard:
    """One store, hour by hour, through the detector."""
    store = simulated_store.store(seed)
    parts = store.stock.shape[1]
    context = Context(_series(store), Calendar("UTC", [_SHIFT]), f"site/{INVENTORY_LINE}")
    detector = Stores(_RESPONSE_S, shortage.CHANCE, "", context)
    planned, news = simulated_store.planned(), _news(store)
    looks: list[shortage.Look] = []
    readings, began_s = 0, time.process_time()
    open_: list[list[Order]] = [[] for _ in range(parts)]
    before = np.full(parts, -1)
    for hour in range(simulated_store.HOURS):
        builder, at_ns = BatchBuilder(), _at_ns(hour)
        for part in np.flatnonzero(store.stock[hour] != before).tolist():
            builder.add(part, at_ns, float(store.stock[hour, part]), Quality.GOOD, at_ns)
        for part in sorted({order.part for order, _ in news[hour]}):
            _turn(open_[part], [one for one in news[hour] if one[0].part == part])
            soonest = min(open_[part], key=lambda one: _promised_h(one, hour), default=None)
            due_s = _at_ns(_promised_h(soonest, hour)) / NS_PER_S if soonest else 0.0
            builder.add(2 * parts + part, at_ns, float(soonest.quantity) if soonest else 0.0, Quality.GOOD, at_ns)
            builder.add(parts + part, at_ns, due_s, Quality.GOOD, at_ns)
        before = store.stock[hour]
        batch = builder.build()
        readings += len(batch)
        detector.score(batch)
        if planned[hour] and hour >= shortage.FROM_H and hour % shortage.EVERY_H == 0:
            looks += _looks(detector, hour)
    shortages = [store.shortages(part) for part in range(parts)]
    ran = shortage.Ran(shortages, looks, np.zeros(0), 0)
    return Heard(ran, readings, time.process_time() - began_s, len(detector.snapshot()))


def _looks(detector: Stores, hour: int) -> list[shortage.Look]:
    """What the detector thinks of every part; a part that is empty is what it is."""
    scores = detector.tick(_at_ns(hour))
    chances = np.minimum(np.nan_to_num(scores.score) * shortage.CHANCE, 1.0)
    rows = zip(scores.series.tolist(), chances.tolist(), strict=True)
    return [shortage.Look(hour, part, chance, chance, 0.0, 0.0, False) for part, chance in rows]


def _series(store: Store) -> dict[int, Series]:
    """Of each part its stock, its supplier's soonest promise and that one's quantity."""
    parts = store.stock.shape[1]
    supplier = {order.part: order.supplier for order in store.orders}
    places = [Equipment("bench", "site", "", INVENTORY_LINE, f"part_{part}") for part in range(parts)]
    found = {part: Series(place, "on_hand", "1", Kind.STOCK, on_event=True) for part, place in enumerate(places)}
    for part, place in enumerate(places):
        name = f"supplier_{supplier.get(part, 0)}"
        found[parts + part] = Series(place, f"next_due/{name}", "s", on_event=True)
        found[2 * parts + part] = Series(place, f"next_quantity/{name}", "1", on_event=True)
    return found


def _news(store: Store) -> dict[int, list[tuple[Order, str]]]:
    news: dict[int, list[tuple[Order, str]]] = defaultdict(list)
    for order in store.orders:
        news[order.ordered_h].append((order, "placed"))
        news[order.told_h].append((order, "told"))
        news[order.arrived_h].append((order, "arrived"))
    return news


def _turn(open_: list[Order], news: Sequence[tuple[Order, str]]) -> None:
    for order, what in news:
        if what == "placed":
            open_.append(order)
        elif what == "arrived":
            open_.remove(order)


def _promised_h(order: Order, hour: int) -> int:
    return order.new_promise_h if 0 <= order.told_h <= hour else order.promised_h


def _at_ns(hour: int) -> int:
    """The end of an hour of production, less a second: the reading speaks of that hour."""
    return (_START_S + (hour + 1) * 3600 - 1) * NS_PER_S
