"""Stocks that are booked, not measured: the chance that each is empty within the response time, receipts and all.

Input: the line `inventory` (collector/inventory): `on_hand` of an item, and `next_due/SUPPLIER` and
`next_quantity/SUPPLIER` of its soonest receipts. Output: Scores for `detectors.methods.shortage`; the score is the
chance of being empty within one and a half response times over the chance at which to warn. Value and band are the
time to empty in s, early, median and late, were nothing to come. Pure.

Use is what leaves in each hour of planned production; hours in which the stock was empty, or of which readings are
missing, teach nothing. A receipt is late by the time from its promise to the rise of the stock; a promise that was put
off is learned apart. The passing of time may raise a verdict and never takes it back.
"""

from __future__ import annotations

import datetime as dt
import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Series
from collector.schema import INVENTORY_LINE
from collector.spool.ledger import Gap
from detectors.cover import Due, short_chances, supply_d
from detectors.demand import Demand
from detectors.detector import NAN, Context, Evidence, Point, Scores, as_scores
from detectors.supply import Lateness
from detectors.surroundings import usable

HIGHEST_SCORE = 100.0
_HOUR_NS = 3600 * NS_PER_S
_LOOKS = 8  # instants ahead
_AHEAD_RATIO = 1.5  # of the response time: what is empty just after it is too late to be answered, too
_LONGEST_SILENCE_H = 31 * 24
_ARRIVED_RATIO = 0.5  # of a receipt's quantity by which the stock must rise with it
_EPOCH = dt.date(1970, 1, 1).toordinal()


class Promise(msgspec.Struct):
    """A supplier's soonest open receipt, in s since 1970; `due_s` 0 is none. `again`: its date was put off."""

    due_s: float = 0.0
    quantity: float = 0.0
    again: bool = False
    last_ns: int = 0


class Item(msgspec.Struct):
    """What is kept of one stock."""

    last_ns: int = 0
    stock: float = NAN
    rise: float = 0.0  # the last one, and when
    rise_ns: int = 0
    hour: int = 0  # since 1970, not yet learned from
    used: float = 0.0  # in that hour
    missing_ns: int = 0  # readings may be missing up to here
    demand: Demand = msgspec.field(default_factory=Demand)
    point: Point = Point()  # the verdict at the last reading


class Memory(msgspec.Struct):
    items: dict[int, Item] = {}
    promises: dict[str, dict[str, Promise]] = {}  # by item path and supplier
    lateness: Lateness = msgspec.field(default_factory=Lateness)


def is_booked(series: Series) -> bool:
    return series.equipment.line == INVENTORY_LINE


