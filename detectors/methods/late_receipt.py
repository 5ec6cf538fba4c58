"""Late receipt: what is ordered has not come when it was promised, and later than this supplier usually is.

Input: the line `inventory`: `next_due/SUPPLIER` and `next_quantity/SUPPLIER` of an item's soonest receipts, and its
`on_hand`. From the promise on, the score is `late_ratio` over the share of this supplier's receipts that were later
still (`detectors.supply`, learned from arrivals; a supplier never heard of is judged by all). Value and band are the
time past the promise in s: what is usual, and what is reached so seldom that it is told. The evidence names supplier,
quantity and promise, the stock it was for, and when that runs out (the forecast of `detectors.stores`). A promise that
was put off is judged by its new date.

Source: empirical Bayes (Robbins, 1956) for each supplier's lateness. It fails for receipts that arrive without being
booked, which look late, and sees of several receipts of a supplier for one item only the soonest.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from collector.config import Section
from collector.readings import NS_PER_S, Batch, Series
from collector.spool.ledger import Gap
from detectors.detector import Context, Evidence, Point, Scores, as_scores
from detectors.stores import Stores
from detectors.surroundings import usable

_DUE = "next_due/"
_HIGHEST_SCORE = 100.0
_RESPONSE_S, _CHANCE_RATIO = 86_400.0, 0.5  # of the forecast, which is only asked when the stock runs out
_H_NS = 3600 * NS_PER_S


class Options(Section, frozen=True, kw_only=True):
    """`late_ratio`: told is when so few of the supplier's receipts come even later. `used_by`: the line that uses them,
    whose calendar the use follows. `output_metric`: a glob of the lines' counters of units made.
    """

    late_ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.2
    used_by: str = ""
    output_metric: str = "good"


class Due(msgspec.Struct, array_like=True):
    """The newest word on a promise, s since 1970; 0: none is open."""

    last_ns: int = 0
    due_s: float = 0.0


class Memory(msgspec.Struct):
    stores: bytes
    due: dict[int, Due]


def is_fact(options: Options) -> bool:
    return True


def build(options: Options, context: Context) -> LateReceipt:
    return LateReceipt(options, context)


class LateReceipt:
    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._stores = Stores(_RESPONSE_S, _CHANCE_RATIO, options.used_by, context, options.output_metric)
        self._due: dict[int, Due] = {}

    def listens(self, series: Series) -> bool:
        return series.metric == "on_hand" or self._stores.listens(series)

    def score(self, batch: Batch) -> Scores:
        """Cut at each word on a promise, which is judged by what was known of its supplier then."""
        batch, rows, done = usable(batch), [], 0
        metrics = {one: self._context.series[one].metric for one in np.unique(batch.series).tolist()}
        dues = [one for one, metric in metrics.items() if metric.startswith(_DUE)]
        for place in np.flatnonzero(np.isin(batch.series, dues)).tolist():
            self._stores.score(batch.take(slice(done, place + 1)))
            done = place + 1
            series_id, at_ns = int(batch.series[place]), int(batch.at_ns[place])
            due = self._due.setdefault(series_id, Due())
            if at_ns > due.last_ns:
                due.last_ns, due.due_s = at_ns, max(float(batch.value[place]), 0.0)
                rows.append((series_id, at_ns, self._judge(series_id, due, at_ns)))
        self._stores.score(batch.take(slice(done, None)))
        return as_scores(rows)

    def hear(self, batch: Batch) -> None:
        self._stores.hear(batch)

    def tick(self, at_ns: int) -> Scores:
        open_ = ((one, due) for one, due in self._due.items() if due.due_s > 0)
        return as_scores([(one, at_ns, self._judge(one, due, max(at_ns, due.last_ns))) for one, due in open_])

    def miss(self, gap: Gap) -> None:
        self._stores.miss(gap)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        of, due = self._context.series[series], self._due[series]
        supplier = of.metric.removeprefix(_DUE)
        usual_h, _, late_h = self._late(series, due, at_ns)
        said: Evidence = {
            "supplier": supplier,
            "quantity": self._stores.quantity_due(of, supplier),
            "promised_s": due.due_s,
            "late_h": late_h,
            "usually_late_h": usual_h,
            "later_still_ratio": self._stores.later_still_ratio(of, supplier, late_h),
            "stock": f"{of.equipment.site}/{of.equipment.line}/{of.equipment.cell}",
        }
        return said | self._stores.outlook(of, at_ns)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(Memory(self._stores.snapshot(), self._due))

    def restore(self, state: bytes) -> None:
        memory = msgspec.msgpack.decode(state, type=Memory)
        self._stores.restore(memory.stores)
        self._due = memory.due

    def _judge(self, series: int, due: Due, at_ns: int) -> Point:
        late_h = at_ns / _H_NS - due.due_s / 3600
        if due.due_s <= 0 or late_h <= 0:
            return Point(0.0)
        usual_h, told_h, late_h = self._late(series, due, at_ns)
        of = self._context.series[series]
        later = self._stores.later_still_ratio(of, of.metric.removeprefix(_DUE), late_h)
        score = min(self._options.late_ratio / max(later, 1e-9), _HIGHEST_SCORE)
        return Point(score, late_h * 3600, 0.0, usual_h * 3600, told_h * 3600)

    def _late(self, series: int, due: Due, at_ns: int) -> tuple[float, float, float]:
        """Hours late: the usual, those at which it is told, and those now."""
        of = self._context.series[series]
        supplier = of.metric.removeprefix(_DUE)
        usual_h, told_h = (
            self._stores.late_quantile_h(of, supplier, share) for share in (0.5, self._options.late_ratio)
        )
        return usual_h, told_h, at_ns / _H_NS - due.due_s / 3600
