"""Stocks that are booked, not measured: the chance that each is empty within the response time, receipts and all.

Input: the line `inventory` (collector/inventory): `on_hand` of an item, and `next_due/SUPPLIER` and
`next_quantity/SUPPLIER` of its soonest receipts. Output: Scores for `detectors.methods.shortage`; the score is the
chance of being empty within two response times over the chance at which to warn. Value and band are the time to empty
in s, early, median and late, were nothing to come. Pure.

Use is what leaves in each hour of planned production. One that began empty, or of which readings are missing, teaches
nothing; one in which the stock ran empty, that at least so much was wanted. A receipt is late by the time from its
promise to the rise of the stock, learned apart where it was put off. Time never takes a verdict back.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Series
from collector.schema import INVENTORY_LINE
from collector.spool.ledger import Gap
from detectors.booked import Item, Memory, Promise
from detectors.cover import Due, short_chances, supply_d
from detectors.detector import Context, Evidence, Point, Scores, as_scores
from detectors.made import counts, line_of
from detectors.planned_days import PlannedDays
from detectors.surroundings import usable

HIGHEST_SCORE = 100.0
_HOUR_NS = 3600 * NS_PER_S
_LOOKS = 8  # instants ahead
_AHEAD_RATIO = 2.0  # of the response time: what is empty just after it is too late to be answered, too
_LONGEST_SILENCE_H = 31 * 24
_APART_D = 2.0  # days of use that bookings and output may be apart
_ARRIVED_RATIO = 0.5  # of a receipt's quantity by which the stock must rise with it


def is_booked(series: Series) -> bool:
    return series.equipment.line == INVENTORY_LINE


class Stores:
    """A Detector of all items of a site."""

    def __init__(
        self, response_s: float, chance_ratio: float, used_by: str, context: Context, output_metric: str = "good"
    ) -> None:
        self._response_s = response_s
        self._chance_ratio = chance_ratio
        self._line = used_by or INVENTORY_LINE
        self._context = context
        self._output_metric = output_metric
        self._takers: dict[int, dict[str, float]] = {}
        ahead_h = np.linspace(0, _AHEAD_RATIO * response_s / 3600, _LOOKS + 1)[1:]
        self._days = PlannedDays(context.calendar, self._line, ahead_h)
        self._memory = Memory()
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
                if not item.last_ns:
                    item.explained = self._explained(series_id)
                if at_ns > item.last_ns:
                    self._book(item, at_ns, max(value, 0.0))
                    item.point = self._judge(series, item, at_ns)
                    rows.append((series_id, at_ns, item.point))
            elif self.listens(series):
                self._told(series, at_ns, value)
        return as_scores(rows)

    def hear(self, batch: Batch) -> None:
        """Counters of the lines that use the items: what they made has been taken, booked or not."""
        batch = usable(batch)
        columns = (batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist())
        for series_id, at_ns, value in zip(*columns, strict=True):
            series = self._context.series[series_id]
            if counts(series, self._output_metric):
                self._memory.made.count(series_id, series, at_ns, value, is_scrap=False)
                for item_id, item in self._memory.items.items():
                    if line_of(series) in self._takers_of(item_id):
                        self._explain(item_id, item, at_ns)

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
        days, day_s = supply_d(item.left, item.demand), self._days.day_s(at_ns)
        said: Evidence = {"stock": item.stock, "stock_unit": of.unit, "response_s": self._response_s}
        said |= {"used_not_booked": item.reconciled.unbooked} if item.reconciled.unbooked > 0 else {}
        if item.demand.is_known:
            chance = self._chances(of, item, at_ns)
            said |= {
                "use_per_h": item.demand.per_d * 3600 / day_s,
                "empty_at_s": at_ns / NS_PER_S + days.median_d * day_s,
            }
            said |= {"time_to_empty_s": days.median_d * day_s, "time_to_empty_early_s": days.early_d * day_s}
            said |= {"time_to_empty_late_s": days.late_d * day_s, "days_of_supply_d": days.median_d * day_s / 86_400}
            said |= {
                f"chance_short_in_{self._days.ahead_h[at]:.0f}_h": float(chance[at]) for at in (_LOOKS // 2, _LOOKS - 1)
            }
        for supplier, promise in self._memory.open_promises(of.equipment.path)[:1]:
            late_h = at_ns / _HOUR_NS - promise.due_s / 3600
            said |= {"next_supplier": supplier, "next_quantity": promise.quantity, "next_due_s": promise.due_s}
            said |= {"next_overdue_h": late_h} if late_h > 0 else {}
        if self._line != INVENTORY_LINE:
            said["starves"] = self._line
        return said

    def quantity_due(self, due: Series, supplier: str) -> float:
        """The quantity of a supplier's soonest receipt for the item that a series is about."""
        return self._memory.promise(due.equipment.path, supplier).quantity

    def later_still_ratio(self, due: Series, supplier: str, late_h: float) -> float:
        """The share of this supplier's receipts that come later than so long after their promise."""
        promise = self._memory.promise(due.equipment.path, supplier)
        return self._memory.lateness.late_ratio(promise.kept_by(supplier), late_h)

    def late_quantile_h(self, due: Series, supplier: str, later_ratio: float) -> float:
        """Hours past the promise that this share of the supplier's receipts exceeds."""
        promise = self._memory.promise(due.equipment.path, supplier)
        return self._memory.lateness.late_quantile_h(promise.kept_by(supplier), later_ratio)

    def outlook(self, due: Series, at_ns: int) -> Evidence:
        """What there is of the item that a series is about, and when it runs out were nothing to come."""
        places = ((one, item) for one, item in self._memory.items.items() if item.last_ns)
        own = next((one for one, _ in places if self._context.series[one].equipment == due.equipment), None)
        if own is None:
            return {}
        said = self.explain(own, at_ns)
        wanted = ("use_per_h", "empty_at_s", "time_to_empty_s", "days_of_supply_d", "starves")
        return {"on_hand": said["stock"]} | {name: said[name] for name in wanted if name in said}

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._memory)

    def restore(self, state: bytes) -> None:
        self._memory = msgspec.msgpack.decode(state, type=Memory)
        self._passed = {}

    def _book(self, item: Item, at_ns: int, stock: float) -> None:
        """Learns from the hours that are over, then takes in the reading."""
        is_first = math.isnan(item.stock)
        if is_first:
            item.demand.hours_per_d = self._days.hours_per_d(at_ns // _HOUR_NS)
            item.hour = at_ns // _HOUR_NS
        self._learn_to(item, at_ns)
        change = 0.0 if is_first or at_ns <= item.missing_ns or item.last_ns < item.missing_ns else stock - item.stock
        item.used += item.reconciled.book(max(-change, 0.0), _APART_D * item.demand.per_d or math.inf)
        if change > 0:
            item.rise, item.rise_ns = change, at_ns
        item.stock, item.last_ns = stock, at_ns

    def _explain(self, item_id: int, item: Item, at_ns: int) -> None:
        """Takes in what output says was used since it last said so."""
        explained = self._explained(item_id)
        taken, item.explained = explained - item.explained, explained
        if not math.isnan(item.stock):
            self._learn_to(item, at_ns)
            item.used += item.reconciled.explain(taken, _APART_D * item.demand.per_d or math.inf)

    def _explained(self, item_id: int) -> float:
        """What output has taken of an item since its counters were first heard."""
        made = self._memory.made.units
        return sum((made.get(line, 0.0) * per for line, per in self._takers_of(item_id).items()), 0.0)

    def _takers_of(self, item_id: int) -> dict[str, float]:
        known = self._takers.get(item_id)
        if known is None:
            known = self._takers[item_id] = self._context.flow.takers(self._context.series[item_id])
        return known

    def _learn_to(self, item: Item, at_ns: int) -> None:
        """Learns from the hours that are over at an instant."""
        hour = at_ns // _HOUR_NS
        for over in range(max(item.hour, hour - _LONGEST_SILENCE_H), hour):
            known = item.stock > 0 and over * _HOUR_NS >= item.missing_ns
            if (known or item.used > 0) and self._days.planned_h(over) >= 0.5:
                item.demand.learn(self._days.day(over), item.used, ran_out=item.stock <= 0)
            if over % 24 == 0:
                item.reconciled.fade()
            if self._days.planned_h(over) >= 0.5:  # what left at night counts for the morning
                item.used = 0.0
        item.hour = max(hour, item.hour)

    def _told(self, series: Series, at_ns: int, value: float) -> None:
        """A word on a supplier's soonest receipt; when it is gone and the stock has risen, it has arrived."""
        what, _, supplier = series.metric.partition("/")
        promise = self._memory.promises.setdefault(series.equipment.path, {}).setdefault(supplier, Promise())
        if what == "next_quantity":
            promise.quantity = max(value, 0.0)
            return
        if at_ns <= promise.last_ns:
            return
        was_s, promise.last_ns = promise.due_s, at_ns
        rise = max((item.rise for item in self._items_of(series) if item.rise_ns == at_ns), default=-1.0)
        arrived = rise >= _ARRIVED_RATIO * promise.quantity
        if was_s > 0 and arrived:
            self._memory.lateness.learn(promise.kept_by(supplier), at_ns / _HOUR_NS - was_s / 3600)
        promise.again = was_s > 0 and not arrived and value > was_s
        promise.due_s = max(value, 0.0)

    def _items_of(self, series: Series) -> list[Item]:
        place, items = series.equipment, self._memory.items.items()
        return [item for one, item in items if self._context.series[one].equipment == place]

    def _judge(self, series: Series, item: Item, at_ns: int) -> Point:
        if item.stock <= 0:
            return Point(HIGHEST_SCORE, 0.0, 0.0, 0.0, 0.0) if item.demand.hours or item.rise_ns else Point()
        if not item.demand.is_known:
            return Point()
        days, day_s = supply_d(item.left, item.demand), self._days.day_s(at_ns)
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
        for supplier, promise in self._memory.open_promises(series.equipment.path):
            kept, due_h = promise.kept_by(supplier), promise.due_s / 3600 - at_h
            chances = self._memory.lateness.arrival_chances(kept, due_h, self._days.ahead_h.tolist())
            dues.append(Due(promise.quantity, chances))
        return short_chances(item.left, item.demand, item.demand.span_d(self._days.spans_from(at_ns // _HOUR_NS)), dues)