class Stores:
    """A Detector of all items of a site."""

    def __init__(self, response_s: float, chance_ratio: float, used_by: str, context: Context) -> None:
        self._response_s = response_s
        self._chance_ratio = chance_ratio
        self._line = used_by or INVENTORY_LINE
        self._context = context
        self._ahead_h = np.linspace(0, _AHEAD_RATIO * response_s / 3600, _LOOKS + 1)[1:]
        self._memory = Memory()
        self._spans: dict[int, NDArray[np.float64]] = {}  # by hour; follows from the calendar alone
        self._passed: dict[int, tuple[int, int, Point]] = {}  # by item: hour, newest reading, verdict

    def listens(self, series: Series) -> bool:
        return is_booked(series) and series.metric.startswith(("next_due/", "next_quantity/"))

    def score(self, batch: Batch) -> Scores:
        batch, rows = usable(batch), []
        columns = (batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist())
        for series_id, at_ns, value in zip(*columns, strict=True):
            series = self._context.series[series_id]
            if not is_booked(series):
                continue
            if series.metric == "on_hand":
                item = self._memory.items.setdefault(series_id, Item())
                if at_ns > item.last_ns:
                    self._book(item, at_ns, max(value, 0.0))
                    item.point = self._judge(series, item, at_ns)
                    rows.append((series_id, at_ns, item.point))
            elif self.listens(series):
                self._hear(series, at_ns, value)
        return as_scores(rows)

    def tick(self, at_ns: int) -> Scores:
        return as_scores([(one, at_ns, self._pass(one, item, at_ns)) for one, item in self._memory.items.items()])

    def miss(self, gap: Gap) -> None:
        for series_id, item in self._memory.items.items():
            if gap.to_ns > item.last_ns and gap.cell in ("", self._context.series[series_id].equipment.cell):
                item.missing_ns = max(item.missing_ns, gap.to_ns)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        of, item = self._context.series[series], self._memory.items[series]
        days, day_s = supply_d(item.stock, item.demand), self._day_s(at_ns)
        said: Evidence = {"stock": item.stock, "stock_unit": of.unit, "response_s": self._response_s}
        if item.demand.is_known:
            chance = self._chances(of, item, at_ns)
            said |= {
                "use_per_h": item.demand.per_d * 3600 / day_s,
                "empty_at_s": at_ns / NS_PER_S + days.median_d * day_s,
            }
            said |= {"time_to_empty_s": days.median_d * day_s, "time_to_empty_early_s": days.early_d * day_s}
            said |= {"time_to_empty_late_s": days.late_d * day_s, "days_of_supply_d": days.median_d * day_s / 86_400}
            said |= {
                f"chance_short_in_{self._ahead_h[at]:.0f}_h": float(chance[at]) for at in (_LOOKS // 2, _LOOKS - 1)
            }
        soonest = min(self._open(of), key=lambda one: one[1].due_s, default=None)
        if soonest is not None:
            supplier, promise = soonest
            late_h = at_ns / _HOUR_NS - promise.due_s / 3600
            said |= {"next_supplier": supplier, "next_quantity": promise.quantity, "next_due_s": promise.due_s}
            said |= {"next_overdue_h": late_h} if late_h > 0 else {}
        if self._line != INVENTORY_LINE:
            said["starves"] = self._line
        return said

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._memory)

    def restore(self, state: bytes) -> None:
        self._memory = msgspec.msgpack.decode(state, type=Memory)
        self._passed = {}

    def _book(self, item: Item, at_ns: int, stock: float) -> None:
        """Learns from the hours that are over, then takes in the reading."""
        hour, is_first = at_ns // _HOUR_NS, math.isnan(item.stock)
        if is_first:
            item.demand.hours_per_d = self._hours_per_d(hour)
            item.hour = hour
        for over in range(max(item.hour, hour - _LONGEST_SILENCE_H), hour):
            known = item.stock > 0 and over * _HOUR_NS >= item.missing_ns
            if (known or item.used > 0) and self._planned_h(over) >= 0.5:
                item.demand.learn(self._day(over), item.used)
            item.used = item.used if self._planned_h(over) < 0.5 else 0.0  # what left at night counts for the morning
        change = 0.0 if is_first or at_ns <= item.missing_ns or item.last_ns < item.missing_ns else stock - item.stock
        item.used += max(-change, 0.0)
        if change > 0:
            item.rise, item.rise_ns = change, at_ns
        item.hour, item.stock, item.last_ns = hour, stock, at_ns

    def _hear(self, series: Series, at_ns: int, value: float) -> None:
        """A word on a supplier's soonest receipt; when it is gone and the stock has risen, it has arrived."""
        what, _, supplier = series.metric.partition("/")
        promise = self._memory.promises.setdefault(series.equipment.path, {}).setdefault(supplier, Promise())
        if what == "next_quantity":
            promise.quantity = max(value, 0.0)
            return
        if at_ns <= promise.last_ns:
            return
        was_s, promise.last_ns = promise.due_s, at_ns
        arrived = any(self._has_arrived(item, promise, at_ns) for item in self._items_of(series))
        if was_s > 0 and arrived:
            self._memory.lateness.learn(_kept(supplier, promise), at_ns / _HOUR_NS - was_s / 3600)
        promise.again = was_s > 0 and not arrived and value > was_s
        promise.due_s = max(value, 0.0)

    def _has_arrived(self, item: Item, promise: Promise, at_ns: int) -> bool:
        return item.rise_ns == at_ns and item.rise >= _ARRIVED_RATIO * promise.quantity

    def _items_of(self, series: Series) -> list[Item]:
        of = series.equipment
        return [item for one, item in self._memory.items.items() if self._context.series[one].equipment == of]

    def _judge(self, series: Series, item: Item, at_ns: int) -> Point:
        if item.stock <= 0:
            return Point(HIGHEST_SCORE, 0.0, 0.0, 0.0, 0.0) if item.demand.hours or item.rise_ns else Point()
        if not item.demand.is_known:
            return Point()
        days, day_s = supply_d(item.stock, item.demand), self._day_s(at_ns)
        score = min(float(self._chances(series, item, at_ns)[-1]) / self._chance_ratio, HIGHEST_SCORE)
        return Point(score, days.median_d * day_s, days.early_d * day_s, days.median_d * day_s, days.late_d * day_s)

    def _pass(self, series_id: int, item: Item, at_ns: int) -> Point:
        """The verdict of this hour, never below one that stands."""
        hour, before = at_ns // _HOUR_NS, self._passed.get(series_id)
        if before is None or before[:2] != (hour, item.last_ns):
            now = self._judge(self._context.series[series_id], item, max(hour * _HOUR_NS, item.last_ns))
            point = item.point if item.point.score >= max(now.score, 1.0) else now
            before = self._passed[series_id] = (hour, item.last_ns, point)
        return before[2]

    def _chances(self, series: Series, item: Item, at_ns: int) -> NDArray[np.float64]:
        at_h = at_ns / _HOUR_NS
        dues = []
        for supplier, promise in sorted(self._open(series), key=lambda one: one[1].due_s):
            kept = _kept(supplier, promise)
            chances = self._memory.lateness.arrival_chances(kept, promise.due_s / 3600 - at_h, self._ahead_h.tolist())
            dues.append(Due(promise.quantity, chances))
        return short_chances(item.stock, item.demand, item.demand.span_d(self._spans_from(at_ns // _HOUR_NS)), dues)

    def _open(self, series: Series) -> list[tuple[str, Promise]]:
        promises = self._memory.promises.get(series.equipment.path, {})
        return [(supplier, one) for supplier, one in promises.items() if one.due_s > 0 and one.quantity > 0]

    def _spans_from(self, hour: int) -> NDArray[np.float64]:
        """Planned hours by weekday up to each look-ahead instant."""
        if hour not in self._spans:
            if len(self._spans) > 48:
                self._spans.clear()
            hours = np.arange(hour, hour + math.ceil(self._ahead_h[-1]))
            by_weekday = np.zeros((len(hours) + 1, 7))
            for at, one in enumerate(hours.tolist()):
                by_weekday[at + 1] = by_weekday[at]
                by_weekday[at + 1, (self._day(one) + 3) % 7] += self._planned_h(one)
            places = np.minimum(np.round(self._ahead_h).astype(int), len(hours))
            self._spans[hour] = by_weekday[places]
        return self._spans[hour]

    def _planned_h(self, hour: int) -> float:
        return self._context.calendar.planned_s(self._line, hour * _HOUR_NS, (hour + 1) * _HOUR_NS) / 3600

    def _day(self, hour: int) -> int:
        return self._context.calendar.local_day(hour * _HOUR_NS).toordinal() - _EPOCH

    def _hours_per_d(self, hour: int) -> float:
        """Planned hours of a day of production, from the week ahead."""
        days = [self._context.calendar.planned_s(self._line, at, at + 24 * _HOUR_NS) for at in self._week(hour)]
        worked = [seconds / 3600 for seconds in days if seconds > 0]
        return sum(worked) / len(worked) if worked else 24.0

    def _day_s(self, at_ns: int) -> float:
        """How many seconds of all time a usual day of production takes, weekends included."""
        week = self._week(at_ns // _HOUR_NS)
        planned_h = self._context.calendar.planned_s(self._line, week[0], week[-1] + 24 * _HOUR_NS) / 3600
        return 7 * 86_400 * self._hours_per_d(at_ns // _HOUR_NS) / planned_h if planned_h else 7 * 86_400.0

    @staticmethod
    def _week(hour: int) -> list[int]:
        day = hour // 24 * 24
        return [(day + 24 * at) * _HOUR_NS for at in range(7)]


def _kept(supplier: str, promise: Promise) -> str:
    """Whose lateness it is."""
    return f"{supplier}, put off" if promise.again else supplier
